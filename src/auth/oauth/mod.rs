//! OAuth 2: tokens (JWT, RFC 7519) in place of passwords, as RabbitMQ's plugin rabbitmq_auth_backend_oauth2 takes them.
//!
//! What is stricter here: a token needs an expiry, an audience, and a name for its bearer; it is signed with an
//! asymmetric key that the configuration leads to, named by its `kid` unless there is one key only; and a header that
//! asks for something critical is refused. Where the keys come from is the server's business ([`KeySource`]).

mod authority;
mod claims;
mod crypto;
mod keys;
mod rights;
mod scope;

pub use authority::{KeySource, TokenAuthority, TokenError, TokenSettings};
pub use keys::{ALGORITHMS, KeySet, KeySetError};
pub use rights::TokenRights;

#[cfg(test)]
mod tests;
