//! Channels that are opened and end.

use std::sync::Arc;

use crate::amqp::Response;
use crate::auth::Identity;
use crate::broker::{ChannelLink, ConsumerEvent};
use crate::queue::Outcome;

use super::Session;
use super::channel::Channel;

impl Session {
    pub(super) fn open_channel(&mut self, number: u16) {
        let counted = match self.broker.count_channel(&self.user()) {
            Ok(counted) => counted,
            // RabbitMQ names no method here.
            Err(error) => return self.fail(number, &error),
        };
        let mut channel = Channel::new(
            self.id,
            number,
            Arc::clone(&self.outbox),
            self.wire.frame_max(),
            self.settings.unacked_per_channel,
            self.broker.tracer().cloned(),
        );
        channel.counted = Some(counted);
        if let Some(entry) = &self.entry {
            let link: Arc<dyn ChannelLink> = Arc::clone(&channel.deliveries) as _;
            entry.add_channel(number, &link);
            let _acting = self.broker.acting(self.identity.as_ref().map(Identity::user));
            self.broker.tell_channel("channel.created", entry, number);
        }
        self.channels.insert(channel);
        self.write(number, Response::ChannelOpenOk);
    }

    /// Takes a channel down: its consumers go, and its unacked messages go back.
    pub(super) fn release_channel(&mut self, number: u16) {
        let Some(mut channel) = self.channels.remove(number) else {
            return;
        };
        if let Some(entry) = &self.entry {
            entry.remove_channel(number);
        }
        self.tell_end(number, &channel);
        let now = self.broker.now();
        if let Some(reply) = &channel.reply_consumer {
            self.broker.remove_reply_channel(&reply.address);
        }
        for held in channel.holdings() {
            held.queue
                .leave(&held.consumers, &held.unacked, now, &mut self.aftermath);
        }
        // A queue may have delivered on another thread before its consumer left.
        let mut late = Vec::new();
        channel.deliveries.unacked.lock().take_up_to(0, &mut late);
        channel.settle(&late, Outcome::Release, &mut self.settles);
        self.settles.flush(now, &mut self.aftermath);
        self.finish();
    }

    /// Tells that a channel ended, and its consumers with it.
    fn tell_end(&self, number: u16, channel: &Channel) {
        let Some(entry) = &self.entry else {
            return;
        };
        let _acting = self.broker.acting(self.identity.as_ref().map(Identity::user));
        let name = entry.channel_name(number);
        for (tag, consumer) in &channel.consumers {
            self.broker.tell_consumer_deleted(ConsumerEvent {
                tag,
                queue: &consumer.queue,
                channel: &name,
            });
        }
        self.broker.tell_channel("channel.closed", entry, number);
    }
}
