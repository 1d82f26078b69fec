//! A small blocking client on plain sockets.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use amq_protocol::frame::{AMQPFrame, gen_frame, parse_frame};
use amq_protocol::protocol::basic::{self, AMQPProperties};
use amq_protocol::protocol::{AMQPClass, channel, confirm, connection, exchange, queue};
use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};

use super::process::PATIENCE;

pub type Exchange = exchange::AMQPMethod;
pub type Queue = queue::AMQPMethod;
pub type Basic = basic::AMQPMethod;
pub type Channel = channel::AMQPMethod;
pub type Connection = connection::AMQPMethod;

/// What a client asks for in its handshake.
pub struct Options {
    pub frame_max: u32,
    pub heartbeat_s: u16,
    pub vhost: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            frame_max: 131_072,
            heartbeat_s: 0,
            vhost: "/",
        }
    }
}

/// A message as it came.
#[derive(Debug, PartialEq)]
pub struct Received {
    pub tag: u64,
    pub redelivered: bool,
    pub key: String,
    pub body: Vec<u8>,
}

/// What ends a connection.
#[derive(Debug, PartialEq)]
pub enum End {
    /// connection.close with its reply code and text.
    Close(u16, String),
    /// The socket was closed.
    Eof,
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    /// Where reads go first.
    input: Vec<u8>,
    buffer: Vec<u8>,
    start: usize,
    pending: VecDeque<AMQPFrame>,
    frame_max: u32,
    /// Heartbeats that came.
    pub heartbeats: usize,
    /// The largest frame that came, in bytes.
    pub largest_frame: usize,
}

