//! Delayed exchanges and recent histories.

use super::{Bench, START, number, text};
use crate::broker::Aftermath;
use crate::model::FieldValue;

fn delay(milliseconds: i64) -> [(&'static str, FieldValue); 1] {
    [("x-delay", number(milliseconds))]
}

fn delayed(bench: &Bench) {
    bench.exchange("later", "x-delayed-message", &[("x-delayed-type", text("direct"))]);
    bench.queue("q", &[]);
    bench.bind("later", "q", "k");
}

#[test]
fn messages_come_in_the_order_of_their_times() {
    let bench = Bench::new();
    delayed(&bench);
    for (milliseconds, body) in [(300, "c"), (100, "a"), (200, "b"), (100, "a2")] {
        assert_eq!(bench.publish("later", "k", &delay(milliseconds), body), 1);
    }
    assert_eq!(bench.vhost().delayed_messages("later"), Some(4));
    bench.advance(99);
    assert_eq!(bench.waiting("q"), 0);
    bench.advance(1);
    assert_eq!(bench.bodies("q"), ["a", "a2"]);
    bench.advance(200);
    assert_eq!(bench.bodies("q"), ["b", "c"]);
    assert_eq!(bench.vhost().delayed_messages("later"), Some(0));
    assert_eq!(bench.vhost().delayed_messages("amq.direct"), None);
}

#[test]
fn without_a_delay_in_range_a_message_goes_on_at_once() {
    let bench = Bench::new();
    delayed(&bench);
    for (at, headers) in [
        delay(0).to_vec(),
        delay(-5).to_vec(),
        delay(4_294_967_296).to_vec(),
        Vec::new(),
        vec![("x-delay", text("soon"))],
    ]
    .iter()
    .enumerate()
    {
        bench.publish("later", "k", headers, &at.to_string());
    }
    assert_eq!(bench.bodies("q"), ["0", "1", "2", "3", "4"]);
}

#[test]
fn what_arrives_tells_its_delay_and_dies_of_nothing() {
    let bench = Bench::new();
    delayed(&bench);
    bench.publish("later", "k", &[("x-delay", number(50)), ("own", text("x"))], "1");
    bench.advance(50);
    let message = bench.get("q").unwrap();
    let headers = message.properties().headers().unwrap();
    assert_eq!(headers.get("x-delay"), Some(&FieldValue::I32(-50)));
    assert_eq!(headers.get("own"), Some(&text("x")));
    assert_eq!(headers.get("x-death"), None);
    assert_eq!((message.exchange(), &*message.routing_key()), ("later", "k"));
    assert!(message.properties().is_persistent());
}

#[test]
fn routing_is_that_of_the_type_when_the_time_comes() {
    let bench = Bench::new();
    bench.exchange("later", "x-delayed-message", &[("x-delayed-type", text("topic"))]);
    bench.queue("q", &[]);
    bench.publish("later", "a.b", &delay(10), "1");
    bench.publish("later", "c", &delay(10), "2");
    bench.bind("later", "q", "*.b");
    bench.advance(10);
    assert_eq!(bench.bodies("q"), ["1"]);
    for kind in [vec![], vec![("x-delayed-type", text("nothing"))]] {
        let refused = bench.try_exchange("bad", "x-delayed-message", &kind).unwrap_err();
        assert!(
            refused
                .text
                .ends_with("Invalid argument, 'x-delayed-type' must be an existing exchange type"),
            "{}",
            refused.text
        );
    }
    // Nothing of what was refused is left to trip over.
    bench.restarted();
}

#[test]
fn dead_letters_wait_too() {
    let bench = Bench::new();
    delayed(&bench);
    let to_later = [
        ("x-dead-letter-exchange", text("later")),
        ("x-dead-letter-routing-key", text("k")),
        ("x-max-length", number(0)),
    ];
    bench.queue("source", &to_later);
    bench.publish("", "source", &delay(20), "1");
    assert_eq!(bench.waiting("q"), 0);
    bench.advance(20);
    assert_eq!(bench.bodies("q"), ["1"]);
}

#[test]
fn what_waits_is_cancelled_with_the_exchange() {
    let bench = Bench::new();
    delayed(&bench);
    bench.publish("later", "k", &delay(20), "1");
    bench.broker.delete_exchange(&bench.vhost(), "later", false).unwrap();
    delayed(&bench);
    bench.advance(1000);
    assert_eq!(bench.waiting("q"), 0);
    bench.broker.messages().shutdown().unwrap();
    assert_eq!(bench.answers.taken(), 1);
    assert_eq!(bench.broker.messages().statistics().live_messages, 0);
}

#[test]
fn what_waits_stands_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::on_disk(folder.path(), START);
    delayed(&bench);
    for (milliseconds, body) in [(100, "due"), (5000, "later"), (6000, "latest")] {
        bench.publish("later", "k", &delay(milliseconds), body);
    }
    bench.queue("other", &[]);
    bench.stop();
    let bench = Bench::on_disk(folder.path(), START + 1000);
    assert_eq!(bench.bodies("q"), ["due"]);
    assert_eq!(bench.vhost().delayed_messages("later"), Some(2));
    // A queue of today does not get the room's id.
    bench.queue("new", &[]);
    bench.publish("", "new", &[], "x");
    bench.advance(4000);
    assert_eq!(bench.bodies("q"), ["later"]);
    bench.stop();
    let bench = Bench::on_disk(folder.path(), START + 5500);
    assert_eq!((bench.waiting("q"), bench.waiting("new")), (0, 1));
    bench.advance(500);
    assert_eq!(bench.bodies("q"), ["latest"]);
    bench.broker.messages().shutdown().unwrap();
    // The one in `new` and nothing in the room.
    assert_eq!(bench.broker.messages().statistics().live_messages, 1);
}

