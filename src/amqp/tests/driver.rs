//! A broker that accepts everything, to drive the protocol core with.

use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::protocol::AMQPClass;

use crate::amqp::{Connection, Event, OutBuffer, Response, Step, WireLimits};
use crate::model::FieldTable;

use super::frames;

/// A connection, what came in and was not consumed, and what was to be told.
pub(super) struct Driver {
    pub connection: Connection,
    pub out: OutBuffer,
    pub input: Vec<u8>,
    pub events: Vec<String>,
    /// The most bytes that had to be held back between two reads.
    pub held_most: usize,
}

impl Driver {
    pub fn new(limits: WireLimits) -> Self {
        let connection = Connection::new(limits);
        Self {
            connection,
            out: OutBuffer::new(),
            input: Vec::new(),
            events: Vec::new(),
            held_most: 0,
        }
    }

    /// Handshake done with the defaults, channel 1 open, nothing waiting to go out.
    pub fn running() -> Self {
        Self::running_with(WireLimits::default())
    }

    pub fn running_with(limits: WireLimits) -> Self {
        let tune_ok = frames::tune_ok(limits.channel_max, limits.frame_max_bytes, 0);
        let mut driver = Self::new(limits);
        driver.feed(frames::HEADER_0_9_1);
        driver.feed(&frames::start_ok(&FieldTable::new(), "PLAIN"));
        driver.feed(&tune_ok);
        driver.feed(&frames::open("/"));
        driver.feed(&frames::channel_open(1));
        assert!(driver.connection.is_open(1));
        driver.sent();
        driver.events.clear();
        driver
    }

    /// Hands in one read's bytes and does what the events ask for; gives the new events.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let before = self.events.len();
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        loop {
            match self.connection.next(&input[at..], &mut self.out) {
                Ok(Step::NeedMore) => break,
                Ok(Step::Skip { consumed }) => {
                    assert!(consumed > 0);
                    at += consumed;
                }
                Ok(Step::Event { consumed, event }) => {
                    at += consumed;
                    self.events.push(describe(&event));
                    answer(&mut self.connection, &event, &mut self.out);
                }
                Err(error) => {
                    let (class_id, method_id) = (error.method.class_id, error.method.method_id);
                    self.events.push(format!("error {error} ({class_id}.{method_id})"));
                    self.connection.fail(&error, 0, &mut self.out);
                }
            }
        }
        self.input = input[at..].to_vec();
        self.held_most = self.held_most.max(self.input.len());
        self.events[before..].to_vec()
    }

    /// All that was written since, as text, and read by the generated parser.
    pub fn sent(&mut self) -> Vec<String> {
        let mut bytes: Vec<u8> = Vec::new();
        self.out.pieces().for_each(|piece| bytes.extend(piece));
        self.out.consume(bytes.len());
        assert!(self.out.is_empty());
        parse_frames(&bytes).iter().map(short_text).collect()
    }
}

pub(super) fn parse_frames(mut bytes: &[u8]) -> Vec<AMQPFrame> {
    let mut parsed = Vec::new();
    while !bytes.is_empty() {
        let (rest, frame) = parse_frame(bytes).expect("the server writes whole frames");
        parsed.push(frame);
        bytes = rest;
    }
    parsed
}

fn short_text(frame: &AMQPFrame) -> String {
    use amq_protocol::protocol::{channel, connection};
    match frame {
        AMQPFrame::Method(channel, AMQPClass::Channel(channel::AMQPMethod::Close(close))) => format!(
            "channel.close {channel} {} {} ({}.{})",
            close.reply_code, close.reply_text, close.class_id, close.method_id
        ),
        AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close))) => format!(
            "connection.close {} {} ({}.{})",
            close.reply_code, close.reply_text, close.class_id, close.method_id
        ),
        AMQPFrame::Method(channel, method) => format!("{channel} {method:?}"),
        other => format!("{other:?}"),
    }
}

fn answer(connection: &mut Connection, event: &Event<'_>, out: &mut OutBuffer) {
    match event {
        Event::ProtocolHeader => connection.start(&FieldTable::new(), "PLAIN AMQPLAIN", out),
        Event::StartOk(_) | Event::SecureOk { .. } => connection.tune(out),
        Event::OpenVhost { .. } => connection.open_ok(out),
        Event::ChannelOpen(channel) => Response::ChannelOpenOk.encode(*channel, out),
        Event::ChannelClose { channel, .. } => Response::ChannelCloseOk.encode(*channel, out),
        Event::ChannelFault { channel, error } => connection.fail(error, *channel, out),
        Event::ConnectionClose(_) => Response::ConnectionCloseOk.encode(0, out),
        _ => {}
    }
}

pub(super) fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Publish { channel, publish } => {
            let body = publish.body();
            let sum = body
                .iter()
                .fold(0u32, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            format!(
                "publish {channel} {:?} {:?} mandatory={} {:?} {} bytes, sum {sum}",
                publish.exchange(),
                String::from_utf8_lossy(publish.routing_key()),
                publish.mandatory,
                publish.properties_bytes(),
                body.len(),
            )
        }
        other => format!("{other:?}"),
    }
}
