//! Bodies of all sizes.

use super::client::{Client, Options};
use super::process::Setup;

/// Bytes that show a piece that is missing or out of place.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

fn goes_through(client: &mut Client, body: &[u8], persistent: bool) {
    client.publish("", "q", body, persistent);
    client.confirmed_one();
    let received = client.get("q").unwrap();
    assert_eq!(received.body.len(), body.len());
    assert!(received.body == body, "the body was changed");
}

#[test]
fn empty_bodies_and_bodies_around_the_frame_size() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.durable("q");
    client.confirms();
    for size in [0, 1, 131_064, 131_063, 131_065, 262_128, 262_129, 1 << 20] {
        goes_through(&mut client, &pattern(size), true);
        goes_through(&mut client, &pattern(size), false);
    }
    assert_eq!(client.largest_frame, 131_072);
}

#[test]
fn a_body_of_many_small_frames_keeps_the_negotiated_size_both_ways() {
    let broker = Setup::new("").start();
    let mut client = Client::connect(
        broker.address,
        &Options {
            frame_max: 4096,
            ..Options::default()
        },
    );
    client.durable("q");
    client.confirms();
    goes_through(&mut client, &pattern(1_000_003), true);
    assert_eq!(client.largest_frame, 4096);
}

#[test]
fn a_body_of_128_mib_where_the_limit_allows_it() {
    let broker = Setup::new("[limits]\nmessage_max_bytes = 134217728\n").start();
    let mut client = broker.connect();
    client.durable("q");
    client.confirms();
    goes_through(&mut client, &pattern(128 << 20), false);
}

#[test]
fn a_large_persistent_body_survives_a_restart() {
    let setup = Setup::new("");
    let body = pattern(5_000_001);
    let broker = setup.start();
    let mut client = broker.connect();
    client.durable("q");
    client.confirms();
    client.publish("", "q", &body, true);
    client.publish("", "q", b"", true);
    client.confirmed(2);
    broker.stop();
    let broker = setup.start();
    let mut client = broker.connect();
    assert!(client.get("q").unwrap().body == body, "the body was changed");
    assert_eq!(client.get("q").unwrap().body, b"");
}

#[test]
fn a_body_over_the_limit_closes_the_channel_with_406() {
    let broker = Setup::new("[limits]\nmessage_max_bytes = 1024\n").start();
    let mut client = broker.connect();
    client.durable("q");
    client.confirms();
    goes_through(&mut client, &pattern(1024), true);
    client.publish("", "q", &pattern(1025), true);
    let close = client.channel_close();
    assert_eq!(close.0, 406, "{}", close.1);
    assert!(close.1.starts_with("PRECONDITION_FAILED"), "{}", close.1);
    client.open_channel(1);
    assert_eq!(
        client.waiting("q"),
        Some(1),
        "what was unacked is back, and nothing else"
    );
}
