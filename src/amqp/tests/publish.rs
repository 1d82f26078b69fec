use super::driver::{Driver, describe};
use super::frames::*;
use crate::amqp::{Event, Step, WireLimits};

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

#[test]
fn three_frames_together_are_taken_in_place() {
    let mut driver = Driver::running();
    let bytes = [message(1, b"hello", 100), message(1, b"", 100)].concat();
    match driver.connection.next(&bytes, &mut driver.out).unwrap() {
        Step::Event {
            consumed,
            event: Event::Publish {
                channel: 1,
                mut publish,
            },
        } => {
            assert_eq!(consumed, message(1, b"hello", 100).len());
            assert_eq!(
                (publish.exchange(), publish.routing_key(), publish.mandatory),
                ("x", &b"k"[..], true)
            );
            assert_eq!(publish.properties().delivery_mode(), Some(2));
            let place = bytes.as_ptr_range();
            assert!(
                place.contains(&publish.body().as_ptr()),
                "the body is borrowed from the input"
            );
            let message = publish.take_message();
            assert_eq!((message.exchange(), message.body()), ("x", &b"hello"[..]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(driver.feed(&bytes).len(), 2);
}

#[test]
fn many_frames_and_many_sizes_give_the_same_message() {
    for length in [1, 2, 4095, 4096, 8192, 8193, 65_536, 131_064, 131_065, 400_000] {
        let content = pattern(length);
        for piece in [1000, 4088, 131_064] {
            let mut driver = Driver::running();
            let mut whole = Driver::running();
            let in_reads: Vec<String> = message(1, &content, piece)
                .chunks(16_384)
                .flat_map(|read| driver.feed(read))
                .collect();
            let at_once = whole.feed(&message(1, &content, piece));
            assert_eq!(in_reads, at_once);
            assert!(at_once[0].contains(&format!(" {length} bytes")), "{at_once:?}");
            // A body needs no room in the read buffer.
            assert!(
                driver.held_most < 9000,
                "{} held at length {length}, piece {piece}",
                driver.held_most
            );
        }
    }
}

#[test]
fn channels_may_take_turns() {
    let mut driver = Driver::running();
    driver.feed(&channel_open(2));
    let (one, two) = (pattern(10), pattern(20));
    let bytes = [
        publish(1, "a", "k", 0),
        publish(2, "b", "k", 0),
        header(2, 20, &[0, 0]),
        ack(3, 1, false),
    ];
    driver.feed(&channel_open(3));
    driver.events.clear();
    driver.feed(&bytes.concat());
    driver.feed(
        &[
            header(1, 10, &[0, 0]),
            body(2, &two[..5]),
            heartbeat(),
            body(1, &one[..9]),
        ]
        .concat(),
    );
    driver.feed(&[body(2, &two[5..]), body(1, &one[9..])].concat());
    let kinds: Vec<_> = driver
        .events
        .iter()
        .map(|event| event.split(' ').take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        kinds,
        ["Settle { channel:", "Heartbeat", "publish 2 \"b\"", "publish 1 \"a\""]
    );
}

#[test]
fn empty_body_frames_between_are_harmless() {
    let mut driver = Driver::running();
    let bytes = [
        publish(1, "", "q", 0),
        header(1, 3, &[0, 0]),
        body(1, b""),
        body(1, b"ab"),
        body(1, b""),
        body(1, b"c"),
    ];
    let events = driver.feed(&bytes.concat());
    assert_eq!(events.len(), 1);
    assert!(
        events[0].starts_with("publish 1 \"\" \"q\" mandatory=false [0, 0] 3 bytes"),
        "{events:?}"
    );
}

#[test]
fn a_huge_announcement_costs_nothing() {
    let limits = WireLimits {
        message_max_bytes: u64::MAX,
        ..WireLimits::default()
    };
    let mut driver = Driver::running_with(limits);
    driver.feed(&[publish(1, "x", "k", 0), header(1, 1 << 62, &[0, 0]), body(1, &[1; 100])].concat());
    assert!(driver.events.is_empty());
    assert!(
        driver.connection.pending_bytes() <= 70_000,
        "{}",
        driver.connection.pending_bytes()
    );
    // The room grows with what comes, at most to twice of it.
    for _ in 0..20 {
        driver.feed(&body(1, &[1; 60_000]));
    }
    assert!(
        driver.connection.pending_bytes() <= 2_500_000,
        "{}",
        driver.connection.pending_bytes()
    );
}

#[test]
fn too_large_a_message_ends_its_channel() {
    let limits = WireLimits {
        message_max_bytes: 1000,
        ..WireLimits::default()
    };
    for length in [1001, 200_000] {
        let mut driver = Driver::running_with(limits.clone());
        driver.feed(&channel_open(2));
        driver.sent();
        let bytes = [
            message(1, &pattern(length), 131_064),
            ack(2, 5, false),
            channel_close_ok(1),
        ]
        .concat();
        let events: Vec<String> = bytes.chunks(4096).flat_map(|read| driver.feed(read)).collect();
        assert!(events[0].starts_with("ChannelFault { channel: 1"), "{events:?}");
        assert!(events[1].starts_with("Settle { channel: 2"), "{events:?}");
        assert_eq!(events[2], "ChannelCloseOk(1)");
        let text = format!(
            "channel.close 1 406 PRECONDITION_FAILED - message size {length} is larger than configured max size 1000 \
             (60.40)"
        );
        assert_eq!(driver.sent(), [text]);
    }
    let mut driver = Driver::running_with(limits);
    assert_eq!(driver.feed(&message(1, &pattern(1000), 131_064)).len(), 1);
}

#[test]
fn a_cut_small_publish_waits_and_a_cut_large_one_does_not() {
    let small = message(1, &pattern(100), 200);
    let mut driver = Driver::running();
    driver.feed(&small[..small.len() - 1]);
    assert_eq!(driver.input.len(), small.len() - 1);
    assert_eq!(driver.feed(&small[small.len() - 1..]).len(), 1);

    let large = message(1, &pattern(100_000), 131_064);
    let mut driver = Driver::running();
    driver.feed(&large[..50_000]);
    assert!(driver.input.is_empty());
    let events = driver.feed(&large[50_000..]);
    assert_eq!(events.len(), 1);
    let mut whole = Driver::running();
    match whole.connection.next(&large, &mut whole.out).unwrap() {
        Step::Event { event, .. } => assert_eq!(describe(&event), events[0]),
        other => panic!("{other:?}"),
    }
}
