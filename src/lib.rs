//! Warren.

#![forbid(unsafe_code)]

pub mod config;
pub mod model;
pub mod queue;
pub mod store;
