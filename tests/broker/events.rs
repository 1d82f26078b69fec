//! The event exchange: keys and headers as RabbitMQ 3.10.8 was seen to send them.

use std::collections::BTreeMap;

use base64::Engine;

use amq_protocol::protocol::basic::{self, AMQPProperties};
use amq_protocol::protocol::{AMQPClass, exchange, queue};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::client::{Basic, Client, Exchange, Options, Queue, short};
use super::process::Setup;

const ON: &str = "[events]\nexchange = true\n";

/// A queue that gets all events, consumed from without acks.
fn listen(client: &mut Client) {
    let (name, _) = client.declare(queue::Declare {
        exclusive: true,
        ..Default::default()
    });
    let bind = queue::Bind {
        queue: short(&name),
        exchange: short("amq.rabbitmq.event"),
        routing_key: short("#"),
        nowait: false,
        arguments: FieldTable::default(),
    };
    let bound = client.call(1, Queue::Bind(bind));
    assert!(matches!(bound, (1, AMQPClass::Queue(Queue::BindOk(_)))), "{bound:?}");
    let consume = basic::Consume {
        queue: short(&name),
        consumer_tag: short("listener"),
        no_ack: true,
        ..Default::default()
    };
    client.call(1, Basic::Consume(consume));
}

/// The next event of this key: its headers, as text. Others before it are passed over.
fn event(client: &mut Client, key: &str) -> BTreeMap<String, String> {
    loop {
        let (_, AMQPClass::Basic(Basic::Deliver(deliver))) = client.method() else {
            panic!("no event");
        };
        let (properties, body) = client.content();
        assert_eq!(deliver.exchange.as_str(), "amq.rabbitmq.event");
        assert!(body.is_empty());
        assert_eq!(properties.delivery_mode(), &Some(2));
        let found = headers(&properties);
        // Events are sent by a thread of their own: those of the listener's queue may come after its binding.
        let of_listener = ["name", "queue"]
            .iter()
            .filter_map(|name| found.get(*name))
            .any(|name| name.starts_with("amq.gen-"));
        if deliver.routing_key.as_str() == key && !of_listener {
            return found;
        }
    }
}

