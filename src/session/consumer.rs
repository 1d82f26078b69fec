//! The way of a delivery from a queue to a channel: numbered, noted as unacked, encoded into the outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::amqp::encode::{Deliver, DeliveryInfo, Target};
use crate::amqp::{OutBuffer, Response};
use crate::broker::{ChannelLink, ChannelState, ConsumerSink, Count, Counters, Flow, QueueCell, ReplySink};
use crate::model::{ChannelWindow, FieldValue, Message, Name, PropertiesView};
use crate::queue::{ConsumerKey, Delivery};
use crate::telemetry::Tracer;

use super::outbox::Outbox;
use super::unacked::UnackedTable;

/// The part of a channel that queues reach from other threads.
#[derive(Debug)]
pub struct ChannelDeliveries {
    /// The connection's number.
    pub connection: u64,
    /// The channel's number.
    pub number: u16,
    /// The connection's outgoing side.
    pub outbox: Arc<Outbox>,
    /// Largest frame in bytes, 0 for no limit.
    pub frame_max: u32,
    /// What is out. Locked before the outbox, after a queue.
    pub unacked: Mutex<UnackedTable>,
    /// The limit that all consumers of the channel share.
    pub window: Arc<ChannelWindow>,
    /// Where traces are on.
    pub tracer: Option<Arc<Tracer>>,
    /// What listings show and nothing else reads.
    pub shown: Shown,
    /// What is counted of the channel.
    pub counters: Arc<Counters>,
}

/// What the channel's owner notes for listings.
#[derive(Debug, Default)]
pub struct Shown {
    /// Consumers.
    pub consumers: AtomicU32,
    /// Prefetch of consumers to come.
    pub prefetch: AtomicU16,
    /// In confirm mode.
    pub confirm: AtomicBool,
    /// In transaction mode.
    pub transactional: AtomicBool,
    /// Something was published on it.
    pub publishes: AtomicBool,
}

impl ChannelDeliveries {
    /// Where messages for this channel are encoded to.
    #[must_use]
    pub fn target(&self) -> Target {
        Target {
            channel: self.number,
            frame_max: self.frame_max,
        }
    }
}

impl ChannelDeliveries {
    /// Counts what one consumer gets, which is all to be settled or all not.
    fn count_deliveries(&self, deliveries: &[Delivery]) {
        let settles = deliveries.first().is_some_and(|delivery| delivery.unacked.is_some());
        let count = if settles { Count::Deliver } else { Count::DeliverNoAck };
        self.counters.add(count, deliveries.len() as u64);
        let redelivered = deliveries.iter().filter(|delivery| delivery.redelivered).count();
        self.counters.add(Count::Redeliver, redelivered as u64);
    }
}

impl ChannelLink for ChannelDeliveries {
    fn state(&self) -> ChannelState {
        ChannelState {
            number: self.number,
            unacked: self.unacked.lock().len() as u64,
            consumers: self.shown.consumers.load(Ordering::Relaxed),
            prefetch: self.shown.prefetch.load(Ordering::Relaxed).into(),
            global_prefetch: self.window.limit(),
            confirm: self.shown.confirm.load(Ordering::Relaxed),
            transactional: self.shown.transactional.load(Ordering::Relaxed),
            publishes: self.shown.publishes.load(Ordering::Relaxed),
        }
    }

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

/// One consumer as its queue sees it.
pub struct Consumer {
    channel: Arc<ChannelDeliveries>,
    tag: Name,
    deliver: Deliver,
    /// The queue that it consumes from.
    pub queue: Arc<QueueCell>,
    /// The queue's number in the channel's list of queues.
    queue_index: u32,
    /// The client understands `basic.cancel` from the server.
    hears_cancel: bool,
    key: AtomicU32,
    gone: AtomicBool,
}

/// How a consumer was asked for.
#[derive(Debug)]
pub struct ConsumerSetup {
    /// Its tag.
    pub tag: Name,
    /// Its queue's number in the channel's list.
    pub queue_index: u32,
    /// The client understands `basic.cancel` from the server.
    pub hears_cancel: bool,
}

impl Consumer {
    /// A consumer of `queue` on `channel`.
    #[must_use]
    pub fn new(channel: Arc<ChannelDeliveries>, queue: Arc<QueueCell>, setup: ConsumerSetup) -> Arc<Self> {
        Arc::new(Self {
            deliver: Deliver::new(channel.target(), &setup.tag),
            channel,
            tag: setup.tag,
            queue,
            queue_index: setup.queue_index,
            hears_cancel: setup.hears_cancel,
            key: AtomicU32::new(u32::MAX),
            gone: AtomicBool::new(false),
        })
    }

