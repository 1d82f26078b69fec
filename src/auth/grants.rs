//! What users may do: permissions by virtual host, and by routing key of topic exchanges.

use std::collections::BTreeMap;

use super::accounts::{AccountError, Accounts, Entry};
use super::definitions::{Permission, TopicPermission};
use super::denied::{Access, Denied, Resource};
use super::pattern::{Pattern, PatternError};
use crate::model::Name;

/// The permissions of one user.
#[derive(Default)]
pub(super) struct Grants {
    vhosts: BTreeMap<Name, Grant>,
    /// By virtual host and exchange.
    topics: BTreeMap<Name, BTreeMap<Name, TopicGrant>>,
}

struct Grant {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
}

struct TopicGrant {
    write: Pattern,
    read: Pattern,
}

impl Accounts {
    /// Whether the user may use the virtual host at all: any permission there will do, even three empty patterns.
    /// Whether there is such a virtual host is the caller's question.
    ///
    /// # Errors
    /// There is no permission.
    pub fn check_vhost(&self, user: &str, vhost: &str) -> Result<(), Denied> {
        let users = self.users.read();
        let allowed = users
            .get(user)
            .is_some_and(|entry| entry.grants.vhosts.contains_key(vhost));
        allowed.then_some(()).ok_or_else(|| Denied::Vhost {
            vhost: Name::from(vhost),
            user: Name::from(user),
        })
    }

    /// Whether the user may do that with a queue or an exchange.
    ///
    /// # Errors
    /// There is no permission whose pattern matches the name.
    pub fn check(&self, user: &str, vhost: &str, resource: Resource<'_>, access: Access) -> Result<(), Denied> {
        let users = self.users.read();
        let grant = users.get(user).and_then(|entry| entry.grants.vhosts.get(vhost));
        let allowed = grant.is_some_and(|grant| {
            let pattern = match access {
                Access::Configure => &grant.configure,
                Access::Write => &grant.write,
                Access::Read => &grant.read,
            };
            pattern.is_match(resource.name())
        });
        let denied = || Denied::resource(access, resource, vhost, user);
        allowed.then_some(()).ok_or_else(denied)
    }

    /// Whether the user may publish (write) or bind (read) with a routing key of a topic exchange. Where no topic
    /// permission names the exchange, any key will do (RabbitMQ: "Topic Authorisation"). For other exchange types the
    /// caller does not ask.
    ///
    /// # Errors
    /// The key does not match the pattern.
    pub fn check_topic(
        &self,
        user: &str,
        vhost: &str,
        exchange: &str,
        key: &str,
        access: Access,
    ) -> Result<(), Denied> {
        let users = self.users.read();
        let topics = users.get(user).and_then(|entry| entry.grants.topics.get(vhost));
        let allowed = match (topics.and_then(|topics| topics.get(exchange)), access) {
            (None, _) | (_, Access::Configure) => true,
            (Some(grant), Access::Write) => grant.write.is_match(key),
            (Some(grant), Access::Read) => grant.read.is_match(key),
        };
        allowed
            .then_some(())
            .ok_or_else(|| Denied::topic(access, exchange, key, vhost, user))
    }

    /// Gives a user a permission in place of the one before.
    ///
    /// # Errors
    /// There is no such user, or a pattern is not valid.
    pub fn put_permission(&self, permission: &Permission) -> Result<(), AccountError> {
        let Permission { user, vhost, .. } = permission;
        let invalid = |error| invalid(user, vhost, error);
        let grant = Grant {
            configure: Pattern::new(&permission.configure).map_err(invalid)?,
            write: Pattern::new(&permission.write).map_err(invalid)?,
            read: Pattern::new(&permission.read).map_err(invalid)?,
        };
        self.change_grants(user, |grants| {
            grants.vhosts.insert(Name::from(vhost.as_str()), grant);
        })
    }

    /// Takes a user's permission in a virtual host away, if there is one.
    ///
    /// # Errors
    /// There is no such user.
    pub fn clear_permission(&self, user: &str, vhost: &str) -> Result<(), AccountError> {
        self.change_grants(user, |grants| {
            grants.vhosts.remove(vhost);
        })
    }

    /// Restricts the routing keys that a user may use with an exchange.
    ///
    /// # Errors
    /// There is no such user, or a pattern is not valid.
    pub fn put_topic_permission(&self, permission: &TopicPermission) -> Result<(), AccountError> {
        let TopicPermission { user, vhost, .. } = permission;
        let pattern = |text: &str| Pattern::for_topics(text, user, vhost).map_err(|error| invalid(user, vhost, error));
        let grant = TopicGrant {
            write: pattern(&permission.write)?,
            read: pattern(&permission.read)?,
        };
        self.change_grants(user, |grants| {
            let exchanges = grants.topics.entry(Name::from(vhost.as_str())).or_default();
            exchanges.insert(Name::from(permission.exchange.as_str()), grant);
        })
    }

    /// Takes a user's restrictions in a virtual host away: those of one exchange, or all.
    ///
    /// # Errors
    /// There is no such user.
    pub fn clear_topic_permissions(&self, user: &str, vhost: &str, exchange: Option<&str>) -> Result<(), AccountError> {
        self.change_grants(user, |grants| {
            if let Some(exchanges) = grants.topics.get_mut(vhost) {
                match exchange {
                    Some(exchange) => {
                        exchanges.remove(exchange);
                    }
                    None => exchanges.clear(),
                }
                if exchanges.is_empty() {
                    grants.topics.remove(vhost);
                }
            }
        })
    }

    /// Forgets a virtual host: all permissions in it go.
    pub fn remove_vhost(&self, vhost: &str) {
        let mut users = self.users.write();
        for entry in users.values_mut() {
            entry.grants.vhosts.remove(vhost);
            entry.grants.topics.remove(vhost);
        }
        self.changed();
    }

    /// All permissions, in the order of users and virtual hosts.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        let users = self.users.read();
        let all = users.iter().flat_map(|(user, entry)| {
            entry.grants.vhosts.iter().map(|(vhost, grant)| Permission {
                user: user.to_string(),
                vhost: vhost.to_string(),
                configure: grant.configure.as_str().to_owned(),
                write: grant.write.as_str().to_owned(),
                read: grant.read.as_str().to_owned(),
            })
        });
        all.collect()
    }

    /// All topic permissions, in the order of users, virtual hosts and exchanges.
    #[must_use]
    pub fn topic_permissions(&self) -> Vec<TopicPermission> {
        let users = self.users.read();
        users
            .iter()
            .flat_map(|(user, entry)| listed_topics(user, entry))
            .collect()
    }

    fn change_grants(&self, user: &str, change: impl FnOnce(&mut Grants)) -> Result<(), AccountError> {
        let mut users = self.users.write();
        let entry = users
            .get_mut(user)
            .ok_or_else(|| AccountError::NoUser(Name::from(user)))?;
        change(&mut entry.grants);
        self.changed();
        Ok(())
    }
}

fn listed_topics(user: &Name, entry: &Entry) -> Vec<TopicPermission> {
    let mut listed = Vec::new();
    for (vhost, exchanges) in &entry.grants.topics {
        listed.extend(exchanges.iter().map(|(exchange, grant)| TopicPermission {
            user: user.to_string(),
            vhost: vhost.to_string(),
            exchange: exchange.to_string(),
            write: grant.write.as_str().to_owned(),
            read: grant.read.as_str().to_owned(),
        }));
    }
    listed
}

fn invalid(user: &str, vhost: &str, error: PatternError) -> AccountError {
    AccountError::Pattern {
        user: Name::from(user),
        vhost: Name::from(vhost),
        error,
    }
}
