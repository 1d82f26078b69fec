//! Limits of vhosts and users that operators set (RabbitMQ: "Virtual Hosts", "Per User Limits"). They hold for what
//! comes; what stands beyond a new limit stays.

use serde::{Deserialize, Serialize};

use crate::auth::UserLimits;
use crate::model::{AmqpError, Name, ReplyCode};
use crate::store::{StateChange, Table};

use super::definitions::{key, put};
use super::policies::PolicyKind;
use super::quotas::Rate;
use super::restore::RestoreError;
use super::{Broker, Counted, Vhost};

/// What a vhost may hold; `None` or less than 0 for any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct VhostLimits {
    /// Connections at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queues: Option<i64>,
    /// Messages a second from all publishers together. At least 1: less would stop them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_rate_per_s: Option<i64>,
    /// Bytes of bodies a second from all publishers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte_rate_per_s: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct VhostLimitsRecord {
    vhost: String,
    limits: VhostLimits,
}

/// A connection's place among those of its vhost and its user, held until it is dropped.
#[derive(Debug)]
pub struct CountedConnection {
    _in_vhost: Counted<Name>,
    _of_user: Counted<Name>,
}

impl VhostLimits {
    fn rate(&self) -> Rate {
        Rate::of_limits(self.message_rate_per_s, self.byte_rate_per_s)
    }
}

/// The lower of an own limit, if there is one, and another.
fn lower(own: Option<i64>, other: u32) -> u32 {
    let own = own.and_then(|limit| u32::try_from(limit).ok());
    own.unwrap_or(u32::MAX).min(other)
}

/// The limit that `count` has reached.
fn reached(limit: Option<i64>, count: usize) -> Option<u64> {
    let limit = u64::try_from(limit?).ok()?;
    (count as u64 >= limit).then_some(limit)
}

impl Vhost {
    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> VhostLimits {
        *self.limits.read()
    }

    /// 406 where one more queue would be too many.
    pub(super) fn check_queue_limit(&self, queue: &str) -> Result<(), AmqpError> {
        match reached(self.limits().max_queues, self.queue_count()) {
            None => Ok(()),
            Some(limit) => Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!(
                    "cannot declare queue '{queue}': queue limit in vhost '{}' ({limit}) is reached",
                    self.name
                ),
            )),
        }
    }
}

impl Broker {
    /// Sets the limits of a vhost in place of those it has; on stable storage when this returns. The defaults lift
    /// all limits. False where there is no such vhost.
    pub fn set_vhost_limits(&self, vhost: &str, limits: VhostLimits) -> Result<bool, AmqpError> {
        let Some(vhost) = self.vhost(vhost) else {
            return Ok(false);
        };
        let _admin = vhost.admin.lock();
        vhost.check_standing()?;
        let key = key(&[&vhost.name]);
        let change = match limits == VhostLimits::default() {
            true => StateChange::Remove(Table::VhostLimits, key),
            false => {
                let vhost = vhost.name.to_string();
                put(Table::VhostLimits, key, &VhostLimitsRecord { vhost, limits })
            }
        };
        self.store(&[change])?;
        *vhost.limits.write() = limits;
        if vhost.quota.set(limits.rate()) {
            self.quota_changed();
        }
        let told = [
            ("max-connections", limits.max_connections),
            ("max-queues", limits.max_queues),
            ("message-rate-per-s", limits.message_rate_per_s),
            ("byte-rate-per-s", limits.byte_rate_per_s),
        ];
        self.tell_limits("vhost.limits.set", ("vhost", &vhost.name), &told);
        Ok(true)
    }

    /// Sets the limits of a user in place of those it has; on stable storage when this returns. False where there is
    /// no such user.
    pub fn set_user_limits(&self, user: &str, limits: UserLimits) -> Result<bool, AmqpError> {
        if self.accounts.set_limits(user, limits).is_err() {
            return Ok(false);
        }
        self.store_user(user)?;
        let told = [
            ("max-connections", limits.max_connections),
            ("max-channels", limits.max_channels),
            ("message-rate-per-s", limits.message_rate_per_s),
            ("byte-rate-per-s", limits.byte_rate_per_s),
        ];
        self.tell_limits("user.limits.set", ("username", user), &told);
        Ok(true)
    }

    /// Takes a place among the connections of a vhost and of a user, which may have `most_in_vhost` and `most_of_user`
    /// at a time, or as many as their own limits say where that is less.
    ///
    /// # Errors
    /// 530 where one of them has as many as it may. The vhost is looked at first, as RabbitMQ does.
    pub fn count_connection(
        &self,
        vhost: &Vhost,
        user: &Name,
        most_in_vhost: u32,
        most_of_user: u32,
    ) -> Result<CountedConnection, AmqpError> {
        let refused = |text: String| AmqpError::connection(ReplyCode::NotAllowed, text);
        let counts = self.connection_counts();
        let limit = lower(vhost.limits().max_connections, most_in_vhost);
        let in_vhost = counts.vhosts.enter(vhost.name.clone(), limit).ok_or_else(|| {
            refused(format!(
                "access to vhost '{}' refused for user '{user}': connection limit ({limit}) is reached",
                vhost.name
            ))
        })?;
        let limit = lower(self.user_limits(user).max_connections, most_of_user);
        let of_user = counts.users.enter(user.clone(), limit).ok_or_else(|| {
            refused(format!(
                "connection refused for user '{user}': user connection limit ({limit}) is reached"
            ))
        })?;
        Ok(CountedConnection {
            _in_vhost: in_vhost,
            _of_user: of_user,
        })
    }

    /// Takes a place among the channels that a user has open on all its connections.
    ///
    /// # Errors
    /// 530 where it has as many as it may.
    pub fn count_channel(&self, user: &Name) -> Result<Counted<Name>, AmqpError> {
        let limit = lower(self.user_limits(user).max_channels, u32::MAX);
        let counted = self.connection_counts().channels.enter(user.clone(), limit);
        counted.ok_or_else(|| {
            AmqpError::connection(
                ReplyCode::NotAllowed,
                format_args!(
                    "number of channels opened for user '{user}' has reached the maximum allowed user limit of ({limit})"
                ),
            )
        })
    }

    /// Takes the policies and limits of a vhost out of the store; to be called with the deletion of the vhost, lest
    /// another one of its name finds them.
    pub fn forget_vhost_settings(&self, vhost: &Vhost) -> Result<(), AmqpError> {
        let mut changes = vec![StateChange::Remove(Table::VhostLimits, key(&[&vhost.name]))];
        for (kind, table) in [
            (PolicyKind::User, Table::Policies),
            (PolicyKind::Operator, Table::OperatorPolicies),
        ] {
            let policies = self.policies(kind, vhost);
            let removal = |name: &str| StateChange::Remove(table, key(&[&vhost.name, name]));
            changes.extend(policies.iter().map(|policy| removal(&policy.name)));
        }
        self.store(&changes)
    }

    pub(super) fn restore_vhost_limits(&self) -> Result<(), RestoreError> {
        for (_, record) in self.records(Table::VhostLimits, "limits of vhost", |record: &VhostLimitsRecord| {
            key(&[&record.vhost])
        })? {
            // Those of a vhost that went with a crash in between belong to nobody.
            if let Some(vhost) = self.vhost(&record.vhost) {
                *vhost.limits.write() = record.limits;
                vhost.quota.set(record.limits.rate());
            }
        }
        Ok(())
    }

    fn user_limits(&self, user: &str) -> UserLimits {
        self.accounts.user(user).map(|user| user.limits).unwrap_or_default()
    }
}
