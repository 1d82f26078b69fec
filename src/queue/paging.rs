//! Waiting messages whose bodies are on disk.
//!
//! A queue that was told to [`Command::PageOut`](super::Command::PageOut) keeps the bodies at its head and forgets those
//! behind; what comes later goes straight there, until nothing is on disk any more. Persistent messages are in the store
//! anyway; the others are given to it with [`Effect::Spill`]. Of each a byte or a few stay, with its expiry: it expires
//! there as it would in memory. As consumers near the end of what is in memory, [`Effect::Load`] asks for more, which comes
//! with [`Command::Loaded`](super::Command::Loaded).
//!
//! A message that dies on disk while the queue has a dead-letter target is neither ready nor forgotten until its body
//! was read: it is *dying*. At most [`EXPIRE_BATCH`] are; what else has expired meanwhile waits in its place, from where
//! nobody gets it.

use std::collections::BTreeMap;

use crate::model::{Blank, Message, Millis};

use super::paged::Paged;
use super::{DISPATCH_BYTES, DeathReason, EXPIRE_BATCH, Effect, Effects, QueueCore, Sequence};

/// How many messages stay in memory at the head of a queue, and how many are read at a time.
pub const READ_AHEAD: u32 = 512;
/// How many bytes of bodies stay in memory at the head of a queue, and after how many a read ends.
pub const READ_AHEAD_BYTES: u64 = DISPATCH_BYTES;
/// What a message in memory takes besides its body, in bytes: its entry, properties, names and the allocator's share.
const OVERHEAD: u64 = 192;

/// A body that is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose.
    pub sequence: Sequence,
    /// It came with [`Effect::Spill`], and not with [`Effect::Keep`].
    pub spilled: bool,
}

impl From<Paged> for Wanted {
    fn from(paged: Paged) -> Self {
        Self {
            sequence: paged.sequence,
            spilled: !paged.persistent,
        }
    }
}

/// Messages that died on disk.
#[derive(Debug, Default)]
pub(super) struct Dying {
    messages: BTreeMap<Sequence, (Paged, DeathReason)>,
    bytes: u64,
}

impl Blank for Dying {
    fn blank() -> &'static Self {
        static BLANK: Dying = Dying {
            messages: BTreeMap::new(),
            bytes: 0,
        };
        &BLANK
    }
}

impl Dying {
    pub(super) fn len(&self) -> u64 {
        self.messages.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_full(&self) -> bool {
        self.messages.len() >= EXPIRE_BATCH
    }
}

impl QueueCore {
    /// What the waiting messages take of memory, in bytes; those on disk count for little and are left out.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.ready.resident_bytes() + self.ready.resident_len() * OVERHEAD
    }

    /// The messages whose bodies are to be read: those that are next in line, as many as are read ahead, and those that
    /// are to become dead letters.
    #[must_use]
    pub fn to_load(&self) -> [Vec<Wanted>; 2] {
        let next = self.ready.next_paged().take(self.read_ahead as usize);
        let dying = self.dying.messages.values().take(self.read_ahead as usize);
        [
            next.map(Wanted::from).collect(),
            dying.map(|(paged, _)| Wanted::from(*paged)).collect(),
        ]
    }

    /// How many waiting messages are on disk.
    #[must_use]
    pub fn on_disk(&self) -> u64 {
        self.ready.paged_len
    }

    pub(super) fn page_out(&mut self, keep: u32, effects: &mut Effects) {
        self.read_ahead = keep.max(1);
        if !self.options.may_page() {
            return;
        }
        for (sequence, message) in self.ready.page_out(self.read_ahead as usize, READ_AHEAD_BYTES) {
            effects.push(Effect::Spill { sequence, message });
        }
    }

    pub(super) fn loaded(&mut self, messages: Vec<(Sequence, Option<Message>)>, now: Millis, effects: &mut Effects) {
        self.loading = false;
        for (sequence, message) in messages {
            let Some((paged, reason)) = self.dying.messages.remove(&sequence) else {
                self.ready.load(sequence, message);
                continue;
            };
            self.dying.bytes -= paged.bytes;
            if let Some(message) = message {
                self.discard(sequence, paged.entry(0, message), Some(reason), effects);
            }
        }
        self.expire_due(now, effects);
        self.shorten(effects);
        self.dispatch(now, effects);
    }

    /// Removes a message that was taken from the disk's part of the queue: it goes now, or as a dead letter once its
    /// body was read.
    pub(super) fn discard_paged(&mut self, paged: Paged, reason: Option<DeathReason>, effects: &mut Effects) {
        match reason {
            Some(reason) if self.options.dead_letter.is_some() => {
                self.dying.bytes += paged.bytes;
                self.dying.messages.insert(paged.sequence, (paged, reason));
            }
            _ => match effects.others.last_mut() {
                Some(Effect::ForgetRun { first, count }) if *first + *count == paged.sequence => *count += 1,
                _ => effects.push(Effect::ForgetRun {
                    first: paged.sequence,
                    count: 1,
                }),
            },
        }
    }

    /// Whether something is on disk that has to be read one day.
    pub(super) fn has_bodies_on_disk(&self) -> bool {
        self.ready.is_paging() || self.dying.len() > 0
    }

    /// Asks for bodies before consumers need them; without consumers only where the head itself is on disk, or where a
    /// dead letter needs it.
    pub(super) fn read_ahead(&mut self, effects: &mut Effects) {
        if self.loading {
            return;
        }
        let (len, bytes) = self.ready.ahead();
        let is_short = len < u64::from(self.read_ahead) && bytes < READ_AHEAD_BYTES;
        let nears = is_short && !self.consumers.is_empty();
        let wants_next = self.ready.is_paging() && (nears || !self.ready.has_head());
        if self.dying.len() > 0 || wants_next {
            self.loading = true;
            effects.push(Effect::Load);
        }
    }
}
