//! The tx class (90).

use amq_protocol::protocol::tx::AMQPMethod;

use crate::amqp::arguments::Shape;

use super::Request;

pub(super) fn shape(method_id: u16) -> Shape {
    match method_id {
        10 | 20 | 30 => Shape::Client(&[]),
        11 | 21 | 31 => Shape::ServerOnly,
        _ => Shape::Unknown,
    }
}

pub(super) fn convert(parsed: &AMQPMethod) -> Option<Request> {
    match parsed {
        AMQPMethod::Select(_) => Some(Request::TxSelect),
        AMQPMethod::Commit(_) => Some(Request::TxCommit),
        AMQPMethod::Rollback(_) => Some(Request::TxRollback),
        _ => None,
    }
}
