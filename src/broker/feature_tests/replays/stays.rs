//! Letters that a replay leaves where they are, wholly or for some of their queues.

use super::*;

#[test]
fn what_leads_nowhere_stays_and_is_counted() {
    let lab = shop();
    letters(&lab, 3);
    // No dead letter at all: it does not say where it came from.
    lab.publish("dlq", "stray", &Properties::default());
    let vhost = lab.broker.vhost("/").unwrap();
    let bound = binding("shop", "new", queue("orders"));
    lab.broker.unbind(&vhost, &bound).unwrap();
    let report = run(&lab, ReplayRequest::default());
    assert_eq!(
        (report.counts.matched, report.counts.unroutable, report.counts.replayed),
        (4, 4, 0)
    );
    let elsewhere = ReplayRequest {
        exchange: Some("".into()),
        routing_key: Some("orders".into()),
        ..ReplayRequest::default()
    };
    assert_eq!(run(&lab, elsewhere).counts.replayed, 4);
    assert_eq!(bodies(&lab, "orders"), ["0", "1", "2", "stray"]);
    let nowhere = ReplayRequest {
        exchange: Some("gone".into()),
        ..ReplayRequest::default()
    };
    die(&lab, "", "orders", &Properties::default(), "m");
    assert_eq!(run(&lab, nowhere).counts.unroutable, 1);
}

#[test]
fn what_a_full_queue_refuses_is_back_at_its_place_as_it_was() {
    let lab = shop();
    letters(&lab, 5);
    let vhost = lab.broker.vhost("/").unwrap();
    let full = [
        ("x-max-length".into(), ArgumentChange::Set(2.value())),
        ("x-overflow".into(), ArgumentChange::Set("reject-publish".value())),
    ];
    lab.broker.set_queue(&vhost, "orders", &full).unwrap();
    let report = run(&lab, ReplayRequest::default());
    assert_eq!((report.counts.replayed, report.counts.skipped), (2, 3));
    let left = lab
        .broker
        .letters(&lab.queue("dlq"), &LetterFilter::default(), 0, 9)
        .unwrap();
    assert!(
        left.iter()
            .all(|(_, letter)| !letter.waiting.redelivered && letter.waiting.delivery_count == 0)
    );
    assert_eq!(bodies(&lab, "dlq"), ["2", "3", "4"]);
}

#[test]
fn what_one_queue_refuses_and_another_took_goes_to_the_first_alone_the_next_time() {
    let lab = fan();
    refuse_beyond(&lab, 1);
    let report = run(&lab, ReplayRequest::default());
    assert_eq!(
        (report.counts.replayed, report.counts.skipped, report.counts.partly),
        (1, 2, 2)
    );
    let queue = lab.queue("dlq");
    let left = lab.broker.letters(&queue, &LetterFilter::default(), 0, 9).unwrap();
    let names: Vec<_> = left.iter().map(|(_, letter)| queue.sent_back_to(letter)).collect();
    assert_eq!(names, [["open"], ["open"]]);
    let vhost = lab.broker.vhost("/").unwrap();
    let dry = lab
        .broker
        .dry_run(&vhost, &queue, &ReplayRequest::default(), &everything())
        .unwrap();
    assert_eq!(dry.targets[0].queues, [Name::from("full")]);
    assert_eq!(bodies(&lab, "full"), ["0"]);
    let again = run(&lab, ReplayRequest::default());
    assert_eq!((again.counts.replayed, again.counts.partly), (1, 1), "still full");
    reset(&lab, "full", &["x-max-length", "x-overflow"]);
    assert_eq!(run(&lab, ReplayRequest::default()).counts.replayed, 1);
    assert_eq!(bodies(&lab, "full"), ["1", "2"]);
    assert_eq!(bodies(&lab, "open"), numbers(0..3), "each once");
    assert_eq!(bodies(&lab, "dlq"), numbers(0..0));
}

#[test]
fn a_letter_whose_last_queue_went_away_is_done_and_a_new_queue_gets_it() {
    let lab = fan();
    refuse_beyond(&lab, 0);
    assert_eq!(run(&lab, ReplayRequest::default()).counts.partly, 3);
    let vhost = lab.broker.vhost("/").unwrap();
    let delete = |name: &str| lab.broker.delete_queue(&vhost, name, DeleteCondition::default(), 1);
    delete("full").unwrap();
    // `open` is another queue now, which has nothing.
    let first = ReplayRequest {
        limit: Some(2),
        ..ReplayRequest::default()
    };
    assert_eq!(run(&lab, first).counts.replayed, 2);
    assert_eq!(bodies(&lab, "open"), numbers(0..3), "nothing came twice");
    delete("open").unwrap();
    lab.declare("open", arguments! {});
    lab.bind("amq.fanout", "", queue("open"));
    assert_eq!(run(&lab, ReplayRequest::default()).counts.replayed, 1);
    assert_eq!(bodies(&lab, "open"), ["2"]);
}

#[test]
fn letters_that_went_another_way_are_forgotten() {
    let lab = fan();
    refuse_beyond(&lab, 0);
    assert_eq!(run(&lab, ReplayRequest::default()).counts.partly, 3);
    let partly = lab.queue("dlq");
    let known = |count: usize| (1..9).filter(|letter| partly.partly().knows(*letter)).count() == count;
    assert!(known(3));
    assert_eq!(lab.take("dlq", Outcome::Ack).as_deref(), Some("0"));
    assert_eq!(run(&lab, ReplayRequest::default()).counts.partly, 2);
    assert!(known(2), "the one that a consumer took is not kept in mind");
}

/// `full` takes so many messages and refuses what comes then.
fn refuse_beyond(lab: &Lab, messages: i64) {
    let limits = [
        ("x-max-length", messages.value()),
        ("x-overflow", "reject-publish".value()),
    ];
    set(lab, "full", &limits);
}

/// `dlq` has three letters that were published to `amq.fanout`, to which `open` and `full` are bound now.
fn fan() -> Lab {
    let lab = shop();
    lab.bind("amq.fanout", "", queue("orders"));
    for at in 0..3 {
        die(&lab, "amq.fanout", "k", &persistent(FieldTable::new()), &at.to_string());
    }
    let vhost = lab.broker.vhost("/").unwrap();
    lab.broker
        .unbind(&vhost, &binding("amq.fanout", "", queue("orders")))
        .unwrap();
    for target in ["open", "full"] {
        lab.declare(target, arguments! {});
        lab.bind("amq.fanout", "", queue(target));
    }
    lab
}

fn set(lab: &Lab, queue: &str, values: &[(&str, FieldValue)]) {
    let vhost = lab.broker.vhost("/").unwrap();
    let changes = values.iter();
    let changes: Vec<_> = changes
        .map(|(name, value)| (Name::from(*name), ArgumentChange::Set(value.clone())))
        .collect();
    lab.broker.set_queue(&vhost, queue, &changes).unwrap();
}

fn reset(lab: &Lab, queue: &str, names: &[&str]) {
    let vhost = lab.broker.vhost("/").unwrap();
    let changes: Vec<_> = names
        .iter()
        .map(|name| (Name::from(*name), ArgumentChange::Reset))
        .collect();
    lab.broker.set_queue(&vhost, queue, &changes).unwrap();
}
