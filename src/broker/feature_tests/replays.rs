//! Dead letters on their way back.

mod on_disk;
mod stays;

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::dead_letter_queues::{Next, Worker};
use super::*;
use crate::model::Name;

fn everything() -> MayPublish {
    Arc::new(|_, _| Ok(()))
}

/// `orders` dead-letters into `dlq`; messages come through the exchange `shop` with the key `new`.
fn shop() -> Lab {
    set_up(Lab::new())
}

fn set_up(lab: Lab) -> Lab {
    lab.exchange("shop", "direct", arguments! {});
    lab.declare("dlq", arguments! {});
    lab.declare(
        "orders",
        arguments! {"x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "dlq"},
    );
    lab.bind("shop", "new", queue("orders"));
    lab
}

fn persistent(headers: FieldTable) -> Properties {
    Properties {
        delivery_mode: Some(2),
        headers: Some(headers),
        ..Properties::default()
    }
}

/// Publishes to an exchange and rejects what comes to `orders`.
fn die(lab: &Lab, exchange: &str, key: &str, properties: &Properties, text: &str) {
    let message = Message::new(exchange, key, &properties.encode(), &[text.as_bytes()]);
    let vhost = lab.broker.vhost("/").unwrap();
    lab.broker.publish_one(&vhost, &message, [key]).unwrap();
    while lab.take("orders", Outcome::Reject).is_some() {}
}

fn letters(lab: &Lab, count: usize) {
    for at in 0..count {
        die(lab, "shop", "new", &persistent(FieldTable::new()), &at.to_string());
    }
    assert_eq!(lab.queue("dlq").state().ready, count as u64);
}

fn begin(lab: &Lab, request: ReplayRequest) -> (Arc<Replay>, Worker) {
    let vhost = lab.broker.vhost("/").unwrap();
    let queue = lab.queue("dlq");
    lab.broker.new_replay(&vhost, &queue, request, everything()).unwrap()
}

fn run(lab: &Lab, request: ReplayRequest) -> ReplayReport {
    let vhost = lab.broker.vhost("/").unwrap();
    let queue = lab.queue("dlq");
    let replay = lab.broker.start_replay(&vhost, &queue, request, everything()).unwrap();
    assert!(replay.wait(Duration::from_secs(60)), "it ends");
    replay.status()
}

fn bodies(lab: &Lab, queue: &str) -> Vec<String> {
    std::iter::from_fn(|| lab.take(queue, Outcome::Ack)).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|at| at.to_string()).collect()
}

#[test]
fn letters_go_back_to_where_they_came_from_in_their_order() {
    let lab = shop();
    letters(&lab, 600);
    let report = run(&lab, ReplayRequest::default());
    assert_eq!(report.state, ReplayState::Done);
    let expected = ReplayCounts {
        total: 600,
        scanned: 600,
        matched: 600,
        replayed: 600,
        skipped: 0,
        partly: 0,
        unroutable: 0,
    };
    assert_eq!(report.counts, expected);
    let state = lab.queue("dlq").state();
    assert_eq!((state.ready, state.unacked), (0, 0));
    let delivery = lab.get("orders").unwrap();
    let message = &delivery.message;
    assert_eq!((message.exchange(), &*message.routing_key()), ("shop", "new"));
    assert!(!delivery.redelivered);
    let headers = headers(message);
    assert!(matches!(headers.get("x-death"), Some(FieldValue::Array(deaths)) if deaths.len() == 1));
    assert_eq!(headers.get("x-first-death-queue"), Some(&FieldValue::text("orders")));
    assert_eq!(headers.get("x-replay-count"), Some(&FieldValue::I64(1)));
    let ids = [delivery.unacked.unwrap()];
    lab.with(|now, aftermath| lab.queue("orders").settle(Outcome::Requeue, &ids, now, aftermath));
    assert_eq!(bodies(&lab, "orders"), numbers(0..600));
}

