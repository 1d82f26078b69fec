//! Clients that ask and do not read what they get.

use std::sync::Arc;

use super::broker::{TestBroker, session, settings};
use super::client::{Client, consume, get, method, short};

const LIMIT: usize = 128 << 10;
const BODY: usize = 8 << 10;
const COUNT: usize = 4_000;

fn broker() -> TestBroker {
    let mut session = session();
    session.outgoing_buffer_bytes = LIMIT;
    let mut settings = settings();
    settings.session = Arc::new(session);
    TestBroker::start(settings)
}

/// The most messages that have left the queue while `other` goes to and fro many times: what a client that reads
/// nothing is sent stays bounded however long the broker has for it.
fn left_the_queue(broker: &TestBroker, queue: &str, published: usize, other: &mut Client) -> usize {
    let queue = broker.broker.vhost("/").unwrap().find_queue(queue).unwrap();
    let gone = (0..500).map(|_| {
        other.synchronize(1);
        published - queue.state().ready as usize
    });
    gone.max().unwrap()
}

/// What lies in the kernel's buffers of both sockets, at most; a system may allow more than this in principle.
const KERNEL: usize = 12 << 20;

#[test]
fn a_consumer_that_does_not_read_costs_little_and_stalls_nobody() {
    let broker = broker();
    let mut publisher = Client::open(broker.address, "ann");
    publisher.declare(1, "slow");
    publisher.declare(1, "quick");
    let mut slow = Client::open_narrow(broker.address, "ann");
    slow.consume(1, "slow", true);
    let mut quick = Client::open(broker.address, "ann");
    quick.consume(1, "quick", true);
    let body = vec![7; BODY];
    for number in 0..COUNT {
        publisher.publish(1, "slow", &body);
        if number % 100 == 0 {
            publisher.publish(1, "quick", b"!");
            assert_eq!(quick.delivery().1, b"!", "another consumer is not held up");
        }
    }
    publisher.synchronize(1);
    let gone = left_the_queue(&broker, "slow", COUNT, &mut publisher) * BODY;
    // One batch of a publisher's read may come on top.
    let most = KERNEL + 2 * LIMIT + (512 << 10);
    assert!(gone <= most, "{gone} bytes are on their way, {most} may be");
    for number in 0..COUNT {
        assert_eq!(
            slow.delivery().1.len(),
            BODY,
            "message {number} comes when the client reads"
        );
    }
}

#[test]
fn gets_without_reading_are_not_all_answered() {
    let broker = broker();
    let mut publisher = Client::open(broker.address, "ann");
    publisher.declare(1, "q");
    for _ in 0..COUNT {
        publisher.publish(1, "q", &vec![7; BODY]);
    }
    publisher.synchronize(1);
    let mut greedy = Client::open_narrow(broker.address, "ann");
    // All of these fit in one read.
    greedy.send(&get(1, "q", true).repeat(COUNT));
    let gone = left_the_queue(&broker, "q", COUNT, &mut publisher) * BODY;
    let most = KERNEL + 2 * LIMIT + BODY;
    assert!(gone <= most, "{gone} bytes are on their way, {most} may be");
    for number in 0..COUNT {
        greedy.expect(60, 71);
        assert_eq!(greedy.body().len(), BODY, "answer {number} comes when the client reads");
    }
    greedy.synchronize(1);
}

#[test]
fn direct_replies_that_nobody_reads_are_dropped() {
    let broker = broker();
    let mut server = Client::open(broker.address, "ann");
    server.declare(1, "requests");
    server.consume(1, "requests", true);
    let mut asker = Client::open_narrow(broker.address, "ann");
    asker.send(&consume(1, "amq.rabbitmq.reply-to", "replies", true));
    asker.expect(60, 21);
    asker.send(&request("requests"));
    let deliver = server.expect(60, 60);
    assert_eq!(deliver.channel, 1);
    let header = server.frame().unwrap();
    // After class, weight, size and flags stands the only property: reply-to.
    let address = &header.payload[15..15 + usize::from(header.payload[14])];
    let address = String::from_utf8(address.to_vec()).unwrap();
    let rounds = 2 * (KERNEL + 16 * LIMIT) / BODY;
    for _ in 0..rounds {
        server.publish(1, &address, &vec![7; BODY]);
    }
    server.synchronize(1);
    let mut replies = 0;
    asker.send(&method(1, 60, 30, &[&short("replies")[..], &[0]].concat()));
    loop {
        match asker.frame().unwrap() {
            frame if frame.kind != 1 => {}
            frame if frame.method() == (60, 60) => replies += 1,
            frame => break assert_eq!(frame.method(), (60, 31)),
        }
    }
    assert!(replies > 16 * LIMIT / BODY, "{replies} came");
    assert!(replies < rounds, "all {replies} came, so all were held in memory");
}

/// A publish of nothing with `reply-to` set to the pseudo queue.
fn request(queue: &str) -> Vec<u8> {
    let arguments = [&[0, 0][..], &short(""), &short(queue), &[0]].concat();
    let flags = (1_u16 << 9).to_be_bytes();
    let header = [
        &60_u16.to_be_bytes()[..],
        &[0; 10],
        &flags,
        &short("amq.rabbitmq.reply-to"),
    ]
    .concat();
    let mut bytes = method(1, 60, 40, &arguments);
    bytes.extend(super::client::frame(2, 1, &header));
    bytes
}
