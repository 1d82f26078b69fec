//! Well-formed methods at the wrong time: what a broker of RabbitMQ's kind answers, word by word.

use super::broker::{TestBroker, settings};
use super::client::{Client, consume, get, long, method, short};

/// What is done first, the method that is one too many, and its fault.
type Row = (&'static str, fn(&mut Client), Vec<u8>, u16, &'static str);

fn settle(id: u16, tag: u64, flags: u8) -> Vec<u8> {
    method(1, 60, id, &[&tag.to_be_bytes()[..], &[flags]].concat())
}

fn declare_queue(name: &str, flags: u8) -> Vec<u8> {
    method(1, 50, 10, &[&[0, 0][..], &short(name), &[flags], &long(b"")].concat())
}

fn declare_exchange(name: &str) -> Vec<u8> {
    let fields = [&[0, 0][..], &short(name), &short("fanout"), &[0], &long(b"")].concat();
    method(1, 40, 10, &fields)
}

fn nothing(_: &mut Client) {}

/// Gets one message of two, unacked.
fn get_one(client: &mut Client) {
    client.declare(1, "q");
    client.publish(1, "q", b"one");
    client.publish(1, "q", b"two");
    client.send(&get(1, "q", false));
    client.expect(60, 71);
    client.body();
}

fn get_and_ack(client: &mut Client) {
    get_one(client);
    client.ack(1, 1);
}

fn consume_without_acks(client: &mut Client) {
    client.declare(1, "taken");
    client.publish(1, "taken", b"one");
    client.consume(1, "taken", true);
    client.delivery();
}

fn consume_by_tag(client: &mut Client) {
    client.declare(1, "empty");
    client.send(&consume(1, "empty", "same", false));
    client.expect(60, 21);
}

fn select_confirms(client: &mut Client) {
    client.send(&method(1, 85, 10, &[0]));
    client.expect(85, 11);
}

fn select_transactions(client: &mut Client) {
    client.send(&method(1, 90, 10, &[]));
    client.expect(90, 11);
}

fn rows() -> Vec<Row> {
    let unknown = |tag: u64| match tag {
        0 => "PRECONDITION_FAILED - unknown delivery tag 0",
        1 => "PRECONDITION_FAILED - unknown delivery tag 1",
        _ => "PRECONDITION_FAILED - unknown delivery tag 7",
    };
    let reserved = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'";
    let reserved_exchange = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'";
    let locked = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'locked' in vhost '/'. It could be \
                  originally declared on another connection or the exclusive property value does not match that of \
                  the original declaration.";
    let to_tx = "PRECONDITION_FAILED - cannot switch from confirm to tx mode";
    let to_confirm = "PRECONDITION_FAILED - cannot switch from tx to confirm mode";
    vec![
        (
            "ack of a tag that never was",
            nothing,
            settle(80, 7, 0),
            406,
            unknown(7),
        ),
        ("ack twice", get_and_ack, settle(80, 1, 0), 406, unknown(1)),
        ("nack after an ack", get_and_ack, settle(120, 1, 2), 406, unknown(1)),
        ("reject after an ack", get_and_ack, settle(90, 1, 1), 406, unknown(1)),
        ("ack of tag 0", get_one, settle(80, 0, 0), 406, unknown(0)),
        ("ack of more than there are", get_one, settle(80, 7, 1), 406, unknown(7)),
        (
            "ack without acks",
            consume_without_acks,
            settle(80, 1, 0),
            406,
            unknown(1),
        ),
        (
            "reject without acks",
            consume_without_acks,
            settle(90, 1, 1),
            406,
            unknown(1),
        ),
        (
            "tx on a confirm channel",
            select_confirms,
            method(1, 90, 10, &[]),
            406,
            to_tx,
        ),
        (
            "confirms on a tx channel",
            select_transactions,
            method(1, 85, 10, &[0]),
            406,
            to_confirm,
        ),
        ("a reserved queue", nothing, declare_queue("amq.mine", 0), 403, reserved),
        (
            "a reserved exchange",
            nothing,
            declare_exchange("amq.mine"),
            403,
            reserved_exchange,
        ),
        (
            "consume of a locked queue",
            nothing,
            consume(1, "locked", "tag", false),
            405,
            locked,
        ),
        ("get of a locked queue", nothing, get(1, "locked", false), 405, locked),
        (
            "declaration of a locked queue",
            nothing,
            declare_queue("locked", 0),
            405,
            locked,
        ),
        (
            "the tag of a consumer again",
            consume_by_tag,
            consume(1, "empty", "same", false),
            530,
            "NOT_ALLOWED - attempt to reuse consumer tag 'same'",
        ),
    ]
}

#[test]
fn each_method_at_the_wrong_time_has_its_reply() {
    let broker = TestBroker::start(settings());
    let mut owner = Client::open(broker.address, "ann");
    owner.send(&declare_queue("locked", 4));
    owner.expect(50, 11);
    for (what, before, bytes, code, text) in rows() {
        let mut client = Client::open(broker.address, "ann");
        before(&mut client);
        client.send(&bytes);
        assert_eq!(client.frame().unwrap().fault(), (code, text.to_owned()), "{what}");
    }
    owner.synchronize(1);
}

#[test]
fn tag_0_with_multiple_is_all_of_them_and_no_fault() {
    let broker = TestBroker::start(settings());
    let mut client = Client::open(broker.address, "ann");
    // There may be none.
    client.send(&settle(80, 0, 1));
    get_one(&mut client);
    client.send(&get(1, "q", false));
    client.expect(60, 71);
    client.body();
    client.send(&settle(80, 0, 1));
    client.synchronize(1);
    let queue = broker.broker.vhost("/").unwrap().find_queue("q").unwrap();
    let state = queue.state();
    assert_eq!((state.ready, state.unacked), (0, 0));
}

/// The acks of one write are handled together: the ones in front of a fault count, the others do not.
#[test]
fn a_fault_in_a_run_of_acks_ends_it_there() {
    let broker = TestBroker::start(settings());
    let mut client = Client::open(broker.address, "ann");
    client.declare(1, "q");
    for body in [b"1", b"2", b"3", b"4", b"5", b"6"] {
        client.publish(1, "q", body);
    }
    client.consume(1, "q", false);
    for tag in 1..=6 {
        assert_eq!(client.delivery().0, tag);
    }
    // The second settles two at once.
    let run = [(1, 0), (3, 1), (99, 0), (4, 0), (5, 0)].map(|(tag, flags)| settle(80, tag, flags));
    client.send(&run.concat());
    let fault = client.expect(20, 40).fault();
    assert_eq!(fault, (406, "PRECONDITION_FAILED - unknown delivery tag 99".to_owned()));
    let mut other = Client::open(broker.address, "ann");
    other.declare(1, "q");
    other.consume(1, "q", true);
    let left: Vec<Vec<u8>> = (0..3).map(|_| other.delivery().1).collect();
    assert_eq!(left, [b"4", b"5", b"6"]);
}
