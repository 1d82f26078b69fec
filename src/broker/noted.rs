//! Where a queue has noted the value of a message, so that it can forget it where the disk has no space for the message.
//!
//! The message itself stays in the queue, in memory. Were its value to stay as well, the publisher's next attempt would
//! be confirmed as a duplicate of what a restart loses.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::{ConfirmSink, ConfirmTicket};

use super::deduplication::SeenTable;

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
#[derive(Clone, Debug)]
pub(super) enum Noted {
    /// Among the messages that are in the queue, by sequence.
    Present(Arc<Present>, u64),
    /// In the table of values that outlive their messages, by number.
    Seen(Arc<SeenTable>, u64),
}

impl Noted {
    /// A ticket that answers as `ticket` does. When the message is refused its value is forgotten first, also on disk.
    pub fn guard(self, ticket: ConfirmTicket) -> ConfirmTicket {
        ConfirmTicket::new(Arc::new(Guard { noted: self, ticket }), 0)
    }
}

/// Hears what became of the message.
#[derive(Debug)]
struct Guard {
    noted: Noted,
    ticket: ConfirmTicket,
}

impl ConfirmSink for Guard {
    fn taken(&self, _tag: u64) {
        self.ticket.clone().taken();
    }

    fn refused(&self, _tag: u64) {
        match &self.noted {
            Noted::Present(present, sequence) => present.went(*sequence),
            Noted::Seen(table, number) => {
                let then = || ConfirmTicket::new(Arc::new(Forgotten(self.ticket.clone())), 0);
                if table.forget(*number, then) {
                    return;
                }
            }
        }
        self.ticket.clone().refused();
    }
}

/// Hears from the disk that a value is gone. On a full disk it is gone in memory.
struct Forgotten(ConfirmTicket);

impl fmt::Debug for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("forgotten")
    }
}

impl ConfirmSink for Forgotten {
    fn taken(&self, _tag: u64) {
        self.0.clone().refused();
    }

    fn refused(&self, _tag: u64) {
        self.0.clone().refused();
    }
}
