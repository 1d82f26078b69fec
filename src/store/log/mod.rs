//! Messages in one shared write-ahead log of segments.
//!
//! # Invariants
//! 1. **Only the oldest segment is ever deleted**, and the folder is synced before the next one is. A settlement lies
//!    behind the message that it settles, in the same segment or a later one, so it is never deleted before it.
//! 2. A segment is deleted when none of its messages is live. Whether the settlements that killed them are on stable
//!    storage does not matter: the deletion settles them for good.
//! 3. An oldest segment that still has live messages is rewritten: they are copied to the tail, the copies are synced,
//!    and only then is it deleted. A crash in between leaves both; of two records of one message the later one counts,
//!    and a settlement behind the first but before the copy cannot be, since only live messages are copied.
//! 4. A segment is synced before the next one is made, and the next one's header is synced before any record is
//!    written. So only the last segment may end in something torn, or in the zeros that it was extended with.
//! 5. Each write starts with a mark that says up to where its segment was synced at the time. Damage before such a
//!    place is damage; behind the last such place it is a torn tail, which nobody was promised, and is cut.
//! 6. Settlements take effect in memory even where the disk is too full to write them. They are owed and written later.

mod checkpoint;
mod clean;
mod read;
mod record;
mod recovery;
mod settle;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, write_all};
use super::engine::{Engine, MessageSink, QueueBatch, Recovered, SyncJob, Usage, Written, is_full};
use super::index::{LiveIndex, Place};
use super::offline::SegmentInspection;
use super::{Keep, QueueId, StoreError, StoredMessage};

pub(super) use checkpoint::Catalogue;
use checkpoint::Checkpoint;
#[cfg(test)]
pub(super) use checkpoint::tests::MemoryCatalogue;
use clean::{Cleaning, margin_bytes};
use read::Reader;
use record::{MARK_LEN, SEGMENT_HEADER_LEN};
use settle::Owed;

/// So much is collected before it is written.
const BLOCK_BYTES: usize = 1 << 20;
/// The last file is made longer by so much at a time, or by an eighth of a segment.
const EXTEND_BYTES: u64 = 4 << 20;
/// A block of at most so many bytes is one that somebody waits for, and takes no longer than its sync.
const SMALL_BLOCK_BYTES: usize = 16 << 10;
/// Zeros that are written ahead of small blocks at a time.
const ZEROS_BYTES: u64 = 256 << 10;
/// The file that is given up so that settlements can be written to a full disk.
const RESERVE_NAME: &str = "reserve";

/// A segment as the engine counts it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    id: u32,
    length: u64,
    live_messages: u64,
    live_bytes: u64,
}

/// The segment that is written to: the last one.
struct Active {
    file: Arc<dyn DiskFile>,
    salt: u64,
    synced: u64,
    /// How long the file is: it grows ahead of what is written (sparse, so it takes no space), because a sync of a
    /// file whose length has not changed does not wait for the file system's journal. Measured on ext4 with busy
    /// processors: 0.7 ms on average instead of 3 ms for 70 kB.
    extended: u64,
    /// Up to where the file has been written to, with records or with zeros: a sync of what has its place on the disk
    /// already does not wait for the file system's journal either. Large blocks do without, they would write all twice.
    /// Measured on ext4 for writes of 1,200 bytes: 11,500 in place of 9,500 a second, and 11,000 in place of 6,300 where
    /// others wrote to the disk, the slowest of a hundred 0.2 in place of 3 ms.
    filled: u64,
}

