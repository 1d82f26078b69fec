//! The OpenAPI document against the routes, and against what they answer.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::Broker;
use super::amqp::Client;
use super::pages::{open, send, sign_in};

const METHODS: [&str; 4] = ["get", "put", "post", "delete"];

fn document(broker: &Broker) -> Value {
    let answer = broker.ask_as(None, "GET", "/api/openapi.json", None);
    assert_eq!(answer.status, 200, "anybody may read it: {}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/json");
    answer.body
}

fn paths(document: &Value) -> &Map<String, Value> {
    document["paths"].as_object().expect("paths")
}

/// Every literal that a `.route(` in the sources of the API is given.
fn routes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            routes(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).expect("a source");
            for call in source.split(".route(").skip(1) {
                let literal = call
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|rest| rest.split('"').next());
                let literal = literal.unwrap_or_else(|| panic!("{}: a route that is no literal", path.display()));
                found.insert(literal.to_owned());
            }
        }
    }
}

/// Served beside the API: the pages, and what orchestrators and Prometheus ask for.
fn is_beside(route: &str) -> bool {
    let first = route.split('/').nth(1).unwrap_or_default();
    matches!(route, "/" | "/api" | "/health/live" | "/health/ready") || matches!(first, "metrics" | "pages" | "assets")
}

#[test]
fn every_route_is_in_the_document_and_the_reverse() {
    let broker = Broker::start();
    let document = document(&broker);
    let mut routes_found = BTreeSet::new();
    routes(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"),
        &mut routes_found,
    );
    let documented: BTreeSet<String> = paths(&document).keys().cloned().collect();
    let served: BTreeSet<String> = routes_found
        .iter()
        .filter(|route| !is_beside(route))
        .map(|route| match route.starts_with("/api/") {
            true => route.clone(),
            false => format!("/api{route}"),
        })
        .collect();
    let missing: Vec<_> = served.difference(&documented).collect();
    let surplus: Vec<_> = documented.difference(&served).collect();
    assert!(missing.is_empty(), "not in openapi.json: {missing:?}");
    assert!(surplus.is_empty(), "in openapi.json and served nowhere: {surplus:?}");
    for (path, item) in paths(&document) {
        let answer = broker.ask_as(None, "PATCH", &path.replace(['{', '}'], "x"), None);
        assert_eq!(answer.status, 405, "{path}: {}", answer.text);
        let allowed = answer.headers["allow"].to_str().expect("text").to_lowercase();
        let allowed: BTreeSet<&str> = allowed.split(',').filter(|method| *method != "head").collect();
        let named: BTreeSet<&str> = METHODS
            .into_iter()
            .filter(|method| item.get(*method).is_some())
            .collect();
        assert_eq!(named, allowed, "methods of {path}");
    }
}

