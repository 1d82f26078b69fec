//! The firehose: copies of all messages of a vhost go to `amq.rabbitmq.trace` (RabbitMQ: "Firehose Tracer").
//!
//! It is switched on a vhost, until it is switched off or the broker stops. A publish is copied when it is routed,
//! with the key `publish.EXCHANGE`; a delivery when it is handed over, with `deliver.QUEUE`. Copies are ordinary
//! transient messages; what passes through the firehose itself is not copied again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::{FieldTable, FieldValue, Message, Properties, PropertiesView};
use crate::queue::{Delivery, Incoming};
use crate::routing::sender_selected_keys;

use super::{Aftermath, Broker, PublishBatch, QueueCell, QueueRef, Vhost};

/// The exchange of the copies, which each vhost has.
pub const FIREHOSE: &str = "amq.rabbitmq.trace";

/// Who published or got a message.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The connection's name.
    pub connection: &'a str,
    /// The channel's number.
    pub channel: u16,
    /// The user.
    pub user: &'a str,
}

/// Deliveries to one consumer, to be copied once no queue is locked.
#[derive(Debug)]
pub struct Tapped {
    queue: Arc<QueueCell>,
    /// The number of the connection and the channel.
    place: Option<(u64, u16)>,
    /// Each with whether it was out before.
    messages: Vec<(Message, bool)>,
}

impl Tapped {
    /// Notes deliveries of `queue`; `None` where there is nothing to copy.
    pub(super) fn new(queue: Arc<QueueCell>, place: Option<(u64, u16)>, deliveries: &[Delivery]) -> Option<Self> {
        let fresh = deliveries.iter().filter(|delivery| !is_copy(&delivery.message));
        let messages: Vec<_> = fresh
            .map(|delivery| (delivery.message.clone(), delivery.redelivered))
            .collect();
        (!messages.is_empty()).then_some(Self { queue, place, messages })
    }
}

impl Vhost {
    /// Whether the firehose is on.
    #[must_use]
    pub fn is_tapped(&self) -> bool {
        self.tapped.load(Ordering::Acquire)
    }
}

impl Broker {
    /// Switches the firehose of a vhost on or off. Messages that are on their way may still be treated as before.
    pub fn set_firehose(&self, vhost: &Vhost, on: bool) {
        let _admin = vhost.admin.lock();
        if vhost.tapped.swap(on, Ordering::AcqRel) == on {
            return;
        }
        for queue in vhost.queues() {
            queue.set_tapped(on);
        }
        // Channels ask again what their exchange is.
        vhost.changed();
        tracing::info!(vhost = %vhost.name, on, "firehose");
    }

    /// Copies a publish that was routed to `queues`; `extra_keys` are those of its CC and BCC headers.
    pub fn tap_publish(
        &self,
        vhost: &Vhost,
        party: Party<'_>,
        message: &Message,
        extra_keys: &[String],
        queues: &[QueueRef],
        batch: &mut PublishBatch,
    ) {
        if is_copy(message) {
            return;
        }
        let mut headers = self.described(message, extra_keys.iter().map(String::as_str));
        sign(&mut headers, vhost, party);
        let routed = queues.iter().map(|queue| FieldValue::text(&queue.0.name)).collect();
        headers.insert("routed_queues", FieldValue::Array(routed));
        send_copy(
            vhost,
            &format!("publish.{}", message.exchange()),
            headers,
            message,
            batch,
        );
    }

    /// Copies one message that `basic.get` took.
    pub fn tap_get(
        &self,
        vhost: &Vhost,
        party: Party<'_>,
        queue: &QueueCell,
        delivery: &Delivery,
        aftermath: &mut Aftermath,
    ) {
        if is_copy(&delivery.message) {
            return;
        }
        let mut batch = PublishBatch::default();
        self.tap_delivery(
            vhost,
            party,
            queue,
            (&delivery.message, delivery.redelivered),
            &mut batch,
        );
        batch.flush(self.now(), aftermath);
    }

