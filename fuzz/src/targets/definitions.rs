//! Definitions: as somebody hands them in, and as they lie in the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use warren::auth::{Accounts, HashingCost};
use warren::broker::{Broker, BrokerLimits, BrokerParts, RestoreError};
use warren::http::{export_definitions, import_definitions};
use warren::model::{Clock, Millis};
use warren::store::{EngineKind, MessageStore, Pairs, StateChange, StateStore, StoreError, StoreOptions, Table};

/// In the order of their letters in an input, from `A` on.
const TABLES: [Table; 11] = [
    Table::Vhosts,
    Table::Users,
    Table::Permissions,
    Table::Policies,
    Table::OperatorPolicies,
    Table::VhostLimits,
    Table::GlobalParameters,
    Table::Exchanges,
    Table::Queues,
    Table::Bindings,
    Table::Node,
];

/// A document as it comes over HTTP: taken, in part where it is refused on the way. What stands then is there after a
/// restart, and another broker takes it as it was exported.
pub fn definitions(data: &[u8]) {
    let state = Arc::new(State::default());
    let broker = start(&state).expect("an empty store is whole");
    if let Err(reason) = import_definitions(&broker, data) {
        assert!(!reason.is_empty());
    }
    let stands = export_definitions(&broker);
    drop(broker);
    let again = export_definitions(&start(&state).expect("what was stored is understood"));
    assert_eq!(lasting(&stands), lasting(&again), "after a restart");
    let other = start(&Arc::default()).expect("an empty store is whole");
    let taken = import_definitions(&other, stands.to_string().as_bytes());
    assert_eq!(taken, Ok(()), "{stands}");
    assert_eq!(stands, export_definitions(&other), "taken by another broker");
}

/// Lines of the store: a table's letter, a key, a tab and the value. A broker starts from them or names what it cannot
/// use; from what it made of them it starts again as it was.
pub fn stored_definitions(data: &[u8]) {
    let state = Arc::new(State::default());
    for line in data.split(|byte| *byte == b'\n') {
        let table = line
            .first()
            .and_then(|letter| TABLES.get(usize::from(letter.checked_sub(b'A')?)));
        let tab = line.iter().position(|byte| *byte == b'\t').filter(|at| *at > 0);
        if let (Some(table), Some(tab)) = (table, tab) {
            let key = (*table, line[1..tab].to_vec());
            state.pairs().insert(key, line[tab + 1..].to_vec());
        }
    }
    match start(&state) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(broker) => {
            let stands = export_definitions(&broker);
            drop(broker);
            let again = start(&state).expect("it has started from them before");
            assert_eq!(stands, export_definitions(&again));
        }
    }
}

/// What has to outlive a restart; of bindings that depends on their ends.
fn lasting(document: &Value) -> Value {
    let mut lasting = document.clone();
    for kind in ["exchanges", "queues"] {
        let items = document[kind].as_array().into_iter().flatten();
        lasting[kind] = items.filter(|item| item["durable"] == true).cloned().collect();
    }
    lasting["bindings"] = Value::Null;
    lasting
}

/// Values by table and key.
type Definitions = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A store in memory.
#[derive(Default)]
struct State(Mutex<Definitions>);

impl State {
    fn pairs(&self) -> MutexGuard<'_, Definitions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for State {
    fn scan(&self, table: Table) -> Result<Pairs, StoreError> {
        let pairs = self.pairs();
        let of_table = pairs.iter().filter(|((of, _), _)| *of == table);
        Ok(of_table.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, changes: &[StateChange]) -> Result<(), StoreError> {
        let mut pairs = self.pairs();
        for change in changes {
            match change {
                StateChange::Put(table, key, value) => pairs.insert((*table, key.clone()), value.clone()),
                StateChange::Remove(table, key) => pairs.remove(&(*table, key.clone())),
            };
        }
        Ok(())
    }
}

/// No time passes.
struct Standstill;

impl Clock for Standstill {
    fn now(&self) -> Millis {
        1_700_000_000_000
    }
}

fn start(state: &Arc<State>) -> Result<Arc<Broker>, RestoreError> {
    let mut options = StoreOptions::new("");
    options.engine = EngineKind::Memory;
    let (messages, _) = MessageStore::open(options, Arc::new(|error| panic!("{error}"))).expect("memory opens");
    let cost = HashingCost {
        memory_kib: 8,
        iterations: 1,
        lanes: 1,
    };
    let parts = BrokerParts {
        clock: Arc::new(Standstill),
        accounts: Accounts::new(cost).expect("the lowest cost is one"),
        state: Arc::clone(state) as Arc<dyn StateStore>,
        messages,
        limits: BrokerLimits::default(),
        memory_budget_bytes: u64::MAX,
    };
    Broker::restore(parts).map(|(broker, _)| broker)
}
