//! What time does: messages expire, and so does an unused queue (RabbitMQ: "Time-To-Live and Expiration").

use crate::model::Millis;

use super::ready::Waiting;
use super::{DeathReason, Effect, Effects, QueueCore};

/// How many expired messages one command removes at most; [`QueueCore::next_deadline`] lies in the past while more
/// are left.
pub const EXPIRE_BATCH: usize = 4096;

impl QueueCore {
    /// When [`super::Command::Tick`] is due next: a message or the queue itself expires. `None` while nothing can.
    ///
    /// It changes with every command. RabbitMQ's classic queues look at the head only; here each message expires at
    /// its own time, wherever it stands.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let own = [self.unused_until(), self.letters.next_try(), self.retries.next()];
        let rest = own.into_iter().flatten().min();
        // While too many are dying, bodies come before time does.
        if !self.ready.has_expiring() || self.dying.is_full() {
            return rest;
        }
        self.ready.next_expiry().into_iter().chain(rest).min()
    }

    pub(super) fn tick(&mut self, now: Millis, effects: &mut Effects) {
        if self.unused_until().is_some_and(|until| until <= now) {
            self.expiry_told = true;
            effects.push(Effect::Expired);
        }
        self.shorten(effects);
        self.send_letters(effects);
        self.dispatch(now, effects);
    }

    /// The queue is used, which puts off its own expiry.
    pub(super) fn touch(&mut self, now: Millis) {
        self.used_at = now;
        self.expiry_told = false;
    }

    /// Removes what has expired, at most one batch.
    pub(super) fn expire_due(&mut self, now: Millis, effects: &mut Effects) {
        if !self.ready.has_expiring() {
            return;
        }
        for _ in 0..EXPIRE_BATCH {
            if self.dying.is_full() {
                return;
            }
            match self.ready.pop_expired(now) {
                None => return,
                Some(Waiting::OnDisk(paged)) => self.discard_paged(paged, Some(DeathReason::Expired), effects),
                Some(Waiting::Here(sequence, entry)) => {
                    self.left_ready(sequence, &entry);
                    self.discard(sequence, entry, Some(DeathReason::Expired), effects);
                }
            }
        }
    }

    /// When the queue goes for want of use; `None` while it has consumers or once the owner was told.
    fn unused_until(&self) -> Option<Millis> {
        let expires = self.options.expires_ms?;
        (self.consumers.is_empty() && !self.expiry_told).then(|| self.used_at.saturating_add(expires))
    }
}
