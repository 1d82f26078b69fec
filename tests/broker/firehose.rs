//! The firehose: copies as RabbitMQ 3.10.8 was seen to make them.

use amq_protocol::protocol::basic::{self, AMQPProperties};
use amq_protocol::protocol::queue;
use amq_protocol::types::{AMQPValue, FieldTable, LongString};
use base64::Engine;

use super::client::{Basic, Client, Queue, short};
use super::process::{Broker, Setup, word};

/// Sets what the API says of `/`.
fn put_tracing(broker: &Broker, on: bool) {
    let url = format!("http://{}/api/vhosts/%2F", word(&broker.ready, "http="));
    let login = base64::engine::general_purpose::STANDARD.encode("guest:guest");
    let login = format!("Basic {login}");
    let body = format!("{{\"tracing\": {on}}}");
    let put = ureq::put(&url)
        .header("Authorization", &login)
        .send(body)
        .expect("it is set");
    assert_eq!(put.status().as_u16(), 204);
    let mut shown = ureq::get(&url).header("Authorization", &login).call().expect("a vhost");
    let shown = shown.body_mut().read_to_string().expect("text");
    assert!(shown.contains(&format!("\"tracing\":{on}")), "{shown}");
}

fn bind(client: &mut Client, queue: &str, exchange: &str, key: &str) {
    let bind = queue::Bind {
        queue: short(queue),
        exchange: short(exchange),
        routing_key: short(key),
        nowait: false,
        arguments: FieldTable::default(),
    };
    client.call(1, Queue::Bind(bind));
}

/// A queue that gets all copies.
fn copies(client: &mut Client) -> String {
    let (name, _) = client.declare(queue::Declare {
        exclusive: true,
        ..Default::default()
    });
    bind(client, &name, "amq.rabbitmq.trace", "#");
    name
}

/// The next copy: its key, headers and body.
fn copy(client: &mut Client, queue: &str) -> Option<(String, FieldTable, Vec<u8>)> {
    let (key, properties, body) = client.get_content(queue)?;
    assert_eq!(properties.delivery_mode(), &None);
    Some((key, properties.headers().clone().expect("headers"), body))
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

fn list(values: &[&str]) -> AMQPValue {
    AMQPValue::FieldArray(values.iter().map(|value| text(value)).collect::<Vec<_>>().into())
}

#[test]
fn publishes_and_deliveries_are_copied_while_it_is_on() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.durable("work");
    bind(&mut client, "work", "amq.direct", "work");
    let tap = copies(&mut client);
    client.publish("", "work", b"before", false);
    client.get("work").expect("it came");
    assert_eq!(client.waiting(&tap), Some(0), "off");
    put_tracing(&broker, true);

    let mut headers = FieldTable::default();
    headers.insert(short("CC"), list(&["work"]));
    headers.insert(short("n"), AMQPValue::LongInt(7));
    let properties = AMQPProperties::default()
        .with_content_type(short("text/plain"))
        .with_headers(headers.clone())
        .with_delivery_mode(2)
        .with_priority(3)
        .with_timestamp(1_700_000_000)
        .with_type(short("order"));
    client.publish_with(1, "amq.direct", "key", b"hello", properties);
    let got = client.get("work").expect("by its CC");
    let reject = basic::Reject {
        delivery_tag: got.tag,
        requeue: true,
    };
    client.send(1, Basic::Reject(reject));
    client.consume("work");
    assert!(client.delivery().redelivered);

    let (key, published, body) = copy(&mut client, &tap).expect("of the publish");
    assert_eq!((&*key, &*body), ("publish.amq.direct", &b"hello"[..]));
    let mut described = FieldTable::default();
    described.insert(short("content_type"), text("text/plain"));
    described.insert(short("type"), text("order"));
    described.insert(short("delivery_mode"), AMQPValue::LongInt(2));
    described.insert(short("priority"), AMQPValue::LongInt(3));
    described.insert(short("timestamp"), AMQPValue::LongInt(1_700_000_000));
    described.insert(short("headers"), AMQPValue::FieldTable(headers));
    let connection = match &published.inner()["connection"] {
        AMQPValue::LongString(name) => name.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(connection.ends_with(&format!("-> {}", broker.address)), "{connection}");
    let shared = [
        ("exchange_name", text("amq.direct")),
        ("routing_keys", list(&["key", "work"])),
        ("properties", AMQPValue::FieldTable(described)),
        ("node", text("warren@warren")),
        ("vhost", text("/")),
        ("connection", text(&connection)),
        ("channel", AMQPValue::LongInt(1)),
        ("user", text("guest")),
    ];
    let expect = |more: (&str, AMQPValue)| {
        let pairs = shared.iter().cloned().chain([more]);
        pairs
            .map(|(name, value)| (short(name), value))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(published.inner(), &expect(("routed_queues", list(&["work"]))));
    for redelivered in [0, 1] {
        let (key, delivered, body) = copy(&mut client, &tap).expect("of a delivery");
        assert_eq!((&*key, &*body), ("deliver.work", &b"hello"[..]));
        assert_eq!(
            delivered.inner(),
            &expect(("redelivered", AMQPValue::LongInt(redelivered)))
        );
    }
    assert!(copy(&mut client, &tap).is_none(), "copies are not copied");

    client.publish("amq.fanout", "", b"returned", false);
    client.method();
    client.body();
    let (key, lost, _) = copy(&mut client, &tap).expect("of what reaches nobody");
    assert_eq!(key, "publish.amq.fanout");
    assert_eq!(lost.inner()["routed_queues"], list(&[]));

    put_tracing(&broker, false);
    client.publish("", "work", b"after", false);
    assert_eq!(client.delivery().body, b"after");
    assert_eq!(client.waiting(&tap), Some(0), "off again");
}

#[test]
fn a_queue_that_is_declared_later_is_copied_from_too() {
    let broker = Setup::new("").start();
    put_tracing(&broker, true);
    let mut client = broker.connect();
    let tap = copies(&mut client);
    client.durable("late");
    client.consume("late");
    client.publish("", "late", b"x", true);
    client.delivery();
    let keys: Vec<_> = (0..2).map(|_| copy(&mut client, &tap).expect("two copies").0).collect();
    assert_eq!(keys, ["publish.", "deliver.late"]);
}
