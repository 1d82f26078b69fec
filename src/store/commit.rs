//! The commit thread: collects what journals want, writes it in one round, syncs, and answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::model::ConfirmTicket;

use super::engine::{Engine, QueueBatch, Written};
use super::journal::{QueueJournal, Shared, size};
use super::statistics::Counters;
use super::wake::{Sleep, Urgency};
use super::{QueueId, StoreError, StoreOptions, SyncMode};

/// What to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another step at once.
    Again,
    /// Sleep so deep, for so many microseconds or until woken.
    Sleep(Sleep, Option<u64>),
    /// Everything is written and the thread was told to end.
    End,
}

/// A journal in which something waits.
struct Active {
    journal: Arc<QueueJournal>,
    /// Records that may wait, up to this sequence, are due at this time.
    held: Option<(u64, u64)>,
    /// When settlements are due.
    settlements_due: Option<u64>,
}

/// One round after another. Time comes from outside, in microseconds, so that tests step it.
pub(super) struct Committer {
    shared: Arc<Shared>,
    engine: Arc<Mutex<Box<dyn Engine>>>,
    counters: Arc<Counters>,
    sync: SyncMode,
    settle_window: u64,
    settle_delay: u64,
    active: Vec<Active>,
    /// This round's, and empty ones to be used again.
    batches: Vec<QueueBatch>,
    /// Who waits for this round's settlements.
    tickets: Vec<ConfirmTicket>,
    /// Who waits for all of this round.
    barriers: Vec<ConfirmTicket>,
    /// When the oldest of what is not synced was written.
    unsynced_since: Option<u64>,
    maintain: bool,
    lingered: bool,
}

