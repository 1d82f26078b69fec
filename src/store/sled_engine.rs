//! Messages in a sled database of their own.
//!
//! Key: queue, sequence and chunk (u64, u64, u32, big-endian, so that keys sort as messages do). Value: the encoded
//! message cut into chunks of [`CHUNK_BYTES`]: larger values end as files of their own in sled 0.34.7, which are never
//! synced nor given back. A message with all its chunks is in one batch, hence whole or not there.

use std::sync::Arc;

use super::codec;
use super::engine::{Engine, MessageSink, QueueBatch, Recovered, SyncJob, Usage, Written};
use super::folder::folder_bytes;
use super::index::{LiveIndex, Place};
use super::state::Database;
use super::{QueueId, StoreError, StoredMessage};

/// The longest value.
const CHUNK_BYTES: usize = 8 << 10;
/// A batch is given to sled when it has this many bytes.
const BATCH_BYTES: u64 = 4 << 20;

pub(super) struct SledEngine {
    database: Arc<Database>,
    /// `offset` is how many chunks a message has.
    index: LiveIndex,
    usage: Usage,
    /// Settlements that found no space.
    owed: Vec<(QueueId, u64, u32)>,
}

fn key(queue: QueueId, sequence: u64, chunk: u32) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&queue.0.to_be_bytes());
    key[8..16].copy_from_slice(&sequence.to_be_bytes());
    key[16..].copy_from_slice(&chunk.to_be_bytes());
    key
}

fn split_key(key: &[u8]) -> Option<(QueueId, u64, u32)> {
    let (queue, rest) = key.split_first_chunk()?;
    let (sequence, chunk) = rest.split_first_chunk()?;
    let chunk = chunk.try_into().ok()?;
    Some((
        QueueId(u64::from_be_bytes(*queue)),
        u64::from_be_bytes(*sequence),
        u32::from_be_bytes(chunk),
    ))
}

impl SledEngine {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database: Arc::new(database),
            index: LiveIndex::default(),
            usage: Usage::default(),
            owed: Vec::new(),
        }
    }

    fn damaged(&self, queue: QueueId, sequence: u64) -> StoreError {
        StoreError::Database {
            path: self.database.path().to_path_buf(),
            reason: format!("message {sequence} of queue {} is not whole", queue.0),
        }
    }

    fn insert(&mut self, queue: QueueId, sequence: u64, chunks: u32, length: usize) {
        let place = Place {
            segment: 0,
            offset: chunks,
            length: length as u32,
        };
        self.usage.live_messages += 1;
        self.usage.live_bytes += length as u64;
        if let Some(old) = self.index.insert(queue, sequence, place) {
            self.uncount(old);
        }
    }

    fn uncount(&mut self, place: Place) {
        self.usage.live_messages -= 1;
        self.usage.live_bytes -= u64::from(place.length);
    }

    /// Writes new messages; how many, if the disk gets full.
    fn write_keeps(&mut self, batches: &[QueueBatch]) -> Result<usize, StoreError> {
        let mut kept = 0;
        let mut pending = Vec::new();
        let mut bytes = 0;
        let mut sled_batch = sled::Batch::default();
        let mut buffer = Vec::new();
        let all = batches.iter().flat_map(|b| b.keeps.iter().map(|keep| (b.queue, keep)));
        for (queue, keep) in all {
            buffer.clear();
            codec::encode(&keep.message, keep.expires_at, &mut buffer);
            let mut chunks = 0;
            for chunk in buffer.chunks(CHUNK_BYTES) {
                sled_batch.insert(&key(queue, keep.sequence, chunks), chunk);
                chunks += 1;
            }
            pending.push((queue, keep.sequence, chunks, buffer.len()));
            bytes += buffer.len() as u64;
            if bytes >= BATCH_BYTES {
                if !self.apply_keeps(std::mem::take(&mut sled_batch), &mut pending, bytes)? {
                    return Ok(kept);
                }
                kept = self.count_up(kept, &mut pending);
                bytes = 0;
            }
        }
        if self.apply_keeps(sled_batch, &mut pending, bytes)? {
            kept = self.count_up(kept, &mut pending);
        }
        Ok(kept)
    }

    fn apply_keeps(
        &mut self,
        batch: sled::Batch,
        pending: &mut [(QueueId, u64, u32, usize)],
        bytes: u64,
    ) -> Result<bool, StoreError> {
        if pending.is_empty() {
            return Ok(true);
        }
        if let Err(error) = self.database.reserve(bytes) {
            return if error.is_full() { Ok(false) } else { Err(error) };
        }
        self.database.apply(batch)?;
        Ok(true)
    }

    fn count_up(&mut self, kept: usize, pending: &mut Vec<(QueueId, u64, u32, usize)>) -> usize {
        let kept = kept + pending.len();
        for (queue, sequence, chunks, length) in pending.drain(..) {
            self.insert(queue, sequence, chunks, length);
        }
        kept
    }

    fn read(&self, queue: QueueId, sequence: u64) -> Result<StoredMessage, StoreError> {
        let range = key(queue, sequence, 0)..=key(queue, sequence, u32::MAX);
        let mut bytes = Vec::new();
        for pair in self.database.range(range) {
            bytes.extend_from_slice(&pair?.1);
        }
        stored(queue, sequence, &bytes).ok_or_else(|| self.damaged(queue, sequence))
    }
}

