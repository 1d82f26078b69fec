//! The confirm class (85), RabbitMQ's extension.

use amq_protocol::protocol::confirm::AMQPMethod;

use crate::amqp::arguments::{Field, Shape};

use super::Request;

pub(super) fn shape(method_id: u16) -> Shape {
    match method_id {
        10 => Shape::Client(&[Field::Octet]),
        11 => Shape::ServerOnly,
        _ => Shape::Unknown,
    }
}

pub(super) fn convert(parsed: &AMQPMethod) -> Option<Request> {
    match parsed {
        AMQPMethod::Select(m) => Some(Request::ConfirmSelect { nowait: m.nowait }),
        AMQPMethod::SelectOk(_) => None,
    }
}
