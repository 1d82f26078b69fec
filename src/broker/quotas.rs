//! Rate quotas: how many messages and bytes a second publishers may bring to a queue (by policy), to a vhost or as a
//! user (by limits).
//!
//! Nothing is dropped or refused: a message that comes too soon is taken, and its connection is not read from until the
//! time has come at which the next one may. So the rate holds over any second, and who publishes in bursts may bring
//! what [`BURST_MS`] allow at once. All connections draw from the same quota; one that brings nothing to it never
//! waits. What comes over the API counts too: its answer is held back. Dead letters, replays of them and delayed
//! messages whose time came are not counted.
//!
//! This is the generic cell rate algorithm (ITU-T I.371, appendix I): a bucket is a single number, the time up to which
//! all that came is paid for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{Millis, Name};

use super::{Broker, QueueCell, QueueRef, Vhost};

/// What may come at once after a pause: as much as in so many milliseconds.
const BURST_MS: Millis = 100;

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// How much a second; `None` for any amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Messages.
    pub messages: Option<u64>,
    /// Bytes of bodies.
    pub bytes: Option<u64>,
}

impl Rate {
    /// Of limits as definitions have them: less than 0 is none.
    #[must_use]
    pub fn of_limits(messages: Option<i64>, bytes: Option<i64>) -> Self {
        let limit = |limit: Option<i64>| u64::try_from(limit?).ok();
        Self {
            messages: limit(messages),
            bytes: limit(bytes),
        }
    }

    /// The lower of two.
    #[must_use]
    pub fn capped(self, cap: Self) -> Self {
        let lower = |rate: Option<u64>, cap: Option<u64>| match (rate, cap) {
            (Some(rate), Some(cap)) => Some(rate.min(cap)),
            (rate, cap) => rate.or(cap),
        };
        Self {
            messages: lower(self.messages, cap.messages),
            bytes: lower(self.bytes, cap.bytes),
        }
    }
}

/// A rate and what was used of it.
#[derive(Debug, Default)]
pub struct Quota {
    messages: Bucket,
    bytes: Bucket,
}

impl Quota {
    /// A quota of which nothing is used.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let quota = Self::default();
        quota.set(rate);
        quota
    }

    /// Takes another rate; what was used is forgotten where it changes. True where it does.
    pub fn set(&self, rate: Rate) -> bool {
        let messages = self.messages.set(rate.messages);
        let bytes = self.bytes.set(rate.bytes);
        messages || bytes
    }

    /// Whether there is any rate.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.messages.is_set() || self.bytes.is_set()
    }

    /// Uses the quota for a message with a body of so many bytes; says at which time the next one may come.
    pub fn charge(&self, body_bytes: usize, now: Millis) -> Millis {
        let by_messages = self.messages.charge(1, now);
        by_messages.max(self.bytes.charge(body_bytes as u64, now))
    }
}

#[derive(Debug, Default)]
struct Bucket {
    /// 0 for no rate.
    per_second: AtomicU64,
    /// Nanoseconds since the epoch up to which all is paid for.
    paid_until_ns: AtomicU64,
}

impl Bucket {
    fn set(&self, per_second: Option<u64>) -> bool {
        // A quota of 0 would stop a publisher for ever; one message a second is the lowest.
        let rate = per_second.map_or(0, |rate| rate.max(1));
        let changed = self.per_second.swap(rate, Ordering::AcqRel) != rate;
        if changed {
            self.paid_until_ns.store(0, Ordering::Release);
        }
        changed
    }

    fn is_set(&self) -> bool {
        self.per_second.load(Ordering::Relaxed) > 0
    }

    fn charge(&self, amount: u64, now: Millis) -> Millis {
        let rate = self.per_second.load(Ordering::Acquire);
        if rate == 0 {
            return 0;
        }
        let cost = u128::from(amount) * u128::from(NS_PER_S) / u128::from(rate);
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let earliest = now.saturating_sub(BURST_MS).saturating_mul(NS_PER_MS);
        let paid = |until: u64| until.max(earliest).saturating_add(cost);
        let before = self
            .paid_until_ns
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |until| Some(paid(until)));
        paid(before.unwrap_or_else(|until| until)).div_ceil(NS_PER_MS)
    }
}

impl QueueRef {
    /// Whether a policy gives the queue a quota.
    #[must_use]
    pub fn has_quota(&self) -> bool {
        self.0.quota().is_some_and(Quota::is_set)
    }

    /// Uses the queue's quota; see [`Quota::charge`].
    #[must_use]
    pub fn charge(&self, body_bytes: usize, now: Millis) -> Millis {
        self.0.quota().map_or(0, |quota| quota.charge(body_bytes, now))
    }
}

impl QueueCell {
    /// Takes the rate that policies give.
    pub(super) fn set_rate(&self, vhost: &Vhost, rate: Rate) -> bool {
        if rate != Rate::default() {
            vhost.has_quotas.store(true, Ordering::Release);
            return self.make_quota().set(rate);
        }
        self.quota().is_some_and(|quota| quota.set(rate))
    }
}

impl Vhost {
    /// Whether any queue ever had a quota.
    pub(super) fn has_quotas(&self) -> bool {
        self.has_quotas.load(Ordering::Acquire)
    }

