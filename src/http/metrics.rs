//! `/metrics` in Prometheus' text format, in RabbitMQ's metric names where it has one.

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::broker::{Count, QueueCell, Totals, Vhost};
use crate::queue::QueueState;
use crate::session::COMPATIBLE_VERSION;

use super::error::ApiError;
use super::nodes::{open_files, open_files_limit, resident_bytes};
use super::vhosts::Depth;
use super::{Api, blocking};

/// Sums over the whole broker.
pub async fn aggregated(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    blocking(move || {
        let mut text = Text::default();
        whole(&mut text, &api);
        Ok(text.answer())
    })
    .await
}

/// The same, and each queue by name.
pub async fn per_object(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    blocking(move || {
        let mut text = Text::default();
        whole(&mut text, &api);
        queues(&mut text, &api);
        Ok(text.answer())
    })
    .await
}

/// The text that is being written; writing to a string cannot fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    fn value(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn metric(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.value(name, "", value);
    }

    fn answer(self) -> Response {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], self.0).into_response()
    }
}

fn whole(text: &mut Text, api: &Api) {
    let broker = &api.broker;
    text.head("rabbitmq_build_info", "gauge", "Versions");
    let version = env!("CARGO_PKG_VERSION");
    let labels =
        format!("rabbitmq_version=\"{COMPATIBLE_VERSION}\",product_name=\"Warren\",product_version=\"{version}\"");
    text.value("rabbitmq_build_info", &labels, 1);
    text.head("rabbitmq_identity_info", "gauge", "Names of node and cluster");
    let labels = format!(
        "rabbitmq_node=\"{}\",rabbitmq_cluster=\"{}\"",
        escaped(&api.settings.node_name),
        escaped(&api.settings.cluster_name)
    );
    text.value("rabbitmq_identity_info", &labels, 1);
    let vhosts = broker.vhosts();
    let vhosts: Vec<&Vhost> = vhosts.iter().map(|vhost| &**vhost).collect();
    let depth = Depth::of(&vhosts);
    let channels: usize = broker.connections().iter().map(|entry| entry.channel_count()).sum();
    for (name, help, value) in [
        ("rabbitmq_queues", "Queues", depth.queues),
        ("rabbitmq_consumers", "Consumers", depth.consumers),
        (
            "rabbitmq_connections",
            "Open connections",
            broker.connection_count() as u64,
        ),
        ("rabbitmq_channels", "Open channels", channels as u64),
        ("rabbitmq_queue_messages_ready", "Messages that wait", depth.ready),
        (
            "rabbitmq_queue_messages_unacked",
            "Messages that are out and not settled",
            depth.unacked,
        ),
        (
            "rabbitmq_queue_messages",
            "Messages in queues",
            depth.ready + depth.unacked,
        ),
        (
            "rabbitmq_process_resident_memory_bytes",
            "Memory of the process",
            resident_bytes(),
        ),
        ("rabbitmq_process_open_fds", "Open files and sockets", open_files()),
        (
            "rabbitmq_process_max_fds",
            "Files and sockets that may be open",
            open_files_limit(),
        ),
    ] {
        text.metric(name, "gauge", help, value);
    }
    if let Ok(free) = broker.messages().free_space() {
        text.metric("rabbitmq_disk_space_available_bytes", "gauge", "Free disk space", free);
    }
    counters(text, api);
    store(text, api);
    super::dead_letters::metrics(&mut text.0, broker);
}

fn counters(text: &mut Text, api: &Api) {
    let (totals, _) = api.broker.message_totals();
    for (name, help, count) in COUNTERS {
        text.head(name, "counter", help);
        text.value(name, PROTOCOL, totals.of(count));
    }
    let churn = api.broker.churn();
    for (name, help, count) in [
        (
            "rabbitmq_connections_opened_total",
            "Connections opened",
            &churn.connections_opened,
        ),
        (
            "rabbitmq_connections_closed_total",
            "Connections closed",
            &churn.connections_closed,
        ),
        (
            "rabbitmq_channels_opened_total",
            "Channels opened",
            &churn.channels_opened,
        ),
        (
            "rabbitmq_channels_closed_total",
            "Channels closed",
            &churn.channels_closed,
        ),
    ] {
        text.metric(name, "counter", help, count.load(Ordering::Relaxed));
    }
}

const PROTOCOL: &str = "protocol=\"amqp091\"";

