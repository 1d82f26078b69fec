//! Ways around a permission.

use serde_json::json;

use super::broker::Broker;
use super::client::{Client, consume, frame, long, method, short};

/// `basic.publish` of an empty message with these headers (a table with its length), which may be empty.
fn publish_to(exchange: &str, key: &str, headers: &[u8]) -> Vec<u8> {
    let begin = [&[0, 0][..], &short(exchange), &short(key), &[0]].concat();
    let flags: &[u8] = if headers.is_empty() { &[0, 0] } else { &[0x20, 0] };
    let header = [&60_u16.to_be_bytes()[..], &[0; 10], flags, headers].concat();
    [method(1, 60, 40, &begin), frame(2, 1, &header)].concat()
}

/// A table with one list of texts.
fn list(name: &str, item: &str) -> Vec<u8> {
    let items = [&b"S"[..], &long(item.as_bytes())].concat();
    long(&[&short(name)[..], b"A", &long(&items)].concat())
}

fn declare(queue: &str, passive: bool, arguments: &[u8]) -> Vec<u8> {
    let fields = [&[0, 0][..], &short(queue), &[u8::from(passive)], arguments].concat();
    method(1, 50, 10, &fields)
}

fn bind(queue: &str, exchange: &str, key: &str) -> Vec<u8> {
    let fields = [
        &[0, 0][..],
        &short(queue),
        &short(exchange),
        &short(key),
        &[0],
        &long(b""),
    ]
    .concat();
    method(1, 50, 20, &fields)
}

/// Sends something and a question behind it: the fault that comes, or `None`.
fn outcome(client: &mut Client, bytes: &[u8], answer: Option<(u16, u16)>) -> Option<(u16, String)> {
    client.send(bytes);
    client.send(&method(1, 60, 10, &[0; 7]));
    let frame = client.frame().expect("the connection is closed");
    if frame.method() == (20, 40) {
        // Opens the channel again.
        client.send(&method(1, 20, 41, &[]));
        client.open_channel(1);
        return Some(frame.fault());
    }
    if let Some(answer) = answer {
        assert_eq!(frame.method(), answer);
        client.expect(60, 11);
    }
    None
}

fn is_refused(client: &mut Client, bytes: &[u8], answer: Option<(u16, u16)>) -> bool {
    match outcome(client, bytes, answer) {
        None => false,
        Some((code, text)) => {
            assert_eq!(code, 403, "{text}");
            true
        }
    }
}

#[test]
fn a_passive_declare_that_tells_who_has_no_right() {
    let broker = Broker::start("");
    broker.permit_bob("^bob", "^bob", "^bob");
    broker.want("PUT", "/api/queues/%2F/orders", "{}");
    let mut bob = broker.client("bob");
    let refusal = |bob: &mut Client, name: &str| {
        let (code, text) = outcome(bob, &declare(name, true, &long(b"")), Some((50, 11))).unwrap();
        (code, text.replace(name, "NAME"))
    };
    let standing = refusal(&mut bob, "orders");
    assert_eq!(standing.0, 403, "{}", standing.1);
    assert_eq!(
        standing,
        refusal(&mut bob, "absent"),
        "whether it exists shows in nothing"
    );
    let exchange = |name: &str| {
        method(
            1,
            40,
            10,
            &[&[0, 0][..], &short(name), &short("topic"), &[1], &long(b"")].concat(),
        )
    };
    for name in ["amq.topic", "absent"] {
        assert_eq!(
            outcome(&mut bob, &exchange(name), Some((40, 11))).unwrap().0,
            403,
            "{name}"
        );
    }
    // Any of the three rights will do.
    for rights in [["^orders", "", ""], ["", "^orders", ""], ["", "", "^orders"]] {
        broker.permit_bob(rights[0], rights[1], rights[2]);
        assert_eq!(
            outcome(&mut bob, &declare("orders", true, &long(b"")), Some((50, 11))),
            None
        );
    }
}

