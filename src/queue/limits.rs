//! Limits on a queue's length (RabbitMQ: "Queue Length Limit"). Only messages that wait count.

use crate::model::{ConfirmTicket, Message};

use super::{DeathReason, Effect, Effects, Overflow, QueueCore};

impl QueueCore {
    pub(super) fn limited(&self) -> bool {
        self.options.max_length.is_some() || self.options.max_length_bytes.is_some()
    }

    /// Whether one more message would be over a limit. As in RabbitMQ a consumer that could take it makes no
    /// difference, which shows only where the message alone is over the limit.
    pub(super) fn would_overflow(&self, message: &Message) -> bool {
        let length = self.ready.len() + self.letters.len() + self.retries.len() + self.dying.len() + 1;
        let bytes = self.ready.bytes()
            + self.letters.bytes()
            + self.retries.bytes()
            + self.dying.bytes()
            + message.body_len() as u64;
        self.over(length, bytes)
    }

    /// Refuses a message at its arrival.
    pub(super) fn refuse(&self, message: Message, ticket: Option<ConfirmTicket>, effects: &mut Effects) {
        if self.options.overflow == Overflow::RejectPublishDlx {
            self.dead_letter(0, message, false, DeathReason::MaxLength, effects);
        }
        if let Some(ticket) = ticket {
            effects.push(Effect::Refused(ticket));
        }
    }

    /// Drops messages until the queue fits its limits, from the head, as RabbitMQ does: of a priority queue what would be
    /// delivered next goes first. Queues that refuse
    /// publishes instead are left as they are, over the limit too (after a requeue, or with a new policy).
    pub(super) fn shorten(&mut self, effects: &mut Effects) {
        if !self.limited() || self.options.overflow != Overflow::DropHead {
            return;
        }
        while self.over(self.ready.len(), self.ready.bytes()) {
            if let Some((sequence, entry)) = self.ready.pop_head() {
                self.left_ready(sequence, &entry);
                self.discard(sequence, entry, Some(DeathReason::MaxLength), effects);
            } else if self.options.dead_letter.is_none()
                && let Some(paged) = self.ready.pop_paged()
            {
                self.discard_paged(paged, None, effects);
            } else {
                // A dead letter needs its body: this goes on when it was read.
                return;
            }
        }
    }

    fn over(&self, length: u64, bytes: u64) -> bool {
        self.options.max_length.is_some_and(|limit| length > limit)
            || self.options.max_length_bytes.is_some_and(|limit| bytes > limit)
    }
}
