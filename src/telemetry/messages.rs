//! The spans of a message on its way.

use std::time::SystemTime;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Array, KeyValue, StringValue, Value};

use crate::model::{Message, Name, PropertiesView};

use super::context::TraceContext;
use super::tracer::{Begun, Tracer};

/// Names of queues that a span lists; how many there are stands beside them.
const LISTED_QUEUES: usize = 16;

/// A message that is being published; recorded by [`Tracer::published`] once the queues have it.
#[derive(Debug)]
pub struct PublishSpan {
    begun: Begun,
    name: String,
    attributes: Vec<KeyValue>,
}

/// A message on its way to a consumer.
#[derive(Clone, Copy, Debug)]
pub struct Handover<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The vhost.
    pub vhost: &'a str,
    /// The consumer tag; `None` for `basic.get`.
    pub consumer: Option<&'a str>,
    /// The delivery tag.
    pub delivery_tag: u64,
    /// It was out before.
    pub redelivered: bool,
}

/// A delivery that is out, until it is settled.
#[derive(Clone, Debug)]
pub struct OutSpan {
    context: TraceContext,
    queue: Name,
    vhost: Name,
    since: SystemTime,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done.
    Ack,
    /// Not wanted: a dead letter, or gone.
    Reject,
    /// Back into the queue.
    Requeue,
}

impl Tracer {
    /// A sampled message was routed: it took from the beginning of its span until now.
    ///
    /// Gives the message anew, with a `traceparent` that names the span. `queues` are those that it was routed to.
    #[must_use]
    pub fn publish<'q>(
        &self,
        vhost: &str,
        message: &Message,
        begun: Begun,
        queues: impl ExactSizeIterator<Item = &'q str>,
    ) -> (PublishSpan, Message) {
        let exchange = message.exchange();
        let mut attributes = facts(vhost, message);
        let mut route = self.below(begun.context);
        route.started = begun.started;
        let mut routed = attributes.clone();
        routed.extend(operation("route", None));
        let count = queues.len();
        let names: Vec<StringValue> = queues.take(LISTED_QUEUES).map(|name| name.to_owned().into()).collect();
        routed.push(KeyValue::new("warren.route.queue_count", count as i64));
        routed.push(KeyValue::new("warren.route.queues", Value::Array(Array::String(names))));
        self.end(route, SpanKind::Internal, titled("route", exchange), routed);
        attributes.extend(operation("publish", Some("send")));
        let properties = begun.context.written_into(message.properties_bytes());
        let rewritten = message.republished(exchange, message.routing_key_bytes(), &properties);
        let span = PublishSpan {
            begun,
            name: titled("publish", exchange),
            attributes,
        };
        (span, rewritten)
    }

    /// The queues have what was published.
    pub fn published(&self, span: PublishSpan) {
        self.end(span.begun, SpanKind::Consumer, span.name, span.attributes);
    }

    /// A message goes out to a consumer: where its trace is recorded, the properties to send in place of `properties`,
    /// and the span that its settlement belongs to.
    #[must_use]
    pub fn deliver(&self, handover: Handover<'_>, message: &Message, properties: &[u8]) -> Option<(Vec<u8>, OutSpan)> {
        let parent = self.sampled(PropertiesView::new(properties))?;
        let begun = self.below(parent);
        let mut attributes = facts(handover.vhost, message);
        attributes.extend(subscription(handover.queue));
        attributes.push(KeyValue::new(
            "messaging.rabbitmq.message.delivery_tag",
            // Tags count up from one, so they fit.
            handover.delivery_tag as i64,
        ));
        attributes.push(KeyValue::new("warren.redelivered", handover.redelivered));
        let word = if handover.consumer.is_some() { "deliver" } else { "get" };
        attributes.extend(operation(word, Some("receive")));
        if let Some(tag) = handover.consumer {
            attributes.push(KeyValue::new("warren.consumer.tag", tag.to_owned()));
        }
        let out = OutSpan {
            context: begun.context,
            queue: handover.queue.into(),
            vhost: handover.vhost.into(),
            since: begun.started,
        };
        self.end(begun, SpanKind::Producer, titled(word, handover.queue), attributes);
        Some((out.context.written_into(properties), out))
    }

    /// A delivery was settled: its span lasts from the delivery until now.
    pub fn settled(&self, out: &OutSpan, delivery_tag: u64, settlement: Settlement) {
        let mut begun = self.below(out.context);
        begun.started = out.since;
        let word = match settlement {
            Settlement::Ack => "ack",
            Settlement::Reject => "reject",
            Settlement::Requeue => "requeue",
        };
        let mut attributes = vec![system(), KeyValue::new("warren.vhost", out.vhost.to_string())];
        attributes.extend(subscription(&out.queue));
        attributes.push(KeyValue::new(
            "messaging.rabbitmq.message.delivery_tag",
            delivery_tag as i64,
        ));
        attributes.extend(operation(word, Some("settle")));
        self.end(begun, SpanKind::Server, titled(word, &out.queue), attributes);
    }

    /// A message died in `queue` and goes on as `letter`, which carries its trace: the letter anew, below a span of
    /// its own, if the trace is recorded.
    #[must_use]
    pub fn dead_letter(&self, vhost: &str, queue: &str, reason: &'static str, letter: &Message) -> Option<Message> {
        let parent = self.sampled(letter.properties())?;
        let begun = self.below(parent);
        let mut attributes = facts(vhost, letter);
        attributes.extend(subscription(queue));
        attributes.extend(operation("dead-letter", None));
        attributes.push(KeyValue::new("warren.dead_letter.reason", reason));
        let properties = begun.context.written_into(letter.properties_bytes());
        self.end(begun, SpanKind::Internal, titled("dead-letter", queue), attributes);
        Some(letter.republished(letter.exchange(), letter.routing_key_bytes(), &properties))
    }
}

/// `OPERATION DESTINATION`, or the operation alone for the default exchange. A routing key would make too many names.
fn titled(operation: &str, destination: &str) -> String {
    format!("{operation} {destination}").trim_end().to_owned()
}

fn system() -> KeyValue {
    KeyValue::new("messaging.system", "rabbitmq")
}

/// What holds of a message in every span.
fn facts(vhost: &str, message: &Message) -> Vec<KeyValue> {
    let properties = message.properties();
    let mut facts = vec![
        system(),
        KeyValue::new("messaging.destination.name", message.exchange().to_owned()),
        KeyValue::new("messaging.message.body.size", message.body_len() as i64),
        KeyValue::new("warren.vhost", vhost.to_owned()),
    ];
    let texts = [
        (
            "messaging.rabbitmq.destination.routing_key",
            Some(message.routing_key_bytes()).filter(|key| !key.is_empty()),
        ),
        ("messaging.message.id", properties.message_id()),
        ("messaging.message.conversation_id", properties.correlation_id()),
    ];
    for (name, text) in texts {
        facts.extend(text.map(|text| KeyValue::new(name, String::from_utf8_lossy(text).into_owned())));
    }
    facts
}

fn subscription(queue: &str) -> [KeyValue; 1] {
    [KeyValue::new(
        "messaging.destination.subscription.name",
        queue.to_owned(),
    )]
}

fn operation(name: &'static str, kind: Option<&'static str>) -> impl Iterator<Item = KeyValue> {
    let name = KeyValue::new("messaging.operation.name", name);
    let kind = kind.map(|kind| KeyValue::new("messaging.operation.type", kind));
    [Some(name), kind].into_iter().flatten()
}
