//! Direct reply-to: answers that go straight to the channel that asked, without a queue.
//!
//! RabbitMQ: "Direct Reply-to". A client consumes from the pseudo queue in no-ack mode and publishes with it as
//! `reply-to`; the broker puts a name that leads back to the channel in its place.

use std::sync::{Arc, Weak};

use dashmap::DashMap;

use crate::model::Message;

/// The pseudo queue.
pub const DIRECT_REPLY_QUEUE: &str = "amq.rabbitmq.reply-to";

/// A channel that waits for answers.
pub trait ReplySink: Send + Sync {
    /// Hands one answer over; false where the channel does not consume answers any more.
    fn reply(&self, message: &Message) -> bool;
}

/// Channels by the name that their requests carry.
#[derive(Default)]
pub(super) struct DirectReplies {
    channels: DashMap<String, Weak<dyn ReplySink>>,
}

impl super::Broker {
    /// Makes the channel reachable under `name`, which starts with `amq.rabbitmq.reply-to.`.
    pub fn add_reply_channel(&self, name: &str, sink: &Arc<dyn ReplySink>) {
        self.replies.channels.insert(name.to_owned(), Arc::downgrade(sink));
    }

    /// The channel is gone, or consumes answers no longer.
    pub fn remove_reply_channel(&self, name: &str) {
        self.replies.channels.remove(name);
    }

    /// The channel behind `routing_key`, if that is the name of one.
    #[must_use]
    pub fn reply_channel(&self, routing_key: &str) -> Option<Arc<dyn ReplySink>> {
        if !routing_key.starts_with(DIRECT_REPLY_QUEUE) {
            return None;
        }
        self.replies.channels.get(routing_key)?.upgrade()
    }
}
