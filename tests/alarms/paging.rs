//! A backlog that does not fit into its budget.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use warren::bench::wire::FieldValue;
use warren::broker::Broker;
use warren::store::EngineKind;

use super::client::Client;
use super::{ENGINES, Running, start, start_engine};

const ACK: (u16, u16) = (60, 80);
const MESSAGES: u32 = 6000;

/// A broker with a budget of 1 MiB, and the thread that reads bodies back, as the program has it.
struct Paging {
    running: Running,
    loader: thread::JoinHandle<()>,
}

impl Paging {
    fn start(engine: EngineKind, dir: &Path) -> Self {
        let running = start_engine(engine, Some(dir), 1 << 20);
        let broker = Arc::clone(&running.broker);
        let loader = thread::spawn(move || broker.run_loads().unwrap());
        Self { running, loader }
    }

    fn client(&self) -> Client {
        Client::open(self.running.address, false)
    }

    fn broker(&self) -> &Broker {
        &self.running.broker
    }

    /// How many messages of queue `q` are on disk.
    fn on_disk(&self) -> u32 {
        on_disk(&self.running)
    }

    fn stop(self) {
        self.running.broker.stop_loads();
        self.loader.join().unwrap();
        self.running.stop();
    }
}

fn on_disk(running: &Running) -> u32 {
    let queue = running.broker.vhost("/").unwrap().find_queue("q").unwrap();
    u32::try_from(queue.on_disk()).unwrap()
}

fn body(number: u32) -> Vec<u8> {
    let mut body = vec![b'x'; 1024];
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

/// Publishes numbered messages of 1 KiB and waits until all are confirmed.
fn fill(client: &mut Client, publish: impl Fn(&mut Client, u32)) {
    client.confirm();
    (0..MESSAGES).for_each(|number| publish(client, number));
    let mut confirmed = 0;
    while confirmed < u64::from(MESSAGES) {
        let arguments = client.expect(ACK);
        let tag = u64::from_be_bytes(arguments[..8].try_into().unwrap());
        // One tag, or all up to it.
        confirmed = if arguments[8] & 1 == 1 { tag } else { confirmed + 1 };
    }
}

fn persistent(client: &mut Client, number: u32) {
    client.publish("q", true, &body(number));
}

fn transient(client: &mut Client, number: u32) {
    client.publish("q", false, &body(number));
}

fn number(body: &[u8]) -> u32 {
    assert_eq!(body.len(), 1024);
    u32::from_be_bytes(body[..4].try_into().unwrap())
}

fn get(client: &mut Client) -> u32 {
    client.cast(1, (60, 70), |out| out.extend_from_slice(b"\0\0\x01q\x01"));
    client.expect((60, 71));
    client.frame();
    number(&client.frame().2)
}

fn arguments<const N: usize>(list: [(&str, FieldValue); N]) -> Vec<(String, FieldValue)> {
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn a_backlog_over_its_budget_is_served_in_order_before_and_after_a_restart() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let paging = Paging::start(engine, dir.path());
        let mut client = paging.client();
        client.declare("q", true);
        fill(&mut client, persistent);
        assert!(paging.on_disk() > MESSAGES / 2, "{}", paging.on_disk());
        let mut consumer = paging.client();
        consumer.consume("q", true);
        for want in 0..MESSAGES / 2 {
            assert_eq!(number(&consumer.delivery()), want);
        }
        // New ones go behind the old ones while there is a consumer, too.
        client.publish("q", true, &body(u32::MAX));
        for want in MESSAGES / 2..MESSAGES {
            assert_eq!(number(&consumer.delivery()), want);
        }
        assert_eq!(number(&consumer.delivery()), u32::MAX);
        assert_eq!(paging.on_disk(), 0);
        drop(consumer);
        drop(client);
        fill(&mut paging.client(), persistent);
        paging.stop();

        let paging = Paging::start(engine, dir.path());
        assert!(paging.on_disk() > MESSAGES / 2, "{}", paging.on_disk());
        let mut consumer = paging.client();
        consumer.consume("q", true);
        for want in 0..MESSAGES {
            assert_eq!(number(&consumer.delivery()), want);
        }
        paging.stop();
    }
}

