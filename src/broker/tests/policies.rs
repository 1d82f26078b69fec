//! Policies: what is taken, what is refused and how, and what each key does.

use serde_json::{Map, Value, json};

use super::{Bench, number, text};
use crate::broker::{ApplyTo, Policy, PolicyKind};

fn policy(name: &str, pattern: &str, priority: i64, definition: Value) -> Policy {
    let Value::Object(definition) = definition else {
        panic!("a definition is an object");
    };
    Policy {
        vhost: "/".to_owned(),
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        apply_to: ApplyTo::All,
        priority,
        definition,
    }
}

impl Bench {
    fn set(&self, policy: Policy) {
        self.broker.set_policy(PolicyKind::User, policy).unwrap();
    }

    fn set_operator(&self, policy: Policy) {
        self.broker.set_policy(PolicyKind::Operator, policy).unwrap();
    }

    fn clear(&self, name: &str) -> bool {
        self.broker.clear_policy(PolicyKind::User, "/", name).unwrap()
    }
}

#[test]
fn values_are_taken_or_refused_in_rabbitmqs_words() {
    let bench = Bench::new();
    let good = [
        json!({"message-ttl": 0}),
        json!({"message-ttl": 60000, "expires": 1, "max-length": 0, "max-length-bytes": 0}),
        json!({"overflow": "drop-head"}),
        json!({"overflow": "reject-publish"}),
        json!({"overflow": "reject-publish-dlx"}),
        json!({"dead-letter-exchange": "", "dead-letter-routing-key": "k"}),
        json!({"delivery-limit": -1}),
        json!({"delivery-limit": 5}),
        json!({"queue-mode": "lazy"}),
        json!({"queue-mode": "default", "queue-version": 2, "dead-letter-strategy": "at-least-once"}),
        json!({"alternate-exchange": "amq.fanout"}),
        json!({"max-age": "7D"}),
        json!({"message-rate-per-s": 1, "byte-rate-per-s": 1_000_000}),
    ];
    for definition in good {
        let shown = definition.to_string();
        let outcome = bench
            .broker
            .set_policy(PolicyKind::User, policy("p", ".*", 0, definition));
        assert_eq!(outcome, Ok(()), "{shown}");
    }
    let bad = [
        (json!({}), "no policy provided"),
        (json!({"message-ttl": -1}), "-1 is not a valid message TTL"),
        (json!({"message-ttl": "1s"}), "<<\"1s\">> is not a valid message TTL"),
        (json!({"expires": 0}), "0 is not a valid queue expiry"),
        (json!({"max-length": 1.5}), "1.5 is not a valid maximum length"),
        (
            json!({"max-length-bytes": true}),
            "true is not a valid maximum length in bytes",
        ),
        (json!({"overflow": "x"}), "<<\"x\">> is not a valid overflow value"),
        (json!({"queue-mode": "x"}), "<<\"x\">> is not a valid queue-mode value"),
        (
            json!({"delivery-limit": "x"}),
            "<<\"x\">> is not a valid delivery limit",
        ),
        (
            json!({"dead-letter-exchange": 1}),
            "1 is not a valid dead letter exchange name",
        ),
        (
            json!({"dead-letter-routing-key": 1}),
            "1 is not a valid dead letter routing key",
        ),
        (
            json!({"alternate-exchange": null}),
            "null is not a valid alternate exchange name",
        ),
        (
            json!({"foo": "bar"}),
            "[{<<\"foo\">>,<<\"bar\">>}] are not recognised policy settings",
        ),
        (
            json!({"ha-mode": "all", "x": 1}),
            "[{<<\"ha-mode\">>,<<\"all\">>},{<<\"x\">>,1}] are not recognised policy settings",
        ),
        (json!({"message-rate-per-s": 0}), "0 is not a valid message rate"),
        (json!({"byte-rate-per-s": "1M"}), "<<\"1M\">> is not a valid byte rate"),
        (
            json!({"dead-letter-strategy": "twice"}),
            "<<\"twice\">> is not a valid dead letter strategy",
        ),
        (json!({"queue-version": 3}), "3 is not a valid queue-version value"),
        (json!({"foo": 1, "expires": 0}), "0 is not a valid queue expiry"),
    ];
    for (definition, expected) in bad {
        let outcome = bench
            .broker
            .set_policy(PolicyKind::User, policy("bad", ".*", 0, definition));
        assert_eq!(outcome.unwrap_err().to_string(), expected);
    }
    assert!(bench.broker.policy(PolicyKind::User, &bench.vhost(), "bad").is_none());
}

