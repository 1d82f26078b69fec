//! A queue written for clarity: vectors, sorting, no clever paths. It predicts each effect of each command; only which
//! of several equal consumers is served it takes from what the core did.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use crate::model::Millis;

/// An effect in a form that can be compared. Messages are told by the number in their bodies.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    Deliver(u32, Handed),
    /// Sequence, expiry, has a ticket, in flight, which sequence it replaces.
    Keep(Sequence, Option<Millis>, bool, bool, Option<Sequence>),
    Spill(Sequence),
    Forget(Sequence),
    Taken(u64),
    Refused(u64),
    /// Message, reason, sequence, held.
    Dead(u64, DeathReason, Sequence, bool),
    Activated(u32, bool),
    Expired,
}

/// A delivery: message, sequence, whether it has to be settled, redelivered, count of returns.
pub(super) type Handed = (u64, Sequence, bool, bool, u32);

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) sequence: Sequence,
    pub(super) number: u64,
    pub(super) level: u8,
    pub(super) bytes: u64,
    pub(super) expires_at: Option<Millis>,
    pub(super) kept: bool,
    pub(super) persistent: bool,
    /// Its body is in the store.
    pub(super) written: bool,
    pub(super) redelivered: bool,
    pub(super) count: u32,
    pub(super) retries: usize,
    pub(super) group: Option<u8>,
    pub(super) retry_at: Millis,
    /// Its body is in the store only.
    pub(super) on_disk: bool,
}

impl Item {
    /// When it leaves the retries: it is due, or expires.
    fn wakes_at(&self) -> Millis {
        self.expires_at.map_or(self.retry_at, |at| at.min(self.retry_at))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Out {
    pub(super) item: Item,
    pub(super) id: UnackedId,
    /// Which consumer has it, by age.
    pub(super) holder: Option<u64>,
    pub(super) in_window: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) key: u32,
    pub(super) age: u64,
    pub(super) no_ack: bool,
    pub(super) exclusive: bool,
    pub(super) prefetch: u32,
    pub(super) priority: i32,
    pub(super) windowed: bool,
    pub(super) paused: bool,
    /// The window had room again, but the core was not told: it may or may not know.
    pub(super) unsure: bool,
}

#[derive(Debug)]
pub(super) struct New {
    pub(super) number: u64,
    pub(super) priority: Option<u8>,
    pub(super) ttl: Option<u64>,
    pub(super) bytes: u64,
    pub(super) persistent: bool,
    pub(super) confirm: bool,
    pub(super) group: Option<u8>,
}

/// What became of all messages.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ledger {
    pub(super) accepted: u64,
    pub(super) done: u64,
    pub(super) expired: u64,
    pub(super) dropped: u64,
    pub(super) purged: u64,
    pub(super) lost: u64,
}

#[derive(Debug)]
pub(super) struct Oracle {
    pub(super) options: QueueOptions,
    pub(super) now: Millis,
    pub(super) ready: Vec<Item>,
    pub(super) out: Vec<Out>,
    pub(super) members: Vec<Member>,
    pub(super) active: Option<u64>,
    pub(super) next_sequence: Sequence,
    pub(super) next_age: u64,
    pub(super) used_at: Millis,
    pub(super) told: bool,
    pub(super) queue_paused: bool,
    pub(super) window_limit: u32,
    pub(super) window_taken: u32,
    /// Letters that the queue holds: the item, why, whether it is on its way.
    pub(super) letters: Vec<(Item, DeathReason, bool)>,
    pub(super) letters_not_before: Millis,
    /// Those that are to be dead letters once their bodies come.
    pub(super) dying: BTreeMap<Sequence, (Item, DeathReason)>,
    /// Those that wait for their retry.
    pub(super) later: Vec<Item>,
    pub(super) ledger: Ledger,
    /// Sequences that the store holds, by the effects seen.
    pub(super) stored: BTreeSet<Sequence>,
    /// How often each ticket was answered, by the effects seen.
    pub(super) tickets: BTreeMap<u64, u32>,
    /// What the core did, next first, and its ids.
    tape: Vec<(Seen, Option<UnackedId>)>,
}

