//! The messages that are out and wait for their settlement.

use slab::Slab;

use super::entry::Entry;
use super::{ConsumerKey, Sequence, UnackedId};

/// Capacity that an empty table keeps.
const SLACK: usize = 1024;

/// A message that is out, and who has it.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) sequence: Sequence,
    pub(super) entry: Entry,
    pub(super) holder: Holder,
}

/// Who a message went to. The serial tells the consumer from a later one with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    pub(super) key: ConsumerKey,
    pub(super) serial: u32,
}

impl Holder {
    /// Whoever asked with `basic.get`: no consumer, so that nobody gets credit back.
    pub(super) const GET: Self = Self {
        key: ConsumerKey(u32::MAX),
        serial: 0,
    };
}

/// The table of unacked messages.
#[derive(Debug, Default)]
pub(super) struct Unacked {
    slots: Slab<Out>,
    bytes: u64,
}

impl Unacked {
    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn insert(&mut self, sequence: Sequence, entry: Entry, holder: Holder) -> UnackedId {
        self.bytes += entry.bytes();
        let slot = self.slots.insert(Out {
            sequence,
            entry,
            holder,
        });
        UnackedId {
            slot: slot as u32,
            sequence,
        }
    }

    /// Takes a message out of the table; `None` for one that is not there (any more).
    pub(super) fn remove(&mut self, id: UnackedId) -> Option<Out> {
        let slot = id.slot as usize;
        if self.slots.get(slot)?.sequence != id.sequence {
            return None;
        }
        let out = self.slots.try_remove(slot)?;
        self.bytes -= out.entry.bytes();
        if self.slots.is_empty() && self.slots.capacity() > 16 * SLACK {
            self.slots = Slab::with_capacity(SLACK);
        }
        Some(out)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (UnackedId, &Out)> {
        self.slots.iter().map(|(slot, out)| {
            let id = UnackedId {
                slot: slot as u32,
                sequence: out.sequence,
            };
            (id, out)
        })
    }
}
