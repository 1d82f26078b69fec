//! The log's segments by themselves, without a broker's folder around them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::disk::RealDisk;
use super::engine::Engine;
use super::folder::io_error;
use super::log::{Catalogue, LogEngine};
use super::offline::ReadOnlyDisk;
use super::{StoreError, StoredMessage};

/// Checkpoints that are at hand; none is added or removed.
struct Given(BTreeMap<u32, Vec<u8>>);

impl Catalogue for Given {
    fn list(&self) -> Result<Vec<u32>, StoreError> {
        Ok(self.0.keys().copied().collect())
    }

    fn note(&self, _segment: u32) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, segment: u32) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&segment).cloned())
    }

    fn put(&self, _segment: u32, _checkpoint: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove(&self, _segment: u32) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Reads every live message out of a folder of segments as a start does, queue by queue, and changes nothing.
/// `checkpoints` are those of the segments by their numbers, in the bytes of `log/checkpoint.rs`; a segment without one
/// is read record by record. For tests of what damage does.
///
/// # Errors
/// [`StoreError::Damaged`] with file and place where a record is not as it was written, unless it is the torn end of the
/// last segment; [`StoreError::Foreign`] for another version; whatever the operating system refuses.
pub fn read_segments(folder: &Path, checkpoints: BTreeMap<u32, Vec<u8>>) -> Result<Vec<StoredMessage>, StoreError> {
    let disk = ReadOnlyDisk(RealDisk::open(folder).map_err(io_error(folder))?);
    // At which size a segment is closed does not matter to who only reads.
    let mut log = LogEngine::new(Arc::new(disk), 0).with_catalogue(Arc::new(Given(checkpoints)));
    let mut messages = Vec::new();
    log.recover(&mut |message| messages.push(message))?;
    Ok(messages)
}
