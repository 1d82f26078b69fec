//! The rows of queues.

use super::{Bench, FieldValue, Row, no, none, number, numbers, quorum, text, words, yes};
use crate::queue::{Outcome, Overflow};

const NOT_AN_INTEGER: &str = "@: \"expected integer, got longstr\"";
const NOT_A_BOOLEAN: &str = "@: {unacceptable_type,long}";
const NOT_A_TEXT: &str = "@: {unacceptable_type,long}";
const NO_STREAM: &str = "@ of queue type rabbit_classic_queue";

fn row(
    name: &'static str,
    accepted: Vec<FieldValue>,
    refused: Vec<(FieldValue, &'static str)>,
    effect: fn(&Bench),
) -> Row {
    Row {
        name,
        beside: Vec::new(),
        accepted,
        refused,
        effect,
    }
}

fn with(beside: Vec<(&'static str, FieldValue)>, row: Row) -> Row {
    Row { beside, ..row }
}

fn value(name: &str) -> [(&'static str, FieldValue); 1] {
    [("x-deduplication-header", text(name))]
}

/// Takes the message at the head and settles it so; its body.
fn take(bench: &Bench, queue: &str, outcome: Outcome) -> Option<String> {
    let cell = bench.vhost().find_queue(queue)?;
    let now = bench.broker.now();
    let mut aftermath = crate::broker::Aftermath::default();
    let (delivery, _) = cell.get(false, now, &mut aftermath);
    let delivery = delivery?;
    cell.settle(outcome, &[delivery.unacked?], now, &mut aftermath);
    bench.broker.settle_aftermath(&mut aftermath);
    Some(String::from_utf8_lossy(delivery.message.body()).into_owned())
}

fn dead_letters_to(bench: &Bench, queue: &str) -> Vec<(&'static str, FieldValue)> {
    bench.queue(queue, &[]);
    vec![
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
    ]
}

pub fn rows() -> Vec<Row> {
    let mut rows = deduplication();
    rows.extend(dead_lettering());
    rows.extend(limits());
    rows.extend(kinds());
    rows.sort_by_key(|row| row.name);
    rows
}

fn deduplication() -> Vec<Row> {
    let on = || vec![("x-message-deduplication", yes())];
    let positive = |name| {
        let text_of = match name {
            "x-cache-size" => "Invalid argument, 'x-cache-size' must be an integer greater than 0",
            _ => "Invalid argument, 'x-cache-ttl' must be an integer greater than 0",
        };
        vec![(number(0), text_of), (text("many"), text_of), (yes(), text_of)]
    };
    vec![
        with(
            on(),
            row(
                "x-cache-persistence",
                words(&["disk", "memory"]),
                vec![
                    (
                        text("tape"),
                        "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'",
                    ),
                    (
                        number(1),
                        "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'",
                    ),
                ],
                |bench| {
                    let size = ("x-cache-size", number(5));
                    let on_disk = bench.queue("disk", &[("x-message-deduplication", yes()), size.clone()]);
                    let in_memory = [
                        ("x-message-deduplication", yes()),
                        size,
                        ("x-cache-persistence", text("memory")),
                    ];
                    let in_memory = bench.queue("memory", &in_memory);
                    assert!(on_disk.seen_id().is_some() && in_memory.seen_id().is_none());
                },
            ),
        ),
        with(
            on(),
            row(
                "x-cache-size",
                vec![number(1), text("7")],
                positive("x-cache-size"),
                |bench| {
                    bench.queue("q", &[("x-message-deduplication", yes()), ("x-cache-size", number(1))]);
                    for (name, body) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")] {
                        bench.publish("", "q", &value(name), body);
                    }
                    assert_eq!(bench.bodies("q"), ["1", "3", "4"], "the oldest value was forgotten");
                },
            ),
        ),
        with(
            on(),
            row(
                "x-cache-ttl",
                vec![number(1), text("1000")],
                positive("x-cache-ttl"),
                |bench| {
                    bench.queue("q", &[("x-message-deduplication", yes()), ("x-cache-ttl", number(100))]);
                    bench.publish("", "q", &value("a"), "1");
                    bench.advance(99);
                    bench.publish("", "q", &value("a"), "2");
                    bench.advance(1);
                    bench.publish("", "q", &value("a"), "3");
                    assert_eq!(bench.bodies("q"), ["1", "3"]);
                },
            ),
        ),
        with(
            on(),
            row(
                "x-deduplication-header",
                words(&["id"]),
                vec![
                    (
                        text(""),
                        "Invalid argument, 'x-deduplication-header' must be a string of 1 to 255 bytes",
                    ),
                    (
                        number(1),
                        "Invalid argument, 'x-deduplication-header' must be a string of 1 to 255 bytes",
                    ),
                ],
                |bench| {
                    let arguments = [
                        ("x-message-deduplication", yes()),
                        ("x-deduplication-header", text("id")),
                    ];
                    bench.queue("q", &arguments);
                    for (id, body) in [(1, "1"), (1, "2"), (2, "3")] {
                        bench.publish("", "q", &[("id", number(id))], body);
                    }
                    assert_eq!(bench.bodies("q"), ["1", "3"]);
                },
            ),
        ),
        row(
            "x-message-deduplication",
            vec![yes(), no(), text("true"), text("false")],
            vec![
                (
                    text("yes"),
                    "Invalid argument, 'x-message-deduplication' must be a boolean",
                ),
                (
                    number(1),
                    "Invalid argument, 'x-message-deduplication' must be a boolean",
                ),
            ],
            |bench| {
                bench.queue("once", &[("x-message-deduplication", yes())]);
                bench.queue("off", &[("x-message-deduplication", no())]);
                for queue in ["once", "off"] {
                    bench.publish("", queue, &value("a"), "1");
                    bench.publish("", queue, &value("a"), "2");
                }
                assert_eq!((bench.waiting("once"), bench.waiting("off")), (1, 2));
            },
        ),
    ]
}

fn dead_lettering() -> Vec<Row> {
    let at_least_once = |bench: &Bench| {
        let mut arguments = dead_letters_to(bench, "dead");
        arguments.extend(quorum());
        arguments.push(("x-dead-letter-strategy", text("at-least-once")));
        arguments.push(("x-overflow", text("reject-publish")));
        let queue = bench.queue("q", &arguments);
        assert!(queue.options().dead_letter_at_least_once);
        bench.publish("", "q", &[], "1");
        take(bench, "q", Outcome::Reject);
        assert_eq!(bench.bodies("dead"), ["1"]);
    };
    vec![
        row(
            "x-dead-letter-exchange",
            words(&["", "amq.fanout", "not there yet"]),
            vec![(
                number(1),
                "invalid type 'long' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'",
            )],
            |bench| {
                bench.queue("dead", &[]);
                bench.bind("amq.fanout", "dead", "");
                bench.queue("q", &[("x-dead-letter-exchange", text("amq.fanout"))]);
                bench.publish("", "q", &[], "1");
                take(bench, "q", Outcome::Reject);
                let dead = bench.get("dead").unwrap();
                assert_eq!((dead.body(), &*dead.routing_key()), (&b"1"[..], "q"));
            },
        ),
        with(
            vec![("x-dead-letter-exchange", text("amq.direct"))],
            row(
                "x-dead-letter-routing-key",
                words(&["", "k"]),
                vec![(number(1), NOT_A_TEXT)],
                |bench| {
                    let refused = bench.try_queue("q", super::table(&[("x-dead-letter-routing-key", text("k"))]));
                    assert_eq!(
                        refused.map(|_| ()).unwrap_err().text,
                        "PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': \
                         routing_key_but_no_dlx_defined"
                    );
                    let arguments = dead_letters_to(bench, "dead");
                    bench.queue("q", &arguments);
                    bench.publish("", "q", &[], "1");
                    take(bench, "q", Outcome::Reject);
                    assert_eq!(&*bench.get("dead").unwrap().routing_key(), "dead");
                },
            ),
        ),
        with(
            quorum(),
            row(
                "x-dead-letter-strategy",
                words(&["at-most-once", "at-least-once"]),
                vec![(text("twice"), "@: invalid_dlx_strategy"), (number(1), NOT_A_TEXT)],
                at_least_once,
            ),
        ),
        row(
            "x-message-retry",
            vec![yes(), no()],
            vec![(number(1), NOT_A_BOOLEAN)],
            |bench| {
                let queue = bench.queue("q", &[("x-message-retry", yes())]);
                assert_eq!(queue.options().retry_delays_ms, [1_000, 10_000, 60_000]);
                bench.publish("", "q", &[], "1");
                assert!(take(bench, "q", Outcome::Reject).is_some());
                assert_eq!(bench.get("q").map(|_| ()), None);
                bench.advance(1_000);
                assert_eq!(bench.bodies("q"), ["1"]);
            },
        ),
        row(
            "x-retry-delays",
            words(&["1s", "5ms, 2m,1h,1d"]),
            vec![
                (
                    text("soon"),
                    "@: \"expected delays such as '1s,10s,1m' (units ms, s, m, h, d), got 'soon'\"",
                ),
                (number(1), NOT_A_TEXT),
            ],
            |bench| {
                let mut arguments = dead_letters_to(bench, "dead");
                arguments.push(("x-retry-delays", text("5ms")));
                bench.queue("q", &arguments);
                bench.publish("", "q", &[], "1");
                take(bench, "q", Outcome::Reject);
                bench.advance(5);
                assert!(take(bench, "q", Outcome::Reject).is_some());
                assert_eq!(bench.bodies("dead"), ["1"]);
            },
        ),
    ]
}

fn limits() -> Vec<Row> {
    let mut rows = lengths();
    rows.extend(times());
    rows
}

fn lengths() -> Vec<Row> {
    vec![
        row(
            "x-max-length",
            numbers(&[0, 1, i64::MAX]),
            vec![(number(-1), "@: {value_negative,-1}"), (text("1"), NOT_AN_INTEGER)],
            |bench| {
                bench.queue("q", &[("x-max-length", number(2))]);
                bench.fill("q", 3);
                assert_eq!(bench.bodies("q"), ["1", "2"]);
            },
        ),
        row(
            "x-max-length-bytes",
            numbers(&[0, 1, i64::MAX]),
            vec![(number(-1), "@: {value_negative,-1}"), (text("1"), NOT_AN_INTEGER)],
            |bench| {
                bench.queue("q", &[("x-max-length-bytes", number(5))]);
                for body in ["aaa", "bb", "c"] {
                    bench.publish("", "q", &[], body);
                }
                assert_eq!(bench.bodies("q"), ["bb", "c"]);
            },
        ),
        row(
            "x-overflow",
            words(&["drop-head", "reject-publish", "reject-publish-dlx"]),
            vec![(text("drop-tail"), "@: invalid_overflow"), (number(1), NOT_A_TEXT)],
            |bench| {
                let dead = dead_letters_to(bench, "dead");
                for (word, kept, nacks, letters) in [
                    ("drop-head", "1", 0, "0"),
                    ("reject-publish", "0", 1, ""),
                    ("reject-publish-dlx", "0", 1, "1"),
                ] {
                    let mut arguments = dead.clone();
                    arguments.extend([("x-max-length", number(1)), ("x-overflow", text(word))]);
                    bench.queue(word, &arguments);
                    let before = bench.answers.refused();
                    bench.fill(word, 2);
                    assert_eq!(bench.answers.refused() - before, nacks, "{word}");
                    assert_eq!(bench.bodies(word), [kept], "{word}");
                    assert_eq!(bench.bodies("dead").concat(), letters, "{word}");
                }
            },
        ),
        row(
            "x-max-in-memory-bytes",
            numbers(&[0, 1]),
            vec![(number(-1), "@: {value_negative,-1}")],
            none,
        ),
        row(
            "x-max-in-memory-length",
            numbers(&[0, 1]),
            vec![(number(-1), "@: {value_negative,-1}")],
            none,
        ),
        row(
            "x-max-priority",
            numbers(&[0, 1, 255]),
            vec![
                (number(-1), "@: {value_negative,-1}"),
                (number(256), "@: {max_value_exceeded,256}"),
                (text("1"), NOT_AN_INTEGER),
            ],
            |bench| {
                assert_eq!(
                    bench
                        .queue("q", &[("x-max-priority", number(9))])
                        .options()
                        .max_priority,
                    Some(9)
                );
                assert_eq!(
                    bench
                        .queue("p", &[("x-max-priority", number(0))])
                        .options()
                        .max_priority,
                    None
                );
                let refused = bench.try_queue(
                    "r",
                    super::table(&[&quorum()[..], &[("x-max-priority", number(1))]].concat()),
                );
                assert_eq!(
                    refused.map(|_| ()).unwrap_err().text,
                    "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'r' in vhost '/' of queue type \
                     rabbit_quorum_queue"
                );
            },
        ),
    ]
}

fn times() -> Vec<Row> {
    vec![
        row(
            "x-expires",
            numbers(&[1, 315_360_000_000]),
            vec![
                (number(0), "@: {value_zero,0}"),
                (number(-1), "@: {value_negative,-1}"),
                (number(315_360_000_001), "@: {value_too_large,315360000001}"),
                (text("1"), NOT_AN_INTEGER),
            ],
            |bench| {
                bench.queue("q", &[("x-expires", number(100))]);
                bench.advance(99);
                assert!(bench.vhost().find_queue("q").is_some());
                bench.advance(1);
                assert!(bench.vhost().find_queue("q").is_none());
            },
        ),
        row(
            "x-message-ttl",
            numbers(&[0, 1, 315_360_000_000]),
            vec![
                (number(-1), "@: {value_negative,-1}"),
                (number(315_360_000_001), "@: {value_too_large,315360000001}"),
                (text("1"), NOT_AN_INTEGER),
            ],
            |bench| {
                bench.queue("q", &[("x-message-ttl", number(100))]);
                bench.fill("q", 1);
                bench.advance(99);
                assert_eq!(bench.waiting("q"), 1);
                bench.advance(1);
                assert_eq!(bench.waiting("q"), 0);
                bench.queue("at once", &[("x-message-ttl", number(0))]);
                bench.fill("at once", 1);
                assert_eq!(bench.waiting("at once"), 0);
            },
        ),
        row(
            "x-consumer-timeout",
            numbers(&[0, 60_000]),
            vec![(text("1"), NOT_AN_INTEGER)],
            none,
        ),
    ]
}

fn kinds() -> Vec<Row> {
    vec![
        with(
            quorum(),
            row(
                "x-delivery-limit",
                numbers(&[-1, 0, 20]),
                vec![(number(-2), "@: {value_negative,-2}"), (text("1"), NOT_AN_INTEGER)],
                |bench| {
                    let limited = [&quorum()[..], &[("x-delivery-limit", number(1))]].concat();
                    bench.queue("q", &limited);
                    bench.fill("q", 1);
                    take(bench, "q", Outcome::Requeue);
                    take(bench, "q", Outcome::Requeue);
                    assert_eq!(bench.waiting("q"), 0);
                    assert_eq!(bench.queue("usual", &quorum()).options().delivery_limit, Some(20));
                    let unlimited = [&quorum()[..], &[("x-delivery-limit", number(-1))]].concat();
                    assert_eq!(bench.queue("ever", &unlimited).options().delivery_limit, None);
                },
            ),
        ),
        with(
            vec![("x-message-group", yes())],
            row(
                "x-group-header",
                words(&["customer"]),
                vec![
                    (text(""), "@: \"expected the name of a header, 1 to 255 bytes\""),
                    (number(1), NOT_A_TEXT),
                ],
                |bench| {
                    let queue = bench.queue("q", &[("x-message-group", yes()), ("x-group-header", text("customer"))]);
                    assert_eq!(queue.options().message_group.as_deref(), Some("customer"));
                    let alias = bench.queue("p", &[("x-message-group", yes()), ("group-header", text("order"))]);
                    assert_eq!(alias.options().message_group.as_deref(), Some("order"));
                },
            ),
        ),
        row("x-initial-cluster-size", vec![], vec![(number(1), NO_STREAM)], none),
        row("x-max-age", vec![], vec![(text("7D"), NO_STREAM)], none),
        row(
            "x-message-group",
            vec![yes(), no()],
            vec![(number(1), NOT_A_BOOLEAN)],
            |bench| {
                let queue = bench.queue("q", &[("x-message-group", yes())]);
                assert_eq!(queue.options().message_group.as_deref(), Some("x-group-id"));
                assert_eq!(
                    bench.queue("p", &[("x-message-group", no())]).options().message_group,
                    None
                );
            },
        ),
        row(
            "x-queue-leader-locator",
            words(&["client-local", "balanced"]),
            vec![(text("here"), "@: invalid_queue_locator_arg")],
            none,
        ),
        row(
            "x-queue-mode",
            words(&["default", "lazy"]),
            vec![
                (text("eager"), "@: \"unsupported queue mode 'eager'\""),
                (number(1), NOT_A_TEXT),
            ],
            none,
        ),
        row(
            "x-queue-type",
            words(&["classic", "quorum"]),
            vec![
                (text("stream"), "@: \"unsupported queue type 'stream'\""),
                (number(1), NOT_A_TEXT),
            ],
            |bench| {
                assert!(bench.queue("q", &quorum()).is_quorum());
                assert!(!bench.queue("c", &[("x-queue-type", text("classic"))]).is_quorum());
                assert_eq!(
                    bench.vhost().find_queue("c").unwrap().options().overflow,
                    Overflow::DropHead
                );
            },
        ),
        row(
            "x-queue-version",
            numbers(&[1, 2]),
            vec![
                (number(3), "@: \"unsupported queue version '3'\""),
                (number(-1), "@: {value_negative,-1}"),
                (text("1"), NOT_AN_INTEGER),
            ],
            none,
        ),
        with(
            quorum(),
            row(
                "x-quorum-initial-group-size",
                numbers(&[1, 3]),
                vec![(number(0), "@: {value_zero,0}")],
                none,
            ),
        ),
        row(
            "x-single-active-consumer",
            vec![yes(), no()],
            vec![(text("true"), "@: {unacceptable_type,longstr}")],
            |bench| {
                assert!(
                    bench
                        .queue("q", &[("x-single-active-consumer", yes())])
                        .options()
                        .single_active_consumer
                );
                assert!(
                    !bench
                        .queue("p", &[("x-single-active-consumer", no())])
                        .options()
                        .single_active_consumer
                );
            },
        ),
        row(
            "x-stream-max-segment-size-bytes",
            vec![],
            vec![(number(1), NO_STREAM)],
            none,
        ),
    ]
}
