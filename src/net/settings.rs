//! What the network needs to know of the configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::session::SessionSettings;

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
}
