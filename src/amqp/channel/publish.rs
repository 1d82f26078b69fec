//! `basic.publish` and its content header, decoded in place.

use crate::amqp::content::Publish;
use crate::amqp::fault;
use crate::amqp::frame::{BODY, FrameHead, HEAD_LEN, HEADER, METHOD};
use crate::amqp::limits::{TableLimits, WireLimits};
use crate::amqp::reader::Reader;
use crate::amqp::table_scan::scan_table;
use crate::model::{AmqpError, PropertiesView};

pub(in crate::amqp) const PUBLISH: u16 = 40;
/// A publish of no more bytes than this is waited for where it is cut; a larger one is put together piece by piece,
/// so that the read buffer need not hold it.
const WAIT_MAX: usize = 8 * 1024;

/// Where the exchange's length lies in a publish: behind the frame's head, the method's ids and a reserved number.
const EXCHANGE_AT: usize = HEAD_LEN + 4 + 2;

/// The method's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::amqp) struct PublishMethod<'a> {
    pub exchange: &'a str,
    /// Any bytes, as RabbitMQ has it.
    pub routing_key: &'a [u8],
    pub mandatory: bool,
}

/// Decodes what follows the method's ids. `immediate` is refused, as RabbitMQ has done since 3.0.
#[inline]
pub(in crate::amqp) fn method(fields: &[u8]) -> Result<PublishMethod<'_>, AmqpError> {
    let mut reader = Reader::new(fault::BASIC_PUBLISH, fields);
    reader.short()?;
    let exchange = reader.short_string()?;
    let routing_key = reader.short_bytes()?;
    let bits = reader.octet()?;
    reader.end()?;
    if bits & 2 != 0 {
        return Err(fault::not_implemented("immediate=true", fault::BASIC_PUBLISH));
    }
    Ok(PublishMethod {
        exchange,
        routing_key,
        mandatory: bits & 1 != 0,
    })
}

/// The same for a method without fault, which is all of them but a few: half the time of the way that can say what is
/// wrong.
#[inline]
fn sound_method(fields: &[u8]) -> Option<PublishMethod<'_>> {
    let (&[_, _, length], rest) = fields.split_first_chunk()?;
    let (exchange, rest) = rest.split_at_checked(usize::from(length))?;
    let (&length, rest) = rest.split_first()?;
    let (routing_key, rest) = rest.split_at_checked(usize::from(length))?;
    let &[bits @ (0 | 1)] = rest else {
        return None;
    };
    Some(PublishMethod {
        exchange: std::str::from_utf8(exchange).ok()?,
        routing_key,
        mandatory: bits != 0,
    })
}

/// The content header of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::amqp) struct ContentHeader<'a> {
    pub body_size: u64,
    pub properties: &'a [u8],
}

/// Decodes a header frame's payload; the properties are checked, a headers table in them included.
#[inline]
pub(in crate::amqp) fn header(payload: &[u8], tables: TableLimits) -> Result<ContentHeader<'_>, AmqpError> {
    let Some((&[c1, c0, w1, w0, size @ ..], properties)) = payload.split_first_chunk::<12>() else {
        return Err(fault::unknown_frame(HEADER, payload));
    };
    let class_id = u16::from_be_bytes([c1, c0]);
    if [w1, w0] != [0, 0] {
        return Err(fault::expected_header());
    }
    if class_id != super::BASIC {
        return Err(fault::header_of_other_class(class_id));
    }
    if properties != [0, 0] {
        check_properties(properties, tables)?;
    }
    Ok(ContentHeader {
        body_size: u64::from_be_bytes(size),
        properties,
    })
}

fn check_properties(properties: &[u8], tables: TableLimits) -> Result<(), AmqpError> {
    let view = PropertiesView::new(properties);
    view.check().map_err(|why| fault::malformed_properties(&why))?;
    match view.headers_bytes() {
        // What goes through undecoded costs nothing to hold, so the number of values needs no bound.
        Some(table) => scan_table(table, tables.depth, usize::MAX).map_err(|why| fault::malformed_properties(&why)),
        None => Ok(()),
    }
}

/// What lies at the front of the input.
pub(in crate::amqp) enum InPlace<'a> {
    /// A publish with all that belongs to it.
    Whole { consumed: usize, publish: Publish<'a> },
    /// A small one that is cut: worth waiting for.
    Cut,
    /// Something else, or a publish that must go the long way.
    Other,
}

/// The channel of the `basic.publish` that begins the input, if one does.
#[inline]
pub(in crate::amqp) fn channel_of(input: &[u8]) -> Option<u16> {
    let &[METHOD, c1, c0, _, _, _, _, 0, 60, 0, 40] = input.first_chunk()? else {
        return None;
    };
    Some(u16::from_be_bytes([c1, c0]))
}

/// Looks for method, header and at most one body frame of one publish lying together. Faults are left to the long
/// way, which finds them again. The caller has asked [`channel_of`], and whether that channel may publish.
#[inline]
pub(in crate::amqp) fn in_place<'a>(input: &'a [u8], frame_max: u32, limits: &WireLimits) -> InPlace<'a> {
    let limit = if frame_max == 0 { usize::MAX } else { frame_max as usize };
    let Some((head, payload, rest)) = whole_frame(input, limit) else {
        return InPlace::Other;
    };
    let channel = head.channel;
    let Some(method) = payload.get(4..).and_then(sound_method) else {
        return InPlace::Other;
    };
    let Some((head, payload, rest)) = whole_frame(rest, limit) else {
        return cut_or_other(rest, HEADER, channel);
    };
    if head.kind != HEADER || head.channel != channel {
        return InPlace::Other;
    }
    let Ok(header) = header(payload, limits.tables) else {
        return InPlace::Other;
    };
    if header.body_size > limits.message_max_bytes {
        return InPlace::Other;
    }
    let size = header.body_size as usize;
    let header_end = input.len() - rest.len();
    let rest = if size == 0 {
        rest
    } else if let Some((head, _, rest)) = whole_frame(rest, limit) {
        if head.kind != BODY || head.channel != channel || head.size != size {
            return InPlace::Other;
        }
        rest
    } else if size <= WAIT_MAX {
        return cut_or_other(rest, BODY, channel);
    } else {
        return InPlace::Other;
    };
    let consumed = input.len() - rest.len();
    // The properties end with the header's payload, in front of the octet that ends its frame.
    let properties_len = header.properties.len();
    let properties_at = header_end - 1 - properties_len - EXCHANGE_AT;
    let frames = &input[EXCHANGE_AT..consumed];
    InPlace::Whole {
        consumed,
        publish: Publish::in_place(frames, &method, (properties_at, properties_len), size),
    }
}

/// Head, payload and what follows the frame.
#[inline]
fn whole_frame(input: &[u8], limit: usize) -> Option<(FrameHead, &[u8], &[u8])> {
    let head = FrameHead::read(input)?;
    if head.size > limit {
        return None;
    }
    let (payload, rest) = input[HEAD_LEN..].split_at_checked(head.size)?;
    let (&end, rest) = rest.split_first()?;
    (end == crate::amqp::frame::END).then_some((head, payload, rest))
}

/// The next frame is not whole: is it the small one that belongs here, or the beginning of it?
#[inline]
fn cut_or_other(rest: &[u8], kind: u8, channel: u16) -> InPlace<'_> {
    match FrameHead::read(rest) {
        None => InPlace::Cut,
        Some(head) => {
            let whole = rest.len() >= head.frame_len();
            if head.kind == kind && head.channel == channel && head.size <= WAIT_MAX && !whole {
                InPlace::Cut
            } else {
                InPlace::Other
            }
        }
    }
}
