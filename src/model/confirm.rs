//! What a publisher is owed for one publish.

use std::fmt;
use std::sync::Arc;

/// Where the outcome of a publish (or of a transaction's part) is reported.
///
/// Implemented by a channel in confirm mode. Calls come from any thread, and while a queue or a journal is locked: an
/// implementation only notes the outcome and wakes its connection.
pub trait ConfirmSink: Send + Sync {
    /// One of the queues that the publish numbered `tag` reached has taken responsibility for it.
    fn taken(&self, tag: u64);

    /// One of the queues that the publish numbered `tag` reached could not keep it.
    fn refused(&self, tag: u64);
}

/// The right to report once on one publish for one queue.
///
/// A ticket that is dropped without an answer leaves its publisher waiting, so it must be answered exactly once.
#[derive(Clone)]
pub struct ConfirmTicket {
    sink: Arc<dyn ConfirmSink>,
    tag: u64,
}

impl ConfirmTicket {
    /// A ticket for the publish numbered `tag` of `sink`.
    pub fn new(sink: Arc<dyn ConfirmSink>, tag: u64) -> Self {
        Self { sink, tag }
    }

    /// The message is on stable storage, or was settled before it had to be.
    pub fn taken(self) {
        self.sink.taken(self.tag);
    }

    /// The message could not be kept.
    pub fn refused(self) {
        self.sink.refused(self.tag);
    }
}

impl fmt::Debug for ConfirmTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfirmTicket({})", self.tag)
    }
}
