//! What a queue was declared with, as far as its core has to know.

use std::sync::{Arc, LazyLock};

use crate::model::{Millis, Name};

/// The settings of one queue, from its declaration, its arguments and the policies that match it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueOptions {
    /// The queue survives a restart, and persistent messages with it.
    pub durable: bool,
    /// `x-message-ttl`: how long a message may wait, in milliseconds; 0 expires what cannot be delivered at once.
    pub message_ttl_ms: Option<Millis>,
    /// `x-expires`: how long the queue may be unused (no consumer, get or redeclare) before it goes, in milliseconds.
    pub expires_ms: Option<Millis>,
    /// `x-max-length`: how many messages may wait.
    pub max_length: Option<u64>,
    /// `x-max-length-bytes`: how many bytes of bodies may wait.
    pub max_length_bytes: Option<u64>,
    /// `x-overflow`: what happens when a limit on length is met.
    pub overflow: Overflow,
    /// `x-max-priority`: the highest priority, 1 to 255; `None` for a queue without priorities.
    pub max_priority: Option<u8>,
    /// `x-single-active-consumer`: one consumer gets all, the next takes over when it goes.
    pub single_active_consumer: bool,
    /// `x-delivery-limit`: how many times a message may be returned before it is dead-lettered.
    pub delivery_limit: Option<u32>,
    /// Every message is kept and forgotten as if it were persistent, so that the owner sees each come and go (for
    /// deduplication). Fixed with the queue.
    pub tracked: bool,
    /// Messages wait for the time in their `x-delay` header instead of expiring: the waiting room of a delayed
    /// exchange. Fixed with the queue.
    pub delayed: bool,
    /// `x-dead-letter-exchange` and `x-dead-letter-routing-key`.
    pub dead_letter: Option<DeadLetterTarget>,
    /// `x-dead-letter-strategy = at-least-once`: the queue holds a dead letter until every target has it. Needs
    /// [`Overflow::RejectPublish`].
    pub dead_letter_at_least_once: bool,
    /// `x-retry-delays`: after how many milliseconds a rejected message comes back, for its first rejection and the
    /// following ones; empty for a queue that does not retry.
    pub retry_delays_ms: Vec<Millis>,
    /// `x-message-group`: the header that has a message's key. Messages of one key go to one consumer at a time, in
    /// order.
    pub message_group: Option<Name>,
}

impl QueueOptions {
    /// The options for a queue to hold: one copy for all queues that have no settings but whether they are durable.
    #[must_use]
    pub(super) fn shared(self) -> Arc<Self> {
        static PLAIN: LazyLock<[Arc<QueueOptions>; 2]> = LazyLock::new(|| {
            [false, true].map(|durable| {
                Arc::new(QueueOptions {
                    durable,
                    ..QueueOptions::default()
                })
            })
        });
        let plain = &PLAIN[usize::from(self.durable)];
        match self == **plain {
            true => Arc::clone(plain),
            false => Arc::new(self),
        }
    }

    /// Whether bodies of waiting messages may be left on disk. Not where messages have groups: whom one may go to stands
    /// in the message.
    #[must_use]
    pub fn may_page(&self) -> bool {
        self.message_group.is_none()
    }

    /// Whether the queue can refuse a message at all.
    #[must_use]
    pub fn may_refuse(&self) -> bool {
        self.overflow != Overflow::DropHead && (self.max_length.is_some() || self.max_length_bytes.is_some())
    }
}

/// Where dead letters of a queue go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterTarget {
    /// The exchange; empty for the default exchange.
    pub exchange: Name,
    /// The routing key; `None` keeps the message's own keys.
    pub routing_key: Option<Name>,
}

/// What happens to a message that would make a queue longer than its limit (RabbitMQ: "Queue Length Limit").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest message goes, as a dead letter where there is a target.
    #[default]
    DropHead,
    /// The new message is refused: a publisher with confirms gets its nack.
    RejectPublish,
    /// The new message is refused and dead-lettered.
    RejectPublishDlx,
}
