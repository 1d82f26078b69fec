//! Connections through a proxy that says who they are.

use std::net::IpAddr;

use warren::net::Network;

use super::broker::{TestBroker, settings};
use super::client::{Client, HEADER};

/// All of the loopback network is a proxy.
fn broker() -> TestBroker {
    let mut settings = settings();
    settings.handshake_timeout = std::time::Duration::from_millis(500);
    settings.connections_per_address = 1;
    settings.proxies = vec![Network {
        address: IpAddr::from([127, 0, 0, 0]),
        bits: 8,
    }];
    TestBroker::start(settings)
}

fn through(broker: &TestBroker, header: &[u8]) -> Client {
    let mut client = Client::connect(broker.address);
    client.send(header);
    client
}

#[test]
fn the_clients_address_counts_and_not_the_proxys() {
    let broker = broker();
    let mut far = through(&broker, b"PROXY TCP4 192.0.2.9 192.0.2.1 4000 5672\r\n");
    far.log_in("ann", "ann", "/").unwrap();
    let counts = broker.broker.connection_counts();
    assert_eq!(counts.addresses.count(&IpAddr::from([192, 0, 2, 9])), 1);
    assert_eq!(counts.addresses.count(&IpAddr::from([127, 0, 0, 1])), 0);
    let mut again = through(&broker, b"PROXY TCP4 192.0.2.9 192.0.2.1 4001 5672\r\n");
    assert_eq!(again.take(1), None, "the address has its one connection");
    let mut other = through(&broker, b"PROXY TCP4 192.0.2.8 192.0.2.1 4001 5672\r\n");
    other.log_in("ann", "ann", "/").unwrap();
}

#[test]
fn guest_is_local_only_where_the_client_is() {
    let broker = broker();
    let guest = |header: &[u8]| through(&broker, header).log_in("guest", "guest", "/");
    let refused = guest(b"PROXY TCP4 192.0.2.9 127.0.0.1 4000 5672\r\n");
    assert_eq!(refused.unwrap_err().unwrap().0, 403);
    let refused = guest(b"PROXY UNKNOWN\r\n");
    assert_eq!(refused.unwrap_err().unwrap().0, 403, "who is unknown is not local");
    guest(b"PROXY TCP4 127.0.0.1 127.0.0.1 4000 5672\r\n").unwrap();
    broker.await_connections(0);
    // Version 2, LOCAL: the proxy itself.
    guest(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00").unwrap();
}

#[test]
fn without_the_header_nothing_is_said() {
    let broker = broker();
    for said in [
        &HEADER.repeat(2)[..],
        b"PROXY TCP4 nonsense\r\n",
        b"PROXY TCP4 192.0",
        b"",
    ] {
        let mut client = Client::connect(broker.address);
        client.send(said);
        assert_eq!(client.take(1), None, "after {said:?}");
    }
    broker.await_connections(0);
}

#[test]
fn from_elsewhere_the_header_is_not_taken() {
    let broker = TestBroker::start(settings());
    let mut client = through(&broker, b"PROXY TCP4 192.0.2.9 192.0.2.1 4000 5672\r\n");
    assert_eq!(client.take(8).unwrap(), HEADER, "it is another protocol");
}
