//! Why a declaration or a binding is refused. The texts are RabbitMQ's where it has one; the broker puts the reply
//! code before them, and for a missing name its own text with the virtual host.

use super::binding::DestinationName;
use crate::model::{FieldValue, Name};

/// Why an exchange cannot be declared so (406 PRECONDITION_FAILED).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// `hash-property` names a property that cannot be hashed.
    #[error("Unsupported property: {0}")]
    HashProperty(String),
    /// `hash-header` and `hash-property` at once.
    #[error("hash-header and hash-property are mutually exclusive")]
    HashArguments,
    /// `x-delayed-type` is missing or names no exchange type that can be delayed.
    #[error("Invalid argument, 'x-delayed-type' must be an existing exchange type")]
    DelayedType,
    /// An argument is no long string. RabbitMQ goes on with ` in exchange 'x' in vhost '/'`.
    #[error("invalid type '{type_name}' for arg '{argument}'")]
    ArgumentType {
        /// The argument.
        argument: &'static str,
        /// RabbitMQ's name of the type that came.
        type_name: &'static str,
    },
}

impl DeclareError {
    pub(super) fn argument_type(argument: &'static str, value: &FieldValue) -> Self {
        Self::ArgumentType {
            argument,
            type_name: value.type_name(),
        }
    }
}

/// Why two things cannot be bound so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// There is no such source exchange (404 NOT_FOUND).
    #[error("no exchange '{0}'")]
    NoSource(Name),
    /// There is no such destination exchange (404 NOT_FOUND).
    #[error("no {} '{}'", .0.kind(), .0.name())]
    NoDestination(DestinationName),
    /// `x-match` names no mode (406 PRECONDITION_FAILED).
    #[error("Invalid x-match field value {}; expected all, any, all-with-x, or any-with-x", binary(.0))]
    MatchMode(String),
    /// `x-match` is no long string (406 PRECONDITION_FAILED).
    #[error("Invalid x-match field type {type_name} (value {value}); expected longstr")]
    MatchType {
        /// RabbitMQ's name of the type that came.
        type_name: &'static str,
        /// The value that came, as RabbitMQ prints it.
        value: String,
    },
    /// The weight of a consistent hash binding is no number (406 PRECONDITION_FAILED).
    #[error("The binding key must be an integer: {}", binary(.0))]
    WeightNotInteger(String),
    /// The weight of a consistent hash binding is less than 1 (406 PRECONDITION_FAILED).
    #[error("The binding key must be greater than 0")]
    WeightNotPositive,
    /// There are 2^32 - 1 bindings (506 RESOURCE_ERROR).
    #[error("the virtual host can hold no more bindings")]
    TooMany,
}

impl BindError {
    pub(super) fn match_type(value: &FieldValue) -> Self {
        Self::MatchType {
            type_name: value.type_name(),
            value: printed(value),
        }
    }
}

/// The value as RabbitMQ prints it; containers only by their length.
fn printed(value: &FieldValue) -> String {
    match value {
        FieldValue::Bool(v) => v.to_string(),
        FieldValue::F32(v) => format!("{v:?}"),
        FieldValue::F64(v) => format!("{v:?}"),
        FieldValue::Decimal(scale, v) => format!("{{{scale},{v}}}"),
        FieldValue::LongString(v) | FieldValue::Bytes(v) => format!("<<\"{}\">>", String::from_utf8_lossy(v)),
        FieldValue::Array(v) => format!("[{} values]", v.len()),
        FieldValue::Table(v) => format!("[{} fields]", v.len()),
        FieldValue::Timestamp(v) => v.to_string(),
        FieldValue::Void => "undefined".to_owned(),
        other => other.as_integer().unwrap_or_default().to_string(),
    }
}

/// A text as RabbitMQ prints its bytes.
fn binary(text: &str) -> String {
    match text {
        "" => "<<>>".to_owned(),
        text => format!("<<\"{text}\">>"),
    }
}
