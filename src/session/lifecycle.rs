//! Channels that are opened and end.

use std::sync::Arc;

use crate::amqp::Response;
use crate::broker::{ChannelLink, ConsumerEvent};
use crate::model::Method;
use crate::queue::Outcome;

use super::Session;
use super::channel::Channel;

impl Session {
    pub(super) fn open_channel(&mut self, number: u16) {
        let counted = match self.broker.count_channel(&self.user.clone().unwrap_or_default()) {
            Ok(counted) => counted,
            Err(error) => return self.fail(number, &error.caused_by(Method::new(20, 10))),
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
            let _acting = self.broker.acting(self.user.as_ref());
            self.broker.tell_channel("channel.created", entry, number);
        }
        self.channels.insert(number, channel);
        self.write(number, Response::ChannelOpenOk);
    }

    /// Takes a channel down: its consumers go, and its unacked messages go back.
    pub(super) fn release_channel(&mut self, number: u16) {
        let Some(channel) = self.channels.remove(&number) else {
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
        for entry in late {
            self.settles
                .push(channel.queue(entry.queue), Outcome::Release, entry.id);
        }
        self.settles.flush(now, &mut self.aftermath);
        self.finish();
    }

    /// Tells that a channel ended, and its consumers with it.
    fn tell_end(&self, number: u16, channel: &Channel) {
        let Some(entry) = &self.entry else {
            return;
        };
        let _acting = self.broker.acting(self.user.as_ref());
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
