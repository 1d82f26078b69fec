//! Limits that the broker itself enforces; their defaults and reasons stand in `config::limits`.

/// How much a vhost may hold.
#[derive(Clone, Copy, Debug)]
pub struct BrokerLimits {
    /// Queues a vhost.
    pub queues_per_vhost: usize,
    /// Exchanges a vhost, the predeclared ones included.
    pub exchanges_per_vhost: usize,
    /// Bindings a vhost.
    pub bindings_per_vhost: usize,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            queues_per_vhost: 1_000_000,
            exchanges_per_vhost: 100_000,
            bindings_per_vhost: 10_000_000,
        }
    }
}
