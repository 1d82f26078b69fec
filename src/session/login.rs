//! A password that takes a while to check.

use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::{Credentials, Identity, LoginRefused};
use crate::broker::Broker;

use super::{Session, SessionSettings};

/// A login whose password has to be hashed: tens of milliseconds of a core, so it is done where that holds nobody up.
#[derive(Debug)]
pub struct LoginCheck {
    broker: Arc<Broker>,
    settings: Arc<SessionSettings>,
    credentials: Credentials,
    peer: IpAddr,
    /// Who is logged in already, and has a new password.
    renews: Option<Identity>,
}

impl LoginCheck {
    /// Checks on a thread that may block, when the turn comes.
    ///
    /// # Errors
    /// As [`LoginCheck::run`].
    pub async fn run_in_turn(self) -> Result<Identity, LoginRefused> {
        let broker = Arc::clone(&self.broker);
        broker.check_login_in_turn(self.peer, || self.run()).await
    }

    /// Checks, whoever's turn it is; blocks its thread.
    ///
    /// # Errors
    /// Unknown user, wrong password, or not from there.
    pub fn run(self) -> Result<Identity, LoginRefused> {
        if let Some(identity) = &self.renews {
            return self.broker.check_new_password(identity, &self.credentials.password);
        }
        let loopback_users = &self.settings.loopback_users;
        self.broker.log_in(&self.credentials, self.peer, loopback_users)
    }
}

impl Session {
    /// What has to be checked after [`super::Next::LogIn`]; [`Session::logged_in`] takes the answer.
    pub fn login_check(&mut self) -> Option<LoginCheck> {
        self.next = super::Next::Read;
        let credentials = self.credentials.take()?;
        Some(LoginCheck {
            broker: Arc::clone(&self.broker),
            settings: Arc::clone(&self.settings),
            credentials,
            peer: self.peer.ip(),
            renews: self.identity.clone(),
        })
    }
}
