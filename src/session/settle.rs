//! Settlements on their way back to the queues: one lock a queue for all of a read.

use std::sync::Arc;

use crate::amqp;
use crate::broker::{Aftermath, QueueCell};
use crate::model::{Method, Millis};
use crate::queue::{Outcome, UnackedId};

/// Settlements gathered a queue and an outcome, in order.
#[derive(Debug, Default)]
pub struct SettleBatch {
    slots: Vec<Slot>,
    /// The first so many slots are in use.
    used: usize,
}

#[derive(Debug)]
struct Slot {
    queue: Arc<QueueCell>,
    outcome: Outcome,
    ids: Vec<UnackedId>,
}

impl SettleBatch {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Adds settlements of one queue.
    pub fn extend(&mut self, queue: &Arc<QueueCell>, outcome: Outcome, ids: impl Iterator<Item = UnackedId>) {
        let same = |slot: &Slot| slot.queue.id == queue.id && slot.outcome == outcome;
        // Mostly it is the last slot again; a channel that settles for many queues in turn walks a little.
        let known = self.slots[..self.used].iter().rposition(same);
        let at = known.unwrap_or_else(|| self.open(queue, outcome));
        self.slots[at].ids.extend(ids);
    }

    fn open(&mut self, queue: &Arc<QueueCell>, outcome: Outcome) -> usize {
        let at = self.used;
        self.used += 1;
        match self.slots.get_mut(at) {
            Some(slot) => {
                if slot.queue.id != queue.id {
                    slot.queue = Arc::clone(queue);
                }
                slot.outcome = outcome;
            }
            None => self.slots.push(Slot {
                queue: Arc::clone(queue),
                outcome,
                ids: Vec::new(),
            }),
        }
        at
    }

    /// Hands everything over.
    pub fn flush(&mut self, now: Millis, aftermath: &mut Aftermath) {
        for slot in &mut self.slots[..self.used] {
            slot.queue.settle(slot.outcome, &slot.ids, now, aftermath);
            slot.ids.clear();
        }
        self.used = 0;
        self.slots.truncate(16);
    }
}

/// The method's ids for errors, and what it means for the queue.
pub fn meaning(outcome: amqp::Outcome) -> (Method, Outcome) {
    let back = |requeue| if requeue { Outcome::Requeue } else { Outcome::Reject };
    match outcome {
        amqp::Outcome::Ack => (Method::new(60, 80), Outcome::Ack),
        amqp::Outcome::Reject { requeue } => (Method::new(60, 90), back(requeue)),
        amqp::Outcome::Nack { requeue } => (Method::new(60, 120), back(requeue)),
    }
}
