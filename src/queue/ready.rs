//! The messages that wait.
//!
//! Each priority level has a deque of messages that were never out, and a tree of those that came back: the deque needs
//! no insertion in its middle. The two are read as one, in the order of their sequences.
//!
//! **Expiry.** A message that expires no earlier than all before it in its deque cannot expire before the deque's head
//! does, so that looking at heads is enough for it. Queues with one TTL for all have only such messages and pay
//! nothing. The others (a shorter TTL behind a longer one, or one that came back) also stand in an index, ordered by
//! expiry. A message that expires inside the deque leaves a gap; gaps at the ends are trimmed at once, and gaps inside
//! are closed when they outnumber the messages.
//!
//! **Paging.** The messages of a level behind those in its deque may be on disk (see `spill.rs`). They go on where the
//! deque ends: what was said of expiry holds for the two together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::{Blank, Message, Millis, Seldom};

use super::Sequence;
use super::entry::{Entry, NEVER, Numbered};
use super::paged::{Paged, PagedRun};

/// Gaps that are left alone, and capacity that an empty deque keeps.
const SLACK: usize = 1024;

/// A message's place in its deque; a gap when it has expired.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) sequence: Sequence,
    pub(super) entry: Option<Entry>,
}

#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) returned: BTreeMap<Sequence, Entry>,
    /// Ordered by sequence; neither end is a gap.
    pub(super) fresh: VecDeque<Place>,
    pub(super) gaps: usize,
    /// The latest expiry in `fresh` and `paged` since they were last empty.
    latest_expiry: Millis,
    /// What stands behind `fresh` and is on disk; never empty.
    pub(super) paged: Option<Box<PagedRun>>,
    /// How many messages are here.
    pub(super) here: u64,
    /// Bytes of their bodies.
    pub(super) here_bytes: u64,
}

/// A message that was taken, or is looked at.
#[derive(Debug)]
pub(super) enum Waiting<E> {
    Here(Sequence, E),
    OnDisk(Paged),
}

/// Expiry, sequence and level.
type Index = BTreeSet<(Millis, Sequence, u8)>;

impl Blank for Index {
    fn blank() -> &'static Self {
        static BLANK: Index = BTreeSet::new();
        &BLANK
    }
}

/// All messages that wait, in the order in which they are to be delivered.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) levels: Box<[Level]>,
    /// A bit for each level that has messages.
    occupied: [u64; 4],
    pub(super) len: u64,
    pub(super) bytes: u64,
    /// How many of them expire at all.
    expiring: u64,
    /// Expiry, sequence and level of the messages for which looking at heads is not enough.
    index: Seldom<Index>,
    /// How many of them are on disk.
    pub(super) paged_len: u64,
    /// Bytes of their bodies.
    pub(super) paged_bytes: u64,
}

