//! What stays in memory of waiting messages whose bodies are on disk: a few bytes each.
//!
//! Messages mostly come one behind the other, about as long, with one lifetime. Of one that differs from the one before
//! in nothing, a count is kept (a byte for up to 128 of them); what differs is written as a difference. They are in
//! chunks, each of which can be read by itself, so that one may go from the middle.

use std::collections::VecDeque;

use crate::model::{Message, Millis, varint};

use super::Sequence;
use super::entry::{Entry, NEVER};

/// Messages a chunk.
const CHUNK: usize = 256;

/// What stays of a message whose body is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paged {
    pub(super) sequence: Sequence,
    pub(super) enqueued_at: Millis,
    pub(super) expires_at: Millis,
    pub(super) bytes: u64,
    pub(super) delivery_count: u32,
    pub(super) kept: bool,
    pub(super) persistent: bool,
    pub(super) redelivered: bool,
    pub(super) indexed: bool,
}

impl Paged {
    pub(super) fn of(sequence: Sequence, entry: &Entry) -> Self {
        Self {
            sequence,
            enqueued_at: entry.enqueued_at,
            expires_at: entry.expires_at,
            bytes: entry.bytes(),
            delivery_count: entry.delivery_count,
            // The store has to be told when it goes, wherever it has it.
            kept: true,
            persistent: entry.persistent,
            redelivered: entry.redelivered,
            indexed: entry.indexed,
        }
    }

    pub(super) fn entry(self, level: u8, message: Message) -> Entry {
        Entry {
            message,
            expires_at: self.expires_at,
            enqueued_at: self.enqueued_at,
            delivery_count: self.delivery_count,
            level,
            kept: self.kept,
            persistent: self.persistent,
            on_disk: true,
            redelivered: self.redelivered,
            indexed: self.indexed,
        }
    }

    pub(super) fn expires(&self) -> Option<Millis> {
        (self.expires_at != NEVER).then_some(self.expires_at)
    }

    /// How long it may wait; [`NEVER`] for ever.
    fn lifetime(&self) -> Millis {
        match self.expires_at {
            NEVER => NEVER,
            at => at.wrapping_sub(self.enqueued_at),
        }
    }

    fn flags(&self) -> u64 {
        u64::from(self.persistent) | u64::from(self.redelivered) << 1 | u64::from(self.indexed) << 2
    }
}

/// This bit, and in the others one less than how many messages in a row differ in nothing.
const RUN: u8 = 0x80;
const RUN_MAX: u8 = RUN | 0x7F;
const SEQUENCE: u8 = 1;
const ENQUEUED: u8 = 2;
const LIFETIME: u8 = 4;
const BYTES: u8 = 8;
const FLAGS: u8 = 16;
const COUNT: u8 = 32;

/// What a chunk's first message is compared with.
const BEFORE: Paged = Paged {
    sequence: 0,
    enqueued_at: 0,
    expires_at: NEVER,
    bytes: 0,
    delivery_count: 0,
    kept: true,
    persistent: true,
    redelivered: false,
    indexed: false,
};

/// Some messages in a row; never empty.
#[derive(Debug)]
struct Chunk {
    first: Sequence,
    len: usize,
    packed: Vec<u8>,
}

impl Chunk {
    fn of(list: &[Paged]) -> Self {
        let mut chunk = Self {
            first: list.first().map_or(0, |paged| paged.sequence),
            len: 0,
            packed: Vec::new(),
        };
        let mut writer = Writer::default();
        list.iter().for_each(|paged| writer.put(&mut chunk, *paged));
        chunk.packed.shrink_to_fit();
        chunk
    }
}

/// Where the last chunk stands.
#[derive(Debug)]
struct Writer {
    last: Paged,
    /// The last byte counts equal ones.
    counts: bool,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            last: BEFORE,
            counts: false,
        }
    }
}

