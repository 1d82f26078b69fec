use super::*;

#[test]
fn messages_expire_at_their_own_time_wherever_they_stand() {
    let mut q = queue(QueueOptions {
        durable: true,
        ..QueueOptions::default()
    });
    q.publish([m("a"), m("b").ttl(30).persistent(), m("c").ttl(10), m("d").ttl(20)]);
    assert_eq!(q.core.next_deadline(), Some(1010));
    assert_eq!(q.wait(9), "");
    assert_eq!(q.wait(1), "dead c expired");
    assert_eq!(q.core.next_deadline(), Some(1020));
    assert_eq!(q.wait(25), "dead d expired, dead b expired, forget b");
    assert_eq!(q.core.next_deadline(), None);
    assert_eq!(q.waiting(), "a");
}

#[test]
fn the_shorter_ttl_counts() {
    let mut q = queue(QueueOptions {
        message_ttl_ms: Some(20),
        ..QueueOptions::default()
    });
    q.publish([m("a"), m("b").ttl(10), m("c").ttl(30)]);
    assert_eq!(q.wait(10), "dead b expired");
    assert_eq!(q.wait(10), "dead a expired, dead c expired");
}

#[test]
fn any_command_finds_expired_messages_gone() {
    let mut q = queue(QueueOptions {
        message_ttl_ms: Some(10),
        max_length: Some(1),
        ..QueueOptions::default()
    });
    q.names("a");
    q.now += 10;
    assert_eq!(q.names("b"), "dead a expired", "a does not count against the limit");
    q.now += 10;
    assert_eq!(q.get(), "empty");
    q.names("c");
    q.now += 10;
    assert_eq!(q.subscribe(no_ack()), "dead c expired");
}

#[test]
fn ttl_zero_means_at_once_or_not_at_all() {
    let mut q = queue(QueueOptions {
        durable: true,
        ..QueueOptions::default()
    });
    assert_eq!(
        q.publish([m("a").ttl(0).persistent().ticket(1)]),
        "keep! a, dead a expired, forget a",
        "kept until its dead letter is"
    );
    q.subscribe(consumer(1));
    assert_eq!(q.publish([m("b").ttl(0), m("c").ttl(0)]), "b>0, dead c expired");
    assert_eq!(q.requeue("b"), "dead b expired");
}

#[test]
fn returned_messages_expire_behind_others_too() {
    let mut q = plain();
    q.publish([m("a").ttl(50), m("b").ttl(20), m("c")]);
    q.get();
    q.get();
    q.requeue("a b");
    assert_eq!(q.core.next_deadline(), Some(1020));
    assert_eq!(q.wait(20), "dead b expired");
    assert_eq!(q.wait(30), "dead a expired");
}

#[test]
fn ttl_and_priorities_go_together() {
    let mut q = queue(QueueOptions {
        max_priority: Some(3),
        message_ttl_ms: Some(30),
        ..QueueOptions::default()
    });
    q.publish([m("high").priority(3), m("low").ttl(10)]);
    assert_eq!(q.core.next_deadline(), Some(1010));
    assert_eq!(q.wait(10), "dead low expired");
    assert_eq!(q.wait(20), "dead high expired");
}

#[test]
fn a_flood_of_expired_messages_goes_in_batches() {
    let mut q = queue(QueueOptions {
        message_ttl_ms: Some(10),
        dead_letter: None,
        ..QueueOptions::default()
    });
    let names: Vec<String> = (0..EXPIRE_BATCH + 5).map(|n| n.to_string()).collect();
    q.names(&names.join(" "));
    assert_eq!(q.wait(20).matches("expired").count(), EXPIRE_BATCH);
    assert_eq!(q.core.next_deadline(), Some(1010), "more is due");
    assert_eq!(q.wait(0).matches("expired").count(), 5);
    q.names(&names.join(" "));
    q.now += 20;
    assert_eq!(q.get(), "empty", "no matter how many went before");
}

#[test]
fn an_unused_queue_expires() {
    let mut q = queue(QueueOptions {
        expires_ms: Some(100),
        ..QueueOptions::default()
    });
    assert_eq!(q.core.next_deadline(), Some(1100));
    q.now += 50;
    q.get();
    assert_eq!(q.core.next_deadline(), Some(1150), "a get is a use");
    q.now += 50;
    q.names("a");
    assert_eq!(q.core.next_deadline(), Some(1150), "a publish is none");
    q.run(Command::Touch);
    assert_eq!(q.core.next_deadline(), Some(1200));
    q.subscribe(consumer(1));
    assert_eq!(q.core.next_deadline(), None);
    assert_eq!(q.wait(500), "");
    q.run(Command::Unsubscribe(ConsumerKey(0)));
    assert_eq!(q.core.next_deadline(), Some(1700));
    assert_eq!(q.wait(99), "");
    assert_eq!(q.wait(1), "queue expired");
    assert_eq!((q.wait(1), q.core.next_deadline()), (String::new(), None), "said once");
}
