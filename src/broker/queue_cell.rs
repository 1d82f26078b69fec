//! One queue in its lock: the core, its consumers' sinks and its journal.
//!
//! Only this file knows that a queue is guarded by a lock. Lock order: queue, then journal or sink; never two queues at
//! once. What reaches into other queues (dead letters, deletion) is collected in an [`Aftermath`] and done afterwards.

mod aside;
mod changes;
mod declaration;
mod effects;
mod inspect;
mod letters;
mod once;
mod paging;
mod reference;
mod scratch;
mod spilling;
mod tap;
mod waiting;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering as Atomic};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use crate::model::{Millis, Name, Seldom};
use crate::queue::{
    Command, ConsumerKey, ConsumerOptions, DeadLetter, Delivery, Incoming, Outcome, QueueCore, QueueOptions,
    QueueState, Reply, Restored, SubscribeError, UnackedId,
};
use crate::store::{QueueId, QueueJournal};

use super::deduplication::QueueDeduplication;
use super::firehose::Tapped;
use super::paging::Paging;
use super::statistics::{Count, Counters};
use super::timers::Timers;

use aside::Aside;
use scratch::Scratch;

pub use changes::PeekedMessage;
pub use declaration::{QueueDeclaration, QueueIdentity};
pub use reference::QueueRef;
pub(super) use waiting::Stretch;
pub use waiting::WaitingMessage;

/// Whether a consumer can take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Open,
    /// Its connection has enough to write: pause it until it is resumed.
    Full,
}

/// Where a queue hands the messages of one consumer to.
pub trait ConsumerSink: Send + Sync {
    /// Takes deliveries in order. Called with the queue locked: it only numbers, encodes and wakes.
    fn deliver(&self, deliveries: &[Delivery]) -> Flow;

    /// The queue is gone: the consumer is told with `basic.cancel`. Called without any lock.
    fn cancelled(&self);

    /// The consumer's tag, for listings.
    fn tag(&self) -> Name;

    /// The connection and the channel that it is on, for listings.
    fn place(&self) -> Option<(u64, u16)> {
        None
    }
}

/// What is left to do once the queue's lock is given back.
#[derive(Debug, Default)]
pub struct Aftermath {
    /// Dead letters with their source, and what its journal may forget once they are placed.
    pub dead_letters: Vec<(Arc<QueueCell>, Vec<DeadLetter>, Vec<u64>)>,
    /// Queues that expired or lost the last consumer they were declared for.
    pub to_delete: Vec<Arc<QueueCell>>,
    /// Deliveries that the firehose copies.
    pub tapped: Vec<Tapped>,
}

impl Aftermath {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dead_letters.is_empty() && self.to_delete.is_empty() && self.tapped.is_empty()
    }
}

/// A queue that others hold and lock.
pub struct QueueCell {
    /// Its key in the store, and order among queues.
    pub id: QueueId,
    /// Its name.
    pub name: Name,
    /// The vhost it is in.
    pub vhost: Name,
    /// How it was declared.
    pub declaration: QueueDeclaration,
    this: Weak<QueueCell>,
    journal: Option<Arc<QueueJournal>>,
    timers: Arc<Timers>,
    paging: Arc<Paging>,
    deleted: AtomicBool,
    tapped: AtomicBool,
    counters: Counters,
    /// The deadline that the timers know of, 0 for none.
    scheduled: AtomicU64,
    /// Changed and read under the lock.
    had_consumer: AtomicBool,
    /// It may refuse messages: dead letters sent here may have to go back.
    may_refuse: AtomicBool,
    /// Made when it is first needed.
    aside: OnceLock<Box<Aside>>,
    inner: Mutex<Inner>,
}

struct Inner {
    core: QueueCore,
    /// What the command at work asks for; empty between commands.
    scratch: Seldom<Scratch>,
    /// By consumer key.
    consumers: Vec<Option<Arc<dyn ConsumerSink>>>,
    /// Where the queue was declared so.
    deduplication: Option<Box<QueueDeduplication>>,
    /// What was reported of the memory that the waiting messages take, in bytes.
    reported: u64,
    /// Messages that were on disk only at the last look.
    on_disk: u64,
}

