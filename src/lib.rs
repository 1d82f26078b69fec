//! Warren.

#![forbid(unsafe_code)]

pub mod amqp;
pub mod model;
pub mod queue;
pub mod store;
