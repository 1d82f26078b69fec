//! Nanoseconds that the protocol core spends on a message: decoding a publish, encoding a deliver.
//!
//! `cargo bench --bench wire`

use std::hint::black_box;
use std::time::Instant;

use warren::amqp::encode::{Deliver, DeliveryInfo, Target};
use warren::amqp::{Connection, Event, OutBuffer, Step, WireLimits};
use warren::model::{FieldTable, Message, encode_table};

/// A read of the network, as large as the reader's buffer would be.
const READ: usize = 64 * 1024;
/// A round is short, so that some rounds fall between whatever else the machine does.
const MESSAGES: usize = 20_000;
const ROUNDS: usize = 400;

fn main() {
    println!("{:<28}{:>12}", "", "ns/message");
    for size in [16, 1024] {
        let mut read = Vec::new();
        while read.len() < READ {
            publish(&mut read, size);
        }
        let messages = MESSAGES / if size > 100 { 4 } else { 1 };
        report(&format!("decode publish {size} B"), || decode(&read, messages, |_| {}));
        report("… and copy to a Message", || {
            decode(&read, messages, |event| {
                if let Event::Publish { mut publish, .. } = event {
                    black_box(publish.take_message());
                }
            })
        });
        report(&format!("encode deliver {size} B"), || encode(size, messages));
    }
    let mut read = Vec::new();
    while read.len() < READ {
        frame(&mut read, 1, 1, &[0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 9, 0]);
    }
    report("decode ack", || decode(&read, MESSAGES, |_| {}));
}

/// The best of some rounds: what the code costs, not what the machine did besides.
fn report(what: &str, mut round: impl FnMut() -> f64) {
    let best = (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min);
    println!("{what:<28}{best:>12.1}");
}

fn decode(read: &[u8], messages: usize, mut handle: impl FnMut(Event<'_>)) -> f64 {
    let (mut connection, mut out) = running();
    let mut count = 0;
    let start = Instant::now();
    while count < messages {
        let mut at = 0;
        loop {
            match connection.next(black_box(&read[at..]), &mut out) {
                Ok(Step::Event { consumed, event }) => {
                    handle(black_box(event));
                    count += 1;
                    at += consumed;
                }
                Ok(Step::Skip { consumed }) => at += consumed,
                Ok(Step::NeedMore) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

fn encode(size: usize, messages: usize) -> f64 {
    let message = Message::new("", "test-queue", &[0x10, 0, 2], &[&vec![7; size]]);
    let target = Target {
        channel: 1,
        frame_max: 131_072,
    };
    let deliver = Deliver::new(target, "ctag1.consumer");
    let mut out = OutBuffer::new();
    let start = Instant::now();
    for delivery_tag in 0..messages as u64 {
        let info = DeliveryInfo {
            delivery_tag,
            redelivered: false,
            properties: None,
        };
        deliver.write(&mut out, info, black_box(&message));
        if out.len_bytes() >= READ {
            out.consume(out.len_bytes());
        }
    }
    start.elapsed().as_nanos() as f64 / messages as f64
}

/// A connection on which channel 1 is open.
fn running() -> (Connection, OutBuffer) {
    let mut connection = Connection::new(WireLimits::default());
    let mut out = OutBuffer::new();
    let mut input = b"AMQP\x00\x00\x09\x01".to_vec();
    let mut start_ok = vec![0, 10, 0, 11];
    encode_table(&FieldTable::new(), &mut start_ok);
    start_ok.extend(b"\x05PLAIN\x00\x00\x00\x00\x05en_US");
    frame(&mut input, 1, 0, &start_ok);
    frame(&mut input, 1, 0, &[0, 10, 0, 31, 7, 255, 0, 2, 0, 0, 0, 0]);
    frame(&mut input, 1, 0, &[0, 10, 0, 40, 1, b'/', 0, 0]);
    frame(&mut input, 1, 1, &[0, 20, 0, 10, 0]);
    let mut at = 0;
    while at < input.len() {
        match connection.next(&input[at..], &mut out) {
            Ok(Step::Event { consumed, event }) => {
                at += consumed;
                match event {
                    Event::ProtocolHeader => connection.start(&FieldTable::new(), "PLAIN", &mut out),
                    Event::StartOk(_) => connection.tune(&mut out),
                    Event::OpenVhost { .. } => connection.open_ok(&mut out),
                    _ => {}
                }
            }
            other => panic!("the handshake stopped: {other:?}"),
        }
    }
    assert!(connection.is_open(1));
    (connection, out)
}

fn publish(bytes: &mut Vec<u8>, size: usize) {
    let mut method = vec![0, 60, 0, 40, 0, 0, 0, 10];
    method.extend(b"test-queue\x00");
    frame(bytes, 1, 1, &method);
    let mut header = vec![0, 60, 0, 0];
    header.extend((size as u64).to_be_bytes());
    header.extend([0x10, 0, 2]);
    frame(bytes, 2, 1, &header);
    frame(bytes, 3, 1, &vec![7; size]);
}

fn frame(bytes: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    bytes.push(kind);
    bytes.extend(channel.to_be_bytes());
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend(payload);
    bytes.push(0xCE);
}