impl Writer {
    fn put(&mut self, chunk: &mut Chunk, paged: Paged) {
        let last = std::mem::replace(&mut self.last, paged);
        chunk.len += 1;
        let differs = [
            (SEQUENCE, last.sequence.wrapping_add(1), paged.sequence),
            (ENQUEUED, last.enqueued_at, paged.enqueued_at),
            (LIFETIME, last.lifetime(), paged.lifetime()),
            (BYTES, last.bytes, paged.bytes),
            (FLAGS, last.flags(), paged.flags()),
            (COUNT, last.delivery_count.into(), paged.delivery_count.into()),
        ];
        let differing = differs.iter().filter(|(_, from, to)| from != to);
        let flags = differing.clone().fold(0, |flags, (flag, ..)| flags | flag);
        match chunk.packed.last_mut() {
            Some(count) if flags == 0 && self.counts && *count < RUN_MAX => *count += 1,
            _ if flags == 0 => {
                chunk.packed.push(RUN);
                self.counts = true;
            }
            _ => {
                chunk.packed.push(flags);
                differing.for_each(|(_, from, to)| varint::put_difference(&mut chunk.packed, *from, *to));
                self.counts = false;
            }
        }
    }
}

/// A place in a chunk.
#[derive(Clone, Debug)]
struct Cursor {
    at: usize,
    /// So many of the equal ones that the byte there counts were read.
    used: u8,
    last: Paged,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            at: 0,
            used: 0,
            last: BEFORE,
        }
    }
}

impl Cursor {
    /// The next message. At the end it stays where it is: the chunk may grow, in its last byte too.
    fn next(&mut self, packed: &[u8]) -> Option<Paged> {
        let mut first = *packed.get(self.at)?;
        if first & RUN != 0 && self.used > first & !RUN {
            first = *packed.get(self.at + 1)?;
            self.at += 1;
            self.used = 0;
        }
        let flags = if first & RUN == 0 { first } else { 0 };
        let mut rest = &packed[self.at + 1..];
        let mut number = |flag, from| match flags & flag {
            0 => Some(from),
            _ => varint::take_difference(&mut rest, from),
        };
        let last = self.last;
        let sequence = number(SEQUENCE, last.sequence.wrapping_add(1))?;
        let enqueued_at = number(ENQUEUED, last.enqueued_at)?;
        let lifetime = number(LIFETIME, last.lifetime())?;
        let bytes = number(BYTES, last.bytes)?;
        let bits = number(FLAGS, last.flags())?;
        let delivery_count = number(COUNT, last.delivery_count.into())? as u32;
        match first & RUN {
            0 => self.at = packed.len() - rest.len(),
            _ => self.used += 1,
        }
        self.last = Paged {
            sequence,
            enqueued_at,
            expires_at: match lifetime {
                NEVER => NEVER,
                lifetime => enqueued_at.wrapping_add(lifetime),
            },
            bytes,
            delivery_count,
            kept: true,
            persistent: bits & 1 != 0,
            redelivered: bits & 2 != 0,
            indexed: bits & 4 != 0,
        };
        Some(self.last)
    }
}

/// Messages on disk, in order of sequence.
#[derive(Debug, Default)]
pub(super) struct PagedRun {
    chunks: VecDeque<Chunk>,
    /// The first message, which was read from the first chunk already.
    front: Option<Paged>,
    cursor: Cursor,
    /// `None` where the next message begins a chunk.
    writer: Option<Writer>,
    len: u64,
}

impl PagedRun {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn front(&self) -> Option<Paged> {
        self.front
    }

    /// Adds a message behind the others.
    pub(super) fn push(&mut self, paged: Paged) {
        self.len += 1;
        if self.chunks.back().is_none_or(|chunk| chunk.len >= CHUNK) {
            self.writer = None;
        }
        match (self.chunks.back_mut(), &mut self.writer) {
            (Some(chunk), Some(writer)) => writer.put(chunk, paged),
            (last, _) => {
                if let Some(last) = last {
                    last.packed.shrink_to_fit();
                }
                self.chunks.push_back(Chunk::of(&[paged]));
                self.writer = Some(Writer {
                    last: paged,
                    counts: false,
                });
            }
        }
        if self.front.is_none() {
            self.read_front();
        }
    }

