//! Which queues have dead letters, how many, how old, and whether somebody should look.

use super::*;

/// Each queue with those that dead-letter into it.
fn found(lab: &Lab) -> Vec<(String, Vec<String>)> {
    let vhost = lab.broker.vhost("/").unwrap();
    let queues = lab.broker.dead_letter_queues(&vhost).into_iter();
    let names = queues.map(|found| {
        let sources = found.sources.iter().map(|source| source.queue.to_string());
        (found.queue.name.to_string(), sources.collect())
    });
    names.collect()
}

fn row(name: &str, sources: &[&str]) -> (String, Vec<String>) {
    (
        name.to_owned(),
        sources.iter().map(|source| (*source).to_owned()).collect(),
    )
}

#[test]
fn sources_are_found_through_exchanges_keys_and_alternates() {
    let lab = Lab::new();
    lab.exchange("fan", "fanout", FieldTable::new());
    lab.exchange("by-key", "direct", arguments! {"alternate-exchange" = "fan"});
    lab.exchange("words", "topic", FieldTable::new());
    lab.exchange("first", "direct", FieldTable::new());
    for name in ["all", "a-letters", "b-letters", "word-letters", "unrelated"] {
        lab.declare(name, arguments! {});
    }
    lab.bind("fan", "", queue("all"));
    lab.bind("by-key", "a", queue("a-letters"));
    lab.bind("by-key", "b", queue("b-letters"));
    lab.bind("words", "*.dead", queue("word-letters"));
    // Own keys: `a` by a binding, and its own name, which leads to the alternate.
    lab.declare("a", arguments! {"x-dead-letter-exchange" = "by-key"});
    lab.bind("first", "b", queue("a"));
    lab.declare(
        "direct",
        arguments! {"x-dead-letter-exchange" = "by-key", "x-dead-letter-routing-key" = "b"},
    );
    lab.declare(
        "lost",
        arguments! {"x-dead-letter-exchange" = "by-key", "x-dead-letter-routing-key" = "c"},
    );
    lab.declare(
        "words",
        arguments! {"x-dead-letter-exchange" = "words", "x-dead-letter-routing-key" = "x.dead"},
    );
    lab.declare(
        "other",
        arguments! {"x-dead-letter-exchange" = "words", "x-dead-letter-routing-key" = "x.y"},
    );
    lab.declare("missing", arguments! {"x-dead-letter-exchange" = "none"});
    assert_eq!(
        found(&lab),
        [
            row("a-letters", &["a"]),
            row("all", &["lost"]),
            row("b-letters", &["a", "direct"]),
            row("word-letters", &["words"]),
        ]
    );
    // A binding that takes any key: now its letters may have any.
    lab.bind("fan", "", queue("a"));
    assert_eq!(
        found(&lab),
        [
            row("a", &["a", "lost"]),
            row("a-letters", &["a"]),
            row("all", &["a", "lost"]),
            row("b-letters", &["a", "direct"]),
            row("word-letters", &["words"]),
        ]
    );
}

#[test]
fn an_exchange_between_and_a_policy_count_too() {
    let lab = Lab::new();
    lab.exchange("first", "fanout", FieldTable::new());
    lab.exchange("second", "headers", FieldTable::new());
    lab.bind("first", "", DestinationName::Exchange("second".into()));
    lab.declare("letters", arguments! {});
    lab.bind("second", "", queue("letters"));
    lab.declare("work", arguments! {});
    assert_eq!(found(&lab), []);
    policy(&lab, "work", r#"{"dead-letter-exchange": "first"}"#);
    assert_eq!(found(&lab), [row("letters", &["work"])]);
    lab.broker.clear_policy(PolicyKind::User, "/", "p-work").unwrap();
    assert_eq!(found(&lab), []);
}

#[test]
fn keys_that_only_messages_have_are_known_once_a_letter_came() {
    let lab = Lab::new();
    let vhost = lab.broker.vhost("/").unwrap();
    lab.declare("work", arguments! {"x-dead-letter-exchange" = ""});
    lab.declare("by-key", arguments! {});
    lab.declare("by-copy", arguments! {});
    lab.bind("amq.fanout", "", queue("work"));
    assert_eq!(found(&lab), [], "any key");
    let cc = FieldValue::Array(vec![FieldValue::text("by-copy")]);
    let properties = Properties {
        headers: Some([("CC", cc)].into_iter().collect()),
        ..Properties::default()
    };
    let message = Message::new("amq.fanout", "by-key", &properties.encode(), &[b"m"]);
    lab.broker.publish_one(&vhost, &message, ["by-key", "by-copy"]).unwrap();
    assert_eq!(lab.take("work", Outcome::Reject).as_deref(), Some("m"));
    let known = [row("by-copy", &["work"]), row("by-key", &["work"])];
    assert_eq!(found(&lab), known);
    let sources = lab.broker.dead_letter_queues(&vhost)[0].sources.clone();
    assert_eq!((&*sources[0].exchange, &sources[0].routing_key), ("", &None));
    // Where its letters go now can be told again, or they go elsewhere.
    policy(
        &lab,
        "work",
        r#"{"dead-letter-exchange": "", "dead-letter-routing-key": "by-key"}"#,
    );
    assert_eq!(found(&lab), [row("by-key", &["work"])]);
    lab.broker.clear_policy(PolicyKind::User, "/", "p-work").unwrap();
    assert_eq!(found(&lab), known);
    policy(&lab, "work", r#"{"dead-letter-exchange": "elsewhere"}"#);
    assert_eq!(found(&lab), []);
    lab.broker.clear_policy(PolicyKind::User, "/", "p-work").unwrap();
    lab.broker
        .delete_queue(&vhost, "work", DeleteCondition::default(), 1)
        .unwrap();
    assert_eq!(found(&lab), []);
}

fn policy(lab: &Lab, pattern: &str, definition: &str) {
    let policy = Policy {
        vhost: "/".to_owned(),
        name: format!("p-{pattern}"),
        pattern: pattern.to_owned(),
        apply_to: ApplyTo::Queues,
        priority: 0,
        definition: serde_json::from_str(definition).unwrap(),
    };
    lab.broker.set_policy(PolicyKind::User, policy).unwrap();
}

/// `work` dead-letters into `letters`.
fn pair() -> Lab {
    let lab = Lab::new();
    lab.declare("letters", arguments! {});
    lab.declare(
        "work",
        arguments! {"x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "letters"},
    );
    lab
}

fn letter(lab: &Lab) {
    lab.publish("work", "m", &Properties::default());
    lab.take("work", Outcome::Reject).unwrap();
}

#[test]
fn depth_age_and_reasons_are_known() {
    let lab = pair();
    letter(&lab);
    lab.advance(1_500);
    letter(&lab);
    lab.publish("letters", "stray", &Properties::default());
    let vhost = lab.broker.vhost("/").unwrap();
    let found = lab.broker.dead_letter_queues(&vhost);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].messages, found[0].oldest_age_ms), (3, Some(1_500)));
    assert!(found[0].alert.is_none());
    let reasons = lab.broker.death_reasons(&found[0].queue).unwrap();
    assert_eq!((reasons.counts, reasons.sampled), ([2, 0, 0, 0], 3));
    lab.with(|now, aftermath| lab.queue("letters").purge(now, aftermath));
    assert_eq!(lab.broker.dead_letter_queues(&vhost)[0].oldest_age_ms, None);
}

