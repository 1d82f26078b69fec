//! Publishing, getting and purging.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Broker;

const PUBLISH: &str = "/api/exchanges/%2F/amq.default/publish";
const GET: &str = "/api/queues/%2F/q/get";

#[test]
fn a_message_comes_back_as_it_went() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let properties = json!({
        "content_type": "text/plain", "content_encoding": "utf-8", "delivery_mode": 2, "priority": 3,
        "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m", "timestamp": 1700000000,
        "type": "t", "user_id": "guest", "app_id": "a", "headers": { "n": 1, "list": [true, "x"] },
    });
    for (payload, encoding, shown, shown_as, bytes) in [
        ("häm", "string", "häm", "string", 4),
        ("AAH/", "base64", "AAH/", "base64", 3),
        ("aGk=", "base64", "hi", "string", 2),
    ] {
        let body = json!({
            "routing_key": "q", "payload": payload, "payload_encoding": encoding, "properties": properties,
        });
        assert_eq!(broker.want(200, "POST", PUBLISH, Some(body)), json!({ "routed": true }));
        let get = json!({ "count": 5, "ackmode": "ack_requeue_false", "encoding": "auto" });
        let got = broker.want(200, "POST", GET, Some(get));
        assert_eq!(got.as_array().map(Vec::len), Some(1));
        let message = &got[0];
        assert_eq!(message["payload"], shown);
        assert_eq!(message["payload_encoding"], shown_as);
        assert_eq!(message["payload_bytes"], bytes);
        assert_eq!(message["routing_key"], "q");
        assert_eq!(message["exchange"], "");
        assert_eq!(message["redelivered"], false);
        assert_eq!(message["properties"], properties);
    }
}

