//! Alarms as clients see them; what is measured is made up.

use warren::broker::{AlarmLimits, ResourceUsage};

use warren::store::{StoreOptions, SyncMode};

use super::client::Client;
use super::{Running, start, start_with};

const ACK: (u16, u16) = (60, 80);
const BLOCKED: (u16, u16) = (10, 60);
const UNBLOCKED: (u16, u16) = (10, 61);

fn with_limits() -> Running {
    let running = start(None);
    running.broker.alarms().set_limits(AlarmLimits {
        disk_free_bytes: 100,
        memory_bytes: 1000,
    });
    running
}

fn measure(running: &Running, disk_free_bytes: u64, memory_bytes: u64) {
    running.broker.alarms().check(ResourceUsage {
        disk_free_bytes,
        memory_bytes,
    });
}

fn publisher(running: &Running, blocked: bool) -> Client {
    let mut client = Client::open(running.address, blocked);
    client.declare("q", false);
    client.confirm();
    client
}

#[test]
fn a_publisher_is_blocked_and_its_publishes_wait_until_the_alarm_is_over() {
    let running = with_limits();
    let mut publisher = publisher(&running, true);
    publisher.publish("q", false, b"one");
    publisher.expect(ACK);
    measure(&running, 99, 0);
    assert_eq!(publisher.expect(BLOCKED), b"\x0blow on disk");
    publisher.publish("q", false, b"two");
    // A consumer goes on: many round trips, in which the publish would be confirmed if it were read.
    let mut consumer = Client::open(running.address, true);
    consumer.consume("q", true);
    assert_eq!(consumer.delivery(), b"one");
    for _ in 0..50 {
        consumer.declare("q", false);
    }
    measure(&running, 100, 0);
    publisher.expect(UNBLOCKED);
    publisher.expect(ACK);
    assert_eq!(consumer.delivery(), b"two");
}

#[test]
fn a_connection_that_starts_to_publish_during_an_alarm_is_blocked_then() {
    let running = with_limits();
    measure(&running, 1000, 1001);
    let mut publisher = publisher(&running, true);
    publisher.publish("q", false, b"one");
    // What came with the first publish is taken; its confirm may come before or behind the notice.
    let mut seen = [publisher.frame(), publisher.frame()].map(|(_, method, rest)| (method, rest));
    seen.sort();
    assert_eq!(seen[0], (BLOCKED, b"\x0dlow on memory".to_vec()));
    assert_eq!(seen[1].0, ACK);
    measure(&running, 1000, 1000);
    publisher.expect(UNBLOCKED);
    publisher.declare("q", false);
}

#[test]
fn a_client_that_cannot_take_the_notice_is_blocked_without_it() {
    let running = with_limits();
    let mut publisher = publisher(&running, false);
    publisher.publish("q", false, b"one");
    publisher.expect(ACK);
    measure(&running, 99, 1001);
    let mut witness = Client::open(running.address, true);
    witness.declare("q", false);
    publisher.publish("q", false, b"two");
    measure(&running, 100, 1001);
    measure(&running, 100, 1000);
    publisher.expect(ACK);
}

#[test]
fn publishers_wait_while_too_much_waits_for_the_disk_and_consumers_do_not() {
    let dir = tempfile::tempdir().unwrap();
    // A disk that is slower than any test: what nobody wants confirmed is not written for a minute.
    let options = StoreOptions {
        settle_window_us: 60_000_000,
        ..StoreOptions::new(dir.path())
    };
    let running = start_with(options, u64::MAX);
    let messages = running.broker.messages();
    messages.set_backlog_limit(3000);
    let mut publisher = Client::open(running.address, true);
    publisher.declare("q", true);
    publisher.publish("q", true, &[1; 2000]);
    publisher.declare("q", true);
    publisher.publish("q", true, &[2; 2000]);
    assert_eq!(publisher.expect(BLOCKED), b"\x19the disk does not keep up");
    publisher.publish("q", true, &[3; 2000]);
    let mut consumer = Client::open(running.address, true);
    consumer.consume("q", true);
    assert_eq!(consumer.delivery()[0], 1);
    assert_eq!(consumer.delivery()[0], 2);
    consumer.declare("q", true);
    assert_eq!(messages.backlog_bytes(), 0);
    // The commit thread looks up.
    messages.set_sync(SyncMode::Always);
    publisher.expect(UNBLOCKED);
    assert_eq!(consumer.delivery()[0], 3);
}
