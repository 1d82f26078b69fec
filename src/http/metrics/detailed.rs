//! Series by object: queues, connections, vhosts.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::super::Api;
use super::super::error::ApiError;
use super::text::{Kind, Text, escaped};
use crate::broker::{Broker, Count, Totals};
use crate::queue::QueueState;

/// One queue with its labels, looked at once.
pub struct Row {
    labels: String,
    state: QueueState,
    on_disk: u64,
    totals: Totals,
}

/// A family of series of queues: its name behind the prefix, what it is, its help, its value.
pub type OfQueues = (&'static str, Kind, &'static str, fn(&Row) -> u64);

/// RabbitMQ's family `queue_coarse_metrics`, then what `queue_metrics` has beyond it.
pub const ALL_OF_QUEUES: &[OfQueues] = &[
    ("queue_messages_ready", Kind::Gauge, "Messages that wait", |row| {
        row.state.ready
    }),
    ("queue_messages_unacked", Kind::Gauge, "Messages that are out", |row| {
        row.state.unacked
    }),
    ("queue_messages", Kind::Gauge, "Messages", |row| {
        row.state.ready + row.state.unacked
    }),
    ("queue_consumers", Kind::Gauge, "Consumers", |row| {
        row.state.consumers.into()
    }),
    (
        "queue_messages_ready_bytes",
        Kind::Gauge,
        "Bytes of bodies that wait",
        |row| row.state.ready_bytes,
    ),
    (
        "queue_messages_unacked_bytes",
        Kind::Gauge,
        "Bytes of bodies that are out",
        |row| row.state.unacked_bytes,
    ),
    ("queue_messages_bytes", Kind::Gauge, "Bytes of bodies", |row| {
        row.state.ready_bytes + row.state.unacked_bytes
    }),
    (
        "queue_messages_paged_out",
        Kind::Gauge,
        "Waiting messages whose bodies are on disk only",
        |row| row.on_disk,
    ),
    (
        "queue_messages_published_total",
        Kind::Counter,
        "Messages put into the queue",
        |row| row.totals.of(Count::Publish),
    ),
    (
        "queue_messages_delivered_total",
        Kind::Counter,
        "Deliveries to consumers that do not settle",
        |row| row.totals.of(Count::DeliverNoAck),
    ),
    (
        "queue_messages_delivered_ack_total",
        Kind::Counter,
        "Deliveries to consumers that settle",
        |row| row.totals.of(Count::Deliver),
    ),
    (
        "queue_messages_redelivered_total",
        Kind::Counter,
        "Deliveries that were not the first",
        |row| row.totals.of(Count::Redeliver),
    ),
    ("queue_messages_acked_total", Kind::Counter, "Acks", |row| {
        row.totals.of(Count::Ack)
    }),
    (
        "queue_get_total",
        Kind::Counter,
        "Messages got without settlement",
        |row| row.totals.of(Count::GetNoAck),
    ),
    (
        "queue_get_ack_total",
        Kind::Counter,
        "Messages got with a settlement to come",
        |row| row.totals.of(Count::Get),
    ),
    (
        "queue_get_empty_total",
        Kind::Counter,
        "Gets while the queue was empty",
        |row| row.totals.of(Count::GetEmpty),
    ),
];

/// The families that a scrape may ask for, under RabbitMQ's names.
const FAMILIES: [&str; 7] = [
    "queue_coarse_metrics",
    "queue_metrics",
    "queue_consumer_count",
    "queue_delivery_metrics",
    "connection_coarse_metrics",
    "connection_metrics",
    "vhost_status",
];

/// What a scrape asks for.
#[derive(Debug, Default, PartialEq)]
pub struct Wanted {
    families: Vec<String>,
    /// None for all.
    vhosts: Vec<String>,
}

