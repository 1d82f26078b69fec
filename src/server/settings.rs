//! From the configuration to the settings of each part.

use std::time::Duration;

use crate::amqp::WireLimits;
use crate::broker::BrokerLimits;
use crate::config::{Config, MessageEngine, SyncMode as ConfiguredSync};
use crate::session::SessionSettings;
use crate::store::{EngineKind, StoreOptions, SyncMode};

/// Settings of sessions.
pub fn sessions(config: &Config, name_seed: u64) -> SessionSettings {
    let limits = &config.limits;
    let mechanisms: Vec<_> = config
        .auth
        .mechanisms
        .iter()
        .map(|mechanism| mechanism.as_str())
        .collect();
    SessionSettings {
        wire: WireLimits {
            channel_max: limits.channel_max,
            frame_max_bytes: limits.frame_max_bytes,
            heartbeat_s: limits.heartbeat_s,
            frame_max_before_tune_bytes: limits.frame_max_before_tune_bytes,
            bytes_before_open: limits.bytes_before_login as usize,
            message_max_bytes: limits.message_max_bytes,
        },
        mechanisms: mechanisms.join(" "),
        cluster_name: config.node.name.clone(),
        outgoing_buffer_bytes: limits.outgoing_buffer_bytes as usize,
        consumers_per_channel: limits.consumers_per_channel as usize,
        loopback_users: match config.auth.guest_loopback_only {
            true => vec!["guest".to_owned()],
            false => Vec::new(),
        },
        name_seed,
    }
}

/// Limits of the broker.
pub fn broker(config: &Config) -> BrokerLimits {
    let limits = &config.limits;
    BrokerLimits {
        queues_per_vhost: limits.queues_per_vhost as usize,
        exchanges_per_vhost: limits.exchanges_per_vhost as usize,
        bindings_per_vhost: limits.bindings_per_vhost as usize,
    }
}

/// How the store is opened.
pub fn store(config: &Config) -> StoreOptions {
    let store = &config.store;
    let mut options = StoreOptions::new(&config.node.data_dir);
    options.engine = match store.messages {
        MessageEngine::Log => EngineKind::Log,
        MessageEngine::Sled => EngineKind::Sled,
    };
    options.sync = sync(config);
    options.segment_bytes = store.segment_bytes;
    options.reserve_bytes = store.reserve_bytes;
    options.sled_cache_bytes = store.sled_cache_bytes;
    options
}

/// When the store syncs.
pub fn sync(config: &Config) -> SyncMode {
    match config.store.sync {
        ConfiguredSync::Always => SyncMode::Always,
        ConfiguredSync::Interval => SyncMode::Interval(config.store.sync_interval_ms.into()),
        ConfiguredSync::Never => SyncMode::Never,
    }
}

/// How long a handshake may take.
pub fn handshake_timeout(config: &Config) -> Duration {
    Duration::from_secs(config.limits.handshake_timeout_s.into())
}
