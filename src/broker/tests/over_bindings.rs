//! What exchanges do with messages that reach them over another exchange; and `mandatory` through all of them.

use super::{Bench, number, table, text};
use crate::broker::{Broker, PublishBatch, RouteCache, Terms, Vhost};
use crate::model::{FieldTable, FieldValue, Message, Properties};
use crate::routing::{Binding, DestinationName};

fn bind_exchange(bench: &Bench, source: &str, destination: &str, key: &str) {
    let binding = Binding {
        source: source.into(),
        destination: DestinationName::Exchange(destination.into()),
        routing_key: key.into(),
        arguments: FieldTable::new(),
    };
    bench.broker.bind(&bench.vhost(), binding, 1).unwrap();
}

fn delay(milliseconds: i64) -> [(&'static str, FieldValue); 1] {
    [("x-delay", number(milliseconds))]
}

fn value(value: &str) -> [(&'static str, FieldValue); 1] {
    [("x-deduplication-header", text(value))]
}

#[test]
fn a_delayed_exchange_delays_what_comes_over_a_binding() {
    let bench = Bench::new();
    bench.exchange("later", "x-delayed-message", &[("x-delayed-type", text("direct"))]);
    bench.queue("now", &[]);
    bench.queue("then", &[]);
    bench.bind("amq.topic", "now", "#");
    bench.bind("later", "then", "k");
    bind_exchange(&bench, "amq.topic", "later", "#");
    bench.publish("amq.topic", "k", &delay(100), "1");
    bench.publish("amq.topic", "k", &[], "2");
    assert_eq!(bench.bodies("now"), ["1", "2"]);
    assert_eq!(bench.bodies("then"), ["2"]);
    assert_eq!(bench.vhost().delayed_messages("later"), Some(1));
    bench.advance(100);
    let message = bench.get("then").unwrap();
    assert_eq!((message.body(), message.exchange()), (&b"1"[..], "amq.topic"));
    assert!(bench.bodies("now").is_empty(), "it has been there");
}

#[test]
fn a_deduplicating_exchange_knows_what_came_over_a_binding_or_as_to_an_alternate() {
    let bench = Bench::new();
    bench.exchange("first", "topic", &[("alternate-exchange", text("once"))]);
    bench.exchange("once", "fanout", &[("x-message-deduplication", FieldValue::Bool(true))]);
    bench.queue("q", &[]);
    bench.bind("once", "q", "");
    bind_exchange(&bench, "first", "once", "bound");
    for (key, body) in [("bound", "1"), ("bound", "2"), ("unbound", "3")] {
        bench.publish("first", key, &value("same"), body);
    }
    bench.publish("once", "", &value("same"), "4");
    bench.publish("first", "unbound", &value("other"), "5");
    assert_eq!(bench.bodies("q"), ["1", "5"]);
}

#[test]
fn two_deduplicating_exchanges_in_a_row_take_the_first_once_each() {
    let bench = Bench::new();
    for name in ["outer", "inner"] {
        bench.exchange(name, "x-message-deduplication", &[("x-cache-size", number(10))]);
    }
    bench.queue("q", &[]);
    bench.bind("inner", "q", "");
    bind_exchange(&bench, "outer", "inner", "");
    bench.publish("outer", "", &value("a"), "1");
    bench.publish("outer", "", &value("a"), "2");
    bench.publish("inner", "", &value("a"), "3");
    bench.publish("inner", "", &value("b"), "4");
    bench.publish("outer", "", &value("b"), "5");
    assert_eq!(bench.bodies("q"), ["1", "4"]);
}

#[test]
fn a_value_is_remembered_only_once_its_message_was_routed() {
    let bench = Bench::new();
    bench.exchange("once", "x-message-deduplication", &[("x-cache-size", number(10))]);
    bind_exchange(&bench, "amq.fanout", "once", "");
    bench.queue("beside", &[]);
    bench.bind("amq.fanout", "beside", "");
    bench.publish("amq.fanout", "", &value("a"), "1");
    bench.queue("q", &[]);
    bench.bind("once", "q", "");
    bench.publish("amq.fanout", "", &value("a"), "2");
    bench.publish("amq.fanout", "", &value("a"), "3");
    assert_eq!(bench.bodies("q"), ["2"]);
    assert_eq!(bench.bodies("beside"), ["1", "2", "3"]);
}

#[test]
fn a_history_has_what_came_over_a_binding() {
    let bench = Bench::new();
    bench.exchange("recent", "x-recent-history", &[]);
    bind_exchange(&bench, "amq.direct", "recent", "k");
    bench.publish("amq.direct", "k", &[], "1");
    bench.publish("amq.direct", "other", &[], "2");
    bench.publish("recent", "", &[], "3");
    bench.queue("q", &[]);
    bench.bind("recent", "q", "");
    assert_eq!(bench.bodies("q"), ["1", "3"]);
}

#[test]
fn a_released_message_passes_the_exchanges_behind_it() {
    let bench = Bench::new();
    let delayed = [
        ("x-delayed-type", text("fanout")),
        ("x-message-deduplication", FieldValue::Bool(true)),
    ];
    bench.exchange("later", "x-delayed-message", &delayed);
    bench.exchange("recent", "x-recent-history", &[]);
    bind_exchange(&bench, "later", "recent", "");
    let headers = [delay(50)[0].clone(), value("a")[0].clone()];
    bench.publish("later", "", &headers, "1");
    bench.publish("later", "", &headers, "2");
    bench.advance(50);
    bench.queue("q", &[]);
    bench.bind("recent", "q", "");
    assert_eq!(
        bench.bodies("q"),
        ["1"],
        "its own value does not stop it when its time has come"
    );
}

/// How many queues a mandatory message goes to, and whether it is returned.
fn mandatory(bench: &Bench, exchange: &str, key: &str, headers: &[(&str, FieldValue)]) -> (usize, bool) {
    let properties = Properties {
        headers: Some(table(headers)),
        ..Properties::default()
    };
    let message = Message::new(exchange, key, &properties.encode(), &[b"m"]);
    let mut routes = RouteCache::default();
    let vhost: std::sync::Arc<Vhost> = bench.vhost();
    let broker: &Broker = &bench.broker;
    let terms = Terms {
        mandatory: true,
        ..Terms::default()
    };
    let route = routes.route(&vhost, exchange, key, &[], message.properties(), terms);
    let mut batch = PublishBatch::default();
    for queue in &route.queues {
        let incoming = crate::queue::Incoming {
            message: message.clone(),
            persistent: false,
            ticket: None,
        };
        batch.push(queue, incoming);
    }
    let outcome = (route.queues.len(), route.queues.is_empty() && !route.is_absorbed);
    let mut aftermath = crate::broker::Aftermath::default();
    batch.flush(broker.now(), &mut aftermath);
    broker.settle_aftermath(&mut aftermath);
    outcome
}

#[test]
fn a_delayed_message_that_no_queue_would_get_is_returned_and_does_not_wait() {
    let bench = Bench::new();
    let delayed = [
        ("x-delayed-type", text("direct")),
        ("x-message-deduplication", FieldValue::Bool(true)),
    ];
    bench.exchange("later", "x-delayed-message", &delayed);
    let headers = [delay(50)[0].clone(), value("a")[0].clone()];
    assert_eq!(mandatory(&bench, "later", "k", &headers), (0, true));
    assert_eq!(bench.vhost().delayed_messages("later"), Some(0));
    bench.queue("q", &[]);
    bench.bind("later", "q", "k");
    // The one that was returned is no first one.
    assert_eq!(mandatory(&bench, "later", "k", &headers), (1, false));
    assert_eq!(bench.vhost().delayed_messages("later"), Some(1));
    bench.advance(50);
    assert_eq!(bench.bodies("q"), ["m"]);
}

#[test]
fn a_history_alone_is_no_queue_to_a_mandatory_message() {
    let bench = Bench::new();
    bench.exchange("recent", "x-recent-history", &[]);
    assert_eq!(mandatory(&bench, "recent", "", &[]), (0, true));
    bench.queue("q", &[]);
    bench.bind("recent", "q", "");
    assert!(bench.bodies("q").is_empty(), "what was returned is not kept");
    let (reached, returned) = mandatory(&bench, "recent", "", &[]);
    assert!(reached > 0 && !returned);
}

#[test]
fn a_duplicate_is_not_returned() {
    let bench = Bench::new();
    bench.exchange("once", "x-message-deduplication", &[("x-cache-size", number(10))]);
    bench.queue("q", &[]);
    bench.bind("once", "q", "");
    assert_eq!(mandatory(&bench, "once", "", &value("a")), (1, false));
    assert!(!mandatory(&bench, "once", "", &value("a")).1);
    assert_eq!(bench.bodies("q"), ["m"]);
}

#[test]
fn mandatory_through_the_exchanges_that_choose_one() {
    for kind in ["x-random", "x-modulus-hash", "x-consistent-hash"] {
        let bench = Bench::new();
        bench.exchange("one", kind, &[]);
        assert_eq!(mandatory(&bench, "one", "k", &[]), (0, true), "{kind}");
        bench.queue("q", &[]);
        bench.bind("one", "q", "1");
        assert_eq!(mandatory(&bench, "one", "k", &[]), (1, false), "{kind}");
    }
}

/// Publishes with keys in BCC as a session does.
fn publish_with_secret_keys(bench: &Bench, exchange: &str, key: &str, extra: &[(&str, FieldValue)]) {
    let mut headers = vec![
        ("CC", FieldValue::Array(vec![text("copy")])),
        ("BCC", FieldValue::Array(vec![text("secret")])),
    ];
    headers.extend_from_slice(extra);
    let properties = Properties {
        headers: Some(table(&headers)),
        ..Properties::default()
    };
    let message = Message::new(exchange, key, &properties.encode(), &[b"m"]).with_secret_keys();
    let queues = bench
        .broker
        .publish_one(&bench.vhost(), &message, [key, "copy", "secret"]);
    assert!(queues.unwrap() > 0);
}

fn headers_of(message: &Message) -> FieldTable {
    let visible = message.visible_properties();
    let view = crate::model::PropertiesView::new(visible.as_deref().unwrap_or(message.properties_bytes()));
    view.headers().unwrap()
}

#[test]
fn a_dead_letter_goes_to_the_keys_of_bcc_too_and_nobody_sees_them() {
    let bench = Bench::new();
    bench.queue(
        "q",
        &[
            ("x-dead-letter-exchange", text("amq.direct")),
            ("x-message-ttl", number(10)),
        ],
    );
    for key in ["q", "copy", "secret"] {
        bench.queue(&format!("dead {key}"), &[]);
        bench.bind("amq.direct", &format!("dead {key}"), key);
    }
    publish_with_secret_keys(&bench, "", "q", &[]);
    bench.advance(10);
    for key in ["q", "copy", "secret"] {
        let dead = bench.get(&format!("dead {key}")).unwrap();
        let headers = headers_of(&dead);
        assert_eq!(headers.get("BCC"), None);
        assert_eq!(headers.get("CC"), Some(&FieldValue::Array(vec![text("copy")])));
        let Some(FieldValue::Array(deaths)) = headers.get("x-death") else {
            panic!("{headers:?}");
        };
        let FieldValue::Table(death) = &deaths[0] else {
            panic!("{deaths:?}");
        };
        let told = FieldValue::Array(vec![text("q"), text("copy")]);
        assert_eq!(death.get("routing-keys"), Some(&told));
    }
}

#[test]
fn a_key_of_the_queue_takes_the_place_of_all_keys() {
    let bench = Bench::new();
    let arguments = [
        ("x-dead-letter-exchange", text("amq.direct")),
        ("x-dead-letter-routing-key", text("dead")),
        ("x-message-ttl", number(10)),
    ];
    bench.queue("q", &arguments);
    for key in ["dead", "copy", "secret"] {
        bench.queue(key, &[]);
        bench.bind("amq.direct", key, key);
    }
    bench.exchange("in", "fanout", &[]);
    bench.bind("in", "q", "");
    publish_with_secret_keys(&bench, "in", "k", &[]);
    bench.advance(10);
    let reached = ["dead", "copy", "secret"].map(|queue| bench.waiting(queue));
    assert_eq!(reached, [1, 0, 0]);
    let headers = headers_of(&bench.get("dead").unwrap());
    assert_eq!((headers.get("CC"), headers.get("BCC")), (None, None));
}

#[test]
fn a_delayed_message_goes_to_the_keys_of_bcc_when_its_time_has_come() {
    let bench = Bench::new();
    bench.exchange("later", "x-delayed-message", &[("x-delayed-type", text("direct"))]);
    bench.queue("q", &[]);
    bench.bind("later", "q", "secret");
    publish_with_secret_keys(&bench, "later", "k", &delay(20));
    bench.advance(20);
    let message = bench.get("q").unwrap();
    assert_eq!(headers_of(&message).get("BCC"), None);
}
