//! Hashing, behind those that move messages.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::nice;

/// By how much a thread steps back that gives way, but not to everybody: with ten, a core that others want gives it about
/// a tenth of its time.
const NICENESS: i32 = 10;

/// How long a thread that gives way to everybody may take: several times the tens of milliseconds that a hash takes where a
/// core is free, so that only a machine with next to nothing left gets there, and little of the time that a login has
/// (`limits.handshake_timeout_s`).
const PATIENCE: Duration = Duration::from_millis(250);

/// Threads for what takes a core for tens of milliseconds, one for each piece of work.
///
/// A thread of a high niceness alone would not do: the scheduler lets it end its slice of some milliseconds before
/// whoever wakes up to move a message has the core. So the thread takes the policy that gives way at once and to
/// everybody (Linux: `SCHED_IDLE`). Where others want all of the machine it gets next to nothing, and without privileges
/// it cannot leave that policy again (`sched(7)`): what has not ended within a patience is done once more by a thread
/// that is only nice, and the first to end has the answer. Until the overdue one has ended too, all else is done by nice
/// threads at once. So there are never more overdue ones than there was work at one time, and each costs its memory.
///
/// A thread costs a thousandth of a hash. Those of the runtime will not do, since they could not step forward again.
pub(super) struct HashThreads {
    patience: Duration,
    /// Alive as long as their threads.
    overdue: Mutex<Vec<Weak<()>>>,
}

/// What a piece of work came to.
type Outcome<T> = Result<T, Box<dyn Any + Send>>;

/// To whom a thread gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GiveWay {
    /// To everybody, at once.
    ToAll,
    /// To those that are less nice, for the most part.
    ToMost,
}

impl Default for HashThreads {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

impl HashThreads {
    fn new(patience: Duration) -> Self {
        Self {
            patience,
            overdue: Mutex::default(),
        }
    }

    /// Does a piece of work, twice if it must, and waits for the first answer. A panic goes on in the caller.
    ///
    /// # Errors
    /// The system gave no thread.
    pub(super) fn run<T: Send + 'static>(&self, work: impl Fn() -> T + Send + Sync + 'static) -> io::Result<T> {
        let work = Arc::new(work);
        let (sender, answers) = channel();
        let outcome = if self.has_overdue() {
            start(&work, GiveWay::ToMost, sender)?;
            last(&answers)
        } else {
            let first = start(&work, GiveWay::ToAll, sender.clone())?;
            match answers.recv_timeout(self.patience) {
                Err(RecvTimeoutError::Timeout) if !first.is_only_nice() => {
                    self.overdue.lock().push(first.alive);
                    // Without another thread there is still the first.
                    let _ = start(&work, GiveWay::ToMost, sender);
                    last(&answers)
                }
                Err(_) => last(&answers),
                Ok(outcome) => Ok(outcome),
            }
        };
        Ok(outcome?.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    fn has_overdue(&self) -> bool {
        let mut overdue = self.overdue.lock();
        overdue.retain(|alive| alive.strong_count() > 0);
        !overdue.is_empty()
    }
}

/// Waits for an answer. That none comes is for the compiler: every thread sends one.
fn last<T>(answers: &Receiver<Outcome<T>>) -> io::Result<Outcome<T>> {
    answers.recv().map_err(io::Error::other)
}

/// A thread that has been started.
struct Started {
    alive: Weak<()>,
    /// It could not take the policy that gives way to everybody. False for as long as it has not tried.
    only_nice: Arc<AtomicBool>,
}

impl Started {
    fn is_only_nice(&self) -> bool {
        self.only_nice.load(Ordering::Acquire)
    }
}

fn start<T: Send + 'static>(
    work: &Arc<impl Fn() -> T + Send + Sync + 'static>,
    wanted: GiveWay,
    answers: Sender<Outcome<T>>,
) -> io::Result<Started> {
    let (work, life) = (Arc::clone(work), Arc::new(()));
    let only_nice = Arc::new(AtomicBool::new(false));
    let started = Started {
        alive: Arc::downgrade(&life),
        only_nice: Arc::clone(&only_nice),
    };
    Builder::new().name("hash".to_owned()).spawn(move || {
        let taken = step_back(wanted);
        only_nice.store(taken == GiveWay::ToMost, Ordering::Release);
        let outcome = catch_unwind(AssertUnwindSafe(|| work()));
        drop((work, life));
        // Nobody hears the second answer.
        let _ = answers.send(outcome);
    })?;
    Ok(started)
}

/// Has this thread give way, and tells to whom it does. Where nothing can be set, the work is done all the same.
fn step_back(wanted: GiveWay) -> GiveWay {
    if wanted == GiveWay::ToAll && give_way_to_all() {
        return GiveWay::ToAll;
    }
    // On Linux each thread has its own.
    let _ = nice(NICENESS);
    GiveWay::ToMost
}

#[cfg(target_os = "linux")]
fn give_way_to_all() -> bool {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id, thread_schedule_policy,
    };

    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Sets the niceness too, which may fail once the policy is set: what counts is what came of it.
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    thread_schedule_policy().is_ok_and(|policy| policy == idle)
}

