//! How long something took of late, as quantiles.

use std::collections::VecDeque;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Two digits tell 1.0 ms from 1.1 ms, and keep a histogram small.
const DIGITS: u8 = 2;

/// Times that are longer count as this long, in microseconds: a minute.
const LONGEST_US: u64 = 60_000_000;

/// How many turns are remembered: with one every 5 s the last minute.
const TURNS: usize = 12;

/// Times of the last minute. Written once a batch, read every few seconds.
#[derive(Debug, Default)]
pub struct Latency {
    turns: Mutex<VecDeque<Histogram<u32>>>,
}

/// Quantiles in microseconds; zeros where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// How many times were measured.
    pub count: u64,
    /// Half of them took at most so long.
    pub p50_us: u64,
    /// 99 in 100 took at most so long.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Latency {
    /// Notes a time in microseconds.
    pub fn note(&self, us: u64) {
        let mut turns = self.turns.lock();
        if turns.is_empty() {
            turns.extend(empty());
        }
        if let Some(turn) = turns.back_mut() {
            // It grows, and no time is beyond the longest: this cannot fail.
            let _ = turn.record(us.clamp(1, LONGEST_US));
        }
    }

    /// Begins a new turn, to be called every 5 s: what is older than a minute is forgotten.
    pub fn turn(&self) {
        let mut turns = self.turns.lock();
        if turns.iter().all(Histogram::is_empty) {
            turns.clear();
            return;
        }
        if turns.len() == TURNS {
            turns.pop_front();
        }
        turns.extend(empty());
    }

    /// The quantiles of the turns that are remembered.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        let turns = self.turns.lock();
        let Some(mut all) = empty() else {
            return Quantiles::default();
        };
        for turn in turns.iter() {
            // The same digits, and it grows: this cannot fail, and a turn that is left out does no harm.
            let _ = all.add(turn);
        }
        Quantiles {
            count: all.len(),
            p50_us: all.value_at_quantile(0.5),
            p99_us: all.value_at_quantile(0.99),
            max_us: all.max(),
        }
    }
}

/// One that grows with what it holds.
fn empty() -> Option<Histogram<u32>> {
    Histogram::new(DIGITS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_last_turns() {
        let latency = Latency::default();
        assert_eq!(latency.quantiles(), Quantiles::default());
        for us in 1..=100 {
            latency.note(us * 100);
        }
        let seen = latency.quantiles();
        assert_eq!(seen.count, 100);
        assert!((4_900..=5_100).contains(&seen.p50_us), "{seen:?}");
        assert!((9_800..=10_100).contains(&seen.p99_us), "{seen:?}");
        for _ in 0..TURNS - 1 {
            latency.turn();
        }
        assert_eq!(latency.quantiles(), seen);
        latency.turn();
        assert_eq!(latency.quantiles(), Quantiles::default());
        latency.turn();
        assert!(latency.turns.lock().is_empty(), "idle costs nothing");
    }

    #[test]
    fn a_time_beyond_all_counts_as_the_longest() {
        let latency = Latency::default();
        latency.note(u64::MAX);
        latency.note(0);
        let seen = latency.quantiles();
        assert_eq!(seen.count, 2);
        assert!(seen.max_us >= LONGEST_US, "{seen:?}");
    }
}