#[test]
fn a_history_goes_to_those_who_bind_later() {
    let bench = Bench::new();
    bench.exchange("h", "x-recent-history", &[]);
    for at in 0..25 {
        bench.publish("h", "k", &[], &at.to_string());
    }
    let hidden = [("x-recent-history-no-store", FieldValue::Bool(true))];
    bench.publish("h", "k", &hidden, "hidden");
    bench.queue("q", &[]);
    bench.bind("h", "q", "");
    let expected: Vec<String> = (5..25).map(|at| at.to_string()).collect();
    assert_eq!(bench.bodies("q"), expected);
    bench.publish("h", "k", &[], "now");
    bench.bind("h", "q", "");
    assert_eq!(bench.bodies("q"), ["now"]);
    let to_exchange = crate::routing::Binding {
        source: "h".into(),
        destination: crate::routing::DestinationName::Exchange("amq.fanout".into()),
        routing_key: "".into(),
        arguments: Default::default(),
    };
    bench.bind("amq.fanout", "q", "");
    bench.broker.bind(&bench.vhost(), to_exchange, 1).unwrap();
    assert_eq!(bench.bodies("q").last().unwrap(), "now");
}

#[test]
fn the_length_of_a_history() {
    let bench = Bench::new();
    bench.exchange("h", "x-recent-history", &[("x-recent-history-length", number(2))]);
    for at in 0..5 {
        bench.publish("h", "", &[], &at.to_string());
    }
    bench.queue("q", &[]);
    bench.bind("h", "q", "");
    assert_eq!(bench.bodies("q"), ["3", "4"]);
    for (value, shown) in [(number(0), "0"), (number(-30), "-30"), (text("x"), "<<\"x\">>")] {
        let arguments = [("x-recent-history-length", value)];
        let refused = bench.try_exchange("bad", "x-recent-history", &arguments).unwrap_err();
        let expected = format!(
            "PRECONDITION_FAILED - Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"
        );
        assert_eq!(refused.text, expected);
    }
}

#[test]
fn many_messages_wait_and_come() {
    const COUNT: i64 = 20_000;
    let bench = Bench::new();
    delayed(&bench);
    for at in 0..COUNT {
        // Spread, so that the order of time is not that of publishing.
        bench.publish("later", "k", &delay(1 + at * 7919 % COUNT), &at.to_string());
    }
    let mut due = Vec::new();
    for _ in 0..20 {
        bench.advance(1000);
        // Deadlines that lie in the past are worked off one batch at a time.
        while bench.vhost().delayed_messages("later").unwrap() > 0 && bench.waiting("q") == 0 {
            bench.advance(0);
        }
        due.extend(bench.bodies("q"));
    }
    assert_eq!(due.len(), COUNT as usize);
    let times: Vec<i64> = due
        .iter()
        .map(|body| body.parse::<i64>().unwrap() * 7919 % COUNT)
        .collect();
    assert!(times.is_sorted());
    let mut aftermath = Aftermath::default();
    bench.broker.settle_aftermath(&mut aftermath);
}

#[test]
fn a_released_message_is_kept_by_its_queue_and_not_by_the_room() {
    let bench = Bench::new();
    delayed(&bench);
    bench.publish("later", "k", &delay(10), "1");
    let room = bench.vhost().side("later").unwrap().room.clone().unwrap();
    while bench.answers.taken() == 0 {
        std::thread::yield_now();
    }
    bench.advance(10);
    assert_eq!(bench.waiting("q"), 1);
    let kept = |queue| bench.broker.messages().load(queue, 0, 10, u64::MAX).unwrap().len();
    let q = bench.vhost().find_queue("q").unwrap();
    // The commit thread goes at its own pace; at no moment does neither of the two have the message.
    loop {
        let (room, queue) = (kept(room.0.id), kept(q.id));
        assert!(room + queue > 0);
        if (room, queue) == (0, 1) {
            break;
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_waits_goes_with_its_vhost() {
    let bench = Bench::new();
    delayed(&bench);
    bench.publish("later", "k", &delay(100), "a");
    let vhost = bench.vhost();
    assert_eq!(vhost.delayed_messages("later"), Some(1));
    assert_eq!(bench.broker.delete_vhost("/"), Ok(true));
    assert_eq!(vhost.delayed_messages("later"), None);
}
