//! What a client sees of single features: delivery counts, user-id, direct reply-to.

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::protocol::{AMQPClass, basic, exchange, queue, tx};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::client::{Basic, Class, Client, Exchange, Queue, Received, short};
use super::process::Setup;

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The header `x-delivery-count` of the message that comes next.
fn count_of_next(client: &mut Client) -> (Option<i64>, u64) {
    let (_, method) = client.method();
    let AMQPClass::Basic(Basic::Deliver(deliver)) = method else {
        panic!("{method:?} in place of a delivery");
    };
    let headers = client.content().0.headers().clone().unwrap_or_default();
    let count = headers.inner().get("x-delivery-count").map(|value| match value {
        AMQPValue::LongLongInt(count) => *count,
        other => panic!("{other:?}"),
    });
    (count, deliver.delivery_tag)
}

/// A header of the publisher's.
fn own() -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("own".into(), AMQPValue::Boolean(true));
    table
}

fn requeue(client: &mut Client, delivery_tag: u64) {
    let nack = basic::Nack {
        delivery_tag,
        multiple: false,
        requeue: true,
    };
    client.send(1, Basic::Nack(nack));
}

#[test]
fn what_comes_again_tells_how_often_in_queues_of_every_type() {
    let broker = Setup::new("").start();
    for kind in ["classic", "quorum"] {
        let mut client = broker.connect();
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(2));
        client.declare(queue::Declare {
            queue: short(kind),
            durable: true,
            arguments,
            ..Default::default()
        });
        let properties = AMQPProperties::default().with_headers(own());
        client.publish_with(1, "", kind, b"m", properties);
        client.consume(kind);
        for expected in [None, Some(1), Some(2)] {
            let (count, tag) = count_of_next(&mut client);
            assert_eq!(count, expected, "{kind}");
            requeue(&mut client, tag);
        }
        assert_eq!(client.waiting(kind), Some(0), "{kind}: its limit was passed");
        client.close();
    }
}

#[test]
fn a_count_comes_with_basic_get_and_leaves_the_other_properties_alone() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.durable("q");
    let properties = AMQPProperties::default()
        .with_headers(own())
        .with_message_id("7".into());
    client.publish_with(1, "", "q", b"m", properties.clone());
    let Received { tag, .. } = client.get("q").unwrap();
    requeue(&mut client, tag);
    let (_, again, body) = client.get_content("q").unwrap();
    let mut counted = own();
    counted.insert("x-delivery-count".into(), AMQPValue::LongLongInt(1));
    assert_eq!((again, body), (properties.with_headers(counted), b"m".to_vec()));
}

#[test]
fn a_user_id_has_to_be_that_of_the_login() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.durable("q");
    let claimed = |user: &str| AMQPProperties::default().with_user_id(user.into());
    client.publish_with(1, "", "q", b"m", claimed("guest"));
    assert_eq!(client.waiting("q"), Some(1));
    client.publish_with(1, "", "q", b"m", claimed("boss"));
    let text = "PRECONDITION_FAILED - user_id property set to 'boss' but authenticated user was 'guest'";
    assert_eq!(client.channel_close(), (406, text.to_owned()));
    client.open_channel(1);
    assert_eq!(client.waiting("q"), Some(1));
}

fn consume_replies(client: &mut Client, no_ack: bool) {
    let consume = basic::Consume {
        queue: REPLY_TO.into(),
        no_ack,
        ..Default::default()
    };
    client.send(1, Basic::Consume(consume));
}

