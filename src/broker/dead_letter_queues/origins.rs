//! From which queues dead letters were seen to come.
//!
//! Where letters keep their own keys, bindings do not always tell where they lead: through the default exchange any key
//! is the name of a queue, and a message may have come by a key of CC. So a queue remembers who sent it such letters,
//! and learns it after a restart from the letters that it holds.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::model::{Message, Name};

use super::super::x_death::Deaths;

/// How many sources a queue remembers. Beyond that those that are gone make room.
const MOST: usize = 1_000;

/// How many messages of a batch are looked at after a restart.
const LEARNED_FROM: usize = 16;

/// The queues whose letters came to one queue, each with the exchange through which they came last.
#[derive(Debug, Default)]
pub(in crate::broker) struct Origins(Mutex<BTreeMap<Name, Name>>);

impl Origins {
    /// Notes that a letter of the queue `source` came through `exchange`. `stands` says of a queue whether it still is
    /// there.
    pub fn note(&self, source: &Name, exchange: &Name, stands: impl Fn(&Name) -> bool) {
        let mut known = self.0.lock();
        if known.get(source) == Some(exchange) {
            return;
        }
        if known.len() >= MOST && !known.contains_key(source) {
            known.retain(|name, _| stands(name));
            if known.len() >= MOST {
                return;
            }
        }
        known.insert(source.clone(), exchange.clone());
    }

    /// Learns from messages that the store kept.
    pub fn learn<'m>(&self, messages: impl Iterator<Item = &'m Message>) {
        for message in messages.take(LEARNED_FROM) {
            let headers = message.properties().headers_bytes().unwrap_or_default();
            if !headers.windows(b"x-death".len()).any(|part| part == b"x-death") {
                continue;
            }
            let headers = message.properties().headers().unwrap_or_default();
            if let Some(death) = Deaths::of(&headers).latest() {
                let source = Name::from(death.queue.as_str());
                self.note(&source, &Name::from(message.exchange()), |_| true);
            }
        }
    }

    /// All that is known: queues and exchanges.
    pub fn all(&self) -> Vec<(Name, Name)> {
        let known = self.0.lock();
        known
            .iter()
            .map(|(name, exchange)| (name.clone(), exchange.clone()))
            .collect()
    }
}
