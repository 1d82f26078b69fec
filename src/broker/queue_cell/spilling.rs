//! Transient messages that go to disk to spare memory.
//!
//! They lie in the store under an id of their own that no definition names, so that a restart forgets them. A body is
//! given up once the store has it. What a full disk refuses stays in memory and is offered again later: its publisher
//! may have been told long ago that it was taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::model::{ConfirmSink, ConfirmTicket, Message};
use crate::store::{Keep, QueueId, QueueJournal};

/// Spilled messages of one queue. Its calls are made while the queue is locked, but for those of [`ConfirmSink`].
#[derive(Debug, Default)]
pub(super) struct Spilling {
    /// There was one.
    used: AtomicBool,
    desk: Arc<Desk>,
}

#[derive(Debug, Default)]
struct Desk(Mutex<Unwritten>);

#[derive(Debug, Default)]
struct Unwritten {
    /// Made with the first message.
    journal: Option<Arc<QueueJournal>>,
    /// What the store does not have yet.
    bodies: BTreeMap<u64, Message>,
    bytes: u64,
    refused: Vec<u64>,
}

impl Unwritten {
    fn remove(&mut self, sequence: u64) {
        if let Some(message) = self.bodies.remove(&sequence) {
            self.bytes -= message.size() as u64;
        }
    }
}

impl ConfirmSink for Desk {
    fn taken(&self, sequence: u64) {
        self.0.lock().remove(sequence);
    }

    fn refused(&self, sequence: u64) {
        self.0.lock().refused.push(sequence);
    }
}

impl Spilling {
    /// Takes messages; they are written once there is a journal.
    pub(super) fn add(&self, messages: Vec<(u64, Message)>) {
        self.used.store(true, Ordering::Release);
        let journal = {
            let mut unwritten = self.desk.0.lock();
            for (sequence, message) in &messages {
                unwritten.bytes += message.size() as u64;
                unwritten.bodies.insert(*sequence, message.clone());
            }
            unwritten.journal.clone()
        };
        if let Some(journal) = journal {
            self.write(&journal, messages);
        }
    }

    /// Whether any message was spilled yet; costs nothing.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    /// Whether messages wait for a journal.
    pub(super) fn wants_journal(&self) -> bool {
        let unwritten = self.desk.0.lock();
        unwritten.journal.is_none() && !unwritten.bodies.is_empty()
    }

    pub(super) fn set_journal(&self, journal: Arc<QueueJournal>) {
        let messages = {
            let mut unwritten = self.desk.0.lock();
            unwritten.journal = Some(Arc::clone(&journal));
            unwritten.bodies.iter().map(|(at, body)| (*at, body.clone())).collect()
        };
        self.write(&journal, messages);
    }

    fn write(&self, journal: &QueueJournal, mut messages: Vec<(u64, Message)>) {
        // Those of a higher priority come first.
        messages.sort_unstable_by_key(|(sequence, _)| *sequence);
        let keep = |(sequence, message)| Keep {
            sequence,
            message,
            // The queue knows when.
            expires_at: None,
            ticket: Some(ConfirmTicket::new(
                Arc::clone(&self.desk) as Arc<dyn ConfirmSink>,
                sequence,
            )),
            // It may go again before it has to be written, and no publisher waits for it.
            in_flight: true,
        };
        journal.keep(&mut messages.into_iter().map(keep).collect());
    }

    /// Offers the store again what it refused.
    pub(super) fn try_again(&self) {
        let (journal, messages) = {
            let mut unwritten = self.desk.0.lock();
            let Some(journal) = unwritten.journal.clone() else {
                return;
            };
            let mut refused = std::mem::take(&mut unwritten.refused);
            refused.sort_unstable();
            let body = |at: u64| Some((at, unwritten.bodies.get(&at)?.clone()));
            let messages: Vec<_> = refused.into_iter().filter_map(body).collect();
            (journal, messages)
        };
        self.write(&journal, messages);
    }

    /// These went; other messages may be among them.
    pub(super) fn forget(&self, sequences: &[u64]) {
        let journal = {
            let mut unwritten = self.desk.0.lock();
            sequences.iter().for_each(|sequence| unwritten.remove(*sequence));
            unwritten.journal.clone()
        };
        if let Some(journal) = journal {
            journal.forget(sequences, None);
        }
    }

    /// A body that is not written yet.
    pub(super) fn body(&self, sequence: u64) -> Option<Message> {
        self.desk.0.lock().bodies.get(&sequence).cloned()
    }

    /// What is in memory nevertheless.
    pub(super) fn bytes(&self) -> u64 {
        self.desk.0.lock().bytes
    }

    /// The id in the store, where there is one.
    pub(super) fn id(&self) -> Option<QueueId> {
        self.desk.0.lock().journal.as_ref().map(|journal| journal.queue())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_held_until_it_is_written_and_what_was_refused_for_longer() {
        let spilling = Spilling::default();
        let message = Message::new("", "q", &[0, 0], &[b"body"]);
        spilling.add(vec![(1, message.clone()), (2, message.clone()), (3, message.clone())]);
        assert!(spilling.wants_journal());
        assert_eq!(spilling.bytes(), 3 * message.size() as u64);
        spilling.desk.taken(1);
        spilling.desk.refused(2);
        assert!(spilling.body(1).is_none());
        assert!(spilling.body(2).is_some());
        spilling.forget(&[2, 3]);
        spilling.try_again();
        assert_eq!(spilling.bytes(), 0);
        assert!(!spilling.wants_journal());
    }
}