#[test]
fn a_direct_reply_finds_its_way() {
    let broker = Setup::new("").start();
    let (mut client, mut server) = (broker.connect(), broker.connect());
    server.durable("questions");
    consume_replies(&mut client, true);
    assert!(matches!(client.method(), (1, AMQPClass::Basic(Basic::ConsumeOk(_)))));
    let properties = AMQPProperties::default().with_reply_to(REPLY_TO.into());
    client.publish_with(1, "", "questions", b"?", properties);
    assert_eq!(client.waiting("questions"), Some(1));
    let (_, asked, _) = server.get_content("questions").unwrap();
    let address = asked.reply_to().clone().unwrap().to_string();
    assert_ne!(address, REPLY_TO, "an address of its own");
    server.publish("", &address, b"!", false);
    let reply = client.delivery();
    assert_eq!((reply.body, reply.key), (b"!".to_vec(), address.clone()));
    // Who has gone hears nothing, and the server learns it from a return.
    client.close();
    server.confirms();
    server.publish("", &address, b"late", false);
    assert!(matches!(server.method(), (1, AMQPClass::Basic(Basic::Return(_)))));
}

/// The broker closes the channel with 406 and this text; it is opened again.
fn closed(client: &mut Client, text: &str) {
    assert_eq!(client.channel_close(), (406, format!("PRECONDITION_FAILED - {text}")));
    client.open_channel(1);
}

#[test]
fn faults_of_direct_replies_are_named() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    consume_replies(&mut client, false);
    closed(&mut client, "reply consumer cannot acknowledge");
    consume_replies(&mut client, true);
    client.method();
    consume_replies(&mut client, true);
    closed(&mut client, "reply consumer already set");
    let properties = AMQPProperties::default().with_reply_to(REPLY_TO.into());
    client.publish_with(1, "", "questions", b"?", properties);
    closed(&mut client, "fast reply consumer does not exist");
}

/// `once` refuses what it has routed; all goes to the queue `all`.
fn exchange_that_remembers(client: &mut Client) {
    client.durable("all");
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-deduplication".into(), AMQPValue::Boolean(true));
    let declare = exchange::Declare {
        exchange: "once".into(),
        kind: "fanout".into(),
        durable: true,
        arguments,
        ..Default::default()
    };
    client.call(1, Exchange::Declare(declare));
    let bind = queue::Bind {
        queue: "all".into(),
        exchange: "once".into(),
        ..Default::default()
    };
    client.call(1, Queue::Bind(bind));
}

/// A persistent message whose value is the same each time.
fn publish_once(client: &mut Client) {
    let mut headers = FieldTable::default();
    headers.insert("x-deduplication-header".into(), AMQPValue::LongLongInt(7));
    let properties = AMQPProperties::default().with_delivery_mode(2).with_headers(headers);
    client.publish_with(1, "once", "", b"m", properties);
}

#[test]
fn a_killed_exchange_remembers_what_was_consumed_already() {
    let setup = Setup::new("");
    let broker = setup.start();
    let mut client = broker.connect();
    exchange_that_remembers(&mut client);
    client.confirms();
    publish_once(&mut client);
    client.confirmed_one();
    assert_eq!(client.get_content("all").map(|(_, _, body)| body), Some(b"m".to_vec()));
    // Settlements and values may wait a moment for each other: after so many rounds to the disk they are there.
    client.durable("other");
    for _ in 0..100 {
        client.publish("", "other", b"later", true);
        client.confirmed_one();
    }
    broker.kill();
    let broker = setup.start();
    let mut client = broker.connect();
    client.confirms();
    publish_once(&mut client);
    client.confirmed_one();
    assert_eq!(client.waiting("all"), Some(0));
}

#[test]
fn what_a_transaction_took_back_may_come_again() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    exchange_that_remembers(&mut client);
    let transaction = |method| Class(AMQPClass::Tx(method));
    client.call(1, transaction(tx::AMQPMethod::Select(tx::Select {})));
    publish_once(&mut client);
    client.call(1, transaction(tx::AMQPMethod::Rollback(tx::Rollback {})));
    publish_once(&mut client);
    publish_once(&mut client);
    assert_eq!(client.waiting("all"), Some(0));
    client.call(1, transaction(tx::AMQPMethod::Commit(tx::Commit {})));
    assert_eq!(client.waiting("all"), Some(1), "once");
    publish_once(&mut client);
    client.call(1, transaction(tx::AMQPMethod::Commit(tx::Commit {})));
    assert_eq!(client.waiting("all"), Some(1), "and once for all");
}

