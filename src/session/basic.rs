//! The basic class, apart from publishing: qos, consume, cancel, get, settle, recover.

use std::sync::Arc;

use crate::amqp::encode::{self, Deliver, DeliveryInfo};
use crate::amqp::{self, Response};
use crate::broker::{ConsumerEvent, Count, DIRECT_REPLY_QUEUE, QueueCell, ReplySink};
use crate::model::{AmqpError, FieldTable, FieldValue, Name, ReplyCode};
use crate::queue::{ConsumerOptions, Outcome};
use crate::telemetry::Handover;

use super::consumer::{Consumer, ConsumerSetup, ReplyConsumer, with_delivery_count};
use super::watch::trace_delivery;
use super::{Session, tally};

/// So many bytes of acks are taken under one lock: few enough that a queue which delivers meanwhile hardly waits.
const ACKS_TOGETHER: usize = 64 * amqp::ACK_LEN;

/// What `basic.consume` says.
#[derive(Debug)]
pub(super) struct Consume {
    pub queue: Name,
    pub tag: Name,
    pub no_ack: bool,
    pub exclusive: bool,
    pub nowait: bool,
    pub arguments: FieldTable,
}

impl Session {
    /// Prefetch: for the consumers to come, or with `global` for the whole channel (RabbitMQ: "Consumer Prefetch").
    pub(super) fn qos(&mut self, number: u16, prefetch: u16, global: bool) -> Result<(), AmqpError> {
        let channel = self.channel_mut(number)?;
        if global {
            channel.deliveries.window.set_limit(prefetch.into());
            self.resume_consumers(number);
        } else {
            // RabbitMQ: a limit for each consumer ends one for the whole channel.
            channel.prefetch = prefetch;
            if channel.deliveries.window.limit() > 0 {
                channel.deliveries.window.set_limit(0);
                self.resume_consumers(number);
            }
        }
        self.write(number, Response::QosOk);
        Ok(())
    }

    pub(super) fn consume(&mut self, number: u16, mut consume: Consume) -> Result<(), AmqpError> {
        if consume.tag.is_empty() {
            consume.tag = self.names.next("amq.ctag-").into();
        }
        if self.channel_mut(number)?.uses_tag(&consume.tag) {
            return Err(AmqpError::connection(
                ReplyCode::NotAllowed,
                format_args!("attempt to reuse consumer tag '{}'", consume.tag),
            ));
        }
        if consume.queue == DIRECT_REPLY_QUEUE {
            return self.consume_replies(number, consume);
        }
        let most = self.settings.consumers_per_channel;
        if self.channel_mut(number)?.consumers.len() >= most {
            return Err(AmqpError::connection(
                ReplyCode::NotAllowed,
                format_args!("reached maximum ({most}) of consumers per channel"),
            ));
        }
        let name = self.channel_mut(number)?.queue_name(&consume.queue)?;
        let queue = self.readable_queue(&name)?;
        let priority = consumer_priority(&consume.arguments, &queue)?;
        self.subscribe(number, queue, consume, priority)
    }

    fn subscribe(
        &mut self,
        number: u16,
        queue: Arc<QueueCell>,
        consume: Consume,
        priority: i32,
    ) -> Result<(), AmqpError> {
        let now = self.broker.now();
        let hears_cancel = self.wire.capabilities().consumer_cancel_notify;
        let channel = self.channel_mut(number)?;
        let prefetch = channel.prefetch;
        let window = &channel.deliveries.window;
        if window.limit() > 0 && queue.is_quorum() {
            return Err(AmqpError::connection(
                ReplyCode::NotImplemented,
                format_args!("{queue:?} does not support global qos"),
            ));
        }
        let options = ConsumerOptions {
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch: channel.prefetch.into(),
            priority,
            window: Some(Arc::clone(window)),
        };
        let setup = ConsumerSetup {
            tag: consume.tag.clone(),
            queue_index: channel.queue_index(&queue),
            hears_cancel,
        };
        let consumer = Consumer::new(Arc::clone(&channel.deliveries), Arc::clone(&queue), setup);
        channel.consumers.insert(consume.tag.clone(), Arc::clone(&consumer));
        let outbox = Arc::clone(&self.outbox);
        let sink = Arc::clone(&consumer);
        let subscribed = queue.subscribe(options, sink, now, &mut self.aftermath, |key| {
            consumer.set_key(key);
            if !consume.nowait {
                let consumer_tag = &*consume.tag;
                outbox.write(|out| Response::ConsumeOk { consumer_tag }.encode(number, out));
            }
        });
        self.finish();
        if subscribed.is_err() {
            self.channel_mut(number)?.consumers.remove(&consume.tag);
            return Err(AmqpError::channel(
                ReplyCode::AccessRefused,
                format_args!("{queue:?} in exclusive use"),
            ));
        }
        if let Some(entry) = &self.entry {
            let event = ConsumerEvent {
                tag: &consume.tag,
                queue: &queue,
                channel: &entry.channel_name(number),
            };
            let how = (consume.no_ack, consume.exclusive, prefetch);
            self.broker.tell_consumer_created(event, how, &consume.arguments);
        }
        Ok(())
    }

