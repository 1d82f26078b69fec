//! The web pages and what only they ask for. What people do with them is tested in a browser, by `conformance/pages`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::Broker;

/// What one request got.
pub(super) struct Got {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The cookie that it set, as a browser sends it back.
    pub(super) fn cookie(&self) -> String {
        let set = self.header("set-cookie").expect("a cookie");
        set.split(';').next().expect("a pair").to_owned()
    }
}

pub(super) fn open(
    broker: &Broker,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(&broker.http).expect("a connection");
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", broker.http);
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(text.as_bytes()).expect("written");
    BufReader::new(stream)
}

fn head(reader: &mut BufReader<TcpStream>) -> Got {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a status line");
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Got {
        status: status.expect("a status"),
        headers,
        body: String::new(),
    }
}

pub(super) fn send(broker: &Broker, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
    let mut reader = open(broker, method, path, headers, body);
    let mut got = head(&mut reader);
    let length = got.header("content-length").and_then(|length| length.parse().ok());
    let mut bytes = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut bytes).expect("a body");
    got.body = String::from_utf8(bytes).expect("text");
    got
}

const OURS: (&str, &str) = ("x-warren-request", "user");

pub(super) fn sign_in(broker: &Broker, user: &str, password: &str) -> Got {
    let body = json!({ "user": user, "password": password }).to_string();
    send(broker, "POST", "/api/warren/session", &[OURS], &body)
}

#[test]
fn pages_come_with_their_headers_and_tags() {
    let broker = Broker::start();
    let index = send(&broker, "GET", "/", &[], "");
    assert_eq!(index.status, 200);
    assert!(index.body.starts_with("<!doctype html>"), "{}", index.body);
    let policy = index.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(index.header("x-content-type-options"), Some("nosniff"));
    let tag = index.header("etag").expect("a tag");
    let again = send(&broker, "GET", "/", &[("If-None-Match", tag)], "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let script = send(&broker, "GET", "/pages/app.js", &[], "");
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    for path in ["/pages/nothing.js", "/pages/../Cargo.toml", "/pages/%2e%2e/pages.rs"] {
        assert_eq!(send(&broker, "GET", path, &[], "").status, 404, "{path}");
    }
    let api = send(&broker, "GET", "/api/overview", &[], "");
    assert_eq!(api.header("x-content-type-options"), Some("nosniff"), "the API too");
}

#[test]
fn a_session_opens_the_api_until_it_ends() {
    let broker = Broker::start();
    assert_eq!(
        send(&broker, "GET", "/api/warren/session", &[], "").json()["user"],
        Value::Null
    );
    let wrong = sign_in(&broker, "guest", "wrong");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    assert_eq!(wrong.header("www-authenticate"), None, "the page asks, not the browser");
    let signed_in = sign_in(&broker, "guest", "guest");
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    let set = signed_in.header("set-cookie").expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "it came over plain HTTP: {set}");
    let cookie = signed_in.cookie();
    let cookie = ("Cookie", cookie.as_str());
    assert_eq!(
        send(&broker, "GET", "/api/whoami", &[cookie], "").json()["name"],
        "guest"
    );
    let put = |headers: &[(&str, &str)]| send(&broker, "PUT", "/api/queues/%2F/q", headers, "{}").status;
    assert_eq!(put(&[cookie]), 401, "a form of another site could send this");
    assert_eq!(put(&[cookie, OURS, ("Origin", "http://elsewhere")]), 401);
    assert_eq!(put(&[cookie, OURS, ("Sec-Fetch-Site", "cross-site")]), 401);
    assert_eq!(put(&[cookie, OURS]), 201);
    assert_eq!(put(&[("Cookie", "warren_session_1=x"), OURS]), 401);
    assert_eq!(
        send(&broker, "DELETE", "/api/warren/session", &[cookie], "").status,
        401
    );
    assert_eq!(
        send(&broker, "DELETE", "/api/warren/session", &[cookie, OURS], "").status,
        204
    );
    let over = send(&broker, "GET", "/api/whoami", &[cookie, OURS], "");
    assert_eq!((over.status, &over.json()["error"]), (401, &json!("not_logged_in")));
}

#[test]
fn a_session_ends_with_its_users_password_and_needs_a_tag() {
    let broker = Broker::start();
    let user = |password: &str, tags: &str| json!({ "password": password, "tags": tags });
    broker.want(201, "PUT", "/api/users/ann", Some(user("one", "management")));
    let signed_in = sign_in(&broker, "ann", "one");
    let cookie = signed_in.cookie();
    let who = || send(&broker, "GET", "/api/whoami", &[("Cookie", cookie.as_str())], "").status;
    assert_eq!(who(), 200);
    broker.want(204, "PUT", "/api/users/ann", Some(user("two", "management")));
    assert_eq!(who(), 401);
    broker.want(204, "PUT", "/api/users/ann", Some(user("two", "")));
    let refused = sign_in(&broker, "ann", "two");
    assert_eq!(
        (refused.status, &refused.json()["reason"]),
        (401, &json!("Not management user"))
    );
    let https = json!({ "user": "guest", "password": "guest" }).to_string();
    let host = format!("https://{}", broker.http);
    let got = send(
        &broker,
        "POST",
        "/api/warren/session",
        &[OURS, ("Origin", &host)],
        &https,
    );
    assert!(
        got.header("set-cookie").is_some_and(|set| set.contains("; Secure")),
        "behind a proxy with TLS"
    );
}

