//! Every row of bad input, with the reply that it gets.

use super::driver::Driver;
use super::frames::*;
use crate::amqp::WireLimits;
use crate::model::FieldTable;

/// The close that these bytes earn on a running connection with channel 1 open.
fn reply(bytes: &[u8]) -> String {
    let limits = WireLimits {
        frame_max_bytes: 8192,
        ..WireLimits::default()
    };
    let mut driver = Driver::running_with(limits);
    let events = driver.feed(bytes);
    assert!(
        events.last().is_some_and(|event| event.starts_with("error ")),
        "{events:?}"
    );
    let mut sent = driver.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    // Whatever follows is swallowed, and panics nothing.
    driver.feed(bytes);
    driver.feed(&[0xCE; 40]);
    assert!(driver.sent().is_empty());
    sent.remove(0)
}

fn check(cases: &[(Vec<u8>, &str)]) {
    for (bytes, expected) in cases {
        assert_eq!(reply(bytes), format!("connection.close {expected}"), "{bytes:?}");
    }
}

fn with_end(mut bytes: Vec<u8>, end: u8) -> Vec<u8> {
    *bytes.last_mut().unwrap() = end;
    bytes
}

#[test]
fn frames() {
    let exchange_declare = Args::new()
        .short(0)
        .text("amq.direct")
        .text("direct")
        .octet(1)
        .table(&FieldTable::new())
        .method(1, 40, 10);
    check(&[
        (
            with_end(exchange_declare, 0xCD),
            "501 FRAME_ERROR - type 1, first 16 octets = <<0,40,0,10,0,0,10,97,109,113,46,100,105,114,101,99>>: \
             {invalid_frame_end_marker,\n                                                                                  \
             205} (0.0)",
        ),
        (
            with_end(connection_close_ok(), 1),
            "501 FRAME_ERROR - type 1, all octets = <<0,10,0,51>>: {invalid_frame_end_marker,1} (0.0)",
        ),
        (
            frame(3, 1, &[1; 8193]),
            "501 FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,8193,8184} (0.0)",
        ),
        (
            vec![1, 0, 1, 255, 255, 255, 255],
            "501 FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,4294967295,8184} (0.0)",
        ),
        (
            frame(7, 1, &[]),
            "501 FRAME_ERROR - type 7, all octets = <<>>: unknown_frame (0.0)",
        ),
        (
            frame(0, 1, b"xy"),
            "501 FRAME_ERROR - type 0, all octets = <<\"xy\">>: unknown_frame (0.0)",
        ),
        (
            frame(9, 5, &[]),
            "501 FRAME_ERROR - type 9, all octets = <<>>: unknown_frame (0.0)",
        ),
        (
            frame(6, 0, &[]),
            "501 FRAME_ERROR - type 6, all octets = <<>>: unknown_frame (0.0)",
        ),
        (
            frame(8, 0, b"xyz"),
            "501 FRAME_ERROR - type 8, all octets = <<\"xyz\">>: unknown_frame (0.0)",
        ),
        (
            frame(8, 1, b"x"),
            "501 FRAME_ERROR - type 8, all octets = <<\"x\">>: unknown_frame (0.0)",
        ),
        (
            frame(8, 1, &[]),
            "505 UNEXPECTED_FRAME - type 8, all octets = <<>> (0.0)",
        ),
        (
            frame(8, 4, &[]),
            "505 UNEXPECTED_FRAME - type 8, all octets = <<>> (0.0)",
        ),
        (
            frame(1, 1, &[]),
            "501 FRAME_ERROR - type 1, all octets = <<>>: unknown_frame (0.0)",
        ),
        (
            frame(1, 1, &[0, 60]),
            "501 FRAME_ERROR - type 1, all octets = <<0,60>>: unknown_frame (0.0)",
        ),
        (
            frame(1, 0, &[]),
            "501 FRAME_ERROR - type 1, all octets = <<>>: unknown_frame (0.0)",
        ),
        (
            frame(3, 0, b"abc"),
            "505 UNEXPECTED_FRAME - type 3, all octets = <<\"abc\">> (0.0)",
        ),
        (
            header(0, 0, &[0, 0]),
            "505 UNEXPECTED_FRAME - type 2, all octets = <<0,60,0,0,0,0,0,0,0,0,0,0,0,0>> (0.0)",
        ),
    ]);
}

