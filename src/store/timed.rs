//! How long something took each time, counted by upper bounds.

use std::sync::atomic::{AtomicU64, Ordering};

use super::latency::Latency;

/// The upper bounds in microseconds: from a write into a warm cache to a disk in trouble.
const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
];

/// Counters by upper bound. One thread adds, anybody reads.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The last is for what is beyond all bounds.
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What was counted until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    counts: [u64; BOUNDS_US.len() + 1],
    /// All times together, in microseconds.
    pub sum_us: u64,
}

impl Times {
    /// Adds one time in microseconds.
    pub(super) fn note(&self, us: u64) {
        let at = BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Timed {
        Timed {
            counts: std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

/// How long something took, each time noted once: since the start by upper bounds, and of late as quantiles.
#[derive(Debug, Default)]
pub(super) struct Durations {
    pub(super) all: Times,
    pub(super) recent: Latency,
}

impl Durations {
    /// Adds one time in microseconds.
    pub(super) fn note(&self, us: u64) {
        self.all.note(us);
        self.recent.note(us);
    }
}

impl Timed {
    /// How often it happened.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// For each upper bound in microseconds, how often it took at most so long.
    pub fn below(&self) -> impl Iterator<Item = (u64, u64)> {
        BOUNDS_US.iter().zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((*bound, *sum))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_below_their_bounds() {
        let times = Times::default();
        for us in [0, 100, 101, 2_500_000, 2_500_001] {
            times.note(us);
        }
        let timed = times.read();
        let below: Vec<_> = timed.below().collect();
        assert_eq!(below[..3], [(100, 2), (250, 3), (500, 3)]);
        assert_eq!(below.last(), Some(&(2_500_000, 4)));
        assert_eq!((timed.count(), timed.sum_us), (5, 5_000_202));
    }
}
