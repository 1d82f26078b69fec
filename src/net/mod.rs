//! Sockets: listening, reading, writing. The only folder with I/O of connections.

mod connection;
mod contain;
mod duplex;
mod listener;
mod pulse;
mod reader;
mod settings;
mod writer;

pub use connection::{Connections, serve};
pub use listener::listen;
pub use settings::ConnectionSettings;