#[test]
fn eight_bytes_over_the_frame_limit_are_tolerated() {
    let limits = WireLimits {
        frame_max_bytes: 8192,
        ..WireLimits::default()
    };
    let mut driver = Driver::running_with(limits);
    assert_eq!(driver.feed(&message(1, &[1; 8192], 8192)).len(), 1);
}

#[test]
fn methods_in_the_wrong_place() {
    check(&[
        (
            Args::new().method(2, 90, 10),
            "504 CHANNEL_ERROR - expected 'channel.open' (90.10)",
        ),
        (channel_close(2), "504 CHANNEL_ERROR - expected 'channel.open' (20.40)"),
        (
            channel_close_ok(2),
            "504 CHANNEL_ERROR - expected 'channel.open' (20.41)",
        ),
        (
            publish(2, "x", "k", 0),
            "504 CHANNEL_ERROR - expected 'channel.open' (60.40)",
        ),
        (ack(2, 1, false), "504 CHANNEL_ERROR - expected 'channel.open' (60.80)"),
        (
            Args::new().long_text(b"").method(2, 20, 11),
            "504 CHANNEL_ERROR - expected 'channel.open' (20.11)",
        ),
        (
            channel_open(1),
            "504 CHANNEL_ERROR - second 'channel.open' seen (20.10)",
        ),
        (
            channel_close_ok(1),
            "503 COMMAND_INVALID - unimplemented method (20.41)",
        ),
        (
            connection_close_ok(),
            "504 CHANNEL_ERROR - unexpected method in connection state running (10.51)",
        ),
        (
            open("/"),
            "504 CHANNEL_ERROR - unexpected method in connection state running (10.40)",
        ),
        (
            Args::new().long_text(b"").method(0, 10, 20),
            "504 CHANNEL_ERROR - unexpected method in connection state running (10.20)",
        ),
        (
            channel_open(0),
            "504 CHANNEL_ERROR - unexpected method in connection state running (20.10)",
        ),
        (
            publish(0, "x", "k", 0),
            "504 CHANNEL_ERROR - unexpected method in connection state running (60.40)",
        ),
        (
            Args::new().method(1, 10, 50),
            "503 COMMAND_INVALID - unimplemented method (10.50)",
        ),
        (
            Args::new().octet(1).method(1, 20, 21),
            "503 COMMAND_INVALID - unimplemented method (20.21)",
        ),
        (
            Args::new().text("t").method(1, 60, 31),
            "503 COMMAND_INVALID - unimplemented method (60.31)",
        ),
        (
            Args::new().method(1, 60, 72),
            "503 COMMAND_INVALID - unimplemented method (60.72)",
        ),
        (
            Args::new().method(1, 40, 51),
            "503 COMMAND_INVALID - unimplemented method (40.51)",
        ),
        (
            Args::new().method(1, 60, 99),
            "540 NOT_IMPLEMENTED - unknown method 60.99 (60.99)",
        ),
        (
            Args::new().method(1, 70, 10),
            "540 NOT_IMPLEMENTED - unknown method 70.10 (70.10)",
        ),
        (
            Args::new().method(3, 99, 1),
            "540 NOT_IMPLEMENTED - unknown method 99.1 (99.1)",
        ),
        (
            Args::new().method(0, 10, 99),
            "540 NOT_IMPLEMENTED - unknown method 10.99 (10.99)",
        ),
    ]);
}

#[test]
fn what_rabbitmq_does_not_implement() {
    check(&[
        (
            [publish(1, "x", "k", 2), header(1, 0, &[0, 0])].concat(),
            "540 NOT_IMPLEMENTED - immediate=true (60.40)",
        ),
        (
            Args::new().octet(0).method(1, 20, 20),
            "540 NOT_IMPLEMENTED - active=false (20.20)",
        ),
        (
            Args::new().long(1000).short(0).octet(1).method(1, 60, 10),
            "540 NOT_IMPLEMENTED - prefetch_size!=0 (1000) (60.10)",
        ),
        (
            Args::new().octet(0).method(1, 60, 110),
            "540 NOT_IMPLEMENTED - requeue=false (60.110)",
        ),
        (
            Args::new().octet(0).method(1, 60, 100),
            "540 NOT_IMPLEMENTED - requeue=false (60.100)",
        ),
    ]);
}