#[test]
fn an_operator_policy_takes_limits_only() {
    let bench = Bench::new();
    let refused = bench.broker.set_policy(
        PolicyKind::Operator,
        policy("o", ".*", 0, json!({"overflow": "drop-head"})),
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "[{<<\"overflow\">>,<<\"drop-head\">>}] are not recognised policy settings"
    );
    bench.set_operator(policy("o", ".*", 0, json!({"max-length": 1, "delivery-limit": 3})));
}

#[test]
fn patterns_and_scopes_that_cannot_be_used_are_refused() {
    let bench = Bench::new();
    for pattern in ["(", "a(?=b)", "(a)\\1"] {
        let outcome = bench
            .broker
            .set_policy(PolicyKind::User, policy("p", pattern, 0, json!({"max-length": 1})));
        let text = outcome.unwrap_err().to_string();
        assert!(
            text.starts_with("pattern should be a regular expression but is invalid: "),
            "{text}"
        );
    }
    assert_eq!(ApplyTo::parse("classic_queues"), Ok(ApplyTo::ClassicQueues));
    let text = ApplyTo::parse("everything").unwrap_err().to_string();
    assert!(text.starts_with("apply-to 'everything' unrecognised; should be one of: 'queues'"));
    let mut elsewhere = policy("p", ".*", 0, json!({"max-length": 1}));
    elsewhere.vhost = "nowhere".to_owned();
    let outcome = bench.broker.set_policy(PolicyKind::User, elsewhere);
    assert_eq!(outcome.unwrap_err().to_string(), "vhost 'nowhere' does not exist");
}

#[test]
fn a_limit_applies_at_once_and_to_what_comes_and_goes_with_its_policy() {
    let bench = Bench::new();
    bench.queue("orders", &[]);
    bench.queue("other", &[]);
    bench.fill("orders", 5);
    bench.set(policy("short", "^orders", 0, json!({"max-length": 2})));
    assert_eq!(bench.bodies("orders"), ["3", "4"]);
    bench.queue("orders-new", &[]);
    for queue in ["orders-new", "other"] {
        bench.fill(queue, 4);
    }
    assert_eq!((bench.waiting("orders-new"), bench.waiting("other")), (2, 4));
    assert!(bench.clear("short"));
    assert!(!bench.clear("short"));
    bench.fill("orders", 4);
    assert_eq!(bench.waiting("orders"), 4);
}

#[test]
fn a_policy_wins_over_the_argument_and_its_removal_brings_the_argument_back() {
    let bench = Bench::new();
    let queue = bench.queue("q", &[("x-max-length", number(1))]);
    bench.set(policy("long", "^q$", 0, json!({"max-length": 3, "message-ttl": 100})));
    bench.fill("q", 5);
    assert_eq!(bench.waiting("q"), 3);
    let shown = bench.broker.policy_of_queue(&bench.vhost(), &queue);
    assert_eq!(shown.policy.as_deref(), Some("long"));
    assert_eq!(shown.overridden, ["x-max-length"]);
    assert!(bench.clear("long"));
    assert_eq!(bench.waiting("q"), 1);
}