fn raised(lab: &Lab) -> Vec<String> {
    let raised = lab.broker.check_alerts();
    raised.into_iter().map(|(_, name)| name.to_string()).collect()
}

#[test]
fn an_alert_is_raised_by_count_and_by_age_and_cleared_again() {
    let lab = pair();
    policy(&lab, ".*", r#"{"dead-letter-alert": {"count": 2, "age-s": 60}}"#);
    let vhost = lab.broker.vhost("/").unwrap();
    // `work` has messages, but nothing dead-letters into it.
    for _ in 0..3 {
        lab.publish("work", "m", &Properties::default());
    }
    assert!(raised(&lab).is_empty());
    lab.take("work", Outcome::Reject).unwrap();
    assert!(raised(&lab).is_empty());
    lab.advance(59_999);
    assert!(raised(&lab).is_empty());
    lab.advance(1);
    assert_eq!(raised(&lab), ["letters"], "by age");
    let since = lab.broker.now();
    lab.advance(1_000);
    let alert = lab.broker.dead_letter_queues(&vhost)[0].alert.unwrap();
    assert_eq!(
        (alert.count, alert.age_ms, alert.since),
        (Some(2), Some(60_000), Some(since))
    );
    lab.take("letters", Outcome::Ack).unwrap();
    assert!(raised(&lab).is_empty(), "cleared");
    lab.take("work", Outcome::Reject).unwrap();
    lab.take("work", Outcome::Reject).unwrap();
    assert_eq!(raised(&lab), ["letters"], "by count");
    lab.broker.clear_policy(PolicyKind::User, "/", "p-.*").unwrap();
    assert!(raised(&lab).is_empty(), "without the policy");
}

#[test]
fn the_timer_looks_by_itself() {
    let lab = pair();
    policy(&lab, "letters", r#"{"dead-letter-alert": {"count": 1}}"#);
    letter(&lab);
    let vhost = lab.broker.vhost("/").unwrap();
    let since = lab.broker.now() + 5_000;
    lab.advance(5_000);
    lab.advance(5_000);
    let alert = lab.broker.dead_letter_queues(&vhost)[0].alert.unwrap();
    assert_eq!(alert.since, Some(since), "raised by the timer, not by who asked");
}

#[test]
fn a_policy_with_a_wrong_alert_is_refused() {
    let lab = pair();
    for definition in [
        r#"{"dead-letter-alert": 100}"#,
        r#"{"dead-letter-alert": {}}"#,
        r#"{"dead-letter-alert": {"count": 0}}"#,
        r#"{"dead-letter-alert": {"count": 1, "age": 5}}"#,
        r#"{"dead-letter-alert": {"age-s": "1"}}"#,
    ] {
        let policy = Policy {
            vhost: "/".to_owned(),
            name: "p".to_owned(),
            pattern: String::new(),
            apply_to: ApplyTo::All,
            priority: 0,
            definition: serde_json::from_str(definition).unwrap(),
        };
        let error = lab.broker.set_policy(PolicyKind::User, policy.clone()).unwrap_err();
        assert!(
            error.to_string().contains("is not a valid dead letter alert"),
            "{error}"
        );
        let operator = lab.broker.set_policy(PolicyKind::Operator, policy).unwrap_err();
        assert!(operator.to_string().contains("not recognised"), "{operator}");
    }
}