    fn consume_replies(&mut self, number: u16, consume: Consume) -> Result<(), AmqpError> {
        let refuse = |text| Err(AmqpError::channel(ReplyCode::PreconditionFailed, text));
        if self.channel_mut(number)?.reply_consumer.is_some() {
            return refuse("reply consumer already set");
        }
        if !consume.no_ack {
            return refuse("reply consumer cannot acknowledge");
        }
        let address = self.names.next("amq.rabbitmq.reply-to.");
        let channel = self.channel_mut(number)?;
        let consumer = Arc::new(ReplyConsumer {
            channel: Arc::clone(&channel.deliveries),
            tag: consume.tag.clone(),
            address,
            deliver: Deliver::new(channel.deliveries.target(), &consume.tag),
        });
        channel.reply_consumer = Some(Arc::clone(&consumer));
        let sink: Arc<dyn ReplySink> = consumer.clone();
        self.broker.add_reply_channel(&consumer.address, &sink);
        let consumer_tag = &*consume.tag;
        self.reply(number, consume.nowait, Response::ConsumeOk { consumer_tag });
        Ok(())
    }

    /// Cancels a consumer; one that does not exist is cancelled already.
    pub(super) fn cancel(&mut self, number: u16, tag: &Name, nowait: bool) -> Result<(), AmqpError> {
        let now = self.broker.now();
        let channel = self.channel_mut(number)?;
        if let Some(reply) = channel.reply_consumer.take_if(|reply| reply.tag == *tag) {
            self.broker.remove_reply_channel(&reply.address);
        } else if let Some(consumer) = channel.consumers.remove(tag)
            && !consumer.is_gone()
        {
            consumer.queue.unsubscribe(consumer.key(), now, &mut self.aftermath);
            self.finish();
            if let Some(entry) = &self.entry {
                self.broker.tell_consumer_deleted(ConsumerEvent {
                    tag,
                    queue: &consumer.queue,
                    channel: &entry.channel_name(number),
                });
            }
        }
        self.reply(number, nowait, Response::CancelOk { consumer_tag: tag });
        Ok(())
    }

