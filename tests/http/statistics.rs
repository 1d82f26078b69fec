//! Totals, rates and samples of what is published, delivered and acked.

use serde_json::{Value, json};

use super::Broker;
use super::amqp::Client;

/// `publish`, `confirm`, ... of an object, those of 0 left out.
fn counts(of: &Value) -> Value {
    let stats = of["message_stats"].as_object().expect("message_stats");
    let counted = stats
        .iter()
        .filter(|(_, value)| value.as_u64().is_some_and(|count| count > 0));
    counted.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn a_channel_an_exchange_a_vhost_and_the_broker_count_what_clients_do() {
    let broker = Broker::start();
    broker.declare_queue("a");
    broker.declare_queue("b");
    for queue in ["a", "b"] {
        broker.want(
            201,
            "POST",
            &format!("/api/bindings/%2F/e/amq.fanout/q/{queue}"),
            Some(json!({})),
        );
    }
    let mut client = Client::connect(&broker.amqp);
    client.confirm_select();
    for (exchange, key, mandatory) in [("amq.fanout", "", false), ("", "a", false), ("", "none", false)] {
        client.publish(exchange, key, mandatory);
        client.expect(60, 80);
    }
    client.publish("", "none", true);
    client.expect_returned();
    client.expect(60, 80);
    for tag in 1..=2 {
        client.get("a");
        client.ack(tag);
    }
    client.get_empty("a");
    let published = json!({
        "publish": 4, "confirm": 4, "drop_unroutable": 1, "return_unroutable": 1,
        "get": 2, "get_empty": 1, "ack": 2, "deliver_get": 2,
    });
    assert_eq!(counts(&broker.get("/api/channels")[0]), published);
    assert_eq!(counts(&broker.get("/api/vhosts/%2F")), published);
    assert_eq!(counts(&broker.get("/api/overview")), published);
    let queue = broker.get("/api/queues/%2F/a");
    assert_eq!(
        counts(&queue),
        json!({ "publish": 2, "get": 2, "get_empty": 1, "ack": 2, "deliver_get": 2 })
    );
    assert!(
        queue["message_stats"].get("confirm").is_none(),
        "a queue confirms nothing"
    );
    let exchange = |name: &str| counts(&broker.get(&format!("/api/exchanges/%2F/{name}")));
    assert_eq!(exchange("amq.fanout"), json!({ "publish_in": 1, "publish_out": 2 }));
    assert_eq!(exchange("amq.default"), json!({ "publish_in": 3, "publish_out": 1 }));
    assert_eq!(exchange("amq.topic"), json!({}));
}

#[test]
fn a_transaction_counts_when_it_is_committed() {
    let broker = Broker::start();
    broker.declare_queue("a");
    let mut client = Client::connect(&broker.amqp);
    client.tx_select();
    client.publish("", "a", false);
    client.tx_rollback();
    assert_eq!(counts(&broker.get("/api/overview")), json!({}));
    client.publish("", "a", false);
    client.publish("amq.fanout", "a", false);
    client.tx_commit();
    assert_eq!(
        counts(&broker.get("/api/channels")[0]),
        json!({ "publish": 2, "drop_unroutable": 1 })
    );
    let fanout = broker.get("/api/exchanges/%2F/amq.fanout");
    assert_eq!(counts(&fanout), json!({ "publish_in": 1 }));
}

/// The objects that have `PATH`, with the query that asks for samples of it.
const SAMPLED: [(&str, &str, &str); 10] = [
    ("/api/overview", "lengths", "/queue_totals/messages_ready_details"),
    ("/api/overview", "msg_rates", "/message_stats/publish_details"),
    ("/api/overview", "node_stats", "/churn_rates/queue_created_details"),
    ("/api/vhosts/%2F", "lengths", "/messages_details"),
    ("/api/vhosts/%2F", "data_rates", "/recv_oct_details"),
    ("/api/queues/%2F/q", "lengths", "/messages_unacknowledged_details"),
    ("/api/queues/%2F/q", "msg_rates", "/message_stats/deliver_get_details"),
    (
        "/api/exchanges/%2F/amq.default",
        "msg_rates",
        "/message_stats/publish_in_details",
    ),
    ("/api/connections", "data_rates", "/0/send_oct_details"),
    ("/api/channels", "msg_rates", "/0/message_stats/ack_details"),
];

#[test]
fn samples_are_given_where_they_are_asked_for() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let mut client = Client::connect(&broker.amqp);
    client.confirm_select();
    client.publish("", "q", false);
    client.expect(60, 80);
    for (object, group, path) in SAMPLED {
        let plain = broker.get(object);
        let details = plain.pointer(path).unwrap_or_else(|| panic!("{object} has no {path}"));
        assert!(details["rate"].is_number(), "{object} {path}: {details}");
        assert!(details.get("samples").is_none(), "{object} {path}: not asked for");
        let answer = broker.get(&format!("{object}?{group}_age=60&{group}_incr=5"));
        let details = answer.pointer(path).unwrap_or_else(|| panic!("{object} has no {path}"));
        let samples = details["samples"].as_array().expect("samples");
        assert_eq!(samples.len(), 13, "{object} {path}");
        let times: Vec<_> = samples
            .iter()
            .filter_map(|sample| sample["timestamp"].as_u64())
            .collect();
        assert!(
            times.windows(2).all(|pair| pair[0] == pair[1] + 5_000),
            "the newest first: {times:?}"
        );
        assert!(times[0] % 5_000 == 0 && samples.iter().all(|sample| sample["sample"].is_u64()));
        assert!(details["avg"].is_number() && details["avg_rate"].is_number());
    }
    let nodes = broker.get("/api/nodes?node_stats_age=10&node_stats_incr=10");
    assert_eq!(
        nodes[0]["mem_used_details"]["samples"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn ranges_are_held_to_their_bounds() {
    let broker = Broker::start();
    broker.declare_queue("q");
    for (query, status) in [
        ("lengths_age=500&lengths_incr=1", 200),
        ("lengths_age=501&lengths_incr=1", 400),
        ("lengths_age=60&lengths_incr=0", 400),
        ("lengths_age=-60&lengths_incr=5", 400),
        (
            "msg_rates_age=9223372036854775807&msg_rates_incr=9223372036854775807",
            200,
        ),
        ("lengths_age=60", 200),
        ("lengths_age=soon&lengths_incr=5", 200),
    ] {
        for path in ["/api/queues", "/api/queues/%2F/q", "/api/overview"] {
            let answer = broker.ask("GET", &format!("{path}?{query}"), None);
            assert_eq!(answer.status, status, "{path}?{query}: {}", answer.text);
            if status == 400 {
                assert_eq!(answer.body["error"], "invalid_range_parameters");
            }
        }
    }
}
