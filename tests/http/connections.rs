//! Connections, channels and consumers in lists, and closing a connection.

use serde_json::json;

use super::amqp::Client;
use super::{Broker, names};

#[test]
fn an_open_connection_is_seen_and_closed() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let mut client = Client::connect(&broker.amqp);
    client.consume("q", "my tag");
    let connections = broker.get("/api/connections");
    let connection = &connections[0];
    let name = connection["name"].as_str().expect("a name");
    assert!(name.ends_with(&format!(" -> {}", broker.amqp)), "{name}");
    for (field, expected) in [
        ("user", json!("guest")),
        ("vhost", json!("/")),
        ("state", json!("running")),
        ("blocked_by", json!([])),
        ("ssl", json!(false)),
        ("ssl_protocol", json!(null)),
        ("protocol", json!("AMQP 0-9-1")),
        ("auth_mechanism", json!("PLAIN")),
        ("channels", json!(1)),
        ("frame_max", json!(131_072)),
    ] {
        assert_eq!(connection[field], expected, "{field}");
    }
    assert!(connection["recv_oct"].as_u64() > Some(0) && connection["send_oct"].as_u64() > Some(0));
    let path = format!("/api/connections/{}", name.replace(' ', "%20").replace('>', "%3E"));
    assert_eq!(broker.get(&path)["name"], name);
    for list in [
        "/api/connections/username/guest".to_owned(),
        "/api/vhosts/%2F/connections".to_owned(),
    ] {
        assert_eq!(names(&broker.get(&list)), [name], "{list}");
    }
    for list in [
        "/api/channels".to_owned(),
        "/api/vhosts/%2F/channels".to_owned(),
        format!("{path}/channels"),
    ] {
        let channels = broker.get(&list);
        assert_eq!(names(&channels), [format!("{name} (1)")], "{list}");
        assert_eq!(channels[0]["consumer_count"], 1);
        assert_eq!(channels[0]["prefetch_count"], 3);
        assert_eq!(channels[0]["confirm"], false);
    }
    let consumers = broker.get("/api/consumers/%2F");
    assert_eq!(consumers[0]["consumer_tag"], "my tag");
    assert_eq!(consumers[0]["queue"], json!({ "name": "q", "vhost": "/" }));
    assert_eq!(consumers[0]["prefetch_count"], 3);
    assert_eq!(consumers[0]["channel_details"]["connection_name"], name);
    let queue = broker.get("/api/queues/%2F/q");
    assert_eq!(queue["consumers"], 1);
    assert_eq!(queue["consumer_details"][0]["consumer_tag"], "my tag");
    assert_eq!(broker.get("/api/overview")["object_totals"]["consumers"], 1);
    broker.want(204, "DELETE", &path, None);
    let close = client.expect(10, 50);
    assert_eq!(&close[..2], 320_u16.to_be_bytes());
    let text = String::from_utf8_lossy(&close[3..3 + usize::from(close[2])]).into_owned();
    assert_eq!(text, "CONNECTION_FORCED - Closed via management plugin");
}

#[test]
fn an_exclusive_queue_is_locked_for_operators_too() {
    let broker = Broker::start();
    let mut client = Client::connect(&broker.amqp);
    client.declare_exclusive("own");
    let queue = broker.get("/api/queues/%2F/own");
    assert_eq!(queue["exclusive"], true);
    assert_eq!(
        queue["owner_pid_details"]["name"],
        broker.get("/api/connections")[0]["name"]
    );
    let refused = broker.want(400, "DELETE", "/api/queues/%2F/own/contents", None);
    let reason = refused["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("405 RESOURCE_LOCKED"), "{reason}");
    broker.want(400, "DELETE", "/api/queues/%2F/own", None);
    assert_eq!(
        broker.get("/api/definitions")["queues"],
        json!([]),
        "it is not exported"
    );
}

#[test]
fn a_vhost_that_is_deleted_loses_its_connections() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let mut client = Client::connect(&broker.amqp);
    broker.want(204, "DELETE", "/api/vhosts/%2F", None);
    let close = client.expect(10, 50);
    assert_eq!(&close[..2], 320_u16.to_be_bytes());
    broker.want(404, "GET", "/api/queues/%2F/q", None);
}

/// Asks until the one connection stands so; gives it.
fn await_state(broker: &Broker, state: &str, blocked_by: &[&str]) -> serde_json::Value {
    for _ in 0..5_000 {
        let connection = broker.get("/api/connections")[0].take();
        if connection["state"] == state && connection["blocked_by"] == json!(blocked_by) {
            return connection;
        }
    }
    panic!("not {state} by {blocked_by:?}: {:#}", broker.get("/api/connections"));
}

#[test]
fn a_connection_that_an_alarm_holds_says_so() {
    // A petabyte is free nowhere.
    let broker = Broker::start_with(&[("WARREN_STORE__DISK_FREE_LIMIT_BYTES", "1125899906842624")]);
    let mut client = Client::connect(&broker.amqp);
    await_state(&broker, "blocking", &["disk"]);
    client.publish("", "nowhere", false);
    await_state(&broker, "blocked", &["disk"]);
    let table = broker.run(&["list", "connections"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let row = table.lines().nth(1).expect("a row");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[3..8], ["-", "guest", "/", "blocked", "disk"], "{table}");
    let top = broker.run(&["top", "--once"]);
    let top = String::from_utf8_lossy(&top.stdout).into_owned();
    assert!(top.contains("blocked: disk"), "{top}");
    let channels = broker.get("/api/channels");
    assert_eq!(channels[0]["state"], "running");
}

#[test]
fn a_connection_over_a_quota_says_whose() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let vhost = "/api/vhost-limits/%2F/message-rate-per-s";
    let user = "/api/user-limits/guest/message-rate-per-s";
    let policy = "/api/policies/%2F/slow";
    let rate = json!({ "pattern": "^q$", "definition": { "message-rate-per-s": 1 } });
    for (path, body, blocked_by) in [
        (vhost, json!({ "value": 1 }), "vhost-quota"),
        (user, json!({ "value": 1 }), "user-quota"),
        (policy, rate, "queue-quota"),
    ] {
        broker.ask("PUT", path, Some(body));
        let mut client = Client::connect(&broker.amqp);
        for _ in 0..3 {
            client.publish("", "q", false);
        }
        let held = await_state(&broker, "flow", &[blocked_by]);
        assert_eq!(broker.get("/api/channels")[0]["state"], "flow");
        broker.want(204, "DELETE", path, None);
        drop(client);
        broker.want(204, "DELETE", "/api/connections/username/guest", None);
        while names(&broker.get("/api/connections")).contains(&held["name"].as_str().expect("a name")) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_client_that_does_not_read_says_so() {
    let broker = Broker::start_with(&[("WARREN_LIMITS__OUTGOING_BUFFER_BYTES", "65536")]);
    broker.declare_queue("q");
    let big = "x".repeat(1 << 20);
    for _ in 0..12 {
        let message = json!({ "routing_key": "q", "payload": big, "payload_encoding": "string", "properties": {} });
        broker.want(200, "POST", "/api/exchanges/%2F/amq.default/publish", Some(message));
    }
    let mut client = Client::connect(&broker.amqp);
    client.consume_all("q");
    await_state(&broker, "flow", &["unread"]);
}
