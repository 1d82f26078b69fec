//! What operators ask for: lists, and changes that no AMQP method makes.

use std::sync::atomic::Ordering;

use crate::auth::{AccountError, TopicPermission, User};
use crate::model::{AmqpError, Name};
use crate::queue::ConsumerKey;
use crate::routing::{Binding, DestinationName, ExchangeSpec};
use crate::store::{StateChange, Table};

use super::definitions::{VhostRecord, key, put};
use super::{Broker, DeleteCondition, Vhost, blocking};

/// One exchange as it stands.
#[derive(Clone, Debug)]
pub struct ExchangeInfo {
    /// Its name; empty for the default exchange.
    pub name: Name,
    /// How it was declared.
    pub spec: ExchangeSpec,
}

/// One consumer as its queue sees it.
#[derive(Clone, Debug)]
pub struct ConsumerInfo {
    /// Its key in the queue.
    pub key: ConsumerKey,
    /// Its tag.
    pub tag: Name,
    /// The connection and the channel it is on.
    pub place: Option<(u64, u16)>,
    /// It settles what it gets.
    pub ack_required: bool,
    /// Nobody else may consume.
    pub exclusive: bool,
    /// How many unsettled messages it may hold; 0 for no limit.
    pub prefetch: u32,
    /// Its `x-priority`.
    pub priority: i32,
    /// Unsettled messages.
    pub unacked: u32,
    /// False for one that waits to become the single active consumer.
    pub active: bool,
}

impl Vhost {
    /// The exchanges, in order of name; the default exchange comes first.
    #[must_use]
    pub fn exchanges(&self) -> Vec<ExchangeInfo> {
        let router = self.router.read();
        let exchanges = router.exchanges().map(|exchange| ExchangeInfo {
            name: exchange.name().clone(),
            spec: exchange.spec().clone(),
        });
        exchanges.collect()
    }

    /// The exchange of that name.
    #[must_use]
    pub fn exchange(&self, name: &str) -> Option<ExchangeInfo> {
        let router = self.router.read();
        router.get(name).map(|exchange| ExchangeInfo {
            name: exchange.name().clone(),
            spec: exchange.spec().clone(),
        })
    }

    /// The bindings from an exchange; those of the default exchange, one a queue, are implied and not listed.
    #[must_use]
    pub fn bindings_of_source(&self, exchange: &str) -> Vec<Binding> {
        self.router.read().bindings_of_source(exchange)
    }

    /// The bindings to a queue or an exchange, without the implied one.
    #[must_use]
    pub fn bindings_of_destination(&self, destination: &DestinationName) -> Vec<Binding> {
        self.router.read().bindings_of_destination(destination)
    }

    /// How many bindings there are, without those of the default exchange.
    #[must_use]
    pub fn binding_count(&self) -> usize {
        self.router.read().binding_count()
    }
}

impl Broker {
    /// Gives a vhost another description.
    pub fn describe_vhost(&self, vhost: &Vhost, description: &str) -> Result<(), AmqpError> {
        if *vhost.description.read() == description {
            return Ok(());
        }
        let record = VhostRecord {
            name: vhost.name.to_string(),
            description: description.to_owned(),
        };
        self.store(&[put(Table::Vhosts, key(&[&vhost.name]), &record)])?;
        description.clone_into(&mut vhost.description.write());
        Ok(())
    }

