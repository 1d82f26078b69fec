//! What is kept when the broker starts again.

use super::*;
use crate::store::SyncMode;

fn start(dir: &std::path::Path, clock: &Arc<ManualClock>) -> Lab {
    let options = StoreOptions {
        sync: SyncMode::Never,
        ..StoreOptions::new(dir)
    };
    Lab {
        broker: broker(options, clock),
        clock: Arc::clone(clock),
    }
}

fn restart(lab: Lab, dir: &std::path::Path) -> Lab {
    let clock = Arc::clone(&lab.clock);
    lab.broker.messages().shutdown().unwrap();
    drop(lab);
    start(dir, &clock)
}

fn persistent() -> Properties {
    Properties {
        delivery_mode: Some(2),
        ..Properties::default()
    }
}

#[test]
fn a_paused_queue_stays_paused_and_a_changed_one_changed() {
    let dir = tempfile::tempdir().unwrap();
    let lab = start(dir.path(), &Arc::new(ManualClock::at(1_700_000_000_000)));
    lab.declare("q", arguments! {"x-max-length" = 9});
    let vhost = lab.broker.vhost("/").unwrap();
    lab.broker.pause_queue(&vhost, "q").unwrap();
    let changes = [
        ("x-max-length".into(), ArgumentChange::Remove),
        ("x-message-ttl".into(), ArgumentChange::Set(5_000.value())),
    ];
    lab.broker.set_queue(&vhost, "q", &changes).unwrap();
    lab.publish("q", "m", &persistent());
    drop(vhost);
    let lab = restart(lab, dir.path());
    let queue = lab.queue("q");
    assert!(queue.is_paused());
    assert_eq!(
        (queue.options().max_length, queue.options().message_ttl_ms),
        (None, Some(5_000))
    );
    assert!(lab.get("q").is_none());
    let vhost = lab.broker.vhost("/").unwrap();
    lab.broker.resume_queue(&vhost, "q").unwrap();
    assert_eq!(lab.take("q", Outcome::Requeue).as_deref(), Some("m"));
    drop((queue, vhost));
    let lab = restart(lab, dir.path());
    assert!(!lab.queue("q").is_paused());
}

#[test]
fn a_retry_waits_on() {
    let dir = tempfile::tempdir().unwrap();
    let lab = start(dir.path(), &Arc::new(ManualClock::at(1_700_000_000_000)));
    lab.declare("q", arguments! {"x-retry-delays" = "10s,1m"});
    lab.publish("q", "m", &persistent());
    lab.take("q", Outcome::Reject).unwrap();
    let lab = restart(lab, dir.path());
    assert_eq!((lab.queue("q").state().ready, lab.queue("q").state().held), (0, 1));
    lab.advance(10_000);
    lab.take("q", Outcome::Reject).unwrap();
    let lab = restart(lab, dir.path());
    lab.advance(59_999);
    assert!(lab.get("q").is_none());
    lab.advance(1);
    lab.take("q", Outcome::Reject).unwrap();
    let lab = restart(lab, dir.path());
    let state = lab.queue("q").state();
    assert_eq!((state.ready, state.held), (0, 0), "used up");
}

#[test]
fn a_letter_that_was_not_placed_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let lab = start(dir.path(), &Arc::new(ManualClock::at(1_700_000_000_000)));
    lab.declare(
        "q",
        arguments! {
            "x-queue-type" = "quorum", "x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "d",
            "x-dead-letter-strategy" = "at-least-once", "x-overflow" = "reject-publish",
        },
    );
    lab.publish("q", "m", &persistent());
    lab.take("q", Outcome::Reject).unwrap();
    let lab = restart(lab, dir.path());
    assert_eq!(lab.queue("q").state().ready, 1);
    lab.declare("d", arguments! {});
    lab.take("q", Outcome::Reject).unwrap();
    // The store answers from its own thread.
    while lab.queue("q").state().held > 0 {
        std::thread::yield_now();
        lab.broker.run_due_timers();
    }
    let lab = restart(lab, dir.path());
    assert_eq!((lab.queue("q").state().ready, lab.queue("d").state().ready), (0, 1));
}

#[test]
fn a_queue_knows_again_whose_letters_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let lab = start(dir.path(), &Arc::new(ManualClock::at(1_700_000_000_000)));
    lab.declare("letters", arguments! {});
    lab.declare("work", arguments! {"x-dead-letter-exchange" = ""});
    lab.bind("amq.fanout", "", queue("work"));
    let message = Message::new("amq.fanout", "letters", &persistent().encode(), &[b"m"]);
    let publish = |lab: &Lab| {
        let vhost = lab.broker.vhost("/").unwrap();
        lab.broker.publish_one(&vhost, &message, ["letters"]).unwrap();
    };
    publish(&lab);
    lab.take("work", Outcome::Reject).unwrap();
    let lab = restart(lab, dir.path());
    let vhost = lab.broker.vhost("/").unwrap();
    let known = lab.broker.dead_letter_queues(&vhost);
    assert_eq!(known.len(), 1);
    assert_eq!(
        (&*known[0].queue.name, &*known[0].sources[0].queue),
        ("letters", "work")
    );
}
