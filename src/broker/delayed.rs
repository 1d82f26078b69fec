//! The delayed exchange (`x-delayed-message`, RabbitMQ's delayed message plug-in): a message with a header `x-delay`
//! waits so many milliseconds before it is routed, by the type in `x-delayed-type`.
//!
//! Messages wait in a queue of the exchange's own, ordered by their time; persistent ones of a durable exchange stand
//! on disk and are there after a restart, and those whose time came meanwhile go on at once. What waits is cancelled
//! with the exchange. The disk forgets one only when its queues have it there: a crash in between may send it twice and
//! never loses it. A publish is confirmed when its message waits as safely as it would in a queue. Whether it will
//! reach a queue nobody can know yet, so that `mandatory` returns nothing; keys of a BCC header are dropped with it.
//!
//! Beyond the plug-in: a waiting message takes about a hundred bytes beside its own, and dead letters that go to a
//! delayed exchange wait as well.

use std::sync::Arc;

use crate::model::{FieldValue, Name};
use crate::queue::{DELAY_HEADER, DeadLetter, DeadLetterTarget, Incoming, QueueOptions, delay};
use crate::routing::sender_selected_keys;

use super::handover::Handover;
use super::publish::PublishBatch;
use super::queue_cell::{Aftermath, QueueCell};
use super::{Broker, Vhost};

/// The settings of an exchange's waiting room.
pub(super) fn options(exchange: &Name) -> QueueOptions {
    QueueOptions {
        delayed: true,
        // What leaves the room because its time came is a dead letter to the core.
        dead_letter: Some(DeadLetterTarget {
            exchange: exchange.clone(),
            routing_key: None,
        }),
        ..QueueOptions::default()
    }
}

impl Vhost {
    /// Whether this is the waiting room of a delayed exchange and no queue.
    pub(super) fn is_waiting_room(&self, queue: &QueueCell) -> bool {
        let side = self.side(&queue.name);
        side.is_some_and(|side| side.room.as_ref().is_some_and(|room| room.0.id == queue.id))
    }

    /// How many messages wait in a delayed exchange; `None` where it is no such exchange.
    #[must_use]
    pub fn delayed_messages(&self, exchange: &str) -> Option<u64> {
        let side = self.side(exchange)?;
        side.room.as_ref().map(|room| room.0.state().ready)
    }
}

impl Broker {
    /// Routes messages whose time has come. Their `x-delay` becomes negative, as with the plug-in: so they do not wait
    /// in the next delayed exchange, and a consumer can see how long they did.
    pub(super) fn release_delayed(
        &self,
        vhost: &Vhost,
        room: &Arc<QueueCell>,
        letters: Vec<DeadLetter>,
        forgets: Vec<u64>,
        aftermath: &mut Aftermath,
    ) {
        let now = self.now();
        let handover = Handover::new(room);
        let mut batch = PublishBatch::default();
        let mut queues = Vec::new();
        for letter in letters {
            let old = &letter.message;
            let mut properties = old.properties().decode().unwrap_or_default();
            let mut headers = properties.headers.take().unwrap_or_default();
            let mut keys = vec![old.routing_key().into_owned()];
            // A header that is no list of keys never came past the publish.
            let further = sender_selected_keys(&headers).unwrap_or_default();
            keys.extend(further.into_iter().map(str::to_owned));
            let waited = delay(old.properties()).and_then(|waited| i64::try_from(waited).ok());
            if let Some(waited) = waited {
                let negative = match i32::try_from(waited) {
                    Ok(waited) => FieldValue::I32(-waited),
                    Err(_) => FieldValue::I64(-waited),
                };
                headers.insert(DELAY_HEADER, negative);
            }
            properties.headers = Some(headers);
            let message = old.republished(old.exchange(), old.routing_key_bytes(), &properties.encode());
            let keys = keys.iter().map(String::as_str);
            let view = message.properties();
            vhost
                .router
                .read()
                .route_many(&letter.target.exchange, keys, view, now, &mut queues);
            for queue in queues.drain(..) {
                let incoming = Incoming {
                    message: message.clone(),
                    persistent: view.is_persistent(),
                    ticket: Some(handover.ticket(letter.sequence)),
                };
                batch.push(&queue, incoming);
            }
        }
        batch.flush(now, aftermath);
        handover.asked(forgets);
    }
}
