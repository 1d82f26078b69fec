//! What is exported is what is imported.

use serde_json::{Value, json};

use super::Broker;

/// A document as a RabbitMQ writes it, with what this broker has no use for.
fn document() -> Value {
    json!({
        "rabbit_version": "3.10.8",
        "rabbitmq_version": "3.10.8",
        "product_name": "RabbitMQ",
        "product_version": "3.10.8",
        "users": [
            {
                "name": "app", "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
                "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["management"], "limits": {},
            },
            { "name": "old", "password_hash": "", "tags": "administrator,monitoring" },
        ],
        "vhosts": [{ "name": "/" }, { "name": "shop" }],
        "permissions": [{ "user": "app", "vhost": "shop", "configure": "^$", "write": ".*", "read": ".*" }],
        "topic_permissions": [
            { "user": "app", "vhost": "shop", "exchange": "events", "write": "^order", "read": ".*" },
        ],
        "parameters": [
            { "component": "vhost-limits", "vhost": "shop", "name": "limits", "value": { "max-queues": 9 } },
            { "component": "operator_policy", "vhost": "shop", "name": "cap", "value": {
                "pattern": ".*", "apply-to": "queues", "priority": 0, "definition": { "max-length": 99 } } },
        ],
        "global_parameters": [{ "name": "cluster_name", "value": "rabbit@host" }],
        "policies": [
            { "vhost": "shop", "name": "p", "pattern": ".*", "apply-to": "all", "priority": 3,
              "definition": { "max-length": 7 } },
        ],
        "queues": [
            { "name": "orders", "vhost": "shop", "durable": true, "auto_delete": false,
              "arguments": { "x-queue-type": "quorum", "x-delivery-limit": 5 } },
            { "name": "temporary", "vhost": "/", "durable": false, "auto_delete": true, "arguments": {} },
        ],
        "exchanges": [
            { "name": "events", "vhost": "shop", "type": "topic", "durable": true, "auto_delete": false,
              "internal": false, "arguments": { "alternate-exchange": "lost" } },
            { "name": "lost", "vhost": "shop", "type": "fanout", "durable": true, "auto_delete": false,
              "internal": true, "arguments": {} },
        ],
        "bindings": [
            { "source": "events", "vhost": "shop", "destination": "lost", "destination_type": "exchange",
              "routing_key": "#", "arguments": {} },
            { "source": "events", "vhost": "shop", "destination": "orders", "destination_type": "queue",
              "routing_key": "order.*", "arguments": { "note": "x" } },
        ],
    })
}

/// Lists in an order that two brokers share.
fn ordered(mut document: Value) -> Value {
    for value in document.as_object_mut().expect("an object").values_mut() {
        if let Some(items) = value.as_array_mut() {
            items.sort_by_key(Value::to_string);
        }
    }
    document
}

#[test]
fn an_export_imports_into_another_broker() {
    let first = Broker::start();
    first.want(204, "POST", "/api/definitions", Some(document()));
    let exported = first.get("/api/definitions");
    for kind in [
        "queues",
        "exchanges",
        "permissions",
        "topic_permissions",
        "bindings",
        "policies",
        "parameters",
        "global_parameters",
    ] {
        for item in document()[kind].as_array().expect("a list") {
            let found = exported[kind].as_array().expect("a list");
            assert!(found.contains(item), "{kind} {item} in {found:?}");
        }
    }
    assert_eq!(exported["users"][0]["tags"], json!(["management"]));
    assert_eq!(exported["users"][2]["tags"], json!(["administrator", "monitoring"]));
    let login = first.ask_as(Some(("app", "test12")), "GET", "/api/whoami", None);
    assert_eq!(login.status, 200, "RabbitMQ's hash lets its user in: {}", login.text);

    let second = Broker::start();
    second.want(204, "POST", "/api/definitions", Some(exported.clone()));
    // Once more changes nothing.
    second.want(204, "POST", "/api/definitions", Some(exported.clone()));
    assert_eq!(ordered(second.get("/api/definitions")), ordered(exported));
}

#[test]
fn one_vhost_goes_into_another() {
    let broker = Broker::start();
    broker.want(204, "POST", "/api/definitions", Some(document()));
    let shop = broker.get("/api/definitions/shop");
    assert!(
        shop.get("users").is_none() && shop["queues"][0].get("vhost").is_none(),
        "{shop}"
    );
    broker.want(201, "PUT", "/api/vhosts/copy", None);
    broker.want(204, "POST", "/api/definitions/copy", Some(shop.clone()));
    assert_eq!(broker.get("/api/queues/copy/orders")["policy"], "p");
    assert_eq!(ordered(broker.get("/api/definitions/copy")), ordered(shop));
}

#[test]
fn a_contradiction_is_named() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let body = json!({ "queues": [{ "name": "q", "vhost": "/", "durable": false }] });
    let refused = broker.want(400, "POST", "/api/definitions", Some(body));
    let reason = refused["reason"].as_str().expect("a reason");
    assert!(reason.contains("inequivalent arg 'durable' for queue 'q'"), "{reason}");
    for body in [
        json!({ "queues": [{ "name": "q", "vhost": "none" }] }),
        json!({ "queues": [{ "durable": true }] }),
        json!({ "queues": 1 }),
        json!({ "policies": [{ "name": "p" }] }),
        json!({ "policies": [{ "name": "p", "vhost": "/", "pattern": "", "definition": {} }] }),
        json!({ "parameters": [{ "component": "shovel", "vhost": "/", "name": "s", "value": {} }] }),
        json!({ "parameters": [{ "component": "vhost-limits", "vhost": "/", "name": "limits", "value": { "x": 1 } }] }),
        json!({ "bindings": [{ "source": "amq.topic", "destination": "q", "destination_type": "x" }] }),
        json!({ "permissions": [{ "user": "none", "vhost": "/", "configure": "", "write": "", "read": "" }] }),
    ] {
        broker.want(400, "POST", "/api/definitions", Some(body));
    }
}

#[test]
fn an_export_for_rabbitmq_has_no_hash_that_it_cannot_read() {
    let broker = Broker::start();
    broker.want(204, "POST", "/api/definitions", Some(document()));
    broker.want(
        201,
        "PUT",
        "/api/users/ours",
        Some(json!({ "password": "p", "tags": "monitoring" })),
    );
    let user = |document: &Value, name: &str| {
        let users = document["users"].as_array().expect("users");
        users
            .iter()
            .find(|user| user["name"] == name)
            .expect("the user")
            .clone()
    };
    let whole = broker.get("/api/definitions");
    assert_eq!(user(&whole, "ours")["hashing_algorithm"], "argon2id");
    let theirs = broker.get("/api/definitions?for=rabbitmq");
    let ours = user(&theirs, "ours");
    assert_eq!(
        (&ours["password_hash"], &ours["tags"]),
        (&json!(""), &json!(["monitoring"]))
    );
    assert_eq!(ours["hashing_algorithm"], "rabbit_password_hashing_sha256");
    assert_eq!(user(&theirs, "app"), user(&whole, "app"), "a hash of theirs goes back");
    broker.want(400, "GET", "/api/definitions?for=kafka", None);
    let exported = broker.run(&["definitions", "export", "--for-rabbitmq"]);
    let text = String::from_utf8_lossy(&exported.stdout).into_owned();
    assert_eq!(user(&serde_json::from_str(&text).expect("JSON"), "ours"), ours);
    let warning = String::from_utf8_lossy(&exported.stderr).into_owned();
    assert!(warning.contains("guest, old, ours"), "{warning}");
}
