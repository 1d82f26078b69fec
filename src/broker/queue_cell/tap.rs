//! Deliveries that the firehose copies.

use std::sync::atomic::Ordering as Atomic;

use crate::broker::firehose::Tapped;
use crate::queue::Delivery;

use super::{Aftermath, ConsumerSink, QueueCell};

impl QueueCell {
    /// Whether the firehose of the queue's vhost is on.
    pub(in crate::broker) fn set_tapped(&self, on: bool) {
        self.tapped.store(on, Atomic::Relaxed);
    }

    /// Notes what one consumer is about to get, where the firehose is on.
    pub(super) fn tap(&self, sink: &dyn ConsumerSink, deliveries: &[Delivery], aftermath: &mut Aftermath) {
        if self.tapped.load(Atomic::Relaxed)
            && let Some(this) = self.this.upgrade()
        {
            aftermath.tapped.extend(Tapped::new(this, sink.place(), deliveries));
        }
    }
}
