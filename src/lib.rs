//! Warren.

#![forbid(unsafe_code)]

pub mod amqp;
pub mod auth;
pub mod bench;
pub mod broker;
pub mod cli;
pub mod config;
pub mod http;
pub mod model;
pub mod net;
pub mod queue;
pub mod routing;
pub mod server;
pub mod session;
pub mod store;
