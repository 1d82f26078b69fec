//! What a queue is told, and what it asks for in return.

use std::sync::Arc;

use crate::model::{ChannelWindow, ConfirmTicket, Message, Millis};

use super::QueueOptions;

/// Place of a message in its queue; grows with every message, and a message keeps it when it is requeued.
pub type Sequence = u64;

/// One consumer within one queue. Keys of consumers that went are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerKey(pub u32);

/// One message that is out and waits for its settlement.
///
/// The slot is used again after the settlement; the sequence tells an old id from a new one in the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnackedId {
    /// Slot in the queue's table of unacked messages.
    pub slot: u32,
    /// The message's sequence.
    pub sequence: Sequence,
}

/// A message on its way into a queue.
#[derive(Debug)]
pub struct Incoming {
    /// The message.
    pub message: Message,
    /// Delivery mode 2: to be kept if the queue is durable.
    pub persistent: bool,
    /// Who waits for the outcome; `None` without confirms.
    pub ticket: Option<ConfirmTicket>,
}

/// A message that the store gave back after a restart, in order of sequence.
#[derive(Debug)]
pub struct Restored {
    /// Its place.
    pub sequence: Sequence,
    /// The message.
    pub message: Message,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How often it was returned.
    pub delivery_count: u32,
}

/// How a consumer wants its messages.
#[derive(Clone, Debug, Default)]
pub struct ConsumerOptions {
    /// Settled on delivery: no acks, and no prefetch limit applies.
    pub no_ack: bool,
    /// Nobody else may consume from the queue.
    pub exclusive: bool,
    /// How many unacked messages it may hold; 0 for no limit.
    pub prefetch: u32,
    /// `x-priority`: higher is served first.
    pub priority: i32,
    /// The limit that it shares with its whole channel; `None` where no global limit was ever set on the channel.
    pub window: Option<Arc<ChannelWindow>>,
}

/// What becomes of unacked messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: they go for good.
    Ack,
    /// Back to their own places, redelivered.
    Requeue,
    /// Rejected: back after a delay where the queue retries, else dead letters where there is a target, else gone.
    Reject,
    /// Back to their own places because their channel or connection ended, redelivered. Counts as a return.
    Release,
    /// Back to their own places as they were: nobody has seen them, and nothing is counted.
    Undo,
}

