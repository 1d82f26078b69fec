//! What time and length limits take away, and when the queue wants to be woken.

use super::super::super::*;
use super::{DeathReason, Item, Millis, Oracle};

impl Oracle {
    pub fn expire(&mut self) {
        while let Some(at) = (0..self.ready.len())
            .filter(|at| self.ready[*at].expires_at.is_some_and(|expires| expires <= self.now))
            .min_by_key(|at| (self.ready[*at].expires_at, self.ready[*at].sequence))
        {
            let item = self.ready.remove(at);
            if item.on_disk && self.options.dead_letter.is_some() {
                self.dying.insert(item.sequence, (item, DeathReason::Expired));
            } else {
                self.gone(&item, Some(DeathReason::Expired));
            }
        }
    }

    pub fn over(&self, length: u64, bytes: u64) -> bool {
        self.options.max_length.is_some_and(|limit| length > limit)
            || self.options.max_length_bytes.is_some_and(|limit| bytes > limit)
    }

    pub fn ready_bytes(&self) -> u64 {
        self.ready.iter().map(|item| item.bytes).sum()
    }

    pub fn shorten(&mut self) {
        while self.options.overflow == Overflow::DropHead && self.over(self.ready.len() as u64, self.ready_bytes()) {
            if self.ready[0].on_disk && self.options.dead_letter.is_some() {
                return;
            }
            let item = self.ready.remove(0);
            self.gone(&item, Some(DeathReason::MaxLength));
        }
    }

    pub fn unused_until(&self) -> Option<Millis> {
        let unused = self.members.is_empty() && !self.told;
        self.options
            .expires_ms
            .filter(|_| unused)
            .map(|expires| self.used_at + expires)
    }

    pub fn next_deadline(&self) -> Option<Millis> {
        let messages = self.ready.iter().filter_map(|item| item.expires_at);
        let letters = self.letters.iter().any(|(.., out)| !out);
        let letters = letters.then_some(self.letters_not_before);
        let later = self.later.iter().map(Item::wakes_at);
        messages.chain(self.unused_until()).chain(letters).chain(later).min()
    }
}
