//! Warren.

pub mod config;
