//! How many logins there were, and how they ended.

use std::sync::atomic::{AtomicU64, Ordering};

/// Logins over one protocol.
#[derive(Debug, Default)]
pub struct Attempts {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

/// Logins of one broker since its start, or since they were forgotten.
#[derive(Debug, Default)]
pub struct LoginAttempts {
    /// Of connections.
    pub amqp: Attempts,
    /// Of requests, each of which logs in anew.
    pub http: Attempts,
}

impl Attempts {
    /// Counts one.
    pub fn note(&self, succeeded: bool) {
        let count = if succeeded { &self.succeeded } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Those that succeeded and those that failed.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (
            self.succeeded.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
        )
    }
}

impl LoginAttempts {
    /// Counts from 0 again.
    pub fn forget(&self) {
        for attempts in [&self.amqp, &self.http] {
            attempts.succeeded.store(0, Ordering::Relaxed);
            attempts.failed.store(0, Ordering::Relaxed);
        }
    }
}
