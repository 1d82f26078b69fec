use super::*;

fn source(lab: &Lab) {
    lab.declare(
        "source",
        arguments! {
            "x-queue-type" = "quorum", "x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "target",
            "x-dead-letter-strategy" = "at-least-once", "x-overflow" = "reject-publish",
        },
    );
}

fn counts(lab: &Lab, queue: &str) -> (u64, u64) {
    let state = lab.queue(queue).state();
    (state.ready, state.held)
}

fn persistent() -> Properties {
    Properties {
        delivery_mode: Some(2),
        ..Properties::default()
    }
}

#[test]
fn a_letter_without_a_target_waits_until_there_is_one() {
    let lab = Lab::new();
    source(&lab);
    lab.publish("source", "m", &Properties::default());
    lab.take("source", Outcome::Reject).unwrap();
    assert_eq!(counts(&lab, "source"), (0, 1));
    lab.advance(60_000);
    assert_eq!(counts(&lab, "source"), (0, 1));
    lab.declare("target", arguments! {});
    lab.advance(1_000);
    assert_eq!((counts(&lab, "source"), counts(&lab, "target")), ((0, 0), (1, 0)));
    let found = headers(&lab.get("target").unwrap().message);
    let Some(FieldValue::Array(deaths)) = found.get("x-death") else {
        panic!("{found:?}");
    };
    let FieldValue::Table(death) = &deaths[0] else {
        panic!("{deaths:?}");
    };
    assert_eq!(
        death.get("time"),
        Some(&FieldValue::Timestamp(1_700_000_000)),
        "when it died"
    );
}

#[test]
fn a_full_target_gets_the_letter_once_it_has_room() {
    for strategy in [true, false] {
        let lab = Lab::new();
        if strategy {
            source(&lab);
        } else {
            let to = arguments! {"x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "target"};
            lab.declare("source", to);
        }
        lab.declare(
            "target",
            arguments! {"x-max-length" = 1, "x-overflow" = "reject-publish"},
        );
        for name in ["1", "2", "3"] {
            lab.publish("source", name, &Properties::default());
        }
        for name in ["1", "2", "3"] {
            assert_eq!(lab.take("source", Outcome::Reject).as_deref(), Some(name));
        }
        let mut got = Vec::new();
        for left in [2, 1, 0] {
            lab.advance(1_000);
            assert_eq!(counts(&lab, "source"), (0, left), "strategy {strategy}");
            got.extend(lab.take("target", Outcome::Ack));
        }
        got.sort();
        assert_eq!(got, ["1", "2", "3"], "strategy {strategy}");
    }
}

#[test]
fn each_target_gets_a_letter_once() {
    let lab = Lab::new();
    let fan = |strategy: bool| {
        let mut table = arguments! {"x-dead-letter-exchange" = "amq.fanout", "x-overflow" = "reject-publish"};
        if strategy {
            table.insert("x-queue-type", "quorum".value());
            table.insert("x-dead-letter-strategy", "at-least-once".value());
        }
        table
    };
    lab.declare("careful", fan(true));
    lab.declare("plain", fan(false));
    lab.declare("open", arguments! {});
    lab.declare("full", arguments! {"x-max-length" = 1, "x-overflow" = "reject-publish"});
    for target in ["open", "full"] {
        lab.bind("amq.fanout", "", queue(target));
    }
    lab.publish("full", "x", &Properties::default());
    for queue in ["careful", "plain"] {
        lab.publish(queue, queue, &Properties::default());
        lab.take(queue, Outcome::Reject).unwrap();
        lab.advance(1_000);
        assert_eq!(counts(&lab, queue), (0, 1));
    }
    assert_eq!(counts(&lab, "open"), (2, 0));
    lab.take("full", Outcome::Ack).unwrap();
    lab.advance(1_000);
    lab.take("full", Outcome::Ack).unwrap();
    lab.advance(2_000);
    assert_eq!((counts(&lab, "careful"), counts(&lab, "plain")), ((0, 0), (0, 0)));
    assert_eq!((counts(&lab, "open"), counts(&lab, "full")), ((2, 0), (1, 0)));
}

#[test]
fn a_persistent_letter_is_held_until_the_store_has_it() {
    let lab = Lab::new();
    source(&lab);
    lab.declare("target", arguments! {});
    lab.publish("source", "m", &persistent());
    lab.take("source", Outcome::Reject).unwrap();
    assert_eq!(lab.queue("target").state().ready, 1);
    lab.broker.messages().shutdown().unwrap();
    lab.broker.run_due_timers();
    assert_eq!(counts(&lab, "source"), (0, 0));
}

#[test]
fn the_strategy_is_for_quorum_queues_and_one_of_two_words() {
    let lab = Lab::new();
    let refused = lab.try_declare("q", arguments! {"x-dead-letter-strategy" = "at-least-once"});
    assert_eq!(
        refused.err().unwrap(),
        "PRECONDITION_FAILED - invalid arg 'x-dead-letter-strategy' for queue 'q' in vhost '/' of queue type \
         rabbit_classic_queue"
    );
    let refused = lab.try_declare(
        "q",
        arguments! {"x-queue-type" = "quorum", "x-dead-letter-strategy" = "twice"},
    );
    assert!(refused.err().unwrap().contains("invalid_dlx_strategy"));
}
