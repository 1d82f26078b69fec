//! The queue as a whole: commands in, effects out.

use std::sync::Arc;

use crate::model::{Millis, Seldom};

use super::consumers::Consumers;
use super::groups::Groups;
use super::letters::Letters;
use super::paging::{Dying, READ_AHEAD};
use super::ready::Ready;
use super::retry::Retries;
use super::unacked::Unacked;
use super::{Command, ConsumerKey, ConsumerOptions, Effects, Outcome, QueueOptions, QueueState, Reply, Sequence};

/// What one queue does.
///
/// The reply of a command is to be looked at before its effects: a new consumer's first deliveries come with the
/// command that made it.
#[derive(Debug)]
pub struct QueueCore {
    /// Shared by the queues that were declared with nothing special.
    pub(super) options: Arc<QueueOptions>,
    pub(super) ready: Ready,
    pub(super) unacked: Unacked,
    pub(super) consumers: Consumers,
    pub(super) groups: Option<Box<Groups>>,
    pub(super) letters: Seldom<Letters>,
    pub(super) retries: Seldom<Retries>,
    pub(super) next_sequence: Sequence,
    /// When the queue was last used, for `x-expires`.
    pub(super) used_at: Millis,
    /// The owner was told that the queue has expired.
    pub(super) expiry_told: bool,
    /// The time of the command at work.
    pub(super) now: Millis,
    /// Bodies were asked for and have not come yet.
    pub(super) loading: bool,
    pub(super) dying: Seldom<Dying>,
    /// How many messages are read ahead.
    pub(super) read_ahead: u32,
}

impl QueueCore {
    /// An empty queue that is used for the first time `now`.
    #[must_use]
    pub fn new(options: QueueOptions, now: Millis) -> Self {
        Self {
            ready: Ready::new(options.max_priority.unwrap_or(0)),
            consumers: Consumers::new(options.single_active_consumer),
            groups: options
                .message_group
                .clone()
                .map(|header| Box::new(Groups::new(header))),
            options: options.shared(),
            unacked: Unacked::default(),
            letters: Seldom::default(),
            retries: Seldom::default(),
            next_sequence: 1,
            used_at: now,
            expiry_told: false,
            now,
            loading: false,
            dying: Seldom::default(),
            read_ahead: READ_AHEAD,
        }
    }

    /// Carries out one command at the time `now` (milliseconds since the Unix epoch) and appends what has to happen
    /// outside to `effects`.
    ///
    /// Messages that have expired by `now` go first, so that none is delivered late or counted against a limit. After
    /// any command either nothing waits in memory, or nobody can take it, or [`Self::has_deliverable`] says that the batch was
    /// full and [`Command::Dispatch`] should follow.
    pub fn apply(&mut self, command: Command<'_>, now: Millis, effects: &mut Effects) -> Reply {
        self.now = now;
        let reply = self.carry_out(command, now, effects);
        if self.has_bodies_on_disk() {
            self.read_ahead(effects);
        }
        reply
    }

    fn carry_out(&mut self, command: Command<'_>, now: Millis, effects: &mut Effects) -> Reply {
        if !matches!(command, Command::Restore(_)) {
            self.on_time(now, effects);
        }
        match command {
            Command::Enqueue(incoming) => self.enqueue(incoming, now, effects),
            Command::Settle(outcome, ids) => self.settle(outcome, ids, now, effects),
            Command::Dispatch => self.dispatch(now, effects),
            Command::Pause(key) => self.pause(key),
            Command::Resume(key) => self.resume(key, now, effects),
            Command::Get(no_ack) => return self.get(no_ack, now, effects),
            Command::Subscribe(options) => return self.subscribe(options, now, effects),
            Command::Unsubscribe(key) => self.leave(&[key], &[], now, effects),
            Command::Leave { consumers, unacked } => self.leave(consumers, unacked, now, effects),
            Command::SetWindow(key, window) => {
                if let Some(consumer) = self.consumers.get_mut(key) {
                    consumer.options.window = window;
                }
                self.resume(key, now, effects);
            }
            Command::Take(places) => return self.take(places, now, effects),
            Command::Purge => return self.purge(effects),
            Command::Tick => self.tick(now, effects),
            Command::Touch => self.touch(now),
            Command::Configure(options) => self.configure(options, now, effects),
            Command::PageOut { keep } => self.page_out(keep, effects),
            Command::Loaded(messages) => self.loaded(messages, now, effects),
            Command::Restore(messages) => self.restore(messages, now, effects),
            Command::SetPaused(paused) => {
                self.consumers.queue_paused = paused;
                self.dispatch(now, effects);
            }
            Command::DeadLettered(sequences) => self.letters_placed(sequences, effects),
            Command::DeadLetterRefused(sequences) => self.letters_refused(sequences, effects),
            Command::TakeBack(letters) => self.take_back(letters, effects),
        }
        Reply::Done
    }

    /// What is due by now, before anything else.
    fn on_time(&mut self, now: Millis, effects: &mut Effects) {
        let woke = !self.retries.is_empty() && self.wake_retries();
        self.expire_due(now, effects);
        if woke {
            self.shorten(effects);
        }
    }

    /// Counts.
    #[must_use]
    pub fn state(&self) -> QueueState {
        QueueState {
            ready: self.ready.len(),
            ready_bytes: self.ready.bytes(),
            unacked: self.unacked.len(),
            unacked_bytes: self.unacked.bytes(),
            held: self.letters.len() + self.retries.len() + self.dying.len(),
            consumers: self.consumers.len(),
        }
    }

    /// Makes sure that new messages get numbers from `sequence` on, where older numbers may still be in the store.
    pub fn number_from(&mut self, sequence: Sequence) {
        self.next_sequence = self.next_sequence.max(sequence);
    }

    fn subscribe(&mut self, options: ConsumerOptions, now: Millis, effects: &mut Effects) -> Reply {
        match self.consumers.add(options) {
            Ok(key) => {
                self.touch(now);
                self.consumers.review_active(effects);
                self.dispatch(now, effects);
                Reply::Subscribed(key)
            }
            Err(refused) => Reply::SubscribeRefused(refused),
        }
    }

    fn leave(&mut self, consumers: &[ConsumerKey], unacked: &[super::UnackedId], now: Millis, effects: &mut Effects) {
        let before = self.consumers.len();
        for key in consumers {
            self.consumers.remove(*key);
        }
        if self.consumers.len() != before {
            self.touch(now);
        }
        self.consumers.review_active(effects);
        // Only now, so that those who stay get what comes back in its order.
        self.settle(Outcome::Release, unacked, now, effects);
    }

    fn pause(&mut self, key: ConsumerKey) {
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.paused = true;
        }
    }

    fn resume(&mut self, key: ConsumerKey, now: Millis, effects: &mut Effects) {
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.paused = false;
            consumer.waiting = false;
            self.consumers.line_up(key);
            self.dispatch(now, effects);
        }
    }

    /// Durability, priorities and groups are fixed at the declaration; RabbitMQ's policies cannot change them
    /// either.
    fn configure(&mut self, options: QueueOptions, now: Millis, effects: &mut Effects) {
        let options = QueueOptions {
            durable: self.options.durable,
            max_priority: self.options.max_priority,
            tracked: self.options.tracked,
            delayed: self.options.delayed,
            message_group: self.options.message_group.clone(),
            ..options
        };
        self.options = options.shared();
        self.touch(now);
        self.consumers
            .set_single_active(self.options.single_active_consumer, effects);
        self.shorten(effects);
        self.send_letters(effects);
        self.dispatch(now, effects);
    }
}
