//! The hot methods of the server, written in place.
//!
//! Content headers go out byte for byte as they came in, unless other properties are given. Consumer tags, exchanges
//! and routing keys are short strings: whoever made them has kept them under 256 bytes; longer ones are cut.

use crate::model::Message;

use super::frame::{BODY, END, FRAME_OVERHEAD, HEAD_LEN, HEADER, METHOD};
use super::out_buffer::OutBuffer;

/// The ids of a method, as a frame's payload begins.
type Ids = [u8; 4];

const DELIVER: Ids = [0, 60, 0, 60];
const GET_OK: Ids = [0, 60, 0, 71];
const RETURN: Ids = [0, 60, 0, 50];
const ACK: Ids = [0, 60, 0, 80];
const NACK: Ids = [0, 60, 0, 120];

/// Where a message goes: its channel, and how large the frames there may be (bytes, 0 for no limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The channel.
    pub channel: u16,
    /// The negotiated `frame_max` in bytes.
    pub frame_max: u32,
}

/// What the broker says about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryInfo<'a> {
    /// The delivery's number on its channel.
    pub delivery_tag: u64,
    /// Whether the message may have been delivered before.
    pub redelivered: bool,
    /// Property flags and list to send instead of the message's own, e.g. with headers added.
    pub properties: Option<&'a [u8]>,
}

/// `basic.deliver` to one consumer: what all its deliveries begin with is encoded once.
#[derive(Clone, Debug)]
pub struct Deliver {
    target: Target,
    /// The frame's head, with the size left open, the method's ids, the consumer tag, and room for [`DeliverFields`].
    start: Box<[u8]>,
}

/// The lengths of both names, the frames' ends and heads, and what a content header begins with.
const CONTENT_OVERHEAD: usize = 2 + 3 * FRAME_OVERHEAD + 12;

/// Delivery tag, and whether it is redelivered.
type DeliverFields = [u8; 9];

impl Deliver {
    /// For the consumer of that tag.
    #[must_use]
    pub fn new(target: Target, consumer_tag: &str) -> Self {
        let mut start = Vec::new();
        begin(&mut start, target.channel, 0, DELIVER);
        short_string(&mut start, consumer_tag.as_bytes());
        start.extend_from_slice(&DeliverFields::default());
        Self {
            target,
            start: start.into(),
        }
    }

    /// Writes a delivery with its content.
    #[inline]
    pub fn write(&self, out: &mut OutBuffer, info: DeliveryInfo<'_>, message: &Message) {
        if info.properties.is_none()
            && let (Some(names), Some(content)) = (message.framed_names(), message.framed_content())
            && self.fits_one_frame(message.body_len())
        {
            return self.write_framed(out, info, names, content);
        }
        let properties = info.properties.unwrap_or_else(|| message.properties_bytes());
        let (exchange, routing_key) = (message.exchange_bytes(), message.routing_key_bytes());
        let names_len = 1 + exchange.len() + 1 + routing_key.len();
        reserve(out, self.start.len() + names_len, properties, message);
        let bytes = out.bytes();
        self.begin(bytes, names_len, info);
        short_string(bytes, exchange);
        short_string(bytes, routing_key);
        bytes.push(END);
        content(out, self.target, properties, message);
    }

    /// Makes room for `count` deliveries like that of `message`, so that a buffer which starts empty is not grown, and
    /// copied, again and again.
    #[inline]
    pub fn reserve(&self, out: &mut OutBuffer, count: usize, message: &Message) {
        let names_len = message.exchange_bytes().len() + message.routing_key_bytes().len();
        let body_len = match message.body_len() {
            shared if shared >= super::SHARED_BODY_MIN => 0,
            copied => copied,
        };
        let content_len = CONTENT_OVERHEAD + message.properties_bytes().len() + body_len;
        out.reserve(count.saturating_mul(self.start.len() + names_len + content_len));
    }

    /// Whether a body of so many bytes is copied, and into one frame.
    #[inline]
    fn fits_one_frame(&self, body_len: usize) -> bool {
        body_len < super::SHARED_BODY_MIN && body_len <= payload_max(self.target)
    }

    /// A message that is kept as it came: its frames go out as they are, with another channel's number.
    #[inline]
    fn write_framed(
        &self,
        out: &mut OutBuffer,
        info: DeliveryInfo<'_>,
        names: &[u8],
        (content, frames): (&[u8], [usize; 2]),
    ) {
        let bytes = out.bytes();
        bytes.reserve(self.start.len() + names.len() + content.len());
        self.begin(bytes, names.len(), info);
        bytes.extend_from_slice(names);
        let at = bytes.len();
        bytes.extend_from_slice(content);
        let content = &mut bytes[at..];
        for frame in frames {
            content[frame + 1..frame + 3].copy_from_slice(&self.target.channel.to_be_bytes());
        }
    }

    /// The start, filled in.
    #[inline]
    fn begin(&self, bytes: &mut Vec<u8>, names_len: usize, info: DeliveryInfo<'_>) {
        let at = bytes.len();
        bytes.extend_from_slice(&self.start);
        let start = &mut bytes[at..];
        let size = start.len() - HEAD_LEN + names_len;
        start[3..HEAD_LEN].copy_from_slice(&(size as u32).to_be_bytes());
        if let Some(fields) = start.last_chunk_mut::<{ size_of::<DeliverFields>() }>() {
            let [t7, t6, t5, t4, t3, t2, t1, t0] = info.delivery_tag.to_be_bytes();
            *fields = [t7, t6, t5, t4, t3, t2, t1, t0, info.redelivered.into()];
        }
    }
}

