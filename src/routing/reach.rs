//! Which queues messages may come to that are not there yet: for the question who dead-letters into a queue.
//!
//! What only a message can tell (its headers, its hash, chance) counts as possible, so that no queue is missed.

use std::collections::BTreeSet;

use super::links::{By, Target};
use super::router::Router;
use super::traverse::{Agenda, Envelope};
use crate::model::{Name, PropertiesView};

/// The routing keys that the messages of a queue may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PossibleKeys {
    /// Nobody can say.
    Any,
    /// These.
    These(BTreeSet<Name>),
}

impl<Q: Clone + Ord> Router<Q> {
    /// The routing keys with which messages come into a queue: its own name through the default exchange, the keys of
    /// its bindings to exchanges that compare them. A binding that takes more than one key says nothing.
    #[must_use]
    pub fn keys_into(&self, queue: &Name) -> PossibleKeys {
        let mut keys = BTreeSet::from([queue.clone()]);
        for link in self.links_into(queue).filter_map(|link| self.links().get(link)) {
            let key = self
                .exchange(link.source)
                .and_then(|exchange| exchange.only_key(link.place));
            match key {
                Some(key) => keys.insert(key),
                None => return PossibleKeys::Any,
            };
        }
        PossibleKeys::These(keys)
    }

    /// The queues that messages with such keys may reach from an exchange, through other exchanges and alternates;
    /// none where the exchange does not exist. With unknown keys the default exchange leads nowhere that can be told.
    #[must_use]
    pub fn may_reach(&self, exchange: &str, keys: &PossibleKeys) -> Vec<Q> {
        let mut out = Vec::new();
        let Some(id) = self.id(exchange) else {
            return out;
        };
        match keys {
            PossibleKeys::Any => self.explore(id, None, &mut out),
            PossibleKeys::These(keys) => {
                for key in keys {
                    self.explore(id, Some(key), &mut out);
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    fn explore(&self, first: u32, key: Option<&str>, out: &mut Vec<Q>) {
        let keys: Vec<&str> = key.into_iter().collect();
        let envelope = Envelope::new(&keys, PropertiesView::new(&[0, 0]), 0);
        let mut agenda = Agenda::from(first);
        while let Some(id) = agenda.next() {
            if id == Self::DEFAULT {
                self.select_by_queue_name(&keys, out);
                continue;
            }
            let Some(exchange) = self.exchange(id) else {
                continue;
            };
            let mut matched = false;
            let mut each = |link| {
                matched = true;
                match self.links().get(link).map(|link| link.target) {
                    Some(Target::Queue(queue)) => out.extend(self.queue_handle(queue)),
                    Some(Target::Exchange(next)) => agenda.add(next),
                    None => {}
                }
            };
            let decided = key.is_some() && exchange.compares_keys();
            if decided {
                exchange.select(id, &envelope, self.links(), &mut each);
            } else {
                for chain in exchange.chains() {
                    self.links().iter(chain, By::Place).for_each(&mut each);
                }
            }
            let may_miss = !matched || (!decided && !exchange.takes_every_message());
            if may_miss && let Some(alternate) = exchange.alternate().and_then(|name| self.id(name)) {
                agenda.add(alternate);
            }
        }
    }
}
