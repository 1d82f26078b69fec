//! `basic.ack`, `basic.nack`, `basic.reject` and `basic.get`, decoded in place.

use crate::amqp::event::{Event, Outcome};
use crate::amqp::frame::{END, METHOD};
use crate::amqp::reader::Reader;
use crate::model::{AmqpError, Method};

pub(in crate::amqp) const GET: u16 = 70;
pub(in crate::amqp) const ACK: u16 = 80;
pub(in crate::amqp) const REJECT: u16 = 90;
pub(in crate::amqp) const NACK: u16 = 120;

/// A whole `basic.ack` at the front of the input: its channel, and the event. `None` for anything else, or for a fault.
#[inline]
pub(in crate::amqp) fn ack_in_place(input: &[u8]) -> Option<(u16, Event<'static>)> {
    let &[
        METHOD,
        c1,
        c0,
        0,
        0,
        0,
        13,
        0,
        60,
        0,
        80,
        t7,
        t6,
        t5,
        t4,
        t3,
        t2,
        t1,
        t0,
        bits,
        END,
    ] = input.first_chunk()?
    else {
        return None;
    };
    let channel = u16::from_be_bytes([c1, c0]);
    let event = Event::Settle {
        channel,
        delivery_tag: u64::from_be_bytes([t7, t6, t5, t4, t3, t2, t1, t0]),
        multiple: bits & 1 != 0,
        outcome: Outcome::Ack,
    };
    Some((channel, event))
}

/// The `basic.ack` on this channel that lies whole at the front of the input, if one does: its delivery tag, and whether
/// all up to that are meant. It changes nothing of the protocol's state, so where one such ack was let through, those right
/// behind it may be taken by themselves; it is [`ACK_LEN`] bytes long.
#[inline]
#[must_use]
pub fn ack_on(number: u16, input: &[u8]) -> Option<(u64, bool)> {
    match ack_in_place(input)? {
        (
            channel,
            Event::Settle {
                delivery_tag, multiple, ..
            },
        ) if channel == number => Some((delivery_tag, multiple)),
        _ => None,
    }
}

/// Bytes of a frame with `basic.ack`.
pub const ACK_LEN: usize = 21;

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
