//! Methods of channels: one file an AMQP class.

mod basic;
mod confirm;
mod exchange;
pub(super) mod lifecycle;
pub(super) mod publish;
mod queue;
mod request;
pub(super) mod settle;
mod tx;

use amq_protocol::protocol::{AMQPClass, parse_class};

use crate::model::{AmqpError, Method};

use super::arguments::{self, Shape};
use super::event::CloseReason;
use super::fault;
use super::limits::TableLimits;

pub use request::Request;

pub(super) const CHANNEL: u16 = 20;
const ACCESS: u16 = 30;
const EXCHANGE: u16 = 40;
const QUEUE: u16 = 50;
pub(super) const BASIC: u16 = 60;
const CONFIRM: u16 = 85;
const TX: u16 = 90;

/// What a method on a channel means to the protocol core.
#[derive(Debug)]
pub(super) enum ChannelMethod {
    Open,
    Close(CloseReason),
    CloseOk,
    /// `access.request`: answered at once, as RabbitMQ does, since access tickets have no meaning any more.
    Access,
    Request(Request),
}

/// Decodes a method that is not hot. `payload` begins with the method's ids.
pub(super) fn decode(method: Method, payload: &[u8], tables: TableLimits) -> Result<ChannelMethod, AmqpError> {
    let shape = match shape(method) {
        Shape::Client(shape) => shape,
        Shape::ServerOnly => return Err(fault::unimplemented_method(method)),
        Shape::Unknown => return Err(fault::unknown_method(method)),
    };
    let fields = payload.get(4..).unwrap_or_default();
    arguments::check(method, fields, shape, tables)?;
    let Ok(([], class)) = parse_class(payload) else {
        return Err(fault::cannot_decode(method, fields));
    };
    let request = match class {
        AMQPClass::Channel(parsed) => return lifecycle::convert(parsed, method),
        AMQPClass::Access(_) => return Ok(ChannelMethod::Access),
        AMQPClass::Exchange(parsed) => exchange::convert(parsed),
        AMQPClass::Queue(parsed) => queue::convert(parsed),
        AMQPClass::Basic(parsed) => basic::convert(parsed, method, fields)?,
        AMQPClass::Tx(parsed) => tx::convert(&parsed),
        AMQPClass::Confirm(parsed) => confirm::convert(&parsed),
        AMQPClass::Connection(_) => None,
    };
    request
        .map(ChannelMethod::Request)
        .ok_or_else(|| fault::unimplemented_method(method))
}

/// Whether the protocol has this method.
pub(super) fn is_known(method: Method) -> bool {
    let hot = matches!(
        method.method_id,
        publish::PUBLISH | settle::GET | settle::ACK | settle::REJECT | settle::NACK
    );
    (method.class_id == BASIC && hot) || shape(method) != Shape::Unknown
}

/// Whether the class is one of AMQP 0-9-1's.
pub(super) fn is_known_class(class_id: u16) -> bool {
    matches!(class_id, CHANNEL | ACCESS | EXCHANGE | QUEUE | BASIC | CONFIRM | TX)
}

fn shape(method: Method) -> Shape {
    use super::arguments::Field::{Octet, ShortString};
    let id = method.method_id;
    match method.class_id {
        CHANNEL => lifecycle::shape(id),
        EXCHANGE => exchange::shape(id),
        QUEUE => queue::shape(id),
        BASIC => basic::shape(id),
        TX => tx::shape(id),
        CONFIRM => confirm::shape(id),
        ACCESS => match id {
            10 => Shape::Client(&[ShortString, Octet]),
            11 => Shape::ServerOnly,
            _ => Shape::Unknown,
        },
        // The connection class is spoken on channel 0 only; RabbitMQ's channels do not know it.
        super::handshake::CONNECTION => match super::handshake::shape(id) {
            Shape::Unknown => Shape::Unknown,
            _ => Shape::ServerOnly,
        },
        _ => Shape::Unknown,
    }
}