impl Wanted {
    /// Reads `family=F&family=F&vhost=V`.
    ///
    /// # Errors
    /// 400 for a family that does not exist, with those that do; RabbitMQ answers such a scrape with nothing.
    pub fn parse(query: &str) -> Result<Self, ApiError> {
        let mut wanted = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(&value.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned();
            match name {
                "family" if FAMILIES.contains(&&*value) => wanted.families.push(value),
                "family" => {
                    let known = FAMILIES.join(", ");
                    return Err(ApiError::bad_request(format!("no family '{value}'; there are {known}")));
                }
                "vhost" => wanted.vhosts.push(value),
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn has(&self, family: &str) -> bool {
        self.families.iter().any(|wanted| wanted == family)
    }

    fn has_vhost(&self, vhost: &str) -> bool {
        self.vhosts.is_empty() || self.vhosts.iter().any(|wanted| wanted == vhost)
    }
}

/// Writes the wanted families.
pub fn write(text: &mut Text, api: &Api, wanted: &Wanted) {
    let prefix = "rabbitmq_detailed_";
    let of_family = |(name, ..): &OfQueues| match *name {
        "queue_messages_ready" | "queue_messages_unacked" | "queue_messages" => {
            wanted.has("queue_coarse_metrics") || wanted.has("queue_metrics")
        }
        "queue_consumers" => wanted.has("queue_consumer_count") || wanted.has("queue_metrics"),
        name if name.ends_with("_total") => wanted.has("queue_delivery_metrics"),
        _ => wanted.has("queue_metrics"),
    };
    let families: Vec<OfQueues> = ALL_OF_QUEUES.iter().copied().filter(of_family).collect();
    if !families.is_empty() {
        queues(text, &rows(&api.broker, &wanted.vhosts), prefix, &families);
    }
    if wanted.has("connection_coarse_metrics") || wanted.has("connection_metrics") {
        connections(text, api, wanted);
    }
    if wanted.has("vhost_status") {
        let name = "rabbitmq_cluster_vhost_status";
        text.head(name, Kind::Gauge, "1 for a vhost that runs");
        for vhost in api.broker.vhosts().iter().filter(|vhost| wanted.has_vhost(&vhost.name)) {
            text.value(name, &format!("vhost=\"{}\"", escaped(&vhost.name)), 1);
        }
    }
}

/// The queues of these vhosts, or of all where none is named.
pub fn rows(broker: &Broker, vhosts: &[String]) -> Vec<Row> {
    let mut rows = Vec::new();
    for vhost in broker.vhosts() {
        if !vhosts.is_empty() && !vhosts.iter().any(|wanted| *wanted == *vhost.name) {
            continue;
        }
        let of = escaped(&vhost.name);
        rows.extend(vhost.queues().iter().map(|queue| Row {
            labels: format!("vhost=\"{of}\",queue=\"{}\"", escaped(&queue.name)),
            state: queue.state(),
            on_disk: queue.on_disk(),
            totals: queue.counters().totals(),
        }));
    }
    rows
}

/// Writes families of queues.
pub fn queues(text: &mut Text, rows: &[Row], prefix: &str, families: &[OfQueues]) {
    for (name, kind, help, value) in families {
        let name = format!("{prefix}{name}");
        text.head(&name, *kind, help);
        for row in rows {
            text.value(&name, &row.labels, value(row));
        }
    }
}

fn connections(text: &mut Text, api: &Api, wanted: &Wanted) {
    let entries: Vec<_> = api.broker.connections();
    let entries: Vec<_> = entries.iter().filter(|entry| wanted.has_vhost(&entry.vhost)).collect();
    let labels = |name: &str| format!("connection=\"{}\"", escaped(name));
    type Value = fn(&Arc<crate::broker::ConnectionEntry>) -> u64;
    let families: [(&str, Kind, &str, Value); 3] = [
        (
            "rabbitmq_detailed_connection_incoming_bytes_total",
            Kind::Counter,
            "Bytes from the client",
            |entry| entry.link.traffic().received_bytes,
        ),
        (
            "rabbitmq_detailed_connection_outgoing_bytes_total",
            Kind::Counter,
            "Bytes to the client",
            |entry| entry.link.traffic().sent_bytes,
        ),
        (
            "rabbitmq_detailed_connection_channels",
            Kind::Gauge,
            "Channels of the connection",
            |entry| entry.channel_count() as u64,
        ),
    ];
    for (name, kind, help, value) in families {
        text.head(name, kind, help);
        for entry in &entries {
            text.value(name, &labels(&entry.name), value(entry));
        }
    }
}
