//! Where each live message lies: a few bytes a message, and little around them.
//!
//! The messages of a queue are in chunks. The last one and the few that settlements or copies changed last are open,
//! with 20 bytes a message; the others are packed (see `slots.rs`).

use std::collections::{BTreeMap, VecDeque};

use super::QueueId;
use super::slots::{self, Slot};

pub(super) use super::slots::Place;

/// Slots a chunk holds at most.
const CHUNK: usize = 512;
/// So many chunks of a queue are open, besides the last one.
const OPEN_MAX: usize = 4;

/// Never empty. Either `slots` has its slots or `packed` has, and then all of them are live.
struct Chunk {
    /// No slot of the chunk is lower, and none of the chunk before is as high.
    first: u64,
    len: usize,
    dead: usize,
    slots: Vec<Slot>,
    packed: Box<[u8]>,
}

impl Chunk {
    fn of(slots: Vec<Slot>) -> Self {
        Self {
            first: slots.first().map_or(0, Slot::sequence),
            len: slots.len(),
            dead: slots.iter().filter(|slot| !slot.is_live()).count(),
            slots,
            packed: Box::default(),
        }
    }

    fn is_open(&self) -> bool {
        self.packed.is_empty()
    }

    fn open(&mut self) {
        if !self.is_open() {
            self.slots = Vec::with_capacity(self.len);
            self.slots.extend(slots::unpack(&self.packed));
            self.packed = Box::default();
        }
    }

    fn pack(&mut self) {
        if self.is_open() {
            self.len -= self.dead;
            self.dead = 0;
            self.packed = slots::pack(&self.slots);
            self.slots = Vec::new();
        }
    }

    /// All slots, also those whose messages are gone.
    fn iter(&self) -> impl Iterator<Item = Slot> {
        self.slots.iter().copied().chain(slots::unpack(&self.packed))
    }

    fn get(&self, sequence: u64) -> Option<Place> {
        let slot = if self.is_open() {
            let found = self.slots.binary_search_by_key(&sequence, Slot::sequence).ok()?;
            self.slots[found]
        } else {
            let mut behind = slots::unpack(&self.packed).skip_while(|slot| slot.sequence() < sequence);
            behind.next().filter(|slot| slot.sequence() == sequence)?
        };
        slot.is_live().then_some(slot.place)
    }
}

/// The live messages of one queue by sequence: a list of sorted chunks, so that neither a stuck head nor settlements
/// out of order cost more than a fraction of the live slots.
#[derive(Default)]
struct QueueIndex {
    /// Never empty chunks, sorted by their first slots.
    chunks: VecDeque<Chunk>,
    /// A sequence of each chunk that is open, the one that was opened first in front.
    opened: VecDeque<u64>,
}

impl QueueIndex {
    /// The chunk that has or would have `sequence`.
    fn chunk_of(&self, sequence: u64) -> usize {
        match self.chunks.back() {
            Some(last) if last.first <= sequence => self.chunks.len() - 1,
            _ => self
                .chunks
                .partition_point(|chunk| chunk.first <= sequence)
                .saturating_sub(1),
        }
    }

    /// Lays a chunk open that is to be changed, and packs another where too many are.
    fn open(&mut self, at: usize) {
        if !self.chunks[at].is_open() {
            self.chunks[at].open();
            self.note_open(at);
        }
    }

    fn note_open(&mut self, at: usize) {
        self.opened.push_back(self.chunks[at].first);
        if self.opened.len() <= OPEN_MAX {
            return;
        }
        if let Some(first) = self.opened.pop_front() {
            let oldest = self.chunk_of(first);
            let is_last = oldest + 1 >= self.chunks.len();
            if oldest != at && !is_last {
                self.chunks[oldest].pack();
            }
        }
    }

