//! Warren.

pub mod bench;
