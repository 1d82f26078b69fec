//! The recent-history exchange (`x-recent-history`): routes like a fanout, and gives whoever binds to it the last
//! messages that came through it.
//!
//! It keeps `x-recent-history-length` messages, 20 where that is not given, in memory: after a restart it begins anew.
//! A message with the header `x-recent-history-no-store` = true is not kept, nor one that is returned because it is
//! `mandatory` and reaches no queue.

use crate::model::{AmqpError, FieldTable, FieldValue, PropertiesView, ReplyCode};
use crate::queue::{Incoming, QueueOptions};
use crate::routing::{Binding, DestinationName};

use super::publish::PublishBatch;
use super::queue_cell::Aftermath;
use super::{Broker, Vhost};

const LENGTH: &str = "x-recent-history-length";
const NO_STORE: &str = "x-recent-history-no-store";

/// How many messages are kept where the declaration does not say.
const DEFAULT_LENGTH: u64 = 20;

/// How many messages an exchange keeps.
pub(super) fn length(arguments: &FieldTable) -> Result<u64, AmqpError> {
    let Some(value) = arguments.get(LENGTH) else {
        return Ok(DEFAULT_LENGTH);
    };
    let number = value.as_integer();
    match number.and_then(|number| u64::try_from(number).ok()) {
        Some(length) if length > 0 => Ok(length),
        _ => {
            let shown = match (number, value.as_text()) {
                (Some(number), _) => number.to_string(),
                (None, Some(text)) => format!("<<\"{text}\">>"),
                (None, None) => match value {
                    FieldValue::Bool(on) => on.to_string(),
                    other => other.type_name().to_owned(),
                },
            };
            Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!("Invalid argument {shown}, '{LENGTH}' must be a positive integer"),
            ))
        }
    }
}

/// The settings of the queue that is the history.
pub(super) fn options(arguments: &FieldTable) -> Result<QueueOptions, AmqpError> {
    Ok(QueueOptions {
        max_length: Some(length(arguments)?),
        // A message's own expiration is for the queues that it reaches.
        delayed: true,
        ..QueueOptions::default()
    })
}

/// Whether a message may be kept.
pub(super) fn is_stored(properties: PropertiesView<'_>) -> bool {
    if !properties.has_header(&[NO_STORE]) {
        return true;
    }
    let headers = properties.headers().unwrap_or_default();
    headers.get(NO_STORE) != Some(&FieldValue::Bool(true))
}

impl Broker {
    /// Gives a new binding's destination what the exchange remembers, oldest first.
    pub(super) fn replay_history(&self, vhost: &Vhost, binding: &Binding, aftermath: &mut Aftermath) {
        let Some(history) = vhost.side(&binding.source).and_then(|side| side.history.clone()) else {
            return;
        };
        let mut batch = PublishBatch::default();
        let mut queues = Vec::new();
        for message in history.0.messages() {
            match &binding.destination {
                DestinationName::Queue(name) => {
                    queues.extend(vhost.find_queue(name).map(super::QueueRef));
                }
                DestinationName::Exchange(name) => {
                    vhost.route(name, &message.routing_key(), message.properties(), 0, &mut queues);
                }
            }
            for queue in queues.drain(..) {
                let incoming = Incoming {
                    persistent: message.properties().is_persistent(),
                    message: message.clone(),
                    ticket: None,
                };
                batch.push(&queue, incoming);
            }
        }
        batch.flush(self.now(), aftermath);
    }
}
