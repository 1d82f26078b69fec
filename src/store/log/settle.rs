//! Settlements: they take effect at once, and are owed until they are written.

use crate::store::engine::QueueBatch;
use crate::store::{QueueId, StoreError};

use super::{LogEngine, record};

/// Settlements that are not written yet.
pub(super) struct Owed {
    queue: QueueId,
    sequences: Vec<u64>,
    removed: bool,
}

impl LogEngine {
    /// Lets settlements take effect and notes what has to be written of them.
    pub(super) fn settle(&mut self, batch: &QueueBatch) {
        let mut sequences = Vec::with_capacity(batch.forgets.len());
        for sequence in &batch.forgets {
            // What is not there was refused, or settled before.
            if let Some(place) = self.index.remove(batch.queue, *sequence) {
                self.uncount(place);
                sequences.push(*sequence);
            }
        }
        let mut removed = false;
        if batch.removed {
            for (_, place) in self.index.remove_queue(batch.queue) {
                self.uncount(place);
                removed = true;
            }
        }
        if removed || !sequences.is_empty() {
            sequences.sort_unstable();
            self.owed.push(Owed {
                queue: batch.queue,
                sequences,
                removed,
            });
        }
    }

    /// Writes the settlements that are owed; false where the disk is too full.
    pub(super) fn write_owed(&mut self) -> Result<bool, StoreError> {
        let owed = std::mem::take(&mut self.owed);
        let done = self.append_owed(&owed);
        if !matches!(done, Ok(true)) {
            self.owed = owed;
        }
        done
    }

    fn append_owed(&mut self, owed: &[Owed]) -> Result<bool, StoreError> {
        for owed in owed {
            if !self.room(record::settle_max_len(owed.sequences.len()))? {
                return Ok(false);
            }
            let salt = self.salt();
            record::append_settle(&mut self.block, salt, owed.queue, &owed.sequences);
            if owed.removed {
                record::append_remove_queue(&mut self.block, salt, owed.queue);
            }
        }
        self.flush()
    }
}
