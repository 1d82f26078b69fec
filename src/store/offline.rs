//! What an operator does with the folder of a stopped broker: check it, count it, convert it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::model::Message;

use super::database::remove_folder;
use super::disk::{Disk, DiskFile, RealDisk};
use super::engine::{Engine, QueueBatch, Recovered, Usage};
use super::folder::{Folder, folder_bytes, io_error, sync_folder};
use super::log::{Catalogue as _, LogEngine};
use super::lost::{are_lost, refuse_lost_messages};
use super::message_store::open_engine;
use super::state::SledState;
use super::{EngineKind, Keep, Pairs, QueueId, StateStore, StoreError, StoreOptions, StoredMessage, Table};

/// So many bytes of messages make a round of a conversion.
const ROUND_BYTES: usize = 8 << 20;

/// What a data folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Bytes of live messages.
    pub live_bytes: u64,
    /// Bytes of all files of the message engine.
    pub disk_bytes: u64,
    /// The log's segments, oldest first; none in a sled database, whose pages are sled's own.
    pub segments: Vec<SegmentInspection>,
    /// Bytes of all files of the definitions' database, which has the segments' checkpoints, too.
    pub state_bytes: u64,
    /// The queues that have messages, in order of their ids.
    pub queues: Vec<QueueInspection>,
    /// The stored definitions of queues, as in [`Table::Queues`].
    pub queue_records: Pairs,
}

/// A segment of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInspection {
    /// Its number, which is its file's name.
    pub id: u32,
    /// Bytes of its records.
    pub bytes: u64,
    /// Messages in it that are not settled.
    pub live_messages: u64,
    /// Bytes that their records occupy.
    pub live_bytes: u64,
    /// It has a checkpoint, so that a start need not read all of it.
    pub has_checkpoint: bool,
}

/// What a data folder holds of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueInspection {
    /// The queue.
    pub queue: QueueId,
    /// Live messages.
    pub messages: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// The sequence of the oldest.
    pub first_sequence: u64,
    /// The sequence of the newest.
    pub last_sequence: u64,
    /// The `timestamp` property of the oldest, in seconds since the Unix epoch, where its publisher has set one. The
    /// store itself notes no time.
    pub first_timestamp: Option<u64>,
}

/// The engine that wrote a folder, as its `FORMAT` file says.
///
/// # Errors
/// As [`MessageStore::open`](super::MessageStore::open).
pub fn engine_of(dir: &Path) -> Result<EngineKind, StoreError> {
    match Folder::open_existing(dir, EngineKind::Log) {
        Ok(_) => Ok(EngineKind::Log),
        Err(StoreError::Foreign { .. }) => Folder::open_existing(dir, EngineKind::Sled).map(|_| EngineKind::Sled),
        Err(other) => Err(other),
    }
}

/// Reads and checks every message and the definitions of a folder that no broker has open. Changes nothing in a log (a
/// sled database rewrites its own files whenever it is opened).
///
/// # Errors
/// The first damage, with file and place; else as [`MessageStore::open`](super::MessageStore::open).
pub fn inspect(options: &StoreOptions) -> Result<Inspection, StoreError> {
    let folder = Arc::new(Folder::open_existing(&options.dir, options.engine)?);
    let state = SledState::open(Arc::clone(&folder), options.sled_cache_bytes)?;
    refuse_lost_messages(&folder, options.engine, &state)?;
    let mut engine: Box<dyn Engine> = match options.engine {
        EngineKind::Log => {
            let path = folder.messages(EngineKind::Log);
            let disk = ReadOnlyDisk(RealDisk::open(&path).map_err(io_error(&path))?);
            let log = LogEngine::new(Arc::new(disk), options.segment_bytes).with_reserve(options.reserve_bytes);
            Box::new(log.with_catalogue(state.catalogue()).distrusting())
        }
        kind => open_engine(&folder, options, kind, None)?,
    };
    let mut inspection = Inspection::default();
    engine.recover(&mut |message| inspection.count(&message))?;
    let Usage {
        live_bytes, disk_bytes, ..
    } = engine.usage();
    let mut segments = engine.segments();
    let catalogue = state.catalogue();
    for segment in &mut segments {
        segment.has_checkpoint = catalogue.get(segment.id)?.is_some();
    }
    let state_path = options.dir.join("state");
    Ok(Inspection {
        live_bytes,
        disk_bytes,
        segments,
        state_bytes: folder_bytes(&state_path).map_err(io_error(&state_path))?,
        queue_records: state.scan(Table::Queues)?,
        ..inspection
    })
}

