//! Whether a second declaration says the same as the first (RabbitMQ: "Declaration with a Non-equivalent Queue").

use crate::model::argument::QUEUE;
use crate::model::{AmqpError, FieldTable, FieldValue, ReplyCode};

/// Checks a new declaration of a queue against the arguments that it has.
pub fn check_same_queue_arguments(current: &FieldTable, given: &FieldTable, resource: &str) -> Result<(), AmqpError> {
    let repeated = QUEUE.iter().filter(|argument| argument.repeated);
    repeated
        .filter_map(|argument| argument.name)
        .filter(|name| !(*name == "x-queue-type" && is_classic(current) && is_classic(given)))
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
