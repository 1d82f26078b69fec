use super::*;

#[test]
fn a_paused_queue_takes_in_and_hands_nothing_out() {
    let mut q = plain();
    q.subscribe(consumer(0));
    assert_eq!(q.run(Command::SetPaused(true)), "");
    assert!(q.core.is_paused());
    assert_eq!(q.names("a b"), "");
    assert_eq!(q.get(), "empty");
    assert_eq!(q.subscribe(no_ack()), "");
    assert!(!q.core.has_deliverable());
    assert_eq!(q.run(Command::SetPaused(false)), "a>0, b>1");
}

#[test]
fn what_is_out_can_be_settled_and_time_goes_on() {
    let mut q = plain();
    q.subscribe(consumer(0));
    q.names("a b");
    q.run(Command::SetPaused(true));
    assert_eq!(q.ack("a"), "");
    assert_eq!(q.requeue("b"), "");
    assert_eq!(q.publish([m("c").ttl(5), m("d").ttl(0)]), "dead d expired");
    assert_eq!(q.wait(5), "dead c expired");
    assert_eq!(q.run(Command::SetPaused(false)), "b>0*1");
}

#[test]
fn a_paused_queue_keeps_its_groups_too() {
    let mut q = queue(QueueOptions {
        message_group: Some("x-group-id".into()),
        ..QueueOptions::default()
    });
    q.subscribe(consumer(0));
    q.publish([m("a1").group("a")]);
    q.run(Command::SetPaused(true));
    assert_eq!(q.publish([m("a2").group("a"), m("b1").group("b")]), "");
    assert_eq!(q.run(Command::SetPaused(false)), "a2>0, b1>0");
}
