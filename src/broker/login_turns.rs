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
}

impl Default for LoginTurns {
    /// As many at a time as there are cores, at least two.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            trusted: Semaphore::new(cores.max(2)),
            suspects: Semaphore::new(1),
        }
    }
}

impl Broker {
    /// Does a check that hashes a password, of somebody at `peer`, on a thread that may block, when its turn comes. It
    /// notes its own failures.
    ///
    /// # Errors
    /// The check's, or that it panicked.
    pub async fn check_login_in_turn(
        self: &Arc<Self>,
        peer: IpAddr,
        check: impl FnOnce() -> Result<Identity, LoginRefused> + Send + 'static,
    ) -> Result<Identity, LoginRefused> {
        let turns = &self.login_turns;
        let is_suspect = || self.login_failures.is_suspect(peer, self.now());
        let run = async move || spawn_blocking(check).await.unwrap_or(Err(LoginRefused));
        if !is_suspect() {
            let _turn = turns.trusted.acquire().await;
            // The address may have become one while it waited, with many connections at once.
            if !is_suspect() {
                return run().await;
            }
        }
        let _turn = turns.suspects.acquire().await;
        let login = run().await;
        if login.is_err() {
            sleep(PAUSE).await;
        }
        login
    }
}