    /// Copies what was handed over to consumers.
    pub(super) fn tap_deliveries(&self, tapped: Vec<Tapped>, aftermath: &mut Aftermath) {
        let mut batch = PublishBatch::default();
        for tapped in tapped {
            let Some(vhost) = self.vhost(&tapped.queue.vhost) else {
                continue;
            };
            let entry = tapped.place.and_then(|(connection, _)| self.connection(connection));
            let party = Party {
                connection: entry.as_ref().map_or("", |entry| &entry.name),
                channel: tapped.place.map_or(0, |(_, channel)| channel),
                user: entry.as_ref().map_or("", |entry| &entry.user),
            };
            for (message, redelivered) in &tapped.messages {
                self.tap_delivery(&vhost, party, &tapped.queue, (message, *redelivered), &mut batch);
            }
        }
        batch.flush(self.now(), aftermath);
    }

    fn tap_delivery(
        &self,
        vhost: &Vhost,
        party: Party<'_>,
        queue: &QueueCell,
        (message, redelivered): (&Message, bool),
        batch: &mut PublishBatch,
    ) {
        let decoded = message.properties().headers().unwrap_or_default();
        let mut headers = self.described(message, sender_selected_keys(&decoded).unwrap_or_default());
        headers.insert("redelivered", FieldValue::I32(redelivered.into()));
        sign(&mut headers, vhost, party);
        send_copy(vhost, &format!("deliver.{}", queue.name), headers, message, batch);
    }

    /// What every copy says of its message.
    fn described<'k>(&self, message: &Message, extra_keys: impl IntoIterator<Item = &'k str>) -> FieldTable {
        let own = FieldValue::LongString(message.routing_key_bytes().to_vec());
        let keys = std::iter::once(own).chain(extra_keys.into_iter().map(FieldValue::text));
        let mut headers = FieldTable::new();
        headers.insert("exchange_name", FieldValue::text(message.exchange()));
        headers.insert("routing_keys", FieldValue::Array(keys.collect()));
        headers.insert("properties", FieldValue::Table(properties_table(message)));
        headers.insert("node", FieldValue::text(self.node_name()));
        headers
    }
}

/// Whether a message is a copy itself.
fn is_copy(message: &Message) -> bool {
    message.exchange() == FIREHOSE
}

fn sign(headers: &mut FieldTable, vhost: &Vhost, party: Party<'_>) {
    headers.insert("vhost", FieldValue::text(&vhost.name));
    headers.insert("connection", FieldValue::text(party.connection));
    headers.insert("channel", FieldValue::I32(party.channel.into()));
    headers.insert("user", FieldValue::text(party.user));
}

fn send_copy(vhost: &Vhost, key: &str, headers: FieldTable, message: &Message, batch: &mut PublishBatch) {
    let properties = Properties {
        headers: Some(headers),
        ..Properties::default()
    };
    let properties = properties.encode();
    let mut queues = Vec::new();
    vhost.route(FIREHOSE, key, PropertiesView::new(&properties), 0, &mut queues);
    if queues.is_empty() {
        return;
    }
    let copy = message.republished(FIREHOSE, key, &properties);
    for queue in queues {
        let incoming = Incoming {
            message: copy.clone(),
            persistent: false,
            ticket: None,
        };
        batch.push(&queue, incoming);
    }
}

/// The properties that are set, under the names and with the types that RabbitMQ gives them here.
fn properties_table(message: &Message) -> FieldTable {
    let mut table = FieldTable::new();
    let Ok(properties) = message.properties().decode() else {
        return table;
    };
    let texts = [
        ("content_type", &properties.content_type),
        ("content_encoding", &properties.content_encoding),
        ("correlation_id", &properties.correlation_id),
        ("reply_to", &properties.reply_to),
        ("expiration", &properties.expiration),
        ("message_id", &properties.message_id),
        ("type", &properties.kind),
        ("user_id", &properties.user_id),
        ("app_id", &properties.app_id),
        ("cluster_id", &properties.cluster_id),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            table.insert(name, FieldValue::text(text));
        }
    }
    for (name, number) in [
        ("delivery_mode", properties.delivery_mode.map(u64::from)),
        ("priority", properties.priority.map(u64::from)),
        ("timestamp", properties.timestamp),
    ] {
        if let Some(number) = number {
            // RabbitMQ writes 32 bits, which a timestamp outgrows in 2038.
            let value = i32::try_from(number).map_or(FieldValue::I64(number as i64), FieldValue::I32);
            table.insert(name, value);
        }
    }
    if let Some(headers) = properties.headers {
        table.insert("headers", FieldValue::Table(headers));
    }
    table
}
