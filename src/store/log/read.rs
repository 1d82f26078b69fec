//! Reading records, through a window that grows while reads are sequential.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::store::disk::{Disk, DiskFile, read_full};
use crate::store::index::Place;
use crate::store::{QueueId, StoreError, StoredMessage, codec};

use super::record::{Entry, Kind, RECORD_HEADER_LEN, RecordHeader, SEGMENT_HEADER_LEN};
use super::{damaged, io_failed, record, segment_name};

const WINDOW_MIN: usize = 8 << 10;
const WINDOW_MAX: usize = 256 << 10;
/// So many files are held open for reading.
const OPEN_MAX: usize = 8;

/// Bytes of a file that were read.
pub(super) struct Window {
    file: Arc<dyn DiskFile>,
    start: u64,
    bytes: Vec<u8>,
    ahead: usize,
}

impl Window {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self {
            file,
            start: 0,
            bytes: Vec::new(),
            ahead: WINDOW_MIN,
        }
    }

    /// `length` bytes at `offset`, fewer where the file ends.
    pub(super) fn get(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + length as u64 > end {
            let sequential = offset >= self.start && offset <= end + WINDOW_MIN as u64;
            self.ahead = match sequential {
                true => (self.ahead * 2).min(WINDOW_MAX),
                false => WINDOW_MIN,
            };
            self.bytes.clear();
            self.bytes.resize(length.max(self.ahead), 0);
            self.bytes.shrink_to(WINDOW_MAX);
            self.start = offset;
            let read = read_full(&*self.file, &mut self.bytes, offset);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let at = (offset - self.start) as usize;
        let end = (at + length).min(self.bytes.len());
        Ok(&self.bytes[at..end])
    }

    /// The whole record at `offset`; `None` where there is none that ends before `end`.
    pub(super) fn record(&mut self, offset: u64, end: u64) -> io::Result<Option<&[u8]>> {
        let Some(header) = self.get(offset, RECORD_HEADER_LEN)?.first_chunk() else {
            return Ok(None);
        };
        let length = RecordHeader::read(header).record_len();
        if offset + length as u64 > end {
            return Ok(None);
        }
        Ok(Some(self.get(offset, length)?).filter(|record| record.len() == length))
    }
}

/// Reads messages from where the index says they are.
pub(super) struct Reader {
    disk: Arc<dyn Disk>,
    open: BTreeMap<u32, (Window, u64)>,
}

impl Reader {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            open: BTreeMap::new(),
        }
    }

    /// A segment that goes is not read again.
    pub(super) fn forget(&mut self, segment: u32) {
        self.open.remove(&segment);
    }

    fn window(&mut self, segment: u32) -> Result<(&mut Window, u64), StoreError> {
        if !self.open.contains_key(&segment) {
            while self.open.len() >= OPEN_MAX {
                self.open.pop_first();
            }
            let failed = io_failed(&*self.disk, segment);
            let mut window = Window::new(self.disk.open(&segment_name(segment)).map_err(failed)?);
            let failed = io_failed(&*self.disk, segment);
            let header = window.get(0, SEGMENT_HEADER_LEN).map_err(failed)?;
            let salt = record::check_segment_header(header, segment)
                .map_err(|_| damaged(&*self.disk, segment, 0, "the segment header is damaged"))?;
            self.open.insert(segment, (window, salt));
        }
        match self.open.get_mut(&segment) {
            Some((window, salt)) => Ok((window, *salt)),
            // It was put there just now.
            None => Err(damaged(&*self.disk, segment, 0, "the segment is not there")),
        }
    }

    /// The message of `queue` and `sequence`, which has its record at `place`.
    pub(super) fn message(&mut self, queue: QueueId, sequence: u64, place: Place) -> Result<StoredMessage, StoreError> {
        if let Some(message) = self.find(queue, sequence, place)? {
            return Ok(message);
        }
        // The window may have been read before the record was written: space that is reserved ahead reads as zeros.
        self.forget(place.segment);
        self.find(queue, sequence, place)?.ok_or_else(|| {
            let offset = u64::from(place.offset);
            let reason = "a message that was there cannot be read any more";
            damaged(&*self.disk, place.segment, offset, reason)
        })
    }

    /// `None` where the window has something else at the place.
    fn find(&mut self, queue: QueueId, sequence: u64, place: Place) -> Result<Option<StoredMessage>, StoreError> {
        let disk = Arc::clone(&self.disk);
        let (window, salt) = self.window(place.segment)?;
        let bytes = window
            .get(u64::from(place.offset), place.length as usize)
            .map_err(io_failed(&*disk, place.segment))?;
        let entry = record::check_record(bytes, salt)
            .filter(|(kind, _)| *kind == Kind::Publish)
            .and_then(|(kind, payload)| record::read_entry(kind, payload));
        let message = match entry {
            Some(Entry::Publish(found_queue, found, message)) if (found_queue, found) == (queue, sequence) => {
                codec::decode(message)
            }
            _ => None,
        };
        Ok(message.map(|(message, expires_at)| StoredMessage {
            queue,
            sequence,
            message,
            expires_at,
        }))
    }
}
