//! The rows of lengths and times.

use super::{NOT_A_TEXT, NOT_AN_INTEGER, Row, dead_letters_to, none, number, numbers, quorum, row, table, text, words};

pub fn rows() -> Vec<Row> {
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
                let refused = bench.try_queue("r", table(&[&quorum()[..], &[("x-max-priority", number(1))]].concat()));
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
