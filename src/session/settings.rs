//! What every session needs to know of the configuration.

use crate::amqp::WireLimits;

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
    /// Users that are let in from this machine only.
    pub loopback_users: Vec<String>,
    /// Makes generated names differ from those of an earlier run.
    pub name_seed: u64,
}
