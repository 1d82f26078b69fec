//! Arguments of consumers, and headers of messages that the broker heeds.

use super::{Argument, Origin, Takes};

/// Arguments of `basic.consume`.
pub const CONSUMER: &[Argument] = &[
    Argument::new(
        "x-cancel-on-ha-failover",
        Takes::Any,
        "Taken without effect: there is one node.",
    ),
    Argument::new(
        "x-priority",
        Takes::Integer(i32::MIN as i64, i32::MAX as i64),
        "Consumers of a higher priority are served first, as long as they can take more.",
    ),
    Argument::new("x-stream-offset", Takes::Any, "Refused: there are no streams."),
];

/// Headers of messages.
pub const MESSAGE: &[Argument] = &[
    Argument::new("BCC", Takes::Texts, "Further routing keys, which receivers do not see."),
    Argument::new("CC", Takes::Texts, "Further routing keys."),
    Argument::new(
        "x-cache-ttl",
        Takes::Integer(0, i64::MAX),
        "How many milliseconds deduplication remembers this message's value.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-deduplication-header",
        Takes::Any,
        "The value that deduplication compares, unless the queue or exchange names another header.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-delay",
        Takes::Integer(0, i64::MAX),
        "How many milliseconds the message waits in an `x-delayed-message` exchange.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-group-id",
        Takes::Any,
        "The key of the message's group, unless the queue names another header.",
    )
    .from(Origin::Warren),
    Argument::new(
        "x-recent-history-no-store",
        Takes::Boolean,
        "With `true` an `x-recent-history` exchange does not keep the message.",
    )
    .from(Origin::PlugIn),
];
