//! As much of an AMQP client as it takes to stand in lists.

use std::io::{Read, Write};
use std::net::TcpStream;

/// A connection as guest to `/`, with channel 1 open.
pub struct Client(TcpStream);

impl Client {
    pub fn connect(address: &str) -> Self {
        let mut client = Self::before_open_ok(address);
        client.expect(10, 41);
        client.send(1, 20, 10, &[0]);
        client.expect(20, 11);
        client
    }

    /// Connects, and wants to be refused the vhost; gives the reply code and text.
    pub fn refused(address: &str) -> (u16, String) {
        Self::before_open_ok(address).expect_close()
    }

    /// Opens a second channel, and wants the connection to be closed for it.
    pub fn refused_channel(mut self) -> (u16, String) {
        self.send(2, 20, 10, &[0]);
        self.expect_close()
    }

    fn expect_close(&mut self) -> (u16, String) {
        let close = self.expect(10, 50);
        let length = usize::from(close[2]);
        let text = String::from_utf8_lossy(&close[3..3 + length]).into_owned();
        (u16::from_be_bytes([close[0], close[1]]), text)
    }

    /// Gives guest a wrong password, and wants to be closed for it.
    pub fn guess(address: &str) {
        let mut client = Self::log_in(address, "guess");
        let mut heard = Vec::new();
        let _ = client.0.read_to_end(&mut heard);
        assert_eq!(heard, b"", "it is told nothing");
    }

    fn log_in(address: &str, password: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        let mut client = Self(stream);
        client.0.write_all(b"AMQP\x00\x00\x09\x01").expect("a header");
        client.expect(10, 10);
        let response = format!("\0guest\0{password}");
        let mut start_ok = vec![0, 0, 0, 0];
        short(&mut start_ok, "PLAIN");
        start_ok.extend_from_slice(&(response.len() as u32).to_be_bytes());
        start_ok.extend_from_slice(response.as_bytes());
        short(&mut start_ok, "en_US");
        client.send(0, 10, 11, &start_ok);
        client
    }

    fn before_open_ok(address: &str) -> Self {
        let mut client = Self::log_in(address, "guest");
        client.expect(10, 30);
        client.send(0, 10, 31, &[7, 255, 0, 2, 0, 0, 0, 0]);
        client.send(0, 10, 40, &[1, b'/', 0, 0]);
        client
    }

    /// Consumes with a prefetch of 3.
    pub fn consume(&mut self, queue: &str, tag: &str) {
        self.send(1, 60, 10, &[0, 0, 0, 0, 0, 3, 0]);
        self.expect(60, 11);
        let mut consume = vec![0, 0];
        short(&mut consume, queue);
        short(&mut consume, tag);
        consume.extend_from_slice(&[0, 0, 0, 0, 0]);
        self.send(1, 60, 20, &consume);
        self.expect(60, 21);
    }

    /// Consumes without acks and without a limit, and reads nothing of it.
    pub fn consume_all(&mut self, queue: &str) {
        let mut consume = vec![0, 0];
        short(&mut consume, queue);
        short(&mut consume, "");
        consume.extend_from_slice(&[2, 0, 0, 0, 0]);
        self.send(1, 60, 20, &consume);
    }

    /// Asks for confirms.
    pub fn confirm_select(&mut self) {
        self.send(1, 85, 10, &[0]);
        self.expect(85, 11);
    }

    pub fn tx_select(&mut self) {
        self.send(1, 90, 10, &[]);
        self.expect(90, 11);
    }

    pub fn tx_commit(&mut self) {
        self.send(1, 90, 20, &[]);
        self.expect(90, 21);
    }

    pub fn tx_rollback(&mut self) {
        self.send(1, 90, 30, &[]);
        self.expect(90, 31);
    }

    /// Publishes one byte.
    pub fn publish(&mut self, exchange: &str, key: &str, mandatory: bool) {
        let mut publish = vec![0, 0];
        short(&mut publish, exchange);
        short(&mut publish, key);
        publish.push(mandatory.into());
        self.send(1, 60, 40, &publish);
        self.frame(2, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
        self.frame(3, 1, b"x");
    }

    /// A message comes back that reached no queue.
    pub fn expect_returned(&mut self) {
        self.expect(60, 50);
        self.skip_content();
    }

    /// Gets the message at the head.
    pub fn get(&mut self, queue: &str) {
        self.ask_get(queue);
        self.expect(60, 71);
        self.skip_content();
    }

    /// Gets from an empty queue.
    pub fn get_empty(&mut self, queue: &str) {
        self.ask_get(queue);
        self.expect(60, 72);
    }

    fn ask_get(&mut self, queue: &str) {
        let mut get = vec![0, 0];
        short(&mut get, queue);
        get.push(0);
        self.send(1, 60, 70, &get);
    }

    /// Acks one delivery.
    pub fn ack(&mut self, tag: u64) {
        let mut ack = tag.to_be_bytes().to_vec();
        ack.push(0);
        self.send(1, 60, 80, &ack);
    }

    /// Header and body of one byte.
    fn skip_content(&mut self) {
        for _ in 0..2 {
            self.read_frame();
        }
    }

    /// Declares an exclusive queue.
    pub fn declare_exclusive(&mut self, queue: &str) {
        let mut declare = vec![0, 0];
        short(&mut declare, queue);
        declare.extend_from_slice(&[4, 0, 0, 0, 0]);
        self.send(1, 50, 10, &declare);
        self.expect(50, 11);
    }

    /// The next method must be this one; gives its fields.
    pub fn expect(&mut self, class: u16, method: u16) -> Vec<u8> {
        let payload = self.read_frame();
        let id = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
        assert_eq!((id(0), id(2)), (class, method));
        payload[4..].to_vec()
    }

    fn read_frame(&mut self) -> Vec<u8> {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let mut rest = vec![0; length + 1];
        self.0.read_exact(&mut rest).expect("its payload");
        rest.truncate(length);
        rest
    }

    fn send(&mut self, channel: u16, class: u16, method: u16, fields: &[u8]) {
        let mut payload = class.to_be_bytes().to_vec();
        payload.extend_from_slice(&method.to_be_bytes());
        payload.extend_from_slice(fields);
        self.frame(1, channel, &payload);
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let mut frame = vec![kind];
        frame.extend_from_slice(&channel.to_be_bytes());
        frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        frame.extend_from_slice(payload);
        frame.push(0xCE);
        self.0.write_all(&frame).expect("the broker reads");
    }
}

fn short(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}
