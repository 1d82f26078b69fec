use super::*;

fn grouped() -> Q {
    queue(QueueOptions {
        message_group: Some("x-group-id".into()),
        ..QueueOptions::default()
    })
}

/// Messages `a1`, `b2`, `-3`: the letter is the group, `-` for none.
fn publish(q: &mut Q, names: &str) -> String {
    q.publish(names.split(' ').map(|name| match &name[..1] {
        "-" => m(name),
        key => m(name).group(key),
    }))
}

#[test]
fn a_key_stays_with_its_consumer_until_all_is_settled() {
    let mut q = grouped();
    q.subscribe(consumer(2));
    q.subscribe(consumer(2));
    assert_eq!(
        publish(&mut q, "a1 a2 a3 a4"),
        "a1>0, a2>0",
        "the other gets none of them"
    );
    assert_eq!(publish(&mut q, "b1"), "b1>1", "another key passes");
    assert_eq!(q.ack("a1"), "a3>0");
    assert_eq!(q.ack("a2 a3"), "a4>0", "free for a moment, then in turn");
    assert_eq!(q.ack("a4 b1"), "");
    assert_eq!(publish(&mut q, "a5"), "a5>1");
}

#[test]
fn keys_are_spread_evenly() {
    let mut q = grouped();
    for _ in 0..3 {
        q.subscribe(consumer(0));
    }
    let out = publish(&mut q, "a1 b1 c1 d1 e1 f1 a2 b2");
    assert_eq!(out, "a1>0, b1>1, c1>2, d1>0, e1>1, f1>2, a2>0, b2>1");
}

#[test]
fn a_consumer_that_cannot_take_more_holds_up_its_keys_only() {
    let mut q = grouped();
    q.subscribe(consumer(1));
    q.subscribe(consumer(0));
    assert_eq!(publish(&mut q, "a1 a2 b1 -1 a3 c1"), "a1>0, b1>1, -1>1, c1>1");
    assert_eq!(q.waiting(), "a2 a3");
    assert_eq!(q.ack("a1"), "a2>1, a3>1", "free, and consumer 1 is next");
}

#[test]
fn a_leaver_hands_its_keys_over_once_its_messages_are_back_or_settled() {
    let mut q = grouped();
    q.subscribe(consumer(0));
    publish(&mut q, "a1 a2");
    q.subscribe(consumer(0));
    assert_eq!(q.run(Command::Unsubscribe(ConsumerKey(0))), "");
    assert_eq!(publish(&mut q, "a3 b1"), "b1>1", "cancelled, but not done with its key");
    assert_eq!(q.ack("a1"), "");
    assert_eq!(q.requeue("a2"), "a2>1*1, a3>1");
}

#[test]
fn a_connection_that_ends_gives_its_key_back_in_order() {
    let mut q = grouped();
    q.subscribe(consumer(2));
    publish(&mut q, "a1 a2 a3");
    q.subscribe(consumer(0));
    let unacked = q.ids("a1 a2");
    let words = q.run(Command::Leave {
        consumers: &[ConsumerKey(0)],
        unacked: &unacked,
    });
    assert_eq!(words, "a1>1*1, a2>1*1, a3>1");
}

#[test]
fn what_comes_back_goes_to_who_has_the_key() {
    let mut q = grouped();
    q.subscribe(consumer(2));
    q.subscribe(consumer(2));
    publish(&mut q, "a1 a2 a3");
    assert_eq!(q.requeue("a1"), "a1>0*1", "before a3, and not to the other");
}

#[test]
fn get_takes_free_keys_only() {
    let mut q = grouped();
    publish(&mut q, "a1 a2 b1");
    assert_eq!(q.get(), "a1 +2");
    assert_eq!(q.get(), "b1 +1");
    assert_eq!(q.get(), "empty");
    assert_eq!(q.subscribe(consumer(0)), "");
    assert_eq!(q.ack("a1"), "a2>0");
}

#[test]
fn limits_expiry_and_purge_leave_no_key_behind() {
    let mut q = queue(QueueOptions {
        message_group: Some("x-group-id".into()),
        max_length: Some(2),
        ..QueueOptions::default()
    });
    assert_eq!(publish(&mut q, "a1 b1 a2"), "dead a1 maxlen");
    q.publish([m("c1").group("c").ttl(5)]);
    assert_eq!(q.waiting(), "a2 c1");
    assert_eq!(q.wait(5), "dead c1 expired");
    q.run(Command::Purge);
    assert_eq!(q.subscribe(consumer(1)), "");
    assert_eq!(publish(&mut q, "b2 a3"), "b2>0");
    assert_eq!(q.ack("b2"), "a3>0");
    q.ack("a3");
    assert_eq!(
        q.core.state(),
        QueueState {
            consumers: 1,
            ..QueueState::default()
        }
    );
    assert!(format!("{:?}", q.core).contains("by_key: {}, open: {}, reserved: {}"));
}

#[test]
fn keys_cost_nothing_once_their_messages_are_gone() {
    let mut q = grouped();
    q.subscribe(consumer(1));
    let keys = |q: &Q| q.core.groups.as_ref().unwrap().keys();
    for round in 0..100 {
        q.publish((0..100).map(|n| m("a").group(&format!("{round}-{n}"))));
        assert_eq!(keys(&q), 100, "those that wait and the one that is out");
        while q.core.state().unacked > 0 {
            q.ack("a");
        }
        assert_eq!(keys(&q), 0);
    }
}

#[test]
fn the_header_may_have_any_type_and_name() {
    use crate::model::FieldValue;
    let mut q = queue(QueueOptions {
        message_group: Some("customer".into()),
        ..QueueOptions::default()
    });
    q.subscribe(consumer(0));
    q.subscribe(consumer(0));
    let with = |name: &str, value: FieldValue| {
        let mut message = m(name);
        message.properties.headers = Some(
            [("other", FieldValue::I32(1)), ("customer", value)]
                .into_iter()
                .collect(),
        );
        message
    };
    let out = q.publish([
        with("1", FieldValue::I64(7)),
        with("2", FieldValue::text("7")),
        with("3", FieldValue::I64(7)),
        with("4", FieldValue::Void),
        with("5", FieldValue::Void),
    ]);
    assert_eq!(out, "1>0, 2>1, 3>0, 4>0, 5>1");
}