    /// Whether its queue is gone, and it with it.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Its key in the queue; known since it was subscribed.
    #[must_use]
    pub fn key(&self) -> ConsumerKey {
        ConsumerKey(self.key.load(Ordering::Acquire))
    }

    /// Notes its key in the queue.
    pub fn set_key(&self, key: ConsumerKey) {
        self.key.store(key.0, Ordering::Release);
    }

    fn encode(&self, table: &mut UnackedTable, delivery: &Delivery, out: &mut OutBuffer) {
        let delivery_tag = self.number(table, delivery);
        let counted = self.counted(delivery);
        let counted = counted.or_else(|| delivery.message.visible_properties());
        let info = DeliveryInfo {
            delivery_tag,
            redelivered: delivery.redelivered,
            properties: counted.as_deref(),
        };
        self.deliver.write(out, info, &delivery.message);
    }

    /// Gives a delivery its tag, and notes it as unacked.
    pub(super) fn number(&self, table: &mut UnackedTable, delivery: &Delivery) -> u64 {
        match delivery.unacked {
            Some(id) => table.add(self.queue_index, id, true),
            None => table.next_tag(),
        }
    }

    /// The properties with the count of returns, where there were any: only then are they encoded anew.
    pub(super) fn counted(&self, delivery: &Delivery) -> Option<Vec<u8>> {
        (delivery.delivery_count > 0).then(|| with_delivery_count(&delivery.message, delivery.delivery_count))
    }

    /// How its deliveries are encoded.
    pub(super) fn encoder(&self) -> &Deliver {
        &self.deliver
    }

    /// Its tag.
    pub(super) fn tag_text(&self) -> &str {
        &self.tag
    }
}

impl ConsumerSink for Consumer {
    fn deliver(&self, deliveries: &[Delivery]) -> Flow {
        self.channel.count_deliveries(deliveries);
        let mut table = self.channel.unacked.lock();
        let flow = self.channel.outbox.write_deliveries(
            |out| match &self.channel.tracer {
                None => {
                    if let [first, _, ..] = deliveries {
                        self.deliver.reserve(out, deliveries.len(), &first.message);
                    }
                    for delivery in deliveries {
                        self.encode(&mut table, delivery, out);
                    }
                }
                Some(tracer) => {
                    for delivery in deliveries {
                        self.encode_traced(tracer, &mut table, delivery, out);
                    }
                }
            },
            || Some((Arc::clone(&self.queue), self.key())),
        );
        flow.unwrap_or_else(|| {
            // The socket is gone and the session not yet: it gives back what is noted as unacked when it ends.
            for id in deliveries.iter().filter_map(|delivery| delivery.unacked) {
                table.add(self.queue_index, id, true);
            }
            Flow::Open
        })
    }

    fn cancelled(&self) {
        self.gone.store(true, Ordering::Release);
        if self.hears_cancel {
            let response = Response::BasicCancel {
                consumer_tag: &self.tag,
            };
            self.channel
                .outbox
                .write(|out| response.encode(self.channel.number, out));
        }
    }

    fn tag(&self) -> Name {
        self.tag.clone()
    }

    fn place(&self) -> Option<(u64, u16)> {
        Some((self.channel.connection, self.channel.number))
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "consumer '{}' of {:?}", self.tag, self.queue)
    }
}

/// The message's properties with the header that tells how often it was returned (RabbitMQ: "Quorum Queues", poison
/// messages; here for queues of every type).
pub fn with_delivery_count(message: &Message, count: u32) -> Vec<u8> {
    let visible = message.visible_properties();
    let view = visible.as_deref().map_or(message.properties(), PropertiesView::new);
    let mut properties = view.decode().unwrap_or_default();
    properties
        .headers
        .get_or_insert_default()
        .insert("x-delivery-count", FieldValue::I64(count.into()));
    properties.encode()
}

/// A channel's consumer of direct replies.
#[derive(Debug)]
pub struct ReplyConsumer {
    /// The channel.
    pub channel: Arc<ChannelDeliveries>,
    /// The consumer tag.
    pub tag: Name,
    /// The name under which requests of this channel are answered.
    pub address: String,
    /// How replies are encoded.
    pub deliver: Deliver,
}

impl ReplySink for ReplyConsumer {
    fn reply(&self, message: &Message) -> bool {
        let channel = &self.channel;
        if !channel.outbox.takes_replies() {
            tracing::warn!(address = %self.address, "dropped a direct reply: its client does not read");
            return true;
        }
        let mut table = channel.unacked.lock();
        channel.outbox.write(|out| {
            let info = DeliveryInfo {
                delivery_tag: table.next_tag(),
                redelivered: false,
                properties: None,
            };
            self.deliver.write(out, info, message);
        });
        true
    }
}
