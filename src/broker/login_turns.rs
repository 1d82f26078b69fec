//! Turns at checking passwords, over whatever protocol they come.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::auth::{Identity, LoginRefused};

use super::Broker;

/// How long the next guess waits after a wrong one.
const PAUSE: Duration = Duration::from_millis(100);

/// Two lanes: whoever has given wrong passwords of late waits behind his like, one at a time and with pauses. A flood
/// of wrong logins takes a part of one core, and nobody else's turn.
#[derive(Debug)]
pub(super) struct LoginTurns {
    trusted: Arc<Semaphore>,
    suspects: Arc<Semaphore>,
    pause: Duration,
}

impl Default for LoginTurns {
    /// As many at a time as there are cores, at least two.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self::new(cores.max(2), PAUSE)
    }
}

impl LoginTurns {
    fn new(trusted: usize, pause: Duration) -> Self {
        Self {
            trusted: Arc::new(Semaphore::new(trusted)),
            suspects: Arc::new(Semaphore::new(1)),
            pause,
        }
    }

    /// Does a check when its turn comes. Whoever goes away while he waits leaves the line; a check that has begun is
    /// done to its end, pause and all, and keeps its turn until then: a hash cannot be stopped, and whoever asks and
    /// goes, or asks shortly before his time is over, would have any number of them computed at once.
    async fn take<T: Send + 'static>(
        &self,
        is_suspect: impl Fn() -> bool,
        check: impl Future<Output = Result<T, LoginRefused>> + Send + 'static,
    ) -> Result<T, LoginRefused> {
        let (turn, pause) = self.turn(is_suspect).await.ok_or(LoginRefused)?;
        let whole = tokio::spawn(async move {
            let login = check.await;
            if let (Err(_), Some(pause)) = (&login, pause) {
                sleep(pause).await;
            }
            drop(turn);
            login
        });
        whole.await.unwrap_or(Err(LoginRefused))
    }

    /// Waits for a turn, with the pause that a failure costs. `None` never comes: nobody closes the lanes.
    async fn turn(&self, is_suspect: impl Fn() -> bool) -> Option<(OwnedSemaphorePermit, Option<Duration>)> {
        if !is_suspect() {
            let turn = Arc::clone(&self.trusted).acquire_owned().await.ok()?;
            // The address may have become one while it waited, with many connections at once.
            if !is_suspect() {
                return Some((turn, None));
            }
        }
        let turn = Arc::clone(&self.suspects).acquire_owned().await.ok()?;
        Some((turn, Some(self.pause)))
    }
}

