//! What looks on while messages pass: traces, and the firehose of the vhost. Where neither is on, nothing of this runs.

use crate::amqp::OutBuffer;
use crate::amqp::encode::DeliveryInfo;
use crate::broker::{Broker, ConnectionEntry, Party, PublishBatch, QueueCell, QueueRef, Vhost};
use crate::model::Message;
use crate::queue::{Delivery, Outcome};
use crate::telemetry::{Begun, Handover, OutSpan, PublishSpan, Settlement, Tracer};

use super::Session;
use super::consumer::Consumer;
use super::unacked::UnackedTable;

/// A publish that somebody looks at.
pub(super) struct Watched<'a> {
    pub broker: &'a Broker,
    pub vhost: &'a Vhost,
    pub entry: Option<&'a ConnectionEntry>,
    pub channel: u16,
    /// Keys of the CC and BCC headers.
    pub extra_keys: &'a [String],
    /// Its span, where it is sampled.
    pub begun: Option<Begun>,
    /// It goes into the queues at the end of this read, and not at a commit.
    pub at_once: bool,
}

impl Watched<'_> {
    /// Traces and copies a message that is routed to `queues`; gives it as it goes on.
    pub fn publish(
        &self,
        message: Message,
        queues: &[QueueRef],
        batch: &mut PublishBatch,
        spans: &mut Vec<PublishSpan>,
    ) -> Message {
        if self.vhost.is_tapped()
            && let Some(entry) = self.entry
        {
            let party = party(entry, self.channel);
            self.broker
                .tap_publish(self.vhost, party, &message, self.extra_keys, queues, batch);
        }
        let (Some(tracer), Some(begun)) = (self.broker.tracer(), self.begun) else {
            return message;
        };
        let names = queues.iter().map(|queue| &*queue.0.name);
        let (span, rewritten) = tracer.publish(&self.vhost.name, &message, begun, names);
        if self.at_once && !queues.is_empty() {
            spans.push(span);
        } else {
            tracer.published(span);
        }
        rewritten
    }
}

/// Who a connection is for the firehose.
fn party(entry: &ConnectionEntry, channel: u16) -> Party<'_> {
    Party {
        connection: &entry.name,
        channel,
        user: &entry.user,
    }
}

impl Session {
    /// The queues have what was published.
    pub(super) fn end_spans(&mut self) {
        let spans = self.spans.drain(..);
        if let Some(tracer) = self.broker.tracer() {
            spans.for_each(|span| tracer.published(span));
        }
    }

    /// Deliveries of sampled messages were settled.
    pub(super) fn end_deliveries(&self, settled: &[(u64, OutSpan)], outcome: Outcome) {
        let settlement = match outcome {
            Outcome::Ack => Settlement::Ack,
            Outcome::Reject => Settlement::Reject,
            Outcome::Requeue | Outcome::Release | Outcome::Undo => Settlement::Requeue,
        };
        if let Some(tracer) = self.broker.tracer() {
            for (delivery_tag, span) in settled {
                tracer.settled(span, *delivery_tag, settlement);
            }
        }
    }

    /// A message was got: the firehose copies it.
    pub(super) fn tap_get(&mut self, number: u16, queue: &QueueCell, delivery: &Delivery) {
        let (Some(place), Some(entry)) = (&self.place, &self.entry) else {
            return;
        };
        if place.vhost.is_tapped() {
            let party = party(entry, number);
            self.broker
                .tap_get(&place.vhost, party, queue, delivery, &mut self.aftermath);
        }
    }
}

/// The properties that a sampled message goes out with; its span is noted until the settlement.
pub(super) fn trace_delivery(
    tracer: &Tracer,
    handover: Handover<'_>,
    delivery: &Delivery,
    properties: Option<&[u8]>,
    table: &mut UnackedTable,
) -> Option<Vec<u8>> {
    let as_it_is = delivery.message.properties_bytes();
    let (rewritten, span) = tracer.deliver(handover, &delivery.message, properties.unwrap_or(as_it_is))?;
    if delivery.unacked.is_some() {
        table.trace(handover.delivery_tag, span);
    }
    Some(rewritten)
}

impl Consumer {
    /// Encodes a delivery where traces are on.
    pub(super) fn encode_traced(
        &self,
        tracer: &Tracer,
        table: &mut UnackedTable,
        delivery: &Delivery,
        out: &mut OutBuffer,
    ) {
        let delivery_tag = self.number(table, delivery);
        let counted = self.counted(delivery);
        let handover = Handover {
            queue: &self.queue.name,
            vhost: &self.queue.vhost,
            consumer: Some(self.tag_text()),
            delivery_tag,
            redelivered: delivery.redelivered,
        };
        let traced = trace_delivery(tracer, handover, delivery, counted.as_deref(), table);
        let info = DeliveryInfo {
            delivery_tag,
            redelivered: delivery.redelivered,
            properties: traced.as_deref().or(counted.as_deref()),
        };
        self.encoder().write(out, info, &delivery.message);
    }
}
