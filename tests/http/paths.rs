//! Which path answers what.

use serde_json::json;

use super::Broker;

/// Paths with fields of their answers, names and places with dots between.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "/api/overview",
        &[
            "rabbitmq_version",
            "cluster_name",
            "node",
            "queue_totals.messages",
            "queue_totals.messages_ready_details.rate",
            "object_totals.queues",
            "message_stats.publish_details.rate",
            "message_stats.deliver_get",
            "listeners.0.port",
            "exchange_types.0.name",
            "churn_rates.connection_created",
        ],
    ),
    ("/api/cluster-name", &["name"]),
    ("/api/whoami", &["name", "tags.0"]),
    (
        "/api/nodes",
        &["0.name", "0.mem_used", "0.fd_used", "0.running", "0.uptime"],
    ),
    ("/api/nodes/warren@warren", &["name", "type"]),
    (
        "/api/vhosts",
        &["0.name", "0.messages", "0.message_stats.ack", "0.cluster_state"],
    ),
    ("/api/vhosts/%2F", &["name", "description", "messages_unacknowledged"]),
    ("/api/vhosts/%2F/permissions", &["0.configure"]),
    (
        "/api/users",
        &["0.name", "0.password_hash", "0.hashing_algorithm", "0.tags.0"],
    ),
    ("/api/users/guest", &["name", "limits"]),
    ("/api/users/guest/permissions", &["0.vhost"]),
    ("/api/permissions", &["0.user", "0.write"]),
    ("/api/permissions/%2F/guest", &["read"]),
    ("/api/exchanges", &["0.name", "0.type", "0.durable", "0.arguments"]),
    ("/api/exchanges/%2F/amq.default", &["name", "internal"]),
    ("/api/exchanges/%2F/amq.topic", &["auto_delete", "vhost"]),
    ("/api/exchanges/%2F/amq.default/bindings/source", &["0.destination"]),
    (
        "/api/queues",
        &[
            "0.name",
            "0.vhost",
            "0.type",
            "0.state",
            "0.arguments",
            "0.messages_details.rate",
            "0.message_bytes_ready",
            "0.message_stats.deliver_get_details.rate",
            "0.consumers",
            "0.policy",
        ],
    ),
    ("/api/queues/%2F", &["0.exclusive"]),
    (
        "/api/queues/%2F/orders",
        &["messages", "consumer_details", "owner_pid_details"],
    ),
    (
        "/api/queues/%2F/orders/bindings",
        &["0.source", "0.properties_key", "0.destination_type", "0.routing_key"],
    ),
    ("/api/bindings/%2F", &["0.destination"]),
    ("/api/bindings/%2F/e/amq.default/q/orders", &["0.properties_key"]),
    (
        "/api/definitions",
        &["rabbitmq_version", "users.0.password_hash", "queues.0.name", "policies"],
    ),
    ("/api/definitions/%2F", &["exchanges", "queues.0.durable", "bindings"]),
    ("/api/health/checks/alarms", &["status"]),
    ("/api/health/checks/local-alarms", &["status"]),
    ("/api/health/checks/virtual-hosts", &["status"]),
    ("/api/health/checks/protocol-listener/amqp", &["protocol"]),
    ("/api/health/checks/certificate-expiration/1/months", &["status"]),
    ("/api/aliveness-test/%2F", &["status"]),
    ("/api/auth/hash_password/secret", &["ok"]),
];