    /// Takes the first message.
    pub(super) fn pop(&mut self) -> Option<Paged> {
        let paged = self.front.take()?;
        self.len -= 1;
        if let Some(chunk) = self.chunks.front_mut() {
            chunk.len -= 1;
            if chunk.len == 0 {
                self.chunks.pop_front();
                self.cursor = Cursor::default();
            }
        }
        self.read_front();
        Some(paged)
    }

    /// Puts messages in front of the others.
    pub(super) fn prepend(&mut self, list: &[Paged]) {
        self.writer = None;
        if self.front.is_some() {
            // What was read of it is not in it any more.
            let rest = self.chunk(0);
            self.chunks[0] = Chunk::of(&rest);
        }
        for part in list.rchunks(CHUNK) {
            self.chunks.push_front(Chunk::of(part));
        }
        self.len += list.len() as u64;
        self.rewind();
    }

    /// Takes a message out from anywhere.
    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Paged> {
        if self.front?.sequence == sequence {
            return self.pop();
        }
        let behind = self.chunks.partition_point(|chunk| chunk.first <= sequence);
        let at = behind.saturating_sub(1);
        let mut list = self.chunk(at);
        let found = list.binary_search_by_key(&sequence, |paged| paged.sequence).ok()?;
        let paged = list.remove(found);
        self.len -= 1;
        let next = self.chunks.get(at + 1).map_or(CHUNK, |next| next.len);
        if list.len() + next <= CHUNK / 2 {
            list.extend(self.chunk(at + 1));
            self.chunks.remove(at + 1);
        }
        if list.is_empty() {
            self.chunks.remove(at);
        } else {
            self.chunks[at] = Chunk::of(&list);
        }
        self.writer = None;
        if at == 0 {
            self.rewind();
        }
        Some(paged)
    }

