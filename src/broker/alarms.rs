//! Alarms: publishers are blocked while the disk or the memory runs low (RabbitMQ: "Memory and Disk Alarms").
//!
//! Whoever measures calls [`Alarms::check`] about once a second; connections look at one atomic once a read, and wait
//! for changes with [`Alarms::subscribe`].

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

/// What has to be kept clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmLimits {
    /// Publishers are blocked while less than so many bytes are free on the data folder's file system.
    pub disk_free_bytes: u64,
    /// Publishers are blocked while the process has more than so many bytes of memory.
    pub memory_bytes: u64,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceUsage {
    /// Bytes that may still be written to the data folder's file system.
    pub disk_free_bytes: u64,
    /// Bytes of memory that the process has (its resident set).
    pub memory_bytes: u64,
}

/// The alarms that are raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// Too much memory is in use.
    pub memory: bool,
    /// Too little of the disk is free.
    pub disk: bool,
    /// More is published than the disk can write: no alarm, over in a moment.
    pub backlog: bool,
}

impl Raised {
    /// Whether publishers are to be blocked.
    #[must_use]
    pub fn any(self) -> bool {
        self.memory || self.disk || self.backlog
    }

    /// The reason in `connection.blocked`, that of an alarm in RabbitMQ's words; `None` while nothing is wrong.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match (self.memory, self.disk) {
            (false, false) => self.backlog.then_some("the disk does not keep up"),
            (true, false) => Some("low on memory"),
            (false, true) => Some("low on disk"),
            (true, true) => Some("low on memory & disk"),
        }
    }
}

/// The alarms of a broker.
#[derive(Debug)]
pub struct Alarms {
    limits: RwLock<AlarmLimits>,
    /// Held while something changes.
    changing: Mutex<()>,
    raised: watch::Sender<Raised>,
    /// The same for who asks often.
    any: AtomicBool,
    blocked: AtomicU64,
}

impl Default for Alarms {
    /// Without limits, until some are set.
    fn default() -> Self {
        Self {
            limits: RwLock::new(AlarmLimits {
                disk_free_bytes: 0,
                memory_bytes: u64::MAX,
            }),
            changing: Mutex::default(),
            raised: watch::Sender::default(),
            any: AtomicBool::new(false),
            blocked: AtomicU64::new(0),
        }
    }
}

impl Alarms {
    /// Takes other limits; they count from the next [`Alarms::check`] on.
    pub fn set_limits(&self, limits: AlarmLimits) {
        *self.limits.write() = limits;
    }

    /// What has to be kept clear.
    #[must_use]
    pub fn limits(&self) -> AlarmLimits {
        *self.limits.read()
    }

    /// Raises and clears alarms by what was measured, and tells those who wait if anything has changed.
    pub fn check(&self, usage: ResourceUsage) {
        let limits = *self.limits.read();
        let now = Raised {
            memory: usage.memory_bytes > limits.memory_bytes,
            disk: usage.disk_free_bytes < limits.disk_free_bytes,
            backlog: false,
        };
        let _changing = self.changing.lock();
        let before = *self.raised.borrow();
        let now = Raised {
            backlog: before.backlog,
            ..now
        };
        if now == before {
            return;
        }
        if now.memory != before.memory {
            let (used, limit) = (usage.memory_bytes, limits.memory_bytes);
            match now.memory {
                true => tracing::warn!(used, limit, "memory alarm: publishers are blocked"),
                false => tracing::warn!(used, limit, "memory alarm cleared"),
            }
        }
        if now.disk != before.disk {
            let (free, limit) = (usage.disk_free_bytes, limits.disk_free_bytes);
            match now.disk {
                true => tracing::warn!(free, limit, "disk alarm: publishers are blocked"),
                false => tracing::warn!(free, limit, "disk alarm cleared"),
            }
        }
        self.raise(now);
    }

    /// More waits to be written than may, or no longer does.
    pub fn set_backlog(&self, backlog: bool) {
        let _changing = self.changing.lock();
        let before = *self.raised.borrow();
        if before.backlog != backlog {
            tracing::debug!(backlog, "publishers wait for the disk");
            self.raise(Raised { backlog, ..before });
        }
    }

    fn raise(&self, now: Raised) {
        self.any.store(now.any(), Ordering::Release);
        self.raised.send_replace(now);
    }

    /// What is raised.
    #[must_use]
    pub fn raised(&self) -> Raised {
        *self.raised.borrow()
    }

    /// Whether anything is raised.
    #[must_use]
    pub fn any_raised(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// A connection is blocked from now on, or no longer.
    pub fn note_blocked(&self, blocked: bool) {
        match blocked {
            true => self.blocked.fetch_add(1, Ordering::Relaxed),
            false => self.blocked.fetch_sub(1, Ordering::Relaxed),
        };
    }

    /// Connections that are blocked.
    #[must_use]
    pub fn blocked_connections(&self) -> u64 {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Tells of changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Raised> {
        self.raised.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_raised_and_cleared_by_their_own_limits() {
        let alarms = Alarms::default();
        let usage = |disk_free_bytes, memory_bytes| ResourceUsage {
            disk_free_bytes,
            memory_bytes,
        };
        alarms.check(usage(0, u64::MAX));
        assert_eq!(alarms.raised().reason(), None, "no limits yet");
        alarms.set_limits(AlarmLimits {
            disk_free_bytes: 100,
            memory_bytes: 1000,
        });
        let mut changes = alarms.subscribe();
        for (disk, memory, reason) in [
            (100, 1000, None),
            (99, 1000, Some("low on disk")),
            (99, 1001, Some("low on memory & disk")),
            (100, 1001, Some("low on memory")),
            (100, 1000, None),
        ] {
            alarms.check(usage(disk, memory));
            assert_eq!(alarms.raised().reason(), reason, "{disk} {memory}");
            assert_eq!(alarms.raised().any(), reason.is_some());
        }
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        alarms.check(usage(100, 1000));
        assert!(!changes.has_changed().unwrap(), "nobody is woken for nothing");
        alarms.set_backlog(true);
        assert_eq!(alarms.raised().reason(), Some("the disk does not keep up"));
        assert!(changes.has_changed().unwrap() && alarms.any_raised());
        alarms.check(usage(99, 1000));
        assert_eq!(alarms.raised().reason(), Some("low on disk"));
        alarms.check(usage(100, 1000));
        assert!(alarms.any_raised(), "a measurement says nothing of it");
        alarms.set_backlog(false);
        assert!(!alarms.any_raised());
    }
}
