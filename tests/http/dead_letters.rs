//! `/api/warren/dead-letters`: looking, sending back, removing, alerts, and a broker that is killed meanwhile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Broker;

const LETTERS: &str = "/api/warren/dead-letters/%2F/dlq";
const PUBLISH: &str = "/api/exchanges/%2F/shop/publish";

/// `orders` gets what the exchange `shop` gets with the key `new`, and dead-letters into `dlq`.
fn shop(broker: &Broker) {
    let durable = || Some(json!({ "durable": true }));
    broker.want(201, "PUT", "/api/queues/%2F/dlq", durable());
    let arguments = json!({ "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dlq" });
    let orders = json!({ "durable": true, "arguments": arguments });
    broker.want(201, "PUT", "/api/queues/%2F/orders", Some(orders));
    let exchange = json!({ "type": "direct", "durable": true });
    broker.want(201, "PUT", "/api/exchanges/%2F/shop", Some(exchange));
    let key = json!({ "routing_key": "new" });
    broker.want(201, "POST", "/api/bindings/%2F/e/shop/q/orders", Some(key));
}

fn publish(broker: &Broker, payload: &str, headers: Value) {
    let properties = json!({ "delivery_mode": 2, "headers": headers });
    let body = json!({ "routing_key": "new", "payload": payload, "properties": properties });
    broker.want(200, "POST", PUBLISH, Some(body));
}

fn reject_all(broker: &Broker) {
    let get = json!({ "count": 10000, "ackmode": "reject_requeue_false" });
    broker.want(200, "POST", "/api/queues/%2F/orders/get", Some(get));
}

fn payloads(broker: &Broker, queue: &str) -> Vec<String> {
    let get = json!({ "count": 10000, "ackmode": "ack_requeue_false" });
    let got = broker.want(200, "POST", &format!("/api/queues/%2F/{queue}/get"), Some(get));
    let got = got.as_array().expect("a list").iter();
    got.map(|message| message["payload"].as_str().expect("text").to_owned())
        .collect()
}

/// Asks until the answer is as it should be.
fn until(mut ask: impl FnMut() -> Value, is: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = ask();
        if is(&answer) {
            return answer;
        }
        assert!(Instant::now() < give_up, "{answer}");
        std::thread::yield_now();
    }
}

fn ended(broker: &Broker, replay: &Value) -> Value {
    let path = format!("{LETTERS}/replays/{}", replay["id"]);
    until(|| broker.get(&path), |answer| answer["state"] != "running")
}

#[test]
fn letters_are_listed_shown_and_sent_back() {
    let broker = Broker::start();
    shop(&broker);
    for (payload, customer) in [("a", "x"), ("b", "y"), ("c", "x")] {
        publish(&broker, payload, json!({ "customer": customer }));
    }
    reject_all(&broker);
    let list = broker.get("/api/warren/dead-letters");
    assert_eq!(broker.get("/api/warren/dead-letters/%2F")[0]["name"], "dlq");
    let row = &list[0];
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(
        (&row["vhost"], &row["name"], &row["messages"]),
        (&json!("/"), &json!("dlq"), &json!(3))
    );
    assert!(row["oldest_age_ms"].is_u64());
    assert_eq!(row["alert"], Value::Null);
    assert_eq!(row["reasons_sampled"], 3);
    assert_eq!(
        row["reasons"],
        json!({ "rejected": 3, "expired": 0, "maxlen": 0, "delivery_limit": 0 })
    );
    assert_eq!(
        row["sources"],
        json!([{ "vhost": "/", "queue": "orders", "exchange": "", "routing_key": "dlq" }])
    );

    let shown = broker.get(&format!("{LETTERS}?count=10&header=customer:x&reason=rejected"));
    let places: Vec<_> = shown
        .as_array()
        .expect("a list")
        .iter()
        .map(|letter| letter["position"].as_u64())
        .collect();
    assert_eq!(places, [Some(0), Some(2)]);
    let letter = &shown[1];
    assert_eq!(letter["payload"], "c");
    assert_eq!(
        (&letter["reason"], &letter["death_count"]),
        (&json!("rejected"), &json!(1))
    );
    assert_eq!(
        (&letter["first_queue"], &letter["first_exchange"]),
        (&json!("orders"), &json!("shop"))
    );
    assert_eq!(letter["first_routing_key"], "new");
    assert_eq!(letter["replay_to"], json!({ "exchange": "shop", "routing_key": "new" }));
    assert!(letter["age_ms"].is_u64() && letter["properties"]["headers"]["x-death"].is_array());
    assert_eq!(broker.get(&format!("{LETTERS}?position=1&count=1"))[0]["payload"], "b");

    let only_x = json!({ "header": "customer:x", "dry_run": true });
    let dry = broker.want(200, "POST", &format!("{LETTERS}/replays"), Some(only_x));
    assert_eq!(
        (&dry["total"], &dry["matched"], &dry["replayed"]),
        (&json!(3), &json!(2), &json!(2))
    );
    assert_eq!(
        dry["targets"],
        json!([{
            "exchange": "shop", "routing_key": "new", "messages": 2, "queues": ["orders"], "refused": null
        }])
    );
    let only_x = json!({ "header": ["customer:x"] });
    let replay = broker.want(202, "POST", &format!("{LETTERS}/replays"), Some(only_x));
    let end = ended(&broker, &replay);
    assert_eq!(end["state"], "done");
    for (field, count) in [
        ("total", 3),
        ("matched", 2),
        ("replayed", 2),
        ("skipped", 0),
        ("unroutable", 0),
    ] {
        assert_eq!(end[field], count, "{field} of {end}");
    }
    assert_eq!(broker.get(&format!("{LETTERS}/replays"))[0]["id"], replay["id"]);
    assert_eq!(payloads(&broker, "orders"), ["a", "c"]);
    let purged = broker.want(200, "DELETE", &format!("{LETTERS}/contents?header=customer:none"), None);
    assert_eq!(purged, json!({ "purged": 0 }));
    let purged = broker.want(200, "DELETE", &format!("{LETTERS}/contents?header=customer:y"), None);
    assert_eq!(purged, json!({ "purged": 1 }));
}