impl Oracle {
    pub(super) fn new(options: QueueOptions, now: Millis) -> Self {
        Self {
            options,
            now,
            ready: Vec::new(),
            out: Vec::new(),
            members: Vec::new(),
            active: None,
            next_sequence: 1,
            next_age: 0,
            used_at: now,
            told: false,
            queue_paused: false,
            window_limit: 0,
            window_taken: 0,
            letters: Vec::new(),
            letters_not_before: 0,
            dying: BTreeMap::new(),
            later: Vec::new(),
            ledger: Ledger::default(),
            stored: BTreeSet::new(),
            tickets: BTreeMap::new(),
            tape: Vec::new(),
        }
    }

    /// Starts a command, whose effects are `tape`: what has expired goes before anything else.
    pub(super) fn begin(&mut self, mut tape: Vec<(Seen, Option<UnackedId>)>) {
        assert!(self.tape.is_empty());
        for (seen, _) in &tape {
            match seen {
                Seen::Keep(sequence, .., replaces) => {
                    assert!(self.stored.insert(*sequence), "kept twice: {sequence}");
                    if let Some(old) = replaces {
                        assert!(self.stored.remove(old), "not kept: {old}");
                    }
                }
                Seen::Spill(sequence) => {
                    self.stored.insert(*sequence);
                }
                Seen::Forget(sequence) => assert!(self.stored.remove(sequence), "not kept: {sequence}"),
                _ => {}
            }
        }
        tape.reverse();
        self.tape = tape;
        let now = self.now;
        let (woke, later): (Vec<Item>, Vec<Item>) = std::mem::take(&mut self.later)
            .into_iter()
            .partition(|item| item.wakes_at() <= now);
        self.later = later;
        let any = !woke.is_empty();
        woke.into_iter().for_each(|item| self.insert(item));
        self.expire();
        if any {
            self.shorten();
        }
    }

    /// Ends a command: the core did nothing else.
    pub(super) fn end(&mut self) {
        assert_eq!(self.tape, [], "more effects than predicted");
    }

    fn expect(&mut self, want: Seen) {
        let seen = self.tape.pop().map(|(seen, _)| seen);
        assert_eq!(seen, Some(want), "then {:?}", self.tape);
    }

    fn answered(&mut self, number: u64) {
        *self.tickets.entry(number).or_default() += 1;
    }

    fn gone(&mut self, item: &Item, reason: Option<DeathReason>) {
        let target = self.options.dead_letter.is_some();
        if self.options.dead_letter_at_least_once
            && self.options.overflow == Overflow::RejectPublish
            && target
            && let Some(reason) = reason
        {
            self.letters.push((item.clone(), reason, false));
            self.send_letters();
            return;
        }
        match reason {
            Some(DeathReason::Expired) => self.ledger.expired += 1,
            Some(_) => self.ledger.dropped += 1,
            None => self.ledger.done += 1,
        }
        if let Some(reason) = reason
            && target
        {
            self.expect(Seen::Dead(item.number, reason, item.sequence, false));
        }
        if item.kept {
            self.expect(Seen::Forget(item.sequence));
        }
    }

    fn send_letters(&mut self) {
        if self.options.dead_letter.is_none() {
            while let Some(at) = self.letters.iter().position(|(.., out)| !out) {
                self.letter_gone(at);
            }
            return;
        }
        if self.letters_not_before > self.now {
            return;
        }
        for at in 0..self.letters.len() {
            if let (item, reason, false) = self.letters[at].clone() {
                self.letters[at].2 = true;
                self.expect(Seen::Dead(item.number, reason, item.sequence, true));
            }
        }
    }

    fn letter_gone(&mut self, at: usize) {
        let (item, ..) = self.letters.remove(at);
        self.ledger.dropped += 1;
        if item.kept {
            self.expect(Seen::Forget(item.sequence));
        }
    }

    pub(super) fn letter_answered(&mut self, sequence: Sequence, refused: bool) {
        let at = self
            .letters
            .iter()
            .position(|(item, ..)| item.sequence == sequence)
            .unwrap();
        if refused {
            let (item, reason, _) = self.letters.remove(at);
            self.letters.push((item, reason, false));
            self.letters_not_before = self.now + LETTER_RETRY_MS;
        } else {
            self.letter_gone(at);
        }
        self.send_letters();
    }