    /// Deletes a vhost with everything in it and closes its connections; false where there is none.
    ///
    /// A crash in between leaves the vhost with what was not deleted yet: its record goes last.
    pub fn delete_vhost(&self, name: &str) -> Result<bool, AmqpError> {
        let Some(vhost) = self.vhost(name) else {
            return Ok(false);
        };
        {
            let _admin = vhost.admin.lock();
            vhost.deleted.store(true, Ordering::Release);
        }
        for connection in self.connections() {
            if connection.vhost == name {
                connection.link.close(&format!("vhost '{name}' is deleted"));
            }
        }
        for queue in vhost.queues() {
            self.remove_queue(&queue, DeleteCondition::default())?;
        }
        let _admin = vhost.admin.lock();
        let names: Vec<_> = vhost.exchanges().into_iter().map(|exchange| exchange.name).collect();
        for exchange in names {
            let removed = vhost.router.write().delete(&exchange);
            vhost.changed();
            self.drop_sides(&vhost, &removed.exchanges);
            self.store(&super::bindings::removals(
                &vhost,
                &removed.exchanges,
                &removed.bindings,
            ))?;
        }
        self.forget_vhost_settings(&vhost)?;
        let granted = self.accounts.permissions();
        let granted = granted.iter().filter(|permission| permission.vhost == name);
        let mut changes: Vec<_> = granted
            .map(|permission| StateChange::Remove(Table::Permissions, key(&[&permission.user, name])))
            .collect();
        let topics = self.accounts.topic_permissions();
        let topics = topics.iter().filter(|permission| permission.vhost == name);
        changes.extend(topics.map(|permission| StateChange::Remove(Table::Permissions, topic_key(permission))));
        changes.push(StateChange::Remove(Table::Vhosts, key(&[name])));
        self.store(&changes)?;
        self.accounts.remove_vhost(name);
        self.retire_vhost(&vhost);
        self.vhosts.remove(name);
        self.tell_vhost("vhost.deleted", name, None);
        Ok(true)
    }

    /// Sets a user, whose hash is given or made of `password`; the permissions of one that stands stay.
    ///
    /// # Errors
    /// Name, password or hash cannot be used, or the store failed.
    pub fn put_user(&self, user: &User, password: Option<&[u8]>) -> Result<(), String> {
        let before = self.accounts.user(&user.name);
        let done = match password {
            Some(password) => blocking(|| {
                self.accounts
                    .put_user_with_password(&user.name, password, user.tags.clone())
            }),
            None => self.accounts.put_user(user),
        };
        done.map_err(|error| error.to_string())?;
        self.store_user(&user.name).map_err(|error| error.text)?;
        self.tell_user_set(before.as_ref(), &user.name);
        Ok(())
    }

    /// Takes a user's permission in a vhost away.
    pub fn clear_permission(&self, user: &str, vhost: &str) -> Result<(), String> {
        self.accounts
            .clear_permission(user, vhost)
            .map_err(|error| error.to_string())?;
        self.tell_permission_deleted("permission.deleted", user, vhost);
        self.store(&[StateChange::Remove(Table::Permissions, key(&[user, vhost]))])
            .map_err(|error| error.text)
    }

    /// Restricts the routing keys that a user may use with an exchange.
    pub fn put_topic_permission(&self, permission: &TopicPermission) -> Result<(), String> {
        self.accounts
            .put_topic_permission(permission)
            .map_err(|error| error.to_string())?;
        let change = put(Table::Permissions, topic_key(permission), permission);
        self.tell_topic_permission(permission);
        self.store(&[change]).map_err(|error| error.text)
    }

    /// Takes a user's restrictions in a vhost away: those of one exchange, or all.
    pub fn clear_topic_permissions(&self, user: &str, vhost: &str, exchange: Option<&str>) -> Result<(), String> {
        let standing = self.accounts.topic_permissions();
        let cleared = standing.iter().filter(|permission| {
            let here = permission.user == user && permission.vhost == vhost;
            here && exchange.is_none_or(|exchange| permission.exchange == exchange)
        });
        let changes: Vec<_> = cleared
            .map(|permission| StateChange::Remove(Table::Permissions, topic_key(permission)))
            .collect();
        let refused = |error: AccountError| error.to_string();
        self.accounts
            .clear_topic_permissions(user, vhost, exchange)
            .map_err(refused)?;
        self.tell_permission_deleted("topic.permission.deleted", user, vhost);
        self.store(&changes).map_err(|error| error.text)
    }
}

/// Topic permissions stand in the table of permissions, under a key of four parts instead of two.
pub(super) fn topic_key(permission: &TopicPermission) -> Vec<u8> {
    key(&[&permission.user, &permission.vhost, "topic", &permission.exchange])
}
