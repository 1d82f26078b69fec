//! What waits to be written, in bytes, and who is told when that is too much.
//!
//! A publisher that does not wait for confirms is faster than any disk, and so is a queue that leaves bodies on disk to
//! spare memory. What they hand over is in memory until it is written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

/// Told that too much waits for the disk (true), and that it no longer does (false); in turns. Called while a queue may
/// be locked: it takes no lock that is held elsewhere while a queue is locked or a message is settled.
pub type BacklogHook = Box<dyn Fn(bool) + Send + Sync>;

#[derive(Default)]
pub(super) struct Backlog {
    bytes: AtomicU64,
    /// Too much is above this; 0 for no limit.
    limit: AtomicU64,
    is_over: AtomicBool,
    hook: Mutex<Option<BacklogHook>>,
}

impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backlog({})", self.bytes())
    }
}

impl Backlog {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_hook(&self, hook: BacklogHook) {
        *self.hook.lock() = Some(hook);
    }

    /// So many bytes came; true where [`Backlog::warn`] is to be called once no lock is held that the hook may need.
    #[must_use]
    pub(super) fn add(&self, bytes: u64) -> bool {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.exceeds(now) && !self.is_over.load(Ordering::Relaxed)
    }

    /// So many bytes were written or need not be.
    pub(super) fn sub(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Tells that it is too much, if it still is.
    pub(super) fn warn(&self) {
        let hook = self.hook.lock();
        if self.exceeds(self.bytes()) && !self.is_over.swap(true, Ordering::Relaxed) {
            hook.iter().for_each(|hook| hook(true));
        }
    }

    /// Tells that it is over, once half of the limit waits or less.
    pub(super) fn ease(&self) {
        if !self.is_over.load(Ordering::Relaxed) {
            return;
        }
        let hook = self.hook.lock();
        let limit = self.limit.load(Ordering::Relaxed);
        let is_less = limit == 0 || self.bytes() <= limit / 2;
        if is_less && self.is_over.swap(false, Ordering::Relaxed) {
            hook.iter().for_each(|hook| hook(false));
        }
    }

    fn exceeds(&self, bytes: u64) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        limit != 0 && bytes > limit
    }
}
