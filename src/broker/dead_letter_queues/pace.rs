//! How fast letters are sent back.

use std::time::Duration;

use crate::model::Millis;

/// Letters a second, with a tenth of a second's worth at once at most. Counted in thousandths of a letter.
pub(super) struct Pace {
    rate: u64,
    credit: u64,
    at: Millis,
}

impl Pace {
    pub fn new(rate: u64, now: Millis) -> Self {
        Self {
            rate: rate.max(1),
            credit: 1000,
            at: now,
        }
    }

    /// How many letters may go now; otherwise how long until one may.
    pub fn allowed(&mut self, now: Millis) -> Result<usize, Duration> {
        let earned = now.saturating_sub(self.at).saturating_mul(self.rate);
        let most = self.rate.saturating_mul(100).max(1000);
        self.credit = self.credit.saturating_add(earned).min(most);
        self.at = now;
        match self.credit / 1000 {
            // A few at a time where the rate is high.
            0 => Err(Duration::from_millis((1000 - self.credit).div_ceil(self.rate).max(10))),
            allowed => Ok(usize::try_from(allowed).unwrap_or(usize::MAX)),
        }
    }

    pub fn spend(&mut self, letters: usize) {
        self.credit = self.credit.saturating_sub(letters as u64 * 1000);
    }
}
