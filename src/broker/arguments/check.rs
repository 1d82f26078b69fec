//! Whether an argument has a value that it takes, and RabbitMQ's text where it has not.

use std::fmt::Display;

use crate::model::argument::{Argument, MAX_TIMER_MS, Takes};
use crate::model::{AmqpError, FieldTable, FieldValue, Millis, Name, ReplyCode};

use super::wrong_exchange_type;

/// How many retries a queue may have.
const MAX_RETRIES: usize = 100;

/// The 406 for an argument whose value its queue or exchange does not take.
pub(super) fn refuse(name: &str, resource: &str, reason: impl Display) -> AmqpError {
    AmqpError::channel(
        ReplyCode::PreconditionFailed,
        format_args!("invalid arg '{name}' for {resource}: {reason}"),
    )
}

/// The 406 for an argument of a plug-in, in the plug-in's words.
fn invalid(name: &str, expected: &str) -> AmqpError {
    AmqpError::channel(
        ReplyCode::PreconditionFailed,
        format_args!("Invalid argument, '{name}' must be {expected}"),
    )
}

/// Checks the value of an argument, if it is given.
pub(super) fn check(argument: &Argument, arguments: &FieldTable, resource: &str) -> Result<(), AmqpError> {
    let Some(name) = argument.name else {
        return Ok(());
    };
    match arguments.get(name) {
        Some(value) => check_value(name, argument.takes, value, resource),
        None => Ok(()),
    }
}

fn check_value(name: &str, takes: Takes, value: &FieldValue, resource: &str) -> Result<(), AmqpError> {
    let refused = |reason: String| Err(refuse(name, resource, reason));
    let wrong_type = || refused(format!("{{unacceptable_type,{}}}", value.type_name()));
    match takes {
        Takes::Integer(..) | Takes::Timer(_) => check_range(name, takes, value, resource),
        Takes::OneOfIntegers(numbers, otherwise) => match value.as_integer() {
            Some(number) if numbers.contains(&number) => Ok(()),
            Some(number) if number >= 0 => refused(otherwise.replace("{}", &number.to_string())),
            _ => check_range(name, Takes::Integer(0, i64::MAX), value, resource),
        },
        Takes::Boolean => match value {
            FieldValue::Bool(_) => Ok(()),
            _ => wrong_type(),
        },
        Takes::Text => match value.as_text() {
            Some(_) => Ok(()),
            None => wrong_type(),
        },
        Takes::Exchange => match value.as_text() {
            Some(_) => Ok(()),
            None => Err(wrong_exchange_type(name, value, resource)),
        },
        // Those without a text of their own are a plug-in's.
        Takes::OneOf(words, "") => match value.as_text() {
            Some(word) if words.contains(&word) => Ok(()),
            _ => Err(invalid(name, &either(words))),
        },
        Takes::OneOf(words, otherwise) => match value.as_text() {
            Some(word) if words.contains(&word) => Ok(()),
            Some(word) => refused(otherwise.replace("{}", word)),
            None => wrong_type(),
        },
        Takes::Header => match value.as_text() {
            Some(header) if (1..=Name::MAX_BYTES).contains(&header.len()) => Ok(()),
            _ => Err(invalid(name, "a string of 1 to 255 bytes")),
        },
        Takes::Switch => switch(value).map(|_| ()).ok_or_else(|| invalid(name, "a boolean")),
        Takes::Positive => positive(value)
            .map(|_| ())
            .ok_or_else(|| invalid(name, "an integer greater than 0")),
        Takes::Delays => match value.as_text() {
            Some(text) => delays(text).map(|_| ()).or_else(refused),
            None => wrong_type(),
        },
        // An alert is said by policies only.
        Takes::Age | Takes::Texts | Takes::Any | Takes::Alert => Ok(()),
    }
}

fn check_range(name: &str, takes: Takes, value: &FieldValue, resource: &str) -> Result<(), AmqpError> {
    let (least, most, too_much) = match takes {
        Takes::Timer(least) => (least, MAX_TIMER_MS as i64, "value_too_large"),
        Takes::Integer(least, most) => (least, most, "max_value_exceeded"),
        _ => return Ok(()),
    };
    let Some(number) = value.as_integer() else {
        let reason = format!("\"expected integer, got {}\"", value.type_name());
        return Err(refuse(name, resource, reason));
    };
    let fault = match number {
        n if n < least && n < 0 => "value_negative",
        n if n < least => "value_zero",
        n if n > most => too_much,
        _ => return Ok(()),
    };
    Err(refuse(name, resource, format_args!("{{{fault},{number}}}")))
}

fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!("either {}", quoted.join(" or "))
}

/// `true` or `false`, also in words.
pub(in crate::broker) fn switch(value: &FieldValue) -> Option<bool> {
    match value {
        FieldValue::Bool(on) => Some(*on),
        other => match other.as_text()? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
    }
}

/// An integer above 0, as a number or in text.
pub(in crate::broker) fn positive(value: &FieldValue) -> Option<u64> {
    let number = value.as_integer().or_else(|| value.as_text()?.parse().ok())?;
    u64::try_from(number).ok().filter(|number| *number > 0)
}

/// The delays of `x-retry-delays`, or what is wrong with them.
pub(super) fn delays(text: &str) -> Result<Vec<Millis>, String> {
    let delays: Option<Vec<Millis>> = text.split(',').map(|delay| duration_ms(delay.trim())).collect();
    match delays {
        Some(delays) if delays.len() <= MAX_RETRIES => Ok(delays),
        Some(delays) => Err(format!(
            "\"expected at most {MAX_RETRIES} delays, got {}\"",
            delays.len()
        )),
        None => Err(format!(
            "\"expected delays such as '1s,10s,1m' (units ms, s, m, h, d), got '{text}'\""
        )),
    }
}

/// A duration such as `10s`: at least 1 ms, at most what a timer takes.
fn duration_ms(text: &str) -> Option<Millis> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let ms = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=MAX_TIMER_MS).contains(&ms).then_some(ms)
}
