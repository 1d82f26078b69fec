//! Arguments of queues and exchanges: what they mean, which values they take, when two declarations agree.
//!
//! Rules and wording: RabbitMQ, "Queues" and "Declaration with a Non-equivalent Queue"; the reply texts are those that
//! a RabbitMQ sends, since clients match on them.

use crate::model::{AmqpError, FieldTable, FieldValue, Millis, ReplyCode};
use crate::queue::{DeadLetterTarget, Overflow, QueueOptions};

use super::queue_cell::QueueDeclaration;

/// The longest time that RabbitMQ takes for a TTL or an expiry: ten years, in milliseconds.
pub const MAX_TIMER_MS: Millis = 315_360_000_000;

/// Arguments that a second declaration of the same queue must repeat.
const QUEUE_ARGUMENTS: [&str; 14] = [
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-message-ttl",
    "x-overflow",
    "x-queue-mode",
    "x-queue-type",
    "x-queue-version",
    "x-single-active-consumer",
];

/// How a reply text names something: `queue 'orders' in vhost '/'`.
pub fn resource(kind: &str, name: &str, vhost: &str) -> String {
    format!("{kind} '{name}' in vhost '{vhost}'")
}

/// Arguments that only quorum queues take, and those that they do not take (RabbitMQ: "Quorum Queues").
const QUORUM_ONLY: [&str; 3] = [
    "x-delivery-limit",
    "x-dead-letter-strategy",
    "x-quorum-initial-group-size",
];
const NOT_QUORUM: [&str; 3] = ["x-max-priority", "x-queue-mode", "x-queue-version"];

/// Reads the settings out of a queue's declaration, or says which argument or property is wrong.
///
/// Arguments are looked at in the order of their names, so that of two faults the one is named that RabbitMQ names.
pub fn queue_options(declaration: &QueueDeclaration, resource: &str) -> Result<QueueOptions, AmqpError> {
    let arguments = &declaration.arguments;
    let reader = Reader { arguments, resource };
    let quorum = reader.queue_type()? == Some("quorum");
    if quorum {
        reader.check_quorum(declaration)?;
    }
    reader.check_type(quorum)?;
    let dead_letter_exchange = reader.exchange("x-dead-letter-exchange")?;
    let dead_letter_key = reader.text("x-dead-letter-routing-key")?;
    if dead_letter_key.is_some() && dead_letter_exchange.is_none() {
        return Err(reader.refuse("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined"));
    }
    let strategies = ["at-most-once", "at-least-once"];
    reader.one_of("x-dead-letter-strategy", &strategies, |_| {
        "invalid_dlx_strategy".to_owned()
    })?;
    let delivery_limit = match reader.delivery_limit()? {
        Some(-1) => None,
        Some(limit) => u32::try_from(limit).ok(),
        // RabbitMQ 4.0: quorum queues return a message 20 times at most.
        None => quorum.then_some(20),
    };
    let expires_ms = reader.timer("x-expires", 1)?;
    let max_length = reader.integer("x-max-length", 0, i64::MAX)?.map(|n| n as u64);
    let max_length_bytes = reader.integer("x-max-length-bytes", 0, i64::MAX)?.map(|n| n as u64);
    let max_priority = reader.integer("x-max-priority", 0, 255)?;
    let message_ttl_ms = reader.timer("x-message-ttl", 0)?;
    let overflow = reader.overflow()?;
    reader.one_of("x-queue-mode", &["default", "lazy"], |mode| {
        format!("\"unsupported queue mode '{mode}'\"")
    })?;
    reader.queue_version()?;
    Ok(QueueOptions {
        durable: declaration.is_kept(),
        message_ttl_ms,
        expires_ms,
        max_length,
        max_length_bytes,
        overflow,
        max_priority: max_priority.and_then(|n| u8::try_from(n).ok()).filter(|n| *n > 0),
        single_active_consumer: reader.boolean("x-single-active-consumer")?.unwrap_or(false),
        delivery_limit,
        dead_letter: dead_letter_exchange.map(|exchange| DeadLetterTarget {
            exchange: exchange.into(),
            routing_key: dead_letter_key.map(Into::into),
        }),
    })
}

