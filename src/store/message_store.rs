//! The store as the broker sees it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::catalogue::SledCatalogue;
use super::commit::Committer;
use super::disk::RealDisk;
use super::engine::{Engine, Recovered};
use super::folder::{Folder, io_error};
use super::journal::{QueueJournal, Shared};
use super::log::LogEngine;
use super::lost::refuse_lost_messages;
use super::memory::MemoryEngine;
use super::sled_engine::SledEngine;
use super::state::{MemoryState, SledState};
use super::statistics::{Counters, Statistics};
use super::wake::Urgency;
use super::{
    BacklogHook, EngineKind, Latency, QueueId, StateStore, StoreError, StoreOptions, StoredMessage, SyncMode, Timed,
};

/// How often somebody who waits for the commit thread looks again.
const LOOK_AGAIN: Duration = Duration::from_micros(500);

/// Told once when the store cannot go on. The process has to end: a sync that failed must not be tried again.
pub type FatalHook = Arc<dyn Fn(&StoreError) + Send + Sync>;

/// Messages on stable storage.
///
/// Open it, [`recover`](Self::recover) once, then take a [`journal`](Self::journal) a queue.
/// [`shutdown`](Self::shutdown) writes all that is owed, as dropping it does.
pub struct MessageStore {
    options: StoreOptions,
    shared: Arc<Shared>,
    engine: Arc<Mutex<Box<dyn Engine>>>,
    counters: Arc<Counters>,
    on_fatal: FatalHook,
    journals: Mutex<BTreeMap<QueueId, Weak<QueueJournal>>>,
    thread: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
    /// `None` where nothing is kept.
    folder: Option<Arc<Folder>>,
}

impl MessageStore {
    /// Opens or makes a data folder, which stays locked until both values are dropped.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process has it, [`StoreError::Foreign`] where it is another program's,
    /// format's or engine's, and whatever the operating system refuses.
    pub fn open(options: StoreOptions, on_fatal: FatalHook) -> Result<(MessageStore, Arc<dyn StateStore>), StoreError> {
        if options.engine == EngineKind::Memory {
            let engine: Box<dyn Engine> = Box::new(MemoryEngine::default());
            let store = Self::over(options, engine, None, on_fatal);
            return Ok((store, Arc::new(MemoryState::default())));
        }
        let folder = Arc::new(Folder::open(&options.dir, options.engine)?);
        let state = SledState::open(Arc::clone(&folder), options.sled_cache_bytes)?;
        refuse_lost_messages(&folder, options.engine, &state)?;
        let engine = open_engine(&folder, &options, options.engine, Some(state.catalogue()))?;
        Ok((Self::over(options, engine, Some(folder), on_fatal), Arc::new(state)))
    }

    fn over(options: StoreOptions, engine: Box<dyn Engine>, folder: Option<Arc<Folder>>, on_fatal: FatalHook) -> Self {
        Self {
            options,
            shared: Arc::default(),
            engine: Arc::new(Mutex::new(engine)),
            counters: Arc::default(),
            on_fatal,
            journals: Mutex::default(),
            thread: Mutex::new(None),
            folder,
        }
    }

    /// A log on a disk of a test's own.
    #[cfg(test)]
    pub(super) fn on_disk(options: StoreOptions, disk: Arc<dyn super::disk::Disk>, on_fatal: FatalHook) -> Self {
        let log = LogEngine::new(disk, options.segment_bytes).with_reserve(options.reserve_bytes);
        Self::over(options, Box::new(log), None, on_fatal)
    }

