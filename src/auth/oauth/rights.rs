//! What a token grants.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::Scope;
use crate::auth::definitions::Tags;
use crate::auth::denied::Access;

/// The rights in a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRights {
    scopes: Vec<Scope>,
    tags: Tags,
    expires_at_s: u64,
}

impl TokenRights {
    /// Reads scopes. Those that are an alias count as what it stands for; then those count that begin with the prefix.
    #[must_use]
    pub fn new<'a>(
        scopes: impl IntoIterator<Item = &'a str>,
        aliases: &'a BTreeMap<String, Vec<String>>,
        prefix: &str,
        expires_at_s: u64,
    ) -> Self {
        let mut named = BTreeSet::new();
        for scope in scopes {
            match aliases.get(scope) {
                Some(meant) => named.extend(meant.iter().map(String::as_str)),
                None => _ = named.insert(scope),
            }
        }
        let own = || named.iter().filter_map(|scope| scope.strip_prefix(prefix));
        let tags = own().filter_map(|scope| scope.strip_prefix("tag:"));
        Self {
            tags: Tags(tags.map(str::to_owned).collect()),
            scopes: own().filter_map(Scope::parse).collect(),
            expires_at_s,
        }
    }

    /// Tags, from scopes such as `tag:administrator`.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// When the token ends, in seconds since the Unix epoch, with the leeway.
    #[must_use]
    pub fn expires_at_s(&self) -> u64 {
        self.expires_at_s
    }

    /// Whether any scope is about the vhost.
    #[must_use]
    pub fn may_enter(&self, vhost: &str) -> bool {
        self.scopes.iter().any(|scope| scope.is_in(vhost))
    }

    /// Whether a scope grants that access to the exchange or queue.
    #[must_use]
    pub fn may_use(&self, vhost: &str, name: &str, access: Access) -> bool {
        self.scopes.iter().any(|scope| scope.grants(vhost, name, access))
    }

    /// Whether a scope grants that access with the routing key of a topic exchange.
    #[must_use]
    pub fn may_use_key(&self, vhost: &str, exchange: &str, key: &str, access: Access) -> bool {
        self.scopes
            .iter()
            .any(|scope| scope.grants_key(vhost, exchange, key, access))
    }
}