    /// The quota of all that is published in the vhost.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.quota
    }
}

impl Broker {
    /// The quota that all connections of a user share.
    #[must_use]
    pub fn user_quota(&self, user: &Name) -> Arc<Quota> {
        let quota = self.user_quotas.entry(user.clone()).or_insert_with(|| {
            // Asked with the entry locked: a limit that is set meanwhile finds the entry afterwards.
            Arc::new(Quota::new(self.rate_of_user(user)))
        });
        Arc::clone(&quota)
    }

    /// Uses the quotas of a user, the vhost and the queues for a message that does not come over a connection of
    /// AMQP; says at which time the next one may come.
    pub(super) fn charge(&self, user: &Name, vhost: &Vhost, queues: &[QueueRef], body_bytes: usize) -> Millis {
        let now = self.now();
        let of_queues = queues.iter().map(|queue| queue.charge(body_bytes, now)).max();
        let of_user = self.user_quota(user).charge(body_bytes, now);
        let of_vhost = vhost.quota().charge(body_bytes, now);
        of_user.max(of_vhost).max(of_queues.unwrap_or(0))
    }

    /// Grows with each change of a quota: who waits looks anew whether it has to.
    #[must_use]
    pub fn quota_changes(&self) -> u64 {
        self.quota_changes.load(Ordering::Acquire)
    }

    pub(super) fn quota_changed(&self) {
        self.quota_changes.fetch_add(1, Ordering::AcqRel);
    }

    /// To be called when a user's limits may have changed.
    pub(super) fn refresh_user_quota(&self, user: &str) {
        let quota = self.user_quotas.get(user).map(|quota| Arc::clone(&quota));
        if quota.is_some_and(|quota| quota.set(self.rate_of_user(user))) {
            self.quota_changed();
        }
    }

    fn rate_of_user(&self, user: &str) -> Rate {
        let limits = self.accounts.user(user).map(|user| user.limits).unwrap_or_default();
        Rate::of_limits(limits.message_rate_per_s, limits.byte_rate_per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(messages: Option<u64>, bytes: Option<u64>) -> Rate {
        Rate { messages, bytes }
    }

    /// A publisher that waits as it is told, for `ms` milliseconds; how many messages it brings.
    fn brought(quota: &Quota, body_bytes: usize, ms: Millis) -> u64 {
        let start = 1_000_000;
        let (mut now, mut count) = (start, 0);
        while now < start + ms {
            now = now.max(quota.charge(body_bytes, now));
            count += 1;
        }
        count
    }

    #[test]
    fn the_rate_holds_over_any_stretch_but_for_the_first_burst() {
        for (per_second, ms, most) in [(10, 10_000, 102), (1_000, 1_000, 1_101), (250_000, 4_000, 1_025_001)] {
            let count = brought(&Quota::new(rate(Some(per_second), None)), 1, ms);
            let least = per_second * ms / 1_000;
            assert!((least..=most).contains(&count), "{per_second}/s in {ms} ms: {count}");
        }
    }

    #[test]
    fn bytes_count_by_their_number() {
        let quota = Quota::new(rate(None, Some(1_000_000)));
        // The burst pays for a tenth of it.
        assert_eq!(quota.charge(2_000_000, 5_000), 5_000 - BURST_MS + 2_000);
        assert_eq!(quota.charge(0, 5_000), 5_000 - BURST_MS + 2_000);
    }

    #[test]
    fn the_stricter_of_the_two_holds() {
        let quota = Quota::new(rate(Some(10), Some(1_000)));
        assert_eq!(quota.charge(1, 5_000), 5_000 - BURST_MS + 100);
        assert_eq!(quota.charge(5_000, 5_000), 5_000 - BURST_MS + 1 + 5_000);
    }

    #[test]
    fn who_was_late_may_hurry_as_far_as_the_burst() {
        let quota = Quota::new(rate(Some(100), None));
        let _ = quota.charge(1, 1_000);
        let taken = (0..).take_while(|_| quota.charge(1, 60_000) <= 60_000).count();
        assert_eq!(taken as u64, BURST_MS / 10);
    }

    #[test]
    fn a_change_of_the_rate_forgets_what_was_used() {
        let quota = Quota::new(rate(Some(1), None));
        assert!(quota.charge(1, 5_000) > 5_000);
        assert!(!quota.set(rate(Some(1), None)));
        assert!(quota.set(rate(Some(100), None)));
        assert!(quota.charge(1, 5_000) <= 5_000);
        assert!(quota.set(Rate::default()));
        assert!(!quota.is_set());
        assert_eq!(quota.charge(1 << 40, 5_000), 0);
    }

    #[test]
    fn zero_is_the_lowest_rate_and_not_a_stop() {
        let quota = Quota::new(rate(Some(0), None));
        assert_eq!(quota.charge(1, 5_000), 5_000 - BURST_MS + 1_000);
    }

    #[test]
    fn an_operators_rate_only_lowers() {
        let policy = rate(Some(10), None);
        assert_eq!(policy.capped(rate(Some(5), Some(7))), rate(Some(5), Some(7)));
        assert_eq!(policy.capped(rate(Some(50), None)), policy);
    }
}
