//! Bodies that go to the store and come back, and restarts.

use super::super::super::*;
use super::super::oracle::Item;
use super::{Test, in_group, told};
use crate::model::{FieldValue, Message, Properties};

impl Test {
    pub fn page_out(&mut self, effects: Effects) {
        self.load_asked |= effects.others.iter().any(|effect| matches!(effect, Effect::Load));
        for effect in &effects.others {
            if let Effect::Spill { sequence, message } = effect {
                self.bodies.insert(*sequence, message.clone());
            }
        }
        self.oracle.begin(told(&effects));
        let away = self.away();
        assert!(away.is_empty() || self.oracle.options.may_page());
        let mut ready = std::mem::take(&mut self.oracle.ready);
        for item in &mut ready {
            if away.contains(&item.sequence) && !item.on_disk {
                self.oracle.page_out(item);
            }
        }
        self.oracle.ready = ready;
        self.oracle.end();
    }

    /// The messages on disk, in the order of delivery.
    pub fn away(&self) -> Vec<Sequence> {
        let waiting = self.core.waiting();
        waiting
            .filter_map(|view| match view {
                WaitingView::OnDisk(view) => Some(view.wanted.sequence),
                WaitingView::Here(_) => None,
            })
            .collect()
    }

    pub fn load(&mut self, count: usize, lose: bool) {
        if !std::mem::take(&mut self.load_asked) {
            return;
        }
        let wanted = self.core.to_load().into_iter();
        let wanted = wanted.flat_map(|list| list.into_iter().take(count));
        let mut bodies: Vec<_> = wanted
            .map(|Wanted { sequence, .. }| (sequence, Some(self.bodies[&sequence].clone())))
            .collect();
        if let (true, Some(last)) = (lose, bodies.last_mut()) {
            last.1 = None;
        }
        let found: Vec<_> = bodies.iter().map(|(at, body)| (*at, body.is_some())).collect();
        self.apply(Command::Loaded(bodies), |oracle, _| oracle.load(&found));
    }

    /// The broker stops without a word and starts again with what the store holds.
    pub fn restart(&mut self) {
        let oracle = &mut self.oracle;
        let waiting = std::mem::take(&mut oracle.ready).into_iter();
        let out = std::mem::take(&mut oracle.out).into_iter();
        let in_window = out.clone().filter(|out| out.in_window).count() as u32;
        let out = out.map(|out| Item {
            redelivered: true,
            ..out.item
        });
        self.load_asked = false;
        let letters = std::mem::take(&mut oracle.letters).into_iter();
        let letters = letters.map(|(item, ..)| Item {
            redelivered: true,
            ..item
        });
        oracle.letters_not_before = 0;
        let letters = letters.chain(std::mem::take(&mut oracle.later));
        let letters = letters.chain(std::mem::take(&mut oracle.dying).into_values().map(|(item, _)| item));
        let tracked = oracle.options.tracked;
        let lasts = |item: &Item| item.kept && (item.persistent || tracked);
        let (mut kept, lost): (Vec<Item>, Vec<Item>) = waiting.chain(out).chain(letters).partition(lasts);
        oracle.ledger.lost += lost.len() as u64;
        for item in lost {
            oracle.stored.remove(&item.sequence);
        }
        kept.iter_mut()
            .for_each(|item| (item.persistent, item.written) = (true, true));
        kept.sort_by_key(|item| std::cmp::Reverse(item.sequence));
        kept.iter_mut().for_each(|item| item.on_disk = false);
        oracle.members.clear();
        oracle.active = None;
        oracle.touch();
        let restored = kept.iter().map(|item| {
            let mut headers = in_group(item.group);
            if item.retries > 0 {
                headers.insert(RETRY_COUNT_HEADER, FieldValue::I64(item.retries as i64));
                headers.insert(RETRY_AT_HEADER, FieldValue::I64(item.retry_at as i64));
            }
            let properties = Properties {
                priority: Some(item.level),
                headers: Some(headers),
                ..Properties::default()
            };
            let padding = vec![0; item.bytes as usize - 8];
            Restored {
                sequence: item.sequence,
                message: Message::new("", "q", &properties.encode(), &[&item.number.to_be_bytes(), &padding]),
                expires_at: item.expires_at,
                redelivered: item.redelivered,
                delivery_count: item.count,
            }
        });
        let restored = restored.collect();
        self.core = QueueCore::new(self.oracle.options.clone(), self.oracle.now);
        self.pause_queue(self.oracle.queue_paused);
        self.apply(Command::Restore(restored), |oracle, _| oracle.restore(kept));
        self.core.number_from(self.oracle.next_sequence);
        self.apply(Command::Tick, |oracle, _| oracle.tick());
        self.give_back(in_window);
    }
}