#[test]
fn of_several_policies_one_applies() {
    let bench = Bench::new();
    let queue = bench.queue("q", &[]);
    bench.set(policy(
        "low",
        ".*",
        1,
        json!({"max-length": 1, "overflow": "reject-publish"}),
    ));
    bench.set(policy("high", "q", 2, json!({"max-length": 2})));
    bench.set(policy("equal", "q", 2, json!({"max-length": 3})));
    bench.fill("q", 5);
    // `equal` is the first by name of the highest priority; nothing of `low` is mixed in.
    assert_eq!(bench.bodies("q"), ["2", "3", "4"]);
    assert!(bench.clear("equal"));
    let shown = bench.broker.policy_of_queue(&bench.vhost(), &queue);
    assert_eq!(shown.policy.as_deref(), Some("high"));
    bench.fill("q", 5);
    assert_eq!(bench.waiting("q"), 2);
}

#[test]
fn an_operator_policy_lowers_a_limit_and_never_raises_one() {
    let bench = Bench::new();
    bench.queue("free", &[]);
    bench.queue("low", &[("x-max-length", number(2))]);
    bench.queue("high", &[("x-max-length", number(9))]);
    bench.set_operator(policy("cap", ".*", 0, json!({"max-length": 4})));
    for (queue, kept) in [("free", 4), ("low", 2), ("high", 4)] {
        bench.fill(queue, 10);
        assert_eq!(bench.waiting(queue), kept, "{queue}");
    }
    // A policy may not go beyond it either, and its lower value stands.
    bench.set(policy(
        "wide",
        "free|high",
        0,
        json!({"max-length": 100, "message-ttl": 50}),
    ));
    bench.set(policy("narrow", "low", 0, json!({"max-length": 3})));
    for (queue, kept) in [("free", 4), ("low", 3), ("high", 4)] {
        bench.fill(queue, 10);
        assert_eq!(bench.waiting(queue), kept, "{queue}");
    }
    let queue = bench.vhost().find_queue("free").unwrap();
    let shown = bench.broker.policy_of_queue(&bench.vhost(), &queue);
    assert_eq!(shown.operator_policy.as_deref(), Some("cap"));
    let expected = json!({"max-length": 4, "message-ttl": 50});
    assert_eq!(Value::Object(shown.definition), expected);
}

#[test]
fn scopes_tell_queue_types_and_exchanges_apart() {
    for (scope, classic, quorum) in [
        (ApplyTo::All, 1, 1),
        (ApplyTo::Queues, 1, 1),
        (ApplyTo::ClassicQueues, 1, 3),
        (ApplyTo::QuorumQueues, 3, 1),
        (ApplyTo::Exchanges, 3, 3),
        (ApplyTo::Streams, 3, 3),
    ] {
        let bench = Bench::new();
        bench.queue("classic", &[]);
        bench.queue("quorum", &[("x-queue-type", text("quorum"))]);
        let mut one = policy("one", ".*", 0, json!({"max-length": 1}));
        one.apply_to = scope;
        bench.set(one);
        bench.fill("classic", 3);
        bench.fill("quorum", 3);
        let waiting = (bench.waiting("classic"), bench.waiting("quorum"));
        assert_eq!(waiting, (classic, quorum), "{scope:?}");
    }
}

#[test]
fn message_ttl_and_expires() {
    let bench = Bench::new();
    bench.queue("ttl", &[]);
    bench.queue("gone", &[]);
    bench.set(policy("t", "ttl", 0, json!({"message-ttl": 100})));
    bench.set(policy("e", "gone", 0, json!({"expires": 200})));
    bench.fill("ttl", 2);
    bench.advance(99);
    assert_eq!(bench.waiting("ttl"), 2);
    bench.advance(1);
    assert_eq!(bench.waiting("ttl"), 0);
    bench.advance(100);
    assert!(bench.vhost().find_queue("gone").is_none());
    assert!(bench.vhost().find_queue("ttl").is_some());
}

