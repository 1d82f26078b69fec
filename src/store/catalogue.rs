//! The catalogue of the log's segments, in the database of the definitions: a checkpoint a segment.
//!
//! Key: [`PREFIX`], id of the segment (u32) and chunk (u32), big-endian. Value: up to [`CHUNK_BYTES`] of the checkpoint,
//! since sled neither syncs nor gives back the files that it makes of what is larger (`sled_engine.rs`). All chunks are
//! set in one batch. They are handed to the operating system and not synced: one that gets lost is made anew from its
//! segment.
//!
//! A segment that is written to has chunk 0 with nothing in it, which is synced: so a log that is lost as a whole is
//! missed.

use std::sync::Arc;

use super::StoreError;
use super::database::Database;
use super::log::Catalogue;

/// The first byte of all keys, beside those of the tables of definitions.
pub(super) const PREFIX: u8 = 11;
const CHUNK_BYTES: usize = 4 << 10;

pub(super) struct SledCatalogue(Arc<Database>);

impl SledCatalogue {
    pub(super) fn new(database: Arc<Database>) -> Arc<Self> {
        Arc::new(Self(database))
    }

    /// Forgets all segments: the log that they were of is gone.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        self.list()?.into_iter().try_for_each(|segment| self.remove(segment))
    }

    fn chunks(&self, segment: u32) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), StoreError>> {
        self.0.range(key(segment, 0)..=key(segment, u32::MAX))
    }
}

fn key(segment: u32, chunk: u32) -> [u8; 9] {
    let mut key = [PREFIX; 9];
    key[1..5].copy_from_slice(&segment.to_be_bytes());
    key[5..].copy_from_slice(&chunk.to_be_bytes());
    key
}

impl Catalogue for SledCatalogue {
    fn list(&self) -> Result<Vec<u32>, StoreError> {
        let mut segments = Vec::new();
        for pair in self.0.scan_prefix(&[PREFIX]) {
            let id = pair?
                .0
                .get(1..5)
                .and_then(|id| Some(u32::from_be_bytes(*id.first_chunk()?)));
            segments.extend(id);
        }
        segments.dedup();
        Ok(segments)
    }

    fn note(&self, segment: u32) -> Result<(), StoreError> {
        if self.chunks(segment).next().transpose()?.is_some() {
            return Ok(());
        }
        match self.0.reserve(0) {
            Err(error) if error.is_full() => return Ok(()),
            other => other?,
        }
        let mut batch = sled::Batch::default();
        batch.insert(&key(segment, 0), &[]);
        self.0.apply(batch)?;
        self.0.sync()
    }

    fn get(&self, segment: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let mut bytes = Vec::new();
        for pair in self.chunks(segment) {
            bytes.extend_from_slice(&pair?.1);
        }
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    fn put(&self, segment: u32, checkpoint: &[u8]) -> Result<(), StoreError> {
        match self.0.reserve(checkpoint.len() as u64) {
            Err(error) if error.is_full() => return Ok(()),
            other => other?,
        }
        let mut batch = sled::Batch::default();
        for pair in self.chunks(segment) {
            batch.remove(pair?.0);
        }
        for (at, chunk) in (0..).zip(checkpoint.chunks(CHUNK_BYTES)) {
            batch.insert(&key(segment, at), chunk);
        }
        self.0.apply(batch)?;
        self.0.flush()
    }

    fn remove(&self, segment: u32) -> Result<(), StoreError> {
        // What is not removed for want of space is passed over: its segment is older than the oldest.
        match self.0.reserve(0) {
            Err(error) if error.is_full() => return Ok(()),
            other => other?,
        }
        let mut batch = sled::Batch::default();
        for pair in self.chunks(segment) {
            batch.remove(pair?.0);
        }
        self.0.apply(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_of_any_length_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&dir.path().join("state"), 1 << 20).unwrap());
        let catalogue = SledCatalogue::new(database);
        let long: Vec<u8> = (0..50_000u32).map(|at| (at % 251) as u8).collect();
        catalogue.put(3, &long).unwrap();
        catalogue.put(256, b"x").unwrap();
        catalogue.put(4, b"short").unwrap();
        assert_eq!(catalogue.list().unwrap(), [3, 4, 256]);
        assert_eq!(catalogue.get(3).unwrap().as_deref(), Some(&long[..]));
        // A shorter one leaves nothing of the longer behind.
        catalogue.put(3, &long[..100]).unwrap();
        assert_eq!(catalogue.get(3).unwrap().as_deref(), Some(&long[..100]));
        catalogue.note(4).unwrap();
        assert_eq!(catalogue.get(4).unwrap().as_deref(), Some(&b"short"[..]));
        catalogue.note(5).unwrap();
        assert_eq!(
            (catalogue.list().unwrap(), catalogue.get(5).unwrap()),
            (vec![3, 4, 5, 256], None)
        );
        catalogue.put(5, b"x").unwrap();
        assert_eq!(catalogue.get(5).unwrap().as_deref(), Some(&b"x"[..]));
        catalogue.remove(3).unwrap();
        assert_eq!(catalogue.get(3).unwrap(), None);
        catalogue.clear().unwrap();
        assert!(catalogue.list().unwrap().is_empty());
    }
}
