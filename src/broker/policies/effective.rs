//! Arguments, policy and operator policy put together.

use crate::queue::{DeadLetterTarget, QueueOptions};

use super::super::quotas::Rate;
use super::settings::Settings;

/// The settings of a queue whose arguments say `declared`: the policy where it has a say, never above what the operator
/// policy allows.
pub(super) fn queue_settings(
    declared: QueueOptions,
    quorum: bool,
    policy: Option<&Settings>,
    operator: Option<&Settings>,
) -> QueueOptions {
    let none = Settings::default();
    let policy = policy.unwrap_or(&none);
    let operator = operator.unwrap_or(&none);
    QueueOptions {
        message_ttl_ms: capped(
            policy.message_ttl_ms.or(declared.message_ttl_ms),
            operator.message_ttl_ms,
        ),
        expires_ms: capped(policy.expires_ms.or(declared.expires_ms), operator.expires_ms),
        max_length: capped(policy.max_length.or(declared.max_length), operator.max_length),
        max_length_bytes: capped(
            policy.max_length_bytes.or(declared.max_length_bytes),
            operator.max_length_bytes,
        ),
        overflow: policy.overflow.unwrap_or(declared.overflow),
        delivery_limit: capped(
            policy.delivery_limit.map_or(declared.delivery_limit, times),
            operator.delivery_limit.and_then(times),
        ),
        dead_letter: dead_letter(declared.dead_letter.as_ref(), policy),
        dead_letter_at_least_once: match quorum {
            true => policy.at_least_once.unwrap_or(declared.dead_letter_at_least_once),
            false => declared.dead_letter_at_least_once,
        },
        ..declared
    }
}

/// How much a second a queue takes.
pub(super) fn queue_rate(policy: Option<&Settings>, operator: Option<&Settings>) -> Rate {
    let rate = |settings: Option<&Settings>| settings.map(|settings| settings.rate).unwrap_or_default();
    rate(policy).capped(rate(operator))
}

/// The lower of two limits, of which none is the highest.
fn capped<T: Ord>(limit: Option<T>, cap: Option<T>) -> Option<T> {
    match (limit, cap) {
        (Some(limit), Some(cap)) => Some(limit.min(cap)),
        (limit, cap) => limit.or(cap),
    }
}

/// A delivery limit; -1 is none.
fn times(limit: i64) -> Option<u32> {
    u64::try_from(limit)
        .ok()
        .map(|limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

/// Exchange and key are set each on its own; a key without an exchange says nothing.
fn dead_letter(declared: Option<&DeadLetterTarget>, policy: &Settings) -> Option<DeadLetterTarget> {
    let exchange = policy
        .dead_letter_exchange
        .as_ref()
        .or(declared.map(|target| &target.exchange))?;
    let own_key = declared.and_then(|target| target.routing_key.as_ref());
    Some(DeadLetterTarget {
        exchange: exchange.clone(),
        routing_key: policy.dead_letter_routing_key.as_ref().or(own_key).cloned(),
    })
}
