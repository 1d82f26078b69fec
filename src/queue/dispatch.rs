//! Messages on their way out.

use crate::model::Millis;

use super::entry::Entry;
use super::unacked::Holder;
use super::{DeathReason, Delivery, Effect, Effects, QueueCore, Reply, Sequence};

/// How many waiting messages one command delivers at most.
pub const DISPATCH_BATCH: usize = 256;

/// After how many bytes of bodies a command stops delivering waiting messages; the message that passes this goes out.
pub const DISPATCH_BYTES: u64 = 1 << 20;

impl QueueCore {
    /// Whether a message waits that somebody can take: the last command's batch was full.
    #[must_use]
    pub fn has_deliverable(&self) -> bool {
        self.ready.has_head() && self.consumers.can_take() && self.group_can_go()
    }

    /// Delivers waiting messages, at most one batch.
    pub(super) fn dispatch(&mut self, now: Millis, effects: &mut Effects) {
        if self.groups.is_some() {
            return self.dispatch_groups(now, effects);
        }
        let mut bytes = 0;
        for _ in 0..DISPATCH_BATCH {
            if bytes >= DISPATCH_BYTES || !self.ready.has_head() {
                return;
            }
            if self.ready.has_expiring() && self.consumers.can_take() {
                self.expire_head(now, effects);
                if !self.ready.has_head() {
                    return;
                }
            }
            let Some(turn) = self.consumers.take_turn() else {
                return;
            };
            let Some((sequence, entry)) = self.ready.pop_head() else {
                return;
            };
            bytes += entry.bytes();
            self.deliver(turn, sequence, entry, effects);
        }
    }

    /// `basic.get`: the head for who asks, whoever else consumes.
    pub(super) fn get(&mut self, no_ack: bool, now: Millis, effects: &mut Effects) -> Reply {
        self.touch(now);
        if self.consumers.queue_paused {
            return Reply::Got(None, 0);
        }
        self.expire_head(now, effects);
        let head = match self.groups {
            None => self.ready.pop_head(),
            Some(_) => self.pop_open(),
        };
        let Some((sequence, entry)) = head else {
            return Reply::Got(None, self.ready.paged_len);
        };
        if no_ack && entry.kept {
            effects.push(Effect::Forget(sequence));
        }
        let delivery = self.hand_out(Holder::GET, no_ack, sequence, entry);
        Reply::Got(Some(delivery), self.ready.len())
    }

    /// Makes the delivery of a message, and its place among the unacked where it has to be settled.
    #[inline]
    pub(super) fn hand_out(&mut self, holder: Holder, no_ack: bool, sequence: Sequence, entry: Entry) -> Delivery {
        let (redelivered, delivery_count) = (entry.redelivered, entry.delivery_count);
        let (message, unacked) = if no_ack {
            (entry.message, None)
        } else {
            let message = entry.message.clone();
            if let Some(groups) = &mut self.groups {
                groups.taken(&message, holder);
            }
            (message, Some(self.unacked.insert(sequence, entry, holder)))
        };
        Delivery {
            consumer: holder.key,
            sequence,
            unacked,
            message,
            redelivered,
            delivery_count,
        }
    }

    /// Removes expired messages from the head, so that none is delivered even where more expired than one command
    /// may remove.
    fn expire_head(&mut self, now: Millis, effects: &mut Effects) {
        if self.groups.is_some() {
            return self.expire_all(now, effects);
        }
        while self.ready.has_expiring()
            && self.ready.head().is_some_and(|(_, head)| head.expires_at <= now)
            && let Some((sequence, entry)) = self.ready.pop_head()
        {
            self.left_ready(sequence, &entry);
            self.discard(sequence, entry, Some(DeathReason::Expired), effects);
        }
    }
}
