//! Settlements, and what becomes of the settled.

use crate::model::Millis;

use super::unacked::Out;
use super::{DeathReason, Effect, Effects, Outcome, QueueCore, Reply, UnackedId};

impl QueueCore {
    pub(super) fn settle(&mut self, outcome: Outcome, ids: &[UnackedId], now: Millis, effects: &mut Effects) {
        for id in ids {
            let Some(out) = self.unacked.remove(*id) else {
                continue;
            };
            self.consumers.settled(out.holder);
            if let Some(groups) = &mut self.groups {
                groups.settled(&out.entry.message);
            }
            match outcome {
                Outcome::Ack if out.entry.kept => effects.push(Effect::Forget(out.sequence)),
                Outcome::Ack => {}
                Outcome::Reject => self.reject(out.sequence, out.entry, effects),
                Outcome::Requeue | Outcome::Release => self.put_back(out, effects),
                Outcome::Undo => self.return_ready(out.sequence, out.entry),
            }
        }
        if self.consumers.can_hand_over() {
            self.consumers.review_active(effects);
        }
        if matches!(outcome, Outcome::Requeue | Outcome::Release | Outcome::Undo) {
            self.expire_due(now, effects);
            self.shorten(effects);
        }
        self.dispatch(now, effects);
    }

    /// Back to its own place, unless it was returned more often than the queue allows (RabbitMQ: "Poison Message
    /// Handling").
    fn put_back(&mut self, out: Out, effects: &mut Effects) {
        let Out {
            sequence, mut entry, ..
        } = out;
        entry.redelivered = true;
        entry.delivery_count = entry.delivery_count.saturating_add(1);
        if self
            .options
            .delivery_limit
            .is_some_and(|limit| entry.delivery_count > limit)
        {
            self.discard(sequence, entry, Some(DeathReason::DeliveryLimit), effects);
        } else {
            self.return_ready(sequence, entry);
        }
    }

    pub(super) fn purge(&mut self, effects: &mut Effects) -> Reply {
        let count = self.ready.len() + self.retries.len();
        while !self.ready.is_empty() {
            if let Some((sequence, entry)) = self.ready.pop_head() {
                self.left_ready(sequence, &entry);
                self.discard(sequence, entry, None, effects);
            } else if let Some(paged) = self.ready.pop_paged() {
                self.discard_paged(paged, None, effects);
            }
        }
        while !self.retries.is_empty()
            && let Some((sequence, entry)) = self.retries.pop()
        {
            self.discard(sequence, entry, None, effects);
        }
        Reply::Purged(count)
    }
}
