//! The prefetch limit that all consumers of one channel share.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts the unacked messages of one channel against the limit that `basic.qos` with `global = true` has set.
///
/// RabbitMQ: "Consumer Prefetch" — global means one limit for the whole channel, across its consumers and their
/// queues. The count is shared between queues, hence atomic; a queue takes a place before it delivers, the channel
/// gives it back when the message is settled.
#[derive(Debug, Default)]
pub struct ChannelWindow {
    /// 0 means no limit.
    limit: AtomicU32,
    unacked: AtomicU32,
}

impl ChannelWindow {
    /// A window without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limit; 0 removes it. Messages already out stay out.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::SeqCst);
    }

    /// The limit, 0 for none.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::SeqCst)
    }

    /// Takes one place, or says that there is none.
    pub fn try_take(&self) -> bool {
        let limit = self.limit();
        self.unacked
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |unacked| {
                (limit == 0 || unacked < limit).then_some(unacked + 1)
            })
            .is_ok()
    }

    /// Gives `count` places back; true where the channel was at its limit, so that a queue may be waiting.
    pub fn give_back(&self, count: u32) -> bool {
        let limit = self.limit();
        let before = self
            .unacked
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |unacked| {
                Some(unacked.saturating_sub(count))
            })
            .unwrap_or_else(|unchanged| unchanged);
        limit != 0 && before >= limit
    }
}
