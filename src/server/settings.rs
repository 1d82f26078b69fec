//! From the configuration to the settings of each part.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::amqp::{TableLimits, WireLimits};
use crate::broker::BrokerLimits;
use tokio_rustls::rustls::ServerConfig;

use crate::config::{self, Config, MessageEngine, SyncMode as ConfiguredSync};
use crate::http::{ConnectionLimits, HttpSettings, LogRing, PageSettings, SessionLimits};
use crate::model::Name;
use crate::net::{
    CertificateName, ClientCertificates, ConnectionSettings, Network, TlsError, TlsFiles, TlsSettings, load_tls,
};
use crate::session::SessionSettings;
use crate::store::{EngineKind, StoreOptions, SyncMode};
use crate::telemetry::{TelemetryError, TracingSettings, parse_headers};

/// Settings of connections and their sessions.
pub fn connections(config: &Config, tls: Option<Arc<ServerConfig>>, name_seed: u64) -> ConnectionSettings {
    let limits = &config.limits;
    ConnectionSettings {
        session: Arc::new(sessions(config, name_seed)),
        handshake_timeout: Duration::from_secs(limits.handshake_timeout_s.into()),
        connections_max: limits.connections_max as usize,
        connections_per_address: limits.connections_per_address,
        proxies: config
            .listeners
            .proxy_protocol_from
            .iter()
            .map(|range| Network {
                address: range.address,
                bits: range.bits,
            })
            .collect(),
        tls: tls.map(|tls| TlsSettings {
            config: tls,
            handshake_timeout: Duration::from_secs(config.tls.handshake_timeout_s.into()),
            certificate_name: match config.tls.login_name {
                config::CertificateName::CommonName => CertificateName::CommonName,
                config::CertificateName::SubjectAlternativeName => CertificateName::SubjectAlternativeName,
            },
        }),
    }
}

/// Reads the files of TLS, where they are named.
pub fn tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let tls = &config.tls;
    let (Some(certificate), Some(key)) = (tls.certificate_file.path(), tls.key_file.path()) else {
        return Ok(None);
    };
    let files = TlsFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        further: std::iter::zip(&tls.further_certificate_files, &tls.further_key_files)
            .map(|(certificate, key)| (certificate.clone(), key.clone()))
            .collect(),
        client_ca: tls.client_ca_file.path().map(ToOwned::to_owned),
        client_certificates: match tls.client_certificates {
            config::ClientCertificates::None => ClientCertificates::None,
            config::ClientCertificates::Optional => ClientCertificates::Optional,
            config::ClientCertificates::Required => ClientCertificates::Required,
        },
        only_tls_1_3: tls.minimum_version == config::TlsVersion::V1_3,
    };
    load_tls(&files).map(Some)
}

fn sessions(config: &Config, name_seed: u64) -> SessionSettings {
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
            tables: TableLimits {
                depth: limits.table_depth_max.into(),
                method_values: limits.table_values_max as usize,
            },
        },
        mechanisms: mechanisms.join(" "),
        cluster_name: config.node.name.clone(),
        outgoing_buffer_bytes: limits.outgoing_buffer_bytes as usize,
        consumers_per_channel: limits.consumers_per_channel as usize,
        connections_per_vhost: limits.connections_per_vhost,
        connections_per_user: limits.connections_per_user,
        unacked_per_channel: limits.unacked_per_channel,
        ack_timeout_ms: u64::from(limits.ack_timeout_s) * 1_000,
        anonymous_user: Some(config.auth.anonymous_user.as_str())
            .filter(|name| !name.is_empty())
            .map(Name::from),
        loopback_users: loopback_users(config),
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

/// Memory of all samples together.
pub fn history_max_bytes(config: &Config) -> usize {
    usize::try_from(config.metrics.history_max_bytes).unwrap_or(usize::MAX)
}

/// What the HTTP API says of the broker, and whom it lets in.
pub fn http(config: &Config, amqp: Vec<SocketAddr>, amqps: Vec<SocketAddr>, log: Arc<LogRing>) -> HttpSettings {
    let pages = &config.pages;
    HttpSettings {
        node_name: node_name(config),
        cluster_name: config.node.name.clone(),
        loopback_users: loopback_users(config),
        amqp,
        amqps,
        certificate: config.tls.certificate_file.path().map(ToOwned::to_owned),
        message_max_bytes: config.limits.message_max_bytes,
        body_max_bytes: config.limits.http_body_max_bytes as usize,
        connections: ConnectionLimits {
            count: config.limits.http_connections_max as usize,
            head_timeout: Duration::from_secs(config.limits.http_head_timeout_s.into()),
            tls_handshake_timeout: Duration::from_secs(config.tls.handshake_timeout_s.into()),
        },
        metrics: config.metrics.enabled,
        metrics_per_object: config.metrics.per_queue,
        pages: PageSettings {
            enabled: pages.enabled,
            sessions: SessionLimits {
                idle_ms: u64::from(pages.session_idle_s) * 1_000,
                max_ms: u64::from(pages.session_max_s) * 1_000,
                count: pages.sessions_max as usize,
            },
            live_clients_max: pages.live_clients_max as usize,
            log,
        },
    }
}

/// Where spans go; `None` where traces are off.
pub fn tracing(config: &Config) -> Result<Option<TracingSettings>, TelemetryError> {
    let tracing = &config.tracing;
    if tracing.endpoint.is_empty() {
        return Ok(None);
    }
    Ok(Some(TracingSettings {
        endpoint: tracing.endpoint.clone(),
        headers: parse_headers(tracing.headers.expose())?,
        ca_file: tracing.ca_file.path().map(ToOwned::to_owned),
        service_name: tracing.service_name.clone(),
        instance: node_name(config),
        sample_ratio: tracing.sample_ratio.0,
        root_ratio: tracing.root_ratio.0,
        queue_max: tracing.queue_max_spans as usize,
        batch_max: tracing.batch_max_spans as usize,
        delay: Duration::from_millis(tracing.delay_ms.into()),
        timeout: Duration::from_millis(tracing.timeout_ms.into()),
    }))
}

/// The node's name as the API gives it.
pub fn node_name(config: &Config) -> String {
    format!("warren@{}", config.node.name)
}

fn loopback_users(config: &Config) -> Vec<String> {
    match config.auth.guest_loopback_only {
        true => vec!["guest".to_owned()],
        false => Vec::new(),
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
    options.sled_slack_bytes = store.sled_slack_bytes;
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
