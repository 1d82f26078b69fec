//! What a connection has to write: filled by any thread, emptied by the connection's writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::amqp::OutBuffer;
use crate::broker::{ConnectionLink, Flow, Hold, HoldNote, QueueCell, Traffic};
use crate::queue::ConsumerKey;

use super::confirms::ConfirmTracker;

/// So many times the limit may wait where direct replies are among it.
const REPLY_ROOM: usize = 16;

/// The outgoing side of one connection.
///
/// Lock order: a queue, a channel's unacked table, this, a confirm tracker.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    /// Woken whenever the writer has made room, for a reader that waits for it.
    room: Notify,
    /// From so many bytes on, consumers are paused and the reader stops.
    limit_bytes: usize,
    received_bytes: AtomicU64,
    /// What operators see of why the connection is not read from.
    pub hold: HoldNote,
    /// Why an operator wants the connection to end.
    close_reason: Mutex<Option<String>>,
    close: Notify,
}

#[derive(Debug, Default)]
struct State {
    buffer: OutBuffer,
    /// Bytes that the writer has taken and not written yet.
    writing: usize,
    sent_bytes: u64,
    /// The writer was woken and has not come yet.
    woken: bool,
    paused: Vec<(Arc<QueueCell>, ConsumerKey)>,
    confirms: Vec<Arc<ConfirmTracker>>,
    closed: bool,
}

impl Outbox {
    /// An empty one that asks for a pause from `limit_bytes` on.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            wake: Notify::new(),
            room: Notify::new(),
            limit_bytes,
            received_bytes: AtomicU64::new(0),
            hold: HoldNote::default(),
            close_reason: Mutex::default(),
            close: Notify::new(),
        }
    }

    /// Appends something and wakes the writer.
    pub fn write(&self, append: impl FnOnce(&mut OutBuffer)) {
        let mut state = self.state.lock();
        if !state.closed {
            append(&mut state.buffer);
            self.wake_writer(&mut state);
        }
    }

    /// Appends deliveries of a consumer and says whether it should be paused; then it is resumed by the writer. `None`
    /// where nobody will write any more, and nothing was appended.
    pub fn write_deliveries(
        &self,
        append: impl FnOnce(&mut OutBuffer),
        consumer: impl FnOnce() -> Option<(Arc<QueueCell>, ConsumerKey)>,
    ) -> Option<Flow> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        append(&mut state.buffer);
        self.wake_writer(&mut state);
        if state.buffer.len_bytes() + state.writing < self.limit_bytes {
            return Some(Flow::Open);
        }
        match consumer() {
            Some(consumer) => {
                state.paused.push(consumer);
                Some(Flow::Full)
            }
            None => Some(Flow::Open),
        }
    }

    /// Has the writer resume a consumer once there is room; false where there is, and it can be resumed at once.
    pub fn resume_later(&self, queue: &Arc<QueueCell>, consumer: ConsumerKey) -> bool {
        let mut state = self.state.lock();
        let full = !state.closed && state.buffer.len_bytes() + state.writing >= self.limit_bytes;
        if full {
            state.paused.push((Arc::clone(queue), consumer));
        }
        full
    }

    /// Has the writer ask `tracker` for its confirms.
    pub fn write_confirms(&self, tracker: Arc<ConfirmTracker>) {
        let mut state = self.state.lock();
        state.confirms.push(tracker);
        self.wake_writer(&mut state);
    }

    /// Nothing more will be written; what is there still goes out.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.confirms.clear();
        self.wake_writer(&mut state);
    }

    /// The socket is gone: nobody will write any more. Whoever waits for room is let go.
    pub fn abandon(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.buffer = OutBuffer::default();
        state.paused.clear();
        state.confirms.clear();
        drop(state);
        self.room.notify_waiters();
    }

    /// Waits until there is something to write, or the end; keeps no memory meanwhile.
    pub async fn ready(&self) {
        self.state.lock().buffer.shrink();
        self.wake.notified().await;
    }

    /// Swaps what waits with `empty`, which must be empty; true where nothing will follow.
    ///
    /// Confirms are written here, behind what came before them: a `basic.return` precedes the ack of its message.
    pub fn take(&self, empty: &mut OutBuffer) -> bool {
        let state = &mut *self.state.lock();
        state.woken = false;
        for tracker in state.confirms.drain(..) {
            tracker.encode(&mut state.buffer);
        }
        std::mem::swap(&mut state.buffer, empty);
        state.writing = empty.len_bytes();
        state.sent_bytes += state.writing as u64;
        state.closed
    }

    /// What was taken is written; gives the consumers that may go on.
    pub fn written(&self) -> Vec<(Arc<QueueCell>, ConsumerKey)> {
        let mut state = self.state.lock();
        state.writing = 0;
        if state.buffer.len_bytes() >= self.limit_bytes {
            return Vec::new();
        }
        let paused = std::mem::take(&mut state.paused);
        drop(state);
        self.room.notify_waiters();
        paused
    }

    /// So many bytes came in one read.
    pub fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Waits until somebody wants the connection to end, and gives the reason.
    pub async fn close_requested(&self) -> String {
        loop {
            let asked = self.close.notified();
            if let Some(reason) = self.close_reason.lock().clone() {
                return reason;
            }
            asked.await;
        }
    }

    /// Waits until there is room: a client that does not read its replies gets no more requests read.
    pub async fn room(&self) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.has_room() {
                return;
            }
            room.await;
        }
    }

    /// Whether there is room for more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let state = self.state.lock();
        state.closed || state.buffer.len_bytes() + state.writing < self.limit_bytes
    }

    /// Whether a direct reply can be taken. No queue holds replies back, so there is more room for them, and what
    /// comes beyond it is lost, as direct replies may be (RabbitMQ: "Direct Reply-to").
    #[must_use]
    pub fn takes_replies(&self) -> bool {
        let state = self.state.lock();
        state.buffer.len_bytes() < REPLY_ROOM * self.limit_bytes
    }

    /// Whether nobody will write any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    fn wake_writer(&self, state: &mut State) {
        if !state.woken {
            state.woken = true;
            self.wake.notify_one();
        }
    }
}

impl ConnectionLink for Outbox {
    fn traffic(&self) -> Traffic {
        Traffic {
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            sent_bytes: self.state.lock().sent_bytes,
        }
    }

    fn hold(&self) -> Hold {
        self.hold.hold(!self.has_room())
    }

    fn close(&self, reason: &str) {
        *self.close_reason.lock() = Some(reason.to_owned());
        // One task waits; the permit is kept for it where it does not wait yet.
        self.close.notify_one();
    }
}