impl Broker {
    /// Does a check that hashes a password, of somebody at `peer`, on a thread that may block, when its turn comes. A
    /// failure is held against the address before the next has its turn.
    ///
    /// # Errors
    /// The check's, or that it panicked.
    pub async fn check_login_in_turn(
        self: &Arc<Self>,
        peer: IpAddr,
        check: impl FnOnce() -> Result<Identity, LoginRefused> + Send + 'static,
    ) -> Result<Identity, LoginRefused> {
        let is_suspect = || self.login_failures.is_suspect(peer, self.now());
        let broker = Arc::clone(self);
        let check = async move {
            let login = spawn_blocking(check).await.unwrap_or(Err(LoginRefused));
            if login.is_err() {
                broker.login_failures.note(peer, broker.now());
            }
            login
        };
        self.login_turns.take(is_suspect, check).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use tokio::runtime::Builder;
    use tokio::sync::Notify;
    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Lanes, and what the logins of a test do.
    struct Bench {
        turns: LoginTurns,
        suspect: AtomicBool,
        begun: AtomicU32,
        go_on: Notify,
    }

    fn run(pause: Duration, test: impl AsyncFnOnce(Arc<Bench>)) {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(test(Arc::new(Bench {
            turns: LoginTurns::new(1, pause),
            suspect: AtomicBool::new(false),
            begun: AtomicU32::new(0),
            go_on: Notify::new(),
        })));
    }

    /// Lets all tasks go as far as they can: the runtime has one thread.
    async fn settle() {
        for _ in 0..50 {
            yield_now().await;
        }
    }

    impl Bench {
        fn begun(&self) -> u32 {
            self.begun.load(Ordering::SeqCst)
        }

        fn guess(self: &Arc<Self>) -> JoinHandle<Result<(), LoginRefused>> {
            self.log_in(false, Err(LoginRefused))
        }

        /// A login, from the address that may be a suspect's; a slow one waits until it may go on.
        fn log_in(
            self: &Arc<Self>,
            slow: bool,
            outcome: Result<(), LoginRefused>,
        ) -> JoinHandle<Result<(), LoginRefused>> {
            let (bench, inner) = (Arc::clone(self), Arc::clone(self));
            let check = async move {
                inner.begun.fetch_add(1, Ordering::SeqCst);
                if slow {
                    inner.go_on.notified().await;
                }
                outcome
            };
            tokio::spawn(async move {
                let is_suspect = || bench.suspect.load(Ordering::SeqCst);
                bench.turns.take(is_suspect, check).await
            })
        }

        async fn log_in_elsewhere(&self) -> Result<u32, LoginRefused> {
            self.turns.take(|| false, async { Ok(7) }).await
        }
    }

    #[test]
    fn a_suspect_waits_behind_his_like_and_out_a_pause_and_nobody_waits_for_him() {
        run(LONG, async |bench| {
            bench.suspect.store(true, Ordering::SeqCst);
            let (first, second) = (bench.guess(), bench.guess());
            settle().await;
            assert_eq!(bench.begun(), 1, "the second has not had its turn");
            for _ in 0..3 {
                assert_eq!(bench.log_in_elsewhere().await, Ok(7), "others go past them");
            }
            settle().await;
            assert!(!first.is_finished(), "he is told after the pause");
            assert!(!second.is_finished());
            assert_eq!(bench.begun(), 1);
        });
    }

    #[test]
    fn the_right_password_of_a_suspect_costs_no_pause() {
        run(LONG, async |bench| {
            bench.suspect.store(true, Ordering::SeqCst);
            for _ in 0..2 {
                assert_eq!(bench.log_in(false, Ok(())).await.unwrap(), Ok(()));
            }
        });
    }

    #[test]
    fn after_the_pause_the_next_has_his_turn() {
        run(Duration::ZERO, async |bench| {
            bench.suspect.store(true, Ordering::SeqCst);
            for _ in 0..3 {
                assert_eq!(bench.guess().await.unwrap(), Err(LoginRefused));
            }
            assert_eq!(bench.begun(), 3);
        });
    }

    #[test]
    fn who_becomes_a_suspect_while_he_waits_changes_lanes() {
        run(LONG, async |bench| {
            let slow = bench.log_in(true, Ok(()));
            settle().await;
            let (one, other) = (bench.guess(), bench.guess());
            settle().await;
            assert_eq!(bench.begun(), 1, "there is one turn");
            bench.suspect.store(true, Ordering::SeqCst);
            bench.go_on.notify_one();
            assert_eq!(slow.await.unwrap(), Ok(()));
            settle().await;
            assert_eq!(bench.begun(), 2, "one pauses, one waits for that");
            assert!(!one.is_finished() && !other.is_finished());
            assert_eq!(bench.log_in_elsewhere().await, Ok(7), "the lane of the trusted is free");
        });
    }

    #[test]
    fn who_goes_away_while_his_password_is_hashed_keeps_the_turn() {
        run(LONG, async |bench| {
            for number in 1..=3 {
                let gone = bench.log_in(true, Err(LoginRefused));
                settle().await;
                gone.abort();
                settle().await;
                assert_eq!(bench.begun(), 1, "after {number} there is still one hash");
            }
            // Those who had not begun have left the line.
            bench.go_on.notify_one();
            assert_eq!(bench.log_in_elsewhere().await, Ok(7));
            assert_eq!(bench.begun(), 1);
        });
    }

    #[test]
    fn who_goes_away_has_the_next_wait_out_the_pause_all_the_same() {
        run(LONG, async |bench| {
            bench.suspect.store(true, Ordering::SeqCst);
            for _ in 0..3 {
                let gone = bench.guess();
                settle().await;
                gone.abort();
                settle().await;
            }
            assert_eq!(bench.begun(), 1);
        });
    }
}
