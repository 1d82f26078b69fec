//! A queue that takes each message once.

use crate::model::{Message, Millis};
use crate::queue::{Command, Incoming};

use super::super::deduplication::QueueDeduplication;
use super::{Aftermath, Inner, QueueCell};

impl QueueCell {
    /// Puts a batch into the queue but for what the queue has or has seen: one by one, since a message may repeat one
    /// of its own batch.
    pub(super) fn enqueue_once(
        &self,
        inner: &mut Inner,
        batch: &mut Vec<Incoming>,
        now: Millis,
        aftermath: &mut Aftermath,
    ) {
        let mut one = Vec::with_capacity(1);
        for incoming in batch.drain(..) {
            let known = inner.deduplication.as_ref();
            if !known.is_some_and(|known| known.is_duplicate(&incoming.message, now)) {
                one.push(incoming);
                self.apply(inner, Command::Enqueue(&mut one), now, aftermath);
                continue;
            }
            match (incoming.ticket, &self.journal) {
                // Confirmed once the first one is on disk, wherever it waits.
                (Some(ticket), Some(journal)) => journal.after_all(ticket),
                (Some(ticket), None) => ticket.taken(),
                (None, _) => {}
            }
        }
    }

    /// Makes the queue refuse duplicates; to be called before it has messages.
    pub(in crate::broker) fn deduplicate(&self, deduplication: QueueDeduplication) {
        self.inner.lock().deduplication = Some(Box::new(deduplication));
    }

    /// Does something with what the queue knows about duplicates.
    pub(in crate::broker) fn with_deduplication<T>(&self, work: impl FnOnce(&QueueDeduplication) -> T) -> Option<T> {
        self.inner.lock().deduplication.as_deref().map(work)
    }

    /// The messages that wait, in order.
    pub(in crate::broker) fn messages(&self) -> Vec<Message> {
        let inner = self.inner.lock();
        inner.core.ready_messages().map(|view| view.message.clone()).collect()
    }
}
