use super::*;
use crate::model::ChannelWindow;

fn ranked(priority: i32, prefetch: u32) -> ConsumerOptions {
    ConsumerOptions {
        priority,
        ..consumer(prefetch)
    }
}

fn single_active() -> Q {
    queue(QueueOptions {
        single_active_consumer: true,
        ..QueueOptions::default()
    })
}

#[test]
fn lower_priorities_are_served_only_while_higher_ones_are_blocked() {
    let mut q = plain();
    q.subscribe(ranked(-1, 0));
    q.subscribe(ranked(5, 1));
    q.subscribe(ranked(5, 1));
    assert_eq!(q.names("a b c d"), "a>1, b>2, c>0, d>0");
    q.ack("b");
    assert_eq!(q.names("e f"), "e>2, f>0");
    q.run(Command::Unsubscribe(ConsumerKey(0)));
    assert_eq!(q.names("g"), "");
    assert_eq!(q.ack("a"), "g>1");
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let exclusive = ConsumerOptions {
        exclusive: true,
        ..consumer(0)
    };
    let mut q = plain();
    q.subscribe(consumer(0));
    assert_eq!(q.subscribe(exclusive.clone()), "Exclusive");
    q.run(Command::Unsubscribe(ConsumerKey(0)));
    assert_eq!(q.subscribe(exclusive.clone()), "");
    assert_eq!(q.subscribe(consumer(0)), "Exclusive");
    q.run(Command::Unsubscribe(ConsumerKey(0)));
    assert_eq!(q.subscribe(consumer(0)), "");
    assert_eq!(single_active().subscribe(exclusive), "Exclusive");
}

#[test]
fn a_shared_window_limits_all_consumers_of_a_channel() {
    let window = Arc::new(ChannelWindow::new());
    window.set_limit(2);
    let shared = || ConsumerOptions {
        window: Some(window.clone()),
        ..consumer(0)
    };
    let mut q = plain();
    let mut other = plain();
    q.subscribe(shared());
    q.subscribe(ConsumerOptions {
        no_ack: true,
        ..shared()
    });
    other.subscribe(shared());
    assert_eq!(q.names("a"), "a>0");
    assert_eq!(other.names("b c"), "b>0", "the window is full");
    assert_eq!(q.names("d e f"), "d>1, e>1, f>1", "what needs no ack is not limited");
    assert!(!q.core.has_deliverable());
    q.ack("a");
    assert!(window.give_back(1));
    assert_eq!(
        other.run(Command::Dispatch),
        "",
        "a waiting consumer is not asked again"
    );
    assert_eq!(other.run(Command::Resume(ConsumerKey(0))), "c>0");
}

#[test]
fn a_window_can_come_later() {
    let window = Arc::new(ChannelWindow::new());
    window.set_limit(1);
    let mut q = plain();
    q.subscribe(consumer(0));
    assert_eq!(q.names("a b"), "a>0, b>0");
    q.run(Command::SetWindow(ConsumerKey(0), Some(window)));
    assert_eq!(q.names("c d"), "c>0");
    assert_eq!(q.run(Command::SetWindow(ConsumerKey(0), None)), "d>0");
}

#[test]
fn one_consumer_is_active_and_the_next_takes_over() {
    let mut q = single_active();
    assert_eq!(q.subscribe(consumer(1)), "active 0");
    assert_eq!(q.subscribe(consumer(0)), "");
    assert_eq!(q.subscribe(consumer(0)), "");
    assert_eq!(q.names("a b"), "a>0");
    assert_eq!(q.core.active_consumer(), Some(ConsumerKey(0)));
    assert_eq!(
        q.core.consumers().map(|c| c.active).collect::<Vec<_>>(),
        [true, false, false]
    );
    let unacked = q.ids("a");
    let leave = Command::Leave {
        consumers: &[ConsumerKey(0)],
        unacked: &unacked,
    };
    assert_eq!(q.run(leave), "active 1, a>1*1, b>1");
    assert_eq!(q.run(Command::Unsubscribe(ConsumerKey(2))), "");
    assert_eq!(q.run(Command::Unsubscribe(ConsumerKey(1))), "");
    assert_eq!((q.names("c"), q.core.active_consumer()), (String::new(), None));
    assert_eq!(q.subscribe(consumer(0)), "active 1, c>1");
}

#[test]
fn a_higher_priority_takes_over_when_all_is_settled() {
    let mut q = single_active();
    q.subscribe(ranked(0, 0));
    assert_eq!(q.names("a b"), "a>0, b>0");
    assert_eq!(q.subscribe(ranked(3, 0)), "");
    assert_eq!(q.names("c"), "", "nothing new before the hand-over");
    assert_eq!(q.ack("a"), "");
    assert_eq!(q.requeue("b"), "idle 0, active 1, b>1*1, c>1");
    assert_eq!(q.subscribe(ranked(3, 0)), "", "an equal does not");
    q.ack("b c");
    assert_eq!(q.subscribe(ranked(4, 0)), "idle 1, active 3");
    assert_eq!(
        q.run(Command::Unsubscribe(ConsumerKey(3))),
        "active 1",
        "the oldest of the highest"
    );
}

#[test]
fn a_hand_over_ends_with_the_newcomer() {
    let mut q = single_active();
    q.subscribe(ranked(0, 0));
    q.names("a");
    q.subscribe(ranked(3, 0));
    assert_eq!(q.names("b"), "");
    assert_eq!(q.run(Command::Unsubscribe(ConsumerKey(1))), "b>0");
    assert_eq!(q.ack("a b"), "");
}

#[test]
fn a_policy_may_turn_the_rule_on_and_off() {
    let mut q = plain();
    q.subscribe(consumer(0));
    q.subscribe(consumer(0));
    let off = q.core.options().clone();
    let on = QueueOptions {
        single_active_consumer: true,
        ..off.clone()
    };
    assert_eq!(q.run(Command::Configure(on)), "active 0");
    assert_eq!(q.names("a b"), "a>0, b>0");
    assert_eq!(q.run(Command::Configure(off)), "idle 0");
    assert_eq!(q.names("c d"), "c>0, d>1");
}
