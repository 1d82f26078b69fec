//! Deduplication on queues and exchanges.

use super::{Bench, START, number, text};
use crate::broker::{Aftermath, RouteCache, Terms};
use crate::model::{FieldValue, Message, Properties};
use crate::queue::{Incoming, Outcome};

pub(super) const ON: (&str, FieldValue) = ("x-message-deduplication", FieldValue::Bool(true));

/// Arguments of a queue that takes one message and refuses more.
fn full() -> [(&'static str, FieldValue); 2] {
    [("x-max-length", number(1)), ("x-overflow", text("reject-publish"))]
}

pub(super) fn id(value: &str) -> [(&'static str, FieldValue); 1] {
    [("x-deduplication-header", text(value))]
}

#[test]
fn arguments_are_taken_or_refused() {
    let bench = Bench::new();
    let good = [
        vec![ON],
        vec![("x-message-deduplication", text("true"))],
        vec![("x-message-deduplication", FieldValue::Bool(false))],
        vec![ON, ("x-cache-size", number(1)), ("x-cache-ttl", number(1))],
        vec![ON, ("x-cache-size", text("5")), ("x-cache-persistence", text("memory"))],
        vec![ON, ("x-deduplication-header", text("id"))],
    ];
    for (at, arguments) in good.iter().enumerate() {
        bench.queue(&format!("q{at}"), arguments);
        bench.exchange(&format!("e{at}"), "topic", arguments);
    }
    for (name, value, expected) in [
        ("x-message-deduplication", number(1), "a boolean"),
        ("x-cache-size", number(0), "an integer greater than 0"),
        ("x-cache-size", text("many"), "an integer greater than 0"),
        ("x-cache-ttl", number(-1), "an integer greater than 0"),
        ("x-cache-persistence", text("tape"), "either 'disk' or 'memory'"),
        ("x-deduplication-header", number(1), "a string of 1 to 255 bytes"),
    ] {
        let mut arguments = super::table(&[ON]);
        arguments.insert(name, value.clone());
        let pairs: Vec<(&str, FieldValue)> = arguments.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
        let refused = bench.try_exchange("bad", "direct", &pairs).unwrap_err();
        let expected = format!("PRECONDITION_FAILED - Invalid argument, '{name}' must be {expected}");
        assert_eq!(refused.text, expected);
        assert_eq!(bench.try_queue("bad", arguments.clone()).unwrap_err().text, expected);
    }
}

#[test]
fn a_queue_refuses_what_it_has_and_confirms_it() {
    let bench = Bench::new();
    bench.queue("q", &[ON]);
    for (value, body) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")] {
        bench.publish("", "q", &id(value), body);
    }
    bench.publish("", "q", &[], "5");
    bench.publish("", "q", &[], "5");
    assert_eq!(bench.bodies("q"), ["1", "3", "5", "5"]);
    bench.broker.messages().shutdown().unwrap();
    assert_eq!((bench.answers.taken(), bench.answers.refused()), (6, 0));
    // They are gone, so they may come again.
    bench.publish("", "q", &id("a"), "6");
    assert_eq!(bench.bodies("q"), ["6"]);
}

#[test]
fn unacked_messages_count_as_present() {
    let bench = Bench::new();
    let queue = bench.queue("q", &[ON]);
    bench.publish("", "q", &id("a"), "1");
    let mut aftermath = Aftermath::default();
    let (delivery, _) = queue.get(false, START, &mut aftermath);
    bench.publish("", "q", &id("a"), "2");
    assert_eq!(bench.waiting("q"), 0);
    let unacked = delivery.unwrap().unacked.unwrap();
    queue.settle(Outcome::Ack, &[unacked], START, &mut aftermath);
    bench.publish("", "q", &id("a"), "3");
    assert_eq!(bench.bodies("q"), ["3"]);
}

#[test]
fn a_message_that_the_queue_refused_or_dropped_is_not_remembered() {
    let bench = Bench::new();
    let full = [
        ON,
        ("x-cache-size", number(10)),
        ("x-max-length", number(1)),
        ("x-overflow", text("reject-publish")),
    ];
    bench.queue("q", &full);
    bench.publish("", "q", &id("a"), "1");
    bench.publish("", "q", &id("b"), "2");
    assert_eq!((bench.answers.refused(), bench.bodies("q").len()), (1, 1));
    bench.publish("", "q", &id("b"), "3");
    assert_eq!(bench.bodies("q"), ["3"]);
}

#[test]
fn with_a_size_or_a_time_a_queue_remembers_what_is_consumed() {
    let bench = Bench::new();
    bench.queue("sized", &[ON, ("x-cache-size", number(2))]);
    bench.queue("timed", &[ON, ("x-cache-ttl", number(100))]);
    for queue in ["sized", "timed"] {
        bench.publish("", queue, &id("a"), "1");
        assert_eq!(bench.bodies(queue), ["1"]);
        bench.publish("", queue, &id("a"), "2");
        assert_eq!(bench.bodies(queue).len(), 0, "{queue}");
    }
    for value in ["b", "c", "a"] {
        bench.publish("", "sized", &id(value), value);
    }
    assert_eq!(bench.bodies("sized"), ["b", "c", "a"]);
    bench.advance(100);
    bench.publish("", "timed", &id("a"), "3");
    assert_eq!(bench.bodies("timed"), ["3"]);
    // The message's own time comes first.
    let long = [("x-deduplication-header", text("long")), ("x-cache-ttl", number(500))];
    bench.publish("", "timed", &long, "4");
    bench.advance(499);
    bench.publish("", "timed", &id("long"), "5");
    assert_eq!(bench.bodies("timed"), ["4"]);
}

#[test]
fn another_header_and_values_of_other_types() {
    let bench = Bench::new();
    bench.queue("q", &[ON, ("x-deduplication-header", text("order"))]);
    let order = |value: FieldValue| [("order", value)];
    bench.publish("", "q", &order(number(1)), "1");
    bench.publish("", "q", &order(FieldValue::U8(1)), "2");
    bench.publish("", "q", &order(text("1")), "3");
    bench.publish("", "q", &id("1"), "4");
    bench.publish("", "q", &id("1"), "5");
    assert_eq!(bench.bodies("q"), ["1", "3", "4", "5"]);
}

#[test]
fn an_exchange_refuses_what_it_has_routed() {
    let bench = Bench::new();
    bench.exchange("e", "topic", &[ON, ("x-cache-ttl", number(1000))]);
    bench.queue("q", &[]);
    // Routed nowhere, so it was not taken.
    assert_eq!(bench.publish("e", "k", &id("a"), "0"), 0);
    bench.bind("e", "q", "k");
    for body in ["1", "2"] {
        bench.publish("e", "k", &id("a"), body);
    }
    assert_eq!(bench.publish("e", "k", &[], "3"), 1);
    assert_eq!(bench.bodies("q"), ["1", "3"]);
    bench.advance(1000);
    assert_eq!(bench.publish("e", "k", &id("a"), "4"), 1);
    assert_eq!(bench.bodies("q"), ["4"]);
    // The duplicate was confirmed as the others were.
    bench.broker.messages().shutdown().unwrap();
    assert_eq!((bench.answers.taken(), bench.answers.refused()), (4, 0));
}

#[test]
fn an_exchange_forgets_what_a_queue_refused() {
    for (persistence, taken) in [("disk", 5), ("memory", 4)] {
        let bench = Bench::new();
        bench.exchange("e", "fanout", &[ON, ("x-cache-persistence", text(persistence))]);
        bench.queue("roomy", &[]);
        bench.queue("full", &full());
        bench.bind("e", "roomy", "");
        bench.bind("e", "full", "");
        bench.publish("", "full", &[], "0");
        bench.publish("e", "", &id("a"), "1");
        assert_eq!(bench.answers.refused(), 1, "{persistence}");
        assert_eq!(bench.bodies("full"), ["0"]);
        // Sent again it goes to all queues, and has been routed then.
        for body in ["2", "3"] {
            bench.publish("e", "", &id("a"), body);
        }
        assert_eq!(bench.bodies("full"), ["2"], "{persistence}");
        assert_eq!(bench.bodies("roomy"), ["1", "2"]);
        bench.broker.messages().shutdown().unwrap();
        assert_eq!((bench.answers.taken(), bench.answers.refused()), (taken, 1));
    }
}

#[test]
fn an_exchange_of_the_plug_ins_type() {
    let bench = Bench::new();
    let kind = "x-message-deduplication";
    let refused = bench.try_exchange("e", kind, &[]).unwrap_err();
    assert_eq!(
        refused.text,
        "PRECONDITION_FAILED - Missing or invalid argument, 'x-cache-size' must be an integer greater than 0"
    );
    bench.exchange("e", kind, &[("x-cache-size", number(1))]);
    bench.queue("q", &[]);
    bench.bind("e", "q", "");
    for value in ["a", "a", "b", "a"] {
        bench.publish("e", "any", &id(value), value);
    }
    assert_eq!(bench.bodies("q"), ["a", "b", "a"]);
}

/// What was published before the restart, and what of it was consumed.
fn restart(consumed: bool, clean: bool, publish: impl Fn(&Bench)) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [ON, ("x-cache-size", number(100))];
    let first = Bench::on_disk(folder.path(), START);
    first.queue("remembers", &arguments);
    first.queue("present", &[ON]);
    first.exchange("e", "direct", &arguments);
    first.queue("plain", &[]);
    first.bind("e", "plain", "k");
    publish(&first);
    if consumed {
        for queue in ["remembers", "present", "plain"] {
            assert_eq!(first.bodies(queue), ["1"]);
        }
    }
    if clean {
        first.broker.stop_timers();
    }
    first.broker.messages().shutdown().unwrap();
    drop(first);
    let second = Bench::on_disk(folder.path(), START + 10_000);
    publish(&second);
    let counts = (second.waiting("remembers"), second.waiting("plain"));
    let present = second.waiting("present");
    assert_eq!(present, 1);
    let answers = std::sync::Arc::clone(&second.answers);
    second.stop();
    // Duplicates are confirmed as well.
    assert_eq!((answers.taken(), answers.refused()), (3, 0));
    (counts.0 as usize, counts.1 as usize)
}

