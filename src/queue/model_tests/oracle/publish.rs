//! New messages.

use super::super::super::*;
use super::{Item, New, Oracle, Seen};

impl Oracle {
    pub fn enqueue(&mut self, messages: &[New]) {
        self.dispatch();
        for new in messages {
            let dying = self.dying.values().map(|(item, _)| item);
            let held = self
                .letters
                .iter()
                .map(|(item, ..)| item)
                .chain(&self.later)
                .chain(dying);
            let held: u64 = held.map(|item| item.bytes).sum();
            let full = self.over(
                (self.ready.len() + self.letters.len() + self.later.len() + self.dying.len()) as u64 + 1,
                self.ready_bytes() + held + new.bytes,
            );
            if full && self.options.overflow != Overflow::DropHead {
                if self.options.overflow == Overflow::RejectPublishDlx && self.options.dead_letter.is_some() {
                    self.expect(Seen::Dead(new.number, DeathReason::MaxLength, 0, false));
                }
                if new.confirm {
                    self.answered(new.number);
                    self.expect(Seen::Refused(new.number));
                }
                continue;
            }
            self.ledger.accepted += 1;
            self.accept(new);
        }
    }

    pub fn accept(&mut self, new: &New) {
        let ttl = [new.ttl, self.options.message_ttl_ms].into_iter().flatten().min();
        let mut item = Item {
            sequence: self.next_sequence,
            number: new.number,
            level: self.level(new.priority),
            bytes: new.bytes,
            expires_at: ttl.map(|ttl| self.now + ttl),
            kept: false,
            persistent: new.persistent && self.options.durable,
            written: new.persistent && self.options.durable,
            redelivered: false,
            count: 0,
            retries: 0,
            group: new.group,
            retry_at: 0,
            on_disk: false,
        };
        self.next_sequence += 1;
        let tracked = self.options.tracked;
        let durable = (new.persistent && self.options.durable) || tracked;
        let member = if self.grouped() {
            self.choose_for_group(&item)
        } else if self.ready.is_empty() {
            self.choose(1, item.sequence).or_else(|| self.choose(0, item.sequence))
        } else {
            None
        };
        let at_once = match &member {
            Some(member) => member.no_ack,
            None => ttl == Some(0),
        };
        let becomes_letter = member.is_none() && self.options.dead_letter.is_some();
        item.kept = durable && (!at_once || becomes_letter || tracked);
        if new.confirm {
            self.answered(new.number);
        }
        if item.kept {
            self.expect(Seen::Keep(
                item.sequence,
                item.expires_at,
                new.confirm,
                member.is_some() || at_once,
                None,
            ));
        } else if new.confirm {
            self.expect(Seen::Taken(new.number));
        }
        match member {
            Some(member) => self.deliver(&member, item),
            None if at_once => self.gone(&item, Some(DeathReason::Expired)),
            None => {
                let mut others = self.ready.iter().filter(|other| other.level == item.level);
                if others.any(|other| other.on_disk) {
                    self.page_out(&mut item);
                }
                self.insert(item);
                self.shorten();
            }
        }
    }
}