    pub(super) fn get(&mut self, number: u16, queue: &str, no_ack: bool) -> Result<(), AmqpError> {
        let name = self.channel_mut(number)?.queue_name(&queue.into())?;
        let queue = self.readable_queue(&name)?;
        let most = self.settings.unacked_per_channel as usize;
        if !no_ack && self.channel_mut(number)?.deliveries.unacked.lock().len() >= most {
            return Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!("reached maximum ({most}) of unacked deliveries per channel"),
            ));
        }
        let counters = Arc::clone(&self.channel_mut(number)?.deliveries.counters);
        let (delivery, left) = self.broker.get(&queue, no_ack, &mut self.aftermath);
        let Some(delivery) = delivery else {
            counters.add(Count::GetEmpty, 1);
            self.write(number, Response::GetEmpty);
            self.finish();
            return Ok(());
        };
        self.tap_get(number, &queue, &delivery);
        counters.add(if no_ack { Count::GetNoAck } else { Count::Get }, 1);
        counters.add(Count::Redeliver, delivery.redelivered.into());
        let channel = self.channel_mut(number)?;
        let index = channel.queue_index(&queue);
        let counted =
            (delivery.delivery_count > 0).then(|| with_delivery_count(&delivery.message, delivery.delivery_count));
        let counted = counted.or_else(|| delivery.message.visible_properties());
        let mut table = channel.deliveries.unacked.lock();
        let delivery_tag = match delivery.unacked {
            Some(id) => table.add(index, id, false),
            None => table.next_tag(),
        };
        let traced = channel.deliveries.tracer.as_deref().and_then(|tracer| {
            let handover = Handover {
                queue: &queue.name,
                vhost: &queue.vhost,
                consumer: None,
                delivery_tag,
                redelivered: delivery.redelivered,
            };
            trace_delivery(tracer, handover, &delivery, counted.as_deref(), &mut table)
        });
        let target = channel.deliveries.target();
        channel.deliveries.outbox.write(|out| {
            let info = DeliveryInfo {
                delivery_tag,
                redelivered: delivery.redelivered,
                properties: traced.as_deref().or(counted.as_deref()),
            };
            let left = u32::try_from(left).unwrap_or(u32::MAX);
            encode::get_ok(out, target, info, left, &delivery.message);
        });
        drop(table);
        self.finish();
        Ok(())
    }

    /// Settles one delivery (its tag, false) or all up to it (true); in a transaction it waits for the commit. Acks that
    /// follow on the same channel at the front of `rest` are done along with it, under one lock: says how many bytes of
    /// them were taken. The first fault ends it.
    pub(super) fn settle(
        &mut self,
        number: u16,
        first: (u64, bool),
        outcome: Outcome,
        rest: &[u8],
    ) -> (usize, Result<(), AmqpError>) {
        let mut handled = 0;
        let Some(channel) = self.channels.get_mut(number) else {
            return (handled, Ok(()));
        };
        let mut table = channel.deliveries.unacked.lock();
        let mut next = Some(first);
        let mut unknown = None;
        while let Some((delivery_tag, multiple)) = next.take() {
            if !table.take_into(delivery_tag, multiple, &mut self.taken) {
                unknown = Some(delivery_tag);
                break;
            }
            let more = &rest[handled..ACKS_TOGETHER.min(rest.len())];
            next = amqp::ack_on(number, more);
            handled += next.map_or(0, |_| amqp::ACK_LEN);
        }
        let traced = table.take_traced(&self.taken);
        drop(table);
        match &mut channel.transaction {
            Some(transaction) => {
                let taken = self.taken.drain(..);
                transaction.settlements.extend(taken.map(|unacked| (unacked, outcome)));
            }
            None if !self.taken.is_empty() => {
                if outcome == Outcome::Ack {
                    tally::acked(&mut channel.tally, number, self.taken.len(), &mut self.tallied);
                }
                if channel.settled == 0 {
                    self.touched.push(number);
                }
                channel.settle(&self.taken, outcome, &mut self.settles);
                self.taken.clear();
            }
            None => {}
        }
        if !traced.is_empty() {
            self.end_deliveries(&traced, outcome);
        }
        let done = unknown.map_or(Ok(()), |delivery_tag| {
            Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!("unknown delivery tag {delivery_tag}"),
            ))
        });
        (handled, done)
    }

    /// All unacked deliveries of the channel go back to their places and out again.
    pub(super) fn recover(&mut self, number: u16, asynchronous: bool) -> Result<(), AmqpError> {
        // The answer goes first, as RabbitMQ's does: clients drop what they hold when it comes.
        if !asynchronous {
            self.write(number, Response::RecoverOk);
        }
        self.settle(number, (0, true), Outcome::Requeue, &[]).1
    }

    /// The queue of that name, if this user may read it and no other connection has it for itself.
    fn readable_queue(&self, name: &Name) -> Result<Arc<QueueCell>, AmqpError> {
        let place = self.place()?;
        place.access.read_queue(name)?;
        let queue = place.vhost.queue(name)?;
        queue.check_owner(self.id)?;
        Ok(queue)
    }

    fn resume_consumers(&mut self, number: u16) {
        let now = self.broker.now();
        if let Some(channel) = self.channels.get(number) {
            channel.resume_consumers(now, &mut self.aftermath);
        }
        self.finish();
    }
}

/// `x-priority` of a consumer (RabbitMQ: "Consumer Priorities").
fn consumer_priority(arguments: &FieldTable, queue: &QueueCell) -> Result<i32, AmqpError> {
    let refuse = |text: String| Err(AmqpError::channel(ReplyCode::PreconditionFailed, text));
    if arguments.get("x-stream-offset").is_some() {
        let kind = if queue.is_quorum() {
            "rabbit_quorum_queue"
        } else {
            "rabbit_classic_queue"
        };
        return refuse(format!(
            "invalid arg 'x-stream-offset' for {queue:?} of queue type {kind}"
        ));
    }
    match arguments.get("x-priority") {
        None => Ok(0),
        Some(value) => match value.as_integer() {
            Some(priority) => Ok(priority.clamp(i32::MIN.into(), i32::MAX.into()) as i32),
            None => refuse(format!(
                "invalid arg 'x-priority' for {queue:?}: \"expected integer, got {}\"",
                FieldValue::type_name(value)
            )),
        },
    }
}
