use super::*;

#[test]
fn a_rejected_message_is_retried_and_then_dead_lettered_without_a_trace_of_it() {
    let lab = Lab::new();
    lab.declare(
        "q",
        arguments! {
            "x-retry-delays" = "1s, 1m", "x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "d",
        },
    );
    lab.declare("d", arguments! {});
    lab.publish("q", "m", &Properties::default());
    for delay in [1_000, 60_000] {
        assert_eq!(lab.take("q", Outcome::Reject).as_deref(), Some("m"));
        lab.advance(delay - 1);
        assert_eq!(lab.take("q", Outcome::Ack), None);
        lab.advance(1);
    }
    assert_eq!(lab.queue("d").state().ready, 0);
    assert_eq!(lab.take("q", Outcome::Reject).as_deref(), Some("m"));
    let found = headers(&lab.get("d").unwrap().message);
    assert!(found.get("x-death").is_some());
    assert!(found.get("x-retry-count").is_none() && found.get("x-retry-at").is_none());
}

#[test]
fn delays_are_checked_and_must_be_repeated() {
    let lab = Lab::new();
    let text = |delays: &str| lab.try_declare("bad", arguments! {"x-retry-delays" = delays}).err();
    for bad in [
        "",
        "1",
        "s",
        "1s,",
        "1s;2s",
        "0s",
        "-1s",
        "1.5s",
        "9999999999d",
        "5000000d",
    ] {
        assert_eq!(
            text(bad).as_deref(),
            Some(&*format!(
                "PRECONDITION_FAILED - invalid arg 'x-retry-delays' for queue 'bad' in vhost '/': \"expected \
                     delays such as '1s,10s,1m' (units ms, s, m, h, d), got '{bad}'\""
            ))
        );
    }
    let many = vec!["1s"; 101].join(",");
    assert!(
        text(&many)
            .unwrap()
            .ends_with("\"expected at most 100 delays, got 101\"")
    );
    lab.declare("q", arguments! {"x-retry-delays" = "5ms,2h"});
    let other = lab
        .try_declare("q", arguments! {"x-retry-delays" = "5ms"})
        .err()
        .unwrap();
    assert_eq!(
        other,
        "PRECONDITION_FAILED - inequivalent arg 'x-retry-delays' for queue 'q' in vhost '/': received '5ms' but \
         current is '5ms,2h'"
    );
}

#[test]
fn a_queue_may_just_say_that_it_retries() {
    let lab = Lab::new();
    lab.declare("default", arguments! {"x-message-retry" = true});
    lab.declare("off", arguments! {"x-message-retry" = false, "x-retry-delays" = "1s"});
    for (queue, held) in [("default", 1), ("off", 0)] {
        lab.publish(queue, "m", &Properties::default());
        lab.take(queue, Outcome::Reject).unwrap();
        assert_eq!(lab.queue(queue).state().held, held, "{queue}");
    }
    let refused = lab
        .try_declare("bad", arguments! {"x-message-retry" = "yes"})
        .err()
        .unwrap();
    assert!(refused.contains("unacceptable_type"), "{refused}");
}