impl Client {
    /// A socket on which nothing was said yet.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            input: vec![0; 262_144],
            buffer: Vec::new(),
            start: 0,
            pending: VecDeque::new(),
            frame_max: 131_072,
            heartbeats: 0,
            largest_frame: 0,
        }
    }

    /// Logs guest in and opens channel 1.
    pub fn connect(address: SocketAddr, options: &Options) -> Self {
        let mut client = Self::open(address);
        client.raw(b"AMQP\x00\x00\x09\x01");
        client.method();
        let mut capabilities = FieldTable::default();
        for name in ["consumer_cancel_notify", "connection.blocked", "basic.nack"] {
            capabilities.insert(name.into(), AMQPValue::Boolean(true));
        }
        let mut properties = FieldTable::default();
        properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
        let start_ok = connection::StartOk {
            client_properties: properties,
            mechanism: "PLAIN".into(),
            response: LongString::from("\0guest\0guest"),
            locale: "en_US".into(),
        };
        let (_, tune) = client.call(0, Connection::StartOk(start_ok));
        assert!(matches!(tune, AMQPClass::Connection(Connection::Tune(_))), "{tune:?}");
        let tune_ok = connection::TuneOk {
            channel_max: 2047,
            frame_max: options.frame_max,
            heartbeat: options.heartbeat_s,
        };
        client.send(0, Connection::TuneOk(tune_ok));
        client.frame_max = options.frame_max;
        let open = connection::Open {
            virtual_host: options.vhost.into(),
        };
        let (_, opened) = client.call(0, Connection::Open(open));
        assert!(
            matches!(opened, AMQPClass::Connection(Connection::OpenOk(_))),
            "{opened:?}"
        );
        client.open_channel(1);
        client
    }

    pub fn open_channel(&mut self, number: u16) {
        let (at, reply) = self.call(number, Channel::Open(channel::Open {}));
        assert!(matches!(reply, AMQPClass::Channel(Channel::OpenOk(_))), "{reply:?}");
        assert_eq!(at, number);
    }

    // Sending

    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn send(&mut self, channel: u16, method: impl Into<Class>) {
        let mut bytes = Vec::new();
        encode(&AMQPFrame::Method(channel, method.into().0), &mut bytes);
        self.raw(&bytes);
    }

    /// Sends a method and takes the next that comes: its channel and what it is.
    pub fn call(&mut self, channel: u16, method: impl Into<Class>) -> (u16, AMQPClass) {
        self.send(channel, method);
        self.method()
    }

    /// Publishes on channel 1; persistent where told so, always mandatory.
    pub fn publish(&mut self, exchange: &str, key: &str, body: &[u8], persistent: bool) {
        self.publish_on(1, exchange, key, body, persistent);
    }

    /// Publishes on any channel.
    pub fn publish_on(&mut self, channel: u16, exchange: &str, key: &str, body: &[u8], persistent: bool) {
        let properties = AMQPProperties::default().with_delivery_mode(if persistent { 2 } else { 1 });
        self.publish_with(channel, exchange, key, body, properties);
    }

    /// Publishes with these properties.
    pub fn publish_with(&mut self, channel: u16, exchange: &str, key: &str, body: &[u8], properties: AMQPProperties) {
        let publish = basic::Publish {
            exchange: exchange.into(),
            routing_key: key.into(),
            mandatory: true,
            immediate: false,
        };
        let mut bytes = Vec::new();
        encode(
            &AMQPFrame::Method(channel, AMQPClass::Basic(Basic::Publish(publish))),
            &mut bytes,
        );
        let header = amq_protocol::frame::AMQPContentHeader {
            class_id: 60,
            body_size: body.len() as u64,
            properties,
        };
        encode(&AMQPFrame::Header(channel, header), &mut bytes);
        for piece in body.chunks(self.frame_max as usize - 8) {
            bytes.push(3);
            bytes.extend(channel.to_be_bytes());
            bytes.extend((piece.len() as u32).to_be_bytes());
            bytes.extend_from_slice(piece);
            bytes.push(0xCE);
        }
        self.raw(&bytes);
    }

    // Receiving

    /// The next frame that is no heartbeat; `None` at the end of the stream.
    pub fn frame(&mut self) -> Option<AMQPFrame> {
        loop {
            match self.any_frame()? {
                AMQPFrame::Heartbeat => {}
                frame => return Some(frame),
            }
        }
    }

    /// The next frame of any kind; `None` at the end of the stream.
    pub fn any_frame(&mut self) -> Option<AMQPFrame> {
        if let Some(frame) = self.pending.pop_front() {
            return Some(frame);
        }
        loop {
            if let Some(size) = self.whole_frame() {
                self.largest_frame = self.largest_frame.max(size);
                let bytes = &self.buffer[self.start..self.start + size];
                let frame = match bytes[0] {
                    // The parser takes a body byte by byte.
                    3 => AMQPFrame::Body(u16::from_be_bytes([bytes[1], bytes[2]]), bytes[7..size - 1].to_vec()),
                    _ => parse_frame(bytes).expect("the broker sends sound frames").1,
                };
                assert!(bytes.starts_with(b"AMQP") || bytes.ends_with(&[0xCE]), "frame end");
                self.start += size;
                self.heartbeats += usize::from(frame == AMQPFrame::Heartbeat);
                return Some(frame);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            let count = match self.stream.read(&mut self.input) {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
                read => read.expect("something comes in time"),
            };
            self.buffer.extend_from_slice(&self.input[..count]);
            if count == 0 {
                return None;
            }
        }
    }

    /// The size of the next frame, if it is all there.
    fn whole_frame(&self) -> Option<usize> {
        let bytes = &self.buffer[self.start..];
        let size = if bytes.starts_with(b"AMQP") {
            8
        } else {
            u32::from_be_bytes(bytes.get(3..7)?.try_into().ok()?) as usize + 8
        };
        (bytes.len() >= size).then_some(size)
    }

    /// The next method and its channel.
    pub fn method(&mut self) -> (u16, AMQPClass) {
        match self.frame() {
            Some(AMQPFrame::Method(channel, class)) => (channel, class),
            other => panic!("{other:?} in place of a method"),
        }
    }

    /// The next delivery.
    pub fn delivery(&mut self) -> Received {
        match self.method() {
            (1, AMQPClass::Basic(Basic::Deliver(deliver))) => Received {
                tag: deliver.delivery_tag,
                redelivered: deliver.redelivered,
                key: deliver.routing_key.to_string(),
                body: self.body(),
            },
            other => panic!("{other:?} in place of a delivery"),
        }
    }

    /// The body that follows a method with content.
    pub fn body(&mut self) -> Vec<u8> {
        self.content().1
    }

    /// The properties and the body that follow a method with content.
    pub fn content(&mut self) -> (AMQPProperties, Vec<u8>) {
        let Some(AMQPFrame::Header(_, header)) = self.frame() else {
            panic!("no content header");
        };
        let mut body = Vec::with_capacity(header.body_size as usize);
        while (body.len() as u64) < header.body_size {
            match self.frame() {
                Some(AMQPFrame::Body(_, piece)) => body.extend_from_slice(&piece),
                other => panic!("{other:?} in place of a body"),
            }
        }
        (header.properties, body)
    }

    /// How the broker ends the connection; answers its close.
    pub fn end(&mut self) -> End {
        loop {
            match self.frame() {
                None => return End::Eof,
                Some(AMQPFrame::Method(0, AMQPClass::Connection(Connection::Close(close)))) => {
                    self.send(0, Connection::CloseOk(connection::CloseOk {}));
                    return End::Close(close.reply_code, close.reply_text.to_string());
                }
                Some(_) => {}
            }
        }
    }

    /// Closes the connection in order.
    pub fn close(mut self) {
        let close = connection::Close {
            reply_code: 200,
            reply_text: "bye".into(),
            class_id: 0,
            method_id: 0,
        };
        self.send(0, Connection::Close(close));
        while let Some(frame) = self.frame() {
            if matches!(
                frame,
                AMQPFrame::Method(0, AMQPClass::Connection(Connection::CloseOk(_)))
            ) {
                return;
            }
        }
    }

    // What most tests need, on channel 1

    /// Declares a queue; gives its name and the count of its messages.
    pub fn declare(&mut self, declare: queue::Declare) -> (String, u32) {
        match self.call(1, Queue::Declare(declare)) {
            (1, AMQPClass::Queue(Queue::DeclareOk(ok))) => (ok.queue.to_string(), ok.message_count),
            other => panic!("{other:?} in place of declare-ok"),
        }
    }

    /// Declares a durable queue.
    pub fn durable(&mut self, name: &str) {
        self.declare(queue::Declare {
            queue: name.into(),
            durable: true,
            ..Default::default()
        });
    }

    /// How many messages wait in a queue; `None` where there is no such queue (then channel 1 is opened anew).
    pub fn waiting(&mut self, name: &str) -> Option<u32> {
        let declare = queue::Declare {
            queue: name.into(),
            passive: true,
            ..Default::default()
        };
        match self.call(1, Queue::Declare(declare)) {
            (1, AMQPClass::Queue(Queue::DeclareOk(ok))) => Some(ok.message_count),
            (1, AMQPClass::Channel(Channel::Close(close))) => {
                assert_eq!(close.reply_code, 404, "{}", close.reply_text);
                self.send(1, Channel::CloseOk(channel::CloseOk {}));
                self.open_channel(1);
                None
            }
            other => panic!("{other:?} in place of declare-ok"),
        }
    }

    /// Whether another connection's queue is there: the reply code 405 while it is, `None` once it is gone, 200 where
    /// it may be used.
    pub fn waiting_or_locked(&mut self, name: &str) -> Option<u16> {
        let declare = queue::Declare {
            queue: name.into(),
            passive: true,
            ..Default::default()
        };
        match self.call(1, Queue::Declare(declare)) {
            (1, AMQPClass::Queue(Queue::DeclareOk(_))) => Some(200),
            (1, AMQPClass::Channel(Channel::Close(close))) => {
                self.send(1, Channel::CloseOk(channel::CloseOk {}));
                self.open_channel(1);
                (close.reply_code != 404).then_some(close.reply_code)
            }
            other => panic!("{other:?} in place of declare-ok"),
        }
    }

    /// Turns confirms on.
    pub fn confirms(&mut self) {
        let (_, reply) = self.call(
            1,
            Class(AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select {
                nowait: false,
            }))),
        );
        assert!(matches!(reply, AMQPClass::Confirm(_)), "{reply:?}");
    }

    /// Waits until publishes 1 to `upto` are confirmed; gives how many acks that took.
    pub fn confirmed(&mut self, upto: u64) -> usize {
        let (mut left, mut acks): (Vec<u64>, usize) = ((1..=upto).collect(), 0);
        while !left.is_empty() {
            match self.method() {
                (1, AMQPClass::Basic(Basic::Ack(ack))) => {
                    acks += 1;
                    let before = left.len();
                    left.retain(|tag| {
                        if ack.multiple {
                            *tag > ack.delivery_tag
                        } else {
                            *tag != ack.delivery_tag
                        }
                    });
                    assert!(left.len() < before, "{ack:?} confirms nothing");
                }
                other => panic!("{other:?} in place of a confirm"),
            }
        }
        acks
    }

    /// Waits for the confirm of one publish.
    pub fn confirmed_one(&mut self) {
        let reply = self.method();
        assert!(
            matches!(reply, (1, AMQPClass::Basic(Basic::Ack(_)))),
            "{reply:?} in place of a confirm"
        );
    }

    /// The channel.close that comes next: code and text; answers it.
    pub fn channel_close(&mut self) -> (u16, String) {
        match self.method() {
            (number, AMQPClass::Channel(Channel::Close(close))) => {
                self.send(number, Channel::CloseOk(channel::CloseOk {}));
                (close.reply_code, close.reply_text.to_string())
            }
            other => panic!("{other:?} in place of channel.close"),
        }
    }

    /// Begins to consume; gives the consumer's tag.
    pub fn consume(&mut self, queue: &str) -> String {
        let consume = basic::Consume {
            queue: queue.into(),
            ..Default::default()
        };
        match self.call(1, Basic::Consume(consume)) {
            (1, AMQPClass::Basic(Basic::ConsumeOk(ok))) => ok.consumer_tag.to_string(),
            other => panic!("{other:?} in place of consume-ok"),
        }
    }

    /// `basic.get`
    pub fn get(&mut self, queue: &str) -> Option<Received> {
        let get = basic::Get {
            queue: queue.into(),
            no_ack: false,
        };
        match self.call(1, Basic::Get(get)) {
            (1, AMQPClass::Basic(Basic::GetOk(ok))) => Some(Received {
                tag: ok.delivery_tag,
                redelivered: ok.redelivered,
                key: ok.routing_key.to_string(),
                body: self.body(),
            }),
            (1, AMQPClass::Basic(Basic::GetEmpty(_))) => None,
            other => panic!("{other:?} in place of get-ok"),
        }
    }

    /// `basic.get` without a settlement to come: routing key, properties and body.
    pub fn get_content(&mut self, queue: &str) -> Option<(String, AMQPProperties, Vec<u8>)> {
        let get = basic::Get {
            queue: queue.into(),
            no_ack: true,
        };
        match self.call(1, Basic::Get(get)) {
            (1, AMQPClass::Basic(Basic::GetOk(ok))) => {
                let (properties, body) = self.content();
                Some((ok.routing_key.to_string(), properties, body))
            }
            (1, AMQPClass::Basic(Basic::GetEmpty(_))) => None,
            other => panic!("{other:?} in place of get-ok"),
        }
    }
}

/// Any method.
pub struct Class(pub AMQPClass);

macro_rules! classes {
    ($($variant:ident($methods:ty)),+) => {
        $(impl From<$methods> for Class {
            fn from(method: $methods) -> Self {
                Class(AMQPClass::$variant(method))
            }
        })+
    };
}

classes!(
    Exchange(Exchange),
    Queue(Queue),
    Basic(Basic),
    Channel(Channel),
    Connection(Connection)
);

fn encode(frame: &AMQPFrame, out: &mut Vec<u8>) {
    let bytes = std::mem::take(out);
    *out = gen_frame(frame)(bytes.into()).unwrap().into_inner().0;
}

/// A short string for a field of a method.
pub fn short(text: &str) -> ShortString {
    text.into()
}
