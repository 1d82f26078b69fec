//! Rate quotas: publishers are slowed, and only they.
//!
//! That a rate is kept is shown by a time below which it cannot have been: a slow machine makes no difference.

use std::time::{Duration, Instant};

use amq_protocol::protocol::AMQPClass;

use super::client::{Basic, Client, Connection};
use super::process::Setup;

const BY_POLICY: &str = "[[policies]]\nname = \"slow\"\npattern = \"^slow$\"\napply_to = \"queues\"\n";

/// Publishes `count` messages of ten bytes to `slow` and waits until all are confirmed.
fn publish(client: &mut Client, count: u64) -> Duration {
    client.durable("slow");
    client.confirms();
    let start = Instant::now();
    for _ in 0..count {
        client.publish("", "slow", b"ten bytes.", true);
    }
    client.confirmed(count);
    let took = start.elapsed();
    assert_eq!(client.waiting("slow"), Some(count as u32), "a message was lost");
    took
}

#[test]
fn a_rate_holds_whatever_sets_it_and_nothing_is_lost() {
    let user = "[[users]]\nname = \"guest\"\npassword = \"guest\"\ntags = [\"administrator\"]\n";
    let permission = "[[permissions]]\nuser = \"guest\"\nconfigure = \".*\"\nwrite = \".*\"\nread = \".*\"\n";
    for (what, text) in [
        (
            "queue",
            format!("{BY_POLICY}definition = {{ message-rate-per-s = 200 }}\n"),
        ),
        (
            "queue's bytes",
            format!("{BY_POLICY}definition = {{ byte-rate-per-s = 2000 }}\n"),
        ),
        (
            "vhost",
            "[[vhosts]]\nname = \"/\"\nmessage_rate_per_s = 200\n".to_owned(),
        ),
        ("user", format!("{user}byte_rate_per_s = 2000\n{permission}")),
    ] {
        let broker = Setup::new(&text).start();
        let took = publish(&mut broker.connect(), 121);
        // 20 in the first burst, one that is taken and paid for later, and 100 at 200 a second.
        assert!(took >= Duration::from_millis(499), "{what}: {took:?}");
    }
}

#[test]
fn others_are_not_slowed() {
    let text = format!("{BY_POLICY}definition = {{ message-rate-per-s = 1 }}\n");
    let broker = Setup::new(&text).start();
    let mut slow = broker.connect();
    slow.durable("slow");
    slow.confirms();
    for _ in 0..200 {
        slow.publish("", "slow", b"x", true);
    }
    let mut other = broker.connect();
    other.durable("fast");
    other.confirms();
    for _ in 0..1_000 {
        other.publish("", "fast", b"x", true);
    }
    other.confirmed(1_000);
    let waiting = other.waiting("slow").unwrap();
    assert!(waiting < 200, "{waiting} of 200 came at one a second");
}

/// Reads until `wanted` publishes are confirmed; notes blocked and unblocked on the way.
fn read_on(client: &mut Client, confirmed: &mut u64, wanted: u64, notices: &mut Vec<String>, enough: usize) {
    while *confirmed < wanted || notices.len() < enough {
        match client.method().1 {
            AMQPClass::Basic(Basic::Ack(ack)) => *confirmed = ack.delivery_tag,
            AMQPClass::Connection(Connection::Blocked(blocked)) => notices.push(blocked.reason.to_string()),
            AMQPClass::Connection(Connection::Unblocked(_)) => notices.push("unblocked".to_owned()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_client_hears_that_it_is_slowed_and_of_the_end_when_the_quota_is_lifted() {
    let text = format!("{BY_POLICY}definition = {{ message-rate-per-s = 1 }}\n");
    let setup = Setup::new(&text);
    let broker = setup.start();
    let mut client = broker.connect();
    client.durable("slow");
    client.confirms();
    for _ in 0..500 {
        client.publish("", "slow", b"x", true);
    }
    let (mut confirmed, mut notices) = (0, Vec::new());
    read_on(&mut client, &mut confirmed, 1, &mut notices, 1);
    assert_eq!(notices, ["over the rate quota"]);
    assert!(confirmed < 500);
    setup.write("");
    broker.signal("HUP");
    broker.await_log("the configuration no longer declares this policy");
    read_on(&mut client, &mut confirmed, 500, &mut notices, 2);
    assert_eq!(notices, ["over the rate quota", "unblocked"]);
    assert_eq!(client.waiting("slow"), Some(500));
}

#[test]
fn a_client_that_is_slowed_can_be_told_of_the_end() {
    let text = format!("{BY_POLICY}definition = {{ message-rate-per-s = 1 }}\n");
    let broker = Setup::new(&text).start();
    let mut client = broker.connect();
    client.durable("slow");
    for _ in 0..100 {
        client.publish("", "slow", b"x", false);
    }
    broker.signal("TERM");
    // It is held, and closes in order all the same.
    loop {
        match client.method().1 {
            AMQPClass::Connection(Connection::Close(close)) => {
                assert_eq!(close.reply_code, 320);
                break;
            }
            AMQPClass::Connection(Connection::Blocked(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    client.send(0, Connection::CloseOk(amq_protocol::protocol::connection::CloseOk {}));
    assert_eq!(broker.end().0, Some(0));
}
