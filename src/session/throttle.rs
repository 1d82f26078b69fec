//! Rate quotas of one connection: when it may be read from again, and what its client hears of it.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Broker, QueueRef, Quota, QuotaOf, Vhost};
use crate::model::Millis;

/// A client that has been slowed for so long is told with `connection.blocked`; one that has not been slowed for as
/// long, that it is over.
const LASTS_MS: Millis = 1_000;

/// How long a connection waits before it looks whether its quota still stands.
const LOOK_MS: Millis = 1_000;

/// The reason in `connection.blocked`.
pub(super) const REASON: &str = "over the rate quota";

/// What a connection owes to the quotas of its user, its vhost and the queues it publishes to.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    user: Option<Arc<Quota>>,
    /// The user or the vhost has a quota; looked at once a read.
    pub is_metered: bool,
    /// The time of this read; 0 until a message is charged in it.
    now: Millis,
    /// Nothing is read now.
    is_held: bool,
    /// Nothing is to be read before this, or was; 0 while nothing was charged too much.
    until: Millis,
    /// Whose quota says so.
    by: QuotaOf,
    /// Since when it is slowed; 0 while it is not.
    since: Millis,
    /// The count of changed quotas when that was decided.
    changes: u64,
    /// The client knows.
    pub is_told: bool,
}

impl Throttle {
    /// The connection's user is known.
    pub fn set_user(&mut self, quota: Arc<Quota>) {
        self.user = Some(quota);
    }

    /// A new read.
    pub fn begin(&mut self, vhost: &Vhost) {
        self.now = 0;
        self.is_metered = vhost.quota().is_set() || self.user.as_ref().is_some_and(|quota| quota.is_set());
    }

    /// Charges a message, for each of the quotas that there are.
    pub fn charge(&mut self, broker: &Broker, vhost: &Vhost, queues: &[QueueRef], body_bytes: usize) {
        if self.now == 0 {
            self.now = broker.now();
        }
        let now = self.now;
        let of_user = self.user.as_ref().map_or(0, |quota| quota.charge(body_bytes, now));
        let of_vhost = vhost.quota().charge(body_bytes, now);
        let of_queues = queues.iter().map(|queue| queue.charge(body_bytes, now)).max();
        let of_queues = of_queues.unwrap_or(0);
        let until = of_user.max(of_vhost).max(of_queues);
        if until <= now {
            return;
        }
        self.by = if until == of_queues {
            QuotaOf::Queue
        } else if until == of_vhost {
            QuotaOf::Vhost
        } else {
            QuotaOf::User
        };
        if self.since == 0 || now >= self.until.saturating_add(LASTS_MS) {
            self.since = now;
        }
        self.until = until;
        self.is_held = true;
        self.changes = broker.quota_changes();
    }

    /// Until when the connection is or was held, and by whose quota; `None` while it is not slowed.
    pub fn slowed(&self) -> Option<(Millis, QuotaOf)> {
        (self.until > 0).then_some((self.until, self.by))
    }

    /// Whether nothing may be read before [`Throttle::wakes_in`].
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// The connection ends: its client has to be heard.
    pub fn release(&mut self) {
        self.is_held = false;
    }

    /// After how long to call [`Throttle::wake`]; `None` while there is nothing to wait for.
    pub fn wakes_in(&self, broker: &Broker) -> Option<Duration> {
        let end = match (self.is_held, self.is_told) {
            (true, _) => self.until,
            (false, true) => self.until.saturating_add(LASTS_MS),
            (false, false) => return None,
        };
        let ms = end.saturating_sub(broker.now()).min(LOOK_MS);
        Some(Duration::from_millis(ms))
    }

    /// Looks at the clock: the hold may be over, or the quota gone.
    pub fn wake(&mut self, broker: &Broker) {
        if self.until == 0 {
            return;
        }
        let now = broker.now();
        if self.is_held && broker.quota_changes() != self.changes {
            self.until = now;
        }
        self.is_held &= self.until > now;
        if now >= self.until.saturating_add(LASTS_MS) {
            self.until = 0;
            self.since = 0;
        }
    }

    /// Whether the client is to know that it is slowed: once it has lasted, until it has been over for as long.
    pub fn is_lasting(&self) -> bool {
        let lasts = self.until.saturating_sub(self.since) >= LASTS_MS;
        self.since > 0 && (self.is_told || lasts)
    }
}
