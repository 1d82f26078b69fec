//! The queue core against [`oracle::Oracle`]: random commands, all features at once, time under control.
//!
//! After each command and the dispatches that it calls for: the effects are those predicted; nothing waits that
//! somebody could take; counts, order and the next deadline agree; every message is somewhere or accounted for; what
//! the store holds is what it was told to keep; every ticket was answered once.

mod oracle;
mod script;

use proptest::prelude::*;

use super::{DeadLetterTarget, QueueOptions};
use script::{Op, Test, ops, options};

/// Every feature on, each with some value; overflow and the single active consumer in every way.
fn everything() -> impl Strategy<Value = QueueOptions> {
    options().prop_map(|given| QueueOptions {
        durable: true,
        message_ttl_ms: given.message_ttl_ms.or(Some(25)),
        expires_ms: given.expires_ms.or(Some(50)),
        max_length: given.max_length.or(Some(4)),
        max_length_bytes: given.max_length_bytes.or(Some(40)),
        max_priority: given.max_priority.or(Some(3)),
        delivery_limit: given.delivery_limit.or(Some(2)),
        tracked: true,
        retry_delays_ms: match given.retry_delays_ms.is_empty() {
            true => vec![7, 15],
            false => given.retry_delays_ms,
        },
        message_group: Some("x-group-id".into()),
        dead_letter: Some(DeadLetterTarget {
            exchange: "dlx".into(),
            routing_key: None,
        }),
        dead_letter_at_least_once: true,
        ..given
    })
}

proptest! {
    #[test]
    fn the_core_does_what_the_oracle_says(options in options(), ops in prop::collection::vec(ops(), 1..80)) {
        let mut test = Test::new(options);
        for op in ops {
            test.run(op);
        }
        test.finish();
    }
}

proptest! {
    #[test]
    fn all_features_on_at_once(options in everything(), ops in prop::collection::vec(ops(), 1..80)) {
        let mut test = Test::new(options);
        for op in ops {
            test.run(op);
        }
        test.finish();
    }
}

#[test]
fn the_same_commands_give_the_same_effects() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    for _ in 0..20 {
        let options = options().new_tree(&mut runner).unwrap().current();
        let list = prop::collection::vec(ops(), 60..61)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let run = |list: Vec<Op>| {
            let mut test = Test::new(options.clone());
            for op in list {
                test.run(op);
            }
            test.log
        };
        assert_eq!(run(list.clone()), run(list));
    }
}
