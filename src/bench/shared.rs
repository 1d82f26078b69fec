//! What the threads of a load share: counters, orders, the clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// What one thread has done. On a cache line of its own; written once a batch.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    /// Messages written.
    pub published: AtomicU64,
    /// Messages acked by the broker.
    pub confirmed: AtomicU64,
    /// Messages nacked by the broker.
    pub nacked: AtomicU64,
    /// Messages returned as unroutable.
    pub returned: AtomicU64,
    /// Messages delivered.
    pub consumed: AtomicU64,
    /// Of these, delivered again.
    pub redelivered: AtomicU64,
    /// When the last message came.
    pub last_consumed_ns: AtomicU64,
}

/// The sum of several threads' counters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Messages written.
    pub published: u64,
    /// Messages acked by the broker.
    pub confirmed: u64,
    /// Messages nacked by the broker.
    pub nacked: u64,
    /// Messages returned as unroutable.
    pub returned: u64,
    /// Messages delivered.
    pub consumed: u64,
    /// Of these, delivered again.
    pub redelivered: u64,
    /// When the last message came.
    pub last_consumed_ns: u64,
}

impl Totals {
    /// Sums up all threads.
    pub fn of<'a>(threads: impl IntoIterator<Item = &'a Counters>) -> Self {
        let mut totals = Self::default();
        for counters in threads {
            totals.published += counters.published.load(Relaxed);
            totals.confirmed += counters.confirmed.load(Relaxed);
            totals.nacked += counters.nacked.load(Relaxed);
            totals.returned += counters.returned.load(Relaxed);
            totals.consumed += counters.consumed.load(Relaxed);
            totals.redelivered += counters.redelivered.load(Relaxed);
            let last = counters.last_consumed_ns.load(Relaxed);
            totals.last_consumed_ns = totals.last_consumed_ns.max(last);
        }
        totals
    }
}

/// Orders from the conductor to all threads, and word that one failed.
#[derive(Debug)]
pub struct Control {
    epoch: Instant,
    /// Producers write no more, but wait for their confirms.
    pub stop_producers: AtomicBool,
    /// Consumers come to their end, and producers wait for nothing any more.
    pub stop_all: AtomicBool,
    /// A thread ended with an error.
    pub failed: AtomicBool,
    /// Latencies count for messages that were to be sent from this moment on.
    pub measure_from_ns: AtomicU64,
}

impl Control {
    /// Starts the clock. Nothing is measured yet.
    pub fn new() -> Self {
        Self {
            epoch: Instant::now(),
            stop_producers: AtomicBool::new(false),
            stop_all: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            measure_from_ns: AtomicU64::new(u64::MAX),
        }
    }

    /// Nanoseconds since the load began.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether producers are to stop.
    #[inline]
    pub fn producers_stop(&self) -> bool {
        self.stop_producers.load(Relaxed)
    }

    /// Whether everything is to stop.
    #[inline]
    pub fn all_stop(&self) -> bool {
        self.stop_all.load(Relaxed)
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}
