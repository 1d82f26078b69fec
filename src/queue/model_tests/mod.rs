//! The queue core against [`oracle::Oracle`]: random commands, all features at once, time under control.
//!
//! After each command and the dispatches that it calls for: the effects are those predicted; nothing waits that
//! somebody could take; counts, order and the next deadline agree; every message is somewhere or accounted for; what
//! the store holds is what it was told to keep; every ticket was answered once.

mod oracle;
mod script;

use proptest::prelude::*;

use script::{Op, Test, ops, options};

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
