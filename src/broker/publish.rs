//! From a route to the queues: one lock a queue for all messages of a read.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::Millis;
use crate::queue::Incoming;
use crate::store::QueueId;

use super::queue_cell::{Aftermath, QueueCell, QueueRef};

/// More slots than this are given back after a flush.
const KEPT_SLOTS: usize = 16;
/// From so many queues on, a slot is found by hash instead of by walking.
const WALKED_SLOTS: usize = 8;
/// Messages a queue after which a batch is handed over: enough to share a lock between, few enough that they and what
/// becomes of them stay in the core's own cache.
const BATCH_PER_QUEUE: usize = 128;

/// Messages on their way into queues, gathered a queue.
///
/// Within one queue the order of publishing is kept; between queues there is none, as with RabbitMQ.
#[derive(Debug, Default)]
pub struct PublishBatch {
    slots: Vec<Slot>,
    /// The first so many slots are in use.
    used: usize,
    /// Messages in all slots.
    len: usize,
    by_queue: FxHashMap<QueueId, usize>,
}

#[derive(Debug)]
struct Slot {
    queue: Arc<QueueCell>,
    incoming: Vec<Incoming>,
}

impl PublishBatch {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether it should be handed over before the read is done with.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len >= BATCH_PER_QUEUE * self.used.max(1)
    }

    /// Adds one message for one queue.
    #[inline]
    pub fn push(&mut self, queue: &QueueRef, incoming: Incoming) {
        let at = self.slot(&queue.0);
        self.len += 1;
        self.slots[at].incoming.push(incoming);
    }

    /// Hands everything over.
    pub fn flush(&mut self, now: Millis, aftermath: &mut Aftermath) {
        for slot in &mut self.slots[..self.used] {
            slot.queue.enqueue(&mut slot.incoming, now, aftermath);
        }
        self.by_queue.clear();
        self.used = 0;
        self.len = 0;
        if self.slots.len() > KEPT_SLOTS {
            self.slots.truncate(KEPT_SLOTS);
        }
    }

    #[inline]
    fn slot(&mut self, queue: &Arc<QueueCell>) -> usize {
        let used = &self.slots[..self.used];
        let known = if self.used <= WALKED_SLOTS {
            used.iter().position(|slot| slot.queue.id == queue.id)
        } else {
            self.by_queue.get(&queue.id).copied()
        };
        known.unwrap_or_else(|| self.new_slot(queue))
    }

    fn new_slot(&mut self, queue: &Arc<QueueCell>) -> usize {
        let at = self.used;
        self.used += 1;
        match self.slots.get_mut(at) {
            // A slot of an earlier flush: most often of the very same queue.
            Some(slot) if slot.queue.id == queue.id => {}
            Some(slot) => slot.queue = Arc::clone(queue),
            None => self.slots.push(Slot {
                queue: Arc::clone(queue),
                incoming: Vec::new(),
            }),
        }
        if self.used > WALKED_SLOTS {
            if self.by_queue.is_empty() {
                let all = self.slots[..self.used].iter().enumerate();
                self.by_queue.extend(all.map(|(at, slot)| (slot.queue.id, at)));
            } else {
                self.by_queue.insert(queue.id, at);
            }
        }
        at
    }
}