impl Ready {
    /// Without messages; `max_priority` is the highest level.
    pub(super) fn new(max_priority: u8) -> Self {
        Self {
            levels: (0..=max_priority).map(|_| Level::default()).collect(),
            occupied: [0; 4],
            len: 0,
            bytes: 0,
            expiring: 0,
            index: Seldom::default(),
            paged_len: 0,
            paged_bytes: 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether any message here expires.
    pub(super) fn has_expiring(&self) -> bool {
        self.expiring != 0
    }

    pub(super) fn highest_level(&self) -> u8 {
        // There are 1 to 256 levels.
        (self.levels.len() - 1) as u8
    }

    /// Adds a new message behind all others of its level; its sequence must be the highest so far. Where those before
    /// it are on disk it goes there as well: gives the message then if it has to be written.
    pub(super) fn push(&mut self, sequence: Sequence, mut entry: Entry) -> Option<Message> {
        let level = &mut self.levels[usize::from(entry.level)];
        debug_assert!(level.fresh.back().is_none_or(|last| last.sequence < sequence));
        if level.fresh.is_empty() && level.paged.is_none() {
            level.latest_expiry = 0;
        }
        entry.indexed = entry.expires_at < level.latest_expiry;
        level.latest_expiry = level.latest_expiry.max(entry.expires_at);
        let (bytes, number) = (entry.bytes(), entry.level);
        self.added(sequence, &entry);
        let level = &mut self.levels[usize::from(number)];
        let Some(run) = &mut level.paged else {
            level.put_behind(sequence, entry);
            return None;
        };
        self.paged_len += 1;
        self.paged_bytes += bytes;
        run.push(Paged::of(sequence, &entry));
        (!entry.on_disk).then_some(entry.message)
    }

    /// Puts a message back that was out, at its own place.
    pub(super) fn put_back(&mut self, sequence: Sequence, mut entry: Entry) {
        entry.indexed = entry.expires();
        self.added(sequence, &entry);
        let level = &mut self.levels[usize::from(entry.level)];
        level.here += 1;
        level.here_bytes += entry.bytes();
        level.returned.insert(sequence, entry);
    }

    /// The message that is to be delivered next; `None` where it is on disk.
    pub(super) fn head(&self) -> Option<(Sequence, &Entry)> {
        self.levels[self.highest()?].head()
    }

    /// Takes one message out of its level, if it is in memory.
    pub(super) fn take(&mut self, level: u8, sequence: Sequence) -> Option<Entry> {
        let entry = self.levels[usize::from(level)].remove(sequence)?;
        self.removed(sequence, &entry);
        Some(entry)
    }

    /// Takes the message that is to be delivered next; `None` where it is on disk.
    pub(super) fn pop_head(&mut self) -> Option<Numbered> {
        let (sequence, entry) = self.levels[self.highest()?].pop()?;
        self.removed(sequence, &entry);
        Some((sequence, entry))
    }

    /// When the first message expires.
    pub(super) fn next_expiry(&self) -> Option<Millis> {
        self.first_to_expire().map(|(at, ..)| at)
    }

    /// Takes a message that has expired by `now`, the one that expired first.
    pub(super) fn pop_expired(&mut self, now: Millis) -> Option<Waiting<Entry>> {
        let (at, sequence, level) = self.first_to_expire()?;
        if at > now {
            return None;
        }
        match self.take(level, sequence) {
            Some(entry) => Some(Waiting::Here(sequence, entry)),
            None => self.take_paged(level, sequence).map(Waiting::OnDisk),
        }
    }

    /// All messages in the order of delivery.
    pub(super) fn iter(&self) -> impl Iterator<Item = Waiting<&Entry>> {
        self.levels.iter().rev().flat_map(Level::iter)
    }

    /// The messages of a level from a sequence on, in order of sequence.
    pub(super) fn level_from(&self, level: u8, from: Sequence) -> impl Iterator<Item = Waiting<&Entry>> {
        let level = self.levels.get(usize::from(level));
        level.into_iter().flat_map(move |level| level.iter_from(from))
    }

    /// The message that came first, whatever its level.
    pub(super) fn oldest(&self) -> Option<Waiting<&Entry>> {
        let firsts = self.levels.iter().filter_map(|level| level.iter().next());
        firsts.min_by_key(Waiting::sequence)
    }

    pub(super) fn highest(&self) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        if self.levels.len() == 1 {
            return Some(0);
        }
        let word = self.occupied.iter().rposition(|word| *word != 0)?;
        Some(word * 64 + 63 - self.occupied[word].leading_zeros() as usize)
    }

    fn first_to_expire(&self) -> Option<(Millis, Sequence, u8)> {
        if self.expiring == 0 {
            return None;
        }
        let heads = self.levels.iter().zip(0u8..).filter_map(|(level, number)| {
            let (expires_at, sequence) = match level.fresh.front() {
                Some(place) => (place.entry.as_ref()?.expires_at, place.sequence),
                None => level
                    .paged
                    .as_ref()?
                    .front()
                    .map(|paged| (paged.expires_at, paged.sequence))?,
            };
            (expires_at != NEVER).then_some((expires_at, sequence, number))
        });
        heads.chain(self.index.first().copied()).min()
    }

    fn added(&mut self, sequence: Sequence, entry: &Entry) {
        self.occupied[usize::from(entry.level >> 6)] |= 1 << (entry.level & 63);
        self.len += 1;
        self.bytes += entry.bytes();
        self.expiring += u64::from(entry.expires());
        if entry.indexed {
            self.index.insert((entry.expires_at, sequence, entry.level));
        }
    }

    fn removed(&mut self, sequence: Sequence, entry: &Entry) {
        let level = &mut self.levels[usize::from(entry.level)];
        level.here -= 1;
        level.here_bytes -= entry.bytes();
        self.gone(entry.level, entry.bytes());
        self.expires_no_more(entry.level, sequence, entry.expires_at, entry.indexed);
    }

    /// One message of so many bytes is not there any more.
    pub(super) fn gone(&mut self, level: u8, bytes: u64) {
        if self.levels[usize::from(level)].is_empty() {
            self.occupied[usize::from(level >> 6)] &= !(1 << (level & 63));
        }
        self.len -= 1;
        self.bytes -= bytes;
    }

    pub(super) fn expires_no_more(&mut self, level: u8, sequence: Sequence, expires_at: Millis, indexed: bool) {
        self.expiring -= u64::from(expires_at != NEVER);
        if indexed {
            self.index.remove(&(expires_at, sequence, level));
        }
    }
}

impl<E> Waiting<E> {
    pub(super) fn sequence(&self) -> Sequence {
        match self {
            Self::Here(sequence, _) => *sequence,
            Self::OnDisk(paged) => paged.sequence,
        }
    }
}

impl Level {
    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.returned.is_empty() && self.paged.is_none()
    }

