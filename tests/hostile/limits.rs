//! Limits of connections, deliveries and time.

use std::sync::Arc;

use warren::session::SessionSettings;

use super::broker::{TestBroker, session, settings};
use super::client::{Client, get};

fn broker_with(change: impl FnOnce(&mut SessionSettings)) -> TestBroker {
    let mut session = session();
    change(&mut session);
    let mut settings = settings();
    settings.session = Arc::new(session);
    TestBroker::start(settings)
}

fn refusal(broker: &TestBroker, user: &str) -> (u16, String) {
    let refused = Client::connect(broker.address).log_in(user, user, "/");
    refused.unwrap_err().expect("closed without a word")
}

#[test]
fn connections_of_a_vhost() {
    let broker = broker_with(|session| session.connections_per_vhost = 2);
    let first = Client::open(broker.address, "guest");
    let _second = Client::open(broker.address, "ann");
    let text = "NOT_ALLOWED - access to vhost '/' refused for user 'ann': connection limit (2) is reached";
    assert_eq!(refusal(&broker, "ann"), (530, text.to_owned()));
    drop(first);
    broker.await_connections(1);
    Client::open(broker.address, "ann");
}

#[test]
fn connections_of_a_user() {
    let broker = broker_with(|session| session.connections_per_user = 1);
    let mut first = Client::open(broker.address, "ann");
    let text = "NOT_ALLOWED - connection refused for user 'ann': user connection limit (1) is reached";
    assert_eq!(refusal(&broker, "ann"), (530, text.to_owned()));
    let _other = Client::open(broker.address, "guest");
    // Closed in order: the place is free as soon as the client hears of it.
    first.send(&super::client::method(0, 10, 50, &[0, 200, 0, 0, 0, 0, 0]));
    first.expect(10, 51);
    let mut again = Client::open(broker.address, "ann");
    // Closed for a fault: likewise.
    again.send(&super::client::method(0, 60, 40, &[]));
    assert_eq!(again.frame().unwrap().method(), (10, 50));
    Client::open(broker.address, "ann");
}

#[test]
fn a_refused_connection_takes_no_place() {
    let broker = broker_with(|session| session.connections_per_vhost = 1);
    let mut stranger = Client::connect(broker.address);
    assert!(stranger.log_in("ann", "ann", "nowhere").is_err());
    assert!(Client::connect(broker.address).log_in("ann", "wrong", "/").is_err());
    let _one = Client::open(broker.address, "ann");
    assert_eq!(refusal(&broker, "guest").0, 530);
    assert_eq!(broker.broker.connection_counts().vhosts.count(&"/".into()), 1);
    assert_eq!(broker.broker.connection_counts().users.count(&"guest".into()), 0);
}

#[test]
fn connections_of_an_address_and_in_all() {
    let mut settings = settings();
    settings.connections_per_address = 2;
    let broker = TestBroker::start(settings.clone());
    let _first = Client::open(broker.address, "ann");
    let second = Client::open(broker.address, "ann");
    assert_eq!(Client::connect(broker.address).frame(), None, "closed at once");
    drop(second);
    broker.await_connections(1);
    let _third = Client::open(broker.address, "ann");
    settings.connections_per_address = 9;
    settings.connections_max = 2;
    broker.connections.reload(settings);
    assert_eq!(Client::connect(broker.address).frame(), None, "closed at once");
}

#[test]
fn unacked_of_a_channel() {
    let broker = broker_with(|session| session.unacked_per_channel = 2);
    let mut client = Client::open(broker.address, "ann");
    client.declare(1, "q");
    for number in 0..4 {
        client.publish(1, "q", &[number]);
    }
    client.consume(1, "q", false);
    let first = client.delivery();
    assert_eq!((first.1, client.delivery().1), (vec![0], vec![1]));
    // A round trip shows that nothing more came.
    client.synchronize(1);
    client.send(&get(1, "q", true));
    client.expect(60, 71);
    assert_eq!(client.body(), [2], "without acks there is no limit");
    client.ack(1, first.0);
    assert_eq!(client.delivery().1, [3], "delivery goes on");
    client.publish_and_wait(1, "q", b"rest");
    client.send(&get(1, "q", false));
    let text = "PRECONDITION_FAILED - reached maximum (2) of unacked deliveries per channel";
    assert_eq!(client.frame().unwrap().fault(), (406, text.to_owned()));
}

#[test]
fn a_delivery_that_nobody_acks() {
    let broker = broker_with(|session| session.ack_timeout_ms = 400);
    let mut client = Client::open(broker.address, "ann");
    client.declare(1, "q");
    client.open_channel(2);
    client.consume(2, "q", false);
    client.publish(1, "q", b"forgotten");
    assert_eq!(client.delivery().1, b"forgotten");
    let close = client.frame().unwrap();
    assert_eq!(close.channel, 2);
    let text = "PRECONDITION_FAILED - delivery acknowledgement on channel 2 timed out. Timeout value used: 400 ms. \
                This timeout value can be configured, see consumers doc guide to learn more";
    assert_eq!(close.fault(), (406, text.to_owned()));
    client.send(&super::client::method(2, 20, 41, &[]));
    client.send(&get(1, "q", true));
    client.expect(60, 71);
    assert_eq!(client.body(), b"forgotten", "it went back to its queue");
}