impl QueueCell {
    /// A new, empty queue.
    #[must_use]
    pub fn new(
        identity: QueueIdentity,
        options: QueueOptions,
        journal: Option<Arc<QueueJournal>>,
        timers: Arc<Timers>,
        paging: Arc<Paging>,
        now: Millis,
    ) -> Arc<Self> {
        let cell = Arc::new_cyclic(|this| Self {
            id: identity.id,
            name: identity.name,
            vhost: identity.vhost,
            declaration: identity.declaration,
            this: this.clone(),
            journal,
            timers,
            paging,
            deleted: AtomicBool::new(false),
            tapped: AtomicBool::new(false),
            counters: Counters::default(),
            scheduled: AtomicU64::new(0),
            had_consumer: AtomicBool::new(false),
            may_refuse: AtomicBool::new(options.may_refuse()),
            aside: OnceLock::new(),
            inner: Mutex::new(Inner {
                core: QueueCore::new(options, now),
                scratch: Seldom::default(),
                consumers: Vec::new(),
                deduplication: None,
                reported: 0,
                on_disk: 0,
            }),
        });
        cell.schedule(&cell.inner.lock().core);
        cell
    }

    /// Whether the queue was deleted; what is still sent to it goes nowhere.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Atomic::Acquire)
    }

    /// The counts.
    #[must_use]
    pub fn state(&self) -> QueueState {
        self.inner.lock().core.state()
    }

    /// Puts a batch of messages into the queue; drains it. Messages for a deleted queue are taken and dropped, as
    /// RabbitMQ confirms what was routed to a queue that went.
    pub fn enqueue(&self, batch: &mut Vec<Incoming>, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        if self.is_deleted() {
            drop(inner);
            for incoming in batch.drain(..) {
                if let Some(ticket) = incoming.ticket {
                    ticket.taken();
                }
            }
            return;
        }
        self.counters.count(Count::Publish, batch.len() as u64);
        if inner.deduplication.is_some() {
            return self.enqueue_once(&mut inner, batch, now, aftermath);
        }
        self.apply(&mut inner, Command::Enqueue(batch), now, aftermath);
    }

    /// Puts back what the store kept.
    pub fn restore(&self, messages: Vec<Restored>, now: Millis, aftermath: &mut Aftermath) {
        self.origins().learn(messages.iter().map(|restored| &restored.message));
        let mut inner = self.inner.lock();
        if let Some(deduplication) = &mut inner.deduplication {
            for restored in &messages {
                deduplication.came_back(restored.sequence, &restored.message, now);
            }
        }
        self.apply(&mut inner, Command::Restore(messages), now, aftermath);
    }

    /// Settles unacked messages.
    pub fn settle(&self, outcome: Outcome, ids: &[UnackedId], now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        if outcome == Outcome::Ack {
            self.counters.count(Count::Ack, ids.len() as u64);
        }
        self.apply(&mut inner, Command::Settle(outcome, ids), now, aftermath);
    }

    /// Adds a consumer. `announce` runs before the first delivery, with the queue locked: it writes `consume-ok`.
    pub fn subscribe(
        &self,
        options: ConsumerOptions,
        sink: Arc<dyn ConsumerSink>,
        now: Millis,
        aftermath: &mut Aftermath,
        announce: impl FnOnce(ConsumerKey),
    ) -> Result<ConsumerKey, SubscribeError> {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let key = match inner
            .core
            .apply(Command::Subscribe(options), now, &mut inner.scratch.effects)
        {
            Reply::Subscribed(key) => key,
            Reply::SubscribeRefused(error) => return Err(error),
            _ => return Err(SubscribeError::Exclusive),
        };
        let at = key.0 as usize;
        if inner.consumers.len() <= at {
            inner.consumers.resize_with(at + 1, || None);
        }
        inner.consumers[at] = Some(sink);
        self.had_consumer.store(true, Atomic::Relaxed);
        announce(key);
        self.run(inner, now, aftermath);
        Ok(key)
    }

    /// Removes a consumer; a queue declared with auto-delete goes with its last one.
    pub fn unsubscribe(&self, key: ConsumerKey, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        self.apply(&mut inner, Command::Unsubscribe(key), now, aftermath);
        if let Some(link) = inner.consumers.get_mut(key.0 as usize) {
            *link = None;
        }
        self.delete_if_unused(&inner, aftermath);
    }

    /// Takes a channel's consumers away and gives back what it held unacked, in one step: nobody is served later
    /// messages before those that come back. An auto-delete queue goes with its last consumer.
    pub fn leave(&self, consumers: &[ConsumerKey], unacked: &[UnackedId], now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        self.apply(&mut inner, Command::Leave { consumers, unacked }, now, aftermath);
        for key in consumers {
            if let Some(sink) = inner.consumers.get_mut(key.0 as usize) {
                *sink = None;
            }
        }
        if !consumers.is_empty() {
            self.delete_if_unused(&inner, aftermath);
        }
    }

    fn delete_if_unused(&self, inner: &Inner, aftermath: &mut Aftermath) {
        if self.declaration.auto_delete && self.had_consumer.load(Atomic::Relaxed) && inner.core.state().consumers == 0
        {
            aftermath.to_delete.extend(self.this.upgrade());
        }
    }

    /// Lets a paused consumer go on.
    pub fn resume(&self, key: ConsumerKey, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        self.apply(&mut inner, Command::Resume(key), now, aftermath);
    }

    /// `basic.get`: the message at the head and how many wait behind it; without a message, how many have to be loaded
    /// first ([`Broker::get`](super::Broker::get) does that).
    pub fn get(&self, no_ack: bool, now: Millis, aftermath: &mut Aftermath) -> (Option<Delivery>, u64) {
        let mut inner = self.inner.lock();
        match self.apply(&mut inner, Command::Get(no_ack), now, aftermath) {
            Reply::Got(delivery, left) => {
                match &delivery {
                    // The head has to be loaded first.
                    None if left > 0 => {}
                    None => self.counters.count(Count::GetEmpty, 1),
                    Some(_) if no_ack => self.counters.count(Count::GetNoAck, 1),
                    Some(_) => self.counters.count(Count::Get, 1),
                }
                if delivery.as_ref().is_some_and(|delivery| delivery.redelivered) {
                    self.counters.count(Count::Redeliver, 1);
                }
                (delivery, left)
            }
            _ => (None, 0),
        }
    }

    /// Removes all that waits; says how many messages that were.
    pub fn purge(&self, now: Millis, aftermath: &mut Aftermath) -> u64 {
        let mut inner = self.inner.lock();
        match self.apply(&mut inner, Command::Purge, now, aftermath) {
            Reply::Purged(count) => count,
            _ => 0,
        }
    }

    /// The queue was used by a declaration.
    pub fn touch(&self, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        self.apply(&mut inner, Command::Touch, now, aftermath);
    }

    /// A deadline may have come.
    pub fn tick(&self, now: Millis, aftermath: &mut Aftermath) {
        self.scheduled.store(0, Atomic::Release);
        self.settle_letters(now, aftermath);
        let mut inner = self.inner.lock();
        if !self.is_deleted() {
            self.apply(&mut inner, Command::Tick, now, aftermath);
        }
    }

    /// Takes new settings from a policy.
    pub fn configure(&self, options: QueueOptions, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        self.may_refuse.store(options.may_refuse(), Atomic::Release);
        self.apply(&mut inner, Command::Configure(options), now, aftermath);
    }

    /// Marks the queue as deleted if `may` agrees with its counts; gives the counts, and the sinks of the consumers
    /// that have to hear of it.
    pub fn delete_if<E>(
        &self,
        may: impl FnOnce(QueueState) -> Result<(), E>,
    ) -> Result<(QueueState, Vec<Arc<dyn ConsumerSink>>), E> {
        let mut inner = self.inner.lock();
        let state = inner.core.state();
        may(state)?;
        self.deleted.store(true, Atomic::Release);
        let sinks = inner.consumers.drain(..).flatten().collect();
        Ok((state, sinks))
    }

    fn apply(&self, inner: &mut Inner, command: Command<'_>, now: Millis, aftermath: &mut Aftermath) -> Reply {
        let reply = inner.core.apply(command, now, &mut inner.scratch.effects);
        self.run(inner, now, aftermath);
        reply
    }

    /// Does what the core asked for, until it asks for nothing more.
    fn run(&self, inner: &mut Inner, now: Millis, aftermath: &mut Aftermath) {
        loop {
            self.execute(inner, now, aftermath);
            self.hand_over(inner, now, aftermath);
            if inner.core.has_deliverable() {
                inner.core.apply(Command::Dispatch, now, &mut inner.scratch.effects);
                continue;
            }
            self.report(inner, now);
            if inner.scratch.effects.is_empty() {
                break;
            }
        }
        self.schedule(&inner.core);
    }

    /// The journal, where the queue is durable.
    #[must_use]
    pub fn journal(&self) -> Option<&Arc<QueueJournal>> {
        self.journal.as_ref()
    }

    fn schedule(&self, core: &QueueCore) {
        let Some(deadline) = core.next_deadline() else {
            return;
        };
        let known = self.scheduled.load(Atomic::Acquire);
        if known == 0 || deadline < known {
            self.scheduled.store(deadline, Atomic::Release);
            self.timers.schedule(deadline, &self.this);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brokers have queues by the thousand that do nothing: what few of them need is made when they need it.
    #[test]
    fn an_idle_queue_is_small() {
        // With the two counts of its Arc that is a size that the allocator has; the next one is 768.
        let bytes = size_of::<QueueCell>();
        assert!(bytes <= 640 - 16, "a queue's cell takes {bytes} bytes");
    }
}