#[test]
fn a_slow_replay_can_be_stopped() {
    let broker = Broker::start();
    shop(&broker);
    for payload in ["a", "b", "c"] {
        publish(&broker, payload, json!({}));
    }
    reject_all(&broker);
    let replays = format!("{LETTERS}/replays");
    let replay = broker.want(202, "POST", &replays, Some(json!({ "rate_per_s": 1 })));
    let path = format!("{replays}/{}", replay["id"]);
    until(|| broker.get(&path), |answer| answer["replayed"] == 1);
    let again = broker.ask("POST", &replays, Some(json!({})));
    assert_eq!(again.status, 400, "{}", again.text);
    assert!(again.text.contains("is still running"), "{}", again.text);
    broker.want(204, "DELETE", &path, None);
    let end = ended(&broker, &replay);
    assert_eq!(end["state"], "stopped");
    let back = payloads(&broker, "orders");
    assert_eq!(end["replayed"], back.len());
    assert_eq!([back, payloads(&broker, "dlq")].concat(), ["a", "b", "c"]);
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let broker = Broker::start();
    shop(&broker);
    let refusals = [
        ("GET", "?reason=bored", 400, "none of rejected"),
        ("GET", "?header=customer", 400, "no name:value"),
        ("GET", "?older_than_ms=old", 400, "no count"),
        ("GET", "?older_then_ms=5", 400, "unknown key 'older_then_ms'"),
        ("DELETE", "/contents?resaon=expired", 400, "unknown key 'resaon'"),
        ("GET", "/replays/7", 404, "Not Found"),
        ("DELETE", "/replays/7", 404, "Not Found"),
    ];
    for (method, path, status, text) in refusals {
        let answer = broker.ask(method, &format!("{LETTERS}{path}"), None);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert!(answer.text.contains(text), "{method} {path}: {}", answer.text);
    }
    let bodies = [
        (json!({ "rate_per_s": 0 }), 400, "rate_per_s is at least 1"),
        (json!({ "limit": 0 }), 400, "limit is at least 1"),
        (json!({ "filter": "x" }), 400, "unknown key 'filter'"),
        (json!({ "reason": "" }), 400, "none of rejected"),
        (json!({ "exchange": "none" }), 404, "no exchange 'none'"),
        (json!({ "exchange": "amq.rabbitmq.trace" }), 401, "internal exchange"),
    ];
    for (body, status, text) in bodies {
        let answer = broker.ask("POST", &format!("{LETTERS}/replays"), Some(body.clone()));
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert!(answer.text.contains(text), "{body}: {}", answer.text);
    }
    broker.want(404, "GET", "/api/warren/dead-letters/%2F/none", None);
    broker.want(404, "GET", "/api/warren/dead-letters/none", None);
}

