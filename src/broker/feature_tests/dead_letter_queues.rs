//! Which queues have dead letters, how many, how old, and whether somebody should look.

use super::*;
use crate::routing::{Binding, DestinationName};

fn exchange(lab: &Lab, name: &str, kind: &str, arguments: FieldTable) {
    let declare = ExchangeDeclare {
        name: name.into(),
        kind: kind.to_owned(),
        durable: true,
        auto_delete: false,
        internal: false,
        arguments,
    };
    let vhost = lab.broker.vhost("/").unwrap();
    lab.broker.declare_exchange(&vhost, declare).unwrap();
}

fn bind(lab: &Lab, source: &str, key: &str, destination: DestinationName) {
    let binding = Binding {
        source: source.into(),
        destination,
        routing_key: key.into(),
        arguments: FieldTable::new(),
    };
    let vhost = lab.broker.vhost("/").unwrap();
    lab.broker.bind(&vhost, binding, 1).unwrap();
}

fn queue(name: &str) -> DestinationName {
    DestinationName::Queue(name.into())
}

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
    exchange(&lab, "fan", "fanout", FieldTable::new());
    exchange(&lab, "by-key", "direct", arguments! {"alternate-exchange" = "fan"});
    exchange(&lab, "words", "topic", FieldTable::new());
    exchange(&lab, "first", "direct", FieldTable::new());
    for name in ["all", "a-letters", "b-letters", "word-letters", "unrelated"] {
        lab.declare(name, arguments! {});
    }
    bind(&lab, "fan", "", queue("all"));
    bind(&lab, "by-key", "a", queue("a-letters"));
    bind(&lab, "by-key", "b", queue("b-letters"));
    bind(&lab, "words", "*.dead", queue("word-letters"));
    // Own keys: `a` by a binding, and its own name, which leads to the alternate.
    lab.declare("a", arguments! {"x-dead-letter-exchange" = "by-key"});
    bind(&lab, "first", "b", queue("a"));
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
    bind(&lab, "fan", "", queue("a"));
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
    exchange(&lab, "first", "fanout", FieldTable::new());
    exchange(&lab, "second", "headers", FieldTable::new());
    bind(&lab, "first", "", DestinationName::Exchange("second".into()));
    lab.declare("letters", arguments! {});
    bind(&lab, "second", "", queue("letters"));
    lab.declare("work", arguments! {});
    assert_eq!(found(&lab), []);
    policy(&lab, "work", r#"{"dead-letter-exchange": "first"}"#);
    assert_eq!(found(&lab), [row("letters", &["work"])]);
    lab.broker.clear_policy(PolicyKind::User, "/", "p-work").unwrap();
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
