//! Message groups: messages with the same key go to one consumer at a time, in their order, while keys are served side
//! by side.
//!
//! A consumer has a key as long as it has unsettled messages of it; meanwhile all further messages of the key are
//! for this consumer alone, even if it was cancelled. With the last settlement, or return, the key is free, and
//! whoever's turn it is next takes it: keys need no table of their own beyond the messages that wait or are out. A
//! message without a key goes to anybody. `basic.get` takes keys in the same way; a consumer without acks settles on
//! delivery and so never has a key. A rejected message that is to be retried gives up its place in its key's order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::{Message, Millis, Name, skip_value};

use super::consumers::Turn;
use super::entry::{Entry, Numbered};
use super::unacked::Holder;
use super::{DISPATCH_BATCH, DISPATCH_BYTES, Effect, Effects, QueueCore, Sequence};

/// Where a message stands among all that wait: higher levels first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    below_highest: u8,
    sequence: Sequence,
}

impl Rank {
    fn new(sequence: Sequence, entry: &Entry) -> Self {
        Self {
            below_highest: u8::MAX - entry.level,
            sequence,
        }
    }
}

/// The messages of one key.
#[derive(Debug, Default)]
struct Group {
    /// Those that wait, in order.
    waiting: VecDeque<Rank>,
    /// Who has the key.
    holder: Option<Holder>,
    /// How many are with the holder.
    out: u32,
}

/// All keys that have messages.
#[derive(Debug)]
pub(super) struct Groups {
    /// The header that has the key.
    header: Name,
    by_key: BTreeMap<Box<[u8]>, Group>,
    /// The first messages of free keys, and all without a key.
    open: BTreeSet<Rank>,
    /// The first messages of the keys that somebody has.
    reserved: BTreeMap<Holder, BTreeSet<Rank>>,
}

impl Groups {
    pub(super) fn new(header: Name) -> Self {
        Self {
            header,
            by_key: BTreeMap::new(),
            open: BTreeSet::new(),
            reserved: BTreeMap::new(),
        }
    }

    /// How many keys have messages.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.by_key.len()
    }

    /// A message waits.
    fn add(&mut self, sequence: Sequence, entry: &Entry) {
        let rank = Rank::new(sequence, entry);
        match key(&entry.message, &self.header) {
            None => {
                self.open.insert(rank);
            }
            Some(key) => self.change(key, |group| {
                let at = group.waiting.partition_point(|other| *other < rank);
                group.waiting.insert(at, rank);
            }),
        }
    }

    /// A message waits no more.
    fn remove(&mut self, sequence: Sequence, entry: &Entry) {
        let rank = Rank::new(sequence, entry);
        match key(&entry.message, &self.header) {
            None => {
                self.open.remove(&rank);
            }
            Some(key) => self.change(key, |group| {
                if let Ok(at) = group.waiting.binary_search(&rank) {
                    group.waiting.remove(at);
                }
            }),
        }
    }

    /// A message is out.
    pub(super) fn taken(&mut self, message: &Message, holder: Holder) {
        if let Some(key) = key(message, &self.header) {
            self.change(key, |group| {
                group.holder = Some(holder);
                group.out += 1;
            });
        }
    }

    /// Whether a consumer has the key of this message.
    pub(super) fn is_with_consumer(&self, message: &Message) -> bool {
        let group = key(message, &self.header).and_then(|key| self.by_key.get(key));
        group
            .and_then(|group| group.holder)
            .is_some_and(|holder| holder != Holder::GET)
    }

    /// A message that was out is settled or comes back.
    pub(super) fn settled(&mut self, message: &Message) {
        if let Some(key) = key(message, &self.header) {
            self.change(key, |group| {
                group.out = group.out.saturating_sub(1);
                if group.out == 0 {
                    group.holder = None;
                }
            });
        }
    }

    /// Changes a group and puts its first message where it belongs.
    fn change(&mut self, key: &[u8], change: impl FnOnce(&mut Group)) {
        if !self.by_key.contains_key(key) {
            self.by_key.insert(key.into(), Group::default());
        }
        let Some(group) = self.by_key.get_mut(key) else {
            return;
        };
        let before = (group.waiting.front().copied(), group.holder);
        change(group);
        let after = (group.waiting.front().copied(), group.holder);
        if group.waiting.is_empty() && group.out == 0 {
            self.by_key.remove(key);
        }
        if before == after {
            return;
        }
        if let (Some(first), holder) = before {
            self.withdraw(first, holder);
        }
        match after {
            (Some(first), None) => {
                self.open.insert(first);
            }
            (Some(first), Some(holder)) => {
                self.reserved.entry(holder).or_default().insert(first);
            }
            (None, _) => {}
        }
    }

    fn withdraw(&mut self, first: Rank, holder: Option<Holder>) {
        let Some(holder) = holder else {
            self.open.remove(&first);
            return;
        };
        if let Some(ranks) = self.reserved.get_mut(&holder) {
            ranks.remove(&first);
            if ranks.is_empty() {
                self.reserved.remove(&holder);
            }
        }
    }

    fn first_reserved(&self, holder: Holder) -> Option<Rank> {
        self.reserved.get(&holder)?.first().copied()
    }
}