fn headers(properties: &AMQPProperties) -> BTreeMap<String, String> {
    let table = properties.headers().as_ref().expect("headers").inner();
    let at = match table["timestamp_in_ms"] {
        AMQPValue::LongLongInt(at) => at,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(*properties.timestamp(), Some(at as u64 / 1000));
    let pairs = table.iter().filter(|(name, _)| name.as_str() != "timestamp_in_ms");
    pairs.map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn text(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => text.to_string(),
        AMQPValue::Boolean(flag) => flag.to_string(),
        AMQPValue::LongLongInt(number) => number.to_string(),
        AMQPValue::LongInt(number) => number.to_string(),
        AMQPValue::FieldTable(table) => {
            let pairs = table
                .inner()
                .iter()
                .map(|(name, value)| format!("{name}={}", text(value)));
            pairs.collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn expect(found: &BTreeMap<String, String>, wanted: &[(&str, &str)]) {
    let wanted: BTreeMap<_, _> = wanted.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    assert_eq!(found, &wanted);
}

#[test]
fn topology_is_told_with_who_changed_it() {
    let broker = Setup::new(ON).start();
    let mut listener = broker.connect();
    listen(&mut listener);
    let mut client = broker.connect();
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-max-length"), AMQPValue::LongInt(10));
    client.declare(queue::Declare {
        queue: short("orders"),
        durable: true,
        arguments: arguments.clone(),
        ..Default::default()
    });
    expect(
        &event(&mut listener, "queue.created"),
        &[
            ("name", "orders"),
            ("vhost", "/"),
            ("durable", "true"),
            ("auto_delete", "false"),
            ("exclusive", "false"),
            ("owner_pid", ""),
            ("arguments", "x-max-length=10"),
            ("user_who_performed_action", "guest"),
        ],
    );
    let declare = exchange::Declare {
        exchange: short("in"),
        kind: short("topic"),
        durable: true,
        ..Default::default()
    };
    client.call(1, Exchange::Declare(declare));
    expect(
        &event(&mut listener, "exchange.created"),
        &[
            ("name", "in"),
            ("vhost", "/"),
            ("type", "topic"),
            ("durable", "true"),
            ("auto_delete", "false"),
            ("internal", "false"),
            ("policy", ""),
            ("arguments", ""),
            ("user_who_performed_action", "guest"),
        ],
    );
    for _ in 0..2 {
        // The second changes nothing, and is not told.
        let bind = queue::Bind {
            queue: short("orders"),
            exchange: short("in"),
            routing_key: short("a.#"),
            nowait: false,
            arguments: arguments.clone(),
        };
        client.call(1, Queue::Bind(bind));
    }
    let binding = [
        ("source_name", "in"),
        ("source_kind", "exchange"),
        ("destination_name", "orders"),
        ("destination_kind", "queue"),
        ("routing_key", "a.#"),
        ("arguments", "x-max-length=10"),
        ("vhost", "/"),
        ("user_who_performed_action", "guest"),
    ];
    expect(&event(&mut listener, "binding.created"), &binding);
    client.call(
        1,
        Queue::Delete(queue::Delete {
            queue: short("orders"),
            ..Default::default()
        }),
    );
    expect(&event(&mut listener, "binding.deleted"), &binding);
    let gone = [
        ("name", "orders"),
        ("vhost", "/"),
        ("user_who_performed_action", "guest"),
    ];
    expect(&event(&mut listener, "queue.deleted"), &gone);
    let delete = exchange::Delete {
        exchange: short("in"),
        ..Default::default()
    };
    client.call(1, Exchange::Delete(delete));
    let gone = [("name", "in"), ("vhost", "/"), ("user_who_performed_action", "guest")];
    expect(&event(&mut listener, "exchange.deleted"), &gone);
}

#[test]
fn connections_channels_consumers_and_logins_are_told() {
    let broker = Setup::new(ON).start();
    let mut listener = broker.connect();
    listen(&mut listener);
    let mut client = broker.connect();
    let login = event(&mut listener, "user.authentication.success");
    let name = login["connection_name"].clone();
    assert!(name.ends_with(&format!(" -> {}", broker.address)), "{name}");
    for (key, value) in [
        ("name", "guest"),
        ("auth_mechanism", "PLAIN"),
        ("peer_host", "127.0.0.1"),
    ] {
        assert_eq!(login[key], value, "{key}");
    }
    let created = event(&mut listener, "connection.created");
    for (key, value) in [
        ("name", &*name),
        ("user", "guest"),
        ("vhost", "/"),
        ("node", "warren@warren"),
    ] {
        assert_eq!(created[key], value, "{key}");
    }
    let channel = format!("{name} (1)");
    let opened = event(&mut listener, "channel.created");
    assert_eq!((&opened["name"], &*opened["number"]), (&channel, "1"));
    client.durable("q");
    client.consume("q");
    let consumer = event(&mut listener, "consumer.created");
    for (key, value) in [("queue", "q"), ("channel", &*channel), ("ack_required", "true")] {
        assert_eq!(consumer[key], value, "{key}");
    }
    client.close();
    assert_eq!(
        event(&mut listener, "consumer.deleted")["consumer_tag"],
        consumer["consumer_tag"]
    );
    assert_eq!(event(&mut listener, "channel.closed")["name"], channel);
    let closed = event(&mut listener, "connection.closed");
    assert_eq!(
        (&closed["name"], &*closed["user_who_performed_action"]),
        (&name, "guest")
    );
}

#[test]
fn the_exchange_stands_only_where_it_is_asked_for_and_keeps_its_bindings() {
    let setup = Setup::new("");
    let check = |client: &mut Client| {
        let declare = exchange::Declare {
            exchange: short("amq.rabbitmq.event"),
            kind: short("topic"),
            passive: true,
            ..Default::default()
        };
        matches!(
            client.call(1, Exchange::Declare(declare)).1,
            AMQPClass::Exchange(Exchange::DeclareOk(_))
        )
    };
    let broker = setup.start();
    assert!(!check(&mut broker.connect()), "off");
    broker.stop();
    setup.write(ON);
    let broker = setup.start();
    let mut client = broker.connect();
    client.durable("audit");
    let bind = queue::Bind {
        queue: short("audit"),
        exchange: short("amq.rabbitmq.event"),
        routing_key: short("queue.*"),
        nowait: false,
        arguments: FieldTable::default(),
    };
    client.call(1, Queue::Bind(bind));
    broker.stop();
    let broker = setup.start();
    let mut client = broker.connect();
    assert!(check(&mut client));
    client.durable("later");
    client.consume("audit");
    assert_eq!(client.delivery().key, "queue.created", "the binding was kept");
    broker.stop();
    setup.write("");
    let broker = setup.start();
    assert!(!check(&mut broker.connect()), "off again");
}

#[test]
fn a_vhost_that_is_not_there_is_refused_by_name() {
    let output = Setup::new("[events]\nexchange = true\nvhost = \"ops\"\n").refused();
    let said = super::process::errors(&output);
    assert!(said.contains("events.vhost 'ops' does not exist"), "{said}");
    let setup = Setup::new(
        "[events]\nexchange = true\nvhost = \"ops\"\n[[vhosts]]\nname = \"ops\"\n\
                            [[permissions]]\nuser = \"guest\"\nvhost = \"ops\"\nconfigure = \".*\"\nwrite = \".*\"\nread = \".*\"\n",
    );
    let broker = setup.start();
    let options = Options {
        vhost: "ops",
        ..Options::default()
    };
    listen(&mut Client::connect(broker.address, &options));
}

#[test]
fn what_is_done_through_the_api_is_told_with_its_user() {
    let broker = Setup::new(ON).start();
    let mut listener = broker.connect();
    listen(&mut listener);
    let login = base64::engine::general_purpose::STANDARD.encode("guest:guest");
    let ask = |method: &str, path: &str, body: &str| {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!(
                "http://{}/api{path}",
                super::process::word(&broker.ready, "http=")
            ))
            .header("Authorization", format!("Basic {login}"));
        let answer = ureq::Agent::new_with_defaults().run(request.body(body.to_owned()).expect("a request"));
        assert!(answer.expect("it is done").status().is_success(), "{method} {path}");
    };
    ask("PUT", "/vhosts/v1", r#"{"description": "x"}"#);
    let made = event(&mut listener, "vhost.created");
    assert_eq!((&*made["name"], &*made["user_who_performed_action"]), ("v1", "guest"));
    ask("PUT", "/users/u1", r#"{"password": "p", "tags": "monitoring"}"#);
    assert_eq!(event(&mut listener, "user.created")["name"], "u1");
    assert_eq!(event(&mut listener, "user.tags.set")["name"], "u1");
    ask("PUT", "/users/u1", r#"{"password": "p2", "tags": "monitoring"}"#);
    assert_eq!(
        event(&mut listener, "user.password.changed")["user_who_performed_action"],
        "guest"
    );
    ask(
        "PUT",
        "/permissions/v1/u1",
        r#"{"configure": "a", "write": "b", "read": "c"}"#,
    );
    let permission = [
        ("user", "u1"),
        ("vhost", "v1"),
        ("configure", "a"),
        ("write", "b"),
        ("read", "c"),
        ("user_who_performed_action", "guest"),
    ];
    expect(&event(&mut listener, "permission.created"), &permission);
    ask("DELETE", "/permissions/v1/u1", "");
    assert_eq!(event(&mut listener, "permission.deleted")["user"], "u1");
    let policy = r#"{"pattern": "^x", "definition": {"max-length": 5}, "priority": 1, "apply-to": "queues"}"#;
    ask("PUT", "/policies/v1/p1", policy);
    let set = [
        ("vhost", "v1"),
        ("name", "p1"),
        ("pattern", "^x"),
        ("apply-to", "queues"),
        ("priority", "1"),
        ("definition", "max-length=5"),
        ("user_who_performed_action", "guest"),
    ];
    expect(&event(&mut listener, "policy.set"), &set);
    ask("DELETE", "/policies/v1/p1", "");
    assert_eq!(event(&mut listener, "policy.cleared")["name"], "p1");
    ask("PUT", "/vhost-limits/v1/max-queues", r#"{"value": 5}"#);
    assert_eq!(event(&mut listener, "vhost.limits.set")["max-queues"], "5");
    ask("DELETE", "/users/u1", "");
    assert_eq!(event(&mut listener, "user.deleted")["name"], "u1");
    ask("DELETE", "/vhosts/v1", "");
    assert_eq!(
        event(&mut listener, "vhost.deleted")["user_who_performed_action"],
        "guest"
    );
}

#[test]
fn alarms_and_refused_logins_are_told() {
    let setup = Setup::new(&format!("{ON}[store]\ndisk_free_limit_bytes = 0\n"));
    let broker = setup.start();
    let mut listener = broker.connect();
    listen(&mut listener);
    let refused = Client::refused_login(broker.address, "guest", "wrong");
    assert_eq!(refused, 403);
    let failure = event(&mut listener, "user.authentication.failure");
    assert_eq!((&*failure["name"], &*failure["auth_mechanism"]), ("guest", "PLAIN"));
    assert!(!failure["error"].is_empty());
    let login = base64::engine::general_purpose::STANDARD.encode("guest:wrong");
    let url = format!("http://{}/api/whoami", super::process::word(&broker.ready, "http="));
    let request = ureq::get(url).header("Authorization", format!("Basic {login}"));
    assert!(matches!(request.call(), Err(ureq::Error::StatusCode(401))));
    let failure = event(&mut listener, "user.authentication.failure");
    for (key, value) in [
        ("name", "guest"),
        ("protocol", "http"),
        ("auth_mechanism", "Basic"),
        ("peer_host", "127.0.0.1"),
        ("error", "invalid credentials"),
    ] {
        assert_eq!(failure[key], value, "{key}");
    }
    setup.write(&format!("{ON}[store]\ndisk_free_limit_bytes = 1_125_899_906_842_624\n"));
    broker.signal("HUP");
    let set = event(&mut listener, "alarm.set");
    let told = [
        ("source", "disk"),
        ("node", "warren@warren"),
        ("user_who_performed_action", "rmq-internal"),
    ];
    expect(&set, &told);
    setup.write(ON);
    broker.signal("HUP");
    assert_eq!(event(&mut listener, "alarm.cleared")["source"], "disk");
}
