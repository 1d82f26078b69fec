//! Types and arguments of exchanges, and arguments of bindings.

use super::{Argument, Origin, Takes};

/// One exchange type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeType {
    /// Its name, as declarations have it.
    pub name: &'static str,
    /// Where messages go.
    pub meaning: &'static str,
    /// The arguments that its bindings alone do not explain; every type takes `alternate-exchange` and deduplication.
    pub arguments: &'static [&'static str],
    /// Who else has it.
    pub origin: Origin,
    /// The version of Warren that has it first.
    pub since: &'static str,
}

const fn of(
    name: &'static str,
    meaning: &'static str,
    arguments: &'static [&'static str],
    origin: Origin,
) -> ExchangeType {
    let since = "0.1.0";
    ExchangeType {
        name,
        meaning,
        arguments,
        origin,
        since,
    }
}

/// Every exchange type.
pub const EXCHANGE_TYPES: &[ExchangeType] = &[
    of(
        "direct",
        "To what is bound with the message's routing key.",
        &[],
        Origin::RabbitMq,
    ),
    of("fanout", "To everything that is bound.", &[], Origin::RabbitMq),
    of(
        "topic",
        "To what is bound with a pattern of the routing key's words: `*` is one, `#` any number.",
        &[],
        Origin::RabbitMq,
    ),
    of(
        "headers",
        "To what is bound with the message's headers.",
        &[],
        Origin::RabbitMq,
    ),
    of(
        "x-consistent-hash",
        "To one binding, the same for the same key, in proportion to the weights that binding keys give.",
        &["hash-header", "hash-property"],
        Origin::PlugIn,
    ),
    of("x-random", "To one binding at random.", &[], Origin::PlugIn),
    of(
        "x-modulus-hash",
        "To one binding, by the hash of the routing key modulo the number of bindings.",
        &[],
        Origin::PlugIn,
    ),
    of(
        "x-delayed-message",
        "As `x-delayed-type`, after the milliseconds of the message's header `x-delay`.",
        &["x-delayed-type"],
        Origin::PlugIn,
    ),
    of(
        "x-recent-history",
        "As fanout; what binds later gets the last messages first.",
        &["x-recent-history-length"],
        Origin::PlugIn,
    ),
    of(
        "x-message-deduplication",
        "As fanout; refuses duplicates. Needs `x-cache-size`.",
        &["x-cache-size"],
        Origin::PlugIn,
    ),
];

/// Arguments of exchanges, in order of name.
pub const EXCHANGE: &[Argument] = &[
    Argument::new(
        "alternate-exchange",
        Takes::Exchange,
        "Where messages go that no binding takes.",
    )
    .policy("alternate-exchange", "alternate exchange name")
    .repeated(),
    Argument::new(
        "hash-header",
        Takes::Text,
        "`x-consistent-hash`: hash this header in place of the routing key.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "hash-property",
        Takes::OneOf(
            &["correlation_id", "message_id", "timestamp"],
            "Unsupported property: {}",
        ),
        "`x-consistent-hash`: hash this property in place of the routing key.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-cache-persistence",
        Takes::OneOf(&["disk", "memory"], ""),
        "Whether the values that a durable exchange has seen are kept over a restart; `disk` unless given.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-cache-size",
        Takes::Positive,
        "How many values deduplication remembers, 10,000 unless given; the oldest goes first.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-cache-ttl",
        Takes::Positive,
        "How many milliseconds deduplication remembers a value.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-deduplication-header",
        Takes::Header,
        "The header that deduplication compares; `x-deduplication-header` unless given.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-delayed-type",
        Takes::Text,
        "`x-delayed-message`: the type by which messages are routed when their time has come.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-message-deduplication",
        Takes::Switch,
        "For every type: of messages with the same value in a header only the first is routed; all are confirmed. One \
         that a queue refuses (`x-overflow` = `reject-publish`) is forgotten: sent again, it goes to all queues.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-recent-history-length",
        Takes::Positive,
        "`x-recent-history`: how many messages are kept, 20 unless given.",
    )
    .from(Origin::PlugIn),
];

/// Arguments of bindings.
pub const BINDING: &[Argument] = &[Argument::new(
    "x-match",
    Takes::OneOf(&["all", "any", "all-with-x", "any-with-x"], ""),
    "`headers`: whether all of the binding's other arguments must be among the message's headers or any; `all` unless \
     given. Names that begin with `x-` count with `-with-x` only.",
)];
