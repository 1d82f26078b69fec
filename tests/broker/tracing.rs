//! Traces: spans as a collector gets them, and the `traceparent` that messages carry on.

use amq_protocol::protocol::basic::{self, AMQPProperties};
use amq_protocol::protocol::{AMQPClass, queue};
use amq_protocol::types::{AMQPValue, FieldTable, LongString};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use super::client::{Basic, Client, short};
use super::collector::Collector;
use super::process::{Broker, Setup};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const STATE: &str = "vendor=value";

fn start(collector: &Collector, more: &str) -> (Setup, Broker) {
    let setup = Setup::new(&format!(
        "[tracing]\nendpoint = \"http://{}\"\ndelay_ms = 1\nservice_name = \"orders-broker\"\n\
         headers = \"X-Api-Key: k1\\n\"\n{more}",
        collector.address
    ));
    let broker = setup.start();
    (setup, broker)
}

fn properties(traceparent: &str) -> AMQPProperties {
    let mut headers = FieldTable::default();
    headers.insert(short("first"), AMQPValue::LongInt(1));
    for (name, value) in [("traceparent", traceparent), ("tracestate", STATE)] {
        headers.insert(short(name), AMQPValue::LongString(LongString::from(value)));
    }
    AMQPProperties::default()
        .with_headers(headers)
        .with_message_id(short("m-1"))
        .with_correlation_id(short("c-1"))
}