    /// All messages, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Paged> {
        self.iter_chunks(0)
    }

    /// Those from a sequence on; reads at most one chunk in vain.
    pub(super) fn iter_from(&self, from: Sequence) -> impl Iterator<Item = Paged> {
        let behind = self.chunks.partition_point(|chunk| chunk.first <= from);
        let messages = self.iter_chunks(behind.saturating_sub(1));
        messages.skip_while(move |paged| paged.sequence < from)
    }

    /// The messages from a chunk on.
    fn iter_chunks(&self, at: usize) -> impl Iterator<Item = Paged> {
        let mut chunks = self.chunks.range(at.min(self.chunks.len())..);
        let mut chunk = chunks.next();
        // What was taken of the first chunk is not read again.
        let (front, mut cursor) = match at {
            0 => (self.front, self.cursor.clone()),
            _ => (None, Cursor::default()),
        };
        let rest = std::iter::from_fn(move || {
            loop {
                if let Some(paged) = cursor.next(&chunk?.packed) {
                    return Some(paged);
                }
                chunk = chunks.next();
                cursor = Cursor::default();
            }
        });
        front.into_iter().chain(rest)
    }

    /// What a chunk has that was not taken.
    fn chunk(&self, at: usize) -> Vec<Paged> {
        let Some(chunk) = self.chunks.get(at) else {
            return Vec::new();
        };
        let mut cursor = Cursor::default();
        let mut list = Vec::with_capacity(chunk.len);
        if at == 0 {
            cursor = self.cursor.clone();
            list.extend(self.front);
        }
        list.extend(std::iter::from_fn(|| cursor.next(&chunk.packed)));
        list
    }

    /// The first chunk is another.
    fn rewind(&mut self) {
        self.cursor = Cursor::default();
        self.read_front();
    }

    fn read_front(&mut self) {
        self.front = self.chunks.front().and_then(|chunk| self.cursor.next(&chunk.packed));
    }

    #[cfg(test)]
    fn heap_bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| chunk.packed.capacity());
        chunks.sum::<usize>() + self.chunks.capacity() * size_of::<Chunk>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paged(sequence: Sequence) -> Paged {
        Paged {
            sequence,
            enqueued_at: 1_700_000_000_000 + sequence / 50,
            bytes: 1024,
            ..BEFORE
        }
    }

    #[test]
    fn a_message_like_the_last_takes_a_fraction_of_a_byte() {
        let mut run = PagedRun::default();
        (0..100_000).for_each(|sequence| run.push(paged(sequence)));
        assert!(run.heap_bytes() < 50_000, "{}", run.heap_bytes());
        for sequence in 0..100_000 {
            assert_eq!(run.pop(), Some(paged(sequence)));
        }
        assert!(run.is_empty() && run.pop().is_none() && run.chunks.is_empty());
    }

    #[test]
    fn messages_of_every_kind_take_few_bytes() {
        let mut run = PagedRun::default();
        for sequence in 0..100_000 {
            run.push(Paged {
                sequence: 3 * sequence,
                enqueued_at: 1_700_000_000_000 + 40 * sequence,
                expires_at: 1_700_000_000_000 + 41 * sequence % 77_777,
                bytes: sequence % 5000,
                persistent: sequence % 3 == 0,
                indexed: true,
                ..BEFORE
            });
        }
        assert!(run.heap_bytes() < 1_200_000, "{}", run.heap_bytes());
    }

    fn any_paged() -> impl Strategy<Value = Paged> {
        let numbers = (1..4u64, 0..2u64, prop::option::of(0..3u64), 0..2u64, 0..2u32);
        let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
        (numbers, flags).prop_map(|((step, at, lifetime, bytes, delivery_count), flags)| Paged {
            sequence: step,
            enqueued_at: 1000 + at,
            expires_at: lifetime.map_or(NEVER, |lifetime| 1000 + at + lifetime),
            bytes,
            delivery_count,
            kept: true,
            persistent: flags.0,
            redelivered: flags.1,
            indexed: flags.2,
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(steps in prop::collection::vec((0..8u8, any_paged(), 1..300usize), 1..60)) {
            let mut run = PagedRun::default();
            let mut list: VecDeque<Paged> = VecDeque::new();
            let (mut lowest, mut highest) = (1u64 << 40, 1u64 << 40);
            for (kind, template, count) in steps {
                match kind {
                    0..3 => for at in 0..count {
                        highest += if at % 9 == 0 { template.sequence } else { 1 };
                        let paged = Paged { sequence: highest, ..template };
                        run.push(paged);
                        list.push_back(paged);
                    },
                    3 => {
                        lowest -= 2 * count as u64;
                        let new: Vec<_> = (0..count as u64)
                            .map(|at| Paged { sequence: lowest + 2 * at, ..template })
                            .collect();
                        run.prepend(&new);
                        new.into_iter().rev().for_each(|paged| list.push_front(paged));
                    }
                    4..6 => for _ in 0..count {
                        prop_assert_eq!(run.pop(), list.pop_front());
                    },
                    _ => for at in 0..count.min(list.len()) {
                        let at = (at * 7919 + count) % list.len();
                        let paged = list.remove(at).unwrap();
                        prop_assert_eq!(run.remove(paged.sequence), Some(paged));
                        prop_assert_eq!(run.remove(paged.sequence), None);
                    },
                }
                prop_assert_eq!(run.front(), list.front().copied());
                prop_assert_eq!(run.len, list.len() as u64);
                prop_assert!(run.iter().eq(list.iter().copied()));
                let from = list.get(count % list.len().max(1)).map_or(0, |paged| paged.sequence + count as u64 % 2);
                let behind = list.iter().copied().filter(|paged| paged.sequence >= from);
                prop_assert!(run.iter_from(from).eq(behind));
            }
        }
    }
}
