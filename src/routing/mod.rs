//! The pure exchange router: which queues does a message reach.
//!
//! A [`Router`] holds the exchanges and bindings of one virtual host. It knows no message bodies, no sockets, no time
//! and no randomness: a queue is whatever handle the broker gives it, and the random exchange is given its number.
//! One file holds one exchange type:
//!
//! | type | file | rule |
//! |---|---|---|
//! | `direct` | `direct` | the binding key equals the routing key |
//! | `fanout` | `fanout` | every binding |
//! | `topic` | `topic` | words with `*` and `#`, in a trie |
//! | `headers` | `headers` | the arguments against the message's headers |
//! | `x-consistent-hash` | `consistent_hash` | one binding, by hash and weight |
//! | `x-random` | `random` | one binding, by the number given |
//! | `x-modulus-hash` | `modulus_hash` | one binding, by hash modulo their count |
//!
//! `x-delayed-message` routes by the type in `x-delayed-type`, `x-recent-history` and `x-message-deduplication` like
//! `fanout`; delay, history and deduplication themselves need time and messages and are the broker's.

mod binding;
mod consistent_hash;
mod direct;
mod error;
mod exchange;
mod explain;
mod fanout;
mod headers;
mod links;
mod listed;
mod modulus_hash;
mod random;
mod reach;
mod router;
mod sender_selected;
mod stable_hash;
mod targets;
mod topic;
mod traverse;

pub use binding::{Binding, Destination, DestinationName};
pub use error::{BindError, DeclareError};
pub use exchange::{Exchange, ExchangeKind, ExchangeSpec};
pub use explain::RouteStep;
pub use reach::PossibleKeys;
pub use router::{Removed, Router, Unbound};
pub use sender_selected::{SenderSelectedError, sender_selected_keys};
pub use traverse::{Cacheable, Gate, Passage};

#[cfg(test)]
mod tests;
