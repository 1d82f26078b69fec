//! Policies of the configuration: made at the start, changed by a reload.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::apply;
use crate::auth::{Accounts, HashingCost};
use crate::broker::{Broker, BrokerLimits, BrokerParts, PolicyKind};
use crate::config::{Config, ConfigFile, Inputs, Overrides, load};
use crate::model::ManualClock;
use crate::store::{EngineKind, MessageStore, StoreOptions};

fn broker() -> Arc<Broker> {
    let mut options = StoreOptions::new(".");
    options.engine = EngineKind::Memory;
    let (messages, state) = MessageStore::open(options, Arc::new(|error| panic!("{error}"))).unwrap();
    let cost = HashingCost {
        memory_kib: 8,
        iterations: 1,
        lanes: 1,
    };
    let parts = BrokerParts {
        clock: Arc::new(ManualClock::at(1)),
        accounts: Accounts::new(cost).unwrap(),
        state,
        messages,
        limits: BrokerLimits::default(),
        memory_budget_bytes: u64::MAX,
    };
    Broker::restore(parts).unwrap().0
}

fn config(text: &str) -> Config {
    let file = ConfigFile {
        path: "warren.toml".into(),
        bytes: text.as_bytes().to_vec(),
    };
    let inputs = Inputs {
        flags: &Overrides::default(),
        environment: &BTreeMap::new(),
        file: Some(&file),
        read_file: &|path: &Path| panic!("{}", path.display()),
    };
    load(&inputs).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn policies_are_set_and_a_reload_changes_them() {
    let broker = broker();
    let text = |length: u32| {
        format!(
            "[[queues]]\nname = \"orders\"\n\n[[policies]]\nname = \"short\"\npattern = \"^orders\"\n\
             apply_to = \"classic_queues\"\npriority = 3\n\
             definition = {{ max-length = {length}, dead-letter-exchange = \"amq.fanout\", \
             dead-letter-alert = {{ count = 5, age-s = 60 }} }}\n"
        )
    };
    for length in [5, 7] {
        apply(&broker, &config(&text(length))).unwrap();
        let vhost = broker.vhost("/").unwrap();
        let policy = broker.policy(PolicyKind::User, &vhost, "short").unwrap();
        assert_eq!(policy.priority, 3);
        let queue = vhost.find_queue("orders").unwrap();
        let shown = broker.policy_of_queue(&vhost, &queue);
        assert_eq!(shown.policy.as_deref(), Some("short"));
        assert_eq!(shown.definition["max-length"], length);
        assert_eq!(shown.definition["dead-letter-exchange"], "amq.fanout");
        assert_eq!(shown.definition["dead-letter-alert"]["age-s"], 60);
    }
}

#[test]
fn a_pattern_that_is_too_large_is_a_fault_of_the_configuration() {
    let broker = broker();
    let text = "[[policies]]\nname = \"p\"\npattern = \"(a{100}){100}{20}\"\ndefinition = { max-length = 1 }\n";
    let refused = apply(&broker, &config(text)).unwrap_err().to_string();
    assert!(
        refused.contains("pattern should be a regular expression but is invalid"),
        "{refused}"
    );
    assert!(refused.contains("warren.toml"), "{refused}");
}
