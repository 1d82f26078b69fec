//! Users and permissions: logging in, and keeping them in the store.

use std::net::IpAddr;

use serde::Deserialize;

use crate::auth::{Credentials, LoginRefused, Permission, Tags, TopicPermission, User, may_log_in_from};
use crate::model::{AmqpError, Name, ReplyCode};
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

impl Broker {
    /// Checks a login. Slow on purpose for the first of a user; the thread's other tasks go on meanwhile.
    pub fn log_in(
        &self,
        credentials: &Credentials,
        peer: IpAddr,
        loopback_users: &[String],
    ) -> Result<Name, LoginRefused> {
        let Credentials { user, password } = credentials;
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
        Ok(user.clone())
    }

    /// Checks a login against the password that was right last: `None` says nothing but that [`Broker::log_in`] has to
    /// be asked.
    #[must_use]
    pub fn log_in_again(
        &self,
        credentials: &Credentials,
        peer: IpAddr,
        loopback_users: &[String],
    ) -> Option<Result<Name, LoginRefused>> {
        let Credentials { user, password } = credentials;
        let login = self.accounts.log_in_again(user, password)?;
        if login.should_be_rehashed {
            return None;
        }
        let may = may_log_in_from(peer, user, loopback_users);
        Some(if may { Ok(user.clone()) } else { Err(LoginRefused) })
    }

    /// Lets the user in whom a verified client certificate names; a password is not asked for.
    pub fn log_in_by_certificate(
        &self,
        user: &Name,
        peer: IpAddr,
        loopback_users: &[String],
    ) -> Result<Name, LoginRefused> {
        let known = self.accounts.user(user).is_some();
        if known && may_log_in_from(peer, user, loopback_users) {
            return Ok(user.clone());
        }
        Err(LoginRefused)
    }

    /// Checks a new secret of a user that is logged in (`connection.update-secret`).
    pub fn renew_login(&self, user: &Name, secret: &[u8]) -> Result<(), AmqpError> {
        let known = self.accounts.log_in_again(user, secret).is_some()
            || blocking(|| self.accounts.log_in(user, secret)).is_ok();
        if known {
            return Ok(());
        }
        Err(AmqpError::connection(
            ReplyCode::NotAllowed,
            "New secret was refused by one of the backends",
        ))
    }

    /// A hash taken over from elsewhere is replaced by one of our own at its first login.
    fn renew_hash(&self, user: &Name, password: &[u8]) {
        let renewed = blocking(|| self.accounts.set_password(user, password));
        let stored = renewed.map(|()| self.store_user(user));
        if let Err(error) = stored {
            tracing::warn!(%user, %error, "cannot renew the hash of a password");
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
        let existed = self.accounts.delete_user(name);
        self.store(&changes)?;
        if existed {
            self.tell_user("user.deleted", name);
        }
        Ok(existed)
    }

    pub(super) fn store_user(&self, name: &str) -> Result<(), AmqpError> {
        match self.accounts.user(name) {
            Some(user) => self.store(&[put(Table::Users, key(&[name]), &user)]),
            None => Ok(()),
        }
    }

    pub(super) fn restore_accounts(&self) -> Result<(), RestoreError> {
        for (key, user) in self.records::<User>(Table::Users, "user")? {
            self.accounts.put_user(&user).map_err(|error| RestoreError::Record {
                kind: "user",
                key,
                reason: error.to_string(),
            })?;
        }
        for (key, grant) in self.records::<StoredGrant>(Table::Permissions, "permission")? {
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
