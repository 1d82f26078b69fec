//! What a message becomes when it dies, and where it goes (RabbitMQ: "Dead Letter Exchanges").

use crate::model::{Message, Millis};
use crate::queue::{DeadLetter, DeathReason, Incoming};
use crate::routing::sender_selected_keys;

use super::publish::PublishBatch;
use super::queue_cell::{Aftermath, QueueCell};
use super::x_death::{Deaths, Obituary, record_death};

/// A dead letter, ready to be routed.
#[derive(Debug)]
pub struct Corpse {
    /// The message under its new exchange, key and headers.
    pub message: Message,
    /// The keys to route it with: the first is its routing key, the others come from CC.
    pub keys: Vec<String>,
    deaths: Deaths,
    /// A rejection cuts no cycle: somebody decided.
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
    /// Writes the death of `letter` in `queue` into its headers. Its expiration goes, and CC too where the queue has
    /// a routing key of its own for dead letters.
    #[must_use]
    pub fn new(letter: &DeadLetter, queue: &str, now: Millis) -> Self {
        let old = &letter.message;
        let mut properties = old.properties().decode().unwrap_or_default();
        let mut headers = properties.headers.take().unwrap_or_default();
        // The receivers of BCC stay unknown; it was taken out when the message was published.
        headers.remove("BCC");
        let mut old_keys = vec![old.routing_key().into_owned()];
        // A header that is no list of keys never came past the publish.
        let further = sender_selected_keys(&headers).unwrap_or_default();
        old_keys.extend(further.into_iter().map(str::to_owned));
        if letter.target.routing_key.is_some() {
            headers.remove("CC");
        }
        let expiration = properties.expiration.take();
        let deaths = record_death(
            &mut headers,
            &Obituary {
                queue,
                reason: letter.reason.word(),
                exchange: old.exchange(),
                routing_keys: &old_keys,
                expiration: expiration.as_deref(),
                time_s: now / 1000,
            },
        );
        let keys = match &letter.target.routing_key {
            Some(key) => vec![key.as_str().to_owned()],
            None => old_keys,
        };
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
        !self.rejected && self.deaths.cycle_into(queue)
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
