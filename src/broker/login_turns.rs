//! Turns at checking passwords, over whatever protocol they come.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
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
    trusted: Semaphore,
    suspects: Semaphore,
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
            trusted: Semaphore::new(trusted),
            suspects: Semaphore::new(1),
            pause,
        }
    }

    /// Does a check when its turn comes.
    async fn take<T>(
        &self,
        is_suspect: impl Fn() -> bool,
        check: impl Future<Output = Result<T, LoginRefused>>,
    ) -> Result<T, LoginRefused> {
        if !is_suspect() {
            let _turn = self.trusted.acquire().await;
            // The address may have become one while it waited, with many connections at once.
            if !is_suspect() {
                return check.await;
            }
        }
        let _turn = self.suspects.acquire().await;
        let login = check.await;
        if login.is_err() {
            sleep(self.pause).await;
        }
        login
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
        let check = async {
            let login = spawn_blocking(check).await.unwrap_or(Err(LoginRefused));
            if login.is_err() {
                self.login_failures.note(peer, self.now());
            }
            login
        };
        self.login_turns.take(is_suspect, check).await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::Notify;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_time().build().unwrap()
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_suspect_waits_behind_his_like_and_out_a_pause_and_nobody_waits_for_him() {
        let runtime = runtime();
        let _guard = runtime.enter();
        let turns = LoginTurns::new(1, LONG);
        let done = RefCell::new(Vec::new());
        let guess = async |number: u32| {
            let check = async {
                done.borrow_mut().push(number);
                Err::<(), _>(LoginRefused)
            };
            turns.take(|| true, check).await
        };
        let mut first = pin!(guess(1));
        let mut second = pin!(guess(2));
        assert!(poll(first.as_mut()).is_pending(), "he is told after the pause");
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(*done.borrow(), [1], "the second has not had its turn");
        for _ in 0..3 {
            let trusted = pin!(turns.take(|| false, async { Ok(3) }));
            assert_eq!(poll(trusted), Poll::Ready(Ok(3)), "others go past them");
        }
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(*done.borrow(), [1]);
    }

    #[test]
    fn the_right_password_of_a_suspect_costs_no_pause() {
        let runtime = runtime();
        let _guard = runtime.enter();
        let turns = LoginTurns::new(1, LONG);
        for _ in 0..2 {
            let right = pin!(turns.take(|| true, async { Ok(7) }));
            assert_eq!(poll(right), Poll::Ready(Ok(7)));
        }
    }

    #[test]
    fn after_the_pause_the_next_has_his_turn() {
        let turns = LoginTurns::new(1, Duration::ZERO);
        let count = Cell::new(0);
        runtime().block_on(async {
            for _ in 0..3 {
                let check = async {
                    count.set(count.get() + 1);
                    Err::<(), _>(LoginRefused)
                };
                assert_eq!(turns.take(|| true, check).await, Err(LoginRefused));
            }
        });
        assert_eq!(count.get(), 3);
    }

    #[test]
    fn who_becomes_a_suspect_while_he_waits_changes_lanes() {
        let runtime = runtime();
        let _guard = runtime.enter();
        let turns = LoginTurns::new(1, LONG);
        let (suspect, news) = (Cell::new(false), Notify::new());
        let mut slow = pin!(turns.take(|| false, async {
            news.notified().await;
            Ok(0)
        }));
        assert!(poll(slow.as_mut()).is_pending(), "it has the only turn");
        let waiting = || turns.take(|| suspect.get(), async { Err::<(), _>(LoginRefused) });
        let (mut one, mut other) = (pin!(waiting()), pin!(waiting()));
        assert!(poll(one.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
        suspect.set(true);
        news.notify_one();
        assert_eq!(poll(slow), Poll::Ready(Ok(0)));
        // Both were let go on as trusted, and are suspects by now: one pauses, one waits for that.
        assert!(poll(one.as_mut()).is_pending() && poll(other.as_mut()).is_pending());
        assert_eq!(turns.suspects.available_permits(), 0);
        let trusted = pin!(turns.take(|| false, async { Ok(()) }));
        assert_eq!(poll(trusted), Poll::Ready(Ok(())), "the lane of the trusted is free");
    }
}