#[test]
fn transient_messages_go_to_disk_too_and_are_gone_after_a_restart() {
    for (engine, durable) in [
        (EngineKind::Log, true),
        (EngineKind::Sled, true),
        (EngineKind::Log, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let paging = Paging::start(engine, dir.path());
        let mut client = paging.client();
        client.declare("q", durable);
        fill(&mut client, transient);
        assert!(paging.on_disk() > MESSAGES / 2, "{}", paging.on_disk());
        let mut consumer = paging.client();
        consumer.consume("q", true);
        for want in 0..MESSAGES {
            assert_eq!(number(&consumer.delivery()), want);
        }
        drop(consumer);
        fill(&mut paging.client(), transient);
        client.confirm();
        client.publish("q", true, &body(7));
        client.expect(ACK);
        assert!(paging.on_disk() > MESSAGES / 2, "{}", paging.on_disk());
        drop(client);
        paging.stop();

        let paging = Paging::start(engine, dir.path());
        let mut client = paging.client();
        client.declare("q", durable);
        assert_eq!(client.waiting("q"), u32::from(durable));
        if durable {
            assert_eq!(get(&mut client), 7);
        }
        paging.stop();
        // Only what a queue has is in the store.
        let paging = Paging::start(engine, dir.path());
        assert_eq!(paging.broker().messages().statistics().live_messages, 0);
        paging.stop();
    }
}

#[test]
fn messages_expire_on_disk_and_become_dead_letters() {
    let dir = tempfile::tempdir().unwrap();
    let paging = Paging::start(EngineKind::Log, dir.path());
    let mut client = paging.client();
    client.declare("dead", true);
    let with = arguments([
        ("x-message-ttl", FieldValue::Integer(60_000)),
        ("x-dead-letter-exchange", FieldValue::Text(String::new())),
        ("x-dead-letter-routing-key", FieldValue::Text("dead".to_owned())),
    ]);
    client.declare_with("q", true, &with);
    fill(&mut client, |client, number| {
        if number % 2 == 0 {
            persistent(client, number);
        } else {
            transient(client, number);
        }
    });
    assert!(paging.on_disk() > MESSAGES / 2, "{}", paging.on_disk());
    paging.running.clock.advance(60_000);
    paging.broker().run_due_timers();
    let mut consumer = paging.client();
    consumer.consume("dead", true);
    // Those that were in memory are placed by another thread.
    let mut dead: Vec<u32> = (0..MESSAGES).map(|_| number(&consumer.delivery())).collect();
    dead.sort_unstable();
    assert!(dead.into_iter().eq(0..MESSAGES));
    assert_eq!(client.waiting("q"), 0);
    paging.stop();
}

#[test]
fn priorities_hold_across_what_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let paging = Paging::start(EngineKind::Log, dir.path());
    let mut client = paging.client();
    client.declare_with("q", true, &arguments([("x-max-priority", FieldValue::Integer(3))]));
    let priority = |number: u32| (number % 3) as u8;
    fill(&mut client, |client, number| {
        client.publish_first("q", number % 5 != 0, priority(number), &body(number));
    });
    assert!(paging.on_disk() > MESSAGES / 2, "{}", paging.on_disk());
    let mut consumer = paging.client();
    consumer.consume("q", true);
    let mut expected: Vec<u32> = (0..MESSAGES).collect();
    expected.sort_by_key(|number| (3 - priority(*number), *number));
    for want in expected {
        assert_eq!(number(&consumer.delivery()), want);
    }
    paging.stop();
}

#[test]
fn get_peek_and_purge_reach_what_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let paging = Paging::start(EngineKind::Log, dir.path());
    let mut client = paging.client();
    client.declare("q", true);
    fill(&mut client, |client, number| match number % 2 {
        0 => persistent(client, number),
        _ => transient(client, number),
    });
    let away = paging.on_disk();
    assert!(away > 0);
    let vhost = paging.broker().vhost("/").unwrap();
    for position in [0, MESSAGES / 2, MESSAGES - 3] {
        let peeked = paging.broker().peek(&vhost, "q", position as usize, 5).unwrap();
        let found: Vec<u32> = peeked.iter().map(|peeked| number(peeked.message.body())).collect();
        let expected: Vec<u32> = (position..MESSAGES.min(position + 5)).collect();
        assert_eq!(found, expected);
        assert_eq!(peeked[0].position, position as usize);
    }
    for want in 0..MESSAGES - away + 10 {
        assert_eq!(get(&mut client), want);
    }
    let left = client.call((50, 30), (50, 31), |out| out.extend_from_slice(b"\0\0\x01q\0"));
    let left = u32::from_be_bytes(left[..4].try_into().unwrap());
    assert_eq!(left, away - 10);
    assert_eq!(paging.on_disk(), 0);
    client.cast(1, (60, 70), |out| out.extend_from_slice(b"\0\0\x01q\x01"));
    client.expect((60, 72));
    paging.stop();
}

#[test]
fn without_pressure_nothing_goes_to_disk() {
    let running = start(None);
    let mut client = Client::open(running.address, false);
    client.declare("q", true);
    fill(&mut client, persistent);
    assert_eq!(on_disk(&running), 0);
}
