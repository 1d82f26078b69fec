//! The registry of users and their permissions.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::definitions::{Tags, User, UserLimits};
use super::denied::LoginRefused;
use super::grants::Grants;
use super::low_priority::HashThreads;
use super::password::{HashingCost, PasswordError, PasswordHash, same_bytes};
use super::pattern::PatternError;
use crate::model::Name;

/// All users with their permissions.
///
/// No lock is held while a password is hashed.
pub struct Accounts {
    pub(super) users: RwLock<BTreeMap<Name, Entry>>,
    generation: AtomicU64,
    /// Tells those who wait that the generation has moved.
    changes: watch::Sender<()>,
    cost: HashingCost,
    threads: HashThreads,
    /// What a password is checked against where there is no hash that costs the time.
    decoy: PasswordHash,
    /// Known only to this process; see [`Accounts::log_in_again`].
    key: [u8; 32],
}

pub(super) struct Entry {
    account: Arc<Account>,
    pub(super) grants: Grants,
}

struct Account {
    password: PasswordHash,
    tags: Tags,
    limits: UserLimits,
    /// The keyed digest of the password that was right last.
    proven: Mutex<Option<[u8; 32]>>,
}

/// A login that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: Name,
    /// The user's tags.
    pub tags: Tags,
    /// The user's limits.
    pub limits: UserLimits,
    /// The stored hash is weaker or of another cost than new ones: the caller, who has the password at hand, may
    /// pass it to [`Accounts::renew_hash`] and keep the user anew.
    pub should_be_rehashed: bool,
}

/// Why a user or a permission cannot be put or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// There is no such user.
    #[error("no user '{0}'")]
    NoUser(Name),
    /// The name is empty or longer than 255 bytes.
    #[error("a user name has 1 to 255 bytes")]
    UserName,
    /// The password is empty.
    #[error("the password of user '{0}' is empty")]
    EmptyPassword(Name),
    /// The hash cannot be used.
    #[error("user '{user}': {error}")]
    Password {
        /// The user.
        user: Name,
        /// What is wrong.
        error: PasswordError,
    },
    /// A pattern cannot be used.
    #[error("permissions of user '{user}' in vhost '{vhost}': {error}")]
    Pattern {
        /// The user.
        user: Name,
        /// The virtual host.
        vhost: Name,
        /// What is wrong.
        error: PatternError,
    },
}

