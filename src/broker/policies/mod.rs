//! Policies: settings for all queues and exchanges whose names match a pattern (RabbitMQ: "Parameters and Policies").
//!
//! | question | rule |
//! |---|---|
//! | which policy | of those whose pattern and `apply-to` match, the one of the highest priority, alone; among equals the first by name |
//! | operator policy | chosen in the same way beside it; it lowers a limit and never raises one |
//! | policy or argument | **the policy**, wherever it sets a key that the queue or exchange also has as an argument |
//! | when | at once for what stands, at the declaration for what comes; without the policy the arguments hold again |
//!
//! The third line differs from RabbitMQ, which takes the lower of the two for lengths and times and the argument for
//! the rest. Here a policy is the way to change what an application has declared without declaring it anew, so it has
//! to be able to raise a limit and to move a dead-letter target. That it does so is said: in the log when a policy is
//! set, and by [`Broker::policy_of_queue`](super::Broker::policy_of_queue).
//!
//! Patterns are matched anywhere in a name unless they are anchored, in time linear to the name; look-around and
//! back-references, which RabbitMQ's patterns have, are refused when the policy is set. Keys that have no meaning for
//! a queue's type (`dead-letter-strategy` for a classic queue) are passed over; `delivery-limit` holds for every type,
//! unlike there.

mod apply;
mod book;
mod effective;
mod settings;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::AmqpError;

pub use apply::EffectivePolicy;
pub(super) use book::PolicyBooks;
pub(super) use settings::DeadLetterAlert;

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// A policy, which may set everything.
    User,
    /// An operator policy, which may only lower limits: `expires`, `message-ttl`, `max-length`, `max-length-bytes` and
    /// `delivery-limit`.
    Operator,
}

/// What a policy applies to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of every type.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Streams, of which there are none yet.
    Streams,
}

impl ApplyTo {
    /// The scope of this name; the error is what RabbitMQ says of another.
    pub fn parse(name: &str) -> Result<Self, PolicyError> {
        serde_json::from_value(Value::from(name)).map_err(|_| {
            PolicyError::Invalid(format!(
                "apply-to '{name}' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', \
                 'streams', 'exchanges', or 'all'"
            ))
        })
    }

    fn covers_queue(self, quorum: bool) -> bool {
        match self {
            Self::All | Self::Queues => true,
            Self::ClassicQueues => !quorum,
            Self::QuorumQueues => quorum,
            Self::Exchanges | Self::Streams => false,
        }
    }

    fn covers_exchanges(self) -> bool {
        matches!(self, Self::All | Self::Exchanges)
    }
}

/// A policy as definitions have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// The vhost it belongs to.
    pub vhost: String,
    /// Its name, unique among the policies of its kind in the vhost.
    pub name: String,
    /// A regular expression, which has to be found somewhere in a name.
    pub pattern: String,
    /// What it applies to.
    #[serde(default)]
    pub apply_to: ApplyTo,
    /// The highest priority wins.
    #[serde(default)]
    pub priority: i64,
    /// Settings: the names of arguments without their `x-`.
    pub definition: Map<String, Value>,
}

/// Why a policy cannot be set or cleared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is no such vhost.
    #[error("vhost '{0}' does not exist")]
    NoVhost(String),
    /// The policy is not valid; RabbitMQ's text without the `Validation failed` before it.
    #[error("{0}")]
    Invalid(String),
    /// The store failed.
    #[error("{}", .0.text)]
    Store(AmqpError),
}
