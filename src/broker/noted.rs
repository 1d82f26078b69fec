//! Where the value of a message is noted, so that it can be forgotten.
//!
//! A queue forgets it where the disk has no space for the message. The message itself stays in the queue, in memory. Were
//! its value to stay as well, the publisher's next attempt would be confirmed as a duplicate of what a restart loses.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::ConfirmTicket;

use super::deduplication::SeenTable;
use super::exchange_side::ExchangeSide;

/// The values of the messages that are in a queue.
#[derive(Debug, Default)]
pub(super) struct Present(Mutex<Both>);

#[derive(Debug, Default)]
struct Both {
    /// The message with each value, by its sequence.
    messages: FxHashMap<Box<[u8]>, u64>,
    /// And back.
    values: FxHashMap<u64, Box<[u8]>>,
}

impl Present {
    /// Whether a message with the value is in the queue.
    pub fn has(&self, value: &[u8]) -> bool {
        self.0.lock().messages.contains_key(value)
    }

    /// A message came.
    pub fn came(&self, sequence: u64, value: &[u8]) {
        let mut both = self.0.lock();
        both.messages.insert(value.into(), sequence);
        both.values.insert(sequence, value.into());
    }

    /// A message left, or is to count for nothing.
    pub fn went(&self, sequence: u64) {
        let mut both = self.0.lock();
        if let Some(value) = both.values.remove(&sequence)
            && both.messages.get(&value) == Some(&sequence)
        {
            both.messages.remove(&value);
        }
    }
}

/// Where the value of one message is.
#[derive(Clone)]
pub(super) enum Noted {
    /// With an exchange, by number.
    Exchange(Arc<ExchangeSide>, u64),
    /// Among the messages that are in a queue, by sequence.
    Present(Arc<Present>, u64),
    /// In a queue's table of values that outlive their messages, by number.
    Seen(Arc<SeenTable>, u64),
}

impl Noted {
    /// Forgets the value. True where it is on disk as well: then the ticket that `then` makes is answered, in either way,
    /// once it is gone from there.
    pub fn forget(&self, then: impl FnOnce() -> ConfirmTicket) -> bool {
        match self {
            Self::Exchange(side, number) => side.forget(*number, then),
            Self::Present(present, sequence) => {
                present.went(*sequence);
                false
            }
            Self::Seen(table, number) => table.forget(*number, then),
        }
    }
}
