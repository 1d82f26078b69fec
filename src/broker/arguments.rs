//! Arguments of queues and exchanges: what they mean, which values they take, when two declarations agree.
//!
//! Which there are and what they take stands in [`argument`]; here is what follows from them. Rules
//! and wording: RabbitMQ, "Queues"; the reply texts are those that a RabbitMQ sends, since clients match on them.

mod agree;
mod check;

use crate::model::argument::{self, QUEUE};
use crate::model::{AmqpError, FieldTable, FieldValue, Millis, Name, ReplyCode};
use crate::queue::{DeadLetterTarget, Overflow, QueueOptions};
use crate::routing::{ExchangeKind, ExchangeSpec};

use super::deduplication::Deduplication;
use super::queue_cell::QueueDeclaration;

pub(super) use agree::{check_same_argument, check_same_flag, check_same_queue_arguments, inequivalent};
pub use argument::MAX_TIMER_MS;
pub(super) use check::{positive, switch};

/// The delays of a queue that only says that it retries.
const DEFAULT_RETRY_DELAYS: &str = "1s,10s,1m";

/// The header that has a message's group, unless `x-group-header` names another.
const DEFAULT_GROUP_HEADER: &str = "x-group-id";

/// The same argument as `x-group-header`, without its `x-`.
const GROUP_HEADER_ALIAS: &str = "group-header";

/// RabbitMQ 4.0: quorum queues return a message 20 times at most.
const QUORUM_DELIVERY_LIMIT: u32 = 20;

/// How a reply text names something: `queue 'orders' in vhost '/'`.
pub fn resource(kind: &str, name: &str, vhost: &str) -> String {
    format!("{kind} '{name}' in vhost '{vhost}'")
}

/// Reads the settings out of a queue's declaration, or says which argument or property is wrong.
///
/// Arguments are looked at in the order of their names, so that of two faults the one is named that RabbitMQ names.
pub fn queue_options(declaration: &QueueDeclaration, resource: &str) -> Result<QueueOptions, AmqpError> {
    let arguments = &declaration.arguments;
    let tracked = Deduplication::read(arguments)?.is_some();
    let quorum = is_quorum(arguments);
    check_queue_type(arguments, resource)?;
    if quorum {
        check_quorum(declaration, resource)?;
    }
    check_kinds(arguments, quorum, resource)?;
    for argument in QUEUE {
        check::check(argument, arguments, resource)?;
        check_company(argument.name.unwrap_or_default(), arguments, resource)?;
    }
    Ok(read_options(declaration, quorum, tracked))
}

/// The settings of a declaration that was found right.
fn read_options(declaration: &QueueDeclaration, quorum: bool, tracked: bool) -> QueueOptions {
    let arguments = Reader(&declaration.arguments);
    let delivery_limit = match arguments.integer("x-delivery-limit") {
        Some(limit) => u32::try_from(limit).ok(),
        None => quorum.then_some(QUORUM_DELIVERY_LIMIT),
    };
    let max_priority = arguments.count("x-max-priority").and_then(|n| u8::try_from(n).ok());
    QueueOptions {
        durable: declaration.is_kept(),
        message_ttl_ms: arguments.count("x-message-ttl"),
        expires_ms: arguments.count("x-expires"),
        max_length: arguments.count("x-max-length"),
        max_length_bytes: arguments.count("x-max-length-bytes"),
        overflow: overflow(arguments.text("x-overflow")),
        max_priority: max_priority.filter(|priority| *priority > 0),
        single_active_consumer: arguments.is_on("x-single-active-consumer") == Some(true),
        delivery_limit,
        tracked,
        delayed: false,
        dead_letter: arguments
            .text("x-dead-letter-exchange")
            .map(|exchange| DeadLetterTarget {
                exchange: exchange.into(),
                routing_key: arguments.text("x-dead-letter-routing-key").map(Into::into),
            }),
        retry_delays_ms: arguments.retry_delays(),
        message_group: arguments.message_group(),
        dead_letter_at_least_once: arguments.text("x-dead-letter-strategy") == Some(AT_LEAST_ONCE),
    }
}

/// The dead-letter strategy that keeps a message until every target has it.
pub(super) const AT_LEAST_ONCE: &str = "at-least-once";

/// What a queue does when it is full; without a word it drops its head.
pub(super) fn overflow(word: Option<&str>) -> Overflow {
    match word {
        Some("reject-publish") => Overflow::RejectPublish,
        Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
        _ => Overflow::DropHead,
    }
}

/// Whether these are the arguments of a quorum queue.
pub(super) fn is_quorum(arguments: &FieldTable) -> bool {
    arguments.get("x-queue-type").and_then(FieldValue::as_text) == Some("quorum")
}

fn check_queue_type(arguments: &FieldTable, resource: &str) -> Result<(), AmqpError> {
    match argument::of_queue("x-queue-type") {
        Some(kind) => check::check(kind, arguments, resource),
        None => Ok(()),
    }
}

