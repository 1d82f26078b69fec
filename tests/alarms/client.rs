//! A client that writes frames by hand and reads them as they come.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use warren::bench::wire::{self, FieldValue, Method};

/// How long a test waits for a frame before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with channel 1 open.
pub struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

/// Type, class and method (0, 0 for content) and the rest of the payload.
pub type Frame = (u8, Method, Vec<u8>);

impl Client {
    /// Logs in; `blocked` announces the capability of that name.
    pub fn open(address: SocketAddr, blocked: bool) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self {
            stream,
            bytes: Vec::new(),
        };
        client.stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
        client.expect((10, 10));
        client.cast(0, (10, 11), |out| {
            let capabilities = vec![("connection.blocked".to_owned(), FieldValue::Boolean(blocked))];
            wire::table(out, &[("capabilities".to_owned(), FieldValue::Table(capabilities))]);
            wire::short_string(out, "PLAIN");
            wire::long_string(out, b"\0guest\0guest");
            wire::short_string(out, "en_US");
        });
        client.expect((10, 30));
        // Seven channels, frames of 128 KiB, no heartbeats.
        client.cast(0, (10, 31), |out| out.extend_from_slice(&[0, 7, 0, 2, 0, 0, 0, 0]));
        client.cast(0, (10, 40), |out| out.extend_from_slice(b"\x01/\0\0"));
        client.expect((10, 41));
        client.call((20, 10), (20, 11), |out| wire::short_string(out, ""));
        client
    }

    /// Sends a method.
    pub fn cast(&mut self, channel: u16, method: Method, arguments: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        wire::method_frame(&mut out, channel, method, arguments);
        self.stream.write_all(&out).unwrap();
    }

    /// Sends a method on channel 1 and waits for its answer, which must come next.
    pub fn call(&mut self, method: Method, answer: Method, arguments: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        self.cast(1, method, arguments);
        self.expect(answer)
    }

    /// The arguments of the next frame, which must be this method.
    pub fn expect(&mut self, method: Method) -> Vec<u8> {
        let (_, found, rest) = self.frame();
        assert_eq!(found, method, "{}", String::from_utf8_lossy(&rest));
        rest
    }

    /// The next frame.
    pub fn frame(&mut self) -> Frame {
        loop {
            if self.bytes.len() >= 7 {
                let length = u32::from_be_bytes(self.bytes[3..7].try_into().unwrap()) as usize;
                if self.bytes.len() >= length + 8 {
                    let frame: Vec<u8> = self.bytes.drain(..length + 8).collect();
                    let payload = &frame[7..7 + length];
                    if frame[0] != 1 {
                        return (frame[0], (0, 0), payload.to_vec());
                    }
                    let number = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
                    return (1, (number(0), number(2)), payload[4..].to_vec());
                }
            }
            let mut more = [0; 65536];
            let length = self.stream.read(&mut more).expect("a frame in time");
            assert!(length > 0, "the connection was closed");
            self.bytes.extend_from_slice(&more[..length]);
        }
    }

    /// Declares a queue; durable or not.
    pub fn declare(&mut self, queue: &str, durable: bool) -> Vec<u8> {
        self.declare_with(queue, durable, &[])
    }

    /// Declares a queue with arguments.
    pub fn declare_with(&mut self, queue: &str, durable: bool, arguments: &[(String, FieldValue)]) -> Vec<u8> {
        self.call((50, 10), (50, 11), |out| {
            out.extend_from_slice(&[0, 0]);
            wire::short_string(out, queue);
            out.push(if durable { 2 } else { 0 });
            wire::table(out, arguments);
        })
    }

    /// How many messages wait in a queue that exists.
    pub fn waiting(&mut self, queue: &str) -> u32 {
        let found = self.call((50, 10), (50, 11), |out| {
            out.extend_from_slice(&[0, 0]);
            wire::short_string(out, queue);
            out.push(1);
            wire::table(out, &[]);
        });
        u32::from_be_bytes(*found[1 + queue.len()..].first_chunk().unwrap())
    }

    /// Publishes to a queue by the default exchange.
    pub fn publish(&mut self, queue: &str, persistent: bool, body: &[u8]) {
        self.publish_first(queue, persistent, 0, body);
    }

    /// The same with a priority.
    pub fn publish_first(&mut self, queue: &str, persistent: bool, priority: u8, body: &[u8]) {
        let mut out = Vec::new();
        wire::method_frame(&mut out, 1, (60, 40), |out| {
            out.extend_from_slice(&[0, 0, 0]);
            wire::short_string(out, queue);
            out.push(0);
        });
        let mut header = vec![0, 60, 0, 0];
        header.extend_from_slice(&(body.len() as u64).to_be_bytes());
        header.extend_from_slice(&[0x18, 0, if persistent { 2 } else { 1 }, priority]);
        for (kind, payload) in [(2u8, &header[..]), (3, body)] {
            out.extend_from_slice(&[kind, 0, 1]);
            out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
            out.extend_from_slice(payload);
            out.push(0xCE);
        }
        self.stream.write_all(&out).unwrap();
    }

    /// Asks for confirms.
    pub fn confirm(&mut self) {
        self.call((85, 10), (85, 11), |out| out.push(0));
    }

    /// Consumes with or without acks.
    pub fn consume(&mut self, queue: &str, no_ack: bool) {
        self.call((60, 20), (60, 21), |out| {
            out.extend_from_slice(&[0, 0]);
            wire::short_string(out, queue);
            wire::short_string(out, "c");
            out.push(if no_ack { 2 } else { 0 });
            wire::table(out, &[]);
        });
    }

    /// The body of the next delivery, which must come next and be one frame long.
    pub fn delivery(&mut self) -> Vec<u8> {
        self.expect((60, 60));
        assert_eq!(self.frame().0, 2);
        let (kind, _, body) = self.frame();
        assert_eq!(kind, 3);
        body
    }
}
