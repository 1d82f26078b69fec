//! A queue written for clarity: vectors, sorting, no clever paths. It predicts each effect of each command; only which
//! of several equal consumers is served it takes from what the core did.

mod consumers;
mod disk;
mod groups;
mod letters;
mod limits;
mod publish;
mod settle;

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

    fn insert(&mut self, item: Item) {
        self.ready.push(item);
        self.ready.sort_by_key(|item| (u8::MAX - item.level, item.sequence));
    }

    fn level(&self, priority: Option<u8>) -> u8 {
        priority.unwrap_or(0).min(self.options.max_priority.unwrap_or(0))
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
