//! A client that writes bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for bytes before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// A frame as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub channel: u16,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Class and method of a method frame.
    pub fn method(&self) -> (u16, u16) {
        assert_eq!(self.kind, 1, "{self:?}");
        let number = |at: usize| u16::from_be_bytes([self.payload[at], self.payload[at + 1]]);
        (number(0), number(2))
    }

    /// Code and text of `connection.close` or `channel.close`.
    pub fn fault(&self) -> (u16, String) {
        assert!([(10, 50), (20, 40)].contains(&self.method()), "{self:?}");
        let code = u16::from_be_bytes([self.payload[4], self.payload[5]]);
        let length = usize::from(self.payload[6]);
        (code, String::from_utf8_lossy(&self.payload[7..7 + length]).into_owned())
    }
}

/// A connection over any stream.
pub struct Client<S = TcpStream> {
    pub stream: S,
}

pub fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

impl Client {
    /// Connects and says nothing.
    pub fn connect(address: SocketAddr) -> Self {
        Self { stream: tcp(address) }
    }

    /// Connects, logs in and opens channel 1.
    pub fn open(address: SocketAddr, user: &str) -> Self {
        let mut client = Self::connect(address);
        client.log_in(user, user, "/").unwrap();
        client.open_channel(1);
        client
    }

    /// The same with little room for what it does not read.
    pub fn open_narrow(address: SocketAddr, user: &str) -> Self {
        let client = Self::open(address, user);
        socket2::SockRef::from(&client.stream)
            .set_recv_buffer_size(64 << 10)
            .unwrap();
        client
    }
}

impl<S: Read + Write> Client<S> {
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame, or `None` where the broker has closed the socket.
    pub fn frame(&mut self) -> Option<Frame> {
        let head: [u8; 7] = self.take(7)?.try_into().unwrap();
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let mut payload = self.take(size + 1)?;
        assert_eq!(payload.pop(), Some(0xCE));
        Some(Frame {
            kind: head[0],
            channel: u16::from_be_bytes([head[1], head[2]]),
            payload,
        })
    }

    /// So many bytes, or `None` where the stream ends before.
    pub fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for the method, passing over heartbeats.
    pub fn expect(&mut self, class: u16, method: u16) -> Frame {
        let frame = self.frame().expect("the broker has closed the socket");
        if frame.kind == 1 && matches!(frame.method(), (10, 50) | (20, 40)) && (class, method) != frame.method() {
            panic!("{:?}", frame.fault());
        }
        assert_eq!(frame.method(), (class, method), "{frame:?}");
        frame
    }

    /// Up to `connection.tune`; the fault where there is one.
    pub fn authenticate(&mut self, mechanism: &str, response: &[u8]) -> Result<(), Option<(u16, String)>> {
        self.send(HEADER);
        self.expect(10, 10);
        // Says that it understands a refused login.
        let capability = [&short("authentication_failure_close")[..], b"t\x01"].concat();
        let capabilities = [&short("capabilities")[..], b"F", &long(&capability)].concat();
        let start_ok = [long(&capabilities), short(mechanism), long(response), short("en_US")].concat();
        self.send(&method(0, 10, 11, &start_ok));
        self.answer((10, 30)).map(|_| ())
    }

