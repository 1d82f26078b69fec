//! Deliveries that nobody settles (RabbitMQ: "Consumers", delivery acknowledgement timeout).

use std::time::Duration;

use crate::model::{AmqpError, ReplyCode};

use super::Session;

/// How often a connection looks over its channels at most and at least. RabbitMQ looks once a minute.
const SHORTEST_MS: u64 = 250;
const LONGEST_MS: u64 = 60_000;

impl Session {
    /// How often [`Session::close_overdue_channels`] wants to be called: thirty times a timeout, and at most once a
    /// minute. `None` where deliveries may stay out for ever.
    #[must_use]
    pub fn look_interval(&self) -> Option<Duration> {
        let timeout = self.settings.ack_timeout_ms;
        (timeout > 0).then(|| Duration::from_millis((timeout / 30).clamp(SHORTEST_MS, LONGEST_MS)))
    }

    /// Closes channels with a delivery that has been out for too long.
    pub fn close_overdue_channels(&mut self) {
        let timeout = self.settings.ack_timeout_ms;
        if timeout == 0 || self.channels.is_empty() {
            return;
        }
        let now = self.broker.now();
        let is_overdue = |channel: &super::Channel| channel.deliveries.unacked.lock().is_overdue(now, timeout);
        let overdue: Vec<u16> = self
            .channels
            .iter()
            .filter(|c| is_overdue(c))
            .map(super::Channel::number)
            .collect();
        for number in overdue {
            let error = AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!(
                    "delivery acknowledgement on channel {number} timed out. Timeout value used: {timeout} ms. This \
                     timeout value can be configured, see consumers doc guide to learn more"
                ),
            );
            self.fail(number, &error);
        }
    }
}