#[test]
fn the_first_death_counts_and_not_the_last() {
    let lab = shop();
    let vhost = lab.broker.vhost("/").unwrap();
    // Rejected in `orders`, expired in `again`, back in `orders`, rejected again: the older entry is the newer death.
    lab.declare(
        "again",
        arguments! {"x-message-ttl" = 10, "x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "orders"},
    );
    let to_again = [("x-dead-letter-routing-key".into(), ArgumentChange::Set("again".value()))];
    lab.broker.set_queue(&vhost, "orders", &to_again).unwrap();
    die(&lab, "shop", "new", &persistent(FieldTable::new()), "m");
    lab.advance(10);
    let back = [("x-dead-letter-routing-key".into(), ArgumentChange::Reset)];
    lab.broker.set_queue(&vhost, "orders", &back).unwrap();
    assert_eq!(lab.take("orders", Outcome::Reject).as_deref(), Some("m"));
    let queue = lab.queue("dlq");
    let (_, letter) = lab
        .broker
        .letters(&queue, &LetterFilter::default(), 0, 1)
        .unwrap()
        .remove(0);
    assert_eq!(letter.death_count(), 3);
    assert_eq!(letter.reason(), Some("rejected"));
    assert_eq!(
        (
            letter.first_queue(),
            letter.first_exchange(),
            letter.first_routing_key()
        ),
        (Some("orders"), Some("shop"), Some("new"))
    );
    assert_eq!(run(&lab, ReplayRequest::default()).counts.replayed, 1);
    assert_eq!(lab.get("orders").unwrap().message.exchange(), "shop");
}

#[test]
fn keys_of_cc_come_back_and_the_expiration_stays_away() {
    let lab = shop();
    let vhost = lab.broker.vhost("/").unwrap();
    lab.declare("copies", arguments! {});
    lab.bind("shop", "copy", queue("copies"));
    let mut properties = persistent(FieldTable::new());
    properties.expiration = Some("5000".into());
    let cc = FieldValue::Array(vec![FieldValue::text("copy")]);
    properties.headers.get_or_insert_default().insert("CC", cc.clone());
    let message = Message::new("shop", "new", &properties.encode(), &[b"m"]);
    lab.broker.publish_one(&vhost, &message, ["new", "copy"]).unwrap();
    assert_eq!(bodies(&lab, "copies"), ["m"]);
    assert_eq!(lab.take("orders", Outcome::Reject).as_deref(), Some("m"));
    assert_eq!(run(&lab, ReplayRequest::default()).counts.replayed, 1);
    for queue in ["orders", "copies"] {
        let message = lab.get(queue).unwrap().message;
        assert_eq!(message.properties().expiration(), None, "{queue}");
        assert_eq!(headers(&message).get("CC"), Some(&cc), "{queue}");
        let death = format!("{:?}", headers(&message).get("x-death"));
        assert!(death.contains("original-expiration"), "{death}");
    }
}

#[test]
fn filters_choose_and_what_stays_keeps_its_order_and_its_flags() {
    let lab = shop();
    for at in 0..10 {
        let customer = if at % 2 == 0 { "even" } else { "odd" };
        let table = arguments! {"customer" = customer, "number" = at};
        die(&lab, "shop", "new", &persistent(table), &at.to_string());
        lab.advance(1_000);
    }
    let filter = LetterFilter {
        reason: Some(crate::queue::DeathReason::Rejected),
        older_than_ms: Some(4_000),
        headers: vec![("customer".to_owned(), "odd".to_owned())],
    };
    let request = ReplayRequest {
        filter,
        limit: Some(2),
        ..ReplayRequest::default()
    };
    let vhost = lab.broker.vhost("/").unwrap();
    let queue = lab.queue("dlq");
    let dry = lab.broker.dry_run(&vhost, &queue, &request, &everything()).unwrap();
    assert_eq!((dry.counts.matched, dry.counts.replayed, dry.targets.len()), (2, 2, 1));
    assert_eq!(dry.targets[0].queues, [Name::from("orders")]);
    assert_eq!(queue.state().ready, 10, "a dry run changes nothing");
    assert_eq!(run(&lab, request).counts.replayed, 2);
    assert_eq!(bodies(&lab, "orders"), ["1", "3"]);
    let by_number = LetterFilter {
        headers: vec![("number".to_owned(), "6".to_owned())],
        ..LetterFilter::default()
    };
    assert_eq!(lab.broker.purge_letters(&queue, &by_number, None).unwrap(), 1);
    let other_reason = LetterFilter {
        reason: Some(crate::queue::DeathReason::Expired),
        ..LetterFilter::default()
    };
    assert_eq!(lab.broker.purge_letters(&queue, &other_reason, None).unwrap(), 0);
    assert_eq!(
        lab.broker
            .purge_letters(&queue, &LetterFilter::default(), Some(1))
            .unwrap(),
        1
    );
    let left: Vec<_> = lab.broker.letters(&queue, &LetterFilter::default(), 0, 100).unwrap();
    assert!(
        left.iter()
            .all(|(_, letter)| !letter.waiting.redelivered && letter.waiting.delivery_count == 0)
    );
    assert_eq!(bodies(&lab, "dlq"), ["2", "4", "5", "7", "8", "9"]);
    assert_eq!(
        lab.broker
            .purge_letters(&queue, &LetterFilter::default(), None)
            .unwrap(),
        0
    );
}

#[test]
fn the_permission_of_the_caller_counts_for_every_exchange() {
    let lab = shop();
    letters(&lab, 2);
    let vhost = lab.broker.vhost("/").unwrap();
    let refuse: MayPublish = Arc::new(|exchange, key| {
        Err(AmqpError::channel(
            ReplyCode::AccessRefused,
            format!("no {exchange}/{key}"),
        ))
    });
    let replay = lab
        .broker
        .start_replay(&vhost, &lab.queue("dlq"), ReplayRequest::default(), refuse)
        .unwrap();
    assert!(replay.wait(Duration::from_secs(60)));
    let report = replay.status();
    assert_eq!(report.state, ReplayState::Failed);
    assert_eq!(report.error.as_deref(), Some("ACCESS_REFUSED - no shop/new"));
    assert_eq!(bodies(&lab, "dlq"), ["0", "1"]);
}

#[test]
fn a_replay_that_is_stopped_anywhere_loses_nothing() {
    for steps in 0..12 {
        let lab = shop();
        letters(&lab, 700);
        let (replay, mut worker) = begin(&lab, ReplayRequest::default());
        for _ in 0..steps {
            worker.step();
        }
        replay.stop();
        worker.run();
        let report = replay.status();
        assert!(matches!(report.state, ReplayState::Stopped | ReplayState::Done));
        let (back, left) = (bodies(&lab, "orders"), bodies(&lab, "dlq"));
        assert_eq!(back.len() as u64, report.counts.replayed, "after {steps} steps");
        assert_eq!(lab.queue("dlq").state().unacked, 0);
        assert_eq!([back, left].concat(), numbers(0..700), "after {steps} steps");
    }
}

#[test]
fn a_replay_whose_thread_dies_leaves_its_letters_within_reach() {
    let lab = shop();
    letters(&lab, 300);
    let (_, mut worker) = begin(&lab, ReplayRequest::default());
    worker.step();
    worker.step();
    drop(worker);
    let found: BTreeSet<String> = [bodies(&lab, "orders"), bodies(&lab, "dlq")]
        .concat()
        .into_iter()
        .collect();
    assert_eq!(found.len(), 300);
    assert_eq!(lab.queue("dlq").state().unacked, 0);
}

#[test]
fn the_rate_is_kept() {
    let lab = shop();
    letters(&lab, 100);
    let request = ReplayRequest {
        rate_per_s: Some(20),
        ..ReplayRequest::default()
    };
    let (replay, mut worker) = begin(&lab, request);
    let mut sent = Vec::new();
    for _ in 0..50 {
        while worker.step() == Next::Again {}
        let state = lab.queue("orders").state();
        sent.push(state.ready);
        lab.advance(100);
    }
    assert_eq!(
        sent[..5],
        [1, 3, 5, 7, 9],
        "one at once, then two every tenth of a second"
    );
    assert_eq!(sent[49], 99);
    replay.stop();
    worker.run();
    assert_eq!(replay.status().counts.replayed, 99);
    assert_eq!(bodies(&lab, "dlq"), ["99"]);
}

#[test]
fn a_letter_that_dies_again_waits_for_the_next_replay() {
    let lab = shop();
    let vhost = lab.broker.vhost("/").unwrap();
    letters(&lab, 3);
    // Whatever comes to `orders` dies there at once.
    let at_once = [("x-message-ttl".into(), ArgumentChange::Set(0.value()))];
    lab.broker.set_queue(&vhost, "orders", &at_once).unwrap();
    for round in 1..=3 {
        let report = run(&lab, ReplayRequest::default());
        assert_eq!(
            (report.state, report.counts.replayed),
            (ReplayState::Done, 3),
            "round {round}"
        );
        assert_eq!(
            lab.queue("dlq").state().ready,
            3,
            "round {round}: nobody rejected it, and no cycle is cut"
        );
    }
    let (_, letter) = lab
        .broker
        .letters(&lab.queue("dlq"), &LetterFilter::default(), 0, 1)
        .unwrap()
        .remove(0);
    assert_eq!((letter.reason(), letter.death_count()), (Some("expired"), 4));
}

#[test]
fn a_queue_that_remembers_values_takes_what_is_sent_again() {
    let lab = shop();
    lab.declare(
        "once",
        arguments! {
            "x-message-deduplication" = true, "x-cache-size" = 100, "x-dead-letter-exchange" = "",
            "x-dead-letter-routing-key" = "dlq",
        },
    );
    let table = arguments! {"x-deduplication-header" = "7"};
    lab.publish("once", "m", &persistent(table));
    assert_eq!(lab.take("once", Outcome::Reject).as_deref(), Some("m"));
    assert_eq!(run(&lab, ReplayRequest::default()).counts.replayed, 1);
    assert_eq!(bodies(&lab, "once"), ["m"]);
}

#[test]
fn one_replay_of_a_queue_at_a_time() {
    let lab = shop();
    letters(&lab, 1);
    let (replay, mut worker) = begin(&lab, ReplayRequest::default());
    let vhost = lab.broker.vhost("/").unwrap();
    let second = lab
        .broker
        .new_replay(&vhost, &lab.queue("dlq"), ReplayRequest::default(), everything());
    let error = second.err().unwrap();
    assert_eq!(
        error.text,
        "PRECONDITION_FAILED - replay 1 of queue 'dlq' in vhost '/' is still running: wait for its end or stop it"
    );
    worker.run();
    assert_eq!(replay.status().state, ReplayState::Done);
    assert_eq!(run(&lab, ReplayRequest::default()).counts.total, 0);
    assert_eq!(lab.broker.replays("/", "dlq").len(), 2);
}

#[test]
fn a_deleted_queue_ends_its_replay() {
    let lab = shop();
    letters(&lab, 1);
    let (replay, mut worker) = begin(&lab, ReplayRequest::default());
    let vhost = lab.broker.vhost("/").unwrap();
    lab.broker
        .delete_queue(&vhost, "dlq", DeleteCondition::default(), 1)
        .unwrap();
    worker.run();
    let report = replay.status();
    assert_eq!(
        (report.state, report.error.as_deref()),
        (ReplayState::Failed, Some("the queue was deleted"))
    );
}
