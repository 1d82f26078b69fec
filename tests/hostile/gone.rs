//! Clients whose socket breaks while messages are on their way to them.

use std::sync::Arc;

use warren::session::{Next, Session};

use super::broker::{TestBroker, session, settings};
use super::client::{Client, consume, long, method, short};

/// A session without a socket, which consumes from `queue` on channel 1.
fn consumer(broker: &TestBroker, queue: &str) -> Session {
    let peer = "127.0.0.1:5000".parse().unwrap();
    let mut session = Session::new(Arc::clone(&broker.broker), Arc::new(session()), peer);
    let start_ok = [&long(b"")[..], &short("PLAIN"), &long(b"\0ann\0ann"), &short("en_US")].concat();
    let mut input = b"AMQP\0\0\x09\x01".to_vec();
    input.extend(method(0, 10, 11, &start_ok));
    let (_, next) = session.input(&input);
    if next == Next::LogIn {
        let login = session.login_check().unwrap().run();
        session.logged_in(login);
    }
    let mut input = method(0, 10, 31, &[0, 0, 0, 2, 0, 0, 0, 0]);
    input.extend(method(0, 10, 40, &[&short("/")[..], &[0, 0]].concat()));
    input.extend(method(1, 20, 10, &[0]));
    input.extend(consume(1, queue, "gone", false));
    assert_eq!(session.input(&input), (input.len(), Next::Read));
    session
}

#[test]
fn what_was_delivered_to_a_broken_socket_comes_back() {
    let broker = TestBroker::start(settings());
    let mut publisher = Client::open(broker.address, "ann");
    publisher.declare(1, "q");
    let mut gone = consumer(&broker, "q");
    // The writer has seen the end of the socket; the session hears of it a moment later.
    gone.outbox().abandon();
    for number in 0..5u8 {
        publisher.publish_and_wait(1, "q", &[number]);
    }
    gone.end();
    let queue = broker.broker.vhost("/").unwrap().find_queue("q").unwrap();
    let state = queue.state();
    assert_eq!((state.ready, state.unacked, state.consumers), (5, 0, 0));
    let mut next = Client::open(broker.address, "ann");
    next.consume(1, "q", false);
    for number in 0..5u8 {
        assert_eq!(next.delivery().1, [number]);
    }
}
