//! What the network needs to know of the configuration.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

use crate::session::SessionSettings;

use super::proxy::Network;
use super::tls::CertificateName;

/// Settings of connections; a reload makes new ones for new connections.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// Settings of their sessions.
    pub session: Arc<SessionSettings>,
    /// From the first byte to `connection.open`, and from our `connection.close` to its answer.
    pub handshake_timeout: Duration,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one IP address.
    pub connections_per_address: u32,
    /// Proxies that say who connects, and have to.
    pub proxies: Vec<Network>,
    /// TLS, where it is served.
    pub tls: Option<TlsSettings>,
}

/// How TLS connections are served.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Certificates, keys and versions.
    pub config: Arc<ServerConfig>,
    /// From the first byte to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// Which name of a client's certificate `EXTERNAL` logs in.
    pub certificate_name: CertificateName,
}

impl ConnectionSettings {
    /// Whether connections from `peer` begin with a PROXY header.
    #[must_use]
    pub(super) fn is_proxy(&self, peer: std::net::IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(peer))
    }
}
