//! Giving space back: dead segments are deleted, mostly dead ones rewritten. Invariants 1 to 3 of the log.

use std::sync::Arc;

use crate::store::StoreError;
use crate::store::disk::{DiskFile, write_all};
use crate::store::engine::{Engine, is_full};
use crate::store::offline::SegmentInspection;

use super::read::Window;
use super::record::{self, Entry, Kind, SEGMENT_HEADER_LEN};
use super::{Blocked, LogEngine, RESERVE_NAME, Segment, damaged, io_failed, segment_name};

/// How much of a segment is read in one go, between rounds.
const STEP_BYTES: u64 = 8 << 20;
/// After the disk was full: so many rounds without cleaning.
const PAUSE: u32 = 64;

/// Where the rewriting of the oldest segment stands.
pub(super) struct Cleaning {
    segment: u32,
    window: Window,
    salt: u64,
    at: u64,
}

/// What is left to the definitions on a full disk, twice: less in tests with small segments.
pub(super) fn margin_bytes(segment_bytes: u64) -> u64 {
    (segment_bytes / 16).min(4 << 20)
}

impl LogEngine {
    /// The same with a reserve of so many bytes in place of up to 4 MiB; 0 for none.
    pub(in crate::store) fn with_reserve(self, reserve_bytes: u64) -> Self {
        Self { reserve_bytes, ..self }
    }

    /// Syncs what was written, on this thread.
    pub(super) fn sync_now(&mut self) -> Result<(), StoreError> {
        self.sync_job()()?;
        self.synced();
        Ok(())
    }

    /// The segments as an operator sees them.
    pub(super) fn inspect_segments(&self) -> Vec<SegmentInspection> {
        let inspection = |segment: &Segment| SegmentInspection {
            id: segment.id,
            bytes: segment.length,
            live_messages: segment.live_messages,
            live_bytes: segment.live_bytes,
            has_checkpoint: false,
        };
        self.segments.iter().map(inspection).collect()
    }

    /// Deletes and rewrites a while; true where there is more to do at once.
    pub(super) fn clean(&mut self) -> Result<bool, StoreError> {
        self.keep_reserve()?;
        self.delete_dead()?;
        if !self.is_wasteful() {
            return Ok(false);
        }
        if self.clean_pause > 0 {
            self.clean_pause -= 1;
            return Ok(false);
        }
        let has_more = self.segments.len() > 1 || self.roll()?;
        if !has_more || !self.rewrite_oldest()? {
            self.cleaning = None;
            self.clean_pause = PAUSE;
            return Ok(false);
        }
        self.delete_dead()?;
        Ok(self.is_wasteful())
    }

    /// Whether more than half of the disk space, and more than half a segment, is dead.
    fn is_wasteful(&self) -> bool {
        let length: u64 = self.segments.iter().map(|segment| segment.length).sum();
        let live: u64 = self.segments.iter().map(|segment| segment.live_bytes).sum();
        length > 2 * live + self.segment_bytes / 2
    }

    /// Deletes the oldest segments as long as nothing of them is live.
    fn delete_dead(&mut self) -> Result<(), StoreError> {
        while self.segments.len() > 1 && self.segments[0].live_messages == 0 {
            if self.copies_unsynced {
                self.sync_now()?;
            }
            let id = self.segments[0].id;
            self.disk
                .remove(&segment_name(id))
                .and_then(|()| self.disk.sync_folder())
                .map_err(io_failed(&*self.disk, id))?;
            self.remove_checkpoint(id)?;
            self.reader.forget(id);
            self.segments.pop_front();
            self.cleaning = None;
        }
        Ok(())
    }

    /// Copies some live messages of the oldest segment to the tail; false where the disk is full.
    fn rewrite_oldest(&mut self) -> Result<bool, StoreError> {
        let oldest = self.segments[0];
        let mut cleaning = match self.cleaning.take() {
            Some(cleaning) if cleaning.segment == oldest.id => cleaning,
            _ => self.start_cleaning(oldest.id)?,
        };
        let stop = cleaning.at + STEP_BYTES;
        while cleaning.at < stop.min(oldest.length) {
            if !self.copy_next(&mut cleaning, oldest.length)? {
                return Ok(false);
            }
        }
        if !self.flush()? {
            return Ok(false);
        }
        self.cleaning = Some(cleaning);
        Ok(true)
    }

    fn start_cleaning(&self, id: u32) -> Result<Cleaning, StoreError> {
        let failed = || io_failed(&*self.disk, id);
        let file = self.disk.open(&segment_name(id)).map_err(failed())?;
        let mut window = Window::new(file);
        let header = window.get(0, SEGMENT_HEADER_LEN).map_err(failed())?;
        let salt = record::check_segment_header(header, id)
            .map_err(|_| damaged(&*self.disk, id, 0, "the segment header is damaged"))?;
        Ok(Cleaning {
            segment: id,
            window,
            salt,
            at: SEGMENT_HEADER_LEN as u64,
        })
    }

    /// Copies the next record if it is a live message; false where the disk is full.
    fn copy_next(&mut self, cleaning: &mut Cleaning, end: u64) -> Result<bool, StoreError> {
        let id = cleaning.segment;
        let at = cleaning.at;
        let record = cleaning.window.record(at, end).map_err(io_failed(&*self.disk, id))?;
        let checked = record.and_then(|record| Some((record.len(), record::check_record(record, cleaning.salt)?)));
        let Some((length, (kind, payload))) = checked else {
            return Err(damaged(
                &*self.disk,
                id,
                at,
                "a record that was there cannot be read any more",
            ));
        };
        cleaning.at += length as u64;
        if kind != Kind::Publish {
            return Ok(true);
        }
        let Some(Entry::Publish(queue, sequence, _)) = record::read_entry(kind, payload) else {
            return Ok(true);
        };
        let is_live = |place: crate::store::index::Place| place.segment == id && u64::from(place.offset) == at;
        if !self.index.get(queue, sequence).is_some_and(is_live) {
            return Ok(true);
        }
        if !self.room(length)? {
            return Ok(false);
        }
        let offset = self.block.len();
        let salt = self.salt();
        let length = record::append_copy(&mut self.block, salt, kind, payload);
        self.copies_unsynced = true;
        self.blocked.push(Blocked {
            queue,
            sequence,
            offset,
            length,
        });
        Ok(true)
    }

    /// Makes the reserve file anew when there is space again.
    fn keep_reserve(&mut self) -> Result<(), StoreError> {
        if self.has_reserve || self.reserve_bytes == 0 {
            return Ok(());
        }
        let path = self.disk.path().join(RESERVE_NAME);
        let bytes = self.reserve_bytes;
        let make = || {
            if self.disk.free_space()? < 2 * bytes + 6 * margin_bytes(self.segment_bytes) {
                return Ok(None);
            }
            let file: Arc<dyn DiskFile> = self.disk.create(RESERVE_NAME)?;
            for start in (0..bytes).step_by(STEP_BYTES as usize) {
                let length = (bytes - start).min(STEP_BYTES);
                write_all(&*file, &vec![0; length as usize], start)?;
            }
            file.sync().map(|()| Some(file))
        };
        match make() {
            Ok(made) => self.has_reserve = made.is_some(),
            Err(error) if is_full(&error) => {
                // Nothing lost: it is tried again after the next round.
                let _ = self.disk.remove(RESERVE_NAME);
            }
            Err(source) => return Err(StoreError::Io { path, source }),
        }
        Ok(())
    }
}
