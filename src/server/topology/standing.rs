//! Policies and limits of the file: made where it says so, taken back where it no longer does.
//!
//! RabbitMQ has no file of this kind, so the rule is ours: what a file declared, and the next one does not, goes, with
//! a warning in the log; unless an operator changed it meanwhile, then it is the operator's and stays. What was never
//! in a file is left alone. Queues, exchanges and bindings stay in any case, for they may hold messages.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::auth::UserLimits;
use crate::broker::{ApplyTo, Broker, FileDeclared, Policy, PolicyKind, VhostLimits};
use crate::config::{self, ArgumentValue, Arguments, Config, OperatorApplyTo};

use super::Contradictions;

/// Every policy of the file that could not be set.
pub(super) fn check(broker: &Broker, config: &Config, faults: &mut Contradictions) {
    for declared in &config.policies {
        if let Err(error) = broker.check_policy(PolicyKind::User, policy(declared)) {
            faults.note(&declared.at, error);
        }
    }
    for declared in &config.operator_policies {
        if let Err(error) = broker.check_policy(PolicyKind::Operator, operator_policy(declared)) {
            faults.note(&declared.at, error);
        }
    }
}

/// Sets the policies and limits of the file, and takes back those of the file before.
pub(super) fn declare(broker: &Broker, config: &Config, failed: &mut Contradictions) {
    let before = match broker.file_declared() {
        Ok(before) => before,
        Err(error) => return failed.note(&"the store", error),
    };
    let now = declared(config);
    for entry in &config.policies {
        if let Err(error) = broker.declare_policy(PolicyKind::User, policy(entry)) {
            failed.note(&entry.at, error);
        }
    }
    for entry in &config.operator_policies {
        if let Err(error) = broker.declare_policy(PolicyKind::Operator, operator_policy(entry)) {
            failed.note(&entry.at, error);
        }
    }
    withdraw(broker, PolicyKind::User, &before.policies, &now.policies, failed);
    let operator = (&before.operator_policies, &now.operator_policies);
    withdraw(broker, PolicyKind::Operator, operator.0, operator.1, failed);
    limit_vhosts(broker, &before.vhost_limits, &now.vhost_limits, failed);
    limit_users(broker, &before.user_limits, &now.user_limits, failed);
    if before != now
        && let Err(error) = broker.set_file_declared(&now)
    {
        failed.note(&"the store", error.text);
    }
}

/// What of the file can be taken back.
fn declared(config: &Config) -> FileDeclared {
    let vhosts = config
        .vhosts
        .iter()
        .map(|vhost| (vhost.name.clone(), vhost_limits(vhost)));
    let users = config.users.iter().map(|user| (user.name.clone(), user_limits(user)));
    FileDeclared {
        policies: config.policies.iter().map(|entry| policy(entry)).collect(),
        operator_policies: config
            .operator_policies
            .iter()
            .map(|entry| operator_policy(entry))
            .collect(),
        vhost_limits: vhosts.filter(|(_, limits)| *limits != VhostLimits::default()).collect(),
        user_limits: users.filter(|(_, limits)| *limits != UserLimits::default()).collect(),
    }
}

fn withdraw(broker: &Broker, kind: PolicyKind, before: &[Policy], now: &[Policy], failed: &mut Contradictions) {
    let is_declared = |old: &&Policy| now.iter().any(|new| new.vhost == old.vhost && new.name == old.name);
    for old in before.iter().filter(|old| !is_declared(old)) {
        let Some(vhost) = broker.vhost(&old.vhost) else {
            continue;
        };
        let (policy, vhost_name) = (&old.name, &old.vhost);
        match broker.policy(kind, &vhost, policy) {
            None => {}
            Some(standing) if standing != *old => tracing::warn!(
                policy,
                vhost = vhost_name,
                ?kind,
                "the configuration no longer declares this policy; it was changed meanwhile and stays"
            ),
            Some(_) => {
                tracing::warn!(
                    policy,
                    vhost = vhost_name,
                    ?kind,
                    "the configuration no longer declares this policy; it is cleared"
                );
                if let Err(error) = broker.clear_policy(kind, vhost_name, policy) {
                    failed.note(&"policies of the file before", error);
                }
            }
        }
    }
}

/// One limit: what the file says; nothing where the file before said what stands; otherwise what stands.
fn limit(standing: Option<i64>, before: Option<i64>, now: Option<i64>) -> Option<i64> {
    match (now, before) {
        (None, Some(_)) if standing == before => None,
        (None, _) => standing,
        (now, _) => now,
    }
}

fn names<'a, T>(before: &'a BTreeMap<String, T>, now: &'a BTreeMap<String, T>) -> BTreeSet<&'a String> {
    before.keys().chain(now.keys()).collect()
}