#[test]
fn messages_are_requeued_acked_or_dead_lettered() {
    let broker = Broker::start();
    broker.declare_queue("dead");
    let arguments = json!({ "arguments": { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead" } });
    broker.want(201, "PUT", "/api/queues/%2F/q", Some(arguments));
    for payload in ["1", "2", "3"] {
        let body = json!({ "routing_key": "q", "payload": payload });
        broker.want(200, "POST", PUBLISH, Some(body));
    }
    let rows = [
        ("ack_requeue_true", vec![("1", false), ("2", false)]),
        ("reject_requeue_true", vec![("1", true), ("2", true)]),
        ("reject_requeue_false", vec![("1", true), ("2", true)]),
        ("ack_requeue_false", vec![("3", false)]),
        ("ack_requeue_false", vec![]),
    ];
    for (mode, expected) in rows {
        let got = broker.want(200, "POST", GET, Some(json!({ "count": 2, "ackmode": mode })));
        let got: Vec<_> = got
            .as_array()
            .expect("a list")
            .iter()
            .map(|message| (message["payload"].as_str(), message["redelivered"].as_bool()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(text, again)| (Some(*text), Some(*again)))
            .collect();
        assert_eq!(got, expected, "{mode}");
    }
    assert_eq!(broker.get("/api/queues/%2F/dead")["messages"], 2);
    let stats = &broker.get("/api/queues/%2F/q")["message_stats"];
    assert_eq!(stats["publish"], 3);
    assert_eq!(stats["get"], 7);
    assert_eq!(stats["get_empty"], 2);
    assert_eq!(stats["ack"], 1);
    broker.want(204, "DELETE", "/api/queues/%2F/dead/contents", None);
    assert_eq!(broker.get("/api/queues/%2F/dead")["messages"], 0);
    broker.want(204, "DELETE", "/api/queues/%2F/dead", None);
    broker.want(204, "DELETE", "/api/queues/%2F/q", None);
    let totals = &broker.get("/api/overview")["message_stats"];
    assert_eq!(totals["publish"], 3, "a dead letter has no publisher");
    assert_eq!(totals["get"], 7, "those of a deleted queue count on");
}

#[test]
fn what_cannot_be_published_is_refused() {
    let broker = Broker::start();
    broker.want(
        201,
        "PUT",
        "/api/queues/%2F/full",
        Some(json!({ "arguments": { "x-max-length": 0, "x-overflow": "reject-publish" } })),
    );
    let rows = [
        (json!({ "routing_key": "none", "payload": "" }), 200),
        (json!({ "routing_key": "full", "payload": "" }), 400),
        (json!({ "payload": "" }), 400),
        (json!({ "routing_key": "q" }), 400),
        (
            json!({ "routing_key": "q", "payload": "?", "payload_encoding": "base64" }),
            400,
        ),
        (
            json!({ "routing_key": "q", "payload": "", "properties": { "expiration": "soon" } }),
            400,
        ),
        (
            json!({ "routing_key": "q", "payload": "", "properties": { "delivery_mode": 3 } }),
            400,
        ),
        (
            json!({ "routing_key": "q", "payload": "", "properties": { "priority": 256 } }),
            400,
        ),
        (
            json!({ "routing_key": "q", "payload": "", "properties": { "user_id": "other" } }),
            400,
        ),
        (
            json!({ "routing_key": "q", "payload": "", "properties": { "headers": 1 } }),
            400,
        ),
        (json!({ "routing_key": "q".repeat(256), "payload": "" }), 400),
    ];
    for (body, status) in rows {
        let answer = broker.ask("POST", PUBLISH, Some(body.clone()));
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    let message = Some(json!({ "routing_key": "", "payload": "" }));
    broker.want(404, "POST", "/api/exchanges/%2F/none/publish", message.clone());
    broker.want(401, "POST", "/api/exchanges/%2F/amq.rabbitmq.trace/publish", message);
    broker.want(
        400,
        "POST",
        "/api/queues/%2F/full/get",
        Some(json!({ "count": 1, "ackmode": "eat" })),
    );
    broker.want(400, "POST", "/api/queues/%2F/full/get", Some(json!({ "count": 10001 })));
}

#[test]
fn what_is_published_here_counts_against_the_rate_quotas() {
    let policy = json!({ "pattern": "^q$", "apply-to": "queues", "definition": { "message-rate-per-s": 10 } });
    let vhost = json!({ "value": 10 });
    for (what, path, value) in [
        ("queue", "/api/policies/%2F/slow", policy),
        ("vhost", "/api/vhost-limits/%2F/message-rate-per-s", vhost.clone()),
        ("user", "/api/user-limits/guest/message-rate-per-s", vhost),
    ] {
        let broker = Broker::start();
        broker.declare_queue("q");
        let set = broker.ask("PUT", path, Some(value));
        assert!(matches!(set.status, 201 | 204), "{what}: {}", set.text);
        let start = Instant::now();
        for _ in 0..6 {
            let body = json!({ "routing_key": "q", "payload": "x" });
            assert_eq!(broker.want(200, "POST", PUBLISH, Some(body))["routed"], true);
        }
        // One in the first burst, and five that wait for a tenth of a second each.
        assert!(start.elapsed() >= Duration::from_millis(499), "{what}");
        let get = json!({ "count": 9, "ackmode": "ack_requeue_false" });
        let got = broker.want(200, "POST", GET, Some(get));
        assert_eq!(got.as_array().map(Vec::len), Some(6), "{what}: nothing is lost");
    }
}

#[test]
fn a_publisher_that_waits_goes_on_when_the_quota_is_lifted() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let limit = "/api/vhost-limits/%2F/byte-rate-per-s";
    let set = broker.ask("PUT", limit, Some(json!({ "value": 1 })));
    assert!(matches!(set.status, 201 | 204), "{}", set.text);
    std::thread::scope(|scope| {
        // At one byte a second this would take longer than any test.
        let body = json!({ "routing_key": "q", "payload": "x".repeat(100_000) });
        let waits = scope.spawn(|| broker.want(200, "POST", PUBLISH, Some(body)));
        let give_up = Instant::now() + Duration::from_secs(60);
        while broker.get("/api/warren/queues/%2F/q/messages") == json!([]) {
            assert!(Instant::now() < give_up, "it does not arrive");
            std::thread::yield_now();
        }
        assert!(!waits.is_finished(), "it is there, and its answer is held back");
        broker.want(204, "DELETE", limit, None);
        assert_eq!(waits.join().expect("an answer")["routed"], true);
    });
}