fn header(properties: &AMQPProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

/// `00-TRACE-SPAN-FLAGS`: trace and span of a sampled context.
fn sampled(traceparent: &str) -> (String, String) {
    let parts: Vec<_> = traceparent.split('-').collect();
    assert_eq!((parts.len(), parts[0], parts[3]), (4, "00", "01"), "{traceparent}");
    (parts[1].to_owned(), parts[2].to_owned())
}

/// The next delivery: its tag, its properties, its body.
fn delivery(client: &mut Client) -> (u64, AMQPProperties, Vec<u8>) {
    let (_, AMQPClass::Basic(Basic::Deliver(deliver))) = client.method() else {
        panic!("no delivery");
    };
    let (properties, body) = client.content();
    (deliver.delivery_tag, properties, body)
}

fn ack(client: &mut Client, delivery_tag: u64) {
    let ack = basic::Ack {
        delivery_tag,
        multiple: false,
    };
    client.send(1, Basic::Ack(ack));
}

#[test]
fn spans_join_the_trace_of_the_message_and_the_message_names_the_last() {
    let mut collector = Collector::start();
    let (_setup, broker) = start(&collector, "");
    let mut client = broker.connect();
    client.durable("orders");
    client.consume("orders");
    client.publish_with(
        1,
        "",
        "orders",
        b"hello",
        properties(&format!("00-{TRACE}-{PARENT}-01")),
    );
    let (tag, carried, body) = delivery(&mut client);
    assert_eq!(body, b"hello");
    assert_eq!(
        header(&carried, "tracestate").as_deref(),
        Some(STATE),
        "it goes on as it came"
    );
    assert_eq!(carried.message_id().as_ref().map(|id| id.as_str()), Some("m-1"));
    let (trace, last) = sampled(&header(&carried, "traceparent").expect("a traceparent"));
    ack(&mut client, tag);

    let publish = collector.span("publish");
    assert_eq!((&*publish.trace, &*publish.parent), (TRACE, PARENT));
    assert_eq!(publish.kind, SpanKind::Consumer);
    for (name, value) in [
        ("messaging.system", "rabbitmq"),
        ("messaging.destination.name", ""),
        ("messaging.operation.name", "publish"),
        ("messaging.operation.type", "send"),
        ("messaging.message.body.size", "5"),
        ("messaging.message.id", "m-1"),
        ("messaging.message.conversation_id", "c-1"),
        ("messaging.rabbitmq.destination.routing_key", "orders"),
        ("warren.vhost", "/"),
        ("service.name", "orders-broker"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", "warren@warren"),
    ] {
        assert_eq!(publish.attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(
        publish.request.starts_with("POST /v1/traces HTTP/1.1\r\n"),
        "{}",
        publish.request
    );
    assert!(
        publish.request.to_lowercase().contains("x-api-key: k1"),
        "{}",
        publish.request
    );
    let route = collector.span("route");
    assert_eq!(route.parent, publish.id);
    assert_eq!(route.attributes["warren.route.queues"], "orders");
    assert_eq!(route.attributes["warren.route.queue_count"], "1");
    let deliver = collector.span("deliver orders");
    assert_eq!((&deliver.parent, deliver.kind), (&publish.id, SpanKind::Producer));
    assert_eq!(
        (trace, last),
        (TRACE.to_owned(), deliver.id.clone()),
        "the message names it"
    );
    assert_eq!(deliver.attributes["messaging.destination.subscription.name"], "orders");
    assert_eq!(
        deliver.attributes["messaging.rabbitmq.message.delivery_tag"],
        tag.to_string()
    );
    let settle = collector.span("ack orders");
    assert_eq!((&settle.parent, settle.kind), (&deliver.id, SpanKind::Server));
    assert_eq!(settle.attributes["messaging.operation.type"], "settle");
    for span in [&publish, &route, &deliver, &settle] {
        assert!(span.is_ordered, "{}", span.name);
        assert_eq!(span.trace, TRACE, "{}", span.name);
    }
    client.close();
    broker.stop();
    assert_eq!(collector.rest(), [""; 0], "nothing else was recorded");
}

#[test]
fn a_dead_letter_a_get_and_a_requeue_stay_in_the_trace() {
    let mut collector = Collector::start();
    let (_setup, broker) = start(&collector, "");
    let mut client = broker.connect();
    client.durable("dead");
    let mut arguments = FieldTable::default();
    for (name, value) in [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")] {
        arguments.insert(short(name), AMQPValue::LongString(LongString::from(value)));
    }
    client.declare(queue::Declare {
        queue: short("work"),
        durable: true,
        arguments,
        ..Default::default()
    });
    client.publish_with(
        1,
        "amq.direct",
        "nobody",
        b"",
        properties(&format!("00-{TRACE}-{PARENT}-01")),
    );
    let publish = collector.span("publish amq.direct");
    assert_eq!(
        collector.span("route amq.direct").attributes["warren.route.queue_count"],
        "0"
    );
    assert_eq!(publish.trace, TRACE);
    // Mandatory: it comes back.
    assert!(matches!(client.method(), (_, AMQPClass::Basic(Basic::Return(_)))));
    client.body();

    client.publish_with(1, "", "work", b"", properties(&format!("00-{TRACE}-{PARENT}-01")));
    for requeue in [true, false] {
        let got = client.get("work").expect("a message");
        let reject = basic::Reject {
            delivery_tag: got.tag,
            requeue,
        };
        client.send(1, Basic::Reject(reject));
    }
    let first = collector.span("get work");
    assert_eq!(collector.span("requeue work").parent, first.id);
    let second = collector.span("get work");
    assert_eq!(second.attributes["warren.redelivered"], "true");
    assert_eq!(collector.span("reject work").parent, second.id);
    let died = collector.span("dead-letter work");
    assert_eq!(died.attributes["warren.dead_letter.reason"], "rejected");
    client.get("dead").expect("the dead letter");
    let got = collector.span("get dead");
    assert_eq!((&got.parent, &*got.trace), (&died.id, TRACE));
}

#[test]
fn what_is_not_sampled_passes_untouched() {
    let mut collector = Collector::start();
    let (_setup, broker) = start(&collector, "sample_ratio = 0.5\n");
    let mut client = broker.connect();
    client.durable("q");
    client.consume("q");
    // The low bits of a trace's id decide: this one is beyond every ratio below 1.
    let beyond = "0000000000000001ffffffffffffffff";
    let within = "00000000000000010000000000000001";
    for traceparent in [
        format!("00-{TRACE}-{PARENT}-00"),
        format!("00-{beyond}-{PARENT}-01"),
        "nonsense".to_owned(),
    ] {
        client.publish_with(1, "", "q", b"", properties(&traceparent));
        let (tag, carried, _) = delivery(&mut client);
        assert_eq!(header(&carried, "traceparent"), Some(traceparent));
        ack(&mut client, tag);
    }
    client.publish("", "q", b"without headers", false);
    let (_, carried, _) = delivery(&mut client);
    assert_eq!(carried.headers(), &None);
    client.publish_with(1, "", "q", b"", properties(&format!("00-{within}-{PARENT}-01")));
    assert_eq!(collector.span("publish").trace, within, "the first that is recorded");
    client.close();
    broker.stop();
    let mut rest = collector.rest();
    rest.sort();
    assert_eq!(rest, ["deliver q", "route"]);
}

#[test]
fn messages_without_a_trace_begin_one_where_that_is_asked_for() {
    let mut collector = Collector::start();
    let (_setup, broker) = start(&collector, "root_ratio = 1.0\nsample_ratio = 0.25\n");
    let mut client = broker.connect();
    client.durable("q");
    client.consume("q");
    let mut traces = Vec::new();
    for _ in 0..20 {
        client.publish("", "q", b"", true);
        let (_, carried, _) = delivery(&mut client);
        assert_eq!(carried.delivery_mode(), &Some(2), "the other properties stay");
        let (trace, last) = sampled(&header(&carried, "traceparent").expect("a new one"));
        let publish = collector.span("publish");
        assert_eq!((&*publish.parent, &publish.trace), ("", &trace), "a root");
        assert_eq!(
            collector.span("deliver q").id,
            last,
            "brokers behind this one keep it too"
        );
        traces.push(trace);
    }
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), 20);
}

#[test]
fn a_collector_that_is_away_costs_spans_and_no_message() {
    // Nobody listens there once the listener is gone.
    let collector = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let setup = Setup::new(&format!(
        "[tracing]\nendpoint = \"http://{collector}\"\nroot_ratio = 1.0\nqueue_max_spans = 4\ndelay_ms = 1\n\
         timeout_ms = 100\n"
    ));
    let broker = setup.start();
    let mut client = broker.connect();
    client.durable("q");
    for _ in 0..50 {
        client.publish("", "q", b"", false);
    }
    assert_eq!(client.waiting("q"), Some(50));
    broker.await_log("the collector did not take spans");
    client.close();
    broker.stop();
}

#[test]
fn faulty_settings_are_refused_by_name() {
    for (toml, fault) in [
        (
            "endpoint = \"collector:4318\"",
            "tracing.endpoint 'collector:4318' is no http://",
        ),
        (
            "endpoint = \"http://127.0.0.1:1\"\nheaders = \"key\"",
            "tracing.headers, line 1: expected 'Name: value'",
        ),
        (
            "endpoint = \"https://127.0.0.1:1\"\nca_file = \"missing.pem\"",
            "tracing.ca_file missing.pem",
        ),
        ("sample_ratio = 1.5", "expected a number from 0 to 1, found 1.5"),
    ] {
        let output = Setup::new(&format!("[tracing]\n{toml}\n")).refused();
        let said = super::process::errors(&output);
        assert!(said.contains(fault), "{toml}: {said}");
        assert_eq!(output.status.code(), Some(1), "{toml}");
    }
}

#[test]
fn transactions_are_traced_as_well() {
    use super::client::Class;
    use amq_protocol::protocol::tx;
    let mut collector = Collector::start();
    let (_setup, broker) = start(&collector, "");
    let mut client = broker.connect();
    client.durable("q");
    client.call(1, Class(AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {}))));
    client.publish_with(1, "", "q", b"", properties(&format!("00-{TRACE}-{PARENT}-01")));
    client.call(1, Class(AMQPClass::Tx(tx::AMQPMethod::Commit(tx::Commit {}))));
    let publish = collector.span("publish");
    client.get("q").expect("the message");
    assert_eq!(collector.span("get q").parent, publish.id);
}
