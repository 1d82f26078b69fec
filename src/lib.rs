//! Warren.

#![forbid(unsafe_code)]

pub mod auth;
pub mod model;
pub mod queue;
pub mod routing;
pub mod store;
