//! The exchange class (40).

use amq_protocol::protocol::exchange::AMQPMethod;

use crate::amqp::arguments::Field::{Octet, Short, ShortString, Table};
use crate::amqp::arguments::Shape;
use crate::amqp::table_convert::table;

use super::Request;

pub(super) fn shape(method_id: u16) -> Shape {
    match method_id {
        10 => Shape::Client(&[Short, ShortString, ShortString, Octet, Table]),
        20 => Shape::Client(&[Short, ShortString, Octet]),
        30 | 40 => Shape::Client(&[Short, ShortString, ShortString, ShortString, Octet, Table]),
        11 | 21 | 31 | 51 => Shape::ServerOnly,
        _ => Shape::Unknown,
    }
}

pub(super) fn convert(parsed: AMQPMethod) -> Option<Request> {
    Some(match parsed {
        AMQPMethod::Declare(m) => Request::ExchangeDeclare {
            exchange: m.exchange.as_str().into(),
            kind: m.kind.as_str().into(),
            passive: m.passive,
            durable: m.durable,
            auto_delete: m.auto_delete,
            internal: m.internal,
            nowait: m.nowait,
            arguments: table(&m.arguments),
        },
        AMQPMethod::Delete(m) => Request::ExchangeDelete {
            exchange: m.exchange.as_str().into(),
            if_unused: m.if_unused,
            nowait: m.nowait,
        },
        AMQPMethod::Bind(m) => Request::ExchangeBind {
            destination: m.destination.as_str().into(),
            source: m.source.as_str().into(),
            routing_key: m.routing_key.as_str().into(),
            nowait: m.nowait,
            arguments: table(&m.arguments),
        },
        AMQPMethod::Unbind(m) => Request::ExchangeUnbind {
            destination: m.destination.as_str().into(),
            source: m.source.as_str().into(),
            routing_key: m.routing_key.as_str().into(),
            nowait: m.nowait,
            arguments: table(&m.arguments),
        },
        _ => return None,
    })
}