impl Active {
    /// Notes that a block of `length` bytes was written up to `end`, and writes zeros behind it where it was a small one
    /// and there are none left.
    fn fill(&mut self, end: u64, length: usize) -> io::Result<()> {
        if end <= self.filled {
            return Ok(());
        }
        self.filled = end;
        let zeros = ZEROS_BYTES.min(self.extended - end);
        if length > SMALL_BLOCK_BYTES || zeros == 0 {
            return Ok(());
        }
        match write_all(&*self.file, &vec![0; zeros as usize], end) {
            Ok(()) => self.filled = end + zeros,
            // The block itself has its place: what is short of space goes without.
            Err(error) if is_full(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A message whose record is in the block.
struct Blocked {
    queue: QueueId,
    sequence: u64,
    offset: usize,
    length: usize,
}

pub(super) struct LogEngine {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    /// Oldest first; ids without gaps.
    segments: VecDeque<Segment>,
    /// There as soon as anything is to be written.
    active: Option<Active>,
    index: LiveIndex,
    reader: Reader,
    /// What the next write writes.
    block: Vec<u8>,
    blocked: Vec<Blocked>,
    /// Messages that were written since the count was reset.
    written: usize,
    owed: Vec<Owed>,
    /// Where a sync job that was given out ends.
    syncing: (u32, u64),
    cleaning: Option<Cleaning>,
    /// Copies were written that are not synced.
    copies_unsynced: bool,
    /// Calls to pass over after the disk was full.
    clean_pause: u32,
    has_reserve: bool,
    /// How large the reserve is made; 0 for none.
    reserve_bytes: u64,
    catalogue: Option<Arc<dyn Catalogue>>,
    /// Checkpoints are neither believed nor written.
    distrusts: bool,
    /// Of the last segment, with all that was written.
    checkpoint: Checkpoint,
}

fn segment_name(id: u32) -> String {
    format!("{id:010}.log")
}

fn io_failed(disk: &dyn Disk, segment: u32) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = disk.path().join(segment_name(segment));
    |source| StoreError::Io { path, source }
}

fn damaged(disk: &dyn Disk, segment: u32, offset: u64, reason: &str) -> StoreError {
    StoreError::Damaged {
        path: disk.path().join(segment_name(segment)),
        offset,
        reason: reason.to_owned(),
    }
}

impl LogEngine {
    /// A log in the folder of `disk`, whose segments are closed at `segment_bytes`.
    pub(super) fn new(disk: Arc<dyn Disk>, segment_bytes: u64) -> Self {
        let segment_bytes = segment_bytes.clamp(4 << 10, 1 << 30);
        Self {
            reader: Reader::new(Arc::clone(&disk)),
            disk,
            segment_bytes,
            reserve_bytes: margin_bytes(segment_bytes),
            segments: VecDeque::new(),
            active: None,
            index: LiveIndex::default(),
            block: Vec::new(),
            blocked: Vec::new(),
            written: 0,
            owed: Vec::new(),
            syncing: (0, 0),
            cleaning: None,
            copies_unsynced: false,
            clean_pause: 0,
            has_reserve: false,
            catalogue: None,
            distrusts: false,
            checkpoint: Checkpoint::default(),
        }
    }

    fn segment_mut(&mut self, id: u32) -> Option<&mut Segment> {
        let first = self.segments.front()?.id;
        self.segments.get_mut(id.checked_sub(first)? as usize)
    }

    fn count(&mut self, place: Place) {
        if let Some(segment) = self.segment_mut(place.segment) {
            segment.live_messages += 1;
            segment.live_bytes += u64::from(place.length);
        }
    }

    fn uncount(&mut self, place: Place) {
        if let Some(segment) = self.segment_mut(place.segment) {
            segment.live_messages -= 1;
            segment.live_bytes -= u64::from(place.length);
        }
    }

    /// Notes that the live record of a message is at `place`.
    fn set_place(&mut self, queue: QueueId, sequence: u64, place: Place) {
        self.count(place);
        if let Some(old) = self.index.insert(queue, sequence, place) {
            self.uncount(old);
        }
    }

    /// Makes room in the block for a record of `length` bytes; false where the disk is full.
    fn room(&mut self, length: usize) -> Result<bool, StoreError> {
        if self.block.len() >= BLOCK_BYTES && !self.flush()? {
            return Ok(false);
        }
        let used = self.segments.back().map_or(0, |segment| segment.length) + self.block.len() as u64;
        let fits = used + (MARK_LEN + length) as u64 <= self.segment_bytes;
        let is_fresh = used <= SEGMENT_HEADER_LEN as u64;
        if (self.active.is_none() || !(fits || is_fresh)) && !(self.flush()? && self.roll()?) {
            return Ok(false);
        }
        if let (true, Some(active)) = (self.block.is_empty(), &self.active) {
            record::append_mark(&mut self.block, active.salt, active.synced);
        }
        Ok(true)
    }

    fn salt(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.salt)
    }

    fn append_keep(&mut self, queue: QueueId, keep: &Keep) -> Result<bool, StoreError> {
        if !self.room(record::publish_len(keep))? {
            return Ok(false);
        }
        let offset = self.block.len();
        let salt = self.salt();
        let length = record::append_publish(&mut self.block, salt, queue, keep);
        self.blocked.push(Blocked {
            queue,
            sequence: keep.sequence,
            offset,
            length,
        });
        Ok(true)
    }

    /// Writes the block. False where the disk is full: then nothing of the block is left, neither there nor here.
    fn flush(&mut self) -> Result<bool, StoreError> {
        let (Some(active), Some(segment)) = (&mut self.active, self.segments.back_mut()) else {
            return Ok(true);
        };
        if self.block.is_empty() {
            return Ok(true);
        }
        let start = segment.length;
        let id = segment.id;
        let end = start + self.block.len() as u64;
        let write = |active: &mut Active| {
            if end > active.extended {
                let extended = end + EXTEND_BYTES.min(self.segment_bytes / 8);
                active.file.truncate(extended)?;
                active.extended = extended;
            }
            write_all(&*active.file, &self.block, start)?;
            active.fill(end, self.block.len())
        };
        let done = match write(active) {
            Ok(()) => true,
            Err(error) if is_full(&error) => {
                active.file.truncate(start).map_err(io_failed(&*self.disk, id))?;
                active.extended = start;
                active.filled = start;
                false
            }
            Err(error) => return Err(io_failed(&*self.disk, id)(error)),
        };
        let blocked = std::mem::take(&mut self.blocked);
        if done {
            segment.length += self.block.len() as u64;
            self.checkpoint.add(&self.block);
            self.written += blocked.len();
            for message in &blocked {
                let place = Place {
                    segment: id,
                    // Segments are at most 1 GiB, but for one message of at most 4 GiB at their start.
                    offset: start as u32 + message.offset as u32,
                    length: message.length as u32,
                };
                self.set_place(message.queue, message.sequence, place);
            }
        }
        self.blocked = blocked;
        self.blocked.clear();
        self.block.clear();
        self.block.shrink_to(2 * BLOCK_BYTES);
        Ok(done)
    }

    /// Takes back what the last file is longer than its records.
    fn trim(&mut self) -> Result<(), StoreError> {
        if let (Some(active), Some(segment)) = (&mut self.active, self.segments.back())
            && active.extended > segment.length
        {
            let failed = io_failed(&*self.disk, segment.id);
            active.file.truncate(segment.length).map_err(failed)?;
            active.extended = segment.length;
            active.filled = segment.length;
        }
        Ok(())
    }

    /// Closes the segment that is written to and starts the next. False where the disk is full: nothing has changed.
    fn roll(&mut self) -> Result<bool, StoreError> {
        let last = self.segments.back().map_or(0, |segment| segment.id);
        self.trim()?;
        if let Some(active) = &self.active {
            active.file.sync().map_err(io_failed(&*self.disk, last))?;
        }
        let id = last + 1;
        let name = segment_name(id);
        let salt = RandomState::new().hash_one(id);
        let create = || {
            let file = self.disk.create(&name)?;
            write_all(&*file, &record::segment_header(id, salt), 0)?;
            Ok(file)
        };
        let file = match create() {
            Ok(file) => file,
            Err(error) if is_full(&error) => {
                return match self.disk.remove(&name) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_failed(&*self.disk, id)(error)),
                    _ => Ok(false),
                };
            }
            Err(error) => return Err(io_failed(&*self.disk, id)(error)),
        };
        file.sync().map_err(io_failed(&*self.disk, id))?;
        self.disk.sync_folder().map_err(io_failed(&*self.disk, id))?;
        if let Some(active) = &self.active {
            self.put_checkpoint(last, active.salt)?;
        }
        self.note_segment(id)?;
        self.checkpoint = Checkpoint::default();
        self.segments.push_back(Segment {
            id,
            length: SEGMENT_HEADER_LEN as u64,
            live_messages: 0,
            live_bytes: 0,
        });
        self.active = Some(Active {
            file,
            salt,
            synced: SEGMENT_HEADER_LEN as u64,
            extended: SEGMENT_HEADER_LEN as u64,
            filled: SEGMENT_HEADER_LEN as u64,
        });
        self.copies_unsynced = false;
        Ok(true)
    }

