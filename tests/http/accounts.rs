//! Who gets in, what tags allow, users and permissions.

use serde_json::json;

use super::amqp::Client;
use super::{Broker, names};

fn add(broker: &Broker, name: &str, tags: &str) {
    let body = json!({ "password": "secret", "tags": tags });
    broker.want(201, "PUT", &format!("/api/users/{name}"), Some(body));
}

#[test]
fn logins_are_checked() {
    let broker = Broker::start();
    add(&broker, "plain", "");
    add(&broker, "manager", "management");
    for (who, status) in [
        (None, 401),
        (Some(("guest", "wrong")), 401),
        (Some(("nobody", "secret")), 401),
        (Some(("guest", "")), 401),
        (Some(("plain", "secret")), 401),
        (Some(("manager", "secret")), 200),
        (Some(("guest", "guest")), 200),
    ] {
        let answer = broker.ask_as(who, "GET", "/api/whoami", None);
        assert_eq!(answer.status, status, "{who:?}: {}", answer.text);
        let challenged = answer.headers.contains_key("www-authenticate");
        // Other credentials do not help somebody who is known and may not.
        let knows = matches!(who, Some(("plain", _)));
        assert_eq!(challenged, status == 401 && !knows, "{who:?}");
    }
    broker.want(
        204,
        "PUT",
        "/api/users/manager",
        Some(json!({ "password": "other", "tags": "management" })),
    );
    let old = broker.ask_as(Some(("manager", "secret")), "GET", "/api/whoami", None);
    assert_eq!(old.status, 401, "the old password is forgotten at once");
}

#[test]
fn guesses_are_counted_by_their_address() {
    let broker = Broker::start();
    let overview = broker.get("/api/overview");
    let path = format!(
        "/api/auth/attempts/{}/source",
        overview["node"].as_str().expect("a name")
    );
    let guess = |user: &str| {
        let answer = broker.ask_as(Some((user, "guess")), "GET", "/api/whoami", None);
        assert_eq!(answer.status, 401);
    };
    assert_eq!(broker.get(&path), json!([]));
    let row = |failed: u32, slowed: bool| json!([{ "remote_address": "127.0.0.1", "auth_attempts_failed": failed, "slowed_down": slowed }]);
    // Whoever the user is.
    for (count, user) in ["guest", "nobody", "guest", "guest"].into_iter().enumerate() {
        guess(user);
        assert_eq!(broker.get(&path), row(count as u32 + 1, count >= 2));
    }
    // The same address counts whatever it speaks.
    Client::guess(&broker.amqp);
    assert_eq!(broker.get(&path), row(5, true));
    let metrics = broker.ask_as(None, "GET", "/metrics", None).text;
    assert!(metrics.contains("\nwarren_login_failures_total 5\n"), "{metrics}");
    // A password that has been right is let in at once, and an operator can wipe the slate.
    broker.get("/api/whoami");
    broker.want(204, "DELETE", &path, None);
    assert_eq!(broker.get(&path), json!([]));
}

#[test]
fn a_hash_of_rabbitmq_is_renewed_by_a_login_over_http() {
    let broker = Broker::start();
    let hash = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    let body =
        json!({ "password_hash": hash, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "monitoring" });
    broker.want(201, "PUT", "/api/users/imported", Some(body));
    let who_am_i = |broker: &Broker, password: &str| {
        broker
            .ask_as(Some(("imported", password)), "GET", "/api/whoami", None)
            .status
    };
    assert_eq!(who_am_i(&broker, "test13"), 401);
    assert_eq!(broker.get("/api/users/imported")["password_hash"], hash);
    assert_eq!(who_am_i(&broker, "test12"), 200);
    let renewed = broker.get("/api/users/imported");
    assert_eq!(renewed["hashing_algorithm"], "argon2id");
    let broker = broker.restarted();
    assert_eq!(broker.get("/api/users/imported"), renewed, "it is on disk");
    assert_eq!(who_am_i(&broker, "test12"), 200);
}

#[test]
fn tags_say_who_may_see_and_change() {
    let broker = Broker::start();
    broker.declare_queue("orders");
    for tag in ["management", "policymaker", "monitoring", "administrator"] {
        add(&broker, tag, tag);
    }
    let rows = [
        ("GET", "/api/overview", [200, 200, 200, 200]),
        ("GET", "/api/users", [401, 401, 401, 200]),
        ("GET", "/api/permissions", [401, 401, 401, 200]),
        ("GET", "/api/definitions", [401, 401, 401, 200]),
        ("GET", "/api/nodes", [401, 401, 200, 200]),
        ("GET", "/api/vhosts/%2F", [401, 401, 200, 200]),
        ("GET", "/api/queues/%2F/orders", [401, 401, 200, 200]),
        ("DELETE", "/api/queues/%2F/orders/contents", [401, 401, 401, 401]),
        ("PUT", "/api/vhosts/new", [401, 401, 401, 201]),
    ];
    for (method, path, statuses) in rows {
        let tags = ["management", "policymaker", "monitoring", "administrator"];
        for (tag, status) in tags.iter().zip(statuses) {
            let answer = broker.ask_as(Some((tag, "secret")), method, path, None);
            assert_eq!(answer.status, status, "{tag} {method} {path}: {}", answer.text);
        }
    }
    let seen = broker.ask_as(Some(("management", "secret")), "GET", "/api/queues", None);
    assert_eq!(
        seen.body,
        json!([]),
        "no permission in the vhost: nothing is seen of it"
    );
}

