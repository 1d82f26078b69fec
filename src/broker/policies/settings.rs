//! The settings of a policy: which there are, which values they take.

use serde_json::{Map, Value};

use crate::model::{Millis, Name};
use crate::queue::Overflow;

use super::{PolicyError, PolicyKind};

/// What a key takes.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// An integer of at least this.
    Integer(i64),
    OneOf(&'static [&'static str]),
    Text,
    /// A number and one of Y, M, D, h, m, s.
    Age,
    /// `count` or `age-s` or both, each at least 1.
    Alert,
}

/// A key, its values, how RabbitMQ calls it in a fault, and whether an operator policy may set it.
struct Key(&'static str, Takes, &'static str, bool);

/// All keys. Those from `consumer-timeout` on are taken and have no effect, as the arguments of their names.
const KEYS: &[Key] = &[
    Key("alternate-exchange", Takes::Text, "alternate exchange name", false),
    Key(
        "dead-letter-alert",
        Takes::Alert,
        "dead letter alert: it has count, age-s or both, of at least 1",
        false,
    ),
    Key("dead-letter-exchange", Takes::Text, "dead letter exchange name", false),
    Key("dead-letter-routing-key", Takes::Text, "dead letter routing key", false),
    Key("delivery-limit", Takes::Integer(-1), "delivery limit", true),
    Key("expires", Takes::Integer(1), "queue expiry", true),
    Key("max-length", Takes::Integer(0), "maximum length", true),
    Key("max-length-bytes", Takes::Integer(0), "maximum length in bytes", true),
    Key("message-ttl", Takes::Integer(0), "message TTL", true),
    Key(
        "overflow",
        Takes::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"]),
        "overflow value",
        false,
    ),
    Key("consumer-timeout", Takes::Integer(0), "consumer timeout", false),
    Key(
        "dead-letter-strategy",
        Takes::OneOf(&["at-most-once", "at-least-once"]),
        "dead letter strategy",
        false,
    ),
    Key("max-age", Takes::Age, "max age", false),
    Key(
        "max-in-memory-bytes",
        Takes::Integer(0),
        "maximum memory in bytes",
        true,
    ),
    Key(
        "max-in-memory-length",
        Takes::Integer(0),
        "maximum memory in bytes",
        true,
    ),
    Key(
        "queue-leader-locator",
        Takes::OneOf(&["client-local", "balanced"]),
        "queue leader locator value",
        false,
    ),
    Key(
        "queue-mode",
        Takes::OneOf(&["default", "lazy"]),
        "queue-mode value",
        false,
    ),
    Key("queue-version", Takes::Integer(1), "queue-version value", false),
    Key(
        "stream-max-segment-size-bytes",
        Takes::Integer(0),
        "segment size",
        false,
    ),
];

impl Takes {
    fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Integer(least), Value::Number(number)) => number.as_i64().is_some_and(|n| n >= least),
            (Self::OneOf(words), Value::String(word)) => words.contains(&word.as_str()),
            (Self::Text, Value::String(text)) => text.len() <= Name::MAX_BYTES,
            (Self::Age, Value::String(age)) => {
                let digits = age.strip_suffix(['Y', 'M', 'D', 'h', 'm', 's']);
                digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
            }
            (Self::Alert, Value::Object(parts)) => {
                let known = |(name, value): (&String, &Value)| {
                    matches!(name.as_str(), "count" | "age-s") && value.as_u64().is_some_and(|n| n >= 1)
                };
                !parts.is_empty() && parts.iter().all(known)
            }
            _ => false,
        }
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
                Some(key) if !key.1.accepts(value) => {
                    let text = format!("{} is not a valid {}", printed(value), key.2);
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
            overflow: text("overflow").map(|word| match word {
                "reject-publish" => Overflow::RejectPublish,
                "reject-publish-dlx" => Overflow::RejectPublishDlx,
                _ => Overflow::DropHead,
            }),
            dead_letter_exchange: text("dead-letter-exchange").map(Name::from),
            dead_letter_routing_key: text("dead-letter-routing-key").map(Name::from),
            delivery_limit: definition.get("delivery-limit").and_then(Value::as_i64),
            alternate_exchange: text("alternate-exchange").map(Name::from),
            dead_letter_alert: definition.get("dead-letter-alert").map(DeadLetterAlert::read),
        }
    }
}

fn known(name: &str, kind: PolicyKind) -> Option<&'static Key> {
    let mut keys = KEYS.iter();
    keys.find(|key| key.0 == name && (key.3 || kind == PolicyKind::User))
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
