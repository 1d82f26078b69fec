//! The optional arguments of queues and exchanges and the settings of policies that have a meaning, checked by the
//! tables of [`argument`](crate::model::argument). Arguments that nobody knows are let through, as RabbitMQ does;
//! settings of a policy that nobody knows are refused, as RabbitMQ does.

use crate::model::argument::{self, Argument, QueueKinds, Takes};

use super::arguments::{ArgumentValue, Arguments};
use super::entries::EntryTable;
use super::reader::{Reader, closest};
use super::setting::Setting;

fn accepts(takes: Takes, value: &ArgumentValue) -> bool {
    match (takes, value) {
        (Takes::Integer(least, most), ArgumentValue::Integer(number)) => (least..=most).contains(number),
        (Takes::Timer(least), ArgumentValue::Integer(number)) => {
            (least..=argument::MAX_TIMER_MS as i64).contains(number)
        }
        (Takes::OneOfIntegers(numbers, _), ArgumentValue::Integer(number)) => numbers.contains(number),
        (Takes::Positive, ArgumentValue::Integer(number)) => *number > 0,
        (Takes::Positive, ArgumentValue::String(text)) => text.parse::<u64>().is_ok_and(|number| number > 0),
        (Takes::OneOf(words, _), ArgumentValue::String(word)) => words.contains(&word.as_str()),
        (Takes::Text | Takes::Exchange, ArgumentValue::String(name)) => name.len() <= 255,
        (Takes::Header, ArgumentValue::String(name)) => (1..=255).contains(&name.len()),
        (Takes::Boolean | Takes::Switch, ArgumentValue::Boolean(_)) => true,
        (Takes::Switch, ArgumentValue::String(word)) => matches!(word.as_str(), "true" | "false"),
        (Takes::Age, ArgumentValue::String(age)) => {
            let digits = age.strip_suffix(['Y', 'M', 'D', 'h', 'm', 's']);
            digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
        }
        (Takes::Alert, ArgumentValue::Table(parts)) => {
            let known = |(name, value): (&String, &ArgumentValue)| {
                let enough = matches!(value, ArgumentValue::Integer(number) if *number >= 1);
                matches!(name.as_str(), "count" | "age-s") && enough
            };
            !parts.is_empty() && parts.iter().all(known)
        }
        // The broker reads these; it refuses a wrong one before anything is declared.
        (Takes::Delays, ArgumentValue::String(_)) | (Takes::Texts, ArgumentValue::Array(_)) | (Takes::Any, _) => true,
        _ => false,
    }
}

fn expects(takes: Takes) -> String {
    match takes {
        Takes::Integer(least, i64::MAX) => format!("an integer of at least {least}"),
        Takes::Integer(least, most) => format!("an integer from {least} to {most}"),
        Takes::Timer(least) => format!("an integer from {least} to {}", argument::MAX_TIMER_MS),
        Takes::OneOf(words, _) => one_of(words.iter().map(|word| format!("{word:?}"))),
        Takes::OneOfIntegers(numbers, _) => one_of(numbers.iter().map(i64::to_string)),
        Takes::Positive => "an integer of at least 1".into(),
        Takes::Text | Takes::Exchange => "a string of at most 255 bytes".into(),
        Takes::Header => "a string of 1 to 255 bytes".into(),
        Takes::Boolean | Takes::Switch => "true or false".into(),
        Takes::Age => "a number and one of Y, M, D, h, m, s, such as \"7D\"".into(),
        Takes::Alert => "{ count = 100, age-s = 3600 }, or one of the two, of at least 1".into(),
        Takes::Delays => "delays such as \"1s,10s,1m\"".into(),
        Takes::Texts => "a list of strings".into(),
        Takes::Any => "any value".into(),
    }
}

fn one_of(words: impl Iterator<Item = String>) -> String {
    format!("one of {}", words.collect::<Vec<_>>().join(", "))
}

