//! Where each live message lies: 20 bytes a message and little around them.

use std::collections::{BTreeMap, VecDeque};

use super::QueueId;

/// Slots a chunk holds at most.
const CHUNK: usize = 512;

/// Where a message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Segment of the log; nothing to sled.
    pub(super) segment: u32,
    /// Where its record starts in the segment; to sled, how many chunks it has.
    pub(super) offset: u32,
    /// Bytes that it occupies.
    pub(super) length: u32,
}

/// A place with its sequence, in 20 bytes: the sequence is split so that nothing is lost to alignment. Length 0 marks
/// a slot whose message is gone (no record is empty).
#[derive(Clone, Copy)]
struct Slot {
    high: u32,
    low: u32,
    place: Place,
}

impl Slot {
    fn new(sequence: u64, place: Place) -> Self {
        Self {
            high: (sequence >> 32) as u32,
            low: sequence as u32,
            place,
        }
    }

    fn sequence(&self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }

    fn is_live(&self) -> bool {
        self.place.length != 0
    }
}

#[derive(Default)]
struct Chunk {
    slots: Vec<Slot>,
    dead: usize,
}

impl Chunk {
    fn first(&self) -> u64 {
        self.slots.first().map_or(0, Slot::sequence)
    }
}

/// The live messages of one queue by sequence: a list of sorted chunks, so that neither a stuck head nor settlements
/// out of order cost more than a fraction of the live slots.
#[derive(Default)]
struct QueueIndex {
    /// Never empty chunks, sorted by their first slots.
    chunks: VecDeque<Chunk>,
}

impl QueueIndex {
    /// The chunk that has or would have `sequence`.
    fn chunk_of(&self, sequence: u64) -> usize {
        match self.chunks.back() {
            Some(last) if last.first() <= sequence => self.chunks.len() - 1,
            _ => self
                .chunks
                .partition_point(|chunk| chunk.first() <= sequence)
                .saturating_sub(1),
        }
    }

    /// Sets the place of a sequence; gives the place that it had.
    fn insert(&mut self, sequence: u64, place: Place) -> Option<Place> {
        let slot = Slot::new(sequence, place);
        let mut at = self.chunk_of(sequence);
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push_back(Chunk {
                slots: vec![slot],
                dead: 0,
            });
            return None;
        };
        match chunk.slots.binary_search_by_key(&sequence, Slot::sequence) {
            Ok(found) => {
                let old = std::mem::replace(&mut chunk.slots[found], slot).place;
                if old.length == 0 {
                    chunk.dead -= 1;
                    return None;
                }
                return Some(old);
            }
            Err(slot_at) if chunk.slots.len() < CHUNK => chunk.slots.insert(slot_at, slot),
            Err(slot_at) if slot_at == chunk.slots.len() => {
                let slots = Vec::from([slot]);
                self.chunks.insert(at + 1, Chunk { slots, dead: 0 });
            }
            Err(mut slot_at) => {
                let tail = chunk.slots.split_off(CHUNK / 2);
                let dead = tail.iter().filter(|slot| !slot.is_live()).count();
                chunk.dead -= dead;
                self.chunks.insert(at + 1, Chunk { slots: tail, dead });
                if slot_at > CHUNK / 2 {
                    slot_at -= CHUNK / 2;
                    at += 1;
                }
                self.chunks[at].slots.insert(slot_at, slot);
            }
        }
        None
    }

    fn get(&self, sequence: u64) -> Option<Place> {
        let chunk = self.chunks.get(self.chunk_of(sequence))?;
        let found = chunk.slots.binary_search_by_key(&sequence, Slot::sequence).ok()?;
        Some(chunk.slots[found].place).filter(|place| place.length != 0)
    }

    fn remove(&mut self, sequence: u64) -> Option<Place> {
        let at = self.chunk_of(sequence);
        let chunk = self.chunks.get_mut(at)?;
        let found = chunk.slots.binary_search_by_key(&sequence, Slot::sequence).ok()?;
        let place = chunk.slots[found].place;
        if place.length == 0 {
            return None;
        }
        chunk.slots[found].place.length = 0;
        chunk.dead += 1;
        if chunk.dead == chunk.slots.len() {
            self.chunks.remove(at);
        } else if chunk.dead * 8 > chunk.slots.len() {
            chunk.slots.retain(Slot::is_live);
            chunk.slots.shrink_to_fit();
            chunk.dead = 0;
            self.merge(at);
        }
        Some(place)
    }

    /// Puts a chunk and the one behind it together where they are small.
    fn merge(&mut self, at: usize) {
        let length = |at: usize| self.chunks.get(at).map_or(CHUNK, |chunk| chunk.slots.len());
        if length(at) + length(at + 1) > CHUNK / 2 {
            return;
        }
        if let Some(next) = self.chunks.remove(at + 1) {
            let chunk = &mut self.chunks[at];
            chunk.slots.extend_from_slice(&next.slots);
            chunk.dead += next.dead;
        }
    }

    fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, Place)> {
        self.chunks
            .range(self.chunk_of(from).min(self.chunks.len())..)
            .flat_map(|chunk| &chunk.slots)
            .filter(move |slot| slot.is_live() && slot.sequence() >= from)
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
    pub(super) fn remove_queue(&mut self, queue: QueueId) -> Vec<(u64, Place)> {
        match self.queues.remove(&queue) {
            Some(index) => index.iter_from(0).collect(),
            None => Vec::new(),
        }
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
        let chunk = |chunk: &Chunk| chunk.slots.capacity() * size_of::<Slot>();
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

    fn fill(count: u64) -> LiveIndex {
        let mut index = LiveIndex::default();
        for sequence in 0..count {
            assert_eq!(index.insert(QUEUE, sequence, place(sequence as u32)), None);
        }
        index
    }

    #[test]
    fn a_live_message_costs_at_most_24_bytes() {
        let count = 100_000;
        let mut index = fill(count);
        assert!(index.heap_bytes() as u64 <= 24 * count, "{}", index.heap_bytes());
        // A stuck head, and then every 50th message stays.
        let mut live = count;
        for sequence in (1..count).filter(|sequence| sequence % 50 != 0) {
            assert!(index.remove(QUEUE, sequence).is_some());
            live -= 1;
        }
        assert!(
            index.heap_bytes() as u64 <= 26 * live,
            "{} for {live}",
            index.heap_bytes()
        );
    }

    #[test]
    fn a_queue_that_was_emptied_leaves_nothing() {
        let mut index = fill(10_000);
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
                    let place = place(at as u32);
                    prop_assert_eq!(index.insert(QUEUE, sequence, place), map.insert(sequence, place));
                } else {
                    // Runs, so that chunks get sparse.
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
        }
    }
}