#[test]
fn arguments() {
    let empty = FieldTable::new();
    let declare = |name: &[u8], table: &[u8]| {
        Args::new()
            .short(0)
            .octet(name.len() as u8)
            .raw(name)
            .octet(0)
            .raw(table)
            .method(1, 50, 10)
    };
    check(&[
        (
            Args::new().method(1, 50, 10),
            "501 FRAME_ERROR - cannot decode <<>> (50.10)",
        ),
        (
            Args::new().raw(&[0, 0, 6, 97, 98]).method(1, 50, 10),
            "501 FRAME_ERROR - cannot decode <<0,0,6,97,98>> (50.10)",
        ),
        (
            Args::new()
                .short(0)
                .text("x")
                .octet(0)
                .table(&empty)
                .raw(&[1, 2, 3])
                .method(1, 50, 10),
            "501 FRAME_ERROR - cannot decode <<0,0,1,120,0,0,0,0,0,1,2,3>> (50.10)",
        ),
        (
            declare(b"x", &[255, 255, 255, 255]),
            "501 FRAME_ERROR - cannot decode <<0,0,1,120,0,255,255,255,255>> (50.10)",
        ),
        (
            declare(b"x", &[0, 0, 0, 100]),
            "501 FRAME_ERROR - cannot decode <<0,0,1,120,0,0,0,0,100>> (50.10)",
        ),
        (
            declare(&[255, 254], &[0; 4]),
            "501 FRAME_ERROR - Malformed UTF-8 in shortstr (0.0)",
        ),
        (
            Args::new().raw(&[0; 7]).method(1, 60, 80),
            "501 FRAME_ERROR - cannot decode <<0,0,0,0,0,0,0>> (60.80)",
        ),
        (
            Args::new().raw(&[0; 10]).method(1, 60, 80),
            "501 FRAME_ERROR - cannot decode <<0,0,0,0,0,0,0,0,0,0>> (60.80)",
        ),
        (
            Args::new().raw(&[0, 0, 5]).method(1, 60, 40),
            "501 FRAME_ERROR - cannot decode <<0,0,5>> (60.40)",
        ),
        (
            declare(b"x", &[0, 0, 0, 3, 1, b'a', b'?']),
            "502 SYNTAX_ERROR - malformed table: the table has a value of the unknown type 0x3f (50.10)",
        ),
        (
            declare(b"x", &[0, 0, 0, 4, 9, b'a', b't', 1]),
            "502 SYNTAX_ERROR - malformed table: a length in the table points behind its end (50.10)",
        ),
    ]);
}

#[test]
fn a_long_text_is_cut() {
    let reply = reply(&Args::new().raw(&[7; 3000]).method(1, 60, 80));
    let text = reply
        .strip_prefix("connection.close 501 ")
        .unwrap()
        .strip_suffix(" (60.80)")
        .unwrap();
    assert!(text.starts_with("FRAME_ERROR - cannot decode <<7,7,7,"));
    assert!(text.ends_with("..."));
    assert_eq!(text.len(), 255);
}

