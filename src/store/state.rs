//! Definitions: in sled, or in memory for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::catalogue::SledCatalogue;
use super::database::Database;
use super::folder::Folder;
use super::{Pairs, StateChange, StateStore, StoreError, Table};

/// The byte that a table's keys start with. Part of the format: numbers are never used again. 11 is the
/// [`catalogue`](super::catalogue)'s.
fn prefix(table: Table) -> u8 {
    match table {
        Table::Vhosts => 1,
        Table::Users => 2,
        Table::Permissions => 3,
        Table::Policies => 4,
        Table::Exchanges => 5,
        Table::Queues => 6,
        Table::Bindings => 7,
        Table::Node => 8,
        Table::OperatorPolicies => 9,
        Table::VhostLimits => 10,
        Table::GlobalParameters => 12,
    }
}

fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(prefix(table));
    full.extend_from_slice(key);
    full
}

/// Definitions in sled.
pub(super) struct SledState {
    database: Arc<Database>,
    // One sync at a time; those who come meanwhile would not be faster beside it.
    writing: Mutex<()>,
    _folder: Arc<Folder>,
}

impl SledState {
    pub(super) fn open(folder: Arc<Folder>, cache_bytes: u64) -> Result<Self, StoreError> {
        Ok(Self {
            database: Arc::new(Database::open(&folder.path().join("state"), cache_bytes)?),
            writing: Mutex::new(()),
            _folder: folder,
        })
    }

    /// Puts all that was given to the catalogue on stable storage.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.database.sync()
    }

    /// The segments of the log, in the same database.
    pub(super) fn catalogue(&self) -> Arc<SledCatalogue> {
        SledCatalogue::new(Arc::clone(&self.database))
    }
}

impl StateStore for SledState {
    fn scan(&self, table: Table) -> Result<Pairs, StoreError> {
        self.database
            .scan_prefix(&[prefix(table)])
            .map(|pair| pair.map(|(key, value)| (key[1..].to_vec(), value.to_vec())))
            .collect()
    }

    fn commit(&self, changes: &[StateChange]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        let mut bytes = 0;
        for change in changes {
            match change {
                StateChange::Put(table, key, value) => {
                    bytes += (key.len() + value.len()) as u64;
                    batch.insert(full_key(*table, key), value.as_slice());
                }
                StateChange::Remove(table, key) => batch.remove(full_key(*table, key)),
            }
        }
        let _writing = self.writing.lock();
        self.database.reserve(bytes)?;
        self.database.apply(batch)?;
        self.database.sync()
    }
}

/// Definitions in memory.
#[derive(Default)]
pub(super) struct MemoryState {
    pairs: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl StateStore for MemoryState {
    fn scan(&self, table: Table) -> Result<Pairs, StoreError> {
        let prefix = prefix(table);
        Ok(self
            .pairs
            .lock()
            .range(vec![prefix]..vec![prefix + 1])
            .map(|(key, value)| (key[1..].to_vec(), value.clone()))
            .collect())
    }

    fn commit(&self, changes: &[StateChange]) -> Result<(), StoreError> {
        let mut pairs = self.pairs.lock();
        for change in changes {
            match change {
                StateChange::Put(table, key, value) => {
                    pairs.insert(full_key(*table, key), value.clone());
                }
                StateChange::Remove(table, key) => {
                    pairs.remove(&full_key(*table, key));
                }
            }
        }
        Ok(())
    }
}
