//! What a living connection does when its user's rights change or its login ends.

use std::time::Duration;

use crate::broker::ConsumerSink;
use crate::model::Name;

use super::Session;

/// Thirty years: timers do not reach for ever.
const LONGEST_MS: u64 = 30 * 365 * 86_400_000;

/// What a client hears whose token has ended.
pub const EXPIRED: &str = "the token has expired";

impl Session {
    /// Who is logged in.
    pub(super) fn user(&self) -> Name {
        let identity = self.identity.as_ref();
        identity.map(|identity| identity.user().clone()).unwrap_or_default()
    }

    /// When the login ends, in seconds since the Unix epoch; `None` for never.
    #[must_use]
    pub fn expires_at_s(&self) -> Option<u64> {
        self.identity.as_ref()?.expires_at_s()
    }

    /// How long the login still holds; `None` for ever.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        let left_ms = self
            .expires_at_s()?
            .saturating_mul(1_000)
            .saturating_sub(self.broker.now());
        // A timer far beyond a connection's life is none.
        Some(Duration::from_millis(left_ms.min(LONGEST_MS)))
    }

    /// Cancels the consumers whose queue the user may no longer read, as if the queue were gone: whoever lost a right
    /// must not go on by having begun before. What is out stays with the client, who may settle it.
    pub fn heed_rights(&mut self) {
        let Some(place) = &self.place else {
            return;
        };
        let now = self.broker.now();
        for channel in self.channels.iter_mut() {
            let aftermath = &mut self.aftermath;
            channel.consumers.retain(|tag, consumer| {
                if consumer.is_gone() || place.access.read_queue(&consumer.queue.name).is_ok() {
                    return true;
                }
                tracing::warn!(queue = %consumer.queue.name, %tag, "cancelled a consumer: its user may no longer read");
                consumer.queue.unsubscribe(consumer.key(), now, aftermath);
                consumer.cancelled();
                false
            });
            channel.show();
        }
        self.finish();
    }
}
