//! What operators do to a queue that stands: pause it, look into it, change its arguments.

use crate::model::{FieldTable, FieldValue, Message, Millis};
use crate::queue::{Command, QueueOptions, WaitingView, Wanted};

use super::{Aftermath, QueueCell, QueueDeclaration};

/// A message as it stands in its queue.
#[derive(Clone, Debug)]
pub struct PeekedMessage<M = Message> {
    /// How many messages come before it.
    pub position: usize,
    /// The message.
    pub message: M,
    /// When it came, in milliseconds since the Unix epoch (after a restart: when it was restored).
    pub enqueued_at: Millis,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How often it was returned.
    pub delivery_count: u32,
}

impl QueueDeclaration {
    /// The declaration with other arguments: void takes one away.
    #[must_use]
    pub fn changed_by(&self, changes: &FieldTable) -> Self {
        let mut declaration = self.clone();
        for (name, value) in changes.iter() {
            match value {
                FieldValue::Void => {
                    declaration.arguments.remove(name);
                }
                value => declaration.arguments.insert(name.clone(), value.clone()),
            }
        }
        declaration
    }
}

impl QueueCell {
    /// The declaration as it holds now: with what operators changed since. A second declaration by an application is
    /// still held against the first one.
    #[must_use]
    pub fn current_declaration(&self) -> QueueDeclaration {
        match self.made_aside() {
            Some(aside) => self.declaration.changed_by(&aside.changed.lock()),
            None => self.declaration.clone(),
        }
    }

    /// The arguments that operators changed.
    #[must_use]
    pub fn changed_arguments(&self) -> FieldTable {
        self.made_aside()
            .map(|aside| aside.changed.lock().clone())
            .unwrap_or_default()
    }

    /// Whether the queue hands nothing out.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.inner.lock().core.is_paused()
    }

    /// Up to `count` messages from `position` on, the head being 0; [`Broker::peek`](crate::broker::Broker::peek) reads
    /// those that are on disk. Changes nothing. Holds the queue for as long as it takes to walk there.
    pub(in crate::broker) fn look(&self, position: usize, count: usize) -> Vec<PeekedMessage<Result<Message, Wanted>>> {
        let inner = self.inner.lock();
        let views = inner.core.waiting().enumerate().skip(position).take(count);
        let peeked = views.map(|(position, view)| match view {
            WaitingView::Here(view) => PeekedMessage {
                position,
                message: Ok(view.message.clone()),
                enqueued_at: view.enqueued_at,
                expires_at: view.expires_at,
                redelivered: view.redelivered,
                delivery_count: view.delivery_count,
            },
            WaitingView::OnDisk(view) => PeekedMessage {
                position,
                message: Err(view.wanted),
                enqueued_at: view.enqueued_at,
                expires_at: view.expires_at,
                redelivered: view.redelivered,
                delivery_count: view.delivery_count,
            },
        });
        peeked.collect()
    }

    pub(in crate::broker) fn set_paused(&self, paused: bool, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        self.apply(&mut inner, Command::SetPaused(paused), now, aftermath);
    }

    pub(in crate::broker) fn set_changed_arguments(&self, changed: FieldTable) {
        if !changed.is_empty() || self.made_aside().is_some() {
            *self.aside().changed.lock() = changed;
        }
    }

    /// Puts back what the store kept, before the queue has messages or consumers.
    pub(in crate::broker) fn restore_changes(&self, paused: bool, changed: FieldTable, now: Millis) {
        self.set_changed_arguments(changed);
        if paused {
            self.set_paused(true, now, &mut Aftermath::default());
        }
    }

    /// The settings as they are at work.
    #[must_use]
    pub fn options(&self) -> QueueOptions {
        self.inner.lock().core.options().clone()
    }
}
