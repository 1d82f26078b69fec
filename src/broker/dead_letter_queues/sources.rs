//! Which queues dead-letter into which.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Name;
use crate::queue::DeadLetterTarget;
use crate::routing::PossibleKeys;

use super::super::Vhost;
use super::super::queue_cell::{QueueCell, QueueRef};

/// A queue that dead-letters into another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterSource {
    /// The vhost of both.
    pub vhost: Name,
    /// The queue in which messages die.
    pub queue: Name,
    /// Its dead-letter exchange, by argument or policy; empty for the default exchange.
    pub exchange: Name,
    /// The key that its dead letters get; `None` where they keep their own.
    pub routing_key: Option<Name>,
}

/// Queues with those that dead-letter into them, in order of name.
pub(super) type Sources = BTreeMap<Name, (Arc<QueueCell>, Vec<LetterSource>)>;

impl Vhost {
    /// The queues of this vhost into which something dead-letters.
    ///
    /// Where letters keep their own keys, those count with which messages come into the source. What only the message
    /// can tell counts as possible. If it may have any key at all, bindings cannot say where the default exchange
    /// leads: then those queues count to which letters of the source have come.
    pub(super) fn letter_sources(&self) -> Sources {
        let mut found: Sources = BTreeMap::new();
        // Many queues share their dead-letter exchange and key.
        let mut known: BTreeMap<(Name, PossibleKeys), Vec<QueueRef>> = BTreeMap::new();
        for source in self.queues() {
            let Some(target) = source.dead_letter_target() else {
                continue;
            };
            let place = (target.exchange.clone(), self.letter_keys(&source, &target));
            let reached = known
                .entry(place)
                .or_insert_with_key(|(exchange, keys)| self.router.read().may_reach(exchange, keys));
            for QueueRef(queue) in reached.iter() {
                let entry = found.entry(queue.name.clone());
                let (_, sources) = entry.or_insert_with(|| (Arc::clone(queue), Vec::new()));
                sources.push(LetterSource {
                    vhost: self.name.clone(),
                    queue: source.name.clone(),
                    exchange: target.exchange.clone(),
                    routing_key: target.routing_key.clone(),
                });
            }
        }
        self.add_origins(&mut found);
        found
    }

    /// Adds what was seen: sources whose letters came by keys of their own through the exchange that they still have.
    fn add_origins(&self, found: &mut Sources) {
        for queue in self.queues() {
            for (name, exchange) in queue.known_origins() {
                let target = self.find_queue(&name).and_then(|source| source.dead_letter_target());
                let still = target.is_some_and(|to| to.exchange == exchange && to.routing_key.is_none());
                if !still {
                    continue;
                }
                let entry = found.entry(queue.name.clone());
                let (_, sources) = entry.or_insert_with(|| (Arc::clone(&queue), Vec::new()));
                if let Err(at) = sources.binary_search_by(|source| source.queue.cmp(&name)) {
                    let source = LetterSource {
                        vhost: self.name.clone(),
                        queue: name,
                        exchange,
                        routing_key: None,
                    };
                    sources.insert(at, source);
                }
            }
        }
    }

    fn letter_keys(&self, source: &QueueCell, target: &DeadLetterTarget) -> PossibleKeys {
        match &target.routing_key {
            Some(key) => PossibleKeys::These([key.clone()].into()),
            None => self.router.read().keys_into(&source.name),
        }
    }
}