#[test]
fn content() {
    let publish = || publish(1, "x", "k", 0);
    let other_class = frame(2, 1, &[0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0]);
    let other_weight = frame(2, 1, &[0, 60, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0]);
    let header = |size| header(1, size, &[0, 0]);
    let method = || Args::new().method(1, 90, 10);
    let expected_header = "505 UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead \
                           (60.40)";
    let expected_body = "505 UNEXPECTED_FRAME - expected content body, got non content body frame instead (60.40)";
    let expected_method = "505 UNEXPECTED_FRAME - expected method frame, got non method frame instead (0.0)";
    check(&[
        (
            [publish(), other_class].concat(),
            "505 UNEXPECTED_FRAME - expected content header for class 60, got one for class \
                                             50 instead (60.40)",
        ),
        ([publish(), other_weight].concat(), expected_header),
        ([publish(), body(1, b"abc")].concat(), expected_header),
        ([publish(), method()].concat(), expected_header),
        ([publish(), publish()].concat(), expected_header),
        ([publish(), ack(1, 1, false)].concat(), expected_header),
        ([publish(), header(3), header(3)].concat(), expected_body),
        ([publish(), header(3), method()].concat(), expected_body),
        ([publish(), header(3), body(1, b"a"), publish()].concat(), expected_body),
        (header(3), expected_method),
        (body(1, b"abc"), expected_method),
        (body(4, b"abc"), expected_method),
        (super::frames::header(4, 3, &[0, 0]), expected_method),
        ([publish(), header(0), body(1, b"a")].concat(), expected_method),
        ([publish(), header(0), body(1, b"")].concat(), expected_method),
        (
            [publish(), header(3), body(1, b"abcd")].concat(),
            "501 FRAME_ERROR - content body frame exceeds remaining content size (60.40)",
        ),
        (
            [publish(), header(3), body(1, b"ab"), body(1, b"cd")].concat(),
            "501 FRAME_ERROR - content body frame exceeds remaining content size (60.40)",
        ),
        (
            [publish(), frame(2, 1, &[0, 60, 0, 0, 0, 0])].concat(),
            "501 FRAME_ERROR - type 2, all octets = <<0,60,0,0,0,0>>: unknown_frame (0.0)",
        ),
        (
            frame(2, 1, &[]),
            "501 FRAME_ERROR - type 2, all octets = <<>>: unknown_frame (0.0)",
        ),
        (
            with_end([publish(), header(3), body(1, b"abc")].concat(), 0),
            "501 FRAME_ERROR - type 3, all octets = <<\"abc\">>: {invalid_frame_end_marker,0} (0.0)",
        ),
    ]);
}

#[test]
fn a_wrong_end_of_a_body_that_came_in_pieces() {
    let mut driver = Driver::running();
    let bytes = with_end(message(1, &[b'z'; 60_000], 60_000), 9);
    bytes.chunks(1000).for_each(|read| {
        driver.feed(read);
    });
    let text = "connection.close 501 FRAME_ERROR - type 3, first 16 octets = <<\"zzzzzzzzzzzzzzzz\">>: \
                {invalid_frame_end_marker,9} (0.0)";
    assert_eq!(driver.sent(), [text]);
    assert!(driver.connection.is_over(), "there is no way back into step");
}

#[test]
fn properties() {
    let publish_with = |properties: &[u8]| [publish(1, "x", "k", 0), header(1, 0, properties)].concat();
    let malformed = |what: &str| format!("502 SYNTAX_ERROR - malformed properties: {what} (60.40)");
    let mut deep = Vec::new();
    for _ in 0..40 {
        let mut outer = vec![1, b'a', b'F'];
        outer.extend((deep.len() as u32).to_be_bytes());
        outer.extend(&deep);
        deep = outer;
    }
    let mut nested = vec![0x20, 0];
    nested.extend((deep.len() as u32).to_be_bytes());
    nested.extend(&deep);
    let cases = [
        (publish_with(&[0x10, 0]), malformed("the property list is truncated")),
        (publish_with(&[]), malformed("the property list is truncated")),
        (
            publish_with(&[0x80, 0, 9, b'a']),
            malformed("the property list is truncated"),
        ),
        (
            publish_with(&[0x10, 0, 2, 2]),
            malformed("there are bytes behind the property list"),
        ),
        (
            publish_with(&[0, 1, 0, 0]),
            malformed("the property flags 0x0001 are unknown"),
        ),
        (
            publish_with(&[0x20, 0, 0, 0, 0, 3, 1, b'a', b'?']),
            malformed("the table has a value of the unknown type 0x3f"),
        ),
        (
            publish_with(&nested),
            malformed("the table is nested deeper than 32 levels"),
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(reply(&bytes), format!("connection.close {expected}"));
    }
}
