//! What a client writes, put together by hand.

use crate::model::{FieldTable, encode_table};

pub(super) const HEADER_0_9_1: &[u8] = b"AMQP\x00\x00\x09\x01";

/// A frame of any kind.
pub(super) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend(payload);
    bytes.push(0xCE);
    bytes
}

/// Arguments of a method, one after the other.
#[derive(Clone, Default)]
pub(super) struct Args(Vec<u8>);

impl Args {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn octet(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }
    pub fn short(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    pub fn long(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    pub fn tag(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    pub fn text(mut self, text: &str) -> Self {
        self.0.push(text.len() as u8);
        self.0.extend(text.as_bytes());
        self
    }
    pub fn long_text(mut self, text: &[u8]) -> Self {
        self.0.extend((text.len() as u32).to_be_bytes());
        self.0.extend(text);
        self
    }
    pub fn table(mut self, table: &FieldTable) -> Self {
        encode_table(table, &mut self.0);
        self
    }
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    pub fn method(&self, channel: u16, class_id: u16, method_id: u16) -> Vec<u8> {
        let mut payload = class_id.to_be_bytes().to_vec();
        payload.extend(method_id.to_be_bytes());
        payload.extend(&self.0);
        frame(1, channel, &payload)
    }
}

pub(super) fn start_ok(properties: &FieldTable, mechanism: &str) -> Vec<u8> {
    Args::new()
        .table(properties)
        .text(mechanism)
        .long_text(b"\0guest\0guest")
        .text("en_US")
        .method(0, 10, 11)
}

pub(super) fn tune_ok(channel_max: u16, frame_max: u32, heartbeat_s: u16) -> Vec<u8> {
    Args::new()
        .short(channel_max)
        .long(frame_max)
        .short(heartbeat_s)
        .method(0, 10, 31)
}

pub(super) fn open(vhost: &str) -> Vec<u8> {
    Args::new().text(vhost).text("").octet(0).method(0, 10, 40)
}

pub(super) fn channel_open(channel: u16) -> Vec<u8> {
    Args::new().text("").method(channel, 20, 10)
}

pub(super) fn channel_close(channel: u16) -> Vec<u8> {
    Args::new()
        .short(200)
        .text("bye")
        .short(0)
        .short(0)
        .method(channel, 20, 40)
}

pub(super) fn channel_close_ok(channel: u16) -> Vec<u8> {
    Args::new().method(channel, 20, 41)
}

pub(super) fn connection_close() -> Vec<u8> {
    Args::new().short(200).text("bye").short(0).short(0).method(0, 10, 50)
}

pub(super) fn connection_close_ok() -> Vec<u8> {
    Args::new().method(0, 10, 51)
}

/// `basic.publish`; bit 0 is mandatory, bit 1 immediate.
pub(super) fn publish(channel: u16, exchange: &str, key: &str, bits: u8) -> Vec<u8> {
    Args::new()
        .short(0)
        .text(exchange)
        .text(key)
        .octet(bits)
        .method(channel, 60, 40)
}

pub(super) fn header(channel: u16, size: u64, properties: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 60, 0, 0];
    payload.extend(size.to_be_bytes());
    payload.extend(properties);
    frame(2, channel, &payload)
}

pub(super) fn body(channel: u16, bytes: &[u8]) -> Vec<u8> {
    frame(3, channel, bytes)
}

/// A publish to exchange `x` with key `k` and persistent delivery, whose body comes in pieces of `piece` bytes.
pub(super) fn message(channel: u16, content: &[u8], piece: usize) -> Vec<u8> {
    let mut bytes = publish(channel, "x", "k", 1);
    bytes.extend(header(channel, content.len() as u64, &[0x10, 0, 2]));
    for piece in content.chunks(piece) {
        bytes.extend(body(channel, piece));
    }
    bytes
}

pub(super) fn ack(channel: u16, tag: u64, multiple: bool) -> Vec<u8> {
    Args::new().tag(tag).octet(multiple.into()).method(channel, 60, 80)
}

pub(super) fn heartbeat() -> Vec<u8> {
    frame(8, 0, &[])
}