fn stored(queue: QueueId, sequence: u64, bytes: &[u8]) -> Option<StoredMessage> {
    let (message, expires_at) = codec::decode(bytes)?;
    Some(StoredMessage {
        queue,
        sequence,
        message,
        expires_at,
    })
}

impl Engine for SledEngine {
    fn recover(&mut self, sink: MessageSink<'_>) -> Result<Recovered, StoreError> {
        let database = Arc::clone(&self.database);
        let mut recovered = Recovered::default();
        // The message that is being put together from its chunks.
        let mut current: Option<(QueueId, u64)> = None;
        let mut chunks = 0;
        let mut bytes = Vec::new();
        let mut all = database.scan_prefix(&[]);
        loop {
            let pair = all.next().transpose()?;
            let next = match &pair {
                Some((key, value)) => {
                    let Some((queue, sequence, chunk)) = split_key(key) else {
                        return Err(self.damaged(QueueId(0), 0));
                    };
                    if current == Some((queue, sequence)) {
                        if chunk != chunks {
                            return Err(self.damaged(queue, sequence));
                        }
                        chunks += 1;
                        bytes.extend_from_slice(value);
                        continue;
                    }
                    Some((queue, sequence, chunk))
                }
                None => None,
            };
            if let Some((queue, sequence)) = current.take() {
                let message = stored(queue, sequence, &bytes).ok_or_else(|| self.damaged(queue, sequence))?;
                self.insert(queue, sequence, chunks, bytes.len());
                recovered.messages += 1;
                recovered.highest_queue = Some(queue);
                sink(message);
            }
            let (Some((queue, sequence, chunk)), Some((_, value))) = (next, pair) else {
                return Ok(recovered);
            };
            if chunk != 0 {
                return Err(self.damaged(queue, sequence));
            }
            current = Some((queue, sequence));
            chunks = 1;
            bytes.clear();
            bytes.extend_from_slice(&value);
        }
    }

    fn write(&mut self, batches: &[QueueBatch]) -> Result<Written, StoreError> {
        let kept = self.write_keeps(batches)?;
        for batch in batches {
            for sequence in &batch.forgets {
                if let Some(place) = self.index.remove(batch.queue, *sequence) {
                    self.uncount(place);
                    self.owed.push((batch.queue, *sequence, place.offset));
                }
            }
            if batch.removed {
                for (sequence, place) in self.index.remove_queue(batch.queue) {
                    self.uncount(place);
                    self.owed.push((batch.queue, sequence, place.offset));
                }
            }
        }
        if self.owed.is_empty() {
            return Ok(Written { kept, settled: true });
        }
        // A removal writes its page anew: count what a small record costs.
        if let Err(error) = self.database.reserve(self.owed.len() as u64 * 64) {
            return if error.is_full() {
                Ok(Written { kept, settled: false })
            } else {
                Err(error)
            };
        }
        let mut batch = sled::Batch::default();
        for (queue, sequence, chunks) in self.owed.drain(..) {
            (0..chunks).for_each(|chunk| batch.remove(&key(queue, sequence, chunk)));
        }
        self.database.apply(batch)?;
        Ok(Written { kept, settled: true })
    }

    /// sled keeps what it was given in buffers of its own until it is told otherwise.
    fn hand_over(&mut self) -> Result<(), StoreError> {
        self.database.flush()
    }

    fn sync_job(&mut self) -> SyncJob {
        let database = Arc::clone(&self.database);
        Box::new(move || database.sync())
    }

    fn synced(&mut self) {}

    fn maintain(&mut self) -> Result<bool, StoreError> {
        Ok(false)
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
            loaded.push(self.read(queue, sequence)?);
        }
        Ok(loaded)
    }

    fn usage(&self) -> Usage {
        Usage {
            disk_bytes: folder_bytes(self.database.path()).unwrap_or_default(),
            ..self.usage
        }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.database.sync()
    }
}
