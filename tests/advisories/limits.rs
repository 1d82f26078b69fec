//! Every limit of `[limits]`, set low in a configuration file, bites in the program as it is run.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::broker::{Broker, answer, basic};
use super::client::{Client, HEADER, PATIENCE, consume, frame, get, long, method, publish, short};

/// What ends a connection or a channel.
#[track_caller]
fn fault(client: &mut Client) -> (u16, String) {
    client.frame().expect("closed without a word").fault()
}

#[track_caller]
fn assert_fault(client: &mut Client, code: u16, words: &str) {
    let fault = fault(client);
    assert!(fault.0 == code && fault.1.contains(words), "{fault:?}");
}

fn declare(queue: &str, arguments: &[u8]) -> Vec<u8> {
    method(
        1,
        50,
        10,
        &[&[0, 0][..], &short(queue), &[0], &long(arguments)].concat(),
    )
}

fn declare_exchange(name: &str) -> Vec<u8> {
    let fields = [&[0, 0][..], &short(name), &short("fanout"), &[0], &long(b"")].concat();
    method(1, 40, 10, &fields)
}

fn bind(queue: &str, key: &str) -> Vec<u8> {
    let names = [short(queue), short("amq.direct"), short(key)].concat();
    method(1, 50, 20, &[&[0, 0][..], &names, &[0], &long(b"")].concat())
}

/// The refusal of a login that succeeds otherwise; `None` where the socket was closed without a word.
fn refused(broker: &Broker, user: &str) -> Option<(u16, String)> {
    let mut client = Client::connect(broker.amqp);
    client.send(HEADER);
    // Whether it is closed at once, or after connection.start.
    client.frame()?;
    drop(client);
    Client::connect(broker.amqp).log_in(user, user, "/").unwrap_err()
}

/// Whether ann gets as far as an open connection.
fn lets_in(broker: &Broker) -> bool {
    let mut client = Client::connect(broker.amqp);
    client.send(HEADER);
    if client.frame().is_none() {
        return false;
    }
    let start_ok = [long(b""), short("PLAIN"), long(b"\0ann\0ann"), short("en_US")].concat();
    client.send(&method(0, 10, 11, &start_ok));
    client.expect(10, 30);
    client.open_vhost("/").is_ok()
}

#[test]
fn none_is_without_a_test() {
    let page = include_str!("../../docs/configuration.md");
    let section = page
        .split_once("### `[limits]`")
        .unwrap()
        .1
        .split("\n### ")
        .next()
        .unwrap();
    let options = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(option, _)| option));
    let mut count = 0;
    for option in options {
        let set = format!("{option} = ");
        assert!(
            include_str!("limits.rs").contains(&set),
            "{option} is set by no test here"
        );
        count += 1;
    }
    assert!(count > 20, "{count} options");
}

#[test]
fn time_for_the_handshake() {
    let broker = Broker::start("[limits]\nhandshake_timeout_s = 1");
    assert_eq!(Client::connect(broker.amqp).frame(), None);
    assert!(
        broker.log().contains("the handshake was not done in 1 s"),
        "{}",
        broker.log()
    );
    broker.assert_well();
}

#[test]
fn bytes_before_the_login() {
    let broker = Broker::start("[limits]\nframe_max_before_tune_bytes = 4096\nbytes_before_login = 8192");
    // As RabbitMQ does, the broker says nothing to somebody it does not know.
    let mut client = Client::connect(broker.amqp);
    client.send(HEADER);
    client.expect(10, 10);
    client.send(&[1, 0, 0, 0, 0, 0x10, 0x01]);
    assert_eq!(client.frame(), None);
    assert!(broker.log().contains("frame_too_large"), "{}", broker.log());
    let mut client = Client::connect(broker.amqp);
    client.send(HEADER);
    client.expect(10, 10);
    let flood: Vec<u8> = std::iter::repeat_n(frame(8, 0, b""), 1_100).flatten().collect();
    let _ = client.stream.write_all(&flood);
    assert_eq!(client.frame(), None);
    let said = "more than 8192 bytes before the connection was open";
    assert!(broker.log().contains(said), "{}", broker.log());
    broker.assert_well();
}