    /// Hands every live message to `sink`, queue by queue and each queue in order of sequence, and starts the commit
    /// thread. To be called once, before any journal is used.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or [`StoreError::Database`] where something is not as it was written.
    pub fn recover(&mut self, sink: &mut dyn FnMut(StoredMessage)) -> Result<Recovered, StoreError> {
        if self.thread.get_mut().is_some() {
            return Ok(Recovered::default());
        }
        let recovered = {
            let mut engine = self.engine.lock();
            let recovered = engine.recover(sink)?;
            engine.shrink()?;
            recovered
        };
        let mut committer = Committer::new(
            &self.options,
            Arc::clone(&self.shared),
            Arc::clone(&self.engine),
            Arc::clone(&self.counters),
        );
        let on_fatal = Arc::clone(&self.on_fatal);
        let dir = self.options.dir.clone();
        let thread = std::thread::Builder::new()
            .name("commit".into())
            .spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| committer.run())).unwrap_or_else(|_| Err(panicked(dir)));
                result.inspect_err(|error| on_fatal(error))
            })
            .map_err(io_error(&self.options.dir))?;
        *self.thread.get_mut() = Some(thread);
        Ok(recovered)
    }

    /// The journal of a queue; the same one as long as somebody has it.
    #[must_use]
    pub fn journal(&self, queue: QueueId) -> Arc<QueueJournal> {
        self.journal_or(queue, false)
    }

    /// The journal of a deduplication table, which has an id as a queue does. Its records are on disk never before what
    /// any journal of a queue was given before them.
    #[must_use]
    pub fn table(&self, id: QueueId) -> Arc<QueueJournal> {
        self.journal_or(id, true)
    }

    fn journal_or(&self, queue: QueueId, is_table: bool) -> Arc<QueueJournal> {
        let mut journals = self.journals.lock();
        if let Some(journal) = journals.get(&queue).and_then(Weak::upgrade) {
            return journal;
        }
        let journal = QueueJournal::new(queue, is_table, Arc::clone(&self.shared));
        journals.insert(queue, Arc::downgrade(&journal));
        journal
    }

    /// Forgets a queue with all its messages. Its id must not be used again; what its journal still gets is answered
    /// `taken` and dropped.
    pub fn remove_queue(&self, queue: QueueId) {
        self.journal(queue).remove();
        self.journals.lock().remove(&queue);
    }

    /// Reads messages back that were written, in order of sequence from `from` on: at most `max_messages`, and no
    /// further one once `max_bytes` were read. Blocks on the disk. What still waits for the commit thread is not
    /// there yet.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub fn load(
        &self,
        queue: QueueId,
        from: u64,
        max_messages: usize,
        max_bytes: u64,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.engine.lock().load(queue, from, max_messages, max_bytes)
    }

    /// Whether a message that was handed to its journal is neither stored nor on its way there: the disk was full, or
    /// it was settled. Waits until the commit thread has dealt with all that it may have in hand.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub fn is_gone(&self, queue: QueueId, sequence: u64) -> Result<bool, StoreError> {
        let steps = || self.shared.steps.load(Ordering::SeqCst);
        let before = steps();
        let waits = self.journal(queue).is_waiting(sequence);
        // The step that is under way may have taken the message already; the next whole one ends it for sure.
        while steps() < before + 2 {
            if self.shared.stop.load(Ordering::SeqCst) {
                return Ok(false);
            }
            self.shared.wake.note(Urgency::Now);
            std::thread::sleep(LOOK_AGAIN);
        }
        let found = self.load(queue, sequence, 1, 1)?;
        Ok(!waits && found.first().is_none_or(|found| found.sequence != sequence))
    }

    /// Bytes that may still be written to the file system of the data folder; for the disk alarm. `u64::MAX` where
    /// nothing is kept.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub fn free_space(&self) -> Result<u64, StoreError> {
        self.folder.as_ref().map_or(Ok(u64::MAX), |folder| folder.free_space())
    }

    /// Sets how many bytes may wait to be written before the [hook](Self::on_backlog) is told; 0 for any number. What
    /// one read of each publisher brings comes on top.
    pub fn set_backlog_limit(&self, bytes: u64) {
        self.shared.backlog.set_limit(bytes);
    }

    /// Names who is told when too much waits to be written, and when half of that is written again.
    pub fn on_backlog(&self, hook: BacklogHook) {
        self.shared.backlog.set_hook(hook);
    }

    /// Bytes of messages that wait to be written, or are being written.
    #[must_use]
    pub fn backlog_bytes(&self) -> u64 {
        self.shared.backlog.bytes()
    }

    /// How long rounds took.
    #[must_use]
    pub fn commit_times(&self) -> Timed {
        self.counters.commits.read()
    }

    /// How long syncs took.
    #[must_use]
    pub fn sync_times(&self) -> Timed {
        self.counters.syncs.all.read()
    }

    /// The figures. Walks over the files of the sled engine, so it is for a scrape and not for a loop.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let usage = self.engine.lock().usage();
        Statistics {
            live_messages: usage.live_messages,
            live_bytes: usage.live_bytes,
            disk_bytes: usage.disk_bytes,
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            ..self.counters.read()
        }
    }

    /// How long syncs took of late.
    #[must_use]
    pub fn sync_latency(&self) -> &Latency {
        &self.counters.syncs.recent
    }

    /// Takes another sync mode. What was written and not synced is synced as the new mode says.
    pub fn set_sync(&self, sync: SyncMode) {
        *self.shared.new_sync.lock() = Some(sync);
        self.shared.wake.note(Urgency::Now);
    }

    /// Writes and syncs all that is owed, answers everybody and ends the commit thread.
    ///
    /// # Errors
    /// Why the commit thread failed, now or before.
    pub fn shutdown(&self) -> Result<(), StoreError> {
        self.stop()
    }

    fn stop(&self) -> Result<(), StoreError> {
        let Some(thread) = self.thread.lock().take() else {
            return Ok(());
        };
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake.note(Urgency::Now);
        thread
            .join()
            .unwrap_or_else(|_| Err(panicked(self.options.dir.clone())))
    }
}

/// The engine of a kind in its own part of the folder; a log with checkpoints where it has a catalogue for them.
pub(super) fn open_engine(
    folder: &Folder,
    options: &StoreOptions,
    kind: EngineKind,
    catalogue: Option<Arc<SledCatalogue>>,
) -> Result<Box<dyn Engine>, StoreError> {
    let path = folder.messages(kind);
    Ok(match kind {
        EngineKind::Log => {
            let disk = RealDisk::open(&path).map_err(io_error(&path))?;
            let log = LogEngine::new(Arc::new(disk), options.segment_bytes).with_reserve(options.reserve_bytes);
            Box::new(match catalogue {
                Some(catalogue) => log.with_catalogue(catalogue),
                None => log,
            })
        }
        EngineKind::Sled => Box::new(SledEngine::open(
            &path,
            options.sled_cache_bytes,
            options.sled_slack_bytes,
        )?),
        EngineKind::Memory => Box::new(MemoryEngine::default()),
    })
}

impl Drop for MessageStore {
    fn drop(&mut self) {
        // Whoever wants to know why it failed calls `shutdown`; the hook has been told as well.
        let _ = self.stop();
    }
}

fn panicked(path: PathBuf) -> StoreError {
    StoreError::Database {
        path,
        reason: "the commit thread panicked; its message is in the log".into(),
    }
}