#[test]
fn overflow_and_length_in_bytes() {
    let bench = Bench::new();
    bench.queue("q", &[]);
    let definition = json!({"max-length-bytes": 2, "overflow": "reject-publish"});
    bench.set(policy("p", "q", 0, definition));
    bench.fill("q", 4);
    assert_eq!(bench.bodies("q"), ["0", "1"]);
    assert_eq!(bench.answers.refused(), 2);
}

#[test]
fn dead_letters_go_where_the_policy_says() {
    let bench = Bench::new();
    for queue in ["first", "second", "own"] {
        bench.queue(queue, &[]);
    }
    let own = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("own")),
    ];
    bench.queue("source", &own);
    let arrived = |queue: &str| bench.bodies(queue).len();
    let source = bench.vhost().find_queue("source").unwrap();
    let expire = || {
        bench.set(policy(
            "limit",
            "source",
            9,
            json!({"max-length": 0, "dead-letter-routing-key": "first"}),
        ));
        bench.fill("source", 1);
    };
    // The key of the policy with the exchange of the argument.
    expire();
    assert_eq!((arrived("first"), arrived("own")), (1, 0));
    let full = json!({"max-length": 0, "dead-letter-exchange": "", "dead-letter-routing-key": "second"});
    bench.set(policy("limit", "source", 9, full));
    bench.fill("source", 1);
    assert_eq!(arrived("second"), 1);
    bench.set(policy("limit", "source", 9, json!({"max-length": 0})));
    bench.fill("source", 1);
    assert_eq!(arrived("own"), 1);
    assert_eq!(source.state().ready, 0);
}

#[test]
fn a_delivery_limit_holds_for_queues_of_every_type() {
    let bench = Bench::new();
    bench.queue("quorum", &[("x-queue-type", text("quorum"))]);
    bench.queue("classic", &[]);
    bench.set(policy("p", ".*", 0, json!({"delivery-limit": 0})));
    for queue in ["quorum", "classic"] {
        bench.fill(queue, 1);
        let cell = bench.vhost().find_queue(queue).unwrap();
        let mut aftermath = crate::broker::Aftermath::default();
        let (delivery, _) = cell.get(false, super::START, &mut aftermath);
        let unacked = delivery.unwrap().unacked.unwrap();
        cell.settle(crate::queue::Outcome::Requeue, &[unacked], super::START, &mut aftermath);
        assert_eq!(bench.waiting(queue), 0, "{queue}");
    }
}

#[test]
fn an_alternate_exchange_by_policy() {
    let bench = Bench::new();
    for queue in ["by-argument", "by-policy"] {
        bench.queue(queue, &[]);
    }
    bench.exchange("spare", "fanout", &[]);
    bench.exchange("other", "fanout", &[]);
    bench.bind("spare", "by-argument", "");
    bench.bind("other", "by-policy", "");
    bench.exchange("e", "direct", &[("alternate-exchange", text("spare"))]);
    bench.publish("e", "k", &[], "1");
    bench.set(policy(
        "p",
        "^(e|late|amq.direct)$",
        0,
        json!({"alternate-exchange": "other"}),
    ));
    bench.exchange("late", "direct", &[]);
    for exchange in ["e", "late", "amq.direct"] {
        bench.publish(exchange, "k", &[], "2");
    }
    bench.clear("p");
    bench.publish("e", "k", &[], "3");
    assert_eq!(bench.publish("late", "k", &[], "4"), 0);
    assert_eq!(bench.bodies("by-argument"), ["1", "3"]);
    assert_eq!(bench.bodies("by-policy"), ["2", "2", "2"]);
}