    /// Sets the place of a sequence; gives the place that it had.
    fn insert(&mut self, sequence: u64, place: Place) -> Option<Place> {
        let slot = Slot::new(sequence, place);
        let at = self.chunk_of(sequence);
        if self.chunks.is_empty() {
            self.chunks.push_back(Chunk::of(vec![slot]));
            return None;
        }
        self.open(at);
        let chunk = &mut self.chunks[at];
        let slots = &mut chunk.slots;
        match slots.binary_search_by_key(&sequence, Slot::sequence) {
            Ok(found) => {
                let old = std::mem::replace(&mut slots[found], slot).place;
                if old.length != 0 {
                    return Some(old);
                }
                chunk.dead -= 1;
            }
            Err(slot_at) if slots.len() < CHUNK => {
                slots.insert(slot_at, slot);
                chunk.len += 1;
                chunk.first = chunk.first.min(sequence);
            }
            Err(slot_at) if slot_at == slots.len() => {
                self.chunks.insert(at + 1, Chunk::of(Vec::from([slot])));
                self.note_open(at);
            }
            Err(slot_at) => self.split(at, slot_at, slot),
        }
        None
    }

    /// Makes two chunks of a full one, and puts a slot in.
    fn split(&mut self, at: usize, slot_at: usize, slot: Slot) {
        let mut head = std::mem::take(&mut self.chunks[at].slots);
        head.insert(slot_at, slot);
        let tail = head.split_off(CHUNK / 2);
        self.chunks[at] = Chunk::of(head);
        self.chunks.insert(at + 1, Chunk::of(tail));
        self.note_open(at + 1);
    }

    fn get(&self, sequence: u64) -> Option<Place> {
        self.chunks.get(self.chunk_of(sequence))?.get(sequence)
    }

    fn remove(&mut self, sequence: u64) -> Option<Place> {
        let at = self.chunk_of(sequence);
        let place = self.chunks.get(at)?.get(sequence)?;
        self.open(at);
        let chunk = &mut self.chunks[at];
        let found = chunk.slots.binary_search_by_key(&sequence, Slot::sequence).ok()?;
        chunk.slots[found].place.length = 0;
        chunk.dead += 1;
        if chunk.dead == chunk.len {
            self.chunks.remove(at);
        } else if chunk.dead * 8 > chunk.len {
            chunk.slots.retain(Slot::is_live);
            chunk.slots.shrink_to_fit();
            chunk.len -= chunk.dead;
            chunk.dead = 0;
            self.merge(at);
        }
        Some(place)
    }

    /// Puts a chunk and the one behind it together where they are small.
    fn merge(&mut self, at: usize) {
        let length = |at: usize| self.chunks.get(at).map_or(CHUNK, |chunk| chunk.len);
        if length(at) + length(at + 1) > CHUNK / 2 {
            return;
        }
        if let Some(mut next) = self.chunks.remove(at + 1) {
            let chunk = &mut self.chunks[at];
            next.open();
            chunk.slots.append(&mut next.slots);
            chunk.len += next.len;
            chunk.dead += next.dead;
        }
    }

    fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, Place)> {
        self.chunks
            .range(self.chunk_of(from).min(self.chunks.len())..)
            .flat_map(Chunk::iter)
            .filter(move |slot| slot.is_live() && slot.sequence() >= from)
            .map(|slot| (slot.sequence(), slot.place))
    }

    fn into_iter(self) -> impl Iterator<Item = (u64, Place)> {
        let chunks = self.chunks.into_iter();
        chunks
            .flat_map(|mut chunk| {
                chunk.open();
                chunk.slots
            })
            .filter(Slot::is_live)
            .map(|slot| (slot.sequence(), slot.place))
    }
}

/// The live messages of all queues.
#[derive(Default)]
pub(super) struct LiveIndex {
    queues: BTreeMap<QueueId, QueueIndex>,
}

impl LiveIndex {
    /// Notes where a message lies; gives the place where it lay before.
    pub(super) fn insert(&mut self, queue: QueueId, sequence: u64, place: Place) -> Option<Place> {
        debug_assert!(place.length != 0);
        self.queues.entry(queue).or_default().insert(sequence, place)
    }

    /// Where a message lies.
    pub(super) fn get(&self, queue: QueueId, sequence: u64) -> Option<Place> {
        self.queues.get(&queue)?.get(sequence)
    }

    /// Takes a message out; `None` where it is not live.
    pub(super) fn remove(&mut self, queue: QueueId, sequence: u64) -> Option<Place> {
        let index = self.queues.get_mut(&queue)?;
        let place = index.remove(sequence)?;
        if index.chunks.is_empty() {
            self.queues.remove(&queue);
        }
        Some(place)
    }