/// Publishes to a full queue behind the exchange `e`, which has a second between its route and the refusal.
fn refused_late(bench: &Bench) {
    let properties = Properties {
        headers: Some(super::table(&id("a"))),
        delivery_mode: Some(2),
        ..Properties::default()
    };
    let message = Message::new("e", "", &properties.encode(), &[b"1"]);
    let (mut routes, vhost) = (RouteCache::default(), bench.vhost());
    let route = routes.route(&vhost, "e", "", &[], message.properties(), Terms::default());
    let ticket = Some(route.remembered.guard(bench.ticket()));
    bench.advance(1000);
    let mut batch = vec![Incoming {
        message: message.clone(),
        persistent: true,
        ticket,
    }];
    let full = vhost.find_queue("full").unwrap();
    full.enqueue(&mut batch, bench.broker.now(), &mut Aftermath::default());
}

#[test]
fn what_a_queue_refused_is_not_remembered_after_a_restart() {
    for is_late in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let first = Bench::on_disk(folder.path(), START);
        first.exchange("e", "fanout", &[ON]);
        first.queue("full", &full());
        first.bind("e", "full", "");
        first.publish("", "full", &[], "0");
        match is_late {
            true => refused_late(&first),
            false => assert_eq!(first.publish("e", "", &id("a"), "1"), 1),
        }
        first.advance(1000);
        assert_eq!(first.bodies("full"), ["0"]);
        first.broker.messages().shutdown().unwrap();
        assert_eq!(first.answers.refused(), 1, "late: {is_late}");
        drop(first);
        let second = Bench::on_disk(folder.path(), START + 10_000);
        second.publish("e", "", &id("a"), "2");
        assert_eq!(second.bodies("full"), ["2"], "late: {is_late}");
        second.stop();
    }
}