#[test]
fn a_topic_permission_passed_by() {
    let broker = Broker::start("");
    broker.permit_bob(".*", ".*", ".*");
    let permission = json!({"exchange": "amq.topic", "write": "^bob\\.", "read": "^bob\\."});
    broker.want("PUT", "/api/topic-permissions/%2F/bob", &permission.to_string());
    broker.want("PUT", "/api/queues/%2F/q", "{}");
    broker.want(
        "POST",
        "/api/bindings/%2F/e/amq.topic/q/q",
        &json!({"routing_key": "#"}).to_string(),
    );
    let mut bob = broker.client("bob");
    assert!(!is_refused(&mut bob, &publish_to("amq.topic", "bob.x", b""), None));
    // By the routing key, and the keys in CC and BCC.
    assert!(is_refused(&mut bob, &publish_to("amq.topic", "ann.x", b""), None));
    assert!(is_refused(
        &mut bob,
        &publish_to("amq.topic", "bob.x", &list("CC", "ann.x")),
        None
    ));
    assert!(is_refused(
        &mut bob,
        &publish_to("amq.topic", "bob.x", &list("BCC", "ann.x")),
        None
    ));
    assert!(!is_refused(
        &mut bob,
        &publish_to("amq.topic", "bob.x", &list("CC", "bob.y")),
        None
    ));
    // By a binding.
    assert!(!is_refused(&mut bob, &bind("q", "amq.topic", "bob.x"), Some((50, 21))));
    for key in ["ann.x", "#", "*.x"] {
        assert!(
            is_refused(&mut bob, &bind("q", "amq.topic", key), Some((50, 21))),
            "{key}"
        );
    }
    // By a dead letter with a key of one's own.
    let text = |name: &str, value: &str| [&short(name)[..], b"S", &long(value.as_bytes())].concat();
    let letters = |key: &str| {
        let arguments = [
            text("x-dead-letter-exchange", "amq.topic"),
            text("x-dead-letter-routing-key", key),
        ];
        long(&arguments.concat())
    };
    assert!(is_refused(
        &mut bob,
        &declare("d", false, &letters("ann.x")),
        Some((50, 11))
    ));
    assert!(!is_refused(
        &mut bob,
        &declare("d", false, &letters("bob.x")),
        Some((50, 11))
    ));
    // The same over HTTP.
    let publish = |key: &str, headers: serde_json::Value| {
        let body = json!({"routing_key": key, "payload": "", "properties": {"headers": headers}});
        let path = "/api/exchanges/%2F/amq.topic/publish";
        broker.ask("bob", "POST", path, &body.to_string()).status
    };
    assert_eq!(publish("bob.x", json!({})), 200);
    assert_eq!(publish("ann.x", json!({})), 401);
    assert_eq!(publish("bob.x", json!({"CC": ["ann.x"]})), 401);
    assert_eq!(publish("bob.x", json!({"BCC": ["ann.x"]})), 401);
    let path = "/api/bindings/%2F/e/amq.topic/q/q";
    assert_eq!(
        broker
            .ask("bob", "POST", path, &json!({"routing_key": "#"}).to_string())
            .status,
        401
    );
    let queue: serde_json::Value = serde_json::from_str(&broker.want("GET", "/api/queues/%2F/q", "")).unwrap();
    assert_eq!(
        queue["messages"], 3,
        "what was allowed arrived, and nothing else: {queue}"
    );
}

