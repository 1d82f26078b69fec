//! The rows of dead letters and retries.

use super::{
    Bench, NOT_A_BOOLEAN, NOT_A_TEXT, Outcome, Row, dead_letters_to, no, number, quorum, row, table, take, text, with,
    words, yes,
};

pub fn rows() -> Vec<Row> {
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
                    let refused = bench.try_queue("q", table(&[("x-dead-letter-routing-key", text("k"))]));
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