/// Checks a new declaration of a queue against the arguments that it has.
pub fn check_same_queue_arguments(current: &FieldTable, given: &FieldTable, resource: &str) -> Result<(), AmqpError> {
    QUEUE_ARGUMENTS
        .iter()
        .filter(|name| !(**name == "x-queue-type" && is_classic(current) && is_classic(given)))
        .try_for_each(|name| check_same_argument(name, current.get(name), given.get(name), resource))
}

/// A queue is classic unless it says otherwise.
fn is_classic(arguments: &FieldTable) -> bool {
    matches!(
        arguments.get("x-queue-type").map(FieldValue::as_text),
        None | Some(Some("classic"))
    )
}

/// Checks one argument of a new declaration against the one that stands.
pub fn check_same_argument(
    name: &str,
    current: Option<&FieldValue>,
    given: Option<&FieldValue>,
    resource: &str,
) -> Result<(), AmqpError> {
    let same = match (current, given) {
        (None, None) => true,
        (Some(a), Some(b)) => same_value(a, b),
        _ => false,
    };
    if same {
        return Ok(());
    }
    Err(inequivalent(
        name,
        resource,
        &shown(given, current),
        &shown(current, given),
    ))
}

/// Checks a plain property, such as `durable`.
pub fn check_same_flag(name: &str, current: bool, given: bool, resource: &str) -> Result<(), AmqpError> {
    if current == given {
        return Ok(());
    }
    Err(inequivalent(
        name,
        resource,
        &format!("'{given}'"),
        &format!("'{current}'"),
    ))
}

/// The 406 for a declaration that contradicts what stands.
pub fn inequivalent(name: &str, resource: &str, given: &str, current: &str) -> AmqpError {
    AmqpError::channel(
        ReplyCode::PreconditionFailed,
        format_args!("inequivalent arg '{name}' for {resource}: received {given} but current is {current}"),
    )
}

