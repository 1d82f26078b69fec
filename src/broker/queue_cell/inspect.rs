//! Looking at a queue and counting, under its lock.

use crate::model::{Millis, Name};
use crate::queue::Delivery;

use super::QueueCell;
use crate::broker::{ConsumerInfo, Count, Counters};

impl QueueCell {
    /// Counts what one consumer is about to get, which is all settled or all not.
    pub(super) fn count_deliveries(&self, deliveries: &[Delivery]) {
        let settled = deliveries.first().is_some_and(|delivery| delivery.unacked.is_some());
        let count = if settled { Count::Deliver } else { Count::DeliverNoAck };
        self.counters.count(count, deliveries.len() as u64);
        let redelivered = deliveries.iter().filter(|delivery| delivery.redelivered).count();
        if redelivered > 0 {
            self.counters.count(Count::Redeliver, redelivered as u64);
        }
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The consumers, in the order of their keys.
    #[must_use]
    pub fn consumers(&self) -> Vec<ConsumerInfo> {
        let inner = self.inner.lock();
        let views = inner.core.consumers().filter_map(|view| {
            let sink = inner.consumers.get(view.key.0 as usize)?.as_ref()?;
            Some(ConsumerInfo {
                key: view.key,
                tag: sink.tag(),
                place: sink.place(),
                ack_required: !view.options.no_ack,
                exclusive: view.options.exclusive,
                prefetch: view.options.prefetch,
                priority: view.options.priority,
                unacked: view.unacked,
                active: view.active,
            })
        });
        views.collect()
    }

    /// The tag of the single active consumer, and how long the message at the head has waited in milliseconds.
    #[must_use]
    pub fn head_and_active(&self, now: Millis) -> (Option<Name>, Option<Millis>) {
        let inner = self.inner.lock();
        let active = inner.core.active_consumer();
        let sink = active.and_then(|key| inner.consumers.get(key.0 as usize)?.as_ref());
        (sink.map(|sink| sink.tag()), inner.core.head_age(now))
    }
}