/// Method, path and body with the status and the word of the refusal.
const REFUSALS: &[(&str, &str, &str, u16, &str)] = &[
    ("GET", "/api/nothing", "", 404, "Object Not Found"),
    ("GET", "/nothing", "", 404, "Object Not Found"),
    ("POST", "/api/overview", "", 405, "method_not_allowed"),
    ("GET", "/api/nodes/other", "", 404, "Object Not Found"),
    ("GET", "/api/vhosts/none", "", 404, "Object Not Found"),
    ("GET", "/api/queues/none", "", 404, "Object Not Found"),
    ("GET", "/api/queues/%2F/none", "", 404, "Object Not Found"),
    ("DELETE", "/api/queues/%2F/none", "", 404, "Object Not Found"),
    ("GET", "/api/exchanges/%2F/none", "", 404, "Object Not Found"),
    ("DELETE", "/api/users/none", "", 404, "Object Not Found"),
    ("GET", "/api/connections/none", "", 404, "Object Not Found"),
    ("GET", "/api/channels/none%20(1)", "", 404, "Object Not Found"),
    ("PUT", "/api/queues/none/q", "{}", 404, "Object Not Found"),
    ("PUT", "/api/queues/%2F/q", "no json", 400, "bad_request"),
    ("PUT", "/api/queues/%2F/q", "[1]", 400, "bad_request"),
    ("PUT", "/api/queues/%2F/q", "\"{}\"", 400, "bad_request"),
    (
        "PUT",
        "/api/queues/%2F/q",
        r#"{"durable": "perhaps"}"#,
        400,
        "bad_request",
    ),
    ("PUT", "/api/queues/%2F/q", r#"{"arguments": []}"#, 400, "bad_request"),
    (
        "PUT",
        "/api/queues/%2F/q",
        r#"{"arguments": {"x-max-length": -1}}"#,
        400,
        "bad_request",
    ),
    (
        "PUT",
        "/api/queues/%2F/orders",
        r#"{"durable": false}"#,
        400,
        "bad_request",
    ),
    ("PUT", "/api/queues/%2F/amq.mine", "{}", 401, "not_authorised"),
    ("PUT", "/api/exchanges/%2F/e", r#"{"type": "none"}"#, 400, "bad_request"),
    ("DELETE", "/api/exchanges/%2F/amq.topic", "", 401, "not_authorised"),
    ("PUT", "/api/users/u", "{}", 400, "bad_request"),
    ("PUT", "/api/users/u", r#"{"tags": ""}"#, 400, "bad_request"),
    (
        "PUT",
        "/api/users/u",
        r#"{"tags": "", "password_hash": "AA==", "hashing_algorithm": "none"}"#,
        400,
        "bad_request",
    ),
    (
        "PUT",
        "/api/permissions/%2F/guest",
        r#"{"configure": "(", "write": "", "read": ""}"#,
        400,
        "bad_request",
    ),
    (
        "POST",
        "/api/bindings/%2F/e/none/q/orders",
        "{}",
        404,
        "Object Not Found",
    ),
    (
        "POST",
        "/api/bindings/%2F/e/amq.topic/x/orders",
        "{}",
        404,
        "Object Not Found",
    ),
    (
        "POST",
        "/api/bindings/%2F/e/amq.default/q/orders",
        "{}",
        401,
        "not_authorised",
    ),
    (
        "DELETE",
        "/api/bindings/%2F/e/amq.topic/q/orders/none",
        "",
        404,
        "Object Not Found",
    ),
    ("GET", "/api/health/checks/port-listener/ten", "", 400, "bad_request"),
    ("GET", "/api/queues?page=0", "", 400, "invalid_pagination_parameters"),
    (
        "GET",
        "/api/queues?page=1&page_size=501",
        "",
        400,
        "invalid_pagination_parameters",
    ),
    ("GET", "/api/queues?page=x", "", 400, "bad_request"),
    ("GET", "/api/queues?page=9", "", 400, "page_out_of_range"),
    (
        "GET",
        "/api/queues?page=1&name=(&use_regex=true",
        "",
        400,
        "bad_request",
    ),
];

/// Whether `path` (names with dots between) leads somewhere.
fn has(value: &serde_json::Value, path: &str) -> bool {
    let found = path
        .split('.')
        .try_fold(value, |value, part| match part.parse::<usize>() {
            Ok(at) => value.get(at),
            Err(_) => value.get(part),
        });
    found.is_some()
}

#[test]
fn every_path_answers_with_its_fields() {
    let broker = Broker::start();
    broker.declare_queue("orders");
    for (path, fields) in FIELDS {
        let body = broker.get(path);
        for field in *fields {
            assert!(has(&body, field), "{path} has no {field}: {body}");
        }
    }
    for empty in [
        "/api/connections",
        "/api/channels",
        "/api/consumers",
        "/api/consumers/%2F",
        "/api/topic-permissions",
        "/api/policies",
        "/api/parameters",
        "/api/vhost-limits",
        "/api/extensions",
        "/api/exchanges/%2F/amq.topic/bindings/destination",
        "/api/bindings/%2F/e/amq.topic/q/orders",
    ] {
        assert_eq!(broker.get(empty), json!([]), "{empty}");
    }
}

#[test]
fn refusals_have_a_status_and_a_reason() {
    let broker = Broker::start();
    broker.declare_queue("orders");
    let long = format!("/api/queues/%2F/{}", "x".repeat(256));
    let too_long = [("PUT", long.as_str(), "{}", 400, "bad_request")];
    for &(method, path, body, status, error) in REFUSALS.iter().chain(&too_long) {
        let answer = broker.ask_raw(Some(("guest", "guest")), method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text);
        assert_eq!(answer.body["error"], error, "{method} {path} {body}: {}", answer.text);
        assert!(
            answer.body["reason"].is_string(),
            "{method} {path} {body}: {}",
            answer.text
        );
    }
    let port = broker.want(503, "GET", "/api/health/checks/port-listener/1", None);
    assert_eq!(port["status"], "failed");
    let mqtt = broker.want(503, "GET", "/api/health/checks/protocol-listener/mqtt", None);
    assert_eq!(mqtt["missing"], "mqtt");
}

#[test]
fn health_metrics_and_the_front_page_need_no_login() {
    let broker = Broker::start();
    broker.declare_queue("a%22b");
    for path in ["/health/live", "/health/ready", "/metrics", "/metrics/per-object", "/"] {
        let answer = broker.ask_as(None, "GET", path, None);
        assert_eq!(answer.status, 200, "{path}");
    }
    assert!(broker.ask_as(None, "GET", "/", None).text.contains("/api"));
    let metrics = broker.ask_as(None, "GET", "/metrics/per-object", None).text;
    for line in [
        "rabbitmq_connections 0",
        r#"rabbitmq_queue_messages_ready{vhost="/",queue="a\"b"} 0"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    let (_, port) = broker.amqp.rsplit_once(':').expect("a port");
    let check = broker.get(&format!("/api/health/checks/port-listener/{port}"));
    assert_eq!(check["status"], "ok");
}

#[test]
fn a_request_that_is_too_large_is_refused() {
    let broker = Broker::start();
    let body = format!("{{\"description\": \"{}\"}}", "x".repeat(20 << 20));
    let answer = broker.ask_raw(Some(("guest", "guest")), "PUT", "/api/vhosts/large", &body);
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(answer.body["reason"], "Exceeded HTTP request body size limit");
    broker.want(404, "GET", "/api/vhosts/large", None);
}