const COUNTERS: [(&str, &str, Count); 8] = [
    (
        "rabbitmq_global_messages_routed_total",
        "Messages put into queues",
        Count::Publish,
    ),
    (
        "rabbitmq_global_messages_delivered_consume_manual_ack_total",
        "Deliveries to consumers that settle",
        Count::Deliver,
    ),
    (
        "rabbitmq_global_messages_delivered_consume_auto_ack_total",
        "Deliveries to consumers that do not settle",
        Count::DeliverNoAck,
    ),
    (
        "rabbitmq_global_messages_delivered_get_manual_ack_total",
        "Messages got with a settlement to come",
        Count::Get,
    ),
    (
        "rabbitmq_global_messages_delivered_get_auto_ack_total",
        "Messages got without settlement",
        Count::GetNoAck,
    ),
    (
        "rabbitmq_global_messages_get_empty_total",
        "Gets from an empty queue",
        Count::GetEmpty,
    ),
    (
        "rabbitmq_global_messages_redelivered_total",
        "Deliveries that were not the first",
        Count::Redeliver,
    ),
    ("rabbitmq_global_messages_acknowledged_total", "Acks", Count::Ack),
];

fn store(text: &mut Text, api: &Api) {
    let statistics = api.broker.messages().statistics();
    for (name, kind, help, value) in [
        (
            "warren_store_live_messages",
            "gauge",
            "Messages on disk that are not settled",
            statistics.live_messages,
        ),
        (
            "warren_store_live_bytes",
            "gauge",
            "Bytes of their records",
            statistics.live_bytes,
        ),
        (
            "warren_store_disk_bytes",
            "gauge",
            "Bytes of all message files",
            statistics.disk_bytes,
        ),
        (
            "warren_store_commits_total",
            "counter",
            "Rounds of write and sync",
            statistics.rounds,
        ),
        (
            "warren_store_written_total",
            "counter",
            "Messages written",
            statistics.written,
        ),
        (
            "warren_store_dropped_total",
            "counter",
            "Messages settled before they were written",
            statistics.dropped,
        ),
        (
            "warren_store_refused_total",
            "counter",
            "Messages refused by a full disk",
            statistics.refused,
        ),
    ] {
        text.metric(name, kind, help, value);
    }
    let seconds = |us: u64| us as f64 / 1e6;
    let total = seconds(statistics.commit_total_us);
    text.metric("warren_store_commit_seconds_total", "counter", "Time in commits", total);
    let max = seconds(statistics.commit_max_us);
    text.metric("warren_store_commit_seconds_max", "gauge", "The slowest commit", max);
}

/// One queue with its labels, looked at once.
struct Row {
    labels: String,
    state: QueueState,
    totals: Totals,
}

fn queues(text: &mut Text, api: &Api) {
    let vhosts = api.broker.vhosts();
    let queues = vhosts.iter().flat_map(|vhost| vhost.queues());
    let rows: Vec<Row> = queues.map(|queue| row(&queue)).collect();
    type Gauge = fn(&Row) -> u64;
    let gauges: [(&str, &str, &str, Gauge); 7] = [
        (
            "rabbitmq_detailed_queue_messages_ready",
            "gauge",
            "Messages that wait",
            |row| row.state.ready,
        ),
        (
            "rabbitmq_detailed_queue_messages_unacked",
            "gauge",
            "Messages that are out",
            |row| row.state.unacked,
        ),
        ("rabbitmq_detailed_queue_messages", "gauge", "Messages", |row| {
            row.state.ready + row.state.unacked
        }),
        (
            "rabbitmq_detailed_queue_messages_ready_bytes",
            "gauge",
            "Bytes that wait",
            |row| row.state.ready_bytes,
        ),
        ("rabbitmq_detailed_queue_consumers", "gauge", "Consumers", |row| {
            row.state.consumers.into()
        }),
        (
            "rabbitmq_detailed_queue_messages_published_total",
            "counter",
            "Messages published",
            |row| row.totals.of(Count::Publish),
        ),
        (
            "rabbitmq_detailed_queue_messages_acked_total",
            "counter",
            "Acks",
            |row| row.totals.of(Count::Ack),
        ),
    ];
    for (name, kind, help, value) in gauges {
        text.head(name, kind, help);
        for row in &rows {
            text.value(name, &row.labels, value(row));
        }
    }
}

fn row(queue: &QueueCell) -> Row {
    Row {
        labels: format!("vhost=\"{}\",queue=\"{}\"", escaped(&queue.vhost), escaped(&queue.name)),
        state: queue.state(),
        totals: queue.counters().totals(),
    }
}

/// A label's value: backslash, quote and line feed are escaped.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
