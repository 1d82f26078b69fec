//! Bodies that are in the store only, and what a restart finds.

use super::super::super::*;
use super::{Item, Oracle, Seen};

impl Oracle {
    /// Nothing can be delivered until the head was read back.
    pub fn head_is_away(&self) -> bool {
        self.ready.first().is_some_and(|head| head.on_disk)
    }

    /// Bodies came; the bool says that there was one.
    pub fn load(&mut self, items: &[(Sequence, bool)]) {
        for (sequence, found) in items {
            if let Some((item, reason)) = self.dying.remove(sequence) {
                if *found {
                    self.gone(&item, Some(reason));
                } else {
                    self.stored.remove(sequence);
                    self.ledger.lost += 1;
                }
                continue;
            }
            let away = |item: &&Item| item.on_disk;
            let at = self.ready.iter().position(|item| item.sequence == *sequence);
            let is_first = |at: &usize| {
                let level = self.ready[*at].level;
                let mut others = self.ready.iter().filter(away).filter(|item| item.level == level);
                others.next().is_some_and(|first| first.sequence == *sequence)
            };
            match at.filter(is_first) {
                Some(at) if *found => self.ready[at].on_disk = false,
                Some(at) => {
                    self.ready.remove(at);
                    self.stored.remove(sequence);
                    self.ledger.lost += 1;
                }
                None => {}
            }
        }
        self.shorten();
        self.dispatch();
    }

    /// A body is left to the store.
    pub fn page_out(&mut self, item: &mut Item) {
        item.on_disk = true;
        item.kept = true;
        if !std::mem::replace(&mut item.written, true) {
            self.expect(Seen::Spill(item.sequence));
        }
    }

    /// After a restart: what the store holds is all there is.
    pub fn restore(&mut self, items: Vec<Item>) {
        let retries = !self.options.retry_delays_ms.is_empty();
        for item in items {
            if retries && item.wakes_at() > self.now {
                self.later.push(item);
            } else {
                self.insert(item);
            }
        }
    }
}
