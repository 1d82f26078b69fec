//! Messages that go from one queue into others: the disk of the old queue forgets them only once the new ones have them
//! on theirs.
//!
//! Dead letters, retries and released delayed messages go this way. A crash at any moment finds a message in its old
//! queue, in its new ones, or in both (at least once), and never in none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::model::{ConfirmSink, ConfirmTicket};

use super::queue_cell::QueueCell;

/// Messages of one queue on their way.
pub(super) struct Handover {
    source: Arc<QueueCell>,
    /// What the source may forget once all have answered.
    forgets: Mutex<Vec<u64>>,
    /// What it may not: a disk was full. It comes back with the next start.
    stays: Mutex<Vec<u64>>,
    /// Answers still owed, and one that is given when all are asked for.
    owed: AtomicUsize,
    /// All are asked for.
    asked: AtomicBool,
}

impl std::fmt::Debug for Handover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handover({:?}, {:?})", self.source, self.forgets.lock())
    }
}

impl Handover {
    /// Nothing on its way yet.
    pub fn new(source: &Arc<QueueCell>) -> Arc<Self> {
        Arc::new(Self {
            source: Arc::clone(source),
            forgets: Mutex::default(),
            stays: Mutex::default(),
            owed: AtomicUsize::new(1),
            asked: AtomicBool::new(false),
        })
    }

    /// The ticket with which one new queue answers for the message that is `sequence` in the old one.
    pub fn ticket(self: &Arc<Self>, sequence: u64) -> ConfirmTicket {
        self.ask();
        ConfirmTicket::new(Arc::clone(self) as Arc<dyn ConfirmSink>, sequence)
    }

    /// One answer more is owed, for which somebody else passes [`ConfirmSink`]'s calls on.
    pub fn ask(&self) {
        self.owed.fetch_add(1, Ordering::AcqRel);
    }

    /// All queues are asked; once they have answered the source may forget these.
    pub fn asked(&self, forgets: Vec<u64>) {
        *self.forgets.lock() = forgets;
        self.asked.store(true, Ordering::Release);
        self.answered();
    }

    fn answered(&self) {
        if self.owed.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut forgets = std::mem::take(&mut *self.forgets.lock());
            let stays = std::mem::take(&mut *self.stays.lock());
            forgets.retain(|sequence| !stays.contains(sequence));
            self.source.forget(&forgets);
        }
    }
}

/// A ticket for a new record of a message in its own queue: once that is on disk, the queue may forget the old one.
pub(super) fn replacing(queue: &Arc<QueueCell>, old: u64) -> ConfirmTicket {
    let handover = Handover::new(queue);
    let ticket = handover.ticket(old);
    handover.asked(vec![old]);
    ticket
}

impl ConfirmSink for Handover {
    fn taken(&self, _tag: u64) {
        self.answered();
    }

    /// A queue that is full refuses at once: it drops the message, as it drops any dead letter. The disk refuses later;
    /// then the new queue has the message in memory alone, so the old one's record stays.
    fn refused(&self, tag: u64) {
        if self.asked.load(Ordering::Acquire) {
            self.stays.lock().push(tag);
        }
        self.answered();
    }
}
