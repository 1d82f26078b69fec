//! The settings of a policy: which there are, which values they take.

use serde_json::{Map, Value};

use crate::model::argument::{Argument, PolicyKey, Takes, policy_keys};
use crate::model::{Millis, Name};
use crate::queue::Overflow;

use super::super::arguments::{AT_LEAST_ONCE, overflow};
use super::super::quotas::Rate;
use super::{PolicyError, PolicyKind};

/// Whether a policy may say this. Times have no upper limit here, as with RabbitMQ.
fn accepts(takes: Takes, value: &Value) -> bool {
    match (takes, value) {
        (Takes::Integer(least, _) | Takes::Timer(least), Value::Number(number)) => {
            number.as_i64().is_some_and(|n| n >= least)
        }
        (Takes::OneOfIntegers(numbers, _), Value::Number(number)) => {
            number.as_i64().is_some_and(|n| numbers.contains(&n))
        }
        (Takes::OneOf(words, _), Value::String(word)) => words.contains(&word.as_str()),
        (Takes::Text | Takes::Exchange, Value::String(text)) => text.len() <= Name::MAX_BYTES,
        (Takes::Age, Value::String(age)) => {
            let digits = age.strip_suffix(['Y', 'M', 'D', 'h', 'm', 's']);
            digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
        }
        (Takes::Alert, Value::Object(parts)) => {
            let known = |(name, value): (&String, &Value)| {
                matches!(name.as_str(), "count" | "age-s") && value.as_u64().is_some_and(|n| n >= 1)
            };
            !parts.is_empty() && parts.iter().all(known)
        }
        _ => false,
    }
}

/// When the operators want to hear of dead letters in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterAlert {
    /// From so many messages on.
    pub count: Option<u64>,
    /// Once one has been there for so many milliseconds.
    pub age_ms: Option<Millis>,
}

impl DeadLetterAlert {
    fn read(value: &Value) -> Self {
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        Self {
            count: number("count"),
            age_ms: number("age-s").map(|seconds| seconds.saturating_mul(1000)),
        }
    }
}

/// What a definition says, as far as it has an effect.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub message_ttl_ms: Option<Millis>,
    pub expires_ms: Option<Millis>,
    pub max_length: Option<u64>,
    pub max_length_bytes: Option<u64>,
    pub overflow: Option<Overflow>,
    pub dead_letter_exchange: Option<Name>,
    pub dead_letter_routing_key: Option<Name>,
    /// -1 for no limit.
    pub delivery_limit: Option<i64>,
    pub alternate_exchange: Option<Name>,
    pub dead_letter_alert: Option<DeadLetterAlert>,
    /// Whether the dead-letter strategy is at-least-once.
    pub at_least_once: Option<bool>,
    /// How much a second the queue takes.
    pub rate: Rate,
}

impl Settings {
    /// Checks a definition and reads it. Of several faults a wrong value is named before an unknown key, as RabbitMQ
    /// does.
    pub fn parse(definition: &Map<String, Value>, kind: PolicyKind) -> Result<Self, PolicyError> {
        if definition.is_empty() {
            return Err(PolicyError::Invalid("no policy provided".to_owned()));
        }
        let mut unknown = Vec::new();
        for (name, value) in definition {
            match known(name, kind) {
                Some((key, argument)) if !accepts(argument.takes, value) => {
                    let text = format!("{} is not a valid {}", printed(value), key.title);
                    return Err(PolicyError::Invalid(text));
                }
                Some(_) => {}
                None => unknown.push(format!("{{<<\"{name}\">>,{}}}", printed(value))),
            }
        }
        if !unknown.is_empty() {
            let text = format!("[{}] are not recognised policy settings", unknown.join(","));
            return Err(PolicyError::Invalid(text));
        }
        Ok(Self::read(definition))
    }

    fn read(definition: &Map<String, Value>) -> Self {
        let number = |name: &str| definition.get(name).and_then(Value::as_u64);
        let text = |name: &str| definition.get(name).and_then(Value::as_str);
        Self {
            message_ttl_ms: number("message-ttl"),
            expires_ms: number("expires"),
            max_length: number("max-length"),
            max_length_bytes: number("max-length-bytes"),
            overflow: text("overflow").map(|word| overflow(Some(word))),
            dead_letter_exchange: text("dead-letter-exchange").map(Name::from),
            dead_letter_routing_key: text("dead-letter-routing-key").map(Name::from),
            delivery_limit: definition.get("delivery-limit").and_then(Value::as_i64),
            alternate_exchange: text("alternate-exchange").map(Name::from),
            dead_letter_alert: definition.get("dead-letter-alert").map(DeadLetterAlert::read),
            at_least_once: text("dead-letter-strategy").map(|strategy| strategy == AT_LEAST_ONCE),
            rate: Rate {
                messages: number("message-rate-per-s"),
                bytes: number("byte-rate-per-s"),
            },
        }
    }
}

fn known(name: &str, kind: PolicyKind) -> Option<(PolicyKey, &'static Argument)> {
    policy_keys().find(|(key, _)| key.name == name && (key.operator || kind == PolicyKind::User))
}

/// A value as RabbitMQ's texts show it.
pub(super) fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => format!("<<\"{text}\">>"),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(printed).collect();
            format!("[{}]", values.join(","))
        }
        Value::Object(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("<<\"{name}\">> => {}", printed(value)))
                .collect();
            format!("#{{{}}}", pairs.join(","))
        }
        other => other.to_string(),
    }
}