#[test]
fn what_is_offered_in_tune() {
    let broker = Broker::start("[limits]\nchannel_max = 3\nframe_max_bytes = 8192\nheartbeat_s = 7");
    let open = || {
        let mut client = Client::connect(broker.amqp);
        client.send(HEADER);
        client.expect(10, 10);
        let start_ok = [long(b""), short("PLAIN"), long(b"\0ann\0ann"), short("en_US")].concat();
        client.send(&method(0, 10, 11, &start_ok));
        let tune = client.expect(10, 30);
        assert_eq!(tune.payload[4..], [0, 3, 0, 0, 0x20, 0, 0, 7], "{tune:?}");
        client
    };
    let open_vhost = |client: &mut Client, tune_ok: [u8; 8]| {
        client.send(&method(0, 10, 31, &tune_ok));
        client.send(&method(0, 10, 40, &[&short("/")[..], &[0, 0]].concat()));
    };
    let mut client = open();
    open_vhost(&mut client, [0, 3, 0, 0, 0x20, 0, 0, 0]);
    client.expect(10, 41);
    (1..=3).for_each(|number| client.open_channel(number));
    client.send(&method(4, 20, 10, &[0]));
    assert_fault(&mut client, 530, "channel_max (3)");
    // More than was offered.
    for larger in [[0, 4, 0, 0, 0x20, 0, 0, 0], [0, 3, 0, 0, 0x20, 1, 0, 0]] {
        let mut client = open();
        open_vhost(&mut client, larger);
        assert_fault(&mut client, 530, "negotiated");
    }
    let mut client = open();
    open_vhost(&mut client, [0, 3, 0, 0, 0x20, 0, 0, 0]);
    client.expect(10, 41);
    client.send(&[1, 0, 0, 0, 0, 0x20, 1]);
    assert_fault(&mut client, 501, "frame_too_large");
}

#[test]
fn sizes_of_messages_and_tables() {
    let broker = Broker::start("[limits]\nmessage_max_bytes = 1024\ntable_depth_max = 2\ntable_values_max = 16");
    let mut client = broker.client("ann");
    client.declare(1, "q");
    client.publish_and_wait(1, "q", &[7; 1024]);
    client.send(&publish(1, "q", &[7; 1025]));
    assert_fault(&mut client, 406, "larger than configured max size 1024");
    let array = |inner: &[u8]| [&b"A"[..], &long(inner)].concat();
    let deep = [&short("a")[..], &array(&array(&array(b"")))].concat();
    let flags = |count: usize| [&short("a")[..], &array(&b"t\x01".repeat(count))].concat();
    for table in [deep, flags(16)] {
        let mut client = broker.client("ann");
        client.send(&declare("faulty", &table));
        assert_fault(&mut client, 502, "malformed table");
    }
    let mut client = broker.client("ann");
    client.send(&declare("fine", &flags(8)));
    client.expect(50, 11);
}

#[test]
fn connections() {
    for (limit, wanted) in [
        ("connections_max = 1", None),
        ("connections_per_address = 1", None),
        (
            "connections_per_vhost = 1",
            Some((530, "connection limit (1) is reached")),
        ),
        (
            "connections_per_user = 1",
            Some((530, "user connection limit (1) is reached")),
        ),
    ] {
        let broker = Broker::start(&format!("[limits]\n{limit}"));
        let first = broker.client("ann");
        match (refused(&broker, "ann"), wanted) {
            (None, None) => {
                let option = limit.split(' ').next().unwrap();
                assert!(
                    broker.log().contains(&format!("limits.{option} is reached")),
                    "{}",
                    broker.log()
                );
            }
            (Some((code, text)), Some(wanted)) => {
                assert!(code == wanted.0 && text.contains(wanted.1), "{limit}: {code} {text}");
            }
            (refused, _) => panic!("{limit}: {refused:?}"),
        }
        // The place is free once its holder is gone.
        let mut first = first;
        first.send(&method(0, 10, 50, &[0, 200, 0, 0, 0, 0, 0]));
        first.expect(10, 51);
        drop(first);
        while !lets_in(&broker) {
            // The client hears of the end a moment before its socket is counted as gone.
            std::thread::yield_now();
        }
    }
}

#[test]
fn consumers_and_deliveries_of_a_channel() {
    let limits = "[limits]\nconsumers_per_channel = 2\nunacked_per_channel = 1\nack_timeout_s = 1";
    let broker = Broker::start(limits);
    let mut client = broker.client("ann");
    client.declare(1, "q");
    for tag in ["one", "two"] {
        client.send(&consume(1, "q", tag, false));
        client.expect(60, 21);
    }
    client.send(&consume(1, "q", "three", false));
    assert_fault(&mut client, 530, "reached maximum (2) of consumers per channel");
    let mut client = broker.client("ann");
    client.publish(1, "q", b"one");
    client.publish(1, "q", b"two");
    client.send(&get(1, "q", false));
    client.expect(60, 71);
    client.body();
    client.send(&get(1, "q", false));
    assert_fault(
        &mut client,
        406,
        "reached maximum (1) of unacked deliveries per channel",
    );
    let mut client = broker.client("ann");
    client.consume(1, "q", false);
    client.delivery();
    assert_fault(&mut client, 406, "timed out. Timeout value used: 1000 ms");
}

