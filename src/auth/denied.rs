//! Refusals, in RabbitMQ's words.

use std::fmt;

use crate::model::{AmqpError, Name, ReplyCode};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Declare or delete.
    Configure,
    /// Publish to, or change what arrives in it.
    Write,
    /// Take from.
    Read,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

/// What somebody wants it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource<'a> {
    /// An exchange; the default exchange has an empty name here and is called `amq.default` in patterns and texts.
    Exchange(&'a str),
    /// A queue.
    Queue(&'a str),
}

impl<'a> Resource<'a> {
    /// The name that patterns are matched against.
    #[must_use]
    pub fn name(self) -> &'a str {
        match self {
            Self::Exchange("") => "amq.default",
            Self::Exchange(name) | Self::Queue(name) => name,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Exchange(_) => "exchange",
            Self::Queue(_) => "queue",
        }
    }
}

/// A refused access. The text is RabbitMQ 4's (3.10 leaves out which access it was).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No permission for a queue or an exchange (403, channel).
    #[error("{access} access to {kind} '{name}' in vhost '{vhost}' refused for user '{user}'")]
    Resource {
        /// What was wanted.
        access: Access,
        /// `exchange` or `queue`.
        kind: &'static str,
        /// Of that name.
        name: Name,
        /// In this virtual host.
        vhost: Name,
        /// By whom.
        user: Name,
    },
    /// No permission for a routing key (403, channel).
    #[error(
        "{access} access to topic '{key}' in exchange topic '{exchange}' in vhost '{vhost}' refused for user '{user}'"
    )]
    Topic {
        /// What was wanted.
        access: Access,
        /// With this routing key.
        key: Name,
        /// Of this exchange.
        exchange: Name,
        /// In this virtual host.
        vhost: Name,
        /// By whom.
        user: Name,
    },
    /// No permission for the virtual host (530, connection).
    #[error("access to vhost '{vhost}' refused for user '{user}'")]
    Vhost {
        /// The virtual host.
        vhost: Name,
        /// By whom.
        user: Name,
    },
}

impl Denied {
    pub(super) fn resource(access: Access, resource: Resource<'_>, vhost: &str, user: &str) -> Self {
        Self::Resource {
            access,
            kind: resource.kind(),
            name: Name::from(resource.name()),
            vhost: Name::from(vhost),
            user: Name::from(user),
        }
    }

    pub(super) fn topic(access: Access, exchange: &str, key: &str, vhost: &str, user: &str) -> Self {
        Self::Topic {
            access,
            key: Name::from(key),
            exchange: Name::from(exchange),
            vhost: Name::from(vhost),
            user: Name::from(user),
        }
    }
}

impl From<Denied> for AmqpError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Vhost { .. } => Self::connection(ReplyCode::NotAllowed, denied),
            Denied::Resource { .. } | Denied::Topic { .. } => Self::channel(ReplyCode::AccessRefused, denied),
        }
    }
}

/// Nobody is told why a login failed: unknown user, wrong password or a user without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid credentials")]
pub struct LoginRefused;

impl LoginRefused {
    /// What the client is told, in RabbitMQ's words (403, connection).
    #[must_use]
    pub fn to_amqp(self, mechanism: &str) -> AmqpError {
        AmqpError::connection(
            ReplyCode::AccessRefused,
            format_args!(
                "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
            ),
        )
    }
}