fn publish_everywhere(bench: &Bench) {
    bench.publish("", "remembers", &id("a"), "1");
    bench.publish("", "present", &id("a"), "1");
    bench.publish("e", "k", &id("a"), "1");
}

#[test]
fn a_retry_after_a_restart_leaves_one_message() {
    // Found again with the messages that wait, even without a clean stop.
    assert_eq!(restart(false, false, publish_everywhere), (1, 1));
    // Found in the tables, where the messages are gone.
    assert_eq!(restart(true, true, publish_everywhere), (0, 0));
}

#[test]
fn values_of_an_exchange_follow_their_messages_to_the_disk() {
    let publish = |bench: &Bench| {
        publish_everywhere(bench);
        bench.advance(1000);
    };
    assert_eq!(restart(true, false, publish), (0, 0));
}

#[test]
fn the_tables_of_what_is_deleted_go_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::on_disk(folder.path(), START);
    bench.queue("q", &[ON, ("x-cache-size", number(100))]);
    bench.exchange("e", "fanout", &[ON]);
    bench.bind("e", "q", "");
    bench.publish("e", "", &id("a"), "1");
    bench.advance(1000);
    let (broker, vhost) = (&bench.broker, bench.vhost());
    broker.delete_exchange(&vhost, "e", false).unwrap();
    broker.delete_queue(&vhost, "q", Default::default(), 1).unwrap();
    bench.queue("q", &[ON, ("x-cache-size", number(100))]);
    bench.publish("", "q", &id("a"), "2");
    assert_eq!(bench.bodies("q"), ["2"]);
    broker.messages().shutdown().unwrap();
    // The new queue's own value and nothing of the old ones.
    assert_eq!(broker.messages().statistics().live_messages, 1);
}
