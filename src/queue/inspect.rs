//! Looking without touching: nothing here changes order, flags or counts.

use crate::model::{Message, Millis};

use super::entry::Entry;
use super::ready::Waiting;
use super::unacked::Holder;
use super::{ConsumerKey, ConsumerOptions, QueueCore, QueueOptions, Sequence, UnackedId, Wanted};

/// A message as it stands in the queue.
#[derive(Clone, Copy, Debug)]
pub struct MessageView<'a> {
    /// Its place.
    pub sequence: Sequence,
    /// The message.
    pub message: &'a Message,
    /// When it came (after a restart: when it was restored).
    pub enqueued_at: Millis,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How often it was returned.
    pub delivery_count: u32,
    /// Whether the store holds it.
    pub kept: bool,
}

/// A message that waits on disk.
#[derive(Clone, Copy, Debug)]
pub struct PagedView {
    /// Where its body is.
    pub wanted: Wanted,
    /// When it came (after a restart: when it was restored).
    pub enqueued_at: Millis,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How often it was returned.
    pub delivery_count: u32,
}

/// A message that waits.
#[derive(Clone, Copy, Debug)]
pub enum WaitingView<'a> {
    /// In memory.
    Here(MessageView<'a>),
    /// On disk.
    OnDisk(PagedView),
}

/// A consumer as the queue sees it.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerView<'a> {
    /// Its key.
    pub key: ConsumerKey,
    /// What it asked for.
    pub options: &'a ConsumerOptions,
    /// How many unsettled messages it has.
    pub unacked: u32,
    /// Whether the queue would give it messages: false for a consumer that waits to become the single active one.
    pub active: bool,
    /// Whether its connection has asked for a pause.
    pub paused: bool,
}

impl QueueCore {
    /// The settings.
    #[must_use]
    pub fn options(&self) -> &QueueOptions {
        &self.options
    }

    /// Whether the whole queue is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.consumers.queue_paused
    }

    /// The message at position `position` of those that wait in memory, 0 for the head. Costs time in proportion to the
    /// position.
    #[must_use]
    pub fn peek(&self, position: usize) -> Option<MessageView<'_>> {
        self.ready_messages().nth(position)
    }

    /// The messages that wait, in the order in which they would be delivered, without those on disk.
    pub fn ready_messages(&self) -> impl Iterator<Item = MessageView<'_>> {
        self.ready.iter().filter_map(|waiting| match waiting {
            Waiting::Here(sequence, entry) => Some(view(sequence, entry)),
            Waiting::OnDisk(_) => None,
        })
    }

    /// The messages that are out, in no particular but always the same order, and who has them: `None` for
    /// `basic.get` and for consumers that went.
    pub fn unacked_messages(&self) -> impl Iterator<Item = (UnackedId, Option<ConsumerKey>, MessageView<'_>)> {
        self.unacked.iter().map(|(id, out)| {
            let Holder { key, serial } = out.holder;
            let there = self
                .consumers
                .slots
                .get(key.0 as usize)
                .is_some_and(|consumer| consumer.serial as u32 == serial);
            (id, there.then_some(key), view(out.sequence, &out.entry))
        })
    }

    /// The messages that wait, in the order in which they would be delivered.
    pub fn waiting(&self) -> impl Iterator<Item = WaitingView<'_>> {
        self.ready.iter().map(|waiting| match waiting {
            Waiting::Here(sequence, entry) => WaitingView::Here(view(sequence, entry)),
            Waiting::OnDisk(paged) => WaitingView::OnDisk(PagedView {
                wanted: paged.into(),
                enqueued_at: paged.enqueued_at,
                expires_at: paged.expires(),
                redelivered: paged.redelivered,
                delivery_count: paged.delivery_count,
            }),
        })
    }

    /// How long the message at the head has waited, in milliseconds.
    #[must_use]
    pub fn head_age(&self, now: Millis) -> Option<Millis> {
        let enqueued_at = match self.waiting().next()? {
            WaitingView::Here(head) => head.enqueued_at,
            WaitingView::OnDisk(head) => head.enqueued_at,
        };
        Some(now.saturating_sub(enqueued_at))
    }

    /// The consumers, in the order of their keys.
    pub fn consumers(&self) -> impl Iterator<Item = ConsumerView<'_>> {
        self.consumers.slots.iter().map(|(slot, consumer)| {
            let key = ConsumerKey(slot as u32);
            ConsumerView {
                key,
                options: &consumer.options,
                unacked: consumer.unacked,
                active: !self.consumers.single_active || self.consumers.active == Some(key),
                paused: consumer.paused,
            }
        })
    }

    /// The single active consumer.
    #[must_use]
    pub fn active_consumer(&self) -> Option<ConsumerKey> {
        self.consumers.active
    }

    /// The sequence that the next message gets.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        self.next_sequence
    }
}

fn view(sequence: Sequence, entry: &Entry) -> MessageView<'_> {
    MessageView {
        sequence,
        message: &entry.message,
        enqueued_at: entry.enqueued_at,
        expires_at: entry.expires().then_some(entry.expires_at),
        redelivered: entry.redelivered,
        delivery_count: entry.delivery_count,
        kept: entry.kept,
    }
}
