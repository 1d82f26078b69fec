//! Reading the log at the start.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::store::disk::DiskFile;
use crate::store::index::Place;
use crate::store::{QueueId, StoreError};

use super::read::Window;
use super::record::{self, Entry, HeaderFault, Kind, MARK_LEN, SEGMENT_HEADER_LEN};
use super::{Active, LogEngine, RESERVE_NAME, Segment, damaged, io_failed, segment_name};

/// A segment file whose header is in order.
pub(super) struct Found {
    file: Arc<dyn DiskFile>,
    pub(super) salt: u64,
    pub(super) length: u64,
}

impl LogEngine {
    /// Reads checkpoints, and segments where those end, so that the index has what is live; gives the highest queue id
    /// that a record names.
    pub(super) fn replay(&mut self) -> Result<Option<QueueId>, StoreError> {
        let mut ids = self.segment_ids()?;
        // One that could not be made for want of space may have come back with the power, and what was written meanwhile
        // is in the one before: that is the last.
        if let Some(id) = ids.back().copied()
            && self.open_segment(id, true)?.is_none()
        {
            ids.pop_back();
        }
        self.check_catalogue(ids.back().copied())?;
        let mut highest = None;
        for (at, id) in ids.iter().enumerate() {
            let last = at + 1 == ids.len();
            let Some(found) = self.open_segment(*id, false)? else {
                continue;
            };
            self.segments.push_back(Segment {
                id: *id,
                length: found.length,
                live_messages: 0,
                live_bytes: 0,
            });
            highest = highest.max(self.apply_checkpoint(*id, &found)?);
            let from = self.checkpoint.end();
            let end = self.replay_segment(*id, &found, &mut highest)?;
            if end == found.length && !last && from < end {
                // Written before there were checkpoints, or the checkpoint was lost.
                if self.catalogue.is_some() && !self.distrusts {
                    tracing::info!(
                        segment = id,
                        "there was no checkpoint of all of it: the segment was read"
                    );
                }
                self.put_checkpoint(*id, found.salt)?;
            }
            if end < found.length {
                if !last {
                    return Err(damaged(
                        &*self.disk,
                        *id,
                        end,
                        "a record is damaged; restore the folder from a backup",
                    ));
                }
                self.cut(*id, &found, end)?;
            }
        }
        // The last one may have been made or written by a process that was killed before its sync.
        self.disk.sync_folder().map_err(|source| StoreError::Io {
            path: self.disk.path().to_path_buf(),
            source,
        })?;
        if let Some(Segment { id, length, .. }) = self.segments.back().copied()
            && let Some(Found { file, salt, .. }) = self.open_segment(id, false)?
        {
            file.sync().map_err(io_failed(&*self.disk, id))?;
            self.active = Some(Active {
                file,
                salt,
                synced: length,
                extended: length,
                filled: length,
            });
            self.note_segment(id)?;
        }
        Ok(highest)
    }

    /// Takes a reserve of another size away; it is made anew.
    fn check_reserve(&mut self) -> std::io::Result<()> {
        self.has_reserve = self.disk.open(RESERVE_NAME)?.length()? == self.reserve_bytes;
        match self.has_reserve {
            true => Ok(()),
            false => self.disk.remove(RESERVE_NAME),
        }
    }

