//! How large published messages are, counted by upper bounds.

use std::sync::atomic::{AtomicU64, Ordering};

/// The upper bounds in bytes of a body; RabbitMQ 4.1 has the same.
const BOUNDS_BYTES: [u64; 8] = [
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    50_000_000,
    100_000_000,
];

/// Sizes that were counted: plain numbers, for who counts alone, or to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeCounts {
    /// The last is for what is beyond all bounds.
    counts: [u64; BOUNDS_BYTES.len() + 1],
    /// Bytes of all bodies together.
    pub sum_bytes: u64,
}

impl SizeCounts {
    /// Counts one body of so many bytes.
    #[inline]
    pub fn note(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        let at = BOUNDS_BYTES.iter().position(|bound| bytes <= *bound);
        let at = at.unwrap_or(BOUNDS_BYTES.len());
        self.counts[at] += 1;
        self.sum_bytes += bytes;
    }

    /// How many bodies there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bound in bytes, with how many bodies were at most so large.
    pub fn below(&self) -> impl Iterator<Item = (u64, u64)> {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        BOUNDS_BYTES.into_iter().zip(sums)
    }
}

/// The sizes of all messages that clients published.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    counts: [AtomicU64; BOUNDS_BYTES.len() + 1],
    sum_bytes: AtomicU64,
}

impl Sizes {
    /// Adds what one connection counted during a read.
    pub fn add(&self, counted: &SizeCounts) {
        for (all, new) in self.counts.iter().zip(counted.counts).filter(|(_, new)| *new > 0) {
            all.fetch_add(new, Ordering::Relaxed);
        }
        self.sum_bytes.fetch_add(counted.sum_bytes, Ordering::Relaxed);
    }

    pub fn read(&self) -> SizeCounts {
        SizeCounts {
            counts: std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed)),
            sum_bytes: self.sum_bytes.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_counts_below_each_bound_that_it_does_not_pass() {
        let mut counted = SizeCounts::default();
        for bytes in [0, 100, 101, 1_000_000, 100_000_001] {
            counted.note(bytes);
        }
        let sizes = Sizes::default();
        sizes.add(&counted);
        sizes.add(&SizeCounts::default());
        assert_eq!(sizes.read(), counted);
        assert_eq!((counted.count(), counted.sum_bytes), (5, 101_000_201 + 1));
        let below: Vec<u64> = counted.below().map(|(_, count)| count).collect();
        assert_eq!(below, [2, 3, 3, 3, 4, 4, 4, 4]);
    }
}
