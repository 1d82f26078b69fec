//! `/metrics` in Prometheus' text format.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::broker::Broker;

/// Totals of the broker, in RabbitMQ's metric names where it has one.
pub(super) async fn metrics(State(broker): State<Arc<Broker>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text(&broker)).into_response()
}

fn text(broker: &Broker) -> String {
    let (mut queues, mut ready, mut unacked, mut consumers) = (0_u64, 0, 0, 0);
    for vhost in broker.vhosts() {
        for queue in vhost.queues() {
            let state = queue.state();
            queues += 1;
            ready += state.ready;
            unacked += state.unacked;
            consumers += u64::from(state.consumers);
        }
    }
    let mut text = String::new();
    for (name, help, value) in [
        ("rabbitmq_queues", "Queues", queues),
        ("rabbitmq_queue_messages_ready", "Messages that wait", ready),
        (
            "rabbitmq_queue_messages_unacked",
            "Messages that are out and not settled",
            unacked,
        ),
        ("rabbitmq_queue_messages", "Messages in queues", ready + unacked),
        ("rabbitmq_consumers", "Consumers", consumers),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    text
}
