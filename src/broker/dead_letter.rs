//! What a message becomes when it dies: the `x-death` header and the keys it goes on with.
//!
//! RabbitMQ: "Dead Letter Exchanges". Entries of `x-death` are merged by queue and reason, newest first; `count` is a
//! 64-bit integer, `time` the first death in seconds.

use crate::model::{FieldTable, FieldValue, Message, Millis, Name};
use crate::queue::{DeadLetter, DeathReason, Incoming};
use crate::routing::sender_selected_keys;

use super::publish::PublishBatch;
use super::queue_cell::{Aftermath, QueueCell};

/// A dead letter, ready to be routed.
#[derive(Debug)]
pub struct Corpse {
    /// The message under its new exchange, key and headers.
    pub message: Message,
    /// The keys to route it with: the first is its routing key, the others come from CC and BCC.
    pub keys: Vec<String>,
    deaths: Vec<Death>,
    /// A rejection cuts no cycle: somebody decided.
    rejected: bool,
}

#[derive(Debug)]
struct Death {
    queue: Vec<u8>,
    rejected: bool,
}

impl DeathReason {
    /// The word in the `x-death` header.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

impl Corpse {
    /// Writes the death of `letter` in `queue` into its headers.
    #[must_use]
    pub fn new(letter: &DeadLetter, queue: &str, now: Millis) -> Self {
        let old = &letter.message;
        let mut properties = old.properties().decode().unwrap_or_default();
        let mut headers = properties.headers.take().unwrap_or_default();
        let mut old_keys = vec![old.routing_key().into_owned()];
        // A header that is no list of keys never came past the publish.
        let further = sender_selected_keys(&headers).unwrap_or_default();
        old_keys.extend(further.into_iter().map(str::to_owned));
        let deaths = record_death(
            &mut headers,
            letter,
            queue,
            &old_keys,
            properties.expiration.take(),
            now,
        );
        let keys = match &letter.target.routing_key {
            Some(key) => {
                headers.remove("CC");
                vec![key.as_str().to_owned()]
            }
            None => old_keys,
        };
        headers.remove("BCC");
        properties.headers = Some(headers);
        Self {
            message: old.republished(&letter.target.exchange, &keys[0], &properties.encode()),
            keys,
            deaths,
            rejected: letter.reason == DeathReason::Rejected,
        }
    }

    /// Whether the message went through `queue` before and nobody rejected it since: it would go round for ever.
    #[must_use]
    pub fn cycles_into(&self, queue: &str) -> bool {
        if self.rejected {
            return false;
        }
        match self.deaths.iter().position(|death| death.queue == queue.as_bytes()) {
            Some(at) => self.deaths[..=at].iter().all(|death| !death.rejected),
            None => false,
        }
    }
}

impl super::Broker {
    /// Routes dead letters of one queue and puts them where they lead. One that would go round for ever, or that
    /// leads nowhere, is dropped (RabbitMQ: "Dead Letter Exchanges", at-most-once).
    pub(super) fn send_dead_letters(
        &self,
        source: &QueueCell,
        letters: Vec<DeadLetter>,
        now: Millis,
        aftermath: &mut Aftermath,
    ) {
        let Some(vhost) = self.vhost(&source.vhost) else {
            return;
        };
        let mut batch = PublishBatch::default();
        let mut queues = Vec::new();
        for letter in &letters {
            let corpse = Corpse::new(letter, &source.name, now);
            let message = &corpse.message;
            let keys = corpse.keys.iter().map(String::as_str);
            vhost.route_many(message.exchange(), keys, message.properties(), 0, &mut queues);
            for queue in queues.drain(..).filter(|queue| !corpse.cycles_into(&queue.0.name)) {
                let incoming = Incoming {
                    message: message.clone(),
                    persistent: message.properties().is_persistent(),
                    ticket: None,
                };
                batch.push(&queue, incoming);
            }
        }
        batch.flush(now, aftermath);
    }
}

fn record_death(
    headers: &mut FieldTable,
    letter: &DeadLetter,
    queue: &str,
    keys: &[String],
    expiration: Option<Name>,
    now: Millis,
) -> Vec<Death> {
    let reason = letter.reason.word();
    let mut entries = match headers.remove("x-death") {
        Some(FieldValue::Array(entries)) => entries,
        _ => Vec::new(),
    };
    let same = entries.iter().position(|entry| is_death(entry, queue, reason));
    let entry = match same.map(|at| entries.remove(at)) {
        Some(FieldValue::Table(mut entry)) => {
            let count = entry.get("count").and_then(FieldValue::as_integer).unwrap_or(0);
            entry.insert("count", FieldValue::I64(count + 1));
            entry
        }
        _ => new_death(letter, queue, keys, expiration, now),
    };
    entries.insert(0, FieldValue::Table(entry));
    let deaths = entries.iter().filter_map(death).collect();
    headers.insert("x-death", FieldValue::Array(entries));
    let exchange = letter.message.exchange();
    for (name, value) in [("exchange", exchange), ("queue", queue), ("reason", reason)] {
        let first = format!("x-first-death-{name}");
        if headers.get(&first).is_none() {
            headers.insert(first, FieldValue::text(value));
        }
        headers.insert(format!("x-last-death-{name}"), FieldValue::text(value));
    }
    deaths
}

fn new_death(letter: &DeadLetter, queue: &str, keys: &[String], expiration: Option<Name>, now: Millis) -> FieldTable {
    let mut entry: FieldTable = [
        ("count", FieldValue::I64(1)),
        ("reason", FieldValue::text(letter.reason.word())),
        ("queue", FieldValue::text(queue)),
        ("time", FieldValue::Timestamp(now / 1000)),
        ("exchange", FieldValue::text(letter.message.exchange())),
        (
            "routing-keys",
            FieldValue::Array(keys.iter().map(|key| FieldValue::text(key)).collect()),
        ),
    ]
    .into_iter()
    .collect();
    if let Some(expiration) = expiration {
        entry.insert("original-expiration", FieldValue::text(&expiration));
    }
    entry
}

fn is_death(entry: &FieldValue, queue: &str, reason: &str) -> bool {
    let FieldValue::Table(entry) = entry else {
        return false;
    };
    let is = |name, value| entry.get(name).and_then(FieldValue::as_text) == Some(value);
    is("queue", queue) && is("reason", reason)
}

fn death(entry: &FieldValue) -> Option<Death> {
    let FieldValue::Table(entry) = entry else {
        return None;
    };
    let Some(FieldValue::LongString(queue)) = entry.get("queue") else {
        return None;
    };
    Some(Death {
        queue: queue.clone(),
        rejected: entry.get("reason").and_then(FieldValue::as_text) == Some("rejected"),
    })
}