#[test]
fn updates_come_as_events_and_end_with_the_session() {
    let broker = Broker::start();
    let cookie = sign_in(&broker, "guest", "guest").cookie();
    let cookie = ("Cookie", cookie.as_str());
    let mut stream = open(&broker, "GET", "/api/warren/live?log=true", &[cookie], "");
    let answer = head(&mut stream);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let mut seen = String::new();
    let mut until = |word: &str, stream: &mut BufReader<TcpStream>| {
        while !seen.contains(word) {
            let mut line = String::new();
            assert!(stream.read_line(&mut line).expect("a line") > 0, "{seen}");
            seen.push_str(&line);
        }
    };
    until("event: tick", &mut stream);
    until("disk_bytes", &mut stream);
    until("event: log", &mut stream);
    until("signed in to the pages", &mut stream);
    send(&broker, "DELETE", "/api/warren/session", &[cookie, OURS], "");
    until("event: over", &mut stream);
    let refused = send(
        &broker,
        "GET",
        "/api/warren/live",
        &[("Accept", "text/event-stream")],
        "",
    );
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, None));
    broker.want(
        201,
        "PUT",
        "/api/users/ann",
        Some(json!({ "password": "x", "tags": "management" })),
    );
    let cookie = sign_in(&broker, "ann", "x").cookie();
    let refused = send(&broker, "GET", "/api/warren/live?log=true", &[("Cookie", &cookie)], "");
    assert_eq!(refused.status, 401, "the log is for those who may see all");
}

#[test]
fn a_route_is_explained_and_nothing_is_published() {
    let broker = Broker::start();
    broker.declare_queue("paid");
    broker.want(
        201,
        "PUT",
        "/api/exchanges/%2F/orders",
        Some(json!({ "type": "topic" })),
    );
    let bind = json!({ "routing_key": "order.*.paid" });
    broker.want(201, "POST", "/api/bindings/%2F/e/orders/q/paid", Some(bind));
    let test = |key: &str| {
        let body = json!({ "exchange": "orders", "routing_key": key });
        broker.want(200, "POST", "/api/warren/route-tests/%2F", Some(body))
    };
    let found = test("order.eu.paid");
    assert_eq!(found["queues"], json!(["paid"]));
    assert_eq!(found["steps"][0]["matches"][0]["routing_key"], "order.*.paid");
    assert_eq!(test("order.eu.new")["queues"], json!([]));
    let missing = json!({ "exchange": "nothing", "routing_key": "" });
    broker.want(404, "POST", "/api/warren/route-tests/%2F", Some(missing));
    assert_eq!(broker.get("/api/queues/%2F/paid")["messages"], 0);
}

#[test]
fn a_file_is_compared_before_it_is_imported() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let whole = broker.get("/api/definitions");
    let compare = |file: Value| broker.want(200, "POST", "/api/warren/definitions/comparison", Some(file));
    let same = compare(whole);
    assert_eq!((&same["items"], &same["only_here"]), (&json!([]), &json!(0)), "{same}");
    let file = json!({ "queues": [{"name": "q", "vhost": "/", "arguments": {"x-max-length": 1}}, {"name": "r"}] });
    let found = compare(file);
    let items = found["items"].as_array().expect("items");
    let outcomes: Vec<_> = items.iter().map(|item| (&item["name"], &item["outcome"])).collect();
    assert_eq!(
        outcomes,
        [(&json!("q"), &json!("conflict")), (&json!("r"), &json!("add"))]
    );
    assert_eq!(broker.ask("GET", "/api/queues/%2F/r", None).status, 404);
}

#[test]
fn vitals_tell_of_disk_and_latency() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let body = json!({
        "routing_key": "q", "payload": "x", "payload_encoding": "string", "properties": {"delivery_mode": 2},
    });
    broker.want(200, "POST", "/api/exchanges/%2F/amq.default/publish", Some(body));
    let vitals = broker.get("/api/warren/vitals");
    assert!(vitals["sync"]["count"].as_u64() > Some(0), "{vitals}");
    assert!(vitals["live_bytes"].as_u64() > Some(0), "{vitals}");
    assert_eq!(vitals["alarms"]["disk"], false);
    let history = broker.get("/api/warren/vitals/history");
    assert_eq!(
        history["at"].as_array().map(Vec::len),
        history["disk_bytes"].as_array().map(Vec::len)
    );
}