/// One change of a queue. The time comes with [`super::QueueCore::apply`].
#[derive(Debug)]
pub enum Command<'a> {
    /// Takes messages in, in order; drains the vector, which the caller uses again.
    Enqueue(&'a mut Vec<Incoming>),
    /// Puts back what the store kept, before anything else happens to the queue. What has expired meanwhile, or is over a
    /// limit, goes with the next [`Command::Tick`], so that the dead letters of a long backlog need not be in memory
    /// together.
    Restore(Vec<Restored>),
    /// Goes on delivering after [`super::QueueCore::has_deliverable`] said that there is more.
    Dispatch,
    /// A new consumer; answers [`Reply::Subscribed`] or [`Reply::SubscribeRefused`].
    Subscribe(ConsumerOptions),
    /// A consumer goes; its unacked messages stay unacked until they are settled.
    Unsubscribe(ConsumerKey),
    /// A channel or connection ends: its consumers go and what it had comes back ([`Outcome::Release`]), in one step,
    /// so that no remaining consumer gets later messages before those.
    Leave {
        /// Its consumers of this queue.
        consumers: &'a [ConsumerKey],
        /// Its unacked messages of this queue, from `basic.get` too.
        unacked: &'a [UnackedId],
    },
    /// Another shared limit: a channel set its first global prefetch while it had consumers. Resumes the consumer.
    SetWindow(ConsumerKey, Option<Arc<ChannelWindow>>),
    /// Takes nothing more for now: its connection has enough to write.
    Pause(ConsumerKey),
    /// Takes messages again, or may: its connection has written, or its channel window has room. Ends both a pause
    /// and a wait for the window, so that an owner whose connection is still full does not send it.
    Resume(ConsumerKey),
    /// Settles unacked messages. Unknown ids are passed over (the channel has checked its tags).
    Settle(Outcome, &'a [UnackedId]),
    /// `basic.get`; answers [`Reply::Got`]. The bool is `no_ack`.
    Get(bool),
    /// Takes those of these messages that still wait, from wherever they stand, as `basic.get` takes the head; answers
    /// [`Reply::Taken`]. A paused queue gives them too; what belongs to a consumer's group stays.
    /// The message is needed where the queue has left it to the store.
    Take(&'a [(super::WaitingPlace, Message)]),
    /// Removes all that waits, for a retry too (not what is unacked, nor dead letters); answers [`Reply::Purged`].
    Purge,
    /// A deadline may have come.
    Tick,
    /// Something used the queue without another command (a redeclare): `x-expires` counts anew.
    Touch,
    /// Leaves the bodies of waiting messages to the store, but for those at the head: at most `keep` messages, and 1 MiB
    /// of bodies, which is also how far is read ahead. It holds for what comes later, until nothing is on disk any more.
    PageOut {
        /// Messages; [`super::READ_AHEAD`] outside of tests.
        keep: u32,
    },
    /// Bodies that [`Effect::Load`] asked for, of each list of [`super::QueueCore::to_load`] from its first on; `None` for
    /// a message that the store does not have: it refused it, which its publisher was told.
    Loaded(Vec<(Sequence, Option<Message>)>),
    /// Other settings, from a policy.
    Configure(QueueOptions),
    /// The whole queue hands nothing out any more, to consumers and to `basic.get`, or does again. Messages come in and
    /// expire all the same.
    SetPaused(bool),
    /// Letters that the queue holds have reached all their targets. Unknown sequences are passed over.
    DeadLettered(&'a [Sequence]),
    /// Letters that the queue holds could not be placed: they are sent again later. Only for letters on their way.
    DeadLetterRefused(&'a [Sequence]),
    /// Letters that were sent without being held and that a full target refused: from now on the queue holds them. The
    /// store must not have been told to forget them.
    TakeBack(Vec<DeadLetter>),
}

/// What a command has to say at once.
#[derive(Debug)]
pub enum Reply {
    /// Nothing.
    Done,
    /// The new consumer's key.
    Subscribed(ConsumerKey),
    /// No new consumer.
    SubscribeRefused(SubscribeError),
    /// The message at the head, if there was one, and how many wait behind it. Without a message the number says how
    /// many are on disk: they have to be loaded first.
    Got(Option<Delivery>, u64),
    /// What was still there, in the order that was asked for.
    Taken(Vec<Delivery>),
    /// How many messages were removed.
    Purged(u64),
}

/// Why a consumer cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// Another consumer has exclusive access, or exclusive access was asked for and there are consumers.
    Exclusive,
}

/// A message that goes to a consumer, or to who asked with `basic.get`.
#[derive(Debug)]
pub struct Delivery {
    /// Whom it is for; no consumer's where `basic.get` asked.
    pub consumer: ConsumerKey,
    /// Its place in the queue.
    pub sequence: Sequence,
    /// The id for its settlement; `None` where none is owed (`no_ack`).
    pub unacked: Option<UnackedId>,
    /// The message.
    pub message: Message,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How often it was returned before this delivery.
    pub delivery_count: u32,
}

/// Why a message became a dead letter, in the words of the `x-death` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathReason {
    /// `rejected`
    Rejected,
    /// `expired`
    Expired,
    /// `maxlen`
    MaxLength,
    /// `delivery_limit`
    DeliveryLimit,
}

/// A message that leaves its queue for the dead-letter exchange.
#[derive(Debug)]
pub struct DeadLetter {
    /// Its place in the queue; 0 for a message that the queue refused when it came.
    pub sequence: Sequence,
    /// The message.
    pub message: Message,
    /// Why.
    pub reason: DeathReason,
    /// Where to.
    pub target: super::DeadLetterTarget,
    /// When it died.
    pub died_at: Millis,
    /// Whether the store holds it.
    pub kept: bool,
    /// The queue holds it until it hears [`Command::DeadLettered`] or [`Command::DeadLetterRefused`]. Otherwise it is
    /// gone from there.
    pub held: bool,
}

/// Something other than a delivery that has to happen outside.
#[derive(Debug)]
pub enum Effect {
    /// Keep the message on stable storage, then answer the ticket. Comes before the message's delivery.
    Keep {
        /// Its place, the key in the store.
        sequence: Sequence,
        /// The message.
        message: Message,
        /// When it expires.
        expires_at: Option<Millis>,
        /// Who waits for it.
        ticket: Option<ConfirmTicket>,
        /// The same command delivers it, so that its settlement may come before it has to be written.
        in_flight: bool,
        /// The message stood under this sequence before: the store may forget that one once it has this one.
        replaces: Option<Sequence>,
    },
    /// Write the message to disk, so that it need not be in memory; a restart need not bring it back. Nobody waits for it
    /// (its publisher has its answer), but until it is written its body must not be given up.
    Spill {
        /// Its place, the key in the store.
        sequence: Sequence,
        /// The message.
        message: Message,
    },
    /// The store may forget this: settled, expired, dropped or purged. Asked for messages only that came with
    /// [`Effect::Keep`] or [`Effect::Spill`].
    Forget(Sequence),
    /// The same for `count` messages that follow each other.
    ForgetRun {
        /// The first of them.
        first: Sequence,
        /// How many.
        count: u64,
    },
    /// The publisher may be told that the queue has it: nothing has to be stored.
    Taken(ConfirmTicket),
    /// The publisher must be told that the queue refused it.
    Refused(ConfirmTicket),
    /// Publish this to the dead-letter exchange, after the queue's lock was given back. What the store may forget with
    /// it is asked for right behind it.
    DeadLetter(DeadLetter),
    /// Read the bodies of [`super::QueueCore::to_load`] and give them back with [`Command::Loaded`]. Nothing more is
    /// asked for until then.
    Load,
    /// A consumer became the single active one, or is no longer.
    Activated(ConsumerKey, bool),
    /// The queue was unused for `x-expires`: delete it.
    Expired,
}

/// What one or several commands ask for. The owner drains and reuses it.
///
/// Deliveries are a list of their own, to be encoded from where they lie, and come after all else: what has to be kept is
/// then kept before anybody has it.
#[derive(Debug, Default)]
pub struct Effects {
    /// All but the deliveries, in the order in which they were asked for.
    pub others: Vec<Effect>,
    /// Messages for consumers, in order.
    pub deliveries: Vec<Delivery>,
    /// For each one, in the order in which they were asked for, whether it is a delivery.
    #[cfg(test)]
    pub(super) order: Vec<bool>,
}

impl Effects {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            others: Vec::new(),
            deliveries: Vec::new(),
            #[cfg(test)]
            order: Vec::new(),
        }
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.others.is_empty() && self.deliveries.is_empty()
    }

    /// All of it, in the order in which it was asked for.
    #[cfg(test)]
    pub(super) fn in_order(&self) -> Vec<Asked<'_>> {
        let (mut others, mut deliveries) = (self.others.iter(), self.deliveries.iter());
        let next = |is_delivery: &bool| match is_delivery {
            true => deliveries.next().map(Asked::Delivery),
            false => others.next().map(Asked::Other),
        };
        self.order.iter().filter_map(next).collect()
    }

    #[inline]
    pub(super) fn push(&mut self, effect: Effect) {
        #[cfg(test)]
        self.order.push(false);
        self.others.push(effect);
    }

    #[inline]
    pub(super) fn deliver(&mut self, delivery: Delivery) {
        #[cfg(test)]
        self.order.push(true);
        self.deliveries.push(delivery);
    }
}

/// Something that was asked for.
#[cfg(test)]
#[derive(Debug)]
pub(super) enum Asked<'a> {
    Delivery(&'a Delivery),
    Other(&'a Effect),
}

/// Counts that others ask a queue for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Messages that wait.
    pub ready: u64,
    /// Bytes of their bodies.
    pub ready_bytes: u64,
    /// Messages that are out and not settled.
    pub unacked: u64,
    /// Bytes of their bodies.
    pub unacked_bytes: u64,
    /// Messages that are neither: dead letters that wait for their targets, rejected ones that wait for their retry.
    pub held: u64,
    /// Consumers.
    pub consumers: u32,
}
