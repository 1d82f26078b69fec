//! The optional arguments of queues and the settings of policies that have a
//! meaning, with their types and ranges (RabbitMQ: queues.html, policies.html).
//! Arguments that nobody knows are let through, as RabbitMQ does; settings of
//! a policy that nobody knows are refused, as RabbitMQ does.

use super::arguments::{ArgumentValue, Arguments};
use super::entries::EntryTable;
use super::reader::{Reader, closest};
use super::setting::Setting;

enum Rule {
    Integer(i64, i64),
    OneOf(&'static [&'static str]),
    Text,
    Boolean,
    /// A number and one of Y, M, D, h, m, s.
    Age,
    /// A table with `count`, `age-s` or both, each at least 1.
    Alert,
}

struct Known {
    /// Without `x-`.
    name: &'static str,
    rule: Rule,
    argument: bool,
    policy: bool,
}

const fn both(name: &'static str, rule: Rule) -> Known {
    Known {
        name,
        rule,
        argument: true,
        policy: true,
    }
}

const fn argument(name: &'static str, rule: Rule) -> Known {
    Known {
        name,
        rule,
        argument: true,
        policy: false,
    }
}

const fn policy(name: &'static str, rule: Rule) -> Known {
    Known {
        name,
        rule,
        argument: false,
        policy: true,
    }
}

/// Ten years: a longer time is surely one in another unit.
const LONGEST_MS: i64 = 315_360_000_000;

const KNOWN: &[Known] = &[
    both("message-ttl", Rule::Integer(0, LONGEST_MS)),
    both("expires", Rule::Integer(1, LONGEST_MS)),
    both("max-length", Rule::Integer(0, i64::MAX)),
    both("max-length-bytes", Rule::Integer(0, i64::MAX)),
    both(
        "overflow",
        Rule::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"]),
    ),
    both("dead-letter-exchange", Rule::Text),
    both("dead-letter-routing-key", Rule::Text),
    both("dead-letter-strategy", Rule::OneOf(&["at-most-once", "at-least-once"])),
    both("delivery-limit", Rule::Integer(-1, i64::MAX)),
    both("consumer-timeout", Rule::Integer(0, LONGEST_MS)),
    both("max-age", Rule::Age),
    both("stream-max-segment-size-bytes", Rule::Integer(0, i64::MAX)),
    both("queue-leader-locator", Rule::OneOf(&["client-local", "balanced"])),
    both("queue-mode", Rule::OneOf(&["default", "lazy"])),
    both("queue-version", Rule::Integer(1, 2)),
    argument("max-priority", Rule::Integer(1, 255)),
    argument("queue-type", Rule::OneOf(&["classic", "quorum", "stream"])),
    argument("single-active-consumer", Rule::Boolean),
    argument("quorum-initial-group-size", Rule::Integer(1, i64::MAX)),
    argument("initial-cluster-size", Rule::Integer(1, i64::MAX)),
    policy("alternate-exchange", Rule::Text),
    policy("dead-letter-alert", Rule::Alert),
];

impl Rule {
    fn accepts(&self, value: &ArgumentValue) -> bool {
        match (self, value) {
            (Rule::Integer(least, most), ArgumentValue::Integer(number)) => (*least..=*most).contains(number),
            (Rule::OneOf(names), ArgumentValue::String(name)) => names.contains(&name.as_str()),
            (Rule::Text, ArgumentValue::String(name)) => name.len() <= 255,
            (Rule::Boolean, ArgumentValue::Boolean(_)) => true,
            (Rule::Age, ArgumentValue::String(age)) => {
                let digits = age.strip_suffix(['Y', 'M', 'D', 'h', 'm', 's']);
                digits.is_some_and(|digits| digits.parse::<u32>().is_ok())
            }
            (Rule::Alert, ArgumentValue::Table(parts)) => {
                let known = |(name, value): (&String, &ArgumentValue)| {
                    let enough = matches!(value, ArgumentValue::Integer(number) if *number >= 1);
                    matches!(name.as_str(), "count" | "age-s") && enough
                };
                !parts.is_empty() && parts.iter().all(known)
            }
            _ => false,
        }
    }

    fn expects(&self) -> String {
        match self {
            Rule::Integer(least, i64::MAX) => format!("an integer of at least {least}"),
            Rule::Integer(least, most) => format!("an integer from {least} to {most}"),
            Rule::OneOf(names) => {
                let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Rule::Text => "a string of at most 255 bytes".into(),
            Rule::Boolean => "true or false".into(),
            Rule::Age => "a number and one of Y, M, D, h, m, s, such as \"7D\"".into(),
            Rule::Alert => "{ count = 100, age-s = 3600 }, or one of the two, of at least 1".into(),
        }
    }
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
    rule: &Rule,
    reader: &mut Reader,
) {
    if !rule.accepts(value) {
        let message = format!("expected {}, found {}", rule.expects(), value.show());
        refuse(entry, table, name, message, None, reader);
    }
}

/// Checks the arguments of a queue.
pub(crate) fn check_queue(arguments: &Arguments, entry: &EntryTable<'_>, reader: &mut Reader) {
    for known in KNOWN.iter().filter(|known| known.argument) {
        let name = format!("x-{}", known.name);
        if let Some(value) = arguments.get(&name) {
            check_value(entry, "arguments", &name, value, &known.rule, reader);
        }
    }
    let (key, exchange) = ("x-dead-letter-routing-key", "x-dead-letter-exchange");
    if arguments.contains_key(key) && !arguments.contains_key(exchange) {
        refuse(entry, "arguments", key, format!("needs {exchange}"), None, reader);
    }
    let queue_type = arguments.get("x-queue-type").and_then(ArgumentValue::as_str);
    let overflow = arguments.get("x-overflow").and_then(ArgumentValue::as_str);
    if let (Some(kind @ ("quorum" | "stream")), Some("reject-publish-dlx")) = (queue_type, overflow) {
        let message = format!("\"reject-publish-dlx\" is not for a {kind} queue");
        refuse(entry, "arguments", "x-overflow", message, None, reader);
    }
}

/// Checks the definition of a policy.
pub(crate) fn check_policy(definition: &Arguments, entry: &EntryTable<'_>, reader: &mut Reader) {
    let names = || KNOWN.iter().filter(|known| known.policy);
    for (name, value) in definition {
        match names().find(|known| known.name == name) {
            Some(known) => check_value(entry, "definition", name, value, &known.rule, reader),
            None => {
                let near = closest(name, names().map(|known| known.name));
                let hint = near.map(|near| format!("did you mean {near}?"));
                let message = "no setting of a policy".to_owned();
                refuse(entry, "definition", name, message, hint, reader);
            }
        }
    }
}
