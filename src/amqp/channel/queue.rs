//! The queue class (50).

use amq_protocol::protocol::queue::AMQPMethod;

use crate::amqp::arguments::Field::{Octet, Short, ShortString, Table};
use crate::amqp::arguments::Shape;
use crate::amqp::table_convert::table;

use super::Request;

pub(super) fn shape(method_id: u16) -> Shape {
    match method_id {
        10 => Shape::Client(&[Short, ShortString, Octet, Table]),
        20 => Shape::Client(&[Short, ShortString, ShortString, ShortString, Octet, Table]),
        30 | 40 => Shape::Client(&[Short, ShortString, Octet]),
        50 => Shape::Client(&[Short, ShortString, ShortString, ShortString, Table]),
        11 | 21 | 31 | 41 | 51 => Shape::ServerOnly,
        _ => Shape::Unknown,
    }
}

pub(super) fn convert(parsed: AMQPMethod) -> Option<Request> {
    Some(match parsed {
        AMQPMethod::Declare(m) => Request::QueueDeclare {
            queue: m.queue.as_str().into(),
            passive: m.passive,
            durable: m.durable,
            exclusive: m.exclusive,
            auto_delete: m.auto_delete,
            nowait: m.nowait,
            arguments: table(&m.arguments),
        },
        AMQPMethod::Bind(m) => Request::QueueBind {
            queue: m.queue.as_str().into(),
            exchange: m.exchange.as_str().into(),
            routing_key: m.routing_key.as_str().into(),
            nowait: m.nowait,
            arguments: table(&m.arguments),
        },
        AMQPMethod::Unbind(m) => Request::QueueUnbind {
            queue: m.queue.as_str().into(),
            exchange: m.exchange.as_str().into(),
            routing_key: m.routing_key.as_str().into(),
            arguments: table(&m.arguments),
        },
        AMQPMethod::Purge(m) => Request::QueuePurge {
            queue: m.queue.as_str().into(),
            nowait: m.nowait,
        },
        AMQPMethod::Delete(m) => Request::QueueDelete {
            queue: m.queue.as_str().into(),
            if_unused: m.if_unused,
            if_empty: m.if_empty,
            nowait: m.nowait,
        },
        _ => return None,
    })
}
