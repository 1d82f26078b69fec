use super::*;

#[test]
fn messages_go_straight_to_a_consumer_or_wait_in_order() {
    let mut q = plain();
    assert_eq!(q.names("a b"), "");
    assert_eq!(q.waiting(), "a b");
    assert_eq!(q.subscribe(no_ack()), "a>0, b>0");
    assert_eq!(q.names("c d"), "c>0, d>0");
    assert_eq!(
        q.core.state(),
        QueueState {
            consumers: 1,
            ..QueueState::default()
        }
    );
}

#[test]
fn consumers_take_turns_within_their_credit() {
    let mut q = plain();
    q.subscribe(consumer(2));
    q.subscribe(consumer(1));
    q.subscribe(consumer(0));
    assert_eq!(q.names("a b c d e f"), "a>0, b>1, c>2, d>0, e>2, f>2");
    assert_eq!(q.ack("b"), "");
    assert_eq!(
        q.names("g h i"),
        "g>2, h>1, i>2",
        "consumer 1 lined up behind consumer 2"
    );
}

#[test]
fn a_message_waits_only_while_nobody_has_credit() {
    let mut q = plain();
    q.subscribe(consumer(1));
    assert_eq!(q.names("a b c"), "a>0");
    assert_eq!((q.core.state().ready, q.core.state().unacked), (2, 1));
    assert_eq!(q.ack("a"), "b>0");
    assert_eq!(q.ack("b"), "c>0");
    assert_eq!(q.core.state().ready, 0);
}

#[test]
fn persistent_messages_of_a_durable_queue_are_kept_first_and_forgotten_last() {
    let mut q = queue(QueueOptions {
        durable: true,
        ..QueueOptions::default()
    });
    let p = |name: &str, tag| m(name).persistent().ticket(tag);
    assert_eq!(
        q.publish([p("a", 1), m("t").ticket(2), p("b", 3)]),
        "keep a, taken 2, keep b"
    );
    assert_eq!(q.subscribe(no_ack()), "a>0, forget a, t>0, b>0, forget b");
    assert_eq!(q.publish([p("c", 4)]), "taken 4, c>0", "settled at once: never kept");
    q.run(Command::Unsubscribe(ConsumerKey(0)));
    q.subscribe(consumer(0));
    assert_eq!(q.publish([p("d", 5)]), "keep! d, d>0");
    assert_eq!(q.ack("d"), "forget d");
    let mut transient = plain();
    assert_eq!(transient.publish([p("a", 1)]), "taken 1", "the queue is not durable");
}

#[test]
fn get_takes_the_head_and_tells_what_is_left() {
    let mut q = queue(QueueOptions {
        durable: true,
        ..QueueOptions::default()
    });
    assert_eq!(q.get(), "empty");
    q.publish([m("a").persistent(), m("b").persistent(), m("c")]);
    assert_eq!(q.get(), "a +2");
    assert_eq!(q.requeue("a"), "");
    assert_eq!(q.get(), "a*1 +2");
    let (reply, effects) = q.apply(Command::Get(true));
    assert!(
        matches!(reply, Reply::Got(Some(Delivery { unacked: None, .. }), 1)),
        "{reply:?}"
    );
    assert_eq!(effects, "forget b");
    assert_eq!(q.ack("a"), "forget a");
}

#[test]
fn a_paused_consumer_gets_nothing_until_it_resumes() {
    let mut q = plain();
    q.subscribe(no_ack());
    q.subscribe(no_ack());
    q.run(Command::Pause(ConsumerKey(0)));
    assert_eq!(q.names("a b"), "a>1, b>1");
    q.run(Command::Pause(ConsumerKey(1)));
    assert_eq!(q.names("c d"), "");
    assert!(!q.core.has_deliverable());
    assert_eq!(q.run(Command::Resume(ConsumerKey(0))), "c>0, d>0");
    assert_eq!(
        q.run(Command::Resume(ConsumerKey(7))),
        "",
        "unknown keys are passed over"
    );
}

#[test]
fn one_command_delivers_at_most_a_batch() {
    let mut q = plain();
    let names: Vec<String> = (0..DISPATCH_BATCH + 10).map(|n| n.to_string()).collect();
    q.names(&names.join(" "));
    assert_eq!(q.subscribe(no_ack()).matches('>').count(), DISPATCH_BATCH);
    assert!(q.core.has_deliverable());
    q.run(Command::Pause(ConsumerKey(0)));
    assert!(!q.core.has_deliverable());
    assert_eq!(q.run(Command::Dispatch), "");
    assert_eq!(q.run(Command::Resume(ConsumerKey(0))).matches('>').count(), 10);
    assert!(!q.core.has_deliverable());
}

