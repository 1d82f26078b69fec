//! Wakes a flush that sled has forgotten.
//!
//! Where a write of sled 0.34.7 fails, it may note the error and wake nobody: a flush that waits for that write then
//! waits for ever, and with it the commit thread, which should end the process. The next flush finds the error and wakes
//! all that wait. So one that takes long is flushed after, from another thread.

use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Debug, Default)]
struct State {
    /// Flushes that were begun, and those that have ended.
    begun: u64,
    ended: u64,
    /// The watching thread waits until it is told of a flush.
    is_idle: bool,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Watches the flushes of one database.
#[derive(Debug)]
pub(super) struct FlushWatch(Arc<Shared>);

impl FlushWatch {
    /// Calls `again` from another thread whenever a flush has not ended after `patience`; where it was called in vain,
    /// once more after another `patience`.
    ///
    /// # Errors
    /// The system gave no thread.
    pub(super) fn new(patience: Duration, again: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let watched = Arc::clone(&shared);
        Builder::new()
            .name("flush-watch".to_owned())
            .spawn(move || watched.watch(patience, &again))?;
        Ok(Self(shared))
    }

    /// Carries out one flush.
    pub(super) fn during<T>(&self, flush: impl FnOnce() -> T) -> T {
        let mut state = self.0.state.lock();
        state.begun += 1;
        if state.is_idle {
            self.0.changed.notify_all();
        }
        drop(state);
        let done = flush();
        self.0.state.lock().ended += 1;
        done
    }
}

impl Drop for FlushWatch {
    fn drop(&mut self) {
        self.0.state.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    /// Flushes that follow each other wake nobody: the thread looks once in a `patience` then, and sleeps when there were
    /// none for so long.
    fn watch(&self, patience: Duration, again: &dyn Fn()) {
        let mut state = self.state.lock();
        while !state.is_over {
            let (begun, ended) = (state.begun, state.ended);
            if begun == ended {
                state.is_idle = true;
                self.changed.wait(&mut state);
                state.is_idle = false;
                continue;
            }
            self.changed.wait_for(&mut state, patience);
            let is_stuck = !state.is_over && state.ended == ended && state.begun > ended;
            if is_stuck {
                drop(state);
                again();
                state = self.state.lock();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_flush_that_does_not_end_is_flushed_after() {
        let (sender, called) = channel();
        let watch = FlushWatch::new(Duration::from_millis(1), move || sender.send(()).unwrap_or_default()).unwrap();
        for _ in 0..3 {
            // Would wait for ever if nobody came.
            watch.during(|| called.recv().unwrap());
        }
        assert_eq!(watch.during(|| 7), 7);
        drop(watch);
        // The thread ends and drops what it was to call.
        while called.recv().is_ok() {}
    }
}
