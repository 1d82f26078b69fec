//! One message as the queue holds it.

use crate::model::{Message, Millis};

use super::Sequence;

/// The expiry of a message that never expires.
pub(super) const NEVER: Millis = Millis::MAX;

/// A message with what the queue knows about it, its sequence aside: that is the key wherever an entry is held.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    /// [`NEVER`] where it does not expire.
    pub(super) expires_at: Millis,
    pub(super) enqueued_at: Millis,
    /// How often it was returned.
    pub(super) delivery_count: u32,
    /// Its priority level: 0 in a queue without priorities.
    pub(super) level: u8,
    /// The store has to be told when it goes.
    pub(super) kept: bool,
    /// A restart brings it back.
    pub(super) persistent: bool,
    /// The store was given it, be it to keep or to spare memory.
    pub(super) on_disk: bool,
    pub(super) redelivered: bool,
    /// It stands in the index of expiries.
    pub(super) indexed: bool,
}

impl Entry {
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        self.message.body_len() as u64
    }

    #[inline]
    pub(super) fn expires(&self) -> bool {
        self.expires_at != NEVER
    }
}

/// A sequence and its message.
pub(super) type Numbered = (Sequence, Entry);
