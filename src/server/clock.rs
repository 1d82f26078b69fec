//! The real time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Clock, Millis};

/// Time since the Unix epoch as it was when the process began, and the monotonic clock from there on: a step of the
/// system's clock expires nothing early and holds nothing back.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
    began_at: Millis,
}

impl SystemClock {
    /// A clock that begins now.
    #[must_use]
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            began: Instant::now(),
            began_at: since_epoch.as_millis() as Millis,
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        self.began_at + self.began.elapsed().as_millis() as Millis
    }
}
