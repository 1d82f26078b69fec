//! What exchanges remembered of one message, so that they can forget it where a queue refuses the message.
//!
//! A refusal comes with a queue locked. An exchange's table is locked inside of that and takes no queue's lock.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::{ConfirmSink, ConfirmTicket};

use super::exchange_side::ExchangeSide;

/// The exchanges that remembered a message, each with the number of its value there.
#[derive(Clone, Default)]
pub struct Remembered(Vec<(Arc<ExchangeSide>, u64)>);

impl Remembered {
    /// Notes one more exchange.
    pub(super) fn note(&mut self, side: &Arc<ExchangeSide>, number: u64) {
        self.0.push((Arc::clone(side), number));
    }

    /// A ticket that answers as `ticket` does. When a queue refuses the message, the exchanges forget it first, also
    /// on disk: who hears of the refusal may send it again.
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
        write!(f, "remembered by {} exchanges", self.0.len())
    }
}

/// A publish that may be refused.
struct Publish {
    /// What is still to be forgotten then.
    values: Mutex<Vec<(Arc<ExchangeSide>, u64)>>,
    ticket: ConfirmTicket,
}

impl Publish {
    /// Forgets one value after the other, and passes the refusal on.
    fn refuse(self: &Arc<Self>) {
        loop {
            let next = self.values.lock().pop();
            let Some((side, number)) = next else {
                return self.ticket.clone().refused();
            };
            let then = || ConfirmTicket::new(Arc::new(Forgotten(Arc::clone(self))), 0);
            if side.forget(number, then) {
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
