//! Letters that went back to some of their queues, because another one refused them.
//!
//! Such a letter stays where it is, and the queue remembers who has it: the next replay sends it to the others only.
//! This is kept in memory. After a restart of the broker, and where it was killed in between, a letter goes to all its
//! queues again: at least once. No more can be had without a transaction over the disks of all queues.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use crate::model::Name;
use crate::queue::Sequence;
use crate::store::QueueId;

use super::super::queue_cell::QueueRef;

/// The queues that have letters of one dead-letter queue already.
#[derive(Debug, Default)]
pub(in crate::broker) struct Partly(Mutex<BTreeMap<Sequence, BTreeMap<QueueId, Name>>>);

impl Partly {
    /// Notes who has a letter.
    pub fn note(&self, letter: Sequence, taken_by: Vec<QueueRef>) {
        if taken_by.is_empty() {
            return;
        }
        let mut letters = self.0.lock();
        let known = letters.entry(letter).or_default();
        known.extend(taken_by.into_iter().map(|queue| (queue.0.id, queue.0.name.clone())));
    }

    /// The letter is gone.
    pub fn forget(&self, letter: Sequence) {
        self.0.lock().remove(&letter);
    }

    /// The names of those who have a letter.
    pub fn names(&self, letter: Sequence) -> Vec<Name> {
        let letters = self.0.lock();
        let known = letters.get(&letter).into_iter().flat_map(BTreeMap::values);
        known.cloned().collect()
    }

    /// Takes those out of `queues` who have a letter; says whether there were any.
    pub fn leave_out(&self, letter: Sequence, queues: &mut Vec<QueueRef>) -> bool {
        let letters = self.0.lock();
        let Some(known) = letters.get(&letter) else {
            return false;
        };
        let before = queues.len();
        queues.retain(|queue| !known.contains_key(&queue.0.id));
        queues.len() < before
    }

    /// Forgets letters before `end` that are not among these: they went another way.
    pub fn keep_only(&self, letters: &BTreeSet<Sequence>, end: Sequence) {
        self.0
            .lock()
            .retain(|letter, _| *letter >= end || letters.contains(letter));
    }

    /// Whether anything is known of a letter.
    pub fn knows(&self, letter: Sequence) -> bool {
        self.0.lock().contains_key(&letter)
    }
}