/// A queue behind the exchange that takes one message, refuses more, and has one.
fn full_behind(client: &mut Client) {
    exchange_that_remembers(client);
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    client.declare(queue::Declare {
        queue: short("full"),
        durable: true,
        arguments,
        ..Default::default()
    });
    let bind = queue::Bind {
        queue: "full".into(),
        exchange: "once".into(),
        ..Default::default()
    };
    client.call(1, Queue::Bind(bind));
    client.publish("", "full", b"first", true);
}

#[test]
fn what_a_queue_refused_is_no_duplicate_when_it_comes_again() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.confirms();
    full_behind(&mut client);
    client.confirmed_one();
    publish_once(&mut client);
    let reply = client.method();
    assert!(matches!(reply, (1, AMQPClass::Basic(Basic::Nack(_)))), "{reply:?}");
    assert!(client.get_content("full").is_some());
    for _ in 0..2 {
        publish_once(&mut client);
        client.confirmed_one();
        assert_eq!(client.waiting("full"), Some(1));
    }
    assert_eq!(client.waiting("all"), Some(2), "it took both, and not the duplicate");
}

#[test]
fn what_a_queue_refused_of_a_transaction_may_come_again() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    full_behind(&mut client);
    let transaction = |method| Class(AMQPClass::Tx(method));
    client.call(1, transaction(tx::AMQPMethod::Select(tx::Select {})));
    publish_once(&mut client);
    client.call(1, transaction(tx::AMQPMethod::Commit(tx::Commit {})));
    let purge = queue::Purge {
        queue: "full".into(),
        ..Default::default()
    };
    client.call(1, Queue::Purge(purge));
    for _ in 0..2 {
        publish_once(&mut client);
        client.call(1, transaction(tx::AMQPMethod::Commit(tx::Commit {})));
        assert_eq!(client.waiting("full"), Some(1));
    }
}

/// A queue whose rejected messages go to `dead`.
fn work(client: &mut Client, dead: &str) {
    client.durable(dead);
    let mut arguments = FieldTable::default();
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
    arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString(dead.into()));
    client.declare(queue::Declare {
        queue: short("work"),
        durable: true,
        arguments,
        ..Default::default()
    });
}

fn reject_one(client: &mut Client) {
    client.publish("", "work", b"m", true);
    let Received { tag, .. } = client.get("work").unwrap();
    let reject = basic::Reject {
        delivery_tag: tag,
        requeue: false,
    };
    client.send(1, Basic::Reject(reject));
}

#[test]
fn a_dead_letter_alert_is_in_the_log_when_it_is_raised_and_when_it_is_over() {
    let policy =
        "[[policies]]\nname = \"watch\"\npattern = \".*\"\ndefinition = { dead-letter-alert = { count = 2 } }\n";
    let broker = Setup::new(policy).start();
    let mut client = broker.connect();
    work(&mut client, "dead");
    reject_one(&mut client);
    reject_one(&mut client);
    let line = broker.await_log("dead-letter alert raised");
    for part in ["dead", "WARN"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(client.get_content("dead").is_some());
    broker.await_log("dead-letter alert cleared");
}

#[test]
fn an_operator_policy_of_the_file_lowers_what_a_policy_of_the_file_allows() {
    let policies = "[[policies]]\nname = \"p\"\npattern = \"^short$\"\napply_to = \"queues\"\n\
        definition = { max-length = 5 }\n\
        [[operator_policies]]\nname = \"o\"\npattern = \"^short$\"\ndefinition = { max-length = 2, message-ttl = 3600000 }\n";
    let broker = Setup::new(policies).start();
    let mut client = broker.connect();
    client.durable("short");
    client.confirms();
    for body in [b"1", b"2", b"3"] {
        client.publish("", "short", body, true);
        client.confirmed_one();
    }
    assert_eq!(client.waiting("short"), Some(2));
    assert_eq!(client.get("short").unwrap().body, b"2", "the oldest made room");
}
