//! A data folder for tests of what is above: messages in the log on a simulated disk, definitions in memory.

use std::sync::Arc;

use super::disk::simulated::SimulatedDisk;
use super::state::MemoryState;
use super::{MessageStore, StateStore, StoreOptions};

/// The folder; stores that were opened on it may still run while others are.
#[derive(Default)]
pub(crate) struct SimulatedFolder {
    disk: Arc<SimulatedDisk>,
    state: Arc<MemoryState>,
}

impl SimulatedFolder {
    /// Opens it. An error of the disk panics the commit thread.
    pub(crate) fn open(&self, options: &StoreOptions) -> (MessageStore, Arc<dyn StateStore>) {
        let on_fatal = Arc::new(|error: &super::StoreError| panic!("{error}"));
        let disk = Arc::clone(&self.disk) as Arc<dyn super::disk::Disk>;
        let messages = MessageStore::on_disk(options.clone(), disk, on_fatal);
        (messages, Arc::clone(&self.state) as Arc<dyn StateStore>)
    }

    /// Bytes that the disk holds beyond those of its files now; `None` for any number.
    pub(crate) fn set_space(&self, bytes: Option<u64>) {
        self.disk.set_capacity(bytes.map(|bytes| self.disk.used() + bytes));
    }

    /// The folder as it would be if the power failed now. Seed 0 leaves nothing that was not synced, seed 1 all of it,
    /// and others some. Definitions are on stable storage as soon as they are made.
    pub(crate) fn after_power_loss(&self, seed: u64) -> Self {
        Self {
            disk: Arc::new(self.disk.after_power_loss(seed)),
            state: Arc::clone(&self.state),
        }
    }
}
