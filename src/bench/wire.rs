//! Encoding of AMQP 0-9-1 frames, ahead of the load: nothing here runs once per message.

use std::ops::Range;

/// Octet that ends every frame (spec 2.3.5).
pub const FRAME_END: u8 = 0xCE;
/// Octets of a frame around its payload: type, channel, size, end.
pub const FRAME_OVERHEAD: u32 = 8;
/// Frame type of a method.
pub const METHOD: u8 = 1;
/// Frame type of a content header.
pub const HEADER: u8 = 2;
/// Frame type of a content body.
pub const BODY: u8 = 3;
/// Frame type of a heartbeat.
pub const HEARTBEAT: u8 = 8;
/// The one channel that every connection of the load generator opens.
pub const CHANNEL: u16 = 1;
/// Octets of one `basic.ack` frame.
pub const ACK_BYTES: usize = 21;

/// Class and method numbers.
pub type Method = (u16, u16);

/// Value of a queue argument or client property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// `t`.
    Boolean(bool),
    /// `l`, 64 bits.
    Integer(i64),
    /// `S`.
    Text(String),
    /// `F`.
    Table(Vec<(String, FieldValue)>),
}

/// Appends a method frame; `arguments` writes what follows class and method.
pub fn method_frame(out: &mut Vec<u8>, channel: u16, (class, method): Method, arguments: impl FnOnce(&mut Vec<u8>)) {
    frame(out, METHOD, channel, |out| {
        out.extend_from_slice(&class.to_be_bytes());
        out.extend_from_slice(&method.to_be_bytes());
        arguments(out);
    });
}

/// Appends a frame of any type.
fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    with_length(out, payload);
    out.push(FRAME_END);
}

/// Appends what `content` writes, behind its length as 32 bits.
fn with_length(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    content(out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a short string; what is over 255 bytes is cut (options are checked before).
pub fn short_string(out: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    out.push(length);
    out.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

/// Appends a long string.
pub fn long_string(out: &mut Vec<u8>, bytes: &[u8]) {
    with_length(out, |out| out.extend_from_slice(bytes));
}

/// Appends a field table.
pub fn table(out: &mut Vec<u8>, fields: &[(String, FieldValue)]) {
    with_length(out, |out| {
        for (name, value) in fields {
            short_string(out, name);
            match value {
                FieldValue::Boolean(value) => out.extend_from_slice(&[b't', u8::from(*value)]),
                FieldValue::Integer(value) => {
                    out.push(b'l');
                    out.extend_from_slice(&value.to_be_bytes());
                }
                FieldValue::Text(value) => {
                    out.push(b'S');
                    long_string(out, value.as_bytes());
                }
                FieldValue::Table(fields) => {
                    out.push(b'F');
                    table(out, fields);
                }
            }
        }
    });
}

/// What all messages of one producer share.
#[derive(Debug, Clone, Copy)]
pub struct PublishOptions<'a> {
    /// Exchange name, empty for the default exchange.
    pub exchange: &'a str,
    /// The mandatory bit of `basic.publish`.
    pub mandatory: bool,
    /// Delivery mode 2.
    pub persistent: bool,
    /// Frame size agreed with the broker, bytes, overhead included.
    pub frame_max: u32,
}

/// Appends one message: publish, content header and body frames.
/// Returns where its first body frame's payload lies in `out` (empty without a body).
pub fn publish(out: &mut Vec<u8>, options: PublishOptions<'_>, routing_key: &str, body_bytes: usize) -> Range<usize> {
    method_frame(out, CHANNEL, (60, 40), |out| {
        out.extend_from_slice(&[0, 0]);
        short_string(out, options.exchange);
        short_string(out, routing_key);
        out.push(u8::from(options.mandatory));
    });
    frame(out, HEADER, CHANNEL, |out| {
        out.extend_from_slice(&[0, 60, 0, 0]);
        out.extend_from_slice(&(body_bytes as u64).to_be_bytes());
        if options.persistent {
            out.extend_from_slice(&[0x10, 0x00, 2]);
        } else {
            out.extend_from_slice(&[0, 0]);
        }
    });
    let largest = (options.frame_max - FRAME_OVERHEAD) as usize;
    let mut first = out.len()..out.len();
    let mut left = body_bytes;
    while left > 0 {
        let length = left.min(largest);
        frame(out, BODY, CHANNEL, |out| out.resize(out.len() + length, b'w'));
        if left == body_bytes {
            first = out.len() - 1 - length..out.len() - 1;
        }
        left -= length;
    }
    first
}

/// One `basic.ack` on the load generator's channel.
pub fn ack(delivery_tag: u64, multiple: bool) -> [u8; ACK_BYTES] {
    let mut frame = [0; ACK_BYTES];
    frame[..11].copy_from_slice(&[METHOD, 0, CHANNEL as u8, 0, 0, 0, 13, 0, 60, 0, 80]);
    frame[11..19].copy_from_slice(&delivery_tag.to_be_bytes());
    frame[19] = u8::from(multiple);
    frame[20] = FRAME_END;
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persistent_publish_in_bytes() {
        let mut out = Vec::new();
        let options = PublishOptions {
            exchange: "x",
            mandatory: true,
            persistent: true,
            frame_max: 4096,
        };
        let body = publish(&mut out, options, "key", 3);
        let mut expected = vec![1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 40, 0, 0, 1, b'x', 3];
        expected.extend_from_slice(b"key\x01\xCE");
        expected.extend_from_slice(&[2, 0, 1, 0, 0, 0, 15, 0, 60, 0, 0]);
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 3, 0x10, 0, 2, 0xCE]);
        expected.extend_from_slice(&[3, 0, 1, 0, 0, 0, 3, b'w', b'w', b'w', 0xCE]);
        assert_eq!(out, expected);
        assert_eq!(&out[body.clone()], b"www");
        assert_eq!(out[body.end], FRAME_END);
    }

    #[test]
    fn a_body_over_the_frame_size_is_split_and_an_empty_one_has_no_frame() {
        let options = PublishOptions {
            exchange: "",
            mandatory: false,
            persistent: false,
            frame_max: 4096,
        };
        let mut empty = Vec::new();
        assert!(publish(&mut empty, options, "k", 0).is_empty());
        let mut two = Vec::new();
        let first = publish(&mut two, options, "k", 4089);
        assert_eq!(first.len(), 4088);
        assert_eq!(two.len(), empty.len() + 4089 + 2 * 8);
        assert_eq!(&two[two.len() - 9..], &[3, 0, 1, 0, 0, 0, 1, b'w', 0xCE]);
    }

    #[test]
    fn acks_and_tables_in_bytes() {
        assert_eq!(
            ack(258, true),
            [1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 1, 2, 1, 0xCE]
        );
        let mut out = Vec::new();
        table(
            &mut out,
            &[
                ("a".into(), FieldValue::Integer(-1)),
                ("b".into(), FieldValue::Boolean(true)),
                ("c".into(), FieldValue::Text("x".into())),
                ("d".into(), FieldValue::Table(Vec::new())),
            ],
        );
        let mut expected = vec![0, 0, 0, 30, 1, b'a', b'l'];
        expected.extend_from_slice(&[0xFF; 8]);
        expected.extend_from_slice(&[1, b'b', b't', 1, 1, b'c', b'S', 0, 0, 0, 1, b'x']);
        expected.extend_from_slice(&[1, b'd', b'F', 0, 0, 0, 0]);
        assert_eq!(out, expected);
    }
}
