//! Users and permissions as they stand in a store and in definitions (RabbitMQ: "Schema Definition Export and
//! Import"), with RabbitMQ's field names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// One user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The hash; empty for a user that cannot log in with a password.
    #[serde(default)]
    pub password_hash: String,
    /// `argon2id`, `rabbit_password_hashing_sha256` or `rabbit_password_hashing_sha512`.
    #[serde(default = "rabbit_default_algorithm")]
    pub hashing_algorithm: String,
    /// What the user may do in the HTTP API: `administrator`, `monitoring`, `policymaker`, `management`, or none.
    #[serde(default)]
    pub tags: Tags,
    /// What the user may have open.
    #[serde(default)]
    pub limits: UserLimits,
}

/// RabbitMQ's default, which some tools leave out.
fn rabbit_default_algorithm() -> String {
    "rabbit_password_hashing_sha256".to_owned()
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("hashing_algorithm", &self.hashing_algorithm)
            .field("tags", &self.tags)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The tags of a user. Read from a list or from text with commas, as older definitions have it; written as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tags(pub Vec<String>);

impl Tags {
    /// Whether the tag is there.
    #[must_use]
    pub fn contains(&self, tag: &str) -> bool {
        self.0.iter().any(|own| own == tag)
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            List(Vec<String>),
            Text(String),
        }
        Ok(Self(match Form::deserialize(input)? {
            Form::List(tags) => tags,
            Form::Text(text) => {
                let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                tags.map(str::to_owned).collect()
            }
        }))
    }
}

/// What a user may have open; `None` or less than 0 for any number (RabbitMQ: "Per User Limits").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct UserLimits {
    /// Connections at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Channels at a time, over all connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_channels: Option<i64>,
    /// Messages a second, over all connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_rate_per_s: Option<i64>,
    /// Bytes of bodies a second, over all connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte_rate_per_s: Option<i64>,
}

/// What a user may do in one virtual host: patterns that names have to match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The user.
    pub user: String,
    /// The virtual host.
    pub vhost: String,
    /// What may be declared and deleted.
    pub configure: String,
    /// What may be published to, or bound.
    pub write: String,
    /// What may be consumed, or bound from.
    pub read: String,
}

/// Which routing keys a user may use with one topic exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPermission {
    /// The user.
    pub user: String,
    /// The virtual host.
    pub vhost: String,
    /// The exchange; empty for the default exchange, where it never applies.
    pub exchange: String,
    /// Keys that may be published with.
    pub write: String,
    /// Keys that may be bound with.
    pub read: String,
}
