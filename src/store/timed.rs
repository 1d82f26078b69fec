//! How long something took each time, counted by upper bounds.

use crate::model::{CountsByBound, SharedCountsByBound};

use super::latency::Latency;

/// The upper bounds in microseconds: from a write into a warm cache to a disk in trouble.
const BOUNDS_US: &[u64; 14] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
];

/// How long something took since the start, in microseconds.
pub type Timed = CountsByBound<{ BOUNDS_US.len() }>;

/// Counters by upper bound. One thread adds, anybody reads.
#[derive(Debug)]
pub(super) struct Times(SharedCountsByBound<{ BOUNDS_US.len() }>);

impl Default for Times {
    fn default() -> Self {
        Self(SharedCountsByBound::new(BOUNDS_US))
    }
}

impl Times {
    /// Adds one time in microseconds.
    pub(super) fn note(&self, us: u64) {
        self.0.note(us);
    }

    pub(super) fn read(&self) -> Timed {
        self.0.read()
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
        assert_eq!((timed.count(), timed.sum()), (5, 5_000_202));
    }
}
