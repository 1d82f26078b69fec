use super::*;
use crate::model::FieldValue;

fn retrying() -> Q {
    queue(QueueOptions {
        durable: true,
        retry_delays_ms: vec![10, 100],
        ..QueueOptions::default()
    })
}

fn reject(q: &mut Q, name: &str) -> String {
    q.settle(Outcome::Reject, name)
}

#[test]
fn a_rejected_message_comes_back_after_growing_delays_and_then_dies() {
    let mut q = retrying();
    q.subscribe(consumer(0));
    assert_eq!(q.publish([m("a").persistent()]), "keep! a, a>0");
    assert_eq!(reject(&mut q, "a"), "keep a instead");
    assert_eq!(q.core.state().held, 1);
    assert_eq!(q.core.next_deadline(), Some(1010));
    assert_eq!(q.wait(9), "");
    assert_eq!(q.wait(1), "a>0*1");
    assert_eq!(reject(&mut q, "a"), "keep a instead");
    assert_eq!(q.wait(99), "");
    assert_eq!(q.wait(1), "a>0*2");
    assert_eq!(reject(&mut q, "a"), "dead a rejected, forget a");
    assert_eq!(q.core.state().held, 0);
}

#[test]
fn its_headers_tell_of_the_retry() {
    let mut q = retrying();
    q.names("a");
    q.get();
    reject(&mut q, "a");
    q.wait(10);
    let view = q.core.peek(0).unwrap();
    let headers = view.message.properties().headers().unwrap();
    assert_eq!(headers.get("x-retry-count"), Some(&FieldValue::I64(1)));
    assert_eq!(headers.get("x-retry-at"), Some(&FieldValue::I64(1010)));
    assert_eq!((view.message.exchange(), &*view.message.routing_key()), ("x", "q"));
}

#[test]
fn it_comes_back_in_front_of_what_came_after_its_rejection() {
    let mut q = retrying();
    q.names("a b");
    q.get();
    reject(&mut q, "a");
    q.names("c");
    assert_eq!(q.waiting(), "b c");
    q.wait(10);
    assert_eq!(q.waiting(), "b a c");
    assert_eq!(q.get(), "b +2");
    assert_eq!(q.get(), "a*1 +1");
}

#[test]
fn a_restart_keeps_delay_and_count() {
    let mut q = retrying();
    q.publish([m("a").persistent()]);
    q.get();
    let ids = q.ids("a");
    let mut effects = Effects::default();
    q.core
        .apply(Command::Settle(Outcome::Reject, &ids), q.now, &mut effects);
    let Effect::Keep { sequence, message, .. } = effects.others.remove(0) else {
        panic!("{effects:?}");
    };
    let mut after = retrying();
    let restored = Restored {
        sequence,
        message,
        expires_at: None,
        redelivered: true,
        delivery_count: 0,
    };
    assert_eq!(after.run(Command::Restore(vec![restored])), "");
    assert_eq!((after.core.state().ready, after.core.state().held), (0, 1));
    after.wait(10);
    assert_eq!(after.get(), "a*0 +0");
    reject(&mut after, "a");
    after.wait(99);
    assert_eq!(after.get(), "empty", "the second delay");
    after.wait(1);
    after.get();
    assert_eq!(reject(&mut after, "a"), "dead a rejected, forget a");
}

#[test]
fn it_may_expire_while_it_waits() {
    let mut q = retrying();
    q.publish([m("a").ttl(5)]);
    q.get();
    reject(&mut q, "a");
    assert_eq!(q.core.next_deadline(), Some(1005));
    assert_eq!(q.wait(5), "dead a expired");
}

#[test]
fn a_purge_takes_it_too() {
    let mut q = retrying();
    q.publish([m("a").persistent(), m("b")]);
    q.get();
    reject(&mut q, "a");
    let (reply, words) = q.apply(Command::Purge);
    assert!(matches!(reply, Reply::Purged(2)), "{reply:?}");
    assert_eq!(words, "forget a");
}
