//! The way of one queue's messages to the commit thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::model::{Blank, ConfirmTicket, Seldom};

use super::backlog::Backlog;
use super::engine::QueueBatch;
use super::wake::{Urgency, Wake};
use super::{Keep, QueueId, SyncMode};

/// What journals and the commit thread share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Journals that turned dirty since the commit thread looked.
    pub(super) dirty: Mutex<Vec<Arc<QueueJournal>>>,
    pub(super) wake: Wake,
    /// Records that were settled before they were written.
    pub(super) dropped: AtomicU64,
    /// The commit thread is to write all that is owed and end.
    pub(super) stop: AtomicBool,
    /// Steps of the commit thread that have ended.
    pub(super) steps: AtomicU64,
    /// Another sync mode, until the commit thread takes it.
    pub(super) new_sync: Mutex<Option<SyncMode>>,
    /// Who waits for all that any journal has.
    pub(super) barriers: Mutex<Vec<ConfirmTicket>>,
    /// Records that wait, and those of the round that is being written.
    pub(super) backlog: Backlog,
}

/// Takes what one queue wants kept or forgotten, in the order of the queue.
///
/// Its calls are made while the queue is locked: they take one lock that is free but for the moment in which the
/// commit thread collects, and make no system call unless the commit thread has to be woken.
#[derive(Debug)]
pub struct QueueJournal {
    queue: QueueId,
    /// Its records are written behind all that other journals had before them.
    is_table: bool,
    this: Weak<QueueJournal>,
    shared: Arc<Shared>,
    pending: Mutex<Seldom<Pending>>,
}

/// A record that waits; `None` once it was settled.
#[derive(Debug)]
struct Waiting {
    sequence: u64,
    keep: Option<Keep>,
}

#[derive(Debug, Default)]
struct Pending {
    /// In order of sequence; first and last are never settled ones.
    keeps: VecDeque<Waiting>,
    /// How many of them nobody needs at once.
    held: usize,
    forgets: Vec<u64>,
    /// Who waits for `forgets`.
    tickets: Vec<ConfirmTicket>,
    /// In the commit thread's hands.
    listed: bool,
    /// The removal has to be written.
    removal: bool,
    /// The queue went: nothing is taken any more.
    removed: bool,
}

impl Blank for Pending {
    fn blank() -> &'static Self {
        static BLANK: Pending = Pending {
            keeps: VecDeque::new(),
            held: 0,
            forgets: Vec::new(),
            tickets: Vec::new(),
            listed: false,
            removal: false,
            removed: false,
        };
        &BLANK
    }
}

/// What still waits in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// The sequence of the last record.
    pub(super) last: Option<u64>,
    /// Settlements.
    pub(super) settlements: bool,
}

/// Tickets to be answered once no lock is held.
type Tickets = SmallVec<[ConfirmTicket; 32]>;

fn answer(tickets: Tickets) {
    tickets.into_iter().for_each(ConfirmTicket::taken);
}

/// Whether a record may wait for its settlement: it is with a consumer, or nobody waits for its confirm.
fn may_wait(keep: &Keep) -> bool {
    keep.in_flight || keep.ticket.is_none()
}

/// Bytes that a record takes of memory, but for little.
pub(super) fn size(keep: &Keep) -> u64 {
    keep.message.size() as u64
}

impl Pending {
    /// Takes a record out before it is written.
    fn settle(&mut self, sequence: u64) -> Option<Keep> {
        // Consumers mostly settle in order: the head first.
        let at = match self.keeps.front() {
            Some(head) if head.sequence == sequence => 0,
            _ => self
                .keeps
                .binary_search_by_key(&sequence, |waiting| waiting.sequence)
                .ok()?,
        };
        let keep = self.keeps[at].keep.take()?;
        if may_wait(&keep) {
            self.held -= 1;
        }
        while self.keeps.front().is_some_and(|waiting| waiting.keep.is_none()) {
            self.keeps.pop_front();
        }
        while self.keeps.back().is_some_and(|waiting| waiting.keep.is_none()) {
            self.keeps.pop_back();
        }
        Some(keep)
    }