#[test]
fn the_document_holds_together() {
    let broker = Broker::start();
    let document = document(&broker);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut ids = BTreeSet::new();
    for (path, item) in paths(&document) {
        for (method, operation) in item.as_object().expect("an item") {
            if method == "parameters" {
                continue;
            }
            assert!(operation["summary"].is_string(), "{method} {path}: no summary");
            assert!(
                ids.insert(operation["operationId"].as_str()),
                "{method} {path}: its id is another's"
            );
        }
        let named: BTreeSet<String> = path
            .split('{')
            .skip(1)
            .filter_map(|rest| Some(format!("#/components/parameters/path_{}", rest.split('}').next()?)))
            .collect();
        let given = item["parameters"].as_array().cloned().unwrap_or_default();
        let given: BTreeSet<String> = given
            .iter()
            .filter_map(|parameter| parameter["$ref"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(named, given, "parameters of {path}");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

/// The path of the document that a request's path belongs to: of those that fit, the one that says most.
fn template<'d>(document: &'d Value, path: &str) -> &'d str {
    let is_variable = |part: &str| part.starts_with('{');
    let fits = |template: &&String| {
        let pairs = template.split('/').zip(path.split('/'));
        let same = template.split('/').count() == path.split('/').count();
        same && pairs
            .into_iter()
            .all(|(named, given)| named == given || is_variable(named))
    };
    let variables = |template: &&String| template.split('/').filter(|part| is_variable(part)).count();
    let found = paths(document).keys().filter(fits).min_by_key(variables);
    found.unwrap_or_else(|| panic!("{path} is not in the document"))
}

/// A body that the broker takes is one that the document describes.
#[track_caller]
fn check_request(document: &Value, method: &str, path: &str, body: &Value) {
    let (template, method) = (template(document, path), method.to_lowercase());
    let schema = schema_at(document, template, &format!("{method}/requestBody"));
    check(&schema, &format!("{method} {template}"), body);
}

/// One of everything, so that no list is empty.
fn populate(broker: &Broker, document: &Value) -> Client {
    for (method, path, body) in [
        (
            "PUT",
            "/api/queues/%2F/q",
            json!({ "arguments": { "x-max-length": 5 } }),
        ),
        ("PUT", "/api/queues/%2F/consumed", json!({})),
        ("PUT", "/api/exchanges/%2F/x", json!({ "type": "topic" })),
        (
            "POST",
            "/api/bindings/%2F/e/x/q/q",
            json!({ "routing_key": "k", "arguments": {} }),
        ),
        (
            "POST",
            "/api/bindings/%2F/e/x/e/amq.fanout",
            json!({ "routing_key": "k", "arguments": { "a": 1 } }),
        ),
        ("PUT", "/api/users/u", json!({ "password": "p", "tags": "monitoring" })),
        ("PUT", "/api/users/alone", json!({ "password_hash": "", "tags": "" })),
        (
            "PUT",
            "/api/permissions/%2F/u",
            json!({ "configure": "", "write": "", "read": "" }),
        ),
        (
            "PUT",
            "/api/topic-permissions/%2F/u",
            json!({ "exchange": "x", "write": "", "read": "" }),
        ),
        (
            "PUT",
            "/api/policies/%2F/p",
            json!({ "pattern": "^q$", "definition": { "max-length": 3 } }),
        ),
        (
            "PUT",
            "/api/operator-policies/%2F/o",
            json!({ "pattern": "^q$", "definition": { "max-length": 2 } }),
        ),
        ("PUT", "/api/vhost-limits/%2F/max-queues", json!({ "value": 100 })),
        ("PUT", "/api/user-limits/u/max-connections", json!({ "value": 5 })),
        ("PUT", "/api/global-parameters/g", json!({ "value": { "a": [1] } })),
        ("PUT", "/api/queues/%2F/lost", json!({})),
        (
            "PUT",
            "/api/queues/%2F/mortal",
            json!({ "arguments": { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "lost" } }),
        ),
        (
            "PUT",
            "/api/policies/%2F/watch",
            json!({ "pattern": "^lost$", "definition": { "dead-letter-alert": { "count": 100, "age-s": 3600 } } }),
        ),
    ] {
        check_request(document, method, path, &body);
        let answer = broker.ask(method, path, Some(body));
        assert!(matches!(answer.status, 201 | 204), "{method} {path}: {}", answer.text);
    }
    for _ in 0..3 {
        let message = json!({ "routing_key": "mortal", "payload": "x", "properties": {} });
        broker.want(200, "POST", "/api/exchanges/%2F/amq.default/publish", Some(message));
    }
    let reject = json!({ "count": 3, "ackmode": "reject_requeue_false" });
    broker.want(200, "POST", "/api/queues/%2F/mortal/get", Some(reject));
    let replay = json!({ "limit": 1, "rate_per_s": 100, "reason": "rejected", "older_than_ms": 0 });
    broker.want(202, "POST", "/api/warren/dead-letters/%2F/lost/replays", Some(replay));
    for body in ["one", "two"] {
        let message = json!({ "routing_key": "q", "payload": body, "properties": { "headers": { "a": 1 } } });
        broker.want(200, "POST", "/api/exchanges/%2F/amq.default/publish", Some(message));
    }
    let mut client = Client::connect(&broker.amqp);
    client.declare_exclusive("own");
    client.consume("consumed", "tag");
    client
}

/// A path with names of what [`populate`] made.
fn filled(broker: &Broker, path: &str) -> String {
    let encoded = |text: &Value| -> String {
        let text = text.as_str().expect("text");
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    };
    let connection = &broker.get("/api/connections")[0]["name"];
    let channel = &broker.get("/api/channels")[0]["name"];
    let node = encoded(&broker.get("/api/overview")["node"]);
    let kind = path.split('/').nth(2).unwrap_or_default();
    let name = match kind {
        "connections" => encoded(connection),
        "channels" => encoded(channel),
        "nodes" => node.clone(),
        "vhosts" => "%2F".to_owned(),
        "users" => "u".to_owned(),
        "exchanges" => "x".to_owned(),
        "policies" => "p".to_owned(),
        "operator-policies" | "parameters" => "o".to_owned(),
        "global-parameters" => "g".to_owned(),
        _ => "q".to_owned(),
    };
    let user = if kind == "connections" { "guest" } else { "u" };
    let port = broker.http.rsplit(':').next().expect("a port");
    let replay = broker.get("/api/warren/dead-letters/%2F/lost/replays")[0]["id"].to_string();
    let mut path = path.to_owned();
    for (parameter, value) in [
        ("vhost", "%2F"),
        ("name", &name),
        ("node", &node),
        ("user", user),
        ("source", "x"),
        ("kind", "q"),
        ("destination", "q"),
        ("key", "k"),
        ("component", "operator_policy"),
        ("within", "1"),
        ("unit", "weeks"),
        ("port", port),
        ("protocol", "amqp"),
        ("password", "secret"),
        ("queue", "lost"),
        ("id", &replay),
    ] {
        path = path.replace(&format!("{{{parameter}}}"), value);
    }
    assert!(!path.contains('{'), "{path}: no value for a parameter");
    path
}

/// What the document says that a call answers with 200.
fn schema(document: &Value, path: &str, method: &str) -> Validator {
    schema_at(document, path, &format!("{method}/responses/200"))
}

fn schema_at(document: &Value, path: &str, place: &str) -> Validator {
    let pointer = format!(
        "#/paths/{}/{place}/content/application~1json/schema",
        path.replace('~', "~0")
            .replace('/', "~1")
            .replace('{', "%7B")
            .replace('}', "%7D")
    );
    let mut root = document.clone();
    root["$ref"] = pointer.into();
    jsonschema::draft202012::new(&root).unwrap_or_else(|error| panic!("{place} of {path}: {error}"))
}

#[track_caller]
fn check(schema: &Validator, what: &str, answer: &Value) {
    let faults: Vec<_> = schema
        .iter_errors(answer)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{what}: {faults:#?}\n{answer:#}");
}

#[test]
fn every_answer_is_as_the_document_says() {
    let broker = Broker::start();
    let document = document(&broker);
    let _client = populate(&broker, &document);
    let mut checked = 0;
    for (path, item) in paths(&document) {
        let Some(operation) = item.get("get") else {
            continue;
        };
        let url = filled(&broker, path);
        if operation["responses"]["200"]["content"]["text/event-stream"].is_object() {
            assert_eq!(broker.ask_as(None, "GET", &url, None).status, 401, "{path}");
            continue;
        }
        let schema = schema(&document, path, "get");
        check(&schema, path, &broker.get(&url));
        let parameters = operation["parameters"].to_string();
        if parameters.contains("parameters/page\"") {
            check(&schema, path, &broker.get(&format!("{url}?page=1&page_size=2")));
        }
        if parameters.contains("lengths_age") {
            let ages = "lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5&data_rates_age=60\
                        &data_rates_incr=5&node_stats_age=60&node_stats_incr=5";
            check(&schema, path, &broker.get(&format!("{url}?{ages}")));
        }
        let refused = broker.ask_as(None, "GET", &url, None);
        let is_open = operation["security"] == json!([]);
        assert_eq!(
            refused.status,
            if is_open { 200 } else { 401 },
            "{path} without a login"
        );
        checked += 1;
    }
    assert!(checked > 70, "{checked}");
}

#[test]
fn what_is_posted_and_answered_is_as_the_document_says() {
    let broker = Broker::start();
    let document = document(&broker);
    let _client = populate(&broker, &document);
    let message = json!({ "routing_key": "q", "payload": "x", "properties": {} });
    let get = json!({ "count": 5, "ackmode": "ack_requeue_true", "encoding": "auto" });
    let dry_run = json!({ "dry_run": true, "header": ["a:1"], "exchange": "amq.default", "routing_key": "q" });
    let test = json!({ "exchange": "x", "routing_key": "k", "properties": { "headers": { "a": 1 } } });
    let mut file = broker.get("/api/definitions");
    file["queues"][0]["arguments"] = json!({ "x-max-length": 77 });
    file["vhosts"] = json!([{ "name": "new" }]);
    for (method, path, body) in [
        ("post", "/api/exchanges/{vhost}/{name}/publish", message),
        ("post", "/api/queues/{vhost}/{name}/get", get),
        ("post", "/api/warren/dead-letters/{vhost}/{queue}/replays", dry_run),
        (
            "post",
            "/api/warren/dead-letters/{vhost}/{queue}/replays",
            json!({ "dry_run": true }),
        ),
        ("post", "/api/warren/route-tests/{vhost}", test),
        ("post", "/api/warren/definitions/comparison", file),
    ] {
        let url = filled(&broker, path);
        check_request(&document, method, &url, &body);
        let answer = broker.want(200, &method.to_uppercase(), &url, Some(body));
        check(&schema(&document, path, method), path, &answer);
    }
    let letters = "/api/warren/dead-letters/{vhost}/{queue}/contents";
    let purged = broker.want(200, "DELETE", &format!("{}?limit=1", filled(&broker, letters)), None);
    check(&schema(&document, letters, "delete"), letters, &purged);
    let session = "/api/warren/session";
    let body = json!({ "user": "guest", "password": "guest" });
    check_request(&document, "post", session, &body);
    let signed_in = sign_in(&broker, "guest", "guest");
    check(&schema(&document, session, "post"), session, &signed_in.json());
    let cookie = signed_in.cookie();
    let shown = send(&broker, "GET", session, &[("Cookie", &cookie)], "");
    check(&schema(&document, session, "get"), session, &shown.json());
}

#[test]
fn the_stream_of_the_pages_is_as_the_document_says() {
    let broker = Broker::start();
    let document = document(&broker);
    let cookie = sign_in(&broker, "guest", "guest").cookie();
    let stream = open(&broker, "GET", "/api/warren/live?log=true", &[("Cookie", &cookie)], "");
    let mut wanted = vec![("tick", "Tick"), ("log", "LogLines")];
    let mut event = String::new();
    for line in stream.lines() {
        let line = line.expect("text");
        if let Some(name) = line.strip_prefix("event: ") {
            event = name.to_owned();
        }
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        let Some(at) = wanted.iter().position(|(name, _)| *name == event) else {
            continue;
        };
        let (_, schema) = wanted.remove(at);
        let mut root = document.clone();
        root["$ref"] = format!("#/components/schemas/{schema}").into();
        let schema = jsonschema::draft202012::new(&root).expect("a schema");
        check(&schema, &event, &serde_json::from_str(data).expect("JSON"));
        if wanted.is_empty() {
            return;
        }
    }
    panic!("the stream ended without {wanted:?}");
}

#[test]
fn an_answer_that_the_document_does_not_describe_is_found() {
    let broker = Broker::start();
    let document = document(&broker);
    let _client = populate(&broker, &document);
    let schema = schema(&document, "/api/queues/{vhost}/{name}", "get");
    let queue = broker.get("/api/queues/%2F/q");
    assert!(schema.is_valid(&queue));
    for (field, value) in [
        ("messages", json!("2")),
        ("surplus", json!(1)),
        ("messages_details", json!({})),
    ] {
        let mut changed = queue.clone();
        changed[field] = value;
        assert!(!schema.is_valid(&changed), "{field}");
    }
    let mut short = queue;
    short.as_object_mut().expect("an object").remove("messages");
    assert!(!schema.is_valid(&short));
}