#[test]
fn large_messages_end_a_batch_early() {
    let mut q = plain();
    let large = "x".repeat(DISPATCH_BYTES as usize);
    q.publish([m(&large), m("a"), m("b")]);
    assert_eq!(q.subscribe(no_ack()).matches('>').count(), 1);
    assert_eq!(q.run(Command::Dispatch), "a>0, b>0");
}

#[test]
fn what_comes_in_passes_nothing_that_waits_for_the_next_batch() {
    let mut q = plain();
    let large = "x".repeat(DISPATCH_BYTES as usize);
    q.publish([m(&large), m(&large), m(&large)]);
    q.subscribe(no_ack());
    assert_eq!(q.names("a").matches('>').count(), 1);
    assert_eq!(q.core.state().ready, 2);
    assert!(q.run(Command::Dispatch).ends_with("x>0"));
    assert_eq!(q.run(Command::Dispatch), "a>0");
}

#[test]
fn higher_priorities_go_first_and_each_keeps_its_order() {
    let mut q = queue(QueueOptions {
        max_priority: Some(5),
        ..QueueOptions::default()
    });
    let p = |name, priority| m(name).priority(priority);
    q.publish([m("n"), p("a", 1), p("z", 200), p("b", 1), p("y", 5), p("o", 0)]);
    assert_eq!(q.waiting(), "z y a b n o");
    q.subscribe(consumer(3));
    assert_eq!(q.requeue("y a"), "y>0*1, a>0*1");
    assert_eq!(q.publish([p("x", 3)]), "");
    assert_eq!(q.ack("z y a"), "x>0, b>0, n>0");
}

#[test]
fn peek_and_ages_change_nothing() {
    let mut q = plain();
    q.names("a b c");
    q.now += 50;
    q.get();
    q.requeue("a");
    assert_eq!(q.core.peek(2).map(|view| text(view.message)), Some("c".into()));
    assert!(q.core.peek(3).is_none());
    assert_eq!(q.core.head_age(q.now), Some(50));
    assert_eq!(q.waiting(), "a b c");
    q.get();
    let out: Vec<_> = q.core.unacked_messages().collect();
    assert_eq!((out.len(), out[0].0.sequence, out[0].1), (1, 1, None));
    assert_eq!(q.core.next_sequence(), 4);
}

#[test]
fn restored_messages_come_back_as_they_were() {
    let mut q = queue(QueueOptions {
        durable: true,
        max_length: Some(3),
        ..QueueOptions::default()
    });
    let restored = |sequence, name: &str, expires_at, delivery_count| Restored {
        sequence,
        message: m(name).message(),
        expires_at,
        redelivered: delivery_count > 0,
        delivery_count,
    };
    q.names.extend([(3, "a".into()), (5, "b".into()), (6, "c".into())]);
    let messages = vec![
        restored(9, "e", None, 0),
        restored(3, "a", None, 0),
        restored(5, "b", Some(900), 0),
        restored(6, "c", None, 2),
        restored(8, "d", Some(2000), 0),
    ];
    assert_eq!(
        (q.run(Command::Restore(messages)), q.waiting()),
        (String::new(), "a b c d e".into())
    );
    assert_eq!(
        q.run(Command::Tick),
        "dead b expired, forget b, dead a maxlen, forget a"
    );
    assert_eq!(q.names("f"), "dead c maxlen, forget c");
    assert_eq!(q.core.next_sequence(), 11);
    q.core.number_from(100);
    assert_eq!(q.core.next_sequence(), 100);
    assert_eq!(q.waiting(), "d e f");
    q.core.number_from(1);
    assert_eq!(q.core.next_sequence(), 100);
}

#[test]
fn purge_removes_what_waits_and_nothing_else() {
    let mut q = queue(QueueOptions {
        durable: true,
        ..QueueOptions::default()
    });
    q.publish([m("a").persistent(), m("b").persistent(), m("c").ttl(5)]);
    q.get();
    let (reply, effects) = q.apply(Command::Purge);
    assert!(matches!(reply, Reply::Purged(2)));
    assert_eq!(effects, "forget b");
    assert_eq!((q.core.next_deadline(), q.core.state().unacked), (None, 1));
    q.requeue("a");
    assert_eq!(q.waiting(), "a");
}
