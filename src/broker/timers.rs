//! Deadlines of queues: one sorted set, one thread that sleeps until the first.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::model::{Clock, Millis};

use super::queue_cell::{Aftermath, QueueCell};

/// What has deadlines.
pub trait Timed: Send + Sync {
    /// What it is, for the log.
    fn title(&self) -> String;

    /// A deadline may have come.
    fn tick(&self, now: Millis, aftermath: &mut Aftermath);
}

impl Timed for QueueCell {
    fn title(&self) -> String {
        format!("{self:?}")
    }

    fn tick(&self, now: Millis, aftermath: &mut Aftermath) {
        QueueCell::tick(self, now, aftermath);
    }
}

/// The deadlines of all queues.
///
/// A queue enters its earliest deadline when that moves forward; an entry that comes too early is harmless, since the
/// queue looks at its own clock.
#[derive(Default)]
pub struct Timers {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    deadlines: BTreeMap<(Millis, u64), Weak<dyn Timed>>,
    next_entry: u64,
    stopped: bool,
}

impl Timers {
    /// Enters a deadline.
    pub fn schedule<T: Timed + 'static>(&self, deadline: Millis, timed: &Weak<T>) {
        let timed: Weak<dyn Timed> = Weak::<T>::clone(timed);
        let mut state = self.state.lock();
        let first = state
            .deadlines
            .first_key_value()
            .is_none_or(|(key, _)| deadline < key.0);
        let entry = state.next_entry;
        state.next_entry += 1;
        state.deadlines.insert((deadline, entry), timed);
        if first {
            self.changed.notify_one();
        }
    }

    /// Takes out what is due at `now`.
    #[must_use]
    pub fn due(&self, now: Millis) -> Vec<Weak<dyn Timed>> {
        let mut state = self.state.lock();
        let later = state.deadlines.split_off(&(now + 1, 0));
        std::mem::replace(&mut state.deadlines, later).into_values().collect()
    }

    /// Sleeps until something is due and gives it; `None` once the timers were stopped.
    pub fn wait(&self, clock: &dyn Clock) -> Option<Vec<Weak<dyn Timed>>> {
        loop {
            let now = clock.now();
            let due = self.due(now);
            if !due.is_empty() {
                return Some(due);
            }
            let mut state = self.state.lock();
            if state.stopped {
                return None;
            }
            match state.deadlines.first_key_value().map(|(key, _)| key.0) {
                Some(deadline) if deadline <= now => {}
                Some(deadline) => {
                    self.changed.wait_for(&mut state, Duration::from_millis(deadline - now));
                }
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Ends every wait.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }
}
