//! Silence, junk, crumbs and lies.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use super::broker::{TestBroker, settings};
use super::client::{Client, HEADER, frame, long, method, publish, short};

fn impatient() -> TestBroker {
    let mut settings = settings();
    settings.handshake_timeout = Duration::from_millis(300);
    TestBroker::start(settings)
}

#[test]
fn who_does_not_finish_the_handshake_is_closed() {
    let broker = impatient();
    let half = &method(0, 10, 11, &[0; 40])[..20];
    let mut clients = Vec::new();
    for said in [&b""[..], b"AMQP", HEADER, &[&HEADER[..], half].concat()] {
        let mut client = Client::connect(broker.address);
        client.send(said);
        clients.push((said.len(), client));
    }
    let mut logged_in = Client::connect(broker.address);
    logged_in.authenticate("PLAIN", b"\0ann\0ann").unwrap();
    clients.push((usize::MAX, logged_in));
    for (said, mut client) in clients {
        // connection.start may come first, and nothing else.
        let heard = client.frame();
        if let Some(start) = heard {
            assert_eq!(start.method(), (10, 10), "after {said} bytes");
            assert_eq!(client.frame(), None, "after {said} bytes");
        }
    }
    let mut open = Client::open(broker.address, "ann");
    broker.await_connections(1);
    open.synchronize(1);
}

#[test]
fn a_thousand_that_say_nothing_keep_nobody_out() {
    // Both ends of each are in this process, beside those of other tests.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let mut settings = settings();
    settings.handshake_timeout = Duration::from_secs(2);
    let broker = TestBroker::start(settings);
    let silent: Vec<_> = (0..1_000).map(|_| Client::connect(broker.address)).collect();
    let mut client = Client::open(broker.address, "ann");
    client.declare(1, "q");
    for mut silent in silent {
        assert_eq!(silent.frame(), None);
    }
    broker.await_connections(1);
    client.synchronize(1);
}

#[test]
fn another_protocol_is_told_ours() {
    let broker = TestBroker::start(settings());
    for said in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"AMQP\x00\x01\x00\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 4_096],
    ] {
        let mut client = Client::connect(broker.address);
        client.send(said);
        assert_eq!(client.take(8).unwrap(), HEADER, "to {said:?}");
        assert_eq!(client.take(1), None);
    }
    broker.await_connections(0);
}

#[test]
fn junk_ends_its_own_connection_only() {
    let broker = TestBroker::start(settings());
    let mut good = Client::open(broker.address, "ann");
    let mut state = 1_u64;
    for round in 0..50 {
        let mut client = Client::open(broker.address, "ann");
        let junk: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(1 + round * 20)
        .collect();
        client.send(&frame(1, 1, &junk));
        client.send(&frame(9, 1, &junk));
        let mut fault = client.frame().unwrap();
        while fault.method() != (10, 50) {
            fault = client.frame().unwrap();
        }
        assert!(fault.fault().0 >= 500, "round {round}");
    }
    good.synchronize(1);
    broker.await_connections(1);
}

#[test]
fn one_byte_at_a_time_is_understood() {
    let broker = TestBroker::start(settings());
    let mut client = Client::open(broker.address, "ann");
    client.declare(1, "q");
    client.consume(1, "q", true);
    for byte in publish(1, "q", b"crumbs") {
        client.send(&[byte]);
    }
    assert_eq!(client.delivery().1, b"crumbs");
}

#[test]
fn a_handshake_that_trickles_is_not_waited_for() {
    let broker = impatient();
    let mut client = Client::connect(broker.address);
    client.send(HEADER);
    client.expect(10, 10);
    let response = long(b"\0ann\0ann");
    let start_ok = [long(b""), short("PLAIN"), response, short("en_US")].concat();
    // A byte, and a wait for an answer that does not come: each is news, and none of them gains time.
    client.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let whole = method(0, 10, 11, &start_ok);
    let sent = whole.iter().take_while(|byte| {
        let sent = client.stream.write_all(&[**byte]).is_ok();
        let heard = client.stream.read(&mut [0]);
        // Nothing is heard while the broker waits; the end is heard once it does not.
        sent && heard.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    });
    assert!(sent.count() < whole.len(), "closed before it had said all");
    broker.await_connections(0);
}

#[test]
fn half_a_frame_and_then_silence_is_a_dead_client() {
    let broker = TestBroker::start(settings());
    let mut client = Client::connect(broker.address);
    client.authenticate("PLAIN", b"\0ann\0ann").unwrap();
    // A heartbeat a second.
    let tune_ok = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &[0, 1]].concat();
    client.send(&method(0, 10, 31, &tune_ok));
    client.send(&method(0, 10, 40, &[&short("/")[..], &[0, 0]].concat()));
    client.expect(10, 41);
    client.open_channel(1);
    let whole = publish(1, "q", &[7; 100]);
    client.send(&whole[..whole.len() / 2]);
    // The broker's own heartbeats come until it gives the client up.
    while let Some(frame) = client.frame() {
        assert_eq!(frame.kind, 8, "{frame:?}");
    }
    broker.await_connections(0);
}

#[test]
fn what_is_announced_takes_no_memory() {
    let broker = TestBroker::start(settings());
    let mut clients = Vec::new();
    let before = resident_bytes();
    for _ in 0..100 {
        let mut client = Client::open(broker.address, "ann");
        let arguments = [&[0, 0][..], &short(""), &short("q"), &[0]].concat();
        let header = [
            &60_u16.to_be_bytes()[..],
            &[0, 0],
            &(16_u64 << 20).to_be_bytes(),
            &[0, 0],
        ]
        .concat();
        client.send(&method(1, 60, 40, &arguments));
        client.send(&frame(2, 1, &header));
        // A body frame of the largest size, of which one byte comes.
        client.send(&[3, 0, 1, 0, 1, 0xFF, 0xF8, 0x42]);
        clients.push(client);
    }
    let mut other = Client::open(broker.address, "ann");
    other.synchronize(1);
    let grown = resident_bytes().saturating_sub(before);
    // 1.6 GB are announced; other tests of this process may hold some memory meanwhile.
    assert!(grown < 400 << 20, "{grown} bytes for 100 bytes of body");
}

#[test]
fn sizes_over_the_limits_are_refused_before_they_come() {
    let broker = impatient();
    // Before login: 8 KiB a frame.
    let mut client = Client::connect(broker.address);
    client.send(HEADER);
    client.expect(10, 10);
    client.send(&[1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(client.frame(), None);
    // After it: the frame size agreed on.
    let mut client = Client::open(broker.address, "ann");
    client.send(&[1, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]);
    let (code, text) = client.frame().unwrap().fault();
    assert_eq!((code, text.contains("frame_too_large")), (501, true), "{text}");
    // A table whose entry claims four gigabytes.
    let mut client = Client::open(broker.address, "ann");
    let table = [&short("x")[..], b"S\xFF\xFF\xFF\xFF"].concat();
    let arguments = [&[0, 0][..], &short("q"), &[0], &long(&table)].concat();
    client.send(&method(1, 50, 10, &arguments));
    assert_eq!(client.frame().unwrap().fault().0, 502);
    // None of them answers connection.close or goes away.
    broker.await_connections(0);
}

/// Memory of this process, in bytes.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