/// `basic.get-ok` with its content. `message_count` is what is left in the queue.
pub fn get_ok(out: &mut OutBuffer, target: Target, info: DeliveryInfo<'_>, message_count: u32, message: &Message) {
    let (exchange, routing_key) = (message.exchange_bytes(), message.routing_key_bytes());
    let size = 4 + 8 + 1 + 1 + exchange.len() + 1 + routing_key.len() + 4;
    let properties = info.properties.unwrap_or_else(|| message.properties_bytes());
    reserve(out, size, properties, message);
    let bytes = out.bytes();
    begin(bytes, target.channel, size, GET_OK);
    bytes.extend_from_slice(&info.delivery_tag.to_be_bytes());
    bytes.push(info.redelivered.into());
    short_string(bytes, exchange);
    short_string(bytes, routing_key);
    bytes.extend_from_slice(&message_count.to_be_bytes());
    bytes.push(END);
    content(out, target, properties, message);
}

/// `basic.return` with its content: a mandatory message that reached no queue (312, `NO_ROUTE`).
pub fn return_(out: &mut OutBuffer, target: Target, reply_code: u16, reply_text: &str, message: &Message) {
    let text = short(reply_text.as_bytes());
    let (exchange, routing_key) = (message.exchange_bytes(), message.routing_key_bytes());
    let size = 4 + 2 + 1 + text.len() + 1 + exchange.len() + 1 + routing_key.len();
    reserve(out, size, message.properties_bytes(), message);
    let bytes = out.bytes();
    begin(bytes, target.channel, size, RETURN);
    bytes.extend_from_slice(&reply_code.to_be_bytes());
    short_string(bytes, text);
    short_string(bytes, exchange);
    short_string(bytes, routing_key);
    bytes.push(END);
    content(out, target, message.properties_bytes(), message);
}

/// `basic.ack`: a publish (with `multiple`, all up to it) is confirmed.
#[inline]
pub fn ack(out: &mut OutBuffer, channel: u16, delivery_tag: u64, multiple: bool) {
    settlement(out, channel, ACK, delivery_tag, multiple);
}

/// `basic.nack`: a publish (with `multiple`, all up to it) was not kept.
#[inline]
pub fn nack(out: &mut OutBuffer, channel: u16, delivery_tag: u64, multiple: bool) {
    settlement(out, channel, NACK, delivery_tag, multiple);
}

#[inline]
fn settlement(out: &mut OutBuffer, channel: u16, ids: Ids, delivery_tag: u64, multiple: bool) {
    let bytes = out.bytes();
    begin(bytes, channel, 13, ids);
    let [t7, t6, t5, t4, t3, t2, t1, t0] = delivery_tag.to_be_bytes();
    bytes.extend_from_slice(&[t7, t6, t5, t4, t3, t2, t1, t0, multiple.into(), END]);
}

/// Makes room once for all that is copied.
#[inline]
fn reserve(out: &mut OutBuffer, method_size: usize, properties: &[u8], message: &Message) {
    let body = message.body_len().min(super::SHARED_BODY_MIN);
    out.bytes()
        .reserve(method_size + properties.len() + body + 12 + 3 * FRAME_OVERHEAD);
}

/// Head of a method frame, and the method's ids.
#[inline]
pub(super) fn begin(bytes: &mut Vec<u8>, channel: u16, size: usize, ids: Ids) {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = (size as u32).to_be_bytes();
    let [i3, i2, i1, i0] = ids;
    bytes.extend_from_slice(&[METHOD, c1, c0, s3, s2, s1, s0, i3, i2, i1, i0]);
}

/// Header frame, and as many body frames as the body needs.
#[inline]
fn content(out: &mut OutBuffer, target: Target, properties: &[u8], message: &Message) {
    let [c1, c0] = target.channel.to_be_bytes();
    let [s3, s2, s1, s0] = ((12 + properties.len()) as u32).to_be_bytes();
    let length = message.body_len();
    let [b7, b6, b5, b4, b3, b2, b1, b0] = (length as u64).to_be_bytes();
    let bytes = out.bytes();
    bytes.extend_from_slice(&[
        HEADER, c1, c0, s3, s2, s1, s0, 0, 60, 0, 0, b7, b6, b5, b4, b3, b2, b1, b0,
    ]);
    bytes.extend_from_slice(properties);
    bytes.push(END);
    let payload_max = payload_max(target);
    let mut at = 0;
    while at < length {
        let end = length.min(at + payload_max);
        let [s3, s2, s1, s0] = ((end - at) as u32).to_be_bytes();
        out.push(&[BODY, c1, c0, s3, s2, s1, s0]);
        out.push_body(message, at..end);
        out.push(&[END]);
        at = end;
    }
}

/// Bytes of a body that go into one frame.
#[inline]
fn payload_max(target: Target) -> usize {
    match target.frame_max {
        // Even without a limit a frame's size has 32 bits.
        0 => u32::MAX as usize,
        limit => (limit as usize).saturating_sub(FRAME_OVERHEAD).max(1),
    }
}

#[inline]
fn short(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(255)]
}

/// A short string; bytes beyond 255 are cut.
#[inline]
pub(super) fn short_string(bytes: &mut Vec<u8>, text: &[u8]) {
    let text = short(text);
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text);
}
