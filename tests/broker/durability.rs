//! What survives a restart, and what must not.

use amq_protocol::protocol::{basic, exchange, queue};

use super::client::{Basic, Client, Exchange, Queue, short};
use super::process::{Broker, Setup};

fn declare_exchange(client: &mut Client, name: &str, durable: bool) {
    let declare = exchange::Declare {
        exchange: name.into(),
        kind: "topic".into(),
        durable,
        ..Default::default()
    };
    client.call(1, Exchange::Declare(declare));
}

fn bind(client: &mut Client, queue: &str, exchange: &str, key: &str) {
    let bind = queue::Bind {
        queue: queue.into(),
        exchange: exchange.into(),
        routing_key: key.into(),
        ..Default::default()
    };
    client.call(1, Queue::Bind(bind));
}

/// Ends the broker the one way or the other.
type Ending = fn(Broker);

fn restarts(messages: &str, ending: Ending) {
    let setup = Setup::new(&format!("[store]\nmessages = \"{messages}\"\n"));
    let broker = setup.start();
    let mut client = broker.connect();
    declare_exchange(&mut client, "durable", true);
    declare_exchange(&mut client, "passing", false);
    client.durable("kept");
    client.declare(queue::Declare {
        queue: short("transient"),
        ..Default::default()
    });
    bind(&mut client, "kept", "durable", "a.#");
    bind(&mut client, "kept", "passing", "#");
    client.confirms();
    for number in 0..100_u32 {
        client.publish("durable", "a.b", &number.to_be_bytes(), true);
        client.publish("durable", "a.b", b"transient", false);
        client.publish("", "transient", b"persistent", true);
    }
    client.confirmed(300);
    ending(broker);

    let broker = setup.start();
    let mut client = broker.connect();
    assert_eq!(client.waiting("transient"), None);
    assert_eq!(client.waiting("kept"), Some(100), "no transient message");
    client.consume("kept");
    for number in 0..100_u32 {
        let received = client.delivery();
        assert_eq!(received.body, number.to_be_bytes());
        assert!(received.redelivered, "it may have been with a consumer");
        assert_eq!(received.key, "a.b");
    }
    client.open_channel(2);
    let gone = exchange::Declare {
        exchange: "passing".into(),
        passive: true,
        ..Default::default()
    };
    let (_, reply) = client.call(2, Exchange::Declare(gone));
    assert!(format!("{reply:?}").contains("404"), "{reply:?}");
    let mut client = broker.connect();
    client.confirms();
    client.publish("durable", "a", b"bound still", true);
    client.confirmed(1);
}

#[test]
fn durable_things_survive_a_stop_with_the_log() {
    restarts("log", Broker::stop);
}

#[test]
fn durable_things_survive_a_stop_with_sled() {
    restarts("sled", Broker::stop);
}

#[test]
fn durable_things_survive_a_kill_with_the_log() {
    restarts("log", Broker::kill);
}

#[test]
fn durable_things_survive_a_kill_with_sled() {
    restarts("sled", Broker::kill);
}

#[test]
fn acked_messages_do_not_come_back_after_a_stop() {
    let setup = Setup::new("");
    let broker = setup.start();
    let mut client = broker.connect();
    client.durable("q");
    client.confirms();
    for number in 0..10_u8 {
        client.publish("", "q", &[number], true);
    }
    client.confirmed(10);
    client.consume("q");
    let tags: Vec<u64> = (0..10).map(|_| client.delivery().tag).collect();
    for at in [0, 3, 4, 9] {
        let ack = basic::Ack {
            delivery_tag: tags[at],
            multiple: false,
        };
        client.send(1, Basic::Ack(ack));
    }
    // The reply says that the acks were handled.
    client.waiting("q");
    broker.stop();
    let broker = setup.start();
    let mut client = broker.connect();
    let left: Vec<u8> = std::iter::from_fn(|| client.get("q"))
        .map(|message| message.body[0])
        .collect();
    assert_eq!(left, [1, 2, 5, 6, 7, 8]);
}

#[test]
fn what_is_deleted_and_purged_stays_gone_after_a_stop() {
    let setup = Setup::new("");
    let broker = setup.start();
    let mut client = broker.connect();
    client.durable("purged");
    client.durable("deleted");
    client.confirms();
    client.publish("", "purged", b"1", true);
    client.publish("", "deleted", b"2", true);
    client.confirmed(2);
    let purge = queue::Purge {
        queue: "purged".into(),
        nowait: false,
    };
    client.call(1, Queue::Purge(purge));
    let delete = queue::Delete {
        queue: "deleted".into(),
        ..Default::default()
    };
    client.call(1, Queue::Delete(delete));
    broker.stop();
    let broker = setup.start();
    let mut client = broker.connect();
    assert_eq!(client.waiting("purged"), Some(0));
    assert_eq!(client.waiting("deleted"), None);
    client.durable("deleted");
    assert_eq!(
        client.waiting("deleted"),
        Some(0),
        "a new queue of an old name is empty"
    );
}

#[test]
fn another_engine_is_refused_by_name() {
    let setup = Setup::new("[store]\nmessages = \"log\"\n");
    setup.start().stop();
    setup.write("[store]\nmessages = \"sled\"\n");
    let output = setup.refused();
    let text = super::process::errors(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("log") && text.contains("sled") && text.contains("data"),
        "{text}"
    );
}
