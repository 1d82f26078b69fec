//! The prefetch limit that all consumers of one channel share.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts the unacked messages of one channel against the limit that `basic.qos` with `global = true` has set.
///
/// RabbitMQ: "Consumer Prefetch" — global means one limit for the whole channel, across its consumers and their
/// queues. The count is shared between queues, hence atomic; a queue takes a place before it delivers, the channel
/// gives it back when the message is settled.
///
/// Whatever the client sets, `most` holds: the broker's own limit of unacked messages a channel.
#[derive(Debug)]
pub struct ChannelWindow {
    /// 0 means no limit.
    limit: AtomicU32,
    most: u32,
    unacked: AtomicU32,
}

impl Default for ChannelWindow {
    fn default() -> Self {
        Self::with_most(u32::MAX)
    }
}

impl ChannelWindow {
    /// A window without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A window of at most `most` messages, which the client can make smaller.
    #[must_use]
    pub fn with_most(most: u32) -> Self {
        Self {
            limit: AtomicU32::new(0),
            most,
            unacked: AtomicU32::new(0),
        }
    }

    /// Sets the limit; 0 removes it. Messages already out stay out.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::SeqCst);
    }

    /// The limit that the client has set, 0 for none.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::SeqCst)
    }

    fn bound(&self) -> u32 {
        match self.limit() {
            0 => self.most,
            limit => limit.min(self.most),
        }
    }

    /// Takes one place, or says that there is none.
    pub fn try_take(&self) -> bool {
        let bound = self.bound();
        self.unacked
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |unacked| {
                (unacked < bound).then_some(unacked + 1)
            })
            .is_ok()
    }

    /// Gives `count` places back; true where the channel was at its limit, so that a queue may be waiting.
    pub fn give_back(&self, count: u32) -> bool {
        let bound = self.bound();
        let before = self
            .unacked
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |unacked| {
                Some(unacked.saturating_sub(count))
            })
            .unwrap_or_else(|unchanged| unchanged);
        before >= bound
    }
}