    /// Whether the round's messages leave something of the disk to the definitions, which sled cannot even open on a
    /// full one. That costs a system call a round. Others may fill the disk nevertheless, which [`Self::flush`] sees.
    fn has_space(&self, batches: &[QueueBatch]) -> bool {
        let length = |batch: &QueueBatch| batch.keeps.iter().map(record::publish_len).sum::<usize>() as u64;
        let bytes: u64 = batches.iter().map(length).sum();
        // A file system that does not say how much is free has to be tried.
        bytes == 0 || self.disk.free_space().unwrap_or(u64::MAX) >= bytes + 2 * margin_bytes(self.segment_bytes)
    }
}

impl Engine for LogEngine {
    fn recover(&mut self, sink: MessageSink<'_>) -> Result<Recovered, StoreError> {
        let highest_queue = self.replay()?;
        let mut recovered = Recovered {
            messages: 0,
            highest_queue,
        };
        for queue in self.index.queues() {
            for (sequence, place) in self.index.iter_from(queue, 0) {
                sink(self.reader.message(queue, sequence, place)?);
                recovered.messages += 1;
            }
        }
        // Its windows are not needed for a while.
        self.reader = Reader::new(Arc::clone(&self.disk));
        Ok(recovered)
    }

    fn write(&mut self, batches: &[QueueBatch]) -> Result<Written, StoreError> {
        self.written = 0;
        let mut full = !self.has_space(batches);
        'batches: for batch in batches {
            for keep in &batch.keeps {
                if full || !self.append_keep(batch.queue, keep)? {
                    full = true;
                    break 'batches;
                }
            }
        }
        // Before the settlements, some of which may be of messages in the block.
        if !full {
            self.flush()?;
        }
        let kept = self.written;
        for batch in batches {
            self.settle(batch);
        }
        let mut settled = self.write_owed()?;
        if !settled && self.has_reserve {
            self.has_reserve = false;
            let reserve = self.disk.path().join(RESERVE_NAME);
            self.disk
                .remove(RESERVE_NAME)
                .map_err(|source| StoreError::Io { path: reserve, source })?;
            settled = self.write_owed()?;
        }
        Ok(Written { kept, settled })
    }

    fn sync_job(&mut self) -> SyncJob {
        let (Some(active), Some(segment)) = (&self.active, self.segments.back()) else {
            return Box::new(|| Ok(()));
        };
        self.syncing = (segment.id, segment.length);
        let file = Arc::clone(&active.file);
        let failed = io_failed(&*self.disk, segment.id);
        Box::new(move || file.sync().map_err(failed))
    }

    fn synced(&mut self) {
        let (id, length) = self.syncing;
        if let (Some(active), Some(segment)) = (&mut self.active, self.segments.back())
            && segment.id == id
        {
            active.synced = length;
            self.copies_unsynced &= segment.length > length;
        }
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        self.clean()
    }

    fn load(
        &mut self,
        queue: QueueId,
        from: u64,
        max_messages: usize,
        max_bytes: u64,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let mut loaded = Vec::new();
        let mut bytes = 0;
        for (sequence, place) in self.index.iter_from(queue, from) {
            if loaded.len() >= max_messages || bytes >= max_bytes {
                break;
            }
            bytes += u64::from(place.length);
            loaded.push(self.reader.message(queue, sequence, place)?);
        }
        Ok(loaded)
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for segment in &self.segments {
            usage.live_messages += segment.live_messages;
            usage.live_bytes += segment.live_bytes;
            usage.disk_bytes += segment.length;
        }
        usage.disk_bytes += if self.has_reserve { self.reserve_bytes } else { 0 };
        usage
    }

    fn segments(&self) -> Vec<SegmentInspection> {
        self.inspect_segments()
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.write_owed()?;
        self.sync_now()?;
        // So that damage to what is there now is never taken for a torn tail.
        if let Some(active) = &self.active {
            record::append_mark(&mut self.block, active.salt, active.synced);
            self.flush()?;
            self.trim()?;
            self.sync_now()?;
        }
        if let (Some(active), Some(segment)) = (&self.active, self.segments.back()) {
            self.put_checkpoint(segment.id, active.salt)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