fn same_value(a: &FieldValue, b: &FieldValue) -> bool {
    let float = |value: &FieldValue| match *value {
        FieldValue::F32(v) => Some(f64::from(v)),
        FieldValue::F64(v) => Some(v),
        _ => None,
    };
    match (a.as_integer(), b.as_integer(), float(a), float(b)) {
        (Some(a), Some(b), ..) => a == b,
        (_, _, Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn shown(value: Option<&FieldValue>, other: Option<&FieldValue>) -> String {
    match (value, other) {
        (None, _) => "none".to_owned(),
        (Some(value), Some(_)) => format!("'{}'", plain(value)),
        (Some(value), None) => format!("the value '{}' of type '{}'", plain(value), value.type_name()),
    }
}

fn plain(value: &FieldValue) -> String {
    match value {
        FieldValue::Bool(v) => v.to_string(),
        FieldValue::F32(v) => format!("{v:?}"),
        FieldValue::F64(v) => format!("{v:?}"),
        FieldValue::LongString(v) | FieldValue::Bytes(v) => String::from_utf8_lossy(v).into_owned(),
        FieldValue::Timestamp(v) => v.to_string(),
        FieldValue::Decimal(scale, v) => format!("{{{scale},{v}}}"),
        FieldValue::Void => "undefined".to_owned(),
        FieldValue::Array(_) | FieldValue::Table(_) => "...".to_owned(),
        other => other.as_integer().map(|n| n.to_string()).unwrap_or_default(),
    }
}

struct Reader<'a> {
    arguments: &'a FieldTable,
    resource: &'a str,
}

impl<'a> Reader<'a> {
    fn refuse(&self, name: &str, reason: impl std::fmt::Display) -> AmqpError {
        AmqpError::channel(
            ReplyCode::PreconditionFailed,
            format_args!("invalid arg '{name}' for {}: {reason}", self.resource),
        )
    }

    fn wrong_type(&self, name: &str, value: &FieldValue) -> AmqpError {
        self.refuse(name, format_args!("{{unacceptable_type,{}}}", value.type_name()))
    }

    /// An integer from `least` to `most`.
    fn integer(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, AmqpError> {
        let Some(value) = self.arguments.get(name) else {
            return Ok(None);
        };
        let number = value.as_integer().ok_or_else(|| {
            let got = value.type_name();
            self.refuse(name, format_args!("\"expected integer, got {got}\""))
        })?;
        let fault = match number {
            n if n < 0 => "value_negative",
            n if n < least => "value_zero",
            n if n > most && most == MAX_TIMER_MS as i64 => "value_too_large",
            n if n > most => "max_value_exceeded",
            _ => return Ok(Some(number)),
        };
        Err(self.refuse(name, format_args!("{{{fault},{number}}}")))
    }

    /// RabbitMQ 4: -1 takes the limit of quorum queues away.
    fn delivery_limit(&self) -> Result<Option<i64>, AmqpError> {
        match self.arguments.get("x-delivery-limit").and_then(FieldValue::as_integer) {
            Some(-1) => Ok(Some(-1)),
            _ => self.integer("x-delivery-limit", 0, i64::from(u32::MAX)),
        }
    }

    fn timer(&self, name: &str, least: i64) -> Result<Option<Millis>, AmqpError> {
        Ok(self.integer(name, least, MAX_TIMER_MS as i64)?.map(|n| n as Millis))
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>, AmqpError> {
        match self.arguments.get(name) {
            None => Ok(None),
            Some(FieldValue::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(self.wrong_type(name, other)),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, AmqpError> {
        match self.arguments.get(name) {
            None => Ok(None),
            Some(value) => value.as_text().map(Some).ok_or_else(|| self.wrong_type(name, value)),
        }
    }

    fn exchange(&self, name: &str) -> Result<Option<&'a str>, AmqpError> {
        match self.arguments.get(name) {
            None => Ok(None),
            Some(value) => match value.as_text() {
                Some(text) => Ok(Some(text)),
                None => Err(wrong_exchange_type(name, value, self.resource)),
            },
        }
    }

    fn one_of(
        &self,
        name: &str,
        words: &[&str],
        otherwise: impl FnOnce(&str) -> String,
    ) -> Result<Option<&'a str>, AmqpError> {
        match self.text(name)? {
            Some(word) if !words.contains(&word) => Err(self.refuse(name, otherwise(word))),
            word => Ok(word),
        }
    }

    fn overflow(&self) -> Result<Overflow, AmqpError> {
        let words = ["drop-head", "reject-publish", "reject-publish-dlx"];
        let word = self.one_of("x-overflow", &words, |_| "invalid_overflow".to_owned())?;
        Ok(match word {
            Some("reject-publish") => Overflow::RejectPublish,
            Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
            _ => Overflow::DropHead,
        })
    }

    fn queue_type(&self) -> Result<Option<&'a str>, AmqpError> {
        self.one_of("x-queue-type", &["classic", "quorum"], |kind| {
            format!("\"unsupported queue type '{kind}'\"")
        })
    }

    fn queue_version(&self) -> Result<(), AmqpError> {
        match self.integer("x-queue-version", 0, i64::MAX)? {
            None | Some(1 | 2) => Ok(()),
            Some(other) => Err(self.refuse(
                "x-queue-version",
                format_args!("\"unsupported queue version '{other}'\""),
            )),
        }
    }

    /// A quorum queue is durable and belongs to nobody.
    fn check_quorum(&self, declaration: &QueueDeclaration) -> Result<(), AmqpError> {
        let property = match declaration {
            QueueDeclaration { durable: false, .. } => "non-durable",
            QueueDeclaration { auto_delete: true, .. } => "auto-delete",
            QueueDeclaration { owner: Some(_), .. } => "exclusive-owner",
            _ => return Ok(()),
        };
        Err(AmqpError::channel(
            ReplyCode::PreconditionFailed,
            format_args!("invalid property '{property}' for {}", self.resource),
        ))
    }

    /// Arguments of the other queue type are refused.
    fn check_type(&self, quorum: bool) -> Result<(), AmqpError> {
        let (refused, kind) = if quorum {
            (NOT_QUORUM, "rabbit_quorum_queue")
        } else {
            (QUORUM_ONLY, "rabbit_classic_queue")
        };
        match refused.iter().find(|name| self.arguments.get(name).is_some()) {
            None => Ok(()),
            Some(name) => Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!("invalid arg '{name}' for {} of queue type {kind}", self.resource),
            )),
        }
    }
}

/// The 406 for an exchange named by something that is no text.
pub fn wrong_exchange_type(name: &str, value: &FieldValue, resource: &str) -> AmqpError {
    AmqpError::channel(
        ReplyCode::PreconditionFailed,
        format_args!("invalid type '{}' for arg '{name}' in {resource}", value.type_name()),
    )
}