    fn first_paged(&self) -> Option<Sequence> {
        self.paged.as_ref()?.front().map(|paged| paged.sequence)
    }

    /// `None` where it is on disk.
    fn head(&self) -> Option<(Sequence, &Entry)> {
        if self.returned_goes_first()
            && let Some((sequence, entry)) = self.returned.first_key_value()
        {
            return Some((*sequence, entry));
        }
        let place = self.fresh.front()?;
        Some((place.sequence, place.entry.as_ref()?))
    }

    fn iter(&self) -> impl Iterator<Item = Waiting<&Entry>> {
        self.iter_from(0)
    }

    fn iter_from(&self, from: Sequence) -> impl Iterator<Item = Waiting<&Entry>> {
        let returned = self.returned.range(from..);
        let mut returned = returned
            .map(|(sequence, entry)| Waiting::Here(*sequence, entry))
            .peekable();
        let first = self.fresh.partition_point(|place| place.sequence < from);
        let fresh = self.fresh.range(first..);
        let fresh = fresh.filter_map(|place| Some(Waiting::Here(place.sequence, place.entry.as_ref()?)));
        let paged = self.paged.iter().flat_map(move |run| run.iter_from(from));
        let paged = paged.map(Waiting::OnDisk);
        let mut others = fresh.chain(paged).peekable();
        std::iter::from_fn(move || match (returned.peek(), others.peek()) {
            (Some(a), Some(b)) if a.sequence() > b.sequence() => others.next(),
            (Some(_), _) => returned.next(),
            (None, _) => others.next(),
        })
    }

    /// Whether one that came back is before the others. After a retry it need not be: its sequence is a new one.
    #[inline]
    fn returned_goes_first(&self) -> bool {
        if self.returned.is_empty() {
            return false;
        }
        let first = self.fresh.front().map(|place| place.sequence);
        match (self.returned.first_key_value(), first.or_else(|| self.first_paged())) {
            (Some((sequence, _)), Some(other)) => *sequence < other,
            (returned, _) => returned.is_some(),
        }
    }

    /// `None` where the head is on disk.
    fn pop(&mut self) -> Option<Numbered> {
        if self.returned_goes_first() {
            return self.returned.pop_first();
        }
        let place = self.fresh.pop_front()?;
        if self.gaps != 0 {
            self.trim();
        }
        if self.fresh.is_empty() && self.fresh.capacity() > 16 * SLACK {
            self.fresh.shrink_to(SLACK);
        }
        Some((place.sequence, place.entry?))
    }

