//! The rows of exchanges.

use super::{Bench, FieldValue, Row, no, number, numbers, text, words, yes};

/// The type that an argument is tested with.
pub fn kind_for(argument: &str) -> &'static str {
    match argument {
        "hash-header" | "hash-property" => "x-consistent-hash",
        "x-delayed-type" => "x-delayed-message",
        "x-recent-history-length" => "x-recent-history",
        _ => "fanout",
    }
}

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

fn once(row: Row) -> Row {
    let beside = vec![("x-message-deduplication", yes())];
    Row { beside, ..row }
}

fn value(name: &str) -> [(&'static str, FieldValue); 1] {
    [("x-deduplication-header", text(name))]
}

/// A fanout exchange `e` that refuses duplicates, and a queue `q` behind it.
fn deduplicating(bench: &Bench, arguments: &[(&'static str, FieldValue)]) {
    let mut all = vec![("x-message-deduplication", yes())];
    all.extend_from_slice(arguments);
    bench.exchange("e", "fanout", &all);
    bench.queue("q", &[]);
    bench.bind("e", "q", "");
}

/// Binds `count` queues with weight 1 and says how many different ones get a message, for each of these headers.
fn spread(
    bench: &Bench,
    arguments: &[(&str, FieldValue)],
    headers: impl Fn(i64) -> Vec<(&'static str, FieldValue)>,
) -> usize {
    bench.exchange("e", "x-consistent-hash", arguments);
    for at in 0..4 {
        bench.queue(&format!("q{at}"), &[]);
        bench.bind("e", &format!("q{at}"), "1");
    }
    for at in 0..64 {
        assert_eq!(bench.publish("e", "same", &headers(at), "m"), 1);
    }
    (0..4).filter(|at| bench.waiting(&format!("q{at}")) > 0).count()
}

pub fn rows() -> Vec<Row> {
    let mut rows = routing();
    rows.extend(deduplication());
    rows.sort_by_key(|row| row.name);
    rows
}

fn routing() -> Vec<Row> {
    vec![
        row(
            "alternate-exchange",
            words(&["", "amq.fanout", "not there yet"]),
            vec![(
                number(1),
                "invalid type 'long' for arg 'alternate-exchange' in exchange 'e' in vhost '/'",
            )],
            |bench| {
                bench.exchange("e", "direct", &[("alternate-exchange", text("amq.fanout"))]);
                bench.queue("q", &[]);
                bench.bind("amq.fanout", "q", "");
                bench.publish("e", "nobody", &[], "1");
                assert_eq!(bench.bodies("q"), ["1"]);
            },
        ),
        row(
            "hash-header",
            words(&["customer"]),
            vec![(
                number(1),
                "invalid type 'long' for arg 'hash-header' in exchange 'e' in vhost '/'",
            )],
            |bench| {
                let by_header = |at| vec![("customer", text(&format!("c{at}")))];
                assert_eq!(spread(bench, &[("hash-header", text("customer"))], by_header), 4);
            },
        ),
        row(
            "hash-property",
            words(&["correlation_id", "message_id", "timestamp"]),
            vec![
                (text("app_id"), "Unsupported property: app_id"),
                (
                    number(1),
                    "invalid type 'long' for arg 'hash-property' in exchange 'e' in vhost '/'",
                ),
            ],
            |bench| {
                // None of the messages has the property: all go one way, whatever their headers.
                let by_header = |at| vec![("customer", number(at))];
                assert_eq!(spread(bench, &[("hash-property", text("message_id"))], by_header), 1);
            },
        ),
        row(
            "x-delayed-type",
            words(&["direct", "fanout", "topic", "headers", "x-random"]),
            vec![
                (
                    text("x-delayed-message"),
                    "Invalid argument, 'x-delayed-type' must be an \
                     existing exchange type",
                ),
                (
                    number(1),
                    "Invalid argument, 'x-delayed-type' must be an \
                     existing exchange type",
                ),
            ],
            |bench| {
                bench.exchange("e", "x-delayed-message", &[("x-delayed-type", text("topic"))]);
                bench.queue("q", &[]);
                bench.bind("e", "q", "*.b");
                bench.publish("e", "a.b", &[("x-delay", number(10))], "1");
                assert_eq!(bench.waiting("q"), 0);
                bench.advance(10);
                assert_eq!(bench.bodies("q"), ["1"]);
            },
        ),
        row(
            "x-recent-history-length",
            numbers(&[1, 1000]),
            vec![
                (
                    number(0),
                    "Invalid argument 0, 'x-recent-history-length' must be a positive integer",
                ),
                (
                    text("x"),
                    "Invalid argument <<\"x\">>, 'x-recent-history-length' must be a positive integer",
                ),
            ],
            |bench| {
                bench.exchange("e", "x-recent-history", &[("x-recent-history-length", number(2))]);
                for body in ["1", "2", "3"] {
                    bench.publish("e", "", &[], body);
                }
                bench.queue("q", &[]);
                bench.bind("e", "q", "");
                assert_eq!(bench.bodies("q"), ["2", "3"]);
            },
        ),
    ]
}

fn deduplication() -> Vec<Row> {
    const SIZE: &str = "Invalid argument, 'x-cache-size' must be an integer greater than 0";
    const TTL: &str = "Invalid argument, 'x-cache-ttl' must be an integer greater than 0";
    const HEADER: &str = "Invalid argument, 'x-deduplication-header' must be a string of 1 to 255 bytes";
    const PERSISTENCE: &str = "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'";
    const SWITCH: &str = "Invalid argument, 'x-message-deduplication' must be a boolean";
    vec![
        once(row(
            "x-cache-persistence",
            words(&["disk", "memory"]),
            vec![(text("tape"), PERSISTENCE), (number(1), PERSISTENCE)],
            |bench| {
                deduplicating(bench, &[("x-cache-persistence", text("memory"))]);
                bench.publish("e", "", &value("a"), "1");
                let again = bench.restarted();
                assert_eq!(again.publish("e", "", &value("a"), "2"), 1, "it was forgotten");
            },
        )),
        once(row(
            "x-cache-size",
            vec![number(1), text("5")],
            vec![(number(0), SIZE), (text("x"), SIZE), (yes(), SIZE)],
            |bench| {
                deduplicating(bench, &[("x-cache-size", number(1))]);
                for (name, body) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")] {
                    bench.publish("e", "", &value(name), body);
                }
                assert_eq!(bench.bodies("q"), ["1", "3", "4"]);
            },
        )),
        once(row(
            "x-cache-ttl",
            vec![number(1), text("5")],
            vec![(number(0), TTL), (text("x"), TTL)],
            |bench| {
                deduplicating(bench, &[("x-cache-ttl", number(100))]);
                bench.publish("e", "", &value("a"), "1");
                bench.advance(99);
                bench.publish("e", "", &value("a"), "2");
                bench.advance(1);
                bench.publish("e", "", &value("a"), "3");
                assert_eq!(bench.bodies("q"), ["1", "3"]);
            },
        )),
        once(row(
            "x-deduplication-header",
            words(&["id"]),
            vec![(text(""), HEADER), (number(1), HEADER)],
            |bench| {
                deduplicating(bench, &[("x-deduplication-header", text("id"))]);
                for (id, body) in [(1, "1"), (1, "2"), (2, "3")] {
                    bench.publish("e", "", &[("id", number(id))], body);
                }
                assert_eq!(bench.bodies("q"), ["1", "3"]);
            },
        )),
        row(
            "x-message-deduplication",
            vec![yes(), no(), text("true")],
            vec![(text("yes"), SWITCH), (number(1), SWITCH)],
            |bench| {
                deduplicating(bench, &[]);
                bench.publish("e", "", &value("a"), "1");
                bench.publish("e", "", &value("a"), "2");
                assert_eq!(bench.bodies("q"), ["1"]);
            },
        ),
    ]
}