#[test]
fn permissions_guard_what_is_declared_bound_published_and_read() {
    let broker = Broker::start();
    broker.declare_queue("mine");
    broker.declare_queue("theirs");
    add(&broker, "u", "management");
    let permission = json!({ "configure": "^mine", "write": "^mine", "read": "^mine" });
    broker.want(201, "PUT", "/api/permissions/%2F/u", Some(permission.clone()));
    broker.want(204, "PUT", "/api/permissions/%2F/u", Some(permission));
    let get = json!({ "count": 1, "ackmode": "ack_requeue_true" });
    let publish = json!({ "routing_key": "mine", "payload": "x", "properties": {} });
    let rows = [
        ("PUT", "/api/queues/%2F/mine2", json!({}), 201),
        ("PUT", "/api/queues/%2F/other", json!({}), 401),
        ("DELETE", "/api/queues/%2F/theirs", json!({}), 401),
        ("POST", "/api/queues/%2F/mine/get", get.clone(), 200),
        ("POST", "/api/queues/%2F/theirs/get", get, 401),
        ("PUT", "/api/exchanges/%2F/mine.x", json!({ "type": "fanout" }), 201),
        ("PUT", "/api/exchanges/%2F/their.x", json!({ "type": "fanout" }), 401),
        ("POST", "/api/exchanges/%2F/amq.default/publish", publish.clone(), 401),
        ("POST", "/api/exchanges/%2F/mine.x/publish", publish, 200),
        ("POST", "/api/bindings/%2F/e/mine.x/q/mine", json!({}), 201),
        ("POST", "/api/bindings/%2F/e/mine.x/q/theirs", json!({}), 401),
        ("POST", "/api/bindings/%2F/e/amq.fanout/q/mine", json!({}), 401),
        (
            "PUT",
            "/api/queues/%2F/mine.dead",
            json!({ "arguments": { "x-dead-letter-exchange": "amq.fanout" } }),
            401,
        ),
    ];
    for (method, path, body, status) in rows {
        let answer = broker.ask_as(Some(("u", "secret")), method, path, Some(body));
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    }
    broker.want(204, "DELETE", "/api/permissions/%2F/u", None);
    broker.want(404, "DELETE", "/api/permissions/%2F/u", None);
    let after = broker.ask_as(Some(("u", "secret")), "GET", "/api/queues/%2F/mine", None);
    assert_eq!(after.status, 401);
}

#[test]
fn users_come_and_go() {
    let broker = Broker::start();
    // The hash of "test12" that RabbitMQ's documentation of its hashing gives.
    let hash = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
    let body =
        json!({ "password_hash": hash, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["monitoring"] });
    broker.want(201, "PUT", "/api/users/imported", Some(body));
    let user = broker.get("/api/users/imported");
    assert_eq!(user["password_hash"], hash);
    assert_eq!(user["tags"], json!(["monitoring"]));
    let listed = broker.get("/api/users/without-permissions");
    assert_eq!(names(&listed), ["imported"]);
    broker.want(
        201,
        "PUT",
        "/api/users/locked",
        Some(json!({ "password_hash": "", "tags": "administrator" })),
    );
    for password in ["", "x"] {
        let answer = broker.ask_as(Some(("locked", password)), "GET", "/api/whoami", None);
        assert_eq!(answer.status, 401);
    }
    let topic = json!({ "exchange": "amq.topic", "write": "^a", "read": "^b" });
    broker.want(201, "PUT", "/api/topic-permissions/%2F/imported", Some(topic));
    assert_eq!(broker.get("/api/users/imported/topic-permissions")[0]["write"], "^a");
    broker.want(204, "DELETE", "/api/topic-permissions/%2F/imported", None);
    broker.want(204, "DELETE", "/api/users/imported", None);
    broker.want(
        204,
        "POST",
        "/api/users/bulk-delete",
        Some(json!({ "users": ["locked"] })),
    );
    assert_eq!(names(&broker.get("/api/users")), ["guest"]);
}

#[test]
fn a_vhost_goes_with_everything_in_it() {
    let broker = Broker::start();
    broker.want(201, "PUT", "/api/vhosts/a%2Fb", Some(json!({ "description": "first" })));
    broker.want(
        204,
        "PUT",
        "/api/vhosts/a%2Fb",
        Some(json!({ "description": "second" })),
    );
    assert_eq!(broker.get("/api/vhosts/a%2Fb")["description"], "second");
    broker.want(201, "PUT", "/api/queues/a%2Fb/q", Some(json!({})));
    broker.want(201, "PUT", "/api/exchanges/a%2Fb/x", Some(json!({ "type": "topic" })));
    broker.want(
        201,
        "POST",
        "/api/bindings/a%2Fb/e/x/q/q",
        Some(json!({ "routing_key": "#" })),
    );
    assert_eq!(broker.get("/api/permissions/a%2Fb/guest")["configure"], ".*");
    broker.want(204, "DELETE", "/api/vhosts/a%2Fb", None);
    broker.want(404, "DELETE", "/api/vhosts/a%2Fb", None);
    broker.want(404, "GET", "/api/permissions/a%2Fb/guest", None);
    broker.want(201, "PUT", "/api/vhosts/a%2Fb", None);
    assert_eq!(broker.get("/api/queues/a%2Fb"), json!([]), "a new one starts empty");
}
