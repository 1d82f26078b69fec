//! The methods of the basic class (60) that are not hot. Publishes: [`super::publish`]; acks, nacks, rejects, gets:
//! [`super::settle`].

use amq_protocol::protocol::basic::AMQPMethod;

use crate::amqp::arguments::Field::{Long, Octet, Short, ShortString, Table};
use crate::amqp::arguments::Shape;
use crate::amqp::fault;
use crate::amqp::reader::Reader;
use crate::amqp::table_convert::table;
use crate::model::{AmqpError, Method};

use super::Request;

pub(super) fn shape(method_id: u16) -> Shape {
    match method_id {
        10 => Shape::Client(&[Long, Short, Octet]),
        20 => Shape::Client(&[Short, ShortString, ShortString, Octet, Table]),
        30 => Shape::Client(&[ShortString, Octet]),
        100 | 110 => Shape::Client(&[Octet]),
        11 | 21 | 31 | 50 | 60 | 71 | 72 | 111 => Shape::ServerOnly,
        _ => Shape::Unknown,
    }
}

pub(super) fn convert(parsed: AMQPMethod, method: Method, fields: &[u8]) -> Result<Option<Request>, AmqpError> {
    Ok(Some(match parsed {
        AMQPMethod::Qos(m) => {
            // The generated parser passes over the prefetch size.
            let size = Reader::new(method, fields).long()?;
            if size != 0 {
                return Err(fault::not_implemented(
                    format_args!("prefetch_size!=0 ({size})"),
                    method,
                ));
            }
            Request::BasicQos {
                prefetch_count: m.prefetch_count,
                global: m.global,
            }
        }
        AMQPMethod::Consume(m) => Request::BasicConsume {
            queue: m.queue.as_str().into(),
            consumer_tag: m.consumer_tag.as_str().into(),
            no_local: m.no_local,
            no_ack: m.no_ack,
            exclusive: m.exclusive,
            nowait: m.nowait,
            arguments: table(&m.arguments),
        },
        AMQPMethod::Cancel(m) => Request::BasicCancel {
            consumer_tag: m.consumer_tag.as_str().into(),
            nowait: m.nowait,
        },
        AMQPMethod::Recover(m) => recover(m.requeue, false, method)?,
        AMQPMethod::RecoverAsync(m) => recover(m.requeue, true, method)?,
        _ => return Ok(None),
    }))
}

fn recover(requeue: bool, asynchronous: bool, method: Method) -> Result<Request, AmqpError> {
    if requeue {
        Ok(Request::BasicRecover { asynchronous })
    } else {
        Err(fault::not_implemented("requeue=false", method))
    }
}
