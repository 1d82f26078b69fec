//! A backlog that does not fit into its budget.

use std::sync::Arc;
use std::thread;

use super::client::Client;
use super::{Running, start, start_with_budget};

const ACK: (u16, u16) = (60, 80);
const MESSAGES: u32 = 6000;

/// Publishes numbered messages of 1 KiB and waits until all are confirmed.
fn fill(client: &mut Client, from: u32) {
    client.confirm();
    let mut body = vec![b'x'; 1024];
    for number in from..from + MESSAGES {
        body[..4].copy_from_slice(&number.to_be_bytes());
        client.publish("q", true, &body);
    }
    let mut confirmed = 0;
    while confirmed < u64::from(MESSAGES) {
        let arguments = client.expect(ACK);
        let tag = u64::from_be_bytes(arguments[..8].try_into().unwrap());
        // One tag, or all up to it.
        confirmed = if arguments[8] & 1 == 1 { tag } else { confirmed + 1 };
    }
}

fn number(body: &[u8]) -> u32 {
    assert_eq!(body.len(), 1024);
    u32::from_be_bytes(body[..4].try_into().unwrap())
}

/// How many messages of queue `q` are on disk.
fn on_disk(running: &Running) -> u64 {
    running.broker.vhost("/").unwrap().find_queue("q").unwrap().on_disk()
}

/// Reads bodies on a thread of its own, as the program does.
fn loads(running: &Running) -> thread::JoinHandle<()> {
    let broker = Arc::clone(&running.broker);
    thread::spawn(move || broker.run_loads().unwrap())
}

#[test]
fn a_backlog_over_its_budget_is_served_in_order_before_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let running = start_with_budget(Some(dir.path()), 1 << 20);
    let loader = loads(&running);
    let mut client = Client::open(running.address, false);
    client.declare("q", true);
    fill(&mut client, 0);
    assert!(on_disk(&running) > u64::from(MESSAGES) / 2, "{}", on_disk(&running));
    let mut consumer = Client::open(running.address, false);
    consumer.consume("q", true);
    for want in 0..MESSAGES / 2 {
        assert_eq!(number(&consumer.delivery()), want);
    }
    // New ones go behind the old ones while there is a consumer, too.
    client.publish("q", true, &[&u32::MAX.to_be_bytes()[..], &[0; 1020]].concat());
    for want in MESSAGES / 2..MESSAGES {
        assert_eq!(number(&consumer.delivery()), want);
    }
    assert_eq!(number(&consumer.delivery()), u32::MAX);
    assert_eq!(on_disk(&running), 0);
    drop(consumer);
    drop(client);

    let mut client = Client::open(running.address, false);
    fill(&mut client, 0);
    running.broker.stop_loads();
    loader.join().unwrap();
    running.stop();

    let running = start_with_budget(Some(dir.path()), 1 << 20);
    assert!(on_disk(&running) > u64::from(MESSAGES) / 2, "{}", on_disk(&running));
    let loader = loads(&running);
    let mut consumer = Client::open(running.address, false);
    consumer.consume("q", true);
    for want in 0..MESSAGES {
        assert_eq!(number(&consumer.delivery()), want);
    }
    running.broker.stop_loads();
    loader.join().unwrap();
}

#[test]
fn get_and_purge_reach_what_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let running = start_with_budget(Some(dir.path()), 1 << 20);
    let mut client = Client::open(running.address, false);
    client.declare("q", true);
    fill(&mut client, 0);
    let away = on_disk(&running);
    assert!(away > 0);
    for want in 0..MESSAGES - u32::try_from(away).unwrap() + 10 {
        client.cast(1, (60, 70), |out| out.extend_from_slice(b"\0\0\x01q\x01"));
        client.expect((60, 71));
        client.frame();
        assert_eq!(number(&client.frame().2), want);
    }
    let left = client.call((50, 30), (50, 31), |out| out.extend_from_slice(b"\0\0\x01q\0"));
    let left = u32::from_be_bytes(left[..4].try_into().unwrap());
    assert_eq!(u64::from(left), away - 10);
    assert_eq!(on_disk(&running), 0);
    client.cast(1, (60, 70), |out| out.extend_from_slice(b"\0\0\x01q\x01"));
    client.expect((60, 72));
}

#[test]
fn without_pressure_nothing_goes_to_disk() {
    let running = start(None);
    let mut client = Client::open(running.address, false);
    client.declare("q", true);
    fill(&mut client, 0);
    assert_eq!(on_disk(&running), 0);
}
