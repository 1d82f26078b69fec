//! The rows of deduplication.

use super::{Row, no, number, row, text, value, with, words, yes};

pub fn rows() -> Vec<Row> {
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
