//! Users and permissions: logging in, and keeping them in the store.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use crate::auth::{
    Credentials, Identity, LoginRefused, Permission, Tags, TokenAuthority, TopicPermission, User, may_log_in_from,
};
use crate::model::{AmqpError, Name};
use crate::store::{StateChange, Table};

use super::administration::topic_key;
use super::definitions::{key, put};
use super::restore::RestoreError;
use super::{Broker, blocking};

/// What the table of permissions holds; only topic permissions name an exchange.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredGrant {
    Topic(TopicPermission),
    Vhost(Permission),
}

impl StoredGrant {
    fn key(&self) -> Vec<u8> {
        match self {
            Self::Topic(permission) => topic_key(permission),
            Self::Vhost(permission) => key(&[&permission.user, &permission.vhost]),
        }
    }
}

impl Broker {
    /// Takes tokens in place of passwords from now on, or no longer. Who is logged in with one stays so.
    pub fn set_token_authority(&self, authority: Option<Arc<TokenAuthority>>) {
        *self.tokens.write() = authority;
    }

    /// Who verifies tokens, where they are taken.
    #[must_use]
    pub fn token_authority(&self) -> Option<Arc<TokenAuthority>> {
        self.tokens.read().clone()
    }

    /// Checks a login. Slow on purpose for the first of a user; the thread's other tasks go on meanwhile. A password of
    /// a token's form is a token where those are taken, whatever the user's name, and no password then.
    pub fn log_in(
        &self,
        credentials: &Credentials,
        peer: IpAddr,
        loopback_users: &[String],
    ) -> Result<Identity, LoginRefused> {
        let Credentials { user, password } = credentials;
        if TokenAuthority::is_token(password)
            && let Some(authority) = self.token_authority()
        {
            return self.log_in_with_token(&authority, password, peer, loopback_users);
        }
        let login = match self.accounts.log_in_again(user, password) {
            Some(login) => login,
            None => blocking(|| self.accounts.log_in(user, password))?,
        };
        if login.should_be_rehashed {
            self.renew_hash(user, password);
        }
        if !may_log_in_from(peer, user, loopback_users) {
            return Err(LoginRefused);
        }
        Ok(Identity::account(user.clone()))
    }

    /// Lets the bearer of a token in. May wait for keys; the thread's other tasks go on meanwhile.
    pub fn log_in_bearer(
        &self,
        token: &[u8],
        peer: IpAddr,
        loopback_users: &[String],
    ) -> Result<Identity, LoginRefused> {
        let authority = self.token_authority().ok_or(LoginRefused)?;
        self.log_in_with_token(&authority, token, peer, loopback_users)
    }

    fn log_in_with_token(
        &self,
        authority: &TokenAuthority,
        token: &[u8],
        peer: IpAddr,
        loopback_users: &[String],
    ) -> Result<Identity, LoginRefused> {
        let identity = blocking(|| authority.verify(token, self.now())).map_err(|error| {
            tracing::warn!(%error, "a token was refused");
            LoginRefused
        })?;
        match may_log_in_from(peer, identity.user(), loopback_users) {
            true => Ok(identity),
            false => Err(LoginRefused),
        }
    }

    /// Checks a login against the password that was right last: `None` says nothing but that [`Broker::log_in`] has to
    /// be asked.
    #[must_use]
    pub fn log_in_again(
        &self,
        credentials: &Credentials,
        peer: IpAddr,
        loopback_users: &[String],
    ) -> Option<Result<Identity, LoginRefused>> {
        let Credentials { user, password } = credentials;
        let login = self.accounts.log_in_again(user, password)?;
        if login.should_be_rehashed {
            return None;
        }
        let may = may_log_in_from(peer, user, loopback_users);
        Some(match may {
            true => Ok(Identity::account(user.clone())),
            false => Err(LoginRefused),
        })
    }

    /// Lets a user in without a password: one whom a verified client certificate names, or whom the configuration
    /// names for everybody.
    pub fn log_in_unasked(
        &self,
        user: &Name,
        peer: IpAddr,
        loopback_users: &[String],
    ) -> Result<Identity, LoginRefused> {
        let known = self.accounts.user(user).is_some();
        if known && may_log_in_from(peer, user, loopback_users) {
            return Ok(Identity::account(user.clone()));
        }
        Err(LoginRefused)
    }

    /// Checks a new secret of somebody who is logged in (`connection.update-secret`), and gives who that is from now
    /// on. A new token has to be the same user's. `None` where the secret has to be hashed for it: then
    /// [`Broker::check_new_password`] has to be asked, when it is its turn.
    pub fn renew_login(&self, identity: &Identity, secret: &[u8]) -> Option<Result<Identity, LoginRefused>> {
        let user = identity.user();
        if !identity.is_bearer() {
            let known = self.accounts.log_in_again(user, secret).is_some();
            return known.then(|| Ok(identity.clone()));
        }
        let verified = self
            .token_authority()
            .map(|authority| blocking(|| authority.verify(secret, self.now())));
        Some(match verified {
            Some(Ok(renewed)) if renewed.user() == user => Ok(renewed),
            Some(Err(error)) => {
                tracing::warn!(%user, %error, "a new token was refused");
                Err(LoginRefused)
            }
            _ => Err(LoginRefused),
        })
    }

