//! The broker as a process: who it is, what it uses, who is connected.

use super::super::Api;
use super::super::nodes::{open_files, open_files_limit, resident_bytes};
use super::text::{Kind, Text, escaped};
use crate::session::COMPATIBLE_VERSION;

/// Who answers, at which of its endpoints: RabbitMQ's dashboard tells its scrapes apart by that.
pub fn identity(text: &mut Text, api: &Api, endpoint: &str) {
    let version = env!("CARGO_PKG_VERSION");
    text.head("rabbitmq_build_info", Kind::Gauge, "Versions");
    let labels =
        format!("rabbitmq_version=\"{COMPATIBLE_VERSION}\",product_name=\"Warren\",product_version=\"{version}\"");
    text.value("rabbitmq_build_info", &labels, 1);
    text.head("rabbitmq_identity_info", Kind::Gauge, "Names of node and cluster");
    let labels = format!(
        "rabbitmq_node=\"{}\",rabbitmq_cluster=\"{}\",rabbitmq_endpoint=\"{endpoint}\"",
        escaped(&api.settings.node_name),
        escaped(&api.cluster_name())
    );
    text.value("rabbitmq_identity_info", &labels, 1);
}

pub fn resources(text: &mut Text, api: &Api) {
    let broker = &api.broker;
    let (limits, raised) = (broker.alarms().limits(), broker.alarms().raised());
    for (name, help, value) in [
        (
            "rabbitmq_process_resident_memory_bytes",
            "Memory of the process",
            resident_bytes(),
        ),
        (
            "rabbitmq_resident_memory_limit_bytes",
            "Memory above which publishers are blocked",
            limits.memory_bytes,
        ),
        ("rabbitmq_process_open_fds", "Open files and sockets", open_files()),
        (
            "rabbitmq_process_max_fds",
            "Files and sockets that may be open",
            open_files_limit(),
        ),
        (
            "rabbitmq_process_open_tcp_sockets",
            "Connections of clients",
            broker.connection_count() as u64,
        ),
        (
            "rabbitmq_process_max_tcp_sockets",
            "Files and sockets that may be open",
            open_files_limit(),
        ),
        (
            "rabbitmq_disk_space_available_limit_bytes",
            "Free disk space below which publishers are blocked",
            limits.disk_free_bytes,
        ),
        (
            "rabbitmq_alarms_memory_used_watermark",
            "1 while the memory alarm is set",
            raised.memory.into(),
        ),
        (
            "rabbitmq_alarms_free_disk_space_watermark",
            "1 while the disk alarm is set",
            raised.disk.into(),
        ),
        (
            "rabbitmq_erlang_uptime_seconds",
            "Seconds since the API was opened; the name is RabbitMQ's",
            api.uptime_ms() / 1000,
        ),
    ] {
        text.gauge(name, help, value);
    }
    if let Ok(free) = broker.messages().free_space() {
        text.gauge("rabbitmq_disk_space_available_bytes", "Free disk space", free);
    }
}

/// Connections and channels: how many, what they moved, and what came and went.
pub fn connections(text: &mut Text, api: &Api) {
    let broker = &api.broker;
    let open = broker.connections();
    let (mut channels, mut consumers, mut unacked, mut publishers) = (0_u64, 0_u64, 0_u64, 0_u64);
    let (mut received, mut sent) = (0_u64, 0_u64);
    for entry in &open {
        let traffic = entry.link.traffic();
        received += traffic.received_bytes;
        sent += traffic.sent_bytes;
        for (channel, _) in entry.channels() {
            channels += 1;
            consumers += u64::from(channel.consumers);
            unacked += channel.unacked;
            publishers += u64::from(channel.publishes);
        }
    }
    for (name, help, value) in [
        ("rabbitmq_connections", "Open connections", open.len() as u64),
        ("rabbitmq_channels", "Open channels", channels),
        ("rabbitmq_channel_consumers", "Consumers on channels", consumers),
        (
            "rabbitmq_channel_messages_unacked",
            "Deliveries of open channels that are not settled",
            unacked,
        ),
        (
            "warren_blocked_connections",
            "Connections that an alarm blocks",
            broker.alarms().blocked_connections(),
        ),
    ] {
        text.gauge(name, help, value);
    }
    for (name, help, value) in [
        ("rabbitmq_global_publishers", "Channels that have published", publishers),
        ("rabbitmq_global_consumers", "Consumers on channels", consumers),
    ] {
        text.head(name, Kind::Gauge, help);
        text.value(name, super::messages::PROTOCOL, value);
    }
    churn(text, api, [received, sent]);
}

/// What came and went, and the bytes of what is open.
fn churn(text: &mut Text, api: &Api, [received, sent]: [u64; 2]) {
    let broker = &api.broker;
    let [
        opened,
        closed,
        channels_opened,
        channels_closed,
        declared,
        created,
        deleted,
    ] = broker.churn().counts().map(|(_, count)| count);
    for (name, help, value) in [
        ("rabbitmq_connections_opened_total", "Connections opened", opened),
        ("rabbitmq_connections_closed_total", "Connections closed", closed),
        ("rabbitmq_channels_opened_total", "Channels opened", channels_opened),
        ("rabbitmq_channels_closed_total", "Channels closed", channels_closed),
        ("rabbitmq_queues_declared_total", "Declarations of queues", declared),
        ("rabbitmq_queues_created_total", "Queues created", created),
        ("rabbitmq_queues_deleted_total", "Queues deleted", deleted),
        (
            "rabbitmq_connection_incoming_bytes_total",
            "Bytes from the connections that are open",
            received,
        ),
        (
            "rabbitmq_connection_outgoing_bytes_total",
            "Bytes to the connections that are open",
            sent,
        ),
        (
            // The same count as the next, under the name that dashboards made for RabbitMQ ask for.
            "rabbitmq_auth_attempts_failed_total",
            "Logins refused",
            broker.login_failures().total(),
        ),
        (
            "warren_login_failures_total",
            "Logins refused",
            broker.login_failures().total(),
        ),
    ] {
        text.counter(name, help, value);
    }
}