#[test]
fn what_a_vhost_holds() {
    // Seven exchanges stand in every vhost, the default one among them.
    let broker = Broker::start("[limits]\nqueues_per_vhost = 2\nexchanges_per_vhost = 8\nbindings_per_vhost = 2");
    let mut client = broker.client("ann");
    for (fine, answer) in [
        (declare("one", b""), (50, 11)),
        (declare("two", b""), (50, 11)),
        (declare_exchange("x"), (40, 11)),
        (bind("one", "a"), (50, 21)),
        (bind("one", "b"), (50, 21)),
    ] {
        client.send(&fine);
        client.expect(answer.0, answer.1);
    }
    for (one_more, words) in [
        (declare("three", b""), "queue limit in vhost '/' (2) is reached"),
        (declare_exchange("y"), "exchange limit in vhost '/' (8) is reached"),
        (bind("two", "c"), "binding limit in vhost '/' (2) is reached"),
    ] {
        let mut client = broker.client("ann");
        client.send(&one_more);
        assert_fault(&mut client, 406, words);
    }
    // What stands is declared again all the same.
    for (again, answer) in [(declare("one", b""), (50, 11)), (declare_exchange("x"), (40, 11))] {
        client.send(&again);
        client.expect(answer.0, answer.1);
    }
}

#[test]
fn requests_over_http() {
    let broker =
        Broker::start("[limits]\nhttp_body_max_bytes = 1024\nhttp_connections_max = 1\nhttp_head_timeout_s = 1");
    let body = json!({"arguments": {"own": "x".repeat(1024)}}).to_string();
    let refused = broker.ask("ann", "PUT", "/api/queues/%2F/q", &body);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("body size limit"), "{refused:?}");
    let connect = |address: SocketAddr| {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let request = format!(
        "GET /api/overview HTTP/1.1\r\nHost: warren\r\nAuthorization: {}\r\n\r\n",
        basic("ann", "ann")
    );
    let mut first = connect(broker.http);
    first.write_all(request.as_bytes()).unwrap();
    assert_eq!(answer(&mut first).status, 200);
    // The second waits for the first to go, which is closed when it says nothing for a second.
    let mut second = connect(broker.http);
    second.write_all(request.as_bytes()).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(second.read(&mut [0]).is_err(), "two were served at once");
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(first.read(&mut [0]).unwrap_or(0), 0, "closed");
    assert_eq!(answer(&mut second).status, 200);
}

#[test]
fn what_waits_to_be_written() {
    // 32 MB, more than sockets hold.
    let (body, count) = (vec![7; 8 << 10], 4_000);
    for (limit, all_leave) in [
        ("outgoing_buffer_bytes = 65536", false),
        ("outgoing_buffer_bytes = 1073741824", true),
    ] {
        let broker = Broker::start(&format!("[limits]\n{limit}"));
        let mut publisher = broker.client("ann");
        publisher.declare(1, "q");
        let mut slow = Client::open_narrow(broker.amqp, "ann");
        slow.consume(1, "q", true);
        (0..count).for_each(|_| publisher.publish(1, "q", &body));
        publisher.synchronize(1);
        let queue: Value = serde_json::from_str(&broker.want("GET", "/api/queues/%2F/q", "")).unwrap();
        let left = queue["messages_ready"].as_u64().unwrap();
        assert_eq!(left == 0, all_leave, "{limit}: {left} of {count} wait in the queue");
    }
}

#[test]
fn file_descriptors_that_run_out() {
    let broker = Broker::start_with_open_files(128, "");
    let said = "the limit of open files is 128, but limits.connections_max = 65536 may need 65792";
    assert!(broker.log().contains(said), "{}", broker.log());
    let mut open = broker.client("ann");
    let crowd: Vec<_> = (0..200).map(|_| Client::connect(broker.amqp)).collect();
    while !broker.log().contains("cannot accept a connection") {
        open.synchronize(1);
    }
    drop(crowd);
    // Accepting goes on, and who was in has not noticed.
    open.synchronize(1);
    broker.assert_well();
}
