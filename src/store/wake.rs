//! Waking the commit thread only when it would sleep through something.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// How soon something has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Urgency {
    /// Settlements, which may wait long.
    Settlement = 1,
    /// Records that may wait for their settlement a little.
    Held = 2,
    /// Somebody waits.
    Now = 3,
}

/// How soon the commit thread will look by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Sleep {
    /// It is awake.
    Awake = 4,
    /// Within the settle window: only [`Urgency::Now`] wakes it.
    Short = 3,
    /// Within the settle delay: settlements do not wake it.
    Long = 2,
    /// Not at all: everything wakes it.
    Deep = 1,
}

/// Both sides write before they read the other's word, all in one order (SeqCst): either the noting side sees the
/// sleep, or the sleeper sees the note.
#[derive(Debug)]
pub(super) struct Wake {
    /// The highest urgency noted since the last look, 0 for none.
    noted: AtomicU8,
    /// The lowest urgency that needs a wake-up.
    wakes_at: AtomicU8,
    thread: OnceLock<Thread>,
}

impl Default for Wake {
    fn default() -> Self {
        Self {
            noted: AtomicU8::new(0),
            wakes_at: AtomicU8::new(Sleep::Awake as u8),
            thread: OnceLock::new(),
        }
    }
}

impl Wake {
    /// Says that there is something; whatever it is has been put into its place before.
    pub(super) fn note(&self, urgency: Urgency) {
        let urgency = urgency as u8;
        if self.noted.load(Ordering::SeqCst) >= urgency {
            // Who noted that has woken the thread, or is about to; and the thread has not looked since.
            return;
        }
        self.noted.fetch_max(urgency, Ordering::SeqCst);
        let wakes_at = self.wakes_at.load(Ordering::SeqCst);
        if urgency >= wakes_at
            && self.rouse(wakes_at)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// One of those who come makes the system call.
    fn rouse(&self, wakes_at: u8) -> bool {
        self.wakes_at
            .compare_exchange(wakes_at, Sleep::Awake as u8, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// What was noted since the last call. The caller looks at everything that was put into place before.
    pub(super) fn look(&self) -> u8 {
        self.noted.swap(0, Ordering::SeqCst)
    }

    /// Names the thread that sleeps here.
    pub(super) fn attach(&self, thread: Thread) {
        // A second thread is never made.
        let _ = self.thread.set(thread);
    }

    /// Sleeps on the attached thread, until woken or for `time`; may return early.
    pub(super) fn sleep(&self, sleep: Sleep, time: Option<Duration>) {
        self.wakes_at.store(sleep as u8, Ordering::SeqCst);
        if self.noted.load(Ordering::SeqCst) < sleep as u8 {
            match time {
                Some(time) => std::thread::park_timeout(time),
                None => std::thread::park(),
            }
        }
        self.wakes_at.store(Sleep::Awake as u8, Ordering::SeqCst);
    }
}