/// Reports that an argument in the table under `table` is wrong.
fn refuse(entry: &EntryTable<'_>, table: &str, name: &str, message: String, hint: Option<String>, reader: &mut Reader) {
    let at = entry.place_within(table, name);
    reader.key(table, |reader| {
        reader.key(name, |reader| reader.fault_with_hint(at, message, hint));
    });
}

fn check_value(
    entry: &EntryTable<'_>,
    table: &str,
    name: &str,
    value: &ArgumentValue,
    takes: Takes,
    reader: &mut Reader,
) {
    if !accepts(takes, value) {
        let message = format!("expected {}, found {}", expects(takes), value.show());
        refuse(entry, table, name, message, None, reader);
    }
}

/// Checks those of `table` that are given.
fn check_given(table: &[Argument], arguments: &Arguments, entry: &EntryTable<'_>, reader: &mut Reader) {
    for known in table {
        let Some(name) = known.name else { continue };
        if let Some(value) = arguments.get(name) {
            check_value(entry, "arguments", name, value, known.takes, reader);
        }
    }
}

/// Checks the arguments of an exchange.
pub(crate) fn check_exchange(arguments: &Arguments, entry: &EntryTable<'_>, reader: &mut Reader) {
    check_given(argument::EXCHANGE, arguments, entry, reader);
}

/// Checks the arguments of a queue.
pub(crate) fn check_queue(arguments: &Arguments, entry: &EntryTable<'_>, reader: &mut Reader) {
    check_given(argument::QUEUE, arguments, entry, reader);
    let queue_type = arguments.get("x-queue-type").and_then(ArgumentValue::as_str);
    check_kinds(arguments, queue_type == Some("quorum"), entry, reader);
    let (key, exchange) = ("x-dead-letter-routing-key", "x-dead-letter-exchange");
    if arguments.contains_key(key) && !arguments.contains_key(exchange) {
        refuse(entry, "arguments", key, format!("needs {exchange}"), None, reader);
    }
    let overflow = arguments.get("x-overflow").and_then(ArgumentValue::as_str);
    if let (Some("quorum"), Some("reject-publish-dlx")) = (queue_type, overflow) {
        let message = "\"reject-publish-dlx\" is not for a quorum queue".to_owned();
        refuse(entry, "arguments", "x-overflow", message, None, reader);
    }
}

/// Reports arguments of another type of queues.
fn check_kinds(arguments: &Arguments, quorum: bool, entry: &EntryTable<'_>, reader: &mut Reader) {
    for known in argument::QUEUE.iter().filter(|known| !known.kinds.covers(quorum)) {
        let Some(name) = known.name.filter(|name| arguments.contains_key(*name)) else {
            continue;
        };
        let message = match known.kinds {
            QueueKinds::Stream => "is for a stream, and there are no streams",
            QueueKinds::Quorum => "is for a quorum queue; write x-queue-type = \"quorum\" beside it",
            QueueKinds::Classic | QueueKinds::All => "is not for a quorum queue",
        };
        refuse(entry, "arguments", name, message.to_owned(), None, reader);
    }
}

/// Checks the definition of a policy, or of an operator policy.
pub(crate) fn check_policy(definition: &Arguments, operator: bool, entry: &EntryTable<'_>, reader: &mut Reader) {
    let keys = || argument::policy_keys().filter(|(key, _)| key.operator || !operator);
    for (name, value) in definition {
        match keys().find(|(key, _)| key.name == name) {
            Some((_, known)) => check_value(entry, "definition", name, value, known.takes, reader),
            None => {
                let near = closest(name, keys().map(|(key, _)| key.name));
                let hint = near.map(|near| format!("did you mean {near}?"));
                let kind = if operator { "an operator policy" } else { "a policy" };
                refuse(entry, "definition", name, format!("no setting of {kind}"), hint, reader);
            }
        }
    }
}