    fn expire(&mut self) {
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

    fn over(&self, length: u64, bytes: u64) -> bool {
        self.options.max_length.is_some_and(|limit| length > limit)
            || self.options.max_length_bytes.is_some_and(|limit| bytes > limit)
    }

    fn ready_bytes(&self) -> u64 {
        self.ready.iter().map(|item| item.bytes).sum()
    }

    fn shorten(&mut self) {
        while self.options.overflow == Overflow::DropHead && self.over(self.ready.len() as u64, self.ready_bytes()) {
            if self.ready[0].on_disk && self.options.dead_letter.is_some() {
                return;
            }
            let item = self.ready.remove(0);
            self.gone(&item, Some(DeathReason::MaxLength));
        }
    }

    fn insert(&mut self, item: Item) {
        self.ready.push(item);
        self.ready.sort_by_key(|item| (u8::MAX - item.level, item.sequence));
    }

    fn level(&self, priority: Option<u8>) -> u8 {
        priority.unwrap_or(0).min(self.options.max_priority.unwrap_or(0))
    }

    pub(super) fn unacked_of(&self, age: u64) -> u32 {
        self.out.iter().filter(|out| out.holder == Some(age)).count() as u32
    }

    /// Whether a consumer can take a message, for all that is known.
    fn can_take(&self, member: &Member) -> bool {
        let credit = member.no_ack || member.prefetch == 0 || self.unacked_of(member.age) < member.prefetch;
        let window_full = self.window_limit != 0 && self.window_taken >= self.window_limit;
        let window = !member.windowed || member.no_ack || !window_full;
        let active = !self.options.single_active_consumer
            || (self.active == Some(member.age) && !self.members.iter().any(|other| other.priority > member.priority));
        credit && window && active && !member.paused && !self.queue_paused
    }

    /// Highest priority of those who certainly can take a message.
    pub(super) fn certain(&self) -> Option<i32> {
        let certain = self
            .members
            .iter()
            .filter(|member| self.can_take(member) && !member.unsure);
        certain.map(|member| member.priority).max()
    }

    /// The consumer that the core chose for its next delivery, at most `ahead` effects from here.
    fn choose(&self, ahead: usize, sequence: Sequence) -> Option<Member> {
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

    fn deliver(&mut self, member: &Member, item: Item) {
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

    fn grouped(&self) -> bool {
        self.options.message_group.is_some()
    }

    /// Who has a message's key: `None` for a free one, else the holder (none for `basic.get`).
    fn holder_of(&self, group: Option<u8>) -> Option<Option<u64>> {
        let group = group.filter(|_| self.grouped())?;
        let mut holders = self.out.iter().filter(|out| out.item.group == Some(group));
        let holder = holders.next()?.holder;
        assert!(holders.all(|out| out.holder == holder), "two have group {group}");
        Some(holder)
    }

    /// The first messages of their groups, by their place, that are free or whose key `age` has.
    fn eligible(&self, age: Option<u64>) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let first = |item: &Item| item.group.is_none_or(|group| seen.insert(group));
        let firsts: Vec<bool> = self.ready.iter().map(first).collect();
        (0..self.ready.len())
            .filter(|at| firsts[*at])
            .filter(|at| match self.holder_of(self.ready[*at].group) {
                None => true,
                Some(holder) => age.is_some() && holder == age,
            })
            .collect()
    }

    /// Whether a message is held back from somebody who certainly could take it.
    pub(super) fn holds_back(&self) -> bool {
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

    /// One delivery of a queue with groups; says whether there was one.
    fn dispatch_group(&mut self) -> Option<u64> {
        let next = self.tape.last().and_then(|(seen, _)| match seen {
            Seen::Deliver(key, handed) => Some((*key, handed.1)),
            _ => None,
        });
        let at = next.and_then(|(_, sequence)| self.ready.iter().position(|item| item.sequence == sequence));
        let (Some(at), Some((key, _))) = (at, next) else {
            assert!(!self.holds_back(), "a message is held back");
            return None;
        };
        let member = self.members.iter().find(|member| member.key == key).unwrap().clone();
        assert!(self.can_take(&member), "{member:?} cannot take {at}");
        assert_eq!(
            self.eligible(Some(member.age)).first(),
            Some(&at),
            "another message is first"
        );
        if !self.eligible(None).is_empty() {
            assert!(Some(member.priority) >= self.certain(), "others come before {member:?}");
        }
        let item = self.ready.remove(at);
        let bytes = item.bytes;
        self.deliver(&member, item);
        Some(bytes)
    }

    /// Who gets a new message of a queue with groups.
    fn choose_for_group(&self, item: &Item) -> Option<Member> {
        let choose = || self.choose(1, item.sequence).or_else(|| self.choose(0, item.sequence));
        if self
            .ready
            .iter()
            .any(|other| other.group.is_some() && other.group == item.group)
        {
            return None;
        }
        let Some(holder) = self.holder_of(item.group) else {
            return if self.eligible(None).is_empty() { choose() } else { None };
        };
        let holder = self.members.iter().find(|member| Some(member.age) == holder)?;
        let next = self.tape.iter().rev().take(2);
        let mut next = next.filter(|(seen, _)| matches!(seen, Seen::Deliver(_, handed) if handed.1 == item.sequence));
        let goes = next.next().is_some();
        if goes {
            assert!(self.can_take(holder), "{holder:?} cannot take its key's next");
        } else {
            assert!(
                !self.can_take(holder) || holder.unsure,
                "{holder:?} could take its key's next"
            );
        }
        goes.then(|| holder.clone())
    }

    /// Nothing can be delivered until the head was read back.
    pub(super) fn head_is_away(&self) -> bool {
        self.ready.first().is_some_and(|head| head.on_disk)
    }

    /// Bodies came; the bool says that there was one.
    pub(super) fn load(&mut self, items: &[(Sequence, bool)]) {
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

    pub(super) fn dispatch(&mut self) {
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

    pub(super) fn enqueue(&mut self, messages: &[New]) {
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

    /// A body is left to the store.
    pub(super) fn page_out(&mut self, item: &mut Item) {
        item.on_disk = true;
        item.kept = true;
        if !std::mem::replace(&mut item.written, true) {
            self.expect(Seen::Spill(item.sequence));
        }
    }

    fn accept(&mut self, new: &New) {
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

    pub(super) fn subscribe(&mut self, member: Member) {
        self.touch();
        self.members.push(member);
        self.review();
        self.dispatch();
    }

    pub(super) fn leave(&mut self, ages: &[u64], ids: &[UnackedId]) {
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
    fn review(&mut self) {
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

    pub(super) fn settle(&mut self, outcome: Outcome, ids: &[UnackedId]) {
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

    fn reject(&mut self, mut item: Item) {
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

    pub(super) fn get(&mut self, no_ack: bool) -> Option<Handed> {
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
    pub(super) fn take(&mut self, sequences: &[Sequence], ids: &[UnackedId]) -> Vec<Handed> {
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

    pub(super) fn purge(&mut self) -> u64 {
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

    pub(super) fn tick(&mut self) {
        if self.unused_until().is_some_and(|until| until <= self.now) {
            self.told = true;
            self.expect(Seen::Expired);
        }
        self.shorten();
        self.send_letters();
        self.dispatch();
    }

    pub(super) fn touch(&mut self) {
        self.used_at = self.now;
        self.told = false;
    }

    pub(super) fn configure(&mut self, options: QueueOptions) {
        let turned = options.single_active_consumer != self.options.single_active_consumer;
        self.options = options;
        self.touch();
        if turned {
            if let Some(active) = self.active.take() {
                let key = self.members.iter().find(|member| member.age == active).unwrap().key;
                self.expect(Seen::Activated(key, false));
            }
            self.review();
        }
        self.shorten();
        self.send_letters();
        self.dispatch();
    }

    /// After a restart: what the store holds is all there is.
    pub(super) fn restore(&mut self, items: Vec<Item>) {
        let retries = !self.options.retry_delays_ms.is_empty();
        for item in items {
            if retries && item.wakes_at() > self.now {
                self.later.push(item);
            } else {
                self.insert(item);
            }
        }
    }

    fn unused_until(&self) -> Option<Millis> {
        let unused = self.members.is_empty() && !self.told;
        self.options
            .expires_ms
            .filter(|_| unused)
            .map(|expires| self.used_at + expires)
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let messages = self.ready.iter().filter_map(|item| item.expires_at);
        let letters = self.letters.iter().any(|(.., out)| !out);
        let letters = letters.then_some(self.letters_not_before);
        let later = self.later.iter().map(Item::wakes_at);
        messages.chain(self.unused_until()).chain(letters).chain(later).min()
    }

    pub(super) fn state(&self) -> QueueState {
        QueueState {
            ready: self.ready.len() as u64,
            ready_bytes: self.ready_bytes(),
            unacked: self.out.len() as u64,
            unacked_bytes: self.out.iter().map(|out| out.item.bytes).sum(),
            held: (self.letters.len() + self.later.len() + self.dying.len()) as u64,
            consumers: self.members.len() as u32,
        }
    }
}
