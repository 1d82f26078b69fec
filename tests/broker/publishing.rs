//! Confirms, returns, transactions and flow.

use amq_protocol::protocol::{AMQPClass, channel, tx};

use super::client::{Basic, Channel, Class, End};
use super::process::Setup;

#[test]
fn many_confirms_go_under_one_multiple() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.durable("q");
    client.confirms();
    const COUNT: u64 = 5000;
    for _ in 0..COUNT {
        client.publish("", "q", b"together", true);
    }
    let acks = client.confirmed(COUNT);
    assert!((acks as u64) < COUNT, "each had an ack of its own");
    assert_eq!(client.waiting("q"), Some(COUNT as u32));
}

#[test]
fn a_message_that_reaches_no_queue_is_returned_before_its_ack() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    client.confirms();
    client.publish("", "nobody", b"back", true);
    let (_, returned) = client.method();
    let AMQPClass::Basic(Basic::Return(returned)) = returned else {
        panic!("{returned:?} in place of basic.return");
    };
    assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
    assert_eq!(client.body(), b"back");
    client.confirmed_one();
}

#[test]
fn a_transaction_is_seen_when_it_is_committed_and_kept_by_then() {
    let setup = Setup::new("");
    let broker = setup.start();
    let mut client = broker.connect();
    client.durable("q");
    let transaction = |method| Class(AMQPClass::Tx(method));
    client.call(1, transaction(tx::AMQPMethod::Select(tx::Select {})));
    client.publish("", "q", b"one", true);
    client.publish("", "q", b"two", true);
    assert_eq!(client.waiting("q"), Some(0));
    client.call(1, transaction(tx::AMQPMethod::Rollback(tx::Rollback {})));
    assert_eq!(client.waiting("q"), Some(0));
    client.publish("", "q", b"three", true);
    client.call(1, transaction(tx::AMQPMethod::Commit(tx::Commit {})));
    assert_eq!(client.waiting("q"), Some(1));
    broker.kill();
    let broker = setup.start();
    assert_eq!(broker.connect().get("q").unwrap().body, b"three");
}

#[test]
fn flow_can_be_asked_for_but_not_stopped() {
    let broker = Setup::new("").start();
    let mut client = broker.connect();
    let (_, reply) = client.call(1, Channel::Flow(channel::Flow { active: true }));
    let AMQPClass::Channel(Channel::FlowOk(ok)) = reply else {
        panic!("{reply:?} in place of flow-ok");
    };
    assert!(ok.active);
    client.send(1, Channel::Flow(channel::Flow { active: false }));
    let End::Close(code, text) = client.end() else {
        panic!("closed without a word");
    };
    assert_eq!(code, 540);
    assert_eq!(text, "NOT_IMPLEMENTED - active=false");
}