#[cfg(not(target_os = "linux"))]
fn give_way_to_all() -> bool {
    false
}

#[cfg(test)]
impl HashThreads {
    /// For who counts what is done: nothing is done twice, since something has been overdue ever since.
    pub(super) fn once_each() -> Self {
        let threads = Self::default();
        let life = Arc::new(());
        threads.overdue.lock().push(Arc::downgrade(&life));
        std::mem::forget(life);
        threads
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc::{Sender, channel};

    use rustix::process::getpriority_process;

    use super::*;

    /// Never over in a test.
    const LONG: Duration = Duration::from_secs(3600);

    /// The policies of Linux, `sched(7)`.
    const NORMAL: u32 = 0;
    const IDLE: u32 = 5;

    /// This thread's policy as the system tells it: field 41 of `stat`, `proc_pid_stat(5)`.
    fn policy() -> u32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        // The third field comes first here.
        fields.split(' ').nth(41 - 3).unwrap().parse().unwrap()
    }

    fn niceness() -> i32 {
        getpriority_process(None).unwrap()
    }

    /// Work that, where it gives way to everybody, waits until the sender is gone. Tells the policy it ran at.
    fn stuck_behind_all() -> (Sender<()>, impl Fn() -> u32 + Send + Sync + 'static) {
        let (held, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let work = move || {
            if policy() == IDLE {
                let _ = wait.lock().recv();
            }
            policy()
        };
        (held, work)
    }

    #[test]
    fn what_ends_in_time_is_done_once_behind_everybody_and_this_thread_stays_where_it_is() {
        let threads = HashThreads::new(LONG);
        let (policy_here, nice_here) = (policy(), niceness());
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let work = move || (counted.fetch_add(1, Ordering::SeqCst), policy());
        assert_eq!(threads.run(work).unwrap(), (0, IDLE));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert_eq!((policy(), niceness()), (policy_here, nice_here));
    }

    #[test]
    fn what_does_not_end_is_done_again_and_the_rest_goes_past_it_until_it_has() {
        let threads = HashThreads::new(Duration::ZERO);
        let (held, work) = stuck_behind_all();
        assert_eq!(threads.run(work).unwrap(), NORMAL, "the second run answers");
        let nice_here = niceness();
        for _ in 0..3 {
            let runs = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&runs);
            let work = move || (counted.fetch_add(1, Ordering::SeqCst), policy(), niceness());
            let nice_there = (nice_here + NICENESS).min(19);
            assert_eq!(threads.run(work).unwrap(), (0, NORMAL, nice_there));
            assert_eq!(
                runs.load(Ordering::SeqCst),
                1,
                "nothing is done twice beside the overdue one"
            );
        }
        assert_eq!(threads.overdue.lock().len(), 1);
        drop(held);
        while threads.has_overdue() {
            std::thread::yield_now();
        }
        let patient = HashThreads {
            patience: LONG,
            overdue: threads.overdue,
        };
        assert_eq!(patient.run(policy).unwrap(), IDLE, "all is as before");
    }

    #[test]
    fn an_answer_that_comes_first_counts_though_the_second_run_never_ends() {
        let threads = HashThreads::new(Duration::ZERO);
        let (second_began, wait) = channel();
        let (held, never) = channel::<()>();
        let (wait, never) = (Mutex::new(wait), Mutex::new(never));
        let work = move || {
            if policy() == IDLE {
                wait.lock().recv().unwrap();
            } else {
                second_began.send(()).unwrap();
                let _ = never.lock().recv();
            }
            policy()
        };
        assert_eq!(threads.run(work).unwrap(), IDLE);
        drop(held);
    }

    #[test]
    fn a_panic_goes_on_in_the_caller_at_once() {
        for threads in [HashThreads::new(LONG), HashThreads::once_each()] {
            let run = catch_unwind(AssertUnwindSafe(|| threads.run(|| panic!("as it should"))));
            let panic = run.map(|_: io::Result<()>| ()).unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&"as it should"));
            assert_eq!(threads.run(|| 7).unwrap(), 7, "the next is served");
        }
    }

    #[test]
    fn the_policy_is_taken_where_the_niceness_cannot_be_set() {
        // Who is nice already and has no privilege may not become less nice, which the library tries as well.
        let threads = HashThreads::new(LONG);
        let nice_policy = std::thread::spawn(move || {
            nice(NICENESS).unwrap();
            threads.run(policy).unwrap()
        });
        assert_eq!(nice_policy.join().unwrap(), IDLE);
    }
}
