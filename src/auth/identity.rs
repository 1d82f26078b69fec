//! Who is logged in, and on what ground.

use std::sync::Arc;

use super::accounts::Accounts;
use super::definitions::Tags;
use super::denied::{Access, Denied, Resource};
use super::oauth::TokenRights;
use crate::model::Name;

/// Somebody who is logged in: a user of the registry, whose rights are looked up there each time, or the bearer of a
/// token, whose rights are in the token.
#[derive(Clone, Debug)]
pub struct Identity {
    user: Name,
    token: Option<Arc<TokenRights>>,
}

impl Identity {
    /// A user of the registry.
    #[must_use]
    pub fn account(user: Name) -> Self {
        Self { user, token: None }
    }

    /// The bearer of a token that was verified.
    #[must_use]
    pub fn bearer(user: Name, rights: Arc<TokenRights>) -> Self {
        Self {
            user,
            token: Some(rights),
        }
    }

    /// The user's name. A token's may be that of a user of the registry; nothing of that user's rights counts then.
    #[must_use]
    pub fn user(&self) -> &Name {
        &self.user
    }

    /// When the login ends, in seconds since the Unix epoch; `None` for never.
    #[must_use]
    pub fn expires_at_s(&self) -> Option<u64> {
        self.token.as_ref().map(|rights| rights.expires_at_s())
    }

    /// Whether the rights come from a token.
    #[must_use]
    pub fn is_bearer(&self) -> bool {
        self.token.is_some()
    }

    /// What the user may do in the HTTP API.
    #[must_use]
    pub fn tags(&self, accounts: &Accounts) -> Tags {
        match &self.token {
            Some(rights) => rights.tags().clone(),
            None => accounts.user(&self.user).map(|user| user.tags).unwrap_or_default(),
        }
    }

    /// As [`Accounts::check_vhost`].
    ///
    /// # Errors
    /// There is no permission.
    pub fn check_vhost(&self, accounts: &Accounts, vhost: &str) -> Result<(), Denied> {
        let Some(rights) = &self.token else {
            return accounts.check_vhost(&self.user, vhost);
        };
        rights.may_enter(vhost).then_some(()).ok_or_else(|| Denied::Vhost {
            vhost: Name::from(vhost),
            user: self.user.clone(),
        })
    }

    /// As [`Accounts::check`].
    ///
    /// # Errors
    /// There is no permission.
    pub fn check(
        &self,
        accounts: &Accounts,
        vhost: &str,
        resource: Resource<'_>,
        access: Access,
    ) -> Result<(), Denied> {
        let Some(rights) = &self.token else {
            return accounts.check(&self.user, vhost, resource, access);
        };
        let denied = || Denied::resource(access, resource, vhost, &self.user);
        let may = rights.may_use(vhost, resource.name(), access);
        may.then_some(()).ok_or_else(denied)
    }

    /// As [`Accounts::check_topic`], for topic exchanges only.
    ///
    /// # Errors
    /// The routing key may not be used.
    pub fn check_topic(
        &self,
        accounts: &Accounts,
        vhost: &str,
        exchange: &str,
        key: &str,
        access: Access,
    ) -> Result<(), Denied> {
        let Some(rights) = &self.token else {
            return accounts.check_topic(&self.user, vhost, exchange, key, access);
        };
        let may = rights.may_use_key(vhost, exchange, key, access);
        may.then_some(())
            .ok_or_else(|| Denied::topic(access, exchange, key, vhost, &self.user))
    }
}