impl Accounts {
    /// A registry without users. New passwords are hashed at `cost`.
    ///
    /// # Errors
    /// The cost is out of bounds, or the system gave no random bytes.
    pub fn new(cost: HashingCost) -> Result<Self, PasswordError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| PasswordError::System(error.to_string()))?;
        Ok(Self {
            users: RwLock::default(),
            generation: AtomicU64::new(0),
            changes: watch::Sender::new(()),
            cost,
            threads: HashThreads::default(),
            decoy: PasswordHash::new(&key, cost)?,
            key,
        })
    }

    /// A number that moves whenever a user or a permission changes. Whoever keeps a decision reads it before the
    /// decision, and drops what is kept when it has moved.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Hears whenever the generation has moved.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Checks a password. Slow on purpose, and as slow for an unknown user as for a wrong password: tens of
    /// milliseconds of one core at the default cost, so call it where a thread may block.
    ///
    /// # Errors
    /// The user is unknown, has no password or another one.
    pub fn log_in(&self, user: &str, password: &[u8]) -> Result<Login, LoginRefused> {
        // Nobody has the empty password. It is refused without a look at any hash, but not sooner than others.
        let account = self.account(user).filter(|_| !password.is_empty());
        let right = self.verify(account.clone(), password).map_err(|error| {
            tracing::error!(%error, "a password cannot be checked");
            LoginRefused
        })?;
        let account = account.filter(|_| right).ok_or(LoginRefused)?;
        *account.proven.lock() = Some(self.proof(user, password));
        Ok(self.login(user, &account))
    }

    /// Checks a password against the one that was right last, in microseconds; `None` says nothing but that
    /// [`Accounts::log_in`] has to be asked. What is kept for it is a digest with a key that only this process knows,
    /// in memory, until the user changes.
    #[must_use]
    pub fn log_in_again(&self, user: &str, password: &[u8]) -> Option<Login> {
        let account = self.account(user)?;
        let proven = (*account.proven.lock())?;
        same_bytes(&proven, &self.proof(user, password)).then(|| self.login(user, &account))
    }

    /// Adds a user or replaces one, whose permissions stay.
    ///
    /// # Errors
    /// Name or hash cannot be used.
    pub fn put_user(&self, user: &User) -> Result<(), AccountError> {
        let name = user_name(&user.name)?;
        let password = PasswordHash::parse(&user.password_hash, &user.hashing_algorithm);
        let password = password.map_err(|error| AccountError::Password {
            user: name.clone(),
            error,
        })?;
        self.put(name, password, user.tags.clone(), user.limits);
        Ok(())
    }

    /// Adds a user or replaces one, with a password that is hashed here: as slow as a login.
    ///
    /// # Errors
    /// The name cannot be used, or the password is empty or could not be hashed.
    pub fn put_user_with_password(&self, name: &str, password: &[u8], tags: Tags) -> Result<(), AccountError> {
        let name = user_name(name)?;
        let hash = self.hash(&name, password)?;
        let limits = self.account(&name).map(|account| account.limits).unwrap_or_default();
        self.put(name, hash, tags, limits);
        Ok(())
    }

    /// Gives a user another password, which is hashed here: as slow as a login.
    ///
    /// # Errors
    /// There is no such user, or the password is empty or could not be hashed.
    pub fn set_password(&self, user: &str, password: &[u8]) -> Result<(), AccountError> {
        let name = Name::from(user);
        let hash = self.hash(&name, password)?;
        self.change(user, |account| Account {
            password: hash,
            tags: account.tags.clone(),
            limits: account.limits,
            proven: Mutex::default(),
        })
    }

    /// Hashes the password of a user anew, where it is still the one that was right last: as slow as a login. `false`
    /// where the user has been changed or removed meanwhile; then nothing is done.
    ///
    /// # Errors
    /// The password could not be hashed.
    pub fn renew_hash(&self, user: &str, password: &[u8]) -> Result<bool, AccountError> {
        let proof = self.proof(user, password);
        let is_right = |account: &Arc<Account>| *account.proven.lock() == Some(proof);
        let Some(standing) = self.account(user).filter(is_right) else {
            return Ok(false);
        };
        let hash = self.hash(&Name::from(user), password)?;
        let mut users = self.users.write();
        // Somebody may have set another password while this one was hashed.
        let entry = users
            .get_mut(user)
            .filter(|entry| Arc::ptr_eq(&entry.account, &standing));
        let Some(entry) = entry else {
            return Ok(false);
        };
        entry.account = Arc::new(Account {
            password: hash,
            tags: standing.tags.clone(),
            limits: standing.limits,
            proven: Mutex::new(Some(proof)),
        });
        self.changed();
        Ok(true)
    }

    /// Gives a user other tags.
    ///
    /// # Errors
    /// There is no such user.
    pub fn set_tags(&self, user: &str, tags: Tags) -> Result<(), AccountError> {
        self.change(user, |account| Account {
            password: account.password.clone(),
            tags,
            limits: account.limits,
            proven: Mutex::new(*account.proven.lock()),
        })
    }

    /// Gives a user other limits.
    ///
    /// # Errors
    /// There is no such user.
    pub fn set_limits(&self, user: &str, limits: UserLimits) -> Result<(), AccountError> {
        self.change(user, |account| Account {
            password: account.password.clone(),
            tags: account.tags.clone(),
            limits,
            proven: Mutex::new(*account.proven.lock()),
        })
    }

    /// Removes a user with all permissions; `false` where there is none.
    pub fn delete_user(&self, user: &str) -> bool {
        let mut users = self.users.write();
        let existed = users.remove(user).is_some();
        self.changed();
        existed
    }

    /// The user of this name, as definitions have it.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<User> {
        Some(exported(name, &*self.account(name)?))
    }

    /// All users in the order of their names, as definitions have them.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        let users = self.users.read();
        users
            .iter()
            .map(|(name, entry)| exported(name, &entry.account))
            .collect()
    }

    /// Notes a change. To be called after it, with the lock still held: who reads the new number finds the change.
    pub(super) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
        self.changes.send_replace(());
    }

    fn account(&self, user: &str) -> Option<Arc<Account>> {
        self.users.read().get(user).map(|entry| entry.account.clone())
    }

    fn login(&self, user: &str, account: &Account) -> Login {
        Login {
            user: Name::from(user),
            tags: account.tags.clone(),
            limits: account.limits,
            should_be_rehashed: account.password.should_be_rehashed(self.cost),
        }
    }

    fn proof(&self, user: &str, password: &[u8]) -> [u8; 32] {
        let length = (user.len() as u64).to_be_bytes();
        let digest = Sha256::new()
            .chain_update(self.key)
            .chain_update(length)
            .chain_update(user);
        digest.chain_update(password).finalize().into()
    }

    /// Checks a password, at the price of a new hash at least, whatever there is to check it against.
    fn verify(&self, account: Option<Arc<Account>>, password: &[u8]) -> io::Result<bool> {
        let (cost, decoy, password) = (self.cost, self.decoy.clone(), password.to_vec());
        self.threads.run(move || match &account {
            Some(account) if account.password.costs_at_least(cost) => account.password.verify(&password),
            Some(account) => account.password.verify(&password) | decoy.verify(&password),
            None => decoy.verify(if password.is_empty() { b"-" } else { &password }),
        })
    }

    fn hash(&self, user: &Name, password: &[u8]) -> Result<PasswordHash, AccountError> {
        if password.is_empty() {
            return Err(AccountError::EmptyPassword(user.clone()));
        }
        let (owned, cost) = (password.to_vec(), self.cost);
        let hash = self.threads.run(move || PasswordHash::new(&owned, cost));
        let hash = hash.unwrap_or_else(|error| Err(PasswordError::System(error.to_string())));
        hash.map_err(|error| AccountError::Password {
            user: user.clone(),
            error,
        })
    }

    fn put(&self, name: Name, password: PasswordHash, tags: Tags, limits: UserLimits) {
        let account = Arc::new(Account {
            password,
            tags,
            limits,
            proven: Mutex::default(),
        });
        let mut users = self.users.write();
        match users.get_mut(&name) {
            Some(entry) => entry.account = account,
            None => {
                let grants = Grants::default();
                users.insert(name, Entry { account, grants });
            }
        }
        self.changed();
    }

    fn change(&self, user: &str, change: impl FnOnce(&Account) -> Account) -> Result<(), AccountError> {
        let mut users = self.users.write();
        let entry = users
            .get_mut(user)
            .ok_or_else(|| AccountError::NoUser(Name::from(user)))?;
        entry.account = Arc::new(change(&entry.account));
        self.changed();
        Ok(())
    }
}

#[cfg(test)]
impl Accounts {
    /// For who counts hashes: none is computed twice because the machine is busy.
    pub(super) fn hashing_once_each(self) -> Self {
        Self {
            threads: HashThreads::once_each(),
            ..self
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("users", &self.users.read().len())
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

fn user_name(name: &str) -> Result<Name, AccountError> {
    match name.len() {
        1..=Name::MAX_BYTES => Ok(Name::from(name)),
        _ => Err(AccountError::UserName),
    }
}

fn exported(name: &str, account: &Account) -> User {
    User {
        name: name.to_owned(),
        password_hash: account.password.encoded(),
        hashing_algorithm: account.password.algorithm().to_owned(),
        tags: account.tags.clone(),
        limits: account.limits,
    }
}
