//! The channel class (20): open, flow, close.

use amq_protocol::protocol::channel::AMQPMethod;

use crate::amqp::arguments::Field::{Octet, Short, ShortString};
use crate::amqp::arguments::Shape;
use crate::amqp::event::CloseReason;
use crate::amqp::fault;
use crate::model::{AmqpError, Method};

use super::{ChannelMethod, Request};

pub(in crate::amqp) const OPEN: u16 = 10;
pub(in crate::amqp) const CLOSE: u16 = 40;
pub(in crate::amqp) const CLOSE_OK: u16 = 41;

pub(super) fn shape(method_id: u16) -> Shape {
    match method_id {
        OPEN => Shape::Client(&[ShortString]),
        20 => Shape::Client(&[Octet]),
        CLOSE => Shape::Client(&[Short, ShortString, Short, Short]),
        CLOSE_OK => Shape::Client(&[]),
        // RabbitMQ never sends flow, so it does not expect flow-ok.
        11 | 21 => Shape::ServerOnly,
        _ => Shape::Unknown,
    }
}

pub(super) fn convert(parsed: AMQPMethod, method: Method) -> Result<ChannelMethod, AmqpError> {
    Ok(match parsed {
        AMQPMethod::Open(_) => ChannelMethod::Open,
        AMQPMethod::Close(m) => ChannelMethod::Close(CloseReason {
            code: m.reply_code,
            text: m.reply_text.as_str().to_owned(),
            method: Method::new(m.class_id, m.method_id),
        }),
        AMQPMethod::CloseOk(_) => ChannelMethod::CloseOk,
        AMQPMethod::Flow(m) if m.active => ChannelMethod::Request(Request::ChannelFlow),
        AMQPMethod::Flow(_) => return Err(fault::not_implemented("active=false", method)),
        AMQPMethod::OpenOk(_) | AMQPMethod::FlowOk(_) => return Err(fault::unimplemented_method(method)),
    })
}