#[test]
fn policies_stand_after_a_restart() {
    let bench = Bench::new();
    bench.queue("q", &[]);
    bench.queue("capped", &[]);
    bench.exchange("e", "direct", &[]);
    bench.set(policy("p", "^q$", 0, json!({"max-length": 1})));
    bench.set(policy("x", "^e$", 0, json!({"alternate-exchange": "amq.fanout"})));
    bench.set(policy("gone", "^q$", 5, json!({"max-length": 9})));
    bench.clear("gone");
    bench.set_operator(policy("o", "capped", 0, json!({"max-length": 2})));
    let again = bench.restarted();
    again.fill("q", 5);
    again.fill("capped", 5);
    assert_eq!((again.waiting("q"), again.waiting("capped")), (1, 2));
    again.bind("amq.fanout", "q", "");
    assert_eq!(again.publish("e", "k", &[], "x"), 1);
    let names: Vec<String> = again
        .broker
        .policies(PolicyKind::User, &again.vhost())
        .into_iter()
        .map(|policy| policy.name)
        .collect();
    assert_eq!(names, ["p", "x"]);
}

#[test]
fn a_policy_is_written_as_definitions_have_it() {
    let mut one = policy("p", "^q", 3, json!({"max-length": 1}));
    one.apply_to = ApplyTo::QuorumQueues;
    let written = json!({"vhost": "/", "name": "p", "pattern": "^q", "apply-to": "quorum_queues", "priority": 3,
        "definition": {"max-length": 1}});
    assert_eq!(serde_json::to_value(&one).unwrap(), written);
    assert_eq!(serde_json::from_value::<Policy>(written).unwrap(), one);
    let short = json!({"vhost": "/", "name": "p", "pattern": "", "definition": {}});
    let read: Policy = serde_json::from_value(short).unwrap();
    assert_eq!(
        (read.apply_to, read.priority, read.definition),
        (ApplyTo::All, 0, Map::new())
    );
}

#[test]
fn a_rate_counts_at_once_for_what_stands_and_an_operator_lowers_it() {
    let bench = Bench::new();
    let standing = bench.queue("standing", &[]);
    let now = bench.broker.now();
    assert!(standing.quota().is_none());
    let generation = bench.vhost().generation();
    bench.set(policy("p", ".*", 0, json!({"message-rate-per-s": 10})));
    assert!(
        bench.vhost().generation() > generation,
        "cached routes know nothing of it"
    );
    let later = bench.queue("later", &[]);
    for queue in [&standing, &later] {
        assert_eq!(
            queue.quota().unwrap().charge(1, now),
            now,
            "a burst of a tenth of a second is free"
        );
        assert_eq!(queue.quota().unwrap().charge(1, now), now + 100);
    }
    bench.set_operator(policy("o", "^standing$", 0, json!({"message-rate-per-s": 2})));
    assert_eq!(standing.quota().unwrap().charge(1, now), now + 400);
    assert_eq!(
        later.quota().unwrap().charge(1, now),
        now + 200,
        "what was used of it counts on"
    );
    let changes = bench.broker.quota_changes();
    assert!(bench.clear("p"));
    assert!(bench.broker.quota_changes() > changes);
    assert_eq!(later.quota().unwrap().charge(1, now), 0);
    assert!(standing.quota().unwrap().is_set(), "the operator's holds");
}

#[test]
fn the_dead_letter_strategy_of_a_policy_counts_for_quorum_queues() {
    let bench = Bench::new();
    let quorum = bench.queue("quorum", &[("x-queue-type", text("quorum"))]);
    let classic = bench.queue("classic", &[]);
    bench.set(policy("p", ".*", 0, json!({"dead-letter-strategy": "at-least-once"})));
    assert!(quorum.options().dead_letter_at_least_once);
    assert!(!classic.options().dead_letter_at_least_once);
    let declared = [
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-strategy", text("at-least-once")),
    ];
    let declared = bench.queue("declared", &declared);
    bench.set(policy("p", ".*", 0, json!({"dead-letter-strategy": "at-most-once"})));
    assert!(!declared.options().dead_letter_at_least_once, "the policy wins");
    let shown = bench.broker.policy_of_queue(&bench.vhost(), &declared);
    assert_eq!(shown.overridden, ["x-dead-letter-strategy"]);
    assert!(bench.clear("p"));
    assert!(declared.options().dead_letter_at_least_once);
    assert!(!quorum.options().dead_letter_at_least_once);
}