impl QueueCore {
    /// A new message waits.
    pub(super) fn push_ready(&mut self, sequence: Sequence, entry: Entry, effects: &mut Effects) {
        if let Some(groups) = &mut self.groups {
            groups.add(sequence, &entry);
        }
        if let Some(message) = self.ready.push(sequence, entry) {
            effects.push(Effect::Spill { sequence, message });
        }
    }

    /// A message waits again, at its own place.
    pub(super) fn return_ready(&mut self, sequence: Sequence, entry: Entry) {
        if let Some(groups) = &mut self.groups {
            groups.add(sequence, &entry);
        }
        self.ready.put_back(sequence, entry);
    }

    /// A message was taken from those that wait.
    pub(super) fn left_ready(&mut self, sequence: Sequence, entry: &Entry) {
        if let Some(groups) = &mut self.groups {
            groups.remove(sequence, entry);
        }
    }

    /// Whether a message waits for somebody who can take it; true in a queue without groups.
    pub(super) fn group_can_go(&self) -> bool {
        self.groups.as_ref().is_none_or(|groups| {
            !groups.open.is_empty()
                || groups
                    .reserved
                    .keys()
                    .any(|holder| self.consumers.holder_can_take(*holder))
        })
    }

    /// Who takes a new message at once.
    pub(super) fn group_turn(&mut self, message: &Message) -> Option<Turn> {
        let groups = self.groups.as_ref()?;
        match key(message, &groups.header).and_then(|key| groups.by_key.get(key)) {
            Some(group) if !group.waiting.is_empty() => None,
            Some(group) => self.consumers.take_turn_of(group.holder?),
            None if groups.open.is_empty() => self.consumers.take_turn(),
            None => None,
        }
    }

    /// Delivers waiting messages, at most one batch, each to somebody who may have its key.
    pub(super) fn dispatch_groups(&mut self, now: Millis, effects: &mut Effects) {
        self.expire_all(now, effects);
        let mut bytes = 0;
        for _ in 0..DISPATCH_BATCH {
            if bytes >= DISPATCH_BYTES {
                return;
            }
            let Some((turn, (sequence, entry))) = self.next_of_groups() else {
                return;
            };
            bytes += entry.bytes();
            self.deliver(turn, sequence, entry, effects);
        }
    }

    /// Removes all that has expired: any message may be next, not only the head.
    pub(super) fn expire_all(&mut self, now: Millis, effects: &mut Effects) {
        while self.ready.next_expiry().is_some_and(|at| at <= now) {
            self.expire_due(now, effects);
        }
    }

    /// `basic.get` takes the first message of a free key.
    pub(super) fn pop_open(&mut self) -> Option<Numbered> {
        let rank = self.groups.as_ref()?.open.first().copied()?;
        self.pop_rank(rank)
    }

    fn next_of_groups(&mut self) -> Option<(Turn, Numbered)> {
        let groups = self.groups.as_ref()?;
        let (turn, rank) = match groups.open.first().copied() {
            Some(open) => {
                let turn = self.consumers.take_turn()?;
                let reserved = groups.first_reserved(turn.holder);
                (turn, reserved.map_or(open, |reserved| reserved.min(open)))
            }
            None => groups.reserved.iter().find_map(|(holder, ranks)| {
                let first = *ranks.first()?;
                Some((self.consumers.take_turn_of(*holder)?, first))
            })?,
        };
        Some((turn, self.pop_rank(rank)?))
    }

    fn pop_rank(&mut self, rank: Rank) -> Option<Numbered> {
        let entry = self.ready.take(u8::MAX - rank.below_highest, rank.sequence)?;
        self.left_ready(rank.sequence, &entry);
        Some((rank.sequence, entry))
    }
}

/// The key of a message: the header's value as it stands on the wire, with its type.
fn key<'a>(message: &'a Message, header: &str) -> Option<&'a [u8]> {
    let mut table = message.properties().headers_bytes()?;
    while let Some((&length, rest)) = table.split_first() {
        let (name, value) = rest.split_at_checked(length.into())?;
        let after = skip_value(value).ok()?;
        if name == header.as_bytes() {
            let key = &value[..value.len() - after.len()];
            return (key != b"V").then_some(key);
        }
        table = after;
    }
    None
}