#[test]
fn permissions_count() {
    let broker = Broker::start();
    shop(&broker);
    publish(&broker, "a", json!({}));
    reject_all(&broker);
    let user = json!({ "password": "p", "tags": "management" });
    broker.want(201, "PUT", "/api/users/clerk", Some(user));
    let grant = |write: &str, read: &str| {
        let body = json!({ "configure": "", "write": write, "read": read });
        let answer = broker.ask("PUT", "/api/permissions/%2F/clerk", Some(body));
        assert!(matches!(answer.status, 201 | 204), "{}", answer.text);
    };
    let ask = |method: &str, path: &str, body: Option<Value>| broker.ask_as(Some(("clerk", "p")), method, path, body);
    grant("", "other");
    assert_eq!(ask("GET", "/api/warren/dead-letters", None).body, json!([]));
    for (method, path) in [
        ("GET", ""),
        ("DELETE", "/contents"),
        ("POST", "/replays"),
        ("GET", "/replays"),
    ] {
        assert_eq!(
            ask(method, &format!("{LETTERS}{path}"), None).status,
            401,
            "{method} {path}"
        );
    }
    grant("", "dlq");
    assert_eq!(ask("GET", "/api/warren/dead-letters", None).body[0]["name"], "dlq");
    let dry = ask("POST", &format!("{LETTERS}/replays"), Some(json!({ "dry_run": true })));
    assert!(
        dry.body["targets"][0]["refused"]
            .as_str()
            .is_some_and(|text| text.contains("shop")),
        "{}",
        dry.text
    );
    let replay = ask("POST", &format!("{LETTERS}/replays"), None);
    assert_eq!(replay.status, 202, "{}", replay.text);
    let end = ended(&broker, &replay.body);
    assert_eq!((&end["state"], &end["replayed"]), (&json!("failed"), &json!(0)));
    assert!(
        end["error"]
            .as_str()
            .is_some_and(|text| text.contains("exchange 'shop'")),
        "{end}"
    );
    grant("shop", "dlq");
    let replay = ask("POST", &format!("{LETTERS}/replays"), None);
    assert_eq!(ended(&broker, &replay.body)["replayed"], 1);
}

