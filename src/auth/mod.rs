//! Who may come in, and what they may do: users, passwords, permissions, SASL.
//!
//! [`Accounts`] is the registry. It knows no sockets and no store: users and permissions go in and out as
//! [`User`], [`Permission`] and [`TopicPermission`], which are RabbitMQ's definitions in their field names. Its
//! [`Accounts::generation`] moves with every change, so that a channel may keep a decision for as long as it stands
//! still.
//!
//! Checking a password is slow on purpose (tens of milliseconds of one core): [`Accounts::log_in`] belongs on a
//! thread that may block. [`Accounts::log_in_again`] costs microseconds, and serves the second and every further
//! login of a user, for applications that open hundreds of connections at once.
//!
//! Who is logged in is an [`Identity`]: a user of the registry, or the bearer of an OAuth 2 token that a
//! [`TokenAuthority`] has verified, whose rights are the token's alone.

mod accounts;
mod definitions;
mod denied;
mod grants;
mod identity;
mod login;
mod low_priority;
mod oauth;
mod password;
mod pattern;
mod sasl;

pub use accounts::{AccountError, Accounts, Login};
pub use definitions::{Permission, Tags, TopicPermission, User, UserLimits};
pub use denied::{Access, Denied, LoginRefused, Resource};
pub use identity::Identity;
pub use login::may_log_in_from;
pub use oauth::{
    ALGORITHMS as TOKEN_ALGORITHMS, KeySet, KeySetError, KeySource, TokenAuthority, TokenError, TokenRights,
    TokenSettings,
};
pub use password::{HashingCost, PasswordError, PasswordHash, hash_as_rabbitmq};
pub use pattern::{Pattern, PatternError};
pub use sasl::{Credentials, Mechanism, SaslError};

#[cfg(test)]
mod tests;
