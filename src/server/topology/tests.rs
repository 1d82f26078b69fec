//! What the configuration declares beside queues and bindings: made at the start, changed and taken back by a reload.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::apply;
use crate::auth::{Accounts, HashingCost};
use crate::broker::{Broker, BrokerLimits, BrokerParts, Policy, PolicyKind, VhostLimits};
use crate::config::{Config, ConfigFile, Inputs, Overrides, load};
use crate::model::ManualClock;
use crate::model::argument::EXCHANGE_TYPES;
use crate::routing::ExchangeKind;
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

fn policies_of(broker: &Broker, kind: PolicyKind) -> Vec<String> {
    let vhost = broker.vhost("/").unwrap();
    broker
        .policies(kind, &vhost)
        .into_iter()
        .map(|policy| policy.name)
        .collect()
}

const POLICY: &str = "[[policies]]\nname = \"short\"\npattern = \"^q\"\ndefinition = { max-length = 5 }\n";
const OPERATOR: &str =
    "[[operator_policies]]\nname = \"cap\"\npattern = \".*\"\ndefinition = { max-length = 3, byte-rate-per-s = 9 }\n";

#[test]
fn an_operator_policy_of_the_file_caps() {
    let broker = broker();
    let text = format!("[[queues]]\nname = \"q\"\n{POLICY}{OPERATOR}");
    apply(&broker, &config(&text)).unwrap();
    let vhost = broker.vhost("/").unwrap();
    let queue = vhost.find_queue("q").unwrap();
    assert_eq!(queue.options().max_length, Some(3));
    let shown = broker.policy_of_queue(&vhost, &queue);
    assert_eq!(
        (shown.policy.as_deref(), shown.operator_policy.as_deref()),
        (Some("short"), Some("cap"))
    );
}

#[test]
fn what_the_file_no_longer_declares_is_taken_back_and_nothing_else() {
    let broker = broker();
    apply(&broker, &config(&format!("{POLICY}{OPERATOR}"))).unwrap();
    let own = Policy {
        name: "own".to_owned(),
        ..broker.policies(PolicyKind::User, &broker.vhost("/").unwrap()).remove(0)
    };
    broker.set_policy(PolicyKind::User, own).unwrap();
    apply(&broker, &config("")).unwrap();
    assert_eq!(policies_of(&broker, PolicyKind::User), ["own"]);
    assert!(policies_of(&broker, PolicyKind::Operator).is_empty());
}

#[test]
fn a_policy_of_the_file_that_an_operator_changed_stays() {
    let broker = broker();
    apply(&broker, &config(POLICY)).unwrap();
    let mut changed = broker.policies(PolicyKind::User, &broker.vhost("/").unwrap()).remove(0);
    changed.priority = 7;
    broker.set_policy(PolicyKind::User, changed.clone()).unwrap();
    apply(&broker, &config("")).unwrap();
    assert_eq!(
        broker.policies(PolicyKind::User, &broker.vhost("/").unwrap()),
        [changed]
    );
    // From now on it is the operator's.
    apply(&broker, &config("")).unwrap();
    assert_eq!(policies_of(&broker, PolicyKind::User), ["short"]);
}

#[test]
fn limits_of_the_file_are_set_and_lifted() {
    let broker = broker();
    let text = "[[vhosts]]\nname = \"/\"\nmax_queues = 2\nmessage_rate_per_s = 100\n\
                [[users]]\nname = \"ann\"\npassword = \"p\"\nmax_channels = 3\nbyte_rate_per_s = 1000\n";
    let vhost = broker.vhost("/").unwrap();
    let own = VhostLimits {
        max_connections: Some(9),
        ..VhostLimits::default()
    };
    broker.set_vhost_limits("/", own).unwrap();
    apply(&broker, &config(text)).unwrap();
    let of_file = VhostLimits {
        max_queues: Some(2),
        message_rate_per_s: Some(100),
        ..own
    };
    assert_eq!(vhost.limits(), of_file);
    assert!(vhost.quota().is_set());
    let of_user = |broker: &Broker| broker.accounts().user("ann").unwrap().limits;
    assert_eq!(
        (of_user(&broker).max_channels, of_user(&broker).byte_rate_per_s),
        (Some(3), Some(1000))
    );
    let fewer = "[[users]]\nname = \"ann\"\npassword = \"p\"\nmax_channels = 4\n";
    apply(&broker, &config(fewer)).unwrap();
    assert_eq!(vhost.limits(), own, "what an operator set stays");
    assert!(!vhost.quota().is_set());
    assert_eq!(
        (of_user(&broker).max_channels, of_user(&broker).byte_rate_per_s),
        (Some(4), None)
    );
}

#[test]
fn every_exchange_type_stands_in_a_file_with_its_arguments() {
    let broker = broker();
    let arguments = |kind: &str| match kind {
        "x-consistent-hash" => "{ hash-header = \"customer\" }",
        "x-delayed-message" => "{ x-delayed-type = \"topic\", alternate-exchange = \"amq.fanout\" }",
        "x-recent-history" => "{ x-recent-history-length = 5 }",
        "x-message-deduplication" => "{ x-cache-size = 10, x-cache-ttl = 1000 }",
        _ => "{ x-message-deduplication = true }",
    };
    let entries = EXCHANGE_TYPES.iter().map(|kind| {
        let name = kind.name;
        let given = arguments(name);
        format!("[[exchanges]]\nname = \"of-{name}\"\ntype = \"{name}\"\narguments = {given}\n")
    });
    let text: String = entries.collect();
    apply(&broker, &config(&text)).unwrap();
    // The same again agrees with what stands.
    apply(&broker, &config(&text)).unwrap();
    let vhost = broker.vhost("/").unwrap();
    for kind in EXCHANGE_TYPES {
        let found = vhost.exchange_kind(&format!("of-{}", kind.name)).unwrap();
        assert_eq!(found.as_str(), kind.name);
    }
    assert_eq!(EXCHANGE_TYPES.len(), ExchangeKind::ALL.len());
}

#[test]
fn an_exchange_of_the_file_that_its_type_refuses_is_a_fault_before_anything_is_made() {
    let broker = broker();
    let text = "[[queues]]\nname = \"q\"\n[[exchanges]]\nname = \"e\"\ntype = \"x-delayed-message\"\n";
    let refused = apply(&broker, &config(text)).unwrap_err().to_string();
    assert!(
        refused.contains("'x-delayed-type' must be an existing exchange type"),
        "{refused}"
    );
    assert!(broker.vhost("/").unwrap().find_queue("q").is_none());
}