#[test]
fn queue_deletion_over_http_without_the_right() {
    let broker = Broker::start("");
    broker.permit_bob("^bob", "^bob", "^bob");
    broker.want("PUT", "/api/queues/%2F/orders", "{}");
    let count = json!({"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}).to_string();
    for (method, path, body) in [
        ("DELETE", "/api/queues/%2F/orders", ""),
        ("DELETE", "/api/queues/%2F/orders?if-empty=true", ""),
        ("DELETE", "/api/queues/%2F/orders/contents", ""),
        ("POST", "/api/queues/%2F/orders/get", &*count),
        ("PUT", "/api/queues/%2F/other", "{}"),
        ("DELETE", "/api/exchanges/%2F/amq.topic", ""),
        (
            "PUT",
            "/api/users/bob",
            "{\"password\":\"x\",\"tags\":\"administrator\"}",
        ),
        (
            "PUT",
            "/api/permissions/%2F/bob",
            "{\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}",
        ),
        ("DELETE", "/api/vhosts/%2F", ""),
    ] {
        let refused = broker.ask("bob", method, path, body);
        assert!([401, 403].contains(&refused.status), "{method} {path}: {refused:?}");
    }
    assert_eq!(broker.ask("ann", "GET", "/api/queues/%2F/orders", "").status, 200);
}

#[test]
fn a_consumer_that_goes_on_after_its_right_was_taken_away() {
    let broker = Broker::start("");
    broker.permit_bob("", "", "^orders");
    broker.want("PUT", "/api/queues/%2F/orders", "{}");
    let mut bob = Client::connect(broker.amqp);
    // Says that it understands basic.cancel from the broker.
    bob.send(super::client::HEADER);
    bob.expect(10, 10);
    let capability = [&short("consumer_cancel_notify")[..], b"t\x01"].concat();
    let capabilities = [&short("capabilities")[..], b"F", &long(&capability)].concat();
    let start_ok = [long(&capabilities), short("PLAIN"), long(b"\0bob\0bob"), short("en_US")].concat();
    bob.send(&method(0, 10, 11, &start_ok));
    bob.expect(10, 30);
    bob.open_vhost("/").unwrap();
    bob.open_channel(1);
    bob.send(&consume(1, "orders", "tag", true));
    bob.expect(60, 21);
    let publish = || {
        let body = json!({"routing_key": "orders", "payload": "x", "properties": {}}).to_string();
        broker.want("POST", "/api/exchanges/%2F/amq.default/publish", &body);
    };
    publish();
    bob.delivery();
    // A change that leaves the right changes nothing.
    broker.permit_bob("", "", "^orders$");
    publish();
    bob.delivery();
    broker.permit_bob("", "", "^other$");
    let cancel = bob.expect(60, 30);
    assert!(cancel.payload.windows(3).any(|bytes| bytes == b"tag"));
    publish();
    bob.synchronize(1);
    let queue: serde_json::Value = serde_json::from_str(&broker.want("GET", "/api/queues/%2F/orders", "")).unwrap();
    assert_eq!((&queue["messages"], &queue["consumers"]), (&json!(1), &json!(0)));
    // And who is no user any more has no connection.
    broker.want("DELETE", "/api/users/bob", "");
    let (code, text) = bob.frame().unwrap().fault();
    assert_eq!(code, 320);
    assert!(text.contains("user 'bob' was deleted"), "{text}");
}

#[test]
fn a_binding_to_the_pseudo_queue_of_direct_replies() {
    let broker = Broker::start("");
    let mut ann = broker.client("ann");
    for name in ["amq.rabbitmq.reply-to", "amq.rabbitmq.reply-to.made-up"] {
        let refused = outcome(&mut ann, &bind(name, "amq.fanout", "x"), Some((50, 21))).unwrap();
        assert!([403, 404].contains(&refused.0), "{refused:?}");
        let path = format!("/api/bindings/%2F/e/amq.fanout/q/{name}");
        let answer = broker.ask("ann", "POST", &path, "{\"routing_key\":\"x\"}");
        assert!([400, 401, 404].contains(&answer.status), "{answer:?}");
    }
    broker.assert_well();
}

#[test]
fn a_variable_in_a_permission_pattern() {
    let broker = Broker::start("");
    // A user whose name is an expression.
    let user = "%5E.*%24%7C%7Bvhost%7D";
    let name = "^.*$|{vhost}";
    broker.want(
        "PUT",
        &format!("/api/users/{user}"),
        "{\"password\":\"p\",\"tags\":\"\"}",
    );
    let all = json!({"configure": "", "write": ".*", "read": ""}).to_string();
    broker.want("PUT", &format!("/api/permissions/%2F/{user}"), &all);
    let topics = json!({"exchange": "amq.topic", "write": "^{username}\\.", "read": ""}).to_string();
    broker.want("PUT", &format!("/api/topic-permissions/%2F/{user}"), &topics);
    let mut client = Client::connect(broker.amqp);
    client.log_in(name, "p", "/").unwrap();
    client.open_channel(1);
    assert!(is_refused(&mut client, &publish_to("amq.topic", "ann.x", b""), None));
    assert!(is_refused(&mut client, &publish_to("amq.topic", "/.x", b""), None));
    assert!(!is_refused(
        &mut client,
        &publish_to("amq.topic", &format!("{name}.x"), b""),
        None
    ));
}

#[test]
fn guest_by_the_listeners_address_or_a_proxy_header() {
    let broker = Broker::start("[listeners]\nproxy_protocol_from = [\"127.0.0.1\"]");
    broker.want(
        "PUT",
        "/api/users/guest",
        "{\"password\":\"guest\",\"tags\":\"administrator\"}",
    );
    let all = json!({"configure": ".*", "write": ".*", "read": ".*"}).to_string();
    broker.want("PUT", "/api/permissions/%2F/guest", &all);
    let through = |header: &str| {
        let mut client = Client::connect(broker.amqp);
        client.send(header.as_bytes());
        client.log_in("guest", "guest", "/")
    };
    // The listener is on this machine, and so is the proxy; the client is not.
    for far in [
        "PROXY TCP4 192.0.2.7 127.0.0.1 40000 5672\r\n",
        "PROXY TCP6 2001:db8::1 ::1 40000 5672\r\n",
        "PROXY TCP6 ::ffff:192.0.2.7 ::1 40000 5672\r\n",
    ] {
        assert_eq!(through(far).unwrap_err().unwrap().0, 403, "{far}");
    }
    through("PROXY TCP4 127.0.0.1 127.0.0.1 40000 5672\r\n").unwrap();
    // A header that nobody vouches for says nothing.
    let open = Broker::start("");
    let mut client = Client::connect(open.amqp);
    client.send(b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 5672\r\n");
    assert_eq!(client.take(8).unwrap(), b"AMQP\0\0\x09\x01", "no AMQP header, no talk");
}
