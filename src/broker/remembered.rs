//! What exchanges and a queue remembered of one message, so that they can forget it where the message is refused.
//!
//! A refusal comes with a queue locked. What is locked to forget a value takes no queue's lock.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};

use crate::model::{ConfirmSink, ConfirmTicket};

use super::noted::Noted;

/// Where the value of a message was noted: mostly in one place.
type Places = SmallVec<[Noted; 1]>;

/// Who remembered a message.
#[derive(Clone, Default)]
pub struct Remembered(Places);

impl From<Noted> for Remembered {
    fn from(noted: Noted) -> Self {
        Self(smallvec![noted])
    }
}

impl Remembered {
    /// Notes one more.
    pub(super) fn note(&mut self, noted: Noted) {
        self.0.push(noted);
    }

    /// A ticket that answers as `ticket` does. When the message is refused, its value is forgotten first, also on disk: who
    /// hears of the refusal may send it again.
    #[inline]
    #[must_use]
    pub fn guard(&self, ticket: ConfirmTicket) -> ConfirmTicket {
        match self.0.is_empty() {
            true => ticket,
            false => self.guarded(ticket),
        }
    }

    fn guarded(&self, ticket: ConfirmTicket) -> ConfirmTicket {
        let publish = Arc::new(Publish {
            values: Mutex::new(self.0.clone()),
            ticket,
        });
        ConfirmTicket::new(Arc::new(Guard(publish)), 0)
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "remembered in {} places", self.0.len())
    }
}

/// A publish that may be refused.
struct Publish {
    /// What is still to be forgotten then.
    values: Mutex<Places>,
    ticket: ConfirmTicket,
}

impl Publish {
    /// Forgets one value after the other, and passes the refusal on.
    fn refuse(self: &Arc<Self>) {
        loop {
            let next = self.values.lock().pop();
            let Some(noted) = next else {
                return self.ticket.clone().refused();
            };
            let then = || ConfirmTicket::new(Arc::new(Forgotten(Arc::clone(self))), 0);
            if noted.forget(then) {
                return;
            }
        }
    }
}

/// Hears from the queues.
struct Guard(Arc<Publish>);

impl ConfirmSink for Guard {
    fn taken(&self, _tag: u64) {
        self.0.ticket.clone().taken();
    }

    fn refused(&self, _tag: u64) {
        self.0.refuse();
    }
}

/// Hears from the disk that a value is gone. On a full disk it is gone in memory.
struct Forgotten(Arc<Publish>);

impl ConfirmSink for Forgotten {
    fn taken(&self, _tag: u64) {
        self.0.refuse();
    }

    fn refused(&self, _tag: u64) {
        self.0.refuse();
    }
}