    /// Says all of the handshake at once and waits for the end of it.
    pub fn pipelined_log_in(&mut self, user: &str, password: &str, vhost: &str) {
        let response = long(format!("\0{user}\0{password}").as_bytes());
        let start_ok = [long(b""), short("PLAIN"), response, short("en_US")].concat();
        let tune_ok = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &[0, 0]].concat();
        let open = [&short(vhost)[..], &[0, 0]].concat();
        let mut bytes = HEADER.to_vec();
        bytes.extend(method(0, 10, 11, &start_ok));
        bytes.extend(method(0, 10, 31, &tune_ok));
        bytes.extend(method(0, 10, 40, &open));
        self.send(&bytes);
        self.expect(10, 10);
        self.expect(10, 30);
        self.expect(10, 41);
    }

    /// Logs in with a password and opens the vhost.
    pub fn log_in(&mut self, user: &str, password: &str, vhost: &str) -> Result<(), Option<(u16, String)>> {
        self.authenticate("PLAIN", format!("\0{user}\0{password}").as_bytes())?;
        self.open_vhost(vhost)
    }

    /// From `connection.tune-ok` to `connection.open-ok`.
    pub fn open_vhost(&mut self, vhost: &str) -> Result<(), Option<(u16, String)>> {
        let tune_ok = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &[0, 0]].concat();
        self.send(&method(0, 10, 31, &tune_ok));
        self.send(&method(0, 10, 40, &[&short(vhost)[..], &[0, 0]].concat()));
        self.answer((10, 41)).map(|_| ())
    }

    /// The wanted method, or else the fault; `None` where the socket was closed without one.
    fn answer(&mut self, wanted: (u16, u16)) -> Result<Frame, Option<(u16, String)>> {
        match self.frame() {
            Some(frame) if frame.method() == wanted => Ok(frame),
            Some(frame) => Err(Some(frame.fault())),
            None => Err(None),
        }
    }

    pub fn open_channel(&mut self, number: u16) {
        self.send(&method(number, 20, 10, &[0]));
        self.expect(20, 11);
    }

    /// Declares a queue that goes with the connection's vhost.
    pub fn declare(&mut self, channel: u16, queue: &str) {
        let arguments = [&[0, 0][..], &short(queue), &[0], &long(b"")].concat();
        self.send(&method(channel, 50, 10, &arguments));
        self.expect(50, 11);
    }

    /// Publishes to a queue through the default exchange.
    pub fn publish(&mut self, channel: u16, queue: &str, body: &[u8]) {
        self.send(&publish(channel, queue, body));
    }

    /// Publishes and waits until the broker has taken it.
    pub fn publish_and_wait(&mut self, channel: u16, queue: &str, body: &[u8]) {
        self.publish(channel, queue, body);
        self.synchronize(channel);
    }

    /// A round trip: what was sent before is done after it.
    pub fn synchronize(&mut self, channel: u16) {
        // basic.qos with the prefetch that is the default.
        self.send(&method(channel, 60, 10, &[0; 7]));
        self.expect(60, 11);
    }

    pub fn consume(&mut self, channel: u16, queue: &str, no_ack: bool) {
        self.send(&consume(channel, queue, queue, no_ack));
        self.expect(60, 21);
    }

    /// The body of the next delivery and its tag.
    pub fn delivery(&mut self) -> (u64, Vec<u8>) {
        let deliver = self.expect(60, 60);
        let tag_at = 5 + usize::from(deliver.payload[4]);
        let tag = u64::from_be_bytes(deliver.payload[tag_at..tag_at + 8].try_into().unwrap());
        (tag, self.body())
    }

    /// Header and body frames.
    pub fn body(&mut self) -> Vec<u8> {
        let header = self.frame().unwrap();
        assert_eq!(header.kind, 2);
        let size = u64::from_be_bytes(header.payload[4..12].try_into().unwrap()) as usize;
        let mut body = Vec::new();
        while body.len() < size {
            body.extend(self.frame().unwrap().payload);
        }
        body
    }

    pub fn ack(&mut self, channel: u16, tag: u64) {
        self.send(&method(channel, 60, 80, &[&tag.to_be_bytes()[..], &[0]].concat()));
    }
}

pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend(payload);
    bytes.push(0xCE);
    bytes
}

pub fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    let ids = [class.to_be_bytes(), method.to_be_bytes()].concat();
    frame(1, channel, &[&ids[..], arguments].concat())
}

pub fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8][..], text.as_bytes()].concat()
}

pub fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

pub fn publish(channel: u16, queue: &str, body: &[u8]) -> Vec<u8> {
    let arguments = [&[0, 0][..], &short(""), &short(queue), &[0]].concat();
    let header = [
        &60_u16.to_be_bytes()[..],
        &[0, 0],
        &(body.len() as u64).to_be_bytes(),
        &[0, 0],
    ]
    .concat();
    let mut bytes = method(channel, 60, 40, &arguments);
    bytes.extend(frame(2, channel, &header));
    for piece in body.chunks(131_064) {
        bytes.extend(frame(3, channel, piece));
    }
    bytes
}

pub fn consume(channel: u16, queue: &str, tag: &str, no_ack: bool) -> Vec<u8> {
    let flags = if no_ack { 2 } else { 0 };
    let arguments = [&[0, 0][..], &short(queue), &short(tag), &[flags], &long(b"")].concat();
    method(channel, 60, 20, &arguments)
}

pub fn get(channel: u16, queue: &str, no_ack: bool) -> Vec<u8> {
    let arguments = [&[0, 0][..], &short(queue), &[u8::from(no_ack)]].concat();
    method(channel, 60, 70, &arguments)
}
