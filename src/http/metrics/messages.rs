//! Messages over the whole broker: counters, and what waits.

use super::super::Api;
use super::text::{Kind, Text};
use crate::broker::{Count, Totals, Vhost};

/// The label of RabbitMQ's global counters.
pub const PROTOCOL: &str = "protocol=\"amqp091\"";

type Sum = fn(&Totals, &Totals) -> u64;

/// RabbitMQ's global counter, its older name by channel, help, and what it is of the whole broker's totals and of its
/// queues'.
const COUNTERS: [(&str, &str, &str, Sum); 13] = [
    (
        "rabbitmq_global_messages_received_total",
        "rabbitmq_channel_messages_published_total",
        "Messages from publishers",
        |whole, _| whole.of(Count::Publish),
    ),
    (
        "rabbitmq_global_messages_confirmed_total",
        "rabbitmq_channel_messages_confirmed_total",
        "Messages confirmed to publishers",
        |whole, _| whole.of(Count::Confirm),
    ),
    (
        "rabbitmq_global_messages_routed_total",
        "",
        "Messages put into queues; one for each queue",
        |_, queues| queues.of(Count::Publish),
    ),
    (
        "rabbitmq_global_messages_unroutable_returned_total",
        "rabbitmq_channel_messages_unroutable_returned_total",
        "Mandatory messages that reached no queue and went back",
        |whole, _| whole.of(Count::ReturnUnroutable),
    ),
    (
        "rabbitmq_global_messages_unroutable_dropped_total",
        "rabbitmq_channel_messages_unroutable_dropped_total",
        "Messages that reached no queue and were dropped",
        |whole, _| whole.of(Count::DropUnroutable),
    ),
    (
        "rabbitmq_global_messages_delivered_total",
        "",
        "Deliveries and messages got",
        |_, queues| {
            let counts = [Count::Deliver, Count::DeliverNoAck, Count::Get, Count::GetNoAck];
            counts.into_iter().map(|count| queues.of(count)).sum()
        },
    ),
    (
        "rabbitmq_global_messages_delivered_consume_manual_ack_total",
        "rabbitmq_channel_messages_delivered_ack_total",
        "Deliveries to consumers that settle",
        |_, queues| queues.of(Count::Deliver),
    ),
    (
        "rabbitmq_global_messages_delivered_consume_auto_ack_total",
        "rabbitmq_channel_messages_delivered_total",
        "Deliveries to consumers that do not settle",
        |_, queues| queues.of(Count::DeliverNoAck),
    ),
    (
        "rabbitmq_global_messages_delivered_get_manual_ack_total",
        "rabbitmq_channel_get_ack_total",
        "Messages got with a settlement to come",
        |_, queues| queues.of(Count::Get),
    ),
    (
        "rabbitmq_global_messages_delivered_get_auto_ack_total",
        "rabbitmq_channel_get_total",
        "Messages got without settlement",
        |_, queues| queues.of(Count::GetNoAck),
    ),
    (
        "rabbitmq_global_messages_get_empty_total",
        "rabbitmq_channel_get_empty_total",
        "Gets from an empty queue",
        |_, queues| queues.of(Count::GetEmpty),
    ),
    (
        "rabbitmq_global_messages_redelivered_total",
        "rabbitmq_channel_messages_redelivered_total",
        "Deliveries that were not the first",
        |_, queues| queues.of(Count::Redeliver),
    ),
    (
        "rabbitmq_global_messages_acknowledged_total",
        "rabbitmq_channel_messages_acked_total",
        "Acks",
        |_, queues| queues.of(Count::Ack),
    ),
];

pub fn counters(text: &mut Text, api: &Api) {
    let (queues, _) = api.broker.message_totals();
    let whole = api.broker.totals();
    for (name, by_channel, help, sum) in COUNTERS {
        let value = sum(&whole, &queues);
        text.head(name, Kind::Counter, help);
        text.value(name, PROTOCOL, value);
        if !by_channel.is_empty() {
            text.counter(by_channel, help, value);
        }
    }
    let name = "rabbitmq_global_messages_received_confirm_total";
    text.head(name, Kind::Counter, "Messages from publishers that want confirms");
    text.value(name, PROTOCOL, api.broker.published_with_confirms());
    let sizes = api.broker.message_sizes();
    let bounds: Vec<(f64, u64)> = sizes.below().map(|(bound, count)| (bound as f64, count)).collect();
    let help = "Bytes of the bodies that clients published";
    let sum = sizes.sum() as f64;
    text.histogram("rabbitmq_message_size_bytes", help, &bounds, sizes.count(), sum);
    let misses: u64 = api.broker.vhosts().iter().map(|vhost| vhost.route_misses()).sum();
    text.counter(
        "warren_route_cache_misses_total",
        "Publishes for which the router was asked",
        misses,
    );
    text.counter(
        "warren_route_cache_hits_total",
        "Publishes whose route the channel remembered",
        whole.of(Count::Publish).saturating_sub(misses),
    );
}

/// What waits and what is out in all queues together.
pub fn depths(text: &mut Text, api: &Api) {
    let mut sums = [0_u64; 9];
    for queue in api
        .broker
        .vhosts()
        .iter()
        .flat_map(|vhost: &std::sync::Arc<Vhost>| vhost.queues())
    {
        let state = queue.state();
        let values = [
            1,
            state.ready,
            state.unacked,
            state.ready + state.unacked,
            state.ready_bytes,
            state.unacked_bytes,
            state.ready_bytes + state.unacked_bytes,
            u64::from(state.consumers),
            queue.on_disk(),
        ];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    for ((name, help), value) in DEPTHS.into_iter().zip(sums) {
        text.gauge(name, help, value);
    }
}

const DEPTHS: [(&str, &str); 9] = [
    ("rabbitmq_queues", "Queues"),
    ("rabbitmq_queue_messages_ready", "Messages that wait"),
    (
        "rabbitmq_queue_messages_unacked",
        "Messages that are out and not settled",
    ),
    ("rabbitmq_queue_messages", "Messages in queues"),
    ("rabbitmq_queue_messages_ready_bytes", "Bytes of bodies that wait"),
    ("rabbitmq_queue_messages_unacked_bytes", "Bytes of bodies that are out"),
    ("rabbitmq_queue_messages_bytes", "Bytes of bodies in queues"),
    ("rabbitmq_consumers", "Consumers of queues"),
    (
        "rabbitmq_queue_messages_paged_out",
        "Waiting messages whose bodies are on disk only",
    ),
];
