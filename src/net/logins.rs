//! Checks of passwords, few at a time.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::auth::{Identity, LoginRefused};
use crate::session::LoginCheck;

/// How long the next guess waits after a wrong one.
const PAUSE: Duration = Duration::from_millis(100);

/// Two lanes: whoever has given wrong passwords of late waits behind his like, one at a time and with pauses. A flood
/// of wrong logins takes a part of one core, and nobody else's turn.
#[derive(Debug)]
pub struct Logins {
    trusted: Semaphore,
    suspects: Semaphore,
}

impl Logins {
    /// As many at a time as there are cores, at least two.
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            trusted: Semaphore::new(cores.max(2)),
            suspects: Semaphore::new(1),
        }
    }

    /// Checks one login when its turn comes.
    pub async fn check(&self, check: LoginCheck) -> Result<Identity, LoginRefused> {
        if !check.is_suspect() {
            let _turn = self.trusted.acquire().await;
            // The address may have become one while it waited, with many connections at once.
            if !check.is_suspect() {
                return run(check).await;
            }
        }
        let _turn = self.suspects.acquire().await;
        let login = run(check).await;
        if login.is_err() {
            sleep(PAUSE).await;
        }
        login
    }
}

async fn run(check: LoginCheck) -> Result<Identity, LoginRefused> {
    spawn_blocking(|| check.run()).await.unwrap_or(Err(LoginRefused))
}
