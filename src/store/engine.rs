//! What the commit thread needs from whoever holds the messages.

use std::io;

use super::offline::SegmentInspection;
use super::{Keep, QueueId, StoreError, StoredMessage};

/// What one round has to write for one queue.
#[derive(Debug)]
pub(super) struct QueueBatch {
    pub(super) queue: QueueId,
    /// New messages, in order of sequence.
    pub(super) keeps: Vec<Keep>,
    /// Messages of this or earlier rounds to forget; unknown ones are passed over.
    pub(super) forgets: Vec<u64>,
    /// The queue went: forget all of it, after everything above.
    pub(super) removed: bool,
}

impl QueueBatch {
    pub(super) fn new(queue: QueueId) -> Self {
        Self {
            queue,
            keeps: Vec::new(),
            forgets: Vec::new(),
            removed: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keeps.is_empty() && self.forgets.is_empty() && !self.removed
    }
}

/// What became of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// So many of the round's new messages were written, counted from the first of the first queue; there was no
    /// space for the others and nothing of them is left.
    pub(super) kept: usize,
    /// Whether the settlements were written. If not the engine owes them: they take effect now, and are written as
    /// soon as there is space.
    pub(super) settled: bool,
}

/// What a start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Live messages.
    pub messages: u64,
    /// The highest queue id that any record names, also one of a removed queue: new ids start above.
    pub highest_queue: Option<QueueId>,
}

/// Makes what was written so far survive a power loss. Runs without the engine's lock.
pub(super) type SyncJob = Box<dyn FnOnce() -> Result<(), StoreError> + Send>;

/// Who receives messages one by one.
pub(super) type MessageSink<'a> = &'a mut dyn FnMut(StoredMessage);

/// Holder of messages. One thread writes; errors other than a full disk are final.
pub(super) trait Engine: Send {
    /// Reads what is there; called once, before anything else.
    fn recover(&mut self, sink: MessageSink<'_>) -> Result<Recovered, StoreError>;

    /// Writes a round. Not yet on stable storage.
    fn write(&mut self, batches: &[QueueBatch]) -> Result<Written, StoreError>;

    /// Hands what was written to the operating system, so that it outlives the process. To be called where no sync
    /// follows before somebody is answered.
    fn hand_over(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// A job that syncs all that [`Engine::write`] has written until now.
    fn sync_job(&mut self) -> SyncJob;

    /// The last job has run.
    fn synced(&mut self);

    /// Gives space back that can only be had while nobody waits; called once, behind [`Engine::recover`].
    fn shrink(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Gives space back, some of it a call; true where there is more to do at once.
    fn maintain(&mut self) -> Result<bool, StoreError>;

    /// Reads messages of a queue that were written, in order of sequence from `from` on: at most `max_messages`, and
    /// no further one once `max_bytes` of encoded messages are read.
    fn load(
        &mut self,
        queue: QueueId,
        from: u64,
        max_messages: usize,
        max_bytes: u64,
    ) -> Result<Vec<StoredMessage>, StoreError>;

    /// Messages and bytes that are live, bytes on disk.
    fn usage(&self) -> Usage;

    /// The log's segments, oldest first; none elsewhere.
    fn segments(&self) -> Vec<SegmentInspection> {
        Vec::new()
    }

    /// The last call: all that is written is synced and marked as such.
    fn close(&mut self) -> Result<(), StoreError>;
}

/// How much an engine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) live_messages: u64,
    pub(super) live_bytes: u64,
    pub(super) disk_bytes: u64,
}

/// Whether an error says that the disk is full, which passes, while every other one is final.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
