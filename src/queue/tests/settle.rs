use super::*;

#[test]
fn returned_messages_go_back_to_their_own_places() {
    let mut q = plain();
    q.subscribe(consumer(4));
    q.names("a b c d e");
    q.run(Command::Pause(ConsumerKey(0)));
    assert_eq!(q.requeue("d"), "");
    q.requeue("b a");
    assert_eq!(q.waiting(), "a b d e");
    assert_eq!(q.run(Command::Resume(ConsumerKey(0))), "a>0*1, b>0*1, d>0*1");
    assert_eq!(q.ack("c"), "e>0");
}

#[test]
fn an_id_settles_once() {
    let mut q = plain();
    q.subscribe(consumer(1));
    q.names("a b c");
    let a = q.out["a"];
    assert_eq!(q.run(Command::Settle(Outcome::Ack, &[a, a])), "b>0");
    assert_eq!(q.out["b"].slot, a.slot, "the slot is used again");
    assert_eq!(
        q.run(Command::Settle(Outcome::Ack, &[a])),
        "",
        "and an old id does not settle the new message"
    );
    let nowhere = UnackedId { slot: 77, sequence: 1 };
    assert_eq!(q.run(Command::Settle(Outcome::Reject, &[nowhere])), "");
    assert_eq!(q.core.state().unacked, 1);
}

#[test]
fn rejected_messages_become_dead_letters_where_there_is_a_target() {
    let options = QueueOptions {
        durable: true,
        ..QueueOptions::default()
    };
    let mut q = queue(options.clone());
    q.publish([m("a").persistent(), m("b")]);
    q.subscribe(consumer(0));
    assert_eq!(
        q.settle(Outcome::Reject, "a b"),
        "dead a rejected, forget a, dead b rejected"
    );
    q.run(Command::Configure(options));
    q.publish([m("c").persistent()]);
    assert_eq!(q.settle(Outcome::Reject, "c"), "forget c");
}

#[test]
fn a_message_that_is_returned_too_often_is_dropped() {
    let mut q = queue(QueueOptions {
        delivery_limit: Some(2),
        ..QueueOptions::default()
    });
    q.subscribe(consumer(0));
    q.names("a");
    assert_eq!(q.requeue("a"), "a>0*1");
    assert_eq!(q.settle(Outcome::Release, "a"), "a>0*2");
    assert_eq!(q.requeue("a"), "dead a delivery_limit");
    assert_eq!(q.core.state().unacked, 0);
}

#[test]
fn a_returned_message_that_has_expired_is_not_delivered_again() {
    let mut q = plain();
    q.subscribe(consumer(0));
    q.publish([m("a").ttl(10), m("b").ttl(30)]);
    assert_eq!(q.core.next_deadline(), None, "what is out does not expire");
    q.now += 10;
    assert_eq!(q.requeue("a b"), "dead a expired, b>0*1");
}

#[test]
fn those_who_stay_get_what_a_leaver_had_in_order() {
    let mut q = plain();
    q.subscribe(consumer(2));
    q.subscribe(consumer(1));
    assert_eq!(q.names("a b c d e"), "a>0, b>1, c>0");
    let unacked = q.ids("c a");
    assert_eq!(
        q.run(Command::Leave {
            consumers: &[ConsumerKey(0)],
            unacked: &unacked
        }),
        ""
    );
    assert_eq!(q.waiting(), "a c d e");
    assert_eq!(q.ack("b"), "a>1*1");
}

#[test]
fn settling_for_a_consumer_that_went_gives_its_successor_no_credit() {
    let mut q = plain();
    q.subscribe(consumer(1));
    q.names("a b c d");
    q.run(Command::Unsubscribe(ConsumerKey(0)));
    assert_eq!(
        q.core.state().unacked,
        1,
        "a cancelled consumer still owes its settlements"
    );
    assert_eq!(q.subscribe(consumer(1)), "b>0");
    assert_eq!(q.ack("a"), "");
    assert_eq!(q.core.consumers().map(|c| c.unacked).collect::<Vec<_>>(), [1]);
    assert_eq!(q.ack("b"), "c>0");
}
