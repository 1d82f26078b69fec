//! Spans that wait to be sent: a bounded queue, which drops what does not fit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use parking_lot::{Condvar, Mutex};

/// The queue between those who record spans and the one who sends them.
#[derive(Debug)]
pub struct SpanQueue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    most: usize,
    batch: usize,
    recorded: AtomicU64,
    dropped: AtomicU64,
    exported: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<SpanData>,
    stopped: bool,
}

impl SpanQueue {
    /// A queue of at most `most` spans, sent `batch` at a time.
    #[must_use]
    pub fn new(most: usize, batch: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            most,
            batch,
            recorded: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Adds a span, or drops it where the queue is full. Waits for nothing but the lock.
    pub fn push(&self, span: SpanData) {
        let mut waiting = self.waiting.lock();
        if waiting.spans.len() >= self.most || waiting.stopped {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.spans.push(span);
        let count = waiting.spans.len();
        drop(waiting);
        self.recorded.fetch_add(1, Ordering::Relaxed);
        // The first ends a wait without end, a full batch one for more.
        if count == 1 || count == self.batch {
            self.changed.notify_one();
        }
    }

    /// Takes the next spans: a full batch, or what there is `delay` after the first; `None` once the queue is stopped
    /// and empty. Blocks its thread.
    #[must_use]
    pub fn take(&self, delay: Duration) -> Option<Vec<SpanData>> {
        let mut waiting = self.waiting.lock();
        let is_idle = |waiting: &mut Waiting| waiting.spans.is_empty() && !waiting.stopped;
        self.changed.wait_while(&mut waiting, is_idle);
        let is_short = |waiting: &mut Waiting| waiting.spans.len() < self.batch && !waiting.stopped;
        self.changed.wait_while_for(&mut waiting, is_short, delay);
        if waiting.spans.is_empty() {
            return None;
        }
        let count = waiting.spans.len().min(self.batch);
        Some(waiting.spans.drain(..count).collect())
    }

    /// No span is taken any more; those that wait are still sent.
    pub fn stop(&self) {
        self.waiting.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Notes what became of a batch.
    pub fn note(&self, spans: usize, exported: bool) {
        let count = if exported { &self.exported } else { &self.failed };
        count.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// Recorded, dropped for want of room, sent, and lost because the collector did not take them.
    #[must_use]
    pub fn counts(&self) -> [u64; 4] {
        [&self.recorded, &self.dropped, &self.exported, &self.failed].map(|count| count.load(Ordering::Relaxed))
    }

    /// Spans that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.lock().spans.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
