//! Messages that come back or go for good.

use super::super::super::*;
use super::{Handed, Item, Oracle, Out, Seen};

impl Oracle {
    pub fn settle(&mut self, outcome: Outcome, ids: &[UnackedId]) {
        for id in ids {
            let Some(at) = self.out.iter().position(|out| out.id == *id) else {
                continue;
            };
            let Out { mut item, .. } = self.out.remove(at);
            match outcome {
                Outcome::Ack => self.gone(&item, None),
                Outcome::Reject => self.reject(item),
                Outcome::Undo => {
                    self.insert(item);
                }
                Outcome::Requeue | Outcome::Release => {
                    item.redelivered = true;
                    item.count += 1;
                    if self.options.delivery_limit.is_some_and(|limit| item.count > limit) {
                        self.gone(&item, Some(DeathReason::DeliveryLimit));
                    } else {
                        self.insert(item);
                    }
                }
            }
        }
        if self.active.is_some() {
            self.review();
        }
        if matches!(outcome, Outcome::Requeue | Outcome::Release | Outcome::Undo) {
            self.expire();
            self.shorten();
        }
        self.dispatch();
    }

    pub fn reject(&mut self, mut item: Item) {
        let Some(delay) = self.options.retry_delays_ms.get(item.retries) else {
            self.gone(&item, Some(DeathReason::Rejected));
            return;
        };
        let old = item.sequence;
        item.sequence = self.next_sequence;
        self.next_sequence += 1;
        item.retries += 1;
        item.retry_at = self.now + delay;
        item.redelivered = true;
        item.count += 1;
        let keeps = item.persistent || self.options.tracked;
        if keeps {
            self.expect(Seen::Keep(item.sequence, item.expires_at, false, false, Some(old)));
        } else if item.kept {
            self.expect(Seen::Forget(old));
        }
        item.kept = keeps;
        item.written = item.persistent;
        self.later.push(item);
    }

    pub fn get(&mut self, no_ack: bool) -> Option<Handed> {
        self.touch();
        if self.queue_paused {
            return None;
        }
        let at = match self.grouped() {
            true => *self.eligible(None).first()?,
            false => 0,
        };
        if self.ready.is_empty() || self.head_is_away() {
            return None;
        }
        let item = self.ready.remove(at);
        let handed = (item.number, item.sequence, !no_ack, item.redelivered, item.count);
        if no_ack {
            self.gone(&item, None);
        } else {
            self.out.push(Out {
                item,
                // The test fills in the id, which comes with the reply.
                id: UnackedId {
                    slot: u32::MAX,
                    sequence: handed.1,
                },
                holder: None,
                in_window: false,
            });
        }
        Some(handed)
    }

    /// Takes those that wait and whose key no consumer has.
    pub fn take(&mut self, sequences: &[Sequence], ids: &[UnackedId]) -> Vec<Handed> {
        self.touch();
        let mut taken = Vec::new();
        for sequence in sequences {
            let Some(at) = self.ready.iter().position(|item| item.sequence == *sequence) else {
                continue;
            };
            if self.grouped()
                && self
                    .holder_of(self.ready[at].group)
                    .is_some_and(|holder| holder.is_some())
            {
                continue;
            }
            let mut item = self.ready.remove(at);
            item.on_disk = false;
            taken.push((item.number, item.sequence, true, item.redelivered, item.count));
            self.out.push(Out {
                id: ids[taken.len() - 1],
                item,
                holder: None,
                in_window: false,
            });
        }
        self.dispatch();
        taken
    }

    pub fn purge(&mut self) -> u64 {
        let mut items = std::mem::take(&mut self.ready);
        self.later.sort_by_key(|item| (item.wakes_at(), item.sequence));
        items.append(&mut self.later);
        self.ledger.purged += items.len() as u64;
        for item in &items {
            if item.kept {
                self.expect(Seen::Forget(item.sequence));
            }
        }
        items.len() as u64
    }
}