    /// Puts the last `count` records into their places: messages that are written to spare memory need not be newer than
    /// those before them.
    fn put_in_order(&mut self, count: usize) {
        let first = self.keeps.len() - count;
        let is_behind = |last: usize| self.keeps[last].sequence < self.keeps[first].sequence;
        if !first.checked_sub(1).is_none_or(is_behind) {
            self.keeps.make_contiguous().sort_by_key(|waiting| waiting.sequence);
        }
    }

    /// Moves records into `out`: those that somebody needs, and those that may wait up to sequence `aged`.
    fn take_keeps(&mut self, aged: Option<u64>, out: &mut Vec<Keep>) {
        let due = |keep: &Keep| !may_wait(keep) || aged.is_some_and(|aged| keep.sequence <= aged);
        if self.held == 0 || aged == Some(u64::MAX) {
            out.extend(self.keeps.drain(..).filter_map(|waiting| waiting.keep));
            self.held = 0;
            return;
        }
        let mut left = VecDeque::with_capacity(self.held);
        for waiting in self.keeps.drain(..) {
            match waiting.keep {
                Some(keep) if due(&keep) => out.push(keep),
                Some(_) => left.push_back(waiting),
                None => {}
            }
        }
        self.held = left.len();
        self.keeps = left;
    }
}

