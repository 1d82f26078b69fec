//! A backlog bigger than memory: which queues leave bodies on disk, and who reads them back.
//!
//! Each queue reports what its waiting messages take. Over the budget a queue that has more than a read's worth in
//! memory is told to page out; one thread reads back what queues ask for, with no queue locked while it reads.

use std::collections::VecDeque;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::model::Message;
use crate::queue::{Delivery, READ_AHEAD_BYTES, Sequence, Wanted};
use crate::store::StoreError;

use super::queue_cell::{Aftermath, PeekedMessage, QueueCell};
use super::{Broker, blocking};

/// The least and the most that may wait to be written, in bytes. Publishers with few confirms outstanding never come
/// near; and a disk writes the most of it in a second or a few.
const BACKLOG_BYTES: (u64, u64) = (4 << 20, 256 << 20);

/// A queue reports when what it has in memory has changed by so much, in bytes.
pub const REPORT_BYTES: u64 = 64 << 10;

/// The memory that waiting messages may take, and the queues that wait for bodies.
#[derive(Debug)]
pub struct Paging {
    budget_bytes: AtomicU64,
    used_bytes: AtomicU64,
    paged_out: AtomicU64,
    paged_in: AtomicU64,
    loads: Mutex<Loads>,
    changed: Condvar,
}

/// What was paged since the start, and what waiting messages take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagingCounts {
    /// Messages whose bodies were left on disk for want of memory.
    pub paged_out: u64,
    /// Bodies that were read back.
    pub paged_in: u64,
    /// Memory of waiting messages in bytes.
    pub used_bytes: u64,
    /// Memory of waiting messages above which bodies are left on disk, in bytes.
    pub budget_bytes: u64,
}

#[derive(Debug, Default)]
struct Loads {
    queues: VecDeque<Weak<QueueCell>>,
    stopped: bool,
}

/// Messages that were read; `None` for one that is lost.
type Bodies = Vec<(Sequence, Option<Message>)>;