fn limit_vhosts(
    broker: &Broker,
    before: &BTreeMap<String, VhostLimits>,
    now: &BTreeMap<String, VhostLimits>,
    failed: &mut Contradictions,
) {
    for name in names(before, now) {
        let Some(standing) = broker.vhost(name).map(|vhost| vhost.limits()) else {
            continue;
        };
        let before = before.get(name).copied().unwrap_or_default();
        let now = now.get(name).copied().unwrap_or_default();
        let of = |field: fn(&VhostLimits) -> Option<i64>| limit(field(&standing), field(&before), field(&now));
        let limits = VhostLimits {
            max_connections: of(|limits| limits.max_connections),
            max_queues: of(|limits| limits.max_queues),
            message_rate_per_s: of(|limits| limits.message_rate_per_s),
            byte_rate_per_s: of(|limits| limits.byte_rate_per_s),
        };
        if limits != standing {
            tracing::info!(vhost = name, ?limits, "the configuration sets limits");
            failed.check(
                &format!("limits of vhost '{name}'"),
                broker.set_vhost_limits(name, limits).map(|_| ()),
            );
        }
    }
}

fn limit_users(
    broker: &Broker,
    before: &BTreeMap<String, UserLimits>,
    now: &BTreeMap<String, UserLimits>,
    failed: &mut Contradictions,
) {
    for name in names(before, now) {
        let Some(standing) = broker.accounts().user(name).map(|user| user.limits) else {
            continue;
        };
        let before = before.get(name).copied().unwrap_or_default();
        let now = now.get(name).copied().unwrap_or_default();
        let of = |field: fn(&UserLimits) -> Option<i64>| limit(field(&standing), field(&before), field(&now));
        let limits = UserLimits {
            max_connections: of(|limits| limits.max_connections),
            max_channels: of(|limits| limits.max_channels),
            message_rate_per_s: of(|limits| limits.message_rate_per_s),
            byte_rate_per_s: of(|limits| limits.byte_rate_per_s),
        };
        if limits != standing {
            tracing::info!(user = name, ?limits, "the configuration sets limits");
            failed.check(
                &format!("limits of user '{name}'"),
                broker.set_user_limits(name, limits).map(|_| ()),
            );
        }
    }
}

fn vhost_limits(vhost: &config::Vhost) -> VhostLimits {
    VhostLimits {
        max_connections: vhost.max_connections.map(i64::from),
        max_queues: vhost.max_queues.map(i64::from),
        message_rate_per_s: vhost.message_rate_per_s.map(i64::from),
        byte_rate_per_s: vhost.byte_rate_per_s.map(i64::from),
    }
}

fn user_limits(user: &config::User) -> UserLimits {
    UserLimits {
        max_connections: user.max_connections.map(i64::from),
        max_channels: user.max_channels.map(i64::from),
        message_rate_per_s: user.message_rate_per_s.map(i64::from),
        byte_rate_per_s: user.byte_rate_per_s.map(i64::from),
    }
}

fn policy(declared: &config::Policy) -> Policy {
    Policy {
        vhost: declared.vhost.clone(),
        name: declared.name.clone(),
        pattern: declared.pattern.clone(),
        apply_to: match declared.apply_to {
            config::ApplyTo::All => ApplyTo::All,
            config::ApplyTo::Exchanges => ApplyTo::Exchanges,
            config::ApplyTo::Queues => ApplyTo::Queues,
            config::ApplyTo::ClassicQueues => ApplyTo::ClassicQueues,
            config::ApplyTo::QuorumQueues => ApplyTo::QuorumQueues,
            config::ApplyTo::Streams => ApplyTo::Streams,
        },
        priority: declared.priority.into(),
        definition: json_object(&declared.definition),
    }
}

fn operator_policy(declared: &config::OperatorPolicy) -> Policy {
    Policy {
        vhost: declared.vhost.clone(),
        name: declared.name.clone(),
        pattern: declared.pattern.clone(),
        apply_to: match declared.apply_to {
            OperatorApplyTo::Queues => ApplyTo::Queues,
            OperatorApplyTo::ClassicQueues => ApplyTo::ClassicQueues,
            OperatorApplyTo::QuorumQueues => ApplyTo::QuorumQueues,
        },
        priority: declared.priority.into(),
        definition: json_object(&declared.definition),
    }
}

fn json_object(arguments: &Arguments) -> Map<String, Value> {
    arguments
        .iter()
        .map(|(name, value)| (name.clone(), json(value)))
        .collect()
}

fn json(value: &ArgumentValue) -> Value {
    match value {
        ArgumentValue::String(text) => Value::from(text.as_str()),
        ArgumentValue::Integer(number) => Value::from(*number),
        ArgumentValue::Double(number) => Value::from(*number),
        ArgumentValue::Boolean(flag) => Value::from(*flag),
        ArgumentValue::Timestamp(seconds) => Value::from(*seconds),
        ArgumentValue::Array(values) => values.iter().map(json).collect(),
        ArgumentValue::Table(entries) => Value::Object(json_object(entries)),
    }
}