impl QueueJournal {
    pub(super) fn new(queue: QueueId, is_table: bool, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            queue,
            is_table,
            this: this.clone(),
            shared,
            pending: Mutex::default(),
        })
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> QueueId {
        self.queue
    }

    pub(super) fn is_table(&self) -> bool {
        self.is_table
    }

    /// Takes messages to be kept, in order of sequence (which may be lower than those of batches before); drains the
    /// vector, which the caller uses again.
    ///
    /// Each ticket is answered once: `taken` when its message is on stable storage as far as the sync mode promises
    /// it, or was settled before it had to be; `refused` where the disk is full.
    pub fn keep(&self, batch: &mut Vec<Keep>) {
        if batch.is_empty() {
            return;
        }
        let mut pending = self.pending.lock();
        if pending.removed {
            drop(pending);
            answer(batch.drain(..).filter_map(|keep| keep.ticket).collect());
            return;
        }
        let mut held = 0;
        let count = batch.len();
        let is_too_much = self.shared.backlog.add(batch.iter().map(size).sum());
        pending.keeps.extend(batch.drain(..).map(|keep| {
            held += usize::from(may_wait(&keep));
            Waiting {
                sequence: keep.sequence,
                keep: Some(keep),
            }
        }));
        pending.held += held;
        pending.put_in_order(count);
        self.list(&mut pending);
        drop(pending);
        let urgency = if held == count { Urgency::Held } else { Urgency::Now };
        self.shared.wake.note(urgency);
        if is_too_much {
            self.shared.backlog.warn();
        }
    }

    /// Takes messages that are settled; those not written yet never will be, and their tickets are answered now.
    ///
    /// `ticket` is answered when these settlements are on stable storage, or at once where none has to be written.
    /// If the disk is full it is refused; the settlements take effect nevertheless.
    pub fn forget(&self, sequences: &[u64], ticket: Option<ConfirmTicket>) {
        let mut answers = Tickets::new();
        let (mut dropped, mut bytes) = (0, 0);
        let mut pending = self.pending.lock();
        if pending.removed {
            drop(pending);
            answer(ticket.into_iter().collect());
            return;
        }
        let before = pending.forgets.len();
        for sequence in sequences {
            match pending.settle(*sequence) {
                Some(keep) => {
                    dropped += 1;
                    bytes += size(&keep);
                    answers.extend(keep.ticket);
                }
                None => pending.forgets.push(*sequence),
            }
        }
        let mut urgency = None;
        if pending.forgets.len() > before {
            urgency = Some(if ticket.is_some() {
                Urgency::Now
            } else {
                Urgency::Settlement
            });
            pending.tickets.extend(ticket);
            self.list(&mut pending);
        } else {
            answers.extend(ticket);
        }
        drop(pending);
        if let Some(urgency) = urgency {
            self.shared.wake.note(urgency);
        }
        if dropped > 0 {
            self.shared.backlog.sub(bytes);
            self.shared.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        answer(answers);
    }

    /// Has `ticket` answered once all that any journal has now is on stable storage as far as the sync mode promises it,
    /// also what might have waited for its settlement; refused if the disk is too full for some of it.
    pub fn after_all(&self, ticket: ConfirmTicket) {
        self.shared.barriers.lock().push(ticket);
        self.shared.wake.note(Urgency::Now);
    }

    /// The queue went: what waits is dropped, the rest is to be removed from the store.
    pub(super) fn remove(&self) {
        let mut pending = self.pending.lock();
        if pending.removed {
            return;
        }
        pending.removed = true;
        pending.removal = true;
        pending.held = 0;
        pending.forgets.clear();
        let keeps = std::mem::take(&mut pending.keeps);
        let mut answers: Tickets = pending.tickets.drain(..).collect();
        self.list(&mut pending);
        drop(pending);
        let keeps = keeps.into_iter().filter_map(|waiting| waiting.keep);
        let bytes = &mut 0;
        answers.extend(
            keeps
                .inspect(|keep| *bytes += size(keep))
                .filter_map(|keep| keep.ticket),
        );
        self.shared.backlog.sub(*bytes);
        self.shared.wake.note(Urgency::Settlement);
        answer(answers);
    }

    /// Moves records into `batch`: all but those that may wait and have a sequence above `aged`.
    pub(super) fn take_keeps(&self, aged: Option<u64>, batch: &mut QueueBatch) {
        self.pending.lock().take_keeps(aged, &mut batch.keeps);
    }

    /// Moves settlements into `batch`, and who waits for them into `tickets`.
    pub(super) fn take_settlements(&self, batch: &mut QueueBatch, tickets: &mut Vec<ConfirmTicket>) {
        let mut pending = self.pending.lock();
        std::mem::swap(&mut pending.forgets, &mut batch.forgets);
        tickets.append(&mut pending.tickets);
        batch.removed = std::mem::take(&mut pending.removal);
    }

    /// Whether a record waits for the commit thread.
    pub(super) fn is_waiting(&self, sequence: u64) -> bool {
        let pending = self.pending.lock();
        let found = pending
            .keeps
            .binary_search_by_key(&sequence, |waiting| waiting.sequence);
        found.is_ok_and(|at| pending.keeps[at].keep.is_some())
    }

    /// What there is; where that is nothing the journal lists itself anew with the next that comes.
    pub(super) fn look(&self) -> Left {
        let mut pending = self.pending.lock();
        let left = Left {
            last: pending.keeps.back().map(|waiting| waiting.sequence),
            settlements: !pending.forgets.is_empty() || pending.removal,
        };
        pending.listed = left.last.is_some() || left.settlements;
        left
    }

    /// Puts the journal into the commit thread's hands, unless it is there.
    fn list(&self, pending: &mut Pending) {
        if !pending.listed {
            pending.listed = true;
            // The caller has an Arc of this, so that it can be upgraded.
            if let Some(this) = self.this.upgrade() {
                self.shared.dirty.lock().push(this);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Message;

    #[test]
    fn older_messages_may_come_later_and_are_found() {
        let journal = QueueJournal::new(QueueId(1), false, Arc::default());
        let keep = |sequence| Keep {
            sequence,
            message: Message::new("", "q", &[0, 0], &[b"x"]),
            expires_at: None,
            ticket: None,
            in_flight: false,
        };
        for batch in [[5, 8], [9, 10], [1, 6]] {
            journal.keep(&mut batch.map(keep).into());
        }
        journal.forget(&[6, 9], None);
        assert!(journal.is_waiting(1) && !journal.is_waiting(6));
        let mut batch = QueueBatch::new(QueueId(1));
        journal.take_keeps(Some(u64::MAX), &mut batch);
        let taken: Vec<u64> = batch.keeps.iter().map(|keep| keep.sequence).collect();
        assert_eq!(taken, [1, 5, 8, 10]);
        assert!(batch.forgets.is_empty());
    }
}
