//! Latency histograms.

use hdrhistogram::Histogram;

use super::error::BenchError;

/// The finest step told apart, nanoseconds.
const FINEST_NS: u64 = 100;
/// The longest latency told apart, nanoseconds: an hour. Longer ones count as this.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Latencies in nanoseconds, from 100 ns to an hour, to three digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// The percentiles that are reported, microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentiles {
    /// Half of the messages were at most this late.
    pub p50_us: f64,
    /// 90 of 100.
    pub p90_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p999_us: f64,
    /// All.
    pub max_us: f64,
}

impl Latencies {
    /// An empty histogram; recording into it does not allocate.
    ///
    /// # Errors
    /// None in practice: the bounds are constants that the histogram accepts.
    pub fn new() -> Result<Self, BenchError> {
        Histogram::new_with_bounds(FINEST_NS, LONGEST_NS, 3)
            .map(Self)
            .map_err(|error| BenchError::Thread(error.to_string()))
    }

    /// Records the time from `intended_ns` to `now_ns` (0 if that is later).
    #[inline]
    pub fn record(&mut self, intended_ns: u64, now_ns: u64) {
        self.0.saturating_record(now_ns.saturating_sub(intended_ns));
    }

    /// Takes another thread's latencies in.
    ///
    /// # Errors
    /// None in practice: all histograms have the same bounds.
    pub fn merge(&mut self, other: &Self) -> Result<(), BenchError> {
        let added = self.0.add(&other.0);
        added.map_err(|error| BenchError::Thread(error.to_string()))
    }

    /// The percentiles, if anything was recorded.
    pub fn percentiles(&self) -> Option<Percentiles> {
        if self.0.is_empty() {
            return None;
        }
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        let at = |quantile| microseconds(self.0.value_at_quantile(quantile));
        Some(Percentiles {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: microseconds(self.0.max()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::Schedule;
    use super::*;

    #[test]
    fn percentiles_of_two_threads() {
        let (mut one, mut two) = (Latencies::new().unwrap(), Latencies::new().unwrap());
        assert_eq!(one.percentiles(), None);
        for step in 1..=500 {
            one.record(0, step * 2_000 - 1_000);
            two.record(7, step * 2_000 + 7);
        }
        one.merge(&two).unwrap();
        let all = one.percentiles().unwrap();
        let close = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.002;
        assert!(close(all.p50_us, 500.0), "{all:?}");
        assert!(close(all.p90_us, 900.0), "{all:?}");
        assert!(close(all.p99_us, 990.0), "{all:?}");
        assert!(close(all.p999_us, 999.0), "{all:?}");
        assert!(close(all.max_us, 1000.0), "{all:?}");
    }

    #[test]
    fn a_message_that_comes_before_its_time_took_none() {
        let mut latencies = Latencies::new().unwrap();
        latencies.record(10, 9);
        assert!(latencies.percentiles().unwrap().max_us < 0.2);
    }

    /// A broker that answers in 1 ms, but stands still for 1 s of 10 s, at 1,000 messages/s:
    /// a tenth of the messages wait, half a second on average. Measured from the write, one
    /// message in 9,000 would have been slow.
    #[test]
    fn a_stall_counts_for_every_message_that_was_due_in_it() {
        let schedule = Schedule::new(0, 1000.0);
        let mut latencies = Latencies::new().unwrap();
        for index in 0..10_000 {
            let intended = schedule.intended_ns(index);
            let stalled = (5_000_000_000..6_000_000_000).contains(&intended);
            let written = if stalled { 6_000_000_000 } else { intended };
            latencies.record(intended, written + 1_000_000);
        }
        let all = latencies.percentiles().unwrap();
        assert!((all.p50_us / 1000.0 - 1.0).abs() < 0.01, "{all:?}");
        assert!((all.p99_us / 901_000.0 - 1.0).abs() < 0.01, "{all:?}");
        assert!((all.max_us / 1_001_000.0 - 1.0).abs() < 0.01, "{all:?}");
    }
}
