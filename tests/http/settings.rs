//! Policies, operator policies, limits and parameters: set over HTTP, they hold.

use serde_json::{Value, json};

use super::amqp::Client;
use super::{Broker, names};

fn policy(pattern: &str, definition: Value) -> Value {
    json!({ "pattern": pattern, "definition": definition, "apply-to": "all", "priority": 1 })
}

#[test]
fn policies_are_set_shown_and_cleared() {
    let broker = Broker::start();
    broker.declare_queue("orders");
    broker.declare_queue("other");
    broker.want(
        201,
        "PUT",
        "/api/exchanges/%2F/orders",
        Some(json!({ "type": "fanout" })),
    );
    let path = "/api/policies/%2F/p";
    let set = policy(
        "^orders",
        json!({ "max-length": 2, "alternate-exchange": "amq.fanout" }),
    );
    broker.want(201, "PUT", path, Some(set.clone()));
    broker.want(204, "PUT", path, Some(set));
    let shown = broker.get(path);
    assert_eq!(
        shown,
        json!({ "vhost": "/", "name": "p", "pattern": "^orders", "apply-to": "all", "priority": 1,
                "definition": { "max-length": 2, "alternate-exchange": "amq.fanout" } })
    );
    for list in ["/api/policies", "/api/policies/%2F"] {
        assert_eq!(broker.get(list), json!([shown]), "{list}");
    }
    let cap = policy("", json!({ "max-length": 1 }));
    broker.want(201, "PUT", "/api/operator-policies/%2F/cap", Some(cap));
    assert_eq!(names(&broker.get("/api/operator-policies")), ["cap"]);

    let queue = broker.get("/api/queues/%2F/orders");
    assert_eq!(
        (&queue["policy"], &queue["operator_policy"]),
        (&json!("p"), &json!("cap"))
    );
    assert_eq!(queue["effective_policy_definition"]["max-length"], 1);
    assert_eq!(broker.get("/api/queues/%2F/other")["policy"], Value::Null);
    for body in ["a", "b"] {
        let message = json!({ "routing_key": "orders", "payload": body, "payload_encoding": "string" });
        broker.want(200, "POST", "/api/exchanges/%2F/amq.default/publish", Some(message));
    }
    assert_eq!(broker.get("/api/queues/%2F/orders")["messages"], 1, "the limit holds");
    let exchange = broker.get("/api/exchanges/%2F/orders");
    assert_eq!(exchange["policy"], "p");
    assert_eq!(
        exchange["effective_policy_definition"]["alternate-exchange"],
        "amq.fanout"
    );

    broker.want(204, "DELETE", path, None);
    broker.want(404, "DELETE", path, None);
    broker.want(404, "GET", path, None);
    broker.want(204, "DELETE", "/api/operator-policies/%2F/cap", None);
    let queue = broker.get("/api/queues/%2F/orders");
    assert_eq!(queue["policy"], Value::Null);
    assert_eq!(queue["effective_policy_definition"], json!({}));
}

#[test]
fn faulty_policies_are_refused() {
    let broker = Broker::start();
    let rows = [
        ("/api/policies/%2F/p", policy("", json!({ "unknown": 1 })), 400),
        ("/api/policies/%2F/p", policy("", json!({})), 400),
        ("/api/policies/%2F/p", policy("(", json!({ "max-length": 1 })), 400),
        ("/api/policies/%2F/p", json!({ "pattern": "" }), 400),
        (
            "/api/policies/%2F/p",
            json!({ "pattern": "", "definition": { "max-length": 1 }, "apply-to": "x" }),
            400,
        ),
        (
            "/api/operator-policies/%2F/p",
            policy("", json!({ "alternate-exchange": "x" })),
            400,
        ),
        ("/api/policies/none/p", policy("", json!({ "max-length": 1 })), 404),
    ];
    for (path, body, status) in rows {
        broker.want(status, "PUT", path, Some(body));
    }
    assert_eq!(broker.get("/api/policies"), json!([]));
}