impl Inspection {
    /// Messages that are not settled.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.queues.iter().map(|queue| queue.messages).sum()
    }

    /// Counts a message; they come queue by queue, in order.
    fn count(&mut self, stored: &StoredMessage) {
        if self.queues.last().is_none_or(|last| last.queue != stored.queue) {
            self.queues.push(QueueInspection {
                queue: stored.queue,
                messages: 0,
                body_bytes: 0,
                first_sequence: stored.sequence,
                last_sequence: stored.sequence,
                first_timestamp: stored.message.properties().timestamp(),
            });
        }
        if let Some(last) = self.queues.last_mut() {
            last.messages += 1;
            last.body_bytes += stored.message.body_len() as u64;
            last.last_sequence = stored.sequence;
        }
    }
}

/// Rewrites the messages of a folder that no broker has open for another engine. The `FORMAT` file changes, in one
/// step, when everything is on stable storage in the new form; a conversion that is cut short has changed nothing.
///
/// # Errors
/// As [`inspect`]; a full disk is an error, too.
pub fn convert(options: &StoreOptions, to: EngineKind) -> Result<Recovered, StoreError> {
    let folder = Arc::new(Folder::open_existing(&options.dir, options.engine)?);
    if to == options.engine || to == EngineKind::Memory || options.engine == EngineKind::Memory {
        return Err(StoreError::Foreign {
            path: options.dir.clone(),
            reason: format!("cannot be converted from {} to {}", options.engine.name(), to.name()),
        });
    }
    let state = SledState::open(Arc::clone(&folder), options.sled_cache_bytes)?;
    refuse_lost_messages(&folder, options.engine, &state)?;
    if to == EngineKind::Log {
        // Of a log that was here before.
        state.catalogue().clear()?;
        state.sync()?;
    }
    let target = folder.messages(to);
    remove_folder(&target).map_err(io_error(&target))?;
    // Every segment is read in full, whatever the catalogue says.
    let mut source = open_engine(&folder, options, options.engine, None)?;
    let mut writer = Writer {
        engine: open_engine(&folder, options, to, None)?,
        batch: QueueBatch::new(QueueId(0)),
        bytes: 0,
        failed: None,
    };
    writer.engine.recover(&mut |_| {})?;
    let recovered = source.recover(&mut |message| writer.put(message))?;
    writer.flush();
    if let Some(error) = writer.failed {
        return Err(error);
    }
    writer.engine.close()?;
    sync_folder(&target).map_err(io_error(&target))?;
    // Both engines are closed before the folder says who is right now.
    drop(writer.engine);
    drop(source);
    folder.set_engine(to)?;
    let before = folder.messages(options.engine);
    remove_folder(&before).map_err(io_error(&before))?;
    Ok(recovered)
}

/// Forgets the messages of a folder that has lost them as a whole: its queues are empty from then on. Everything else
/// stays.
///
/// # Errors
/// [`StoreError::Foreign`] where the messages are there; else as [`inspect`].
pub fn forget_lost(options: &StoreOptions) -> Result<(), StoreError> {
    let folder = Arc::new(Folder::open_existing(&options.dir, options.engine)?);
    let state = SledState::open(Arc::clone(&folder), options.sled_cache_bytes)?;
    if !are_lost(&folder, options.engine, &state)? {
        return Err(StoreError::Foreign {
            path: options.dir.clone(),
            reason: "has its messages, or never had any: nothing is lost".into(),
        });
    }
    state.catalogue().clear()?;
    state.sync()?;
    open_engine(&folder, options, options.engine, None)?;
    Ok(())
}

/// Puts messages into an engine, in rounds.
struct Writer {
    engine: Box<dyn Engine>,
    batch: QueueBatch,
    bytes: usize,
    failed: Option<StoreError>,
}

impl Writer {
    fn put(&mut self, stored: StoredMessage) {
        if self.batch.queue != stored.queue || self.bytes >= ROUND_BYTES {
            self.flush();
            self.batch.queue = stored.queue;
        }
        self.bytes += Message::size(&stored.message);
        self.batch.keeps.push(Keep {
            sequence: stored.sequence,
            message: stored.message,
            expires_at: stored.expires_at,
            ticket: None,
            in_flight: false,
        });
    }

    fn flush(&mut self) {
        if self.failed.is_none() && !self.batch.is_empty() {
            let count = self.batch.keeps.len();
            match self.engine.write(std::slice::from_ref(&self.batch)) {
                Ok(written) if written.kept == count => {}
                Ok(_) => {
                    self.failed = Some(StoreError::Io {
                        path: "the new message folder".into(),
                        source: io::ErrorKind::StorageFull.into(),
                    });
                }
                Err(error) => self.failed = Some(error),
            }
        }
        self.batch.keeps.clear();
        self.bytes = 0;
    }
}

/// A disk that says yes to every change and makes none.
pub(super) struct ReadOnlyDisk(pub(super) RealDisk);

struct ReadOnlyFile(Arc<dyn DiskFile>);

impl Disk for ReadOnlyDisk {
    fn path(&self) -> &Path {
        self.0.path()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn create(&self, _name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ReadOnlyFile(self.0.open(name)?)))
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(0)
    }
}

impl DiskFile for ReadOnlyFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn truncate(&self, _length: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
