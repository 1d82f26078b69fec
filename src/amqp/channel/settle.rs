//! `basic.ack`, `basic.nack`, `basic.reject` and `basic.get`, decoded in place.

use crate::amqp::event::{Event, Outcome};
use crate::amqp::reader::Reader;
use crate::model::{AmqpError, Method};

pub(in crate::amqp) const GET: u16 = 70;
pub(in crate::amqp) const ACK: u16 = 80;
pub(in crate::amqp) const REJECT: u16 = 90;
pub(in crate::amqp) const NACK: u16 = 120;

/// Decodes one of the four; `None` for any other method of the basic class.
#[inline]
pub(in crate::amqp) fn decode(channel: u16, method: Method, fields: &[u8]) -> Result<Option<Event<'_>>, AmqpError> {
    let mut reader = Reader::new(method, fields);
    let event = match method.method_id {
        ACK => {
            let delivery_tag = reader.long_long()?;
            let multiple = reader.octet()? & 1 != 0;
            Event::Settle {
                channel,
                delivery_tag,
                multiple,
                outcome: Outcome::Ack,
            }
        }
        NACK => {
            let delivery_tag = reader.long_long()?;
            let bits = reader.octet()?;
            let outcome = Outcome::Nack { requeue: bits & 2 != 0 };
            Event::Settle {
                channel,
                delivery_tag,
                multiple: bits & 1 != 0,
                outcome,
            }
        }
        REJECT => {
            let delivery_tag = reader.long_long()?;
            let outcome = Outcome::Reject {
                requeue: reader.octet()? & 1 != 0,
            };
            Event::Settle {
                channel,
                delivery_tag,
                multiple: false,
                outcome,
            }
        }
        GET => {
            reader.short()?;
            let queue = reader.short_string()?;
            Event::Get {
                channel,
                queue,
                no_ack: reader.octet()? & 1 != 0,
            }
        }
        _ => return Ok(None),
    };
    reader.end()?;
    Ok(Some(event))
}