    /// Takes a queue out with all its messages.
    pub(super) fn remove_queue(&mut self, queue: QueueId) -> impl Iterator<Item = (u64, Place)> + use<> {
        self.queues.remove(&queue).into_iter().flat_map(QueueIndex::into_iter)
    }

    /// The queues that have live messages, in order.
    pub(super) fn queues(&self) -> Vec<QueueId> {
        self.queues.keys().copied().collect()
    }

    /// The messages of a queue from a sequence on, in order.
    pub(super) fn iter_from(&self, queue: QueueId, from: u64) -> impl Iterator<Item = (u64, Place)> {
        self.queues
            .get(&queue)
            .into_iter()
            .flat_map(move |index| index.iter_from(from))
    }

    /// Bytes of heap that the slots occupy.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let chunk = |chunk: &Chunk| chunk.slots.capacity() * size_of::<Slot>() + chunk.packed.len();
        let queue = |queue: &QueueIndex| {
            queue.chunks.capacity() * size_of::<Chunk>() + queue.chunks.iter().map(chunk).sum::<usize>()
        };
        self.queues.values().map(queue).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUEUE: QueueId = QueueId(7);

    fn place(offset: u32) -> Place {
        Place {
            segment: 1,
            offset,
            length: 9,
        }
    }

    fn fill(count: u64, place: impl Fn(u64) -> Place) -> LiveIndex {
        let mut index = LiveIndex::default();
        for sequence in 0..count {
            assert_eq!(index.insert(QUEUE, sequence, place(sequence)), None);
        }
        index
    }

    #[test]
    fn messages_that_lie_in_a_row_cost_less_than_a_byte() {
        let count = 100_000;
        let index = fill(count, |sequence| place(9 * sequence as u32));
        assert!(index.heap_bytes() as u64 <= count, "{}", index.heap_bytes());
    }

    #[test]
    fn a_live_message_costs_few_bytes_wherever_it_lies() {
        let count = 100_000;
        // Others were written in between, of other lengths.
        let mixed = |sequence: u64| Place {
            segment: (sequence / 10_000) as u32,
            offset: (sequence * 5_000 + sequence % 7 * 311) as u32,
            length: 1000 + (sequence % 13) as u32,
        };
        let mut index = fill(count, mixed);
        assert!(index.heap_bytes() as u64 <= 6 * count, "{}", index.heap_bytes());
        // A stuck head, and then every 50th message stays.
        let mut live = count;
        for sequence in (1..count).filter(|sequence| sequence % 50 != 0) {
            assert_eq!(index.remove(QUEUE, sequence), Some(mixed(sequence)));
            live -= 1;
        }
        // Some chunks are open, which the others make up for.
        assert!(
            index.heap_bytes() as u64 <= 20 * live,
            "{} for {live}",
            index.heap_bytes()
        );
    }

    #[test]
    fn a_queue_that_was_emptied_leaves_nothing() {
        let mut index = fill(10_000, |sequence| place(sequence as u32));
        for sequence in (0..10_000).rev() {
            index.remove(QUEUE, sequence);
        }
        assert!(index.queues().is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((0..3u8, 0..3000u64), 0..1000)) {
            let mut index = LiveIndex::default();
            let mut map = BTreeMap::new();
            for (at, (kind, sequence)) in steps.into_iter().enumerate() {
                if kind < 2 {
                    // Runs, so that chunks get full.
                    for sequence in sequence..sequence + 20 {
                        let place = place((at as u32) << (sequence % 20));
                        prop_assert_eq!(index.insert(QUEUE, sequence, place), map.insert(sequence, place));
                    }
                } else {
                    for sequence in sequence..sequence + 40 {
                        prop_assert_eq!(index.remove(QUEUE, sequence), map.remove(&sequence));
                    }
                }
            }
            for (from, _) in map.iter().step_by(100) {
                prop_assert!(index.iter_from(QUEUE, *from).eq(map.range(from..).map(|(s, p)| (*s, *p))));
                prop_assert_eq!(index.get(QUEUE, *from), map.get(from).copied());
            }
            prop_assert!(index.iter_from(QUEUE, 0).eq(map.iter().map(|(s, p)| (*s, *p))));
            prop_assert!(index.remove_queue(QUEUE).eq(map));
        }
    }
}
