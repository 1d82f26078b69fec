//! Hashing, behind those that move messages.

use std::io;
use std::panic::resume_unwind;
use std::thread::{Builder, scope};

use rustix::process::nice;

/// By how much the thread steps back: with ten, a core that others want gives it about a tenth of its time.
const NICENESS: i32 = 10;

/// Does what takes a core for tens of milliseconds on a thread of its own with a low priority, and waits for it: a flood
/// of logins then takes what messages leave. A thread costs a thousandth of a hash, and none can take its niceness back,
/// so the threads of the runtime will not do.
///
/// # Errors
/// The system gave no thread.
pub(super) fn at_low_priority<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    scope(|threads| {
        let thread = Builder::new().name("hash".to_owned()).spawn_scoped(threads, || {
            // On Linux each thread has its own. Where it cannot be set, the work is done all the same.
            let _ = nice(NICENESS);
            work()
        })?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn it_steps_back_and_this_thread_does_not() {
        let here = getpriority_process(None).unwrap();
        let there = at_low_priority(|| getpriority_process(None).unwrap()).unwrap();
        assert_eq!(there, (here + NICENESS).min(19));
        assert_eq!(getpriority_process(None).unwrap(), here);
    }
}
