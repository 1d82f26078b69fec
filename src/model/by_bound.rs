//! Values counted by upper bounds: how large, or how long.

use std::sync::atomic::{AtomicU64, Ordering};

/// Values that were counted: plain numbers, for who counts alone, or to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountsByBound<const N: usize> {
    bounds: &'static [u64; N],
    counts: [u64; N],
    beyond: u64,
    sum: u64,
}

impl<const N: usize> CountsByBound<N> {
    /// Nothing counted yet. The bounds rise; what is counted has their unit.
    #[must_use]
    pub const fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            counts: [0; N],
            beyond: 0,
            sum: 0,
        }
    }

    /// Counts one value.
    #[inline]
    pub fn note(&mut self, value: u64) {
        let at = position(self.bounds, value);
        *self.counts.get_mut(at).unwrap_or(&mut self.beyond) += 1;
        self.sum += value;
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// All values together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// For each upper bound, how many values were at most so much.
    pub fn below(&self) -> impl Iterator<Item = (u64, u64)> {
        self.bounds.iter().zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((*bound, *sum))
        })
    }
}

/// The same, which several count in at once.
#[derive(Debug)]
pub struct SharedCountsByBound<const N: usize> {
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> SharedCountsByBound<N> {
    /// As [`CountsByBound::new`].
    #[must_use]
    pub fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            beyond: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one value.
    pub fn note(&self, value: u64) {
        let at = position(self.bounds, value);
        let count = self.counts.get(at).unwrap_or(&self.beyond);
        count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Adds what somebody counted alone, by the same bounds.
    pub fn add(&self, counted: &CountsByBound<N>) {
        let pairs = self.counts.iter().zip(counted.counts);
        let pairs = pairs.chain([(&self.beyond, counted.beyond), (&self.sum, counted.sum)]);
        for (all, new) in pairs.filter(|(_, new)| *new > 0) {
            all.fetch_add(new, Ordering::Relaxed);
        }
    }

    /// What was counted until now.
    pub fn read(&self) -> CountsByBound<N> {
        CountsByBound {
            bounds: self.bounds,
            counts: std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed)),
            beyond: self.beyond.load(Ordering::Relaxed),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// The first bound that the value does not pass: most values are small, so it is found at once.
#[inline]
fn position(bounds: &[u64], value: u64) -> usize {
    let at = bounds.iter().position(|bound| value <= *bound);
    at.unwrap_or(bounds.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_count_comes_together() {
        const BOUNDS: &[u64; 2] = &[5, 50];
        let shared = SharedCountsByBound::new(BOUNDS);
        [5, 6, 51].into_iter().for_each(|value| shared.note(value));
        let mut alone = CountsByBound::new(BOUNDS);
        [1, 7, 99].into_iter().for_each(|value| alone.note(value));
        shared.add(&alone);
        shared.add(&CountsByBound::new(BOUNDS));
        let read = shared.read();
        assert_eq!(read.below().collect::<Vec<_>>(), [(5, 2), (50, 4)]);
        assert_eq!((read.count(), read.sum()), (6, 169));
    }
}
