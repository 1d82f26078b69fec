//! Who gets what: credit, windows, priorities, the single active consumer.

use super::super::super::*;
use super::{Item, Member, Oracle, Out, Seen};

impl Oracle {
    pub fn unacked_of(&self, age: u64) -> u32 {
        self.out.iter().filter(|out| out.holder == Some(age)).count() as u32
    }

    /// Whether a consumer can take a message, for all that is known.
    pub fn can_take(&self, member: &Member) -> bool {
        let credit = member.no_ack || member.prefetch == 0 || self.unacked_of(member.age) < member.prefetch;
        let window_full = self.window_limit != 0 && self.window_taken >= self.window_limit;
        let window = !member.windowed || member.no_ack || !window_full;
        let active = !self.options.single_active_consumer
            || (self.active == Some(member.age) && !self.members.iter().any(|other| other.priority > member.priority));
        credit && window && active && !member.paused && !self.queue_paused
    }

    /// Highest priority of those who certainly can take a message.
    pub fn certain(&self) -> Option<i32> {
        let certain = self
            .members
            .iter()
            .filter(|member| self.can_take(member) && !member.unsure);
        certain.map(|member| member.priority).max()
    }

    /// The consumer that the core chose for its next delivery, at most `ahead` effects from here.
    pub fn choose(&self, ahead: usize, sequence: Sequence) -> Option<Member> {
        let next = self.tape.iter().rev().take(1 + ahead);
        let chosen = next.into_iter().find_map(|(seen, _)| match seen {
            Seen::Deliver(key, handed) if handed.1 == sequence => {
                let chosen = self.members.iter().find(|member| member.key == *key);
                let chosen = chosen.expect("delivered to nobody").clone();
                assert!(self.can_take(&chosen), "{chosen:?} cannot take {sequence}");
                Some(chosen)
            }
            _ => None,
        });
        let best = self.certain();
        assert!(
            chosen.as_ref().map(|chosen| chosen.priority) >= best,
            "{sequence} should go to a consumer of priority {best:?}, not {chosen:?}"
        );
        chosen
    }

    pub fn deliver(&mut self, member: &Member, item: Item) {
        let handed = (item.number, item.sequence, !member.no_ack, item.redelivered, item.count);
        let id = self.tape.last().and_then(|(_, id)| *id);
        self.expect(Seen::Deliver(member.key, handed));
        if member.no_ack {
            self.gone(&item, None);
            return;
        }
        self.window_taken += u32::from(member.windowed);
        self.out.push(Out {
            item,
            id: id.expect("an id to settle"),
            holder: Some(member.age),
            in_window: member.windowed,
        });
    }

    /// Whether a message is held back from somebody who certainly could take it.
    pub fn holds_back(&self) -> bool {
        if !self.grouped() {
            return !self.ready.is_empty() && !self.head_is_away() && self.certain().is_some();
        }
        let certain = self
            .members
            .iter()
            .filter(|member| self.can_take(member) && !member.unsure);
        let mut certain = certain.map(|member| member.age);
        certain.any(|age| !self.eligible(Some(age)).is_empty())
    }

    pub fn dispatch(&mut self) {
        let mut bytes = 0;
        if self.grouped() {
            for _ in 0..DISPATCH_BATCH {
                if bytes >= DISPATCH_BYTES || self.ready.is_empty() {
                    return;
                }
                let Some(more) = self.dispatch_group() else {
                    return;
                };
                bytes += more;
            }
            return;
        }
        for _ in 0..DISPATCH_BATCH {
            if bytes >= DISPATCH_BYTES || self.head_is_away() || self.ready.is_empty() {
                return;
            }
            let Some(member) = self.choose(0, self.ready[0].sequence) else {
                return;
            };
            let item = self.ready.remove(0);
            bytes += item.bytes;
            self.deliver(&member, item);
        }
    }

    pub fn subscribe(&mut self, member: Member) {
        self.touch();
        self.members.push(member);
        self.review();
        self.dispatch();
    }

    pub fn leave(&mut self, ages: &[u64], ids: &[UnackedId]) {
        let before = self.members.len();
        self.members.retain(|member| !ages.contains(&member.age));
        if self.members.len() != before {
            self.touch();
        }
        if self.active.is_some_and(|active| ages.contains(&active)) {
            self.active = None;
        }
        self.review();
        self.settle(Outcome::Release, ids);
    }

    /// Who is the single active consumer.
    pub fn review(&mut self) {
        if !self.options.single_active_consumer {
            return;
        }
        let best = self.members.iter().min_by_key(|member| (-member.priority, member.age));
        let Some(best) = best.cloned() else {
            return;
        };
        if let Some(active) = self.members.iter().find(|member| Some(member.age) == self.active) {
            if best.priority <= active.priority || self.unacked_of(active.age) != 0 {
                return;
            }
            self.expect(Seen::Activated(active.key, false));
        }
        self.active = Some(best.age);
        self.expect(Seen::Activated(best.key, true));
    }
}
