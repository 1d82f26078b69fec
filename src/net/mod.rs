//! Sockets: listening, reading, writing. The only folder with I/O of connections.

mod connection;
mod listener;
mod reader;
mod writer;

pub use connection::{Connections, serve};
pub use listener::listen;
