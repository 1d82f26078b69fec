use super::*;

fn holding() -> Q {
    queue(QueueOptions {
        durable: true,
        overflow: Overflow::RejectPublish,
        max_length: Some(3),
        dead_letter_at_least_once: true,
        ..QueueOptions::default()
    })
}

#[test]
fn a_letter_is_held_until_all_targets_have_it() {
    let mut q = holding();
    q.subscribe(consumer(0));
    assert_eq!(q.publish([m("a").persistent(), m("b")]), "keep! a, a>0, b>0");
    assert_eq!(
        q.settle(Outcome::Reject, "a b"),
        "dead a rejected held, dead b rejected held"
    );
    let state = q.core.state();
    assert_eq!((state.held, state.ready, state.unacked), (2, 0, 0));
    assert_eq!(q.run(Command::DeadLettered(&[1, 2])), "forget a");
    assert_eq!(q.run(Command::DeadLettered(&[1, 2])), "", "once");
    assert_eq!(q.core.state().held, 0);
}

#[test]
fn a_refused_letter_is_sent_again_behind_the_others() {
    let mut q = holding();
    q.names("a b");
    q.get();
    q.get();
    q.settle(Outcome::Reject, "a b");
    assert_eq!(q.run(Command::DeadLetterRefused(&[1])), "");
    assert_eq!(q.core.next_deadline(), Some(1000 + LETTER_RETRY_MS));
    assert_eq!(q.run(Command::DeadLettered(&[2])), "");
    assert_eq!(q.wait(LETTER_RETRY_MS - 1), "");
    assert_eq!(q.wait(1), "dead a rejected held");
    assert_eq!(q.core.next_deadline(), None);
}

#[test]
fn held_letters_count_against_the_limit() {
    let mut q = holding();
    q.names("a b");
    q.get();
    q.settle(Outcome::Reject, "a");
    assert_eq!(q.names("c"), "");
    assert_eq!(q.publish([m("d").ticket(7)]), "refused 7");
    q.run(Command::DeadLettered(&[1]));
    assert_eq!(q.publish([m("d").ticket(8)]), "taken 8");
}

#[test]
fn the_strategy_needs_a_queue_that_refuses() {
    let mut q = queue(QueueOptions {
        dead_letter_at_least_once: true,
        ..QueueOptions::default()
    });
    q.names("a");
    q.get();
    assert_eq!(q.settle(Outcome::Reject, "a"), "dead a rejected");
}

#[test]
fn without_a_target_any_more_held_letters_go() {
    let mut q = holding();
    q.publish([m("a").persistent()]);
    q.get();
    q.settle(Outcome::Reject, "a");
    q.run(Command::DeadLetterRefused(&[1]));
    let options = QueueOptions {
        dead_letter: None,
        ..q.core.options().clone()
    };
    assert_eq!(q.run(Command::Configure(options)), "forget a");
    assert_eq!(q.core.state().held, 0);
}

#[test]
fn no_more_letters_are_on_their_way_than_the_window_has() {
    let mut q = queue(QueueOptions {
        overflow: Overflow::RejectPublish,
        dead_letter_at_least_once: true,
        message_ttl_ms: Some(5),
        ..QueueOptions::default()
    });
    let count = LETTER_WINDOW as u64 + 3;
    q.publish((0..count).map(|n| m(&n.to_string())));
    assert_eq!(q.wait(5).matches("held").count(), LETTER_WINDOW);
    assert_eq!(q.core.state().held, count);
    assert_eq!(q.run(Command::DeadLettered(&[1, 2])).matches("held").count(), 2);
}

#[test]
fn what_a_target_refused_can_be_taken_back() {
    let mut q = plain();
    q.names("a");
    q.get();
    let ids = q.ids("a");
    let mut effects = Effects::default();
    q.core
        .apply(Command::Settle(Outcome::Reject, &ids), q.now, &mut effects);
    let Some(Effect::DeadLetter(letter)) = effects.others.pop() else {
        panic!("{effects:?}");
    };
    assert_eq!((letter.held, letter.died_at, letter.sequence), (false, 1000, 1));
    assert_eq!(q.run(Command::TakeBack(vec![letter])), "");
    assert_eq!(q.core.state().held, 1);
    assert_eq!(q.wait(LETTER_RETRY_MS), "dead a rejected held");
}
