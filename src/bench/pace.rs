//! When each message is to be sent.

/// A steady rate, reckoned from its start so that no lateness adds up.
///
/// A message's latency counts from the moment this schedule names, not from the moment it was
/// written: a broker that holds the sender up cannot hide the wait (coordinated omission).
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start_ns: u64,
    interval_ps: u64,
}

impl Schedule {
    /// `per_second` messages from `start_ns` on. The rate must be over 0; it is held to at most
    /// one message a nanosecond and at least one in three days.
    pub fn new(start_ns: u64, per_second: f64) -> Self {
        let interval = (1e12 / per_second).clamp(1e3, 2.6e17);
        Self {
            start_ns,
            interval_ps: interval as u64,
        }
    }

    /// How many messages are to be sent by `now_ns`, this moment included.
    pub fn due(&self, now_ns: u64) -> u64 {
        match now_ns.checked_sub(self.start_ns) {
            Some(elapsed_ns) => elapsed_ns.saturating_mul(1000) / self.interval_ps + 1,
            None => 0,
        }
    }

    /// When message `index` (from 0) is to be sent.
    pub fn intended_ns(&self, index: u64) -> u64 {
        self.start_ns + index.saturating_mul(self.interval_ps).div_ceil(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_due_from_its_moment_on() {
        for per_second in [0.5, 3.0, 2000.0, 777_777.7, 5e6] {
            let schedule = Schedule::new(1_000, per_second);
            assert_eq!(schedule.due(999), 0);
            assert_eq!(schedule.due(1_000), 1);
            for index in [1, 2, 3, 1000, 1_234_567] {
                let moment = schedule.intended_ns(index);
                assert_eq!(schedule.due(moment), index + 1, "{per_second} {index}");
                assert_eq!(schedule.due(moment - 1), index, "{per_second} {index}");
            }
        }
    }

    #[test]
    fn the_rate_is_kept_over_an_hour() {
        let schedule = Schedule::new(0, 2_000.0);
        assert_eq!(schedule.due(3_600 * 1_000_000_000 - 1), 7_200_000);
        assert_eq!(schedule.intended_ns(2_000), 1_000_000_000);
    }

    #[test]
    fn lateness_does_not_shift_what_comes_after() {
        let schedule = Schedule::new(0, 1000.0);
        // Held up until 10 ms: eleven are due at once, each with its own moment.
        assert_eq!(schedule.due(10_000_000), 11);
        let waits: Vec<u64> = (0..11).map(|index| 10_000_000 - schedule.intended_ns(index)).collect();
        assert_eq!(waits[0], 10_000_000);
        assert_eq!(waits[10], 0);
    }
}