/// A quorum queue is durable and belongs to nobody.
fn check_quorum(declaration: &QueueDeclaration, resource: &str) -> Result<(), AmqpError> {
    let property = match declaration {
        QueueDeclaration { durable: false, .. } => "non-durable",
        QueueDeclaration { auto_delete: true, .. } => "auto-delete",
        QueueDeclaration { owner: Some(_), .. } => "exclusive-owner",
        _ => return Ok(()),
    };
    Err(AmqpError::channel(
        ReplyCode::PreconditionFailed,
        format_args!("invalid property '{property}' for {resource}"),
    ))
}

/// Arguments of another queue type are refused.
fn check_kinds(arguments: &FieldTable, quorum: bool, resource: &str) -> Result<(), AmqpError> {
    let kind = match quorum {
        true => "rabbit_quorum_queue",
        false => "rabbit_classic_queue",
    };
    let mut known = arguments.iter().filter_map(|(name, _)| argument::of_queue(name));
    match known.find(|argument| !argument.kinds.covers(quorum)) {
        None => Ok(()),
        Some(argument) => Err(AmqpError::channel(
            ReplyCode::PreconditionFailed,
            format_args!(
                "invalid arg '{}' for {resource} of queue type {kind}",
                argument.name.unwrap_or_default()
            ),
        )),
    }
}

/// Arguments that need another one beside them.
fn check_company(name: &str, arguments: &FieldTable, resource: &str) -> Result<(), AmqpError> {
    let given = |name: &str| arguments.get(name).is_some();
    match name {
        "x-dead-letter-routing-key" if given(name) && !given("x-dead-letter-exchange") => {
            Err(check::refuse(name, resource, "routing_key_but_no_dlx_defined"))
        }
        "x-group-header" => {
            let given = [name, GROUP_HEADER_ALIAS].into_iter().find(|name| given(name));
            let Some(given) = given else { return Ok(()) };
            if arguments.get("x-message-group").is_none() {
                return Err(check::refuse(given, resource, "\"needs x-message-group = true\""));
            }
            let header = arguments.get(given).and_then(FieldValue::as_text);
            match header {
                Some(header) if (1..=Name::MAX_BYTES).contains(&header.len()) => Ok(()),
                _ => Err(check::refuse(
                    given,
                    resource,
                    "\"expected the name of a header, 1 to 255 bytes\"",
                )),
            }
        }
        _ => Ok(()),
    }
}

/// Arguments that were found right.
struct Reader<'a>(&'a FieldTable);

impl<'a> Reader<'a> {
    fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_integer()
    }

    fn count(&self, name: &str) -> Option<u64> {
        u64::try_from(self.integer(name)?).ok()
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_text()
    }

    fn is_on(&self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            FieldValue::Bool(on) => Some(*on),
            _ => None,
        }
    }

    /// The header with the key of a message's group, where the queue has groups.
    fn message_group(&self) -> Option<Name> {
        let on = self.is_on("x-message-group")?;
        let header = self.text("x-group-header").or(self.text(GROUP_HEADER_ALIAS));
        on.then(|| header.unwrap_or(DEFAULT_GROUP_HEADER).into())
    }

    /// The delays of `x-retry-delays`; `x-message-retry` alone has those of [`DEFAULT_RETRY_DELAYS`], and as `false`
    /// turns retries off.
    fn retry_delays(&self) -> Vec<Millis> {
        let given = self.text("x-retry-delays");
        match (self.is_on("x-message-retry"), given) {
            (Some(false), _) | (None, None) => Vec::new(),
            (_, text) => check::delays(text.unwrap_or(DEFAULT_RETRY_DELAYS)).unwrap_or_default(),
        }
    }
}

/// Refuses arguments that an exchange cannot have.
pub(super) fn check_exchange(name: &str, vhost: &str, spec: &ExchangeSpec) -> Result<(), AmqpError> {
    let resource = resource("exchange", name, vhost);
    if let Some(alternate) = argument::of_exchange("alternate-exchange") {
        check::check(alternate, &spec.arguments, &resource)?;
    }
    Deduplication::of_exchange(spec)?;
    if spec.kind == ExchangeKind::RecentHistory {
        super::recent_history::length(&spec.arguments)?;
    }
    Ok(())
}

/// Checks the argument of that name by what the tables say that it takes.
pub(super) fn check_plug_in(name: &str, arguments: &FieldTable) -> Result<(), AmqpError> {
    match argument::of_queue(name) {
        Some(argument) => check::check(argument, arguments, ""),
        None => Ok(()),
    }
}

/// The 406 for an exchange named by something that is no text.
pub fn wrong_exchange_type(name: &str, value: &FieldValue, resource: &str) -> AmqpError {
    AmqpError::channel(
        ReplyCode::PreconditionFailed,
        format_args!("invalid type '{}' for arg '{name}' in {resource}", value.type_name()),
    )
}
