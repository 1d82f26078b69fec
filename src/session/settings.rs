//! What every session needs to know of the configuration.

use crate::amqp::WireLimits;
use crate::model::Name;

/// Settings of sessions; a reload makes new ones for new connections.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Limits of the protocol core.
    pub wire: WireLimits,
    /// SASL mechanisms on offer, with spaces between, in order.
    pub mechanisms: String,
    /// The node's name, which clients see as `cluster_name`.
    pub cluster_name: String,
    /// Bytes that may wait to be written to one connection before its consumers are paused.
    pub outgoing_buffer_bytes: usize,
    /// Consumers on one channel.
    pub consumers_per_channel: usize,
    /// Connections to one vhost.
    pub connections_per_vhost: u32,
    /// Connections of one user; a limit of the user itself holds too.
    pub connections_per_user: u32,
    /// Unacked deliveries of one channel.
    pub unacked_per_channel: u32,
    /// Milliseconds that a delivery may stay unacked, 0 for ever.
    pub ack_timeout_ms: u64,
    /// Whom the mechanism ANONYMOUS logs in.
    pub anonymous_user: Option<Name>,
    /// Users that are let in from this machine only.
    pub loopback_users: Vec<String>,
    /// Makes generated names differ from those of an earlier run.
    pub name_seed: u64,
}