#[test]
fn policies_are_for_policymakers() {
    let broker = Broker::start();
    for tag in ["management", "policymaker", "administrator"] {
        let user = json!({ "password": "secret", "tags": tag });
        broker.want(201, "PUT", &format!("/api/users/{tag}"), Some(user));
        let all = json!({ "configure": "", "write": "", "read": "" });
        broker.want(201, "PUT", &format!("/api/permissions/%2F/{tag}"), Some(all));
    }
    let set = policy("", json!({ "max-length": 1 }));
    let limit = json!({ "value": 5 });
    let rows = [
        ("/api/policies/%2F/p", &set, [401, 201, 204]),
        ("/api/operator-policies/%2F/p", &set, [401, 401, 201]),
        ("/api/vhost-limits/%2F/max-queues", &limit, [401, 401, 204]),
        ("/api/user-limits/guest/max-channels", &limit, [401, 401, 204]),
    ];
    for (path, body, statuses) in rows {
        for (tag, status) in ["management", "policymaker", "administrator"].iter().zip(statuses) {
            let answer = broker.ask_as(Some((tag, "secret")), "PUT", path, Some(body.clone()));
            assert_eq!(answer.status, status, "{tag} {path}: {}", answer.text);
        }
    }
}

#[test]
fn limits_hold_for_connections_channels_and_queues() {
    let broker = Broker::start();
    let set = |path: &str, value: Value| broker.want(204, "PUT", path, Some(json!({ "value": value })));
    set("/api/vhost-limits/%2F/max-connections", json!(1));
    set("/api/vhost-limits/%2F/max-queues", json!("1"));
    assert_eq!(
        broker.get("/api/vhost-limits"),
        json!([{ "vhost": "/", "value": { "max-connections": 1, "max-queues": 1 } }])
    );
    assert_eq!(broker.get("/api/vhost-limits/%2F"), broker.get("/api/vhost-limits"));
    broker.declare_queue("one");
    broker.want(400, "PUT", "/api/queues/%2F/two", Some(json!({})));
    let held = Client::connect(&broker.amqp);
    let text = "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (1) is reached";
    assert_eq!(Client::refused(&broker.amqp), (530, text.to_owned()));
    broker.want(204, "DELETE", "/api/vhost-limits/%2F/max-connections", None);
    set("/api/user-limits/guest/max-connections", json!(1));
    let text = "NOT_ALLOWED - connection refused for user 'guest': user connection limit (1) is reached";
    assert_eq!(Client::refused(&broker.amqp), (530, text.to_owned()));
    set("/api/user-limits/guest/max-channels", json!(1));
    assert_eq!(
        broker.get("/api/user-limits/guest"),
        json!([{ "user": "guest", "value": { "max-connections": 1, "max-channels": 1 } }])
    );
    let text =
        "NOT_ALLOWED - number of channels opened for user 'guest' has reached the maximum allowed user limit of (1)";
    assert_eq!(held.refused_channel(), (530, text.to_owned()));
    broker.want(204, "DELETE", "/api/user-limits/guest/max-channels", None);
    broker.want(204, "DELETE", "/api/user-limits/guest/max-connections", None);
    assert_eq!(broker.get("/api/user-limits"), json!([]));
    for (path, status) in [
        ("/api/vhost-limits/%2F/nothing", 400),
        ("/api/vhost-limits/none/max-queues", 404),
        ("/api/user-limits/guest/max-queues", 400),
        ("/api/user-limits/none/max-channels", 404),
    ] {
        broker.want(status, "PUT", path, Some(json!({ "value": 1 })));
    }
    broker.want(
        400,
        "PUT",
        "/api/vhost-limits/%2F/max-queues",
        Some(json!({ "value": "many" })),
    );
}