    fn remove(&mut self, sequence: Sequence) -> Option<Entry> {
        if let Some(entry) = self.returned.remove(&sequence) {
            return Some(entry);
        }
        let at = self
            .fresh
            .binary_search_by_key(&sequence, |place| place.sequence)
            .ok()?;
        let entry = self.fresh[at].entry.take()?;
        self.gaps += 1;
        self.trim();
        if self.gaps > SLACK && self.gaps > self.fresh.len() / 2 {
            self.fresh.retain(|place| place.entry.is_some());
            self.gaps = 0;
        }
        Some(entry)
    }

    /// Adds a message behind the others that are here.
    pub(super) fn put_behind(&mut self, sequence: Sequence, entry: Entry) {
        self.here += 1;
        self.here_bytes += entry.bytes();
        self.fresh.push_back(Place {
            sequence,
            entry: Some(entry),
        });
    }

    /// Takes the gaps from both ends.
    pub(super) fn trim(&mut self) {
        while self.fresh.front().is_some_and(|place| place.entry.is_none()) {
            self.fresh.pop_front();
            self.gaps -= 1;
        }
        while self.fresh.back().is_some_and(|place| place.entry.is_none()) {
            self.fresh.pop_back();
            self.gaps -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(level: u8, expires_at: Millis) -> Entry {
        Entry {
            message: Message::new("", "q", &[0, 0], &[b"x"]),
            expires_at,
            enqueued_at: 0,
            delivery_count: 0,
            level,
            kept: false,
            persistent: false,
            on_disk: false,
            redelivered: false,
            indexed: false,
        }
    }

    #[test]
    fn a_waiting_message_takes_at_most_64_bytes() {
        assert!(size_of::<Place>() <= 64, "{}", size_of::<Place>());
    }

    #[test]
    fn one_ttl_for_all_needs_no_index() {
        let mut ready = Ready::new(0);
        for sequence in 1..=100 {
            ready.push(sequence, entry(0, 1000 + sequence / 10));
        }
        assert!(ready.index.is_empty());
        assert_eq!(ready.next_expiry(), Some(1000));
        assert_eq!((1..).map_while(|_| ready.pop_expired(1005)).count(), 59);
        assert_eq!(ready.head().unwrap().0, 60);
    }

    #[test]
    fn gaps_are_closed_and_memory_is_given_back() {
        let mut ready = Ready::new(0);
        ready.push(1, entry(0, NEVER));
        for sequence in 2..=20_001 {
            ready.push(sequence, entry(0, sequence));
        }
        ready.push(20_002, entry(0, NEVER));
        assert_eq!(ready.index.len(), 20_000);
        assert_eq!((0..).map_while(|_| ready.pop_expired(20_001)).count(), 20_000);
        assert!(ready.levels[0].fresh.len() < 2 * SLACK + 16);
        assert!(ready.index.is_empty());
        assert_eq!(ready.iter().map(|w| w.sequence()).collect::<Vec<_>>(), [1, 20_002]);
        while ready.pop_head().is_some() {}
        assert!(ready.levels[0].fresh.capacity() <= 16 * SLACK);
        assert_eq!((ready.len(), ready.bytes(), ready.occupied), (0, 0, [0; 4]));
    }

    #[test]
    fn levels_are_found_from_both_ends() {
        let mut ready = Ready::new(255);
        for (sequence, level) in [(1, 0), (2, 255), (3, 63), (4, 64), (5, 255), (6, 0)] {
            ready.push(sequence, entry(level, NEVER));
        }
        assert_eq!(
            ready.iter().map(|w| w.sequence()).collect::<Vec<_>>(),
            [2, 5, 4, 3, 1, 6]
        );
        let (sequence, first) = ready.pop_head().unwrap();
        ready.put_back(sequence, first);
        assert_eq!(
            ready.iter().map(|w| w.sequence()).collect::<Vec<_>>(),
            [2, 5, 4, 3, 1, 6]
        );
        assert_eq!(
            std::iter::from_fn(|| ready.pop_head())
                .map(|(s, _)| s)
                .collect::<Vec<_>>(),
            [2, 5, 4, 3, 1, 6]
        );
    }
}