    /// Checks the new password of somebody who is logged in with one; blocks its thread for a hash.
    ///
    /// # Errors
    /// It is not the user's.
    pub fn check_new_password(&self, identity: &Identity, password: &[u8]) -> Result<Identity, LoginRefused> {
        self.accounts.log_in(identity.user(), password)?;
        Ok(identity.clone())
    }

    /// A hash taken over from elsewhere is replaced by one of our own at its first login.
    fn renew_hash(&self, user: &Name, password: &[u8]) {
        match blocking(|| self.accounts.renew_hash(user, password)) {
            Ok(false) => {}
            Ok(true) => {
                if let Err(error) = self.store_user(user) {
                    tracing::warn!(%user, %error, "cannot keep the new hash of a password");
                }
            }
            Err(error) => tracing::warn!(%user, %error, "cannot renew the hash of a password"),
        }
    }

    /// Sets a user from a declaration: with a password, which is hashed only where it is not the standing one.
    pub fn declare_user_with_password(&self, name: &str, password: &[u8], tags: Tags) -> Result<(), String> {
        let standing = self.accounts.user(name);
        let same = standing.as_ref().is_some_and(|user| user.tags == tags)
            && blocking(|| self.accounts.log_in(name, password)).is_ok();
        if same {
            return Ok(());
        }
        blocking(|| self.accounts.put_user_with_password(name, password, tags)).map_err(|error| error.to_string())?;
        self.store_user(name).map_err(|error| error.text)?;
        self.tell_user_set(standing.as_ref(), name);
        Ok(())
    }

    /// Sets a user from a declaration, with a hash.
    pub fn declare_user(&self, user: &User) -> Result<(), String> {
        let standing = self.accounts.user(&user.name);
        if standing.as_ref() == Some(user) {
            return Ok(());
        }
        self.accounts.put_user(user).map_err(|error| error.to_string())?;
        self.store_user(&user.name).map_err(|error| error.text)?;
        self.tell_user_set(standing.as_ref(), &user.name);
        Ok(())
    }

    /// Sets what a user may do in a vhost.
    pub fn declare_permission(&self, permission: &Permission) -> Result<(), String> {
        if self.accounts.permissions().contains(permission) {
            return Ok(());
        }
        self.accounts
            .put_permission(permission)
            .map_err(|error| error.to_string())?;
        let key = key(&[&permission.user, &permission.vhost]);
        self.tell_permission(permission);
        self.store(&[put(Table::Permissions, key, permission)])
            .map_err(|error| error.text)
    }

    /// Deletes a user with all permissions; false where there is none.
    pub fn delete_user(&self, name: &str) -> Result<bool, AmqpError> {
        let permissions = self.accounts.permissions();
        let topics = self.accounts.topic_permissions();
        let mut changes = vec![StateChange::Remove(Table::Users, key(&[name]))];
        changes.extend(
            topics
                .iter()
                .filter(|permission| permission.user == name)
                .map(|permission| StateChange::Remove(Table::Permissions, topic_key(permission))),
        );
        changes.extend(
            permissions
                .iter()
                .filter(|permission| permission.user == name)
                .map(|permission| StateChange::Remove(Table::Permissions, key(&[name, &permission.vhost]))),
        );
        let existed = {
            let _keeping = self.user_writes.lock();
            let existed = self.accounts.delete_user(name);
            self.user_quotas.remove(name);
            self.store(&changes)?;
            existed
        };
        if existed {
            self.tell_user("user.deleted", name);
        }
        // As RabbitMQ does: who is no longer known is no longer served.
        for connection in self.connections().iter().filter(|connection| *connection.user == *name) {
            connection.link.close(&format!("user '{name}' was deleted"));
        }
        Ok(existed)
    }

    pub(super) fn store_user(&self, name: &str) -> Result<(), AmqpError> {
        let _keeping = self.user_writes.lock();
        self.refresh_user_quota(name);
        match self.accounts.user(name) {
            Some(user) => self.store(&[put(Table::Users, key(&[name]), &user)]),
            None => Ok(()),
        }
    }

    pub(super) fn restore_accounts(&self) -> Result<(), RestoreError> {
        for (key, user) in self.records(Table::Users, "user", |user: &User| key(&[&user.name]))? {
            self.accounts.put_user(&user).map_err(|error| RestoreError::Record {
                kind: "user",
                key,
                reason: error.to_string(),
            })?;
        }
        for (key, grant) in self.records(Table::Permissions, "permission", StoredGrant::key)? {
            let restored = match &grant {
                StoredGrant::Topic(permission) => self.accounts.put_topic_permission(permission),
                StoredGrant::Vhost(permission) => self.accounts.put_permission(permission),
            };
            restored.map_err(|error| RestoreError::Record {
                kind: "permission",
                key,
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }
}
