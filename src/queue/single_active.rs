//! The single active consumer (RabbitMQ: "Consumers", section "Single Active Consumer").
//!
//! The first consumer is active. When it goes, the one with the highest priority follows, among equals the oldest. As
//! RabbitMQ 4's quorum queues do, a newcomer with a higher priority takes over: the active consumer gets nothing more,
//! and hands over once all that it has is settled, so that order holds.

use super::consumers::Consumers;
use super::{ConsumerKey, Effect, Effects};

impl Consumers {
    /// Turns the rule on or off.
    pub(super) fn set_single_active(&mut self, on: bool, effects: &mut Effects) {
        if self.single_active == on {
            return;
        }
        self.single_active = on;
        self.handing_over = false;
        if let Some(before) = self.active.take() {
            effects.push(Effect::Activated(before, false));
        }
        let keys: Vec<ConsumerKey> = self.slots.iter().map(|(slot, _)| ConsumerKey(slot as u32)).collect();
        for key in keys {
            self.set_standby(key, on);
        }
        self.review_active(effects);
    }

    /// Sees who should be active, after a consumer came or went or the active one settled its last message.
    pub(super) fn review_active(&mut self, effects: &mut Effects) {
        if !self.single_active {
            return;
        }
        let best = self
            .slots
            .iter()
            .max_by_key(|(_, c)| (c.options.priority, u64::MAX - c.serial));
        let Some(best) = best.map(|(slot, _)| ConsumerKey(slot as u32)) else {
            return;
        };
        let priority = |key: ConsumerKey| self.slots.get(key.0 as usize).map(|c| (c.options.priority, c.unacked));
        let active = self.active.and_then(|key| Some((key, priority(key)?)));
        if let Some((key, (current, unacked))) = active {
            let overtaken = priority(best).is_some_and(|(best, _)| best > current);
            if !overtaken || unacked != 0 {
                self.handing_over = overtaken;
                self.set_standby(key, overtaken);
                return;
            }
            self.set_standby(key, true);
            effects.push(Effect::Activated(key, false));
        }
        self.handing_over = false;
        self.active = Some(best);
        self.set_standby(best, false);
        effects.push(Effect::Activated(best, true));
    }

    /// Whether the active consumer has settled all and can hand over now.
    pub(super) fn can_hand_over(&self) -> bool {
        self.handing_over
            && self
                .active
                .and_then(|key| self.slots.get(key.0 as usize))
                .is_none_or(|consumer| consumer.unacked == 0)
    }

    fn set_standby(&mut self, key: ConsumerKey, standby: bool) {
        if let Some(consumer) = self.get_mut(key) {
            consumer.standby = standby;
        }
        self.line_up(key);
    }
}
