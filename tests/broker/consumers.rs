//! Consumers that go, and queues that go with somebody.

use amq_protocol::protocol::{AMQPClass, basic, queue};

use super::client::{Basic, Client, Queue, short};
use super::process::Setup;

fn exclusive(client: &mut Client, name: &str) {
    client.declare(queue::Declare {
        queue: short(name),
        exclusive: true,
        ..Default::default()
    });
}

/// Asks until the queue is gone: the broker notices a dropped connection in its own time.
fn await_gone(client: &mut Client, name: &str) {
    while client.waiting_or_locked(name).is_some() {}
}

#[test]
fn exclusive_queues_go_with_their_connection() {
    let broker = Setup::new("").start();
    let mut other = broker.connect();
    let mut closed = broker.connect();
    exclusive(&mut closed, "closed");
    assert_eq!(other.waiting_or_locked("closed"), Some(405));
    closed.close();
    await_gone(&mut other, "closed");
    let mut dropped = broker.connect();
    exclusive(&mut dropped, "dropped");
    drop(dropped);
    await_gone(&mut other, "dropped");
}

#[test]
fn an_exclusive_queue_does_not_survive_a_restart_even_if_durable() {
    let setup = Setup::new("");
    let broker = setup.start();
    let mut client = broker.connect();
    client.declare(queue::Declare {
        queue: short("mine"),
        exclusive: true,
        durable: true,
        ..Default::default()
    });
    broker.kill();
    let broker = setup.start();
    assert_eq!(broker.connect().waiting("mine"), None);
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.declare(queue::Declare {
        queue: short("passing"),
        auto_delete: true,
        ..Default::default()
    });
    assert_eq!(client.waiting("passing"), Some(0), "it waits for its first consumer");
    let tag = client.consume("passing");
    let cancel = basic::Cancel {
        consumer_tag: tag.as_str().into(),
        nowait: false,
    };
    client.call(1, Basic::Cancel(cancel));
    await_gone(&mut client, "passing");
}

#[test]
fn consumers_hear_that_their_queue_was_deleted() {
    let broker = Setup::new("").start();
    let mut consumer = broker.connect();
    consumer.durable("q");
    let tag = consumer.consume("q");
    let delete = queue::Delete {
        queue: "q".into(),
        ..Default::default()
    };
    let mut other = broker.connect();
    let (_, reply) = other.call(1, Queue::Delete(delete));
    assert!(matches!(reply, AMQPClass::Queue(Queue::DeleteOk(_))), "{reply:?}");
    let (_, heard) = consumer.method();
    let AMQPClass::Basic(Basic::Cancel(cancel)) = heard else {
        panic!("{heard:?} in place of basic.cancel");
    };
    assert_eq!(cancel.consumer_tag.as_str(), tag);
    assert_eq!(consumer.waiting("q"), None, "the channel lives on");
}

#[test]
fn what_a_dropped_connection_held_goes_to_the_next_in_order() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.durable("q");
    client.confirms();
    for number in 0..20_u8 {
        client.publish("", "q", &[number], true);
    }
    client.confirmed(20);
    let mut first = broker.connect();
    first.consume("q");
    for number in 0..20_u8 {
        let received = first.delivery();
        assert_eq!((received.body, received.redelivered), (vec![number], false));
    }
    let mut second = broker.connect();
    second.consume("q");
    drop(first);
    for number in 0..20_u8 {
        let received = second.delivery();
        assert_eq!((received.body, received.redelivered), (vec![number], true));
    }
}

#[test]
fn a_prefetch_is_never_exceeded() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.durable("q");
    client.confirms();
    for number in 0..10_u8 {
        client.publish("", "q", &[number], true);
    }
    client.confirmed(10);
    let mut consumer = broker.connect();
    let qos = basic::Qos {
        prefetch_count: 3,
        global: false,
    };
    consumer.call(1, Basic::Qos(qos));
    consumer.consume("q");
    for _ in 0..3 {
        consumer.delivery();
    }
    // The reply would stand behind a fourth delivery.
    assert_eq!(consumer.waiting("q"), Some(7));
    let ack = basic::Ack {
        delivery_tag: 2,
        multiple: true,
    };
    consumer.send(1, Basic::Ack(ack));
    assert_eq!(consumer.delivery().body, [3]);
    assert_eq!(consumer.delivery().body, [4]);
    assert_eq!(consumer.waiting("q"), Some(5));
}