#[test]
fn parameters_are_another_way_to_the_same() {
    let broker = Broker::start();
    let path = "/api/parameters/vhost-limits/%2F/limits";
    broker.want(201, "PUT", path, Some(json!({ "value": { "max-queues": 3 } })));
    let cap = json!({ "value": { "pattern": "", "definition": { "max-length": 4 } } });
    broker.want(201, "PUT", "/api/parameters/operator_policy/%2F/cap", Some(cap));
    assert_eq!(names(&broker.get("/api/parameters")), ["cap", "limits"]);
    assert_eq!(names(&broker.get("/api/parameters/vhost-limits")), ["limits"]);
    assert_eq!(broker.get("/api/parameters/vhost-limits/%2F")[0], broker.get(path));
    assert_eq!(broker.get("/api/vhost-limits")[0]["value"]["max-queues"], 3);
    assert_eq!(
        broker.get("/api/operator-policies/%2F/cap")["definition"]["max-length"],
        4
    );
    broker.want(204, "DELETE", path, None);
    broker.want(404, "DELETE", path, None);
    broker.want(204, "DELETE", "/api/parameters/operator_policy/%2F/cap", None);
    assert_eq!(broker.get("/api/parameters"), json!([]));
    broker.want(400, "PUT", "/api/parameters/shovel/%2F/s", Some(json!({ "value": {} })));
}

#[test]
fn a_vhost_takes_its_settings_with_it() {
    let broker = Broker::start();
    broker.want(201, "PUT", "/api/vhosts/v", None);
    let set = policy("", json!({ "max-length": 1 }));
    broker.want(201, "PUT", "/api/policies/v/p", Some(set.clone()));
    broker.want(201, "PUT", "/api/operator-policies/v/p", Some(set));
    broker.want(
        204,
        "PUT",
        "/api/vhost-limits/v/max-queues",
        Some(json!({ "value": 0 })),
    );
    let delayed = json!({ "type": "x-delayed-message", "arguments": { "x-delayed-type": "fanout" } });
    broker.want(201, "PUT", "/api/exchanges/v/later", Some(delayed));
    broker.want(204, "DELETE", "/api/vhosts/v", None);
    let broker = broker.restarted();
    broker.want(201, "PUT", "/api/vhosts/v", None);
    for path in ["/api/policies/v", "/api/operator-policies/v", "/api/vhost-limits/v"] {
        assert_eq!(broker.get(path), json!([]), "{path}");
    }
    let broker = broker.restarted();
    assert_eq!(broker.get("/api/policies/v"), json!([]));
    broker.want(201, "PUT", "/api/queues/v/q", Some(json!({})));
}

#[test]
fn a_queue_shows_the_arguments_at_work_and_which_of_them_a_policy_takes_the_place_of() {
    let broker = Broker::start();
    let declared = json!({ "durable": true, "arguments": { "x-max-length": 5, "x-message-ttl": 60000 } });
    broker.want(201, "PUT", "/api/queues/%2F/orders", Some(declared.clone()));
    let changes = json!({ "set": { "x-message-ttl": 1000, "x-expires": 90000 } });
    broker.want(204, "POST", "/api/warren/queues/%2F/orders/arguments", Some(changes));
    broker.want(
        201,
        "PUT",
        "/api/policies/%2F/p",
        Some(policy(
            "^orders",
            json!({ "max-length": 7, "message-rate-per-s": 1000 }),
        )),
    );
    let queue = broker.get("/api/queues/%2F/orders");
    assert_eq!(queue["arguments"], declared["arguments"], "what was declared");
    assert_eq!(
        queue["effective_arguments"],
        json!({ "x-max-length": 5, "x-message-ttl": 1000, "x-expires": 90000 })
    );
    assert_eq!(
        queue["effective_policy_definition"],
        json!({ "max-length": 7, "message-rate-per-s": 1000 })
    );
    assert_eq!(queue["overridden_arguments"], json!(["x-max-length"]));
}
