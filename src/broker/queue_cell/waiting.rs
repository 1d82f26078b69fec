//! Looking through what waits in a queue, a stretch at a time, and taking some of it.

use crate::model::{Message, Millis};
use crate::queue::{
    Command, DeadLetterTarget, Delivery, Incoming, Outcome, PlacedView, Reply, UnackedId, WaitingPlace, Wanted,
};

use super::{Aftermath, QueueCell};

/// A message that waits, and where.
#[derive(Clone, Debug)]
pub struct WaitingMessage {
    /// Its place.
    pub place: WaitingPlace,
    /// The message.
    pub message: Message,
    /// When it came, in milliseconds since the Unix epoch (after a restart: when it was restored).
    pub enqueued_at: Millis,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How often it was returned.
    pub delivery_count: u32,
}

impl WaitingMessage {
    /// `message` for one that is on disk.
    fn new(view: &PlacedView<'_>, message: Message) -> Self {
        Self {
            place: view.place,
            message,
            enqueued_at: view.enqueued_at,
            expires_at: view.expires_at,
            redelivered: view.redelivered,
            delivery_count: view.delivery_count,
        }
    }
}

/// A stretch of what waits, in order.
#[derive(Debug)]
pub(in crate::broker) enum Stretch {
    /// Messages in memory.
    Here(Vec<WaitingMessage>),
    /// Messages on disk, which the store has to be asked for, without their bodies.
    OnDisk(Vec<(Wanted, WaitingMessage)>),
}

impl QueueCell {
    /// Up to `count` messages from a place on, as far as they are all in memory or all on disk. Changes nothing.
    pub(in crate::broker) fn stretch(&self, from: WaitingPlace, count: usize) -> Stretch {
        let inner = self.inner.lock();
        let mut views = inner.core.waiting_from(from).take(count).peekable();
        if views.peek().is_none_or(|first| first.message.is_some()) {
            let here = views.map_while(|view| Some(WaitingMessage::new(&view, view.message?.clone())));
            return Stretch::Here(here.collect());
        }
        let nothing = Message::new("", "", &[0, 0], &[]);
        let away = views.map_while(|view| Some((view.wanted?, WaitingMessage::new(&view, nothing.clone()))));
        Stretch::OnDisk(away.collect())
    }

    /// When the message that waits longest came, and the message where it is in memory.
    #[must_use]
    pub fn oldest(&self) -> Option<(Millis, Option<Message>)> {
        let inner = self.inner.lock();
        let oldest = inner.core.oldest()?;
        Some((oldest.enqueued_at, oldest.message.cloned()))
    }

    /// How many messages wait, and the number that the next one will get.
    #[must_use]
    pub fn extent(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        (inner.core.state().ready, inner.core.next_sequence())
    }

    /// Where dead letters of this queue go.
    #[must_use]
    pub fn dead_letter_target(&self) -> Option<DeadLetterTarget> {
        self.inner.lock().core.options().dead_letter.clone()
    }

    /// Takes those of these messages that still wait.
    pub(in crate::broker) fn take(
        &self,
        wanted: &[(WaitingPlace, Message)],
        now: Millis,
        aftermath: &mut Aftermath,
    ) -> Vec<Delivery> {
        let mut inner = self.inner.lock();
        match self.apply(&mut inner, Command::Take(wanted), now, aftermath) {
            Reply::Taken(taken) => taken,
            _ => Vec::new(),
        }
    }

    /// Settles what was taken: `done` are gone, `undone` are back at their places as they were. No acks are counted:
    /// no consumer had them.
    pub(in crate::broker) fn settle_taken(
        &self,
        done: &[UnackedId],
        undone: &[UnackedId],
        now: Millis,
        aftermath: &mut Aftermath,
    ) {
        let mut inner = self.inner.lock();
        for (outcome, ids) in [(Outcome::Ack, done), (Outcome::Undo, undone)] {
            if !ids.is_empty() {
                self.apply(&mut inner, Command::Settle(outcome, ids), now, aftermath);
            }
        }
    }

    /// Removes those of these messages that still wait; says how many.
    pub(in crate::broker) fn discard(
        &self,
        wanted: &[(WaitingPlace, Message)],
        now: Millis,
        aftermath: &mut Aftermath,
    ) -> usize {
        let mut inner = self.inner.lock();
        let Reply::Taken(taken) = self.apply(&mut inner, Command::Take(wanted), now, aftermath) else {
            return 0;
        };
        let ids: Vec<UnackedId> = taken.iter().filter_map(|delivery| delivery.unacked).collect();
        self.apply(&mut inner, Command::Settle(Outcome::Ack, &ids), now, aftermath);
        ids.len()
    }

    /// Puts in what an operator sends again. A value that the queue remembers does not keep it out, or it would be
    /// lost; one that a message in the queue has does, and the message is refused.
    pub(in crate::broker) fn enqueue_again(&self, mut batch: Vec<Incoming>, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        if self.is_deleted() {
            drop(inner);
            // Not taken, as a publisher would be told: the message has another place, where it may stay.
            batch
                .into_iter()
                .filter_map(|incoming| incoming.ticket)
                .for_each(|ticket| ticket.refused());
            return;
        }
        self.counters.count(super::Count::Publish, batch.len() as u64);
        if inner.deduplication.is_none() {
            self.apply(&mut inner, Command::Enqueue(&mut batch), now, aftermath);
            return;
        }
        for incoming in batch {
            let known = inner.deduplication.as_ref();
            if known.is_some_and(|known| known.has(&incoming.message)) {
                incoming.ticket.into_iter().for_each(|ticket| ticket.refused());
                continue;
            }
            self.apply(&mut inner, Command::Enqueue(&mut vec![incoming]), now, aftermath);
        }
    }
}
