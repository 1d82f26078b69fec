//! The end of a login that does not hold for ever.

use std::future::pending;
use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::session::Session;

/// Waits for the end of a session's token, which a renewal moves. Connections with a password have none to wait for.
#[derive(Default)]
pub struct Expiry {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the token ends, as its clock says.
    at_s: Option<u64>,
}

impl Expiry {
    /// Takes note of the session's login, if it is a new one.
    pub fn follow(&mut self, session: &Session) {
        let at_s = session.expires_at_s();
        if at_s == self.at_s {
            return;
        }
        self.at_s = at_s;
        self.sleep = session
            .expires_in()
            .map(|left| Box::pin(sleep_until(Instant::now() + left)));
    }

    /// Ends when the token does.
    pub async fn reached(&mut self) {
        match &mut self.sleep {
            Some(sleep) => sleep.await,
            None => pending().await,
        }
    }
}