#[test]
fn an_alert_is_in_list_health_and_metrics() {
    let broker = Broker::start();
    shop(&broker);
    let policy = json!({
        "pattern": ".*", "apply-to": "queues", "definition": { "dead-letter-alert": { "count": 2, "age-s": 3600 } },
    });
    broker.want(201, "PUT", "/api/policies/%2F/watch", Some(policy));
    let check = "/api/warren/health/dead-letters";
    assert_eq!(broker.get(check), json!({ "status": "ok" }));
    publish(&broker, "a", json!({}));
    publish(&broker, "b", json!({}));
    reject_all(&broker);
    let failed = broker.want(503, "GET", check, None);
    assert_eq!(failed["queues"], json!([{ "vhost": "/", "name": "dlq" }]));
    broker.want(200, "GET", "/health/ready", None);
    let alert = &broker.get("/api/warren/dead-letters")[0]["alert"];
    assert_eq!(
        (&alert["count"], &alert["age_ms"], &alert["raised"]),
        (&json!(2), &json!(3_600_000), &json!(true))
    );
    assert!(alert["since"].is_u64());
    let metrics = broker.ask("GET", "/metrics", None).text;
    for line in [
        "warren_dead_letter_messages{vhost=\"/\",queue=\"dlq\"} 2",
        "warren_dead_letter_alert{vhost=\"/\",queue=\"dlq\"} 1",
        "warren_dead_letter_oldest_age_seconds{vhost=\"/\",queue=\"dlq\"} ",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    broker.want(200, "DELETE", &format!("{LETTERS}/contents"), None);
    assert_eq!(broker.get(check), json!({ "status": "ok" }));
    let metrics = broker.ask("GET", "/metrics", None).text;
    assert!(
        metrics.contains("warren_dead_letter_alert{vhost=\"/\",queue=\"dlq\"} 0"),
        "{metrics}"
    );
}

#[test]
fn a_broker_that_is_killed_in_a_replay_loses_no_letter() {
    let mut broker = Broker::start();
    shop(&broker);
    let sent: BTreeSet<String> = (0..200).map(|at| at.to_string()).collect();
    for payload in &sent {
        publish(&broker, payload, json!({}));
    }
    reject_all(&broker);
    let replays = format!("{LETTERS}/replays");
    for kill_at in [1, 40, 90] {
        let replay = broker.want(202, "POST", &replays, Some(json!({ "rate_per_s": 2000 })));
        let path = format!("{replays}/{}", replay["id"]);
        let enough = |answer: &Value| answer["replayed"].as_u64() >= Some(kill_at) || answer["state"] != "running";
        until(|| broker.get(&path), enough);
        broker = broker.restarted();
    }
    let (back, left) = (payloads(&broker, "orders"), payloads(&broker, "dlq"));
    assert!(!back.is_empty(), "something went back");
    let found: BTreeSet<String> = back.into_iter().chain(left).collect();
    assert_eq!(found, sent);
}

#[test]
fn the_commands_list_show_send_back_and_remove() {
    let broker = Broker::start();
    shop(&broker);
    for (payload, customer) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "z")] {
        publish(&broker, payload, json!({ "customer": customer }));
    }
    reject_all(&broker);
    let run = |arguments: &[&str]| {
        let output = broker.run(&[&["dlq"], arguments].concat());
        let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        (output.status.code(), texts.concat())
    };
    let rows: &[(&[&str], i32, &[&str])] = &[
        (&["list"], 0, &["dlq", "rejected 4", "orders"]),
        (&["list", "-V", "none"], 5, &["vhost 'none'"]),
        (&["list", "--json"], 0, &["\"oldest_age_ms\":"]),
        (&["show", "dlq", "-H", "customer=y"], 0, &["shop new", "rejected"]),
        (&["show", "dlq", "--older-than", "1h"], 0, &["no such letter"]),
        (&["show", "dlq", "--older-than", "soon"], 1, &["'soon' is no number"]),
        (&["show", "none"], 5, &["queue 'none'"]),
        (
            &["replay", "dlq", "--dry-run"],
            0,
            &["of 4 letters 4 are meant: 4 would go", "shop new"],
        ),
        (
            &["replay", "dlq", "-H", "customer=x"],
            0,
            &["2 letters sent back", "of 4 looked at 2 were meant"],
        ),
        (&["replay", "dlq", "--rate", "0"], 1, &["rate_per_s is at least 1"]),
        (&["replay", "dlq", "--exchange", "none"], 5, &["no exchange 'none'"]),
        (
            &["replay", "dlq", "--limit", "1", "--json"],
            0,
            &["\"replayed\":1", "\"state\":\"done\""],
        ),
        (&["purge", "dlq", "--reason", "expired"], 0, &["0 letters removed"]),
        (
            &["purge", "dlq", "--reason", "bored"],
            1,
            &["rejected, expired, maxlen, delivery_limit"],
        ),
        (&["purge", "dlq"], 0, &["1 letter removed"]),
        (&["replay", "dlq"], 0, &["0 letters sent back"]),
    ];
    for (arguments, code, texts) in rows {
        let (ended, text) = run(arguments);
        assert_eq!(ended, Some(*code), "{arguments:?}: {text}");
        for part in *texts {
            assert!(text.contains(part), "{arguments:?}: no {part:?} in {text}");
        }
    }
    assert_eq!(payloads(&broker, "orders"), ["a", "c", "b"]);
}

#[test]
fn an_interrupted_command_stops_its_replay() {
    let broker = Broker::start();
    shop(&broker);
    for payload in ["a", "b", "c"] {
        publish(&broker, payload, json!({}));
    }
    reject_all(&broker);
    let command = super::warren()
        .args(["dlq", "replay", "dlq", "--rate", "1"])
        .env("WARREN_URL", format!("http://guest:guest@{}", broker.http))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("warren starts");
    let replays = format!("{LETTERS}/replays");
    // The command asks how far it is as soon as it follows the replay, and from then on it takes the signal.
    until(|| broker.get(&replays), |list| list[0]["replayed"].as_u64() >= Some(2));
    let pid = rustix::process::Pid::from_raw(i32::try_from(command.id()).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    let output = command.wait_with_output().expect("it ends");
    let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    let text = texts.concat();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("2 letters sent back") && text.contains("interrupted"),
        "{text}"
    );
    assert_eq!(broker.get(&replays)[0]["state"], "stopped");
    assert_eq!(
        [payloads(&broker, "orders"), payloads(&broker, "dlq")].concat(),
        ["a", "b", "c"]
    );
}