impl Default for Paging {
    /// Without a limit, until one is set.
    fn default() -> Self {
        Self {
            budget_bytes: AtomicU64::new(u64::MAX),
            used_bytes: AtomicU64::new(0),
            paged_out: AtomicU64::new(0),
            paged_in: AtomicU64::new(0),
            loads: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl Paging {
    /// Notes that a queue now has `now` bytes in memory and had `before`.
    pub fn report(&self, before: u64, now: u64) {
        if now >= before {
            self.used_bytes.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.used_bytes.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// Whether a queue with so many bytes in memory has to give some up.
    #[must_use]
    pub fn presses(&self, resident_bytes: u64) -> bool {
        resident_bytes > READ_AHEAD_BYTES
            && self.used_bytes.load(Ordering::Relaxed) > self.budget_bytes.load(Ordering::Relaxed)
    }

    /// Notes that so many more messages of a queue are on disk only.
    pub fn note_out(&self, messages: u64) {
        self.paged_out.fetch_add(messages, Ordering::Relaxed);
    }

    /// Notes that so many bodies were read back.
    pub fn note_in(&self, messages: u64) {
        self.paged_in.fetch_add(messages, Ordering::Relaxed);
    }

    /// A queue waits for bodies.
    pub fn ask(&self, queue: Weak<QueueCell>) {
        self.loads.lock().queues.push_back(queue);
        self.changed.notify_one();
    }

    fn is_stopped(&self) -> bool {
        self.loads.lock().stopped
    }

    fn next(&self) -> Option<Weak<QueueCell>> {
        self.loads.lock().queues.pop_front()
    }

    fn wait(&self) -> Option<Weak<QueueCell>> {
        let mut loads = self.loads.lock();
        loop {
            if loads.stopped {
                return None;
            }
            match loads.queues.pop_front() {
                Some(queue) => return Some(queue),
                None => self.changed.wait(&mut loads),
            }
        }
    }
}

impl Broker {
    /// Sets how much memory waiting messages may take before bodies are left on disk, in bytes. As many, and at most
    /// 256 MiB, may wait to be written, be it to spare that memory or because they are persistent: above that publishers
    /// are blocked.
    pub fn set_memory_budget(&self, bytes: u64) {
        self.paging.budget_bytes.store(bytes, Ordering::Relaxed);
        self.messages
            .set_backlog_limit(bytes.clamp(BACKLOG_BYTES.0, BACKLOG_BYTES.1));
    }

    /// What was paged, and what waiting messages take.
    #[must_use]
    pub fn paging_counts(&self) -> PagingCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        PagingCounts {
            paged_out: read(&self.paging.paged_out),
            paged_in: read(&self.paging.paged_in),
            used_bytes: read(&self.paging.used_bytes),
            budget_bytes: read(&self.paging.budget_bytes),
        }
    }

    /// Has the queues that nobody uses give up bodies as well, where memory is short. For about once a second.
    pub fn relieve_memory(&self) {
        if !self.paging.presses(u64::MAX) {
            return;
        }
        let mut aftermath = Aftermath::default();
        let queues = self.vhosts().into_iter().flat_map(|vhost| vhost.queues());
        queues.for_each(|queue| queue.relieve(self.now(), &mut aftermath));
        self.settle_aftermath(&mut aftermath);
    }

    /// Reads bodies back for the queues that ask, until [`Broker::stop_loads`]; blocks its thread.
    ///
    /// # Errors
    /// What the store says of a body that cannot be read: it is damaged, and the broker has to end.
    pub fn run_loads(&self) -> Result<(), StoreError> {
        while let Some(queue) = self.paging.wait() {
            if let Some(queue) = queue.upgrade() {
                self.load_bodies(&queue)?;
            }
        }
        Ok(())
    }

    /// Reads back what was asked for so far, for tests.
    ///
    /// # Errors
    /// As [`Broker::run_loads`].
    pub fn run_due_loads(&self) -> Result<(), StoreError> {
        while let Some(queue) = self.paging.next() {
            if let Some(queue) = queue.upgrade() {
                self.load_bodies(&queue)?;
            }
        }
        Ok(())
    }

    /// Ends [`Broker::run_loads`].
    pub fn stop_loads(&self) {
        self.paging.loads.lock().stopped = true;
        self.paging.changed.notify_all();
    }

    /// `basic.get`: as [`QueueCell::get`], after reading the head back where it is on disk.
    pub fn get(&self, queue: &QueueCell, no_ack: bool, aftermath: &mut Aftermath) -> (Option<Delivery>, u64) {
        loop {
            let (delivery, left) = queue.get(no_ack, self.now(), aftermath);
            if delivery.is_some() || left == 0 {
                return (delivery, left);
            }
            if queue.is_deleted() || self.paging.is_stopped() {
                return (None, 0);
            }
            if let Err(error) = blocking(|| self.load_bodies(queue)) {
                // The thread that reads ahead meets it, too, and ends the broker.
                tracing::error!(%error, "cannot read a message");
                return (None, 0);
            }
        }
    }

    fn load_bodies(&self, queue: &QueueCell) -> Result<(), StoreError> {
        queue.equip_spilling(|| self.messages.journal(self.new_queue_id()));
        let [next, dying] = queue.to_load();
        let mut bodies = self.read_wanted(queue, &next)?;
        bodies.extend(self.read_wanted(queue, &dying)?);
        if queue.is_deleted() {
            return Ok(());
        }
        let mut aftermath = Aftermath::default();
        queue.loaded(bodies, self.now(), &mut aftermath);
        self.settle_aftermath(&mut aftermath);
        Ok(())
    }

    /// The bodies of the first of the wanted messages, at least of one; `None` for one that is nowhere.
    pub(super) fn read_wanted(&self, queue: &QueueCell, wanted: &[Wanted]) -> Result<Bodies, StoreError> {
        let Some(first) = wanted.first() else {
            return Ok(Bodies::new());
        };
        while !queue.is_deleted() && !self.paging.is_stopped() {
            let bodies = self.read_bodies(queue, wanted)?;
            if !bodies.is_empty() {
                return Ok(bodies);
            }
            if self.is_gone(queue, *first)? {
                tracing::debug!(queue = %queue.name, vhost = %queue.vhost, "dropped a message that a full disk refused");
                return Ok(vec![(first.sequence, None)]);
            }
        }
        Ok(Bodies::new())
    }

    /// The bodies of the first of the wanted messages, up to the first that is not in the store (yet).
    fn read_bodies(&self, queue: &QueueCell, wanted: &[Wanted]) -> Result<Bodies, StoreError> {
        let mut bodies = Bodies::new();
        let mut bytes = 0;
        let in_a_row = |a: &Wanted, b: &Wanted| a.spilled == b.spilled && a.sequence + 1 == b.sequence;
        for row in wanted.chunk_by(in_a_row) {
            let before = bodies.len();
            self.read_row(queue, row, READ_AHEAD_BYTES.saturating_sub(bytes), &mut bodies)?;
            let read = &bodies[before..];
            bytes += read
                .iter()
                .flat_map(|(_, body)| body)
                .map(|body| body.size() as u64)
                .sum::<u64>();
            if read.len() < row.len() || bytes >= READ_AHEAD_BYTES {
                break;
            }
        }
        Ok(bodies)
    }

    /// Reads messages that follow each other and are in one place.
    fn read_row(&self, queue: &QueueCell, row: &[Wanted], bytes: u64, out: &mut Bodies) -> Result<(), StoreError> {
        let Some(first) = row.first() else {
            return Ok(());
        };
        // One may reach the store between the two looks, and not the other way round.
        let body = |wanted: &Wanted| queue.spilled_body(wanted.sequence).filter(|_| wanted.spilled);
        if let Some(message) = body(first) {
            out.push((first.sequence, Some(message)));
            let rest = row[1..]
                .iter()
                .map_while(|wanted| Some((wanted.sequence, Some(body(wanted)?))));
            out.extend(rest);
            return Ok(());
        }
        let Some(id) = (if first.spilled {
            queue.spilled_id()
        } else {
            Some(queue.id)
        }) else {
            return Ok(());
        };
        let stored = self.messages.load(id, first.sequence, row.len(), bytes)?;
        let found = stored.into_iter().zip(row);
        let found = found.take_while(|(stored, wanted)| stored.sequence == wanted.sequence);
        out.extend(found.map(|(stored, wanted)| (wanted.sequence, Some(stored.message))));
        Ok(())
    }

    fn is_gone(&self, queue: &QueueCell, wanted: Wanted) -> Result<bool, StoreError> {
        match wanted.spilled {
            false => self.messages.is_gone(queue.id, wanted.sequence),
            true => match queue.spilled_id() {
                Some(id) => {
                    Ok(queue.spilled_body(wanted.sequence).is_none() && self.messages.is_gone(id, wanted.sequence)?)
                }
                None => Ok(queue.spilled_body(wanted.sequence).is_none()),
            },
        }
    }

    /// Up to `count` of the messages that wait in a queue, from `position` on. Those that go while they are read are left
    /// out.
    ///
    /// # Errors
    /// As [`Broker::run_loads`].
    pub(super) fn peeked(
        &self,
        queue: &QueueCell,
        position: usize,
        count: usize,
    ) -> Result<Vec<PeekedMessage>, StoreError> {
        let mut peeked = Vec::new();
        for looked in queue.look(position, count) {
            let message = match looked.message {
                Ok(message) => Some(message),
                Err(wanted) => self.read_bodies(queue, &[wanted])?.pop().and_then(|(_, body)| body),
            };
            peeked.extend(message.map(|message| PeekedMessage {
                position: looked.position,
                message,
                enqueued_at: looked.enqueued_at,
                expires_at: looked.expires_at,
                redelivered: looked.redelivered,
                delivery_count: looked.delivery_count,
            }));
        }
        Ok(peeked)
    }
}
