//! Waiting messages whose bodies are left to the store.
//!
//! A queue that may ([`QueueOptions::may_page`](super::QueueOptions::may_page)) and was told to
//! [`Command::PageOut`](super::Command::PageOut) keeps the bodies at its head and forgets those behind it; what comes later goes straight there. Of each such message 24 bytes stay. Only
//! messages that the store holds, that never expire and that were never returned can go: the first that cannot stays
//! in memory with all behind it. As consumers near the end of what is in memory, [`Effect::Load`] asks for more, which
//! comes with [`Command::Loaded`](super::Command::Loaded).

use std::collections::VecDeque;

use crate::model::{Message, Millis};

use super::entry::{Entry, NEVER};
use super::{DISPATCH_BYTES, Effect, Effects, QueueCore, Sequence};

/// How many messages stay in memory at the head of a queue, and how many are read at a time.
pub const READ_AHEAD: usize = 512;
/// How many bytes of bodies stay in memory at the head of a queue, and after how many a read ends.
pub const READ_AHEAD_BYTES: u64 = DISPATCH_BYTES;
/// What a message in memory takes besides its body, in bytes: its entry, properties, names and the allocator's share.
const OVERHEAD: u64 = 192;

/// Messages a chunk.
const CHUNK: usize = 512;

/// What stays of a message whose body is on disk. It is kept, never expires and was never returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paged {
    pub(super) sequence: Sequence,
    pub(super) enqueued_at: Millis,
    pub(super) bytes: u32,
    pub(super) redelivered: bool,
}

impl Paged {
    /// `None` where the body has to stay.
    pub(super) fn of(sequence: Sequence, entry: &Entry) -> Option<Self> {
        let may_go = entry.kept && entry.expires_at == NEVER && entry.delivery_count == 0;
        Some(Self {
            sequence,
            enqueued_at: entry.enqueued_at,
            bytes: u32::try_from(entry.bytes()).ok().filter(|_| may_go)?,
            redelivered: entry.redelivered,
        })
    }

    pub(super) fn entry(self, message: Message) -> Entry {
        Entry {
            message,
            expires_at: NEVER,
            enqueued_at: self.enqueued_at,
            delivery_count: 0,
            level: 0,
            kept: true,
            redelivered: self.redelivered,
            indexed: false,
        }
    }
}

/// Messages on disk, in order of sequence, in chunks that are given back one by one.
#[derive(Debug, Default)]
pub(super) struct PagedRun {
    chunks: VecDeque<Vec<Paged>>,
    /// So many of the first chunk are gone.
    gone: usize,
    len: u64,
    bytes: u64,
}

impl PagedRun {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, paged: Paged) {
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push_back(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.push(paged);
        }
        self.len += 1;
        self.bytes += u64::from(paged.bytes);
    }

    pub(super) fn front(&self) -> Option<Paged> {
        self.iter().next()
    }

    pub(super) fn pop(&mut self) -> Option<Paged> {
        let paged = self.front()?;
        self.gone += 1;
        self.len -= 1;
        self.bytes -= u64::from(paged.bytes);
        if self.chunks.front().is_some_and(|chunk| chunk.len() == self.gone) {
            self.chunks.pop_front();
            self.gone = 0;
        }
        Some(paged)
    }

    /// Takes a message out from anywhere.
    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Paged> {
        if self.front()?.sequence == sequence {
            return self.pop();
        }
        let at = self.chunk_of(sequence);
        let chunk = self.chunks.get_mut(at)?;
        let gone = if at == 0 { self.gone } else { 0 };
        let within = chunk[gone..]
            .binary_search_by_key(&sequence, |paged| paged.sequence)
            .ok()?;
        let paged = chunk.remove(gone + within);
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
        self.len -= 1;
        self.bytes -= u64::from(paged.bytes);
        Some(paged)
    }

    /// Those from a sequence on.
    pub(super) fn iter_from(&self, from: Sequence) -> impl Iterator<Item = Paged> {
        let first = self.chunk_of(from);
        let chunks = self.chunks.iter().enumerate().skip(first);
        chunks.flat_map(move |(at, chunk)| {
            let gone = if at == 0 { self.gone } else { 0 };
            let start = chunk.partition_point(|paged| paged.sequence < from);
            chunk[start.max(gone)..].iter().copied()
        })
    }

    /// The first chunk that may have a sequence.
    fn chunk_of(&self, sequence: Sequence) -> usize {
        let is_before = |chunk: &Vec<Paged>| chunk.last().is_some_and(|last| last.sequence < sequence);
        self.chunks.partition_point(is_before)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Paged> {
        self.chunks.iter().flatten().skip(self.gone).copied()
    }
}

impl QueueCore {
    /// What the waiting messages take of memory, in bytes; those on disk count for little and are left out.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.ready.resident_bytes() + self.ready.resident_len() * OVERHEAD
    }

    /// The messages whose bodies are to be read next, as many as are read ahead.
    #[must_use]
    pub fn to_load(&self) -> Vec<Sequence> {
        self.ready
            .paged()
            .take(self.read_ahead)
            .map(|paged| paged.sequence)
            .collect()
    }

    /// How many waiting messages are on disk.
    #[must_use]
    pub fn on_disk(&self) -> u64 {
        self.ready.paged_len()
    }

    pub(super) fn page_out(&mut self, keep: usize) {
        self.read_ahead = keep.max(1);
        if !self.ready.is_paging() && self.options.may_page() {
            self.ready.page_out(self.read_ahead, READ_AHEAD_BYTES);
        }
    }

    pub(super) fn loaded(&mut self, messages: Vec<(Sequence, Option<Message>)>, now: Millis, effects: &mut Effects) {
        self.loading = false;
        self.ready.load(messages);
        self.shorten(effects);
        self.dispatch(now, effects);
    }

    /// Asks for bodies before consumers need them; without consumers only where the head itself is on disk.
    pub(super) fn read_ahead(&mut self, effects: &mut Effects) {
        if self.loading || self.ready.paged_len() == 0 {
            return;
        }
        let (len, bytes) = self.ready.ahead();
        let is_short = len < self.read_ahead as u64 && bytes < READ_AHEAD_BYTES;
        if !self.ready.has_head() || (is_short && !self.consumers.is_empty()) {
            self.loading = true;
            effects.push(Effect::Load);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_on_disk_takes_at_most_30_bytes() {
        // With the 20 bytes of the log's index at most 50.
        assert!(size_of::<Paged>() <= 24);
        let mut run = PagedRun::default();
        let paged = |sequence| Paged {
            sequence,
            enqueued_at: 7,
            bytes: 10,
            redelivered: false,
        };
        (0..10_000).for_each(|sequence| run.push(paged(sequence)));
        let heap: usize = run
            .chunks
            .iter()
            .map(|chunk| chunk.capacity() * size_of::<Paged>())
            .sum();
        let list = run.chunks.capacity() * size_of::<Vec<Paged>>();
        assert!((heap + list) as u64 <= 30 * run.len(), "{heap} {list}");
        assert_eq!((run.len(), run.bytes()), (10_000, 100_000));
        for sequence in 0..9_999 {
            assert_eq!(run.pop().map(|paged| paged.sequence), Some(sequence));
        }
        assert_eq!(run.chunks.len(), 1);
        assert_eq!(run.iter().map(|paged| paged.sequence).collect::<Vec<_>>(), [9_999]);
        run.pop();
        assert!(run.is_empty() && run.pop().is_none() && run.bytes() == 0);
    }
}
