//! The rows of queue types, groups and the arguments that belong to one type.

use super::{
    NO_STREAM, NOT_A_BOOLEAN, NOT_A_TEXT, NOT_AN_INTEGER, Outcome, Overflow, Row, no, none, number, numbers, quorum,
    row, take, text, with, words, yes,
};

pub fn rows() -> Vec<Row> {
    vec![
        row(
            "x-delivery-limit",
            numbers(&[-1, 0, 20]),
            vec![(number(-2), "@: {value_negative,-2}"), (text("1"), NOT_AN_INTEGER)],
            |bench| {
                for (queue, kind) in [("c", Vec::new()), ("q", quorum())] {
                    let limited = [&kind[..], &[("x-delivery-limit", number(1))]].concat();
                    bench.queue(queue, &limited);
                    bench.fill(queue, 1);
                    take(bench, queue, Outcome::Requeue);
                    assert_eq!(bench.waiting(queue), 1);
                    take(bench, queue, Outcome::Requeue);
                    assert_eq!(bench.waiting(queue), 0);
                }
                assert_eq!(bench.queue("usual", &quorum()).options().delivery_limit, Some(20));
                assert_eq!(bench.queue("classic", &[]).options().delivery_limit, None);
                let unlimited = [&quorum()[..], &[("x-delivery-limit", number(-1))]].concat();
                assert_eq!(bench.queue("ever", &unlimited).options().delivery_limit, None);
            },
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
