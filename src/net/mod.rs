//! Sockets: listening, reading, writing. The only folder with I/O of connections.

mod connection;
mod contain;
mod duplex;
mod expiry;
mod listener;
mod proxy;
mod pulse;
mod reader;
mod settings;
mod tls;
mod writer;

pub use connection::Connections;
pub use listener::listen;
pub use proxy::{Network, Source, read as read_proxy_header};
pub use settings::{ConnectionSettings, TlsSettings};
pub use tls::{CertificateName, ClientCertificates, TlsError, TlsFiles, load as load_tls};