impl Committer {
    pub(super) fn new(
        options: &StoreOptions,
        shared: Arc<Shared>,
        engine: Arc<Mutex<Box<dyn Engine>>>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            shared,
            engine,
            counters,
            sync: options.sync,
            settle_window: options.settle_window_us.max(1),
            settle_delay: options.settle_delay_ms.saturating_mul(1000).max(1),
            active: Vec::new(),
            batches: Vec::new(),
            tickets: Vec::new(),
            barriers: Vec::new(),
            unsynced_since: None,
            maintain: true,
            lingered: false,
        }
    }

    /// Steps and sleeps until told to end, on the thread that the journals wake.
    pub(super) fn run(&mut self) -> Result<(), StoreError> {
        let start = Instant::now();
        self.shared.wake.attach(std::thread::current());
        loop {
            match self.step(start.elapsed().as_micros() as u64)? {
                Next::Again => {}
                Next::Sleep(sleep, time) => self.shared.wake.sleep(sleep, time.map(Duration::from_micros)),
                Next::End => return self.engine.lock().close(),
            }
        }
    }

    /// Looks at what there is and makes a round if one is due.
    pub(super) fn step(&mut self, now: u64) -> Result<Next, StoreError> {
        // In this order: who notes something puts it into its place first.
        let noted = self.shared.wake.look();
        let stop = self.shared.stop.load(Ordering::SeqCst);
        if let Some(sync) = self.shared.new_sync.lock().take() {
            self.sync = sync;
        }
        self.barriers.append(&mut self.shared.barriers.lock());
        self.take_dirty();
        let everything = stop || !self.barriers.is_empty();
        let at_once = everything || noted == Urgency::Now as u8;
        let mut used = self.collect_records(now, at_once, everything);
        // Settlements go with a round that is made anyway.
        let due = |active: &Active| active.settlements_due.is_some_and(|due| due <= now);
        if at_once || used > 0 || self.active.iter().any(due) {
            used = self.collect_settlements(used);
        }
        self.look_after(now);
        if used > 0 || !self.tickets.is_empty() {
            self.round(now, used)?;
            self.maintain = true;
        }
        // All that was there before is written.
        self.barriers.drain(..).for_each(ConfirmTicket::taken);
        self.sync_interval(now)?;
        if self.maintain {
            self.maintain = self.engine.lock().maintain()?;
        }
        self.shared.backlog.ease();
        self.shared.steps.fetch_add(1, Ordering::SeqCst);
        Ok(self.next(now, noted != 0, stop))
    }

    /// Takes up the journals that turned dirty.
    fn take_dirty(&mut self) {
        let dirty = std::mem::take(&mut *self.shared.dirty.lock());
        self.active.extend(dirty.into_iter().map(|journal| Active {
            journal,
            held: None,
            settlements_due: None,
        }));
    }

    /// Takes the records that are due out of the journals; how many batches there are.
    ///
    /// Tables first, and then all that the queues have: so whatever came before a value is in this round or an earlier
    /// one. In the round it stands before the values: of one that is torn a beginning is left.
    fn collect_records(&mut self, now: u64, at_once: bool, everything: bool) -> usize {
        let tables = self.collect_keeps(now, at_once, everything, true, 0);
        let with_values = tables > 0;
        if with_values {
            self.take_dirty();
        }
        let used = self.collect_keeps(now, at_once || with_values, everything || with_values, false, tables);
        self.batches[..used].rotate_left(tables);
        used
    }

    /// Takes the records that are due out of the journals of tables or of queues, behind the `used` batches; how many
    /// there are then.
    fn collect_keeps(&mut self, now: u64, at_once: bool, everything: bool, tables: bool, mut used: usize) -> usize {
        let is_due = |active: &Active| active.held.is_some_and(|(_, due)| due <= now);
        if !at_once && !self.active.iter().any(is_due) {
            return used;
        }
        for active in self
            .active
            .iter_mut()
            .filter(|active| active.journal.is_table() == tables)
        {
            let aged = match active.held {
                _ if everything => Some(u64::MAX),
                Some((upto, due)) if due <= now => Some(upto),
                _ => None,
            };
            if aged.is_some() {
                active.held = None;
            }
            let batch = batch_at(&mut self.batches, used, active.journal.queue());
            active.journal.take_keeps(aged, batch);
            used += usize::from(!batch.is_empty());
        }
        used
    }

    /// Takes all settlements, behind the `used` batches; how many there are then.
    fn collect_settlements(&mut self, mut used: usize) -> usize {
        for active in &mut self.active {
            active.settlements_due = None;
            let batch = batch_at(&mut self.batches, used, active.journal.queue());
            active.journal.take_settlements(batch, &mut self.tickets);
            used += usize::from(!batch.is_empty());
        }
        used
    }

    /// Notes when what is left is due, and lets go of journals that are empty.
    fn look_after(&mut self, now: u64) {
        let (window, delay) = (self.settle_window, self.settle_delay);
        self.active.retain_mut(|active| {
            let left = active.journal.look();
            match left.last {
                Some(last) => _ = active.held.get_or_insert((last, now + window)),
                None => active.held = None,
            }
            match left.settlements {
                true => _ = active.settlements_due.get_or_insert(now + delay),
                false => active.settlements_due = None,
            }
            left.last.is_some() || left.settlements
        });
    }

    /// Writes the first `used` batches, syncs, and answers who waits for them.
    fn round(&mut self, now: u64, used: usize) -> Result<(), StoreError> {
        let start = Instant::now();
        let written = self.engine.lock().write(&self.batches[..used])?;
        match self.sync {
            SyncMode::Always => self.sync()?,
            SyncMode::Interval(_) | SyncMode::Never => {
                self.engine.lock().hand_over()?;
                _ = self.unsynced_since.get_or_insert(now);
            }
        }
        self.answer(used, written, start);
        Ok(())
    }

    fn answer(&mut self, used: usize, written: Written, start: Instant) {
        let count = |of: fn(&QueueBatch) -> usize| self.batches[..used].iter().map(of).sum::<usize>() as u64;
        let (total, settled) = (count(|batch| batch.keeps.len()), count(|batch| batch.forgets.len()));
        let kept = written.kept as u64;
        let took = start.elapsed().as_micros() as u64;
        // Before the answers, so that who got one finds it counted.
        self.counters.count(kept, total - kept, settled, took);
        let (mut at, mut bytes) = (0, 0);
        for batch in &mut self.batches[..used] {
            batch.forgets.clear();
            batch.removed = false;
            for keep in batch.keeps.drain(..) {
                at += 1;
                bytes += size(&keep);
                match keep.ticket {
                    Some(ticket) if at <= written.kept => ticket.taken(),
                    Some(ticket) => ticket.refused(),
                    None => {}
                }
            }
            // One burst shall not hold memory for ever.
            batch.keeps.shrink_to(1024);
            batch.forgets.shrink_to(4096);
        }
        self.batches.truncate(64);
        self.shared.backlog.sub(bytes);
        let answer = |ticket: ConfirmTicket, done: bool| if done { ticket.taken() } else { ticket.refused() };
        let all = written.settled && kept == total;
        self.tickets
            .drain(..)
            .for_each(|ticket| answer(ticket, written.settled));
        self.barriers.drain(..).for_each(|ticket| answer(ticket, all));
    }

    /// Syncs what was written. The engine is free meanwhile: others may read.
    fn sync(&mut self) -> Result<(), StoreError> {
        let job = self.engine.lock().sync_job();
        let start = Instant::now();
        job()?;
        self.counters.syncs.note(start.elapsed().as_micros() as u64);
        self.engine.lock().synced();
        self.unsynced_since = None;
        Ok(())
    }

    fn sync_due(&self) -> Option<u64> {
        match self.sync {
            SyncMode::Interval(ms) => Some(self.unsynced_since? + ms.saturating_mul(1000)),
            // What an earlier mode has left.
            SyncMode::Always => self.unsynced_since,
            SyncMode::Never => None,
        }
    }

    fn sync_interval(&mut self, now: u64) -> Result<(), StoreError> {
        match self.sync_due() {
            Some(due) if due <= now => self.sync(),
            _ => Ok(()),
        }
    }

    fn next(&mut self, now: u64, noted: bool, stop: bool) -> Next {
        if self.maintain && !stop {
            return Next::Again;
        }
        if stop && self.active.is_empty() {
            // An answer of the last round may have asked for more: what came into another queue is forgotten by its old.
            return match self.shared.dirty.lock().is_empty() {
                true => Next::End,
                false => Next::Again,
            };
        }
        let held = self
            .active
            .iter()
            .filter_map(|active| active.held)
            .map(|(_, due)| due)
            .min();
        let settlements = self.active.iter().filter_map(|active| active.settlements_due).min();
        let due = [held, settlements, self.sync_due()].into_iter().flatten().min();
        let after = |due: u64| Some(due.saturating_sub(now).max(1));
        let lingered = std::mem::replace(&mut self.lingered, false);
        match due {
            Some(due) if held.is_some() => Next::Sleep(Sleep::Short, after(due)),
            Some(due) => Next::Sleep(Sleep::Long, after(due)),
            None if noted || !lingered => {
                // A flowing queue will come again soon: this saves it the system call.
                self.lingered = true;
                Next::Sleep(Sleep::Short, Some(self.settle_window))
            }
            None => Next::Sleep(Sleep::Deep, None),
        }
    }
}

/// An empty batch for a queue at a place of the list, which grows if need be.
fn batch_at(batches: &mut Vec<QueueBatch>, at: usize, queue: QueueId) -> &mut QueueBatch {
    if at == batches.len() {
        batches.push(QueueBatch::new(queue));
    }
    let batch = &mut batches[at];
    batch.queue = queue;
    batch
}

#[cfg(test)]
mod tests;