    fn segment_ids(&mut self) -> Result<VecDeque<u32>, StoreError> {
        let names = self.disk.list().map_err(|source| StoreError::Io {
            path: self.disk.path().to_path_buf(),
            source,
        })?;
        if names.iter().any(|name| name == RESERVE_NAME) {
            self.check_reserve().map_err(|source| StoreError::Io {
                path: self.disk.path().join(RESERVE_NAME),
                source,
            })?;
        }
        let mut ids: Vec<u32> = names
            .iter()
            .filter_map(|name| name.strip_suffix(".log")?.parse().ok())
            .collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
            return Err(damaged(
                &*self.disk,
                pair[0] + 1,
                0,
                "the file is missing; restore the folder from a backup",
            ));
        }
        Ok(ids.into())
    }

    /// Opens a segment and checks its header. `None` where the last one was not finished being made: it is removed.
    fn open_segment(&mut self, id: u32, last: bool) -> Result<Option<Found>, StoreError> {
        let name = segment_name(id);
        let failed = || io_failed(&*self.disk, id);
        let file = self.disk.open(&name).map_err(failed())?;
        let length = file.length().map_err(failed())?;
        let mut window = Window::new(Arc::clone(&file));
        let header = window.get(0, SEGMENT_HEADER_LEN).map_err(failed())?;
        match record::check_segment_header(header, id) {
            Ok(salt) => Ok(Some(Found { file, salt, length })),
            // Nothing is written behind a header before the header is synced.
            Err(HeaderFault::Damaged) if last && length <= SEGMENT_HEADER_LEN as u64 => {
                self.disk.remove(&name).map_err(failed())?;
                self.disk.sync_folder().map_err(failed())?;
                Ok(None)
            }
            Err(HeaderFault::Damaged) => Err(damaged(
                &*self.disk,
                id,
                0,
                "the segment header is damaged; restore the folder from a backup",
            )),
            Err(HeaderFault::Version(version)) => Err(StoreError::Foreign {
                path: self.disk.path().join(name),
                reason: format!(
                    "has segment format {version}, and this Warren reads format {}; start the Warren that wrote it",
                    record::VERSION
                ),
            }),
        }
    }

    /// Applies the records of a segment behind its checkpoint; gives the place where they end, be it the end of the file
    /// or a damaged one.
    fn replay_segment(&mut self, id: u32, found: &Found, highest: &mut Option<QueueId>) -> Result<u64, StoreError> {
        let mut window = Window::new(Arc::clone(&found.file));
        let mut at = self.checkpoint.end();
        loop {
            let bytes = window.record(at, found.length).map_err(io_failed(&*self.disk, id))?;
            let Some(bytes) = bytes else { return Ok(at) };
            let length = bytes.len();
            let checked = record::check_record(bytes, found.salt);
            let Some(entry) = checked.and_then(|(kind, payload)| record::read_entry(kind, payload)) else {
                return Ok(at);
            };
            let place = Place {
                segment: id,
                offset: at as u32,
                length: length as u32,
            };
            self.checkpoint.add(bytes);
            if let Some(queue) = self.apply(entry, place) {
                *highest = (*highest).max(Some(queue));
            }
            at += length as u64;
        }
    }

    /// Applies one record; gives the queue that it is about.
    pub(super) fn apply(&mut self, entry: Entry<'_>, place: Place) -> Option<QueueId> {
        match entry {
            Entry::Publish(queue, sequence, _) => {
                self.set_place(queue, sequence, place);
                Some(queue)
            }
            Entry::Settle(queue, runs) => {
                for sequence in runs
                    .into_iter()
                    .flat_map(|(first, length)| first..first.saturating_add(length))
                {
                    if let Some(place) = self.index.remove(queue, sequence) {
                        self.uncount(place);
                    }
                }
                Some(queue)
            }
            Entry::RemoveQueue(queue) => {
                for (_, place) in self.index.remove_queue(queue) {
                    self.uncount(place);
                }
                Some(queue)
            }
            Entry::Mark(_) => None,
        }
    }

    /// Cuts the last segment at `end`, where its records stop being readable, unless that was synced once.
    fn cut(&mut self, id: u32, found: &Found, end: u64) -> Result<(), StoreError> {
        let synced = synced_behind(found, end).map_err(io_failed(&*self.disk, id))?;
        if synced > end {
            return Err(damaged(
                &*self.disk,
                id,
                end,
                "a record is damaged that was complete once; restore the folder from a backup",
            ));
        }
        found.file.truncate(end).map_err(io_failed(&*self.disk, id))?;
        found.file.sync().map_err(io_failed(&*self.disk, id))?;
        if let Some(segment) = self.segments.back_mut() {
            segment.length = end;
        }
        Ok(())
    }
}

/// Up to where the file was synced once, as the marks behind `from` say.
fn synced_behind(found: &Found, from: u64) -> io::Result<u64> {
    /// Read in steps of this.
    const STEP: usize = 256 << 10;
    let mut window = Window::new(Arc::clone(&found.file));
    let mut synced = 0;
    let mut at = from;
    while at < found.length {
        let bytes = window.get(at, STEP + MARK_LEN)?;
        let candidates = bytes.windows(MARK_LEN).filter(|bytes| {
            // Length and kind of its header, behind the CRC.
            bytes[4..8] == 8u32.to_le_bytes() && bytes[8] == Kind::Mark as u8
        });
        for candidate in candidates {
            let entry = record::check_record(candidate, found.salt)
                .and_then(|(kind, payload)| record::read_entry(kind, payload));
            if let Some(Entry::Mark(upto)) = entry {
                synced = synced.max(upto);
            }
        }
        at += STEP as u64;
    }
    Ok(synced)
}
