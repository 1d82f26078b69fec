//! Arguments of queues, and what only a policy can say of a queue.

use super::{Argument, Origin, PolicyKey, QueueKinds, Takes};

const INVALID_STRATEGY: &str = "invalid_dlx_strategy";
const OVERFLOWS: &[&str] = &["drop-head", "reject-publish", "reject-publish-dlx"];
const STRATEGIES: &[&str] = &["at-most-once", "at-least-once"];
const LOCATORS: &[&str] = &["client-local", "balanced"];

/// In order of name: of two faults that one is named which RabbitMQ names.
pub const QUEUE: &[Argument] = &[
    Argument::only_policy(
        PolicyKey {
            name: "byte-rate-per-s",
            title: "byte rate",
            operator: true,
        },
        Takes::Integer(1, i64::MAX),
        "Bytes of bodies a second that the queue takes from publishers. Who publishes more is slowed: its connection is \
         not read from for a while.",
    )
    .from(Origin::Warren),
    Argument::only_policy(
        PolicyKey {
            name: "dead-letter-alert",
            title: "dead letter alert: it has count, age-s or both, of at least 1",
            operator: false,
        },
        Takes::Alert,
        "When the operators hear of dead letters in the queue: from `count` messages on, or once one is `age-s` seconds \
         old. Shown in health, log and metrics.",
    )
    .from(Origin::Warren),
    Argument::only_policy(
        PolicyKey {
            name: "message-rate-per-s",
            title: "message rate",
            operator: true,
        },
        Takes::Integer(1, i64::MAX),
        "Messages a second that the queue takes from publishers. Who publishes more is slowed: its connection is not \
         read from for a while.",
    )
    .from(Origin::Warren),
    Argument::new(
        "x-cache-persistence",
        Takes::OneOf(&["disk", "memory"], ""),
        "Whether the values that a durable queue has seen are kept over a restart; `disk` unless given.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-cache-size",
        Takes::Positive,
        "How many values deduplication remembers; the oldest goes first. Without it and `x-cache-ttl` a value is \
         refused for as long as a message with it is in the queue.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-cache-ttl",
        Takes::Positive,
        "How many milliseconds deduplication remembers a value.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-consumer-timeout",
        Takes::Integer(0, i64::MAX),
        "Taken without effect: `limits.ack_timeout_s` holds for all.",
    )
    .policy("consumer-timeout", "consumer timeout"),
    Argument::new(
        "x-dead-letter-exchange",
        Takes::Exchange,
        "Where messages go that are rejected, expire, exceed a length limit or their delivery limit; the default \
         exchange where it is empty.",
    )
    .policy("dead-letter-exchange", "dead letter exchange name")
    .repeated()
    .changeable(),
    Argument::new(
        "x-dead-letter-routing-key",
        Takes::Text,
        "The routing key of dead letters, in place of their own keys. Needs `x-dead-letter-exchange`.",
    )
    .policy("dead-letter-routing-key", "dead letter routing key")
    .repeated()
    .changeable(),
    Argument::new(
        "x-dead-letter-strategy",
        Takes::OneOf(STRATEGIES, INVALID_STRATEGY),
        "With `at-least-once` the queue holds a dead letter until every target has it on disk. Needs `x-overflow` = \
         `reject-publish`.",
    )
    .policy("dead-letter-strategy", "dead letter strategy")
    .only(QueueKinds::Quorum)
    .repeated()
    .changeable(),
    Argument::new(
        "x-deduplication-header",
        Takes::Header,
        "The header that deduplication compares; `x-deduplication-header` unless given.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-delivery-limit",
        Takes::Integer(-1, u32::MAX as i64),
        "How many times a message may come back before it is dead-lettered; -1 for no limit. Quorum queues have a limit \
         of 20 unless given. RabbitMQ has it for quorum queues only.",
    )
    .operator_policy("delivery-limit", "delivery limit")
    .repeated()
    .changeable(),
    Argument::new(
        "x-expires",
        Takes::Timer(1),
        "After how many milliseconds without consumer, get or declaration the queue is deleted.",
    )
    .operator_policy("expires", "queue expiry")
    .repeated()
    .changeable(),
    Argument::new(
        "x-group-header",
        Takes::Text,
        "The header with the key of a message's group; `x-group-id` unless given. Needs `x-message-group`. \
         `group-header` is the same.",
    )
    .from(Origin::Warren)
    .repeated(),
    Argument::new(
        "x-initial-cluster-size",
        Takes::Integer(1, i64::MAX),
        "Refused: there are no streams.",
    )
    .only(QueueKinds::Stream),
    Argument::new(
        "x-max-age",
        Takes::Age,
        "Refused: there are no streams. The policy key is taken without effect.",
    )
    .policy("max-age", "max age")
    .only(QueueKinds::Stream),
    Argument::new(
        "x-max-in-memory-bytes",
        Takes::Integer(0, i64::MAX),
        "Taken without effect: Warren decides itself what it holds in memory.",
    )
    .operator_policy("max-in-memory-bytes", "maximum memory in bytes"),
    Argument::new(
        "x-max-in-memory-length",
        Takes::Integer(0, i64::MAX),
        "Taken without effect: Warren decides itself what it holds in memory.",
    )
    .operator_policy("max-in-memory-length", "maximum memory in bytes"),
    Argument::new(
        "x-max-length",
        Takes::Integer(0, i64::MAX),
        "How many messages may wait; `x-overflow` says what becomes of the rest.",
    )
    .operator_policy("max-length", "maximum length")
    .repeated()
    .changeable(),
    Argument::new(
        "x-max-length-bytes",
        Takes::Integer(0, i64::MAX),
        "How many bytes of bodies may wait; `x-overflow` says what becomes of the rest.",
    )
    .operator_policy("max-length-bytes", "maximum length in bytes")
    .repeated()
    .changeable(),
    Argument::new(
        "x-max-priority",
        Takes::Integer(0, 255),
        "The highest priority of a message; a higher one counts as this. 0 is a queue without priorities.",
    )
    .only(QueueKinds::Classic)
    .repeated(),
    Argument::new(
        "x-message-deduplication",
        Takes::Switch,
        "Of messages with the same value in a header only the first is taken; all are confirmed. Kept over a restart.",
    )
    .from(Origin::PlugIn),
    Argument::new(
        "x-message-group",
        Takes::Boolean,
        "Messages of one key are with one consumer at a time and in order; keys are spread over the consumers.",
    )
    .from(Origin::Warren)
    .repeated(),
    Argument::new(
        "x-message-retry",
        Takes::Boolean,
        "A rejected message comes back after the delays of `x-retry-delays`, then goes to the dead-letter exchange.",
    )
    .from(Origin::Warren)
    .repeated()
    .changeable(),
    Argument::new(
        "x-message-ttl",
        Takes::Timer(0),
        "How many milliseconds a message may wait. 0 expires what cannot be delivered at once.",
    )
    .operator_policy("message-ttl", "message TTL")
    .repeated()
    .changeable(),
    Argument::new(
        "x-overflow",
        Takes::OneOf(OVERFLOWS, "invalid_overflow"),
        "What a length limit does: `drop-head` dead-letters or drops the oldest, `reject-publish` refuses the newest \
         (a nack for its publisher), `reject-publish-dlx` dead-letters it as well.",
    )
    .policy("overflow", "overflow value")
    .repeated()
    .changeable(),
    Argument::new(
        "x-queue-leader-locator",
        Takes::OneOf(LOCATORS, "invalid_queue_locator_arg"),
        "Taken without effect: there is one node.",
    )
    .policy("queue-leader-locator", "queue leader locator value"),
    Argument::new(
        "x-queue-mode",
        Takes::OneOf(&["default", "lazy"], "\"unsupported queue mode '{}'\""),
        "Taken without effect.",
    )
    .policy("queue-mode", "queue-mode value")
    .only(QueueKinds::Classic)
    .repeated(),
    Argument::new(
        "x-queue-type",
        Takes::OneOf(&["classic", "quorum"], "\"unsupported queue type '{}'\""),
        "`quorum` is durable, neither exclusive nor auto-delete, and has a delivery limit; it is not replicated yet.",
    )
    .repeated(),
    Argument::new(
        "x-queue-version",
        Takes::OneOfIntegers(&[1, 2], "\"unsupported queue version '{}'\""),
        "Taken without effect.",
    )
    .policy("queue-version", "queue-version value")
    .only(QueueKinds::Classic)
    .repeated(),
    Argument::new(
        "x-quorum-initial-group-size",
        Takes::Integer(1, i64::MAX),
        "Taken without effect: there is one node.",
    )
    .only(QueueKinds::Quorum),
    Argument::new(
        "x-retry-delays",
        Takes::Delays,
        "After which delays a message comes back that is rejected for the first time, the second, and so on; \
         `1s,10s,1m` unless given.",
    )
    .from(Origin::Warren)
    .repeated()
    .changeable(),
    Argument::new(
        "x-single-active-consumer",
        Takes::Boolean,
        "One consumer gets all messages; the next takes over when it goes.",
    )
    .repeated(),
    Argument::new(
        "x-stream-max-segment-size-bytes",
        Takes::Integer(0, i64::MAX),
        "Refused: there are no streams. The policy key is taken without effect.",
    )
    .policy("stream-max-segment-size-bytes", "segment size")
    .only(QueueKinds::Stream),
];
