//! Handshakes, heartbeats, vhosts, many channels.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::AMQPClass;

use super::client::{Client, Connection, End, Options};
use super::process::Setup;

#[test]
fn another_protocol_gets_the_header_and_a_close() {
    let broker = Setup::new("").start();
    for opening in [&b"AMQP\x01\x01\x00\x0a"[..], b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"] {
        let mut client = Client::open(broker.address);
        client.raw(opening);
        let answer = client.any_frame();
        assert!(matches!(answer, Some(AMQPFrame::ProtocolHeader(_))), "{answer:?}");
        assert_eq!(client.any_frame(), None);
    }
}

#[test]
fn a_handshake_that_is_not_done_in_time_is_closed() {
    let broker = Setup::new("[limits]\nhandshake_timeout_s = 1\n").start();
    let mut silent = Client::open(broker.address);
    let mut halfway = Client::open(broker.address);
    halfway.raw(b"AMQP\x00\x00\x09\x01");
    let (_, start) = halfway.method();
    assert!(matches!(start, AMQPClass::Connection(Connection::Start(_))));
    let mut done = broker.connect();
    assert_eq!(silent.frame(), None);
    assert_eq!(halfway.frame(), None);
    assert_eq!(done.waiting("nothing"), None, "it lives on");
}

#[test]
fn heartbeats_are_sent() {
    let broker = Setup::new("[limits]\nheartbeat_s = 1\n").start();
    let mut client = Client::connect(
        broker.address,
        &Options {
            heartbeat_s: 1,
            ..Options::default()
        },
    );
    let frame = client.any_frame();
    assert_eq!(frame, Some(AMQPFrame::Heartbeat));
}

#[test]
fn a_silent_client_is_dropped() {
    let broker = Setup::new("[limits]\nheartbeat_s = 1\n").start();
    let mut silent = Client::connect(
        broker.address,
        &Options {
            heartbeat_s: 1,
            ..Options::default()
        },
    );
    let mut without = Client::connect(broker.address, &Options::default());
    assert_eq!(silent.end(), End::Eof);
    assert!(silent.heartbeats >= 1);
    assert_eq!(
        without.waiting("nothing"),
        None,
        "no heartbeats were agreed with this one"
    );
}

#[test]
fn a_client_that_sends_heartbeats_stays() {
    let broker = Setup::new("[limits]\nheartbeat_s = 1\n").start();
    let mut client = Client::connect(
        broker.address,
        &Options {
            heartbeat_s: 1,
            ..Options::default()
        },
    );
    // Each beat of the broker is answered, for longer than a silent client would live.
    for _ in 0..8 {
        assert_eq!(client.any_frame(), Some(AMQPFrame::Heartbeat));
        client.raw(b"\x08\x00\x00\x00\x00\x00\x00\xCE");
    }
    assert_eq!(client.waiting("nothing"), None);
}

#[test]
fn a_missing_vhost_closes_the_connection() {
    let broker = Setup::new("").start();
    let mut client = Client::open(broker.address);
    client.raw(b"AMQP\x00\x00\x09\x01");
    client.method();
    client.raw(&start_ok());
    let (_, tune) = client.method();
    assert!(matches!(tune, AMQPClass::Connection(Connection::Tune(_))), "{tune:?}");
    let tune_ok = amq_protocol::protocol::connection::TuneOk {
        channel_max: 10,
        frame_max: 8192,
        heartbeat: 0,
    };
    client.send(0, Connection::TuneOk(tune_ok));
    let open = amq_protocol::protocol::connection::Open {
        virtual_host: "nowhere".into(),
    };
    client.send(0, Connection::Open(open));
    let End::Close(code, text) = client.end() else {
        panic!("closed without a word");
    };
    assert_eq!(code, 530, "{text}");
    assert!(text.contains("nowhere"), "{text}");
}

/// `connection.start-ok` of guest without capabilities.
fn start_ok() -> Vec<u8> {
    let mut payload = vec![0, 10, 0, 11, 0, 0, 0, 0, 5];
    payload.extend(b"PLAIN\x00\x00\x00\x0c\0guest\0guest\x05en_US");
    let mut frame = vec![1, 0, 0];
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend(payload);
    frame.push(0xCE);
    frame
}

#[test]
fn a_thousand_channels_work_on_one_connection() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.durable("q");
    for number in 2..=1000 {
        client.open_channel(number);
    }
    for number in 1..=1000_u16 {
        client.publish_on(number, "", "q", &number.to_be_bytes(), false);
        // Each channel answers for itself, and in order with its own publish.
        let declare = amq_protocol::protocol::queue::Declare {
            queue: "q".into(),
            passive: true,
            ..Default::default()
        };
        let (at, reply) = client.call(number, super::client::Queue::Declare(declare));
        assert_eq!(at, number);
        let AMQPClass::Queue(super::client::Queue::DeclareOk(ok)) = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(ok.message_count, u32::from(number));
    }
    client.consume("q");
    for number in 1..=1000_u16 {
        assert_eq!(client.delivery().body, number.to_be_bytes());
    }
    client.close();
}
