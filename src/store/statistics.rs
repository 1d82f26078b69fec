//! What the store counts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::timed::{Durations, Times};

/// Figures of the store since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Messages on disk that are not settled.
    pub live_messages: u64,
    /// Bytes that their records occupy.
    pub live_bytes: u64,
    /// Bytes that all files of the message engine occupy.
    pub disk_bytes: u64,
    /// Rounds of the commit thread that wrote something.
    pub rounds: u64,
    /// New messages that were written.
    pub written: u64,
    /// New messages that were settled before they were written.
    pub dropped: u64,
    /// New messages that were refused because the disk was full.
    pub refused: u64,
    /// Settlements that were handed to the engine.
    pub settled: u64,
    /// How long the last round took to write and sync, in microseconds.
    pub commit_last_us: u64,
    /// How long the slowest round took, in microseconds.
    pub commit_max_us: u64,
    /// How long all rounds took together, in microseconds.
    pub commit_total_us: u64,
}

impl Statistics {
    /// How long a round takes on average, in microseconds.
    #[must_use]
    pub fn commit_average_us(&self) -> u64 {
        self.commit_total_us.checked_div(self.rounds).unwrap_or_default()
    }
}

/// The counters behind [`Statistics`]; one thread writes them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    rounds: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    settled: AtomicU64,
    commit_last_us: AtomicU64,
    commit_max_us: AtomicU64,
    commit_total_us: AtomicU64,
    /// How long each round took.
    pub(super) commits: Times,
    /// How long each sync took.
    pub(super) syncs: Durations,
}

impl Counters {
    pub(super) fn count(&self, written: u64, refused: u64, settled: u64, commit_us: u64) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        self.written.fetch_add(written, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
        self.settled.fetch_add(settled, Ordering::Relaxed);
        self.commit_last_us.store(commit_us, Ordering::Relaxed);
        self.commit_max_us.fetch_max(commit_us, Ordering::Relaxed);
        self.commit_total_us.fetch_add(commit_us, Ordering::Relaxed);
        self.commits.note(commit_us);
    }

    pub(super) fn read(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            rounds: read(&self.rounds),
            written: read(&self.written),
            refused: read(&self.refused),
            settled: read(&self.settled),
            commit_last_us: read(&self.commit_last_us),
            commit_max_us: read(&self.commit_max_us),
            commit_total_us: read(&self.commit_total_us),
            ..Statistics::default()
        }
    }
}
