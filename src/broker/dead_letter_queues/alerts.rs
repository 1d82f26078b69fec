//! The policy key `dead-letter-alert`: a queue into which something dead-letters is marked once so many letters lie
//! there, or one lies there too long.
//!
//! A timer looks every few seconds, and whoever asks looks at once; no message pays for it. One policy for all queues
//! will do: queues into which nothing dead-letters are passed over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::model::{Millis, Name};

use super::super::policies::DeadLetterAlert;
use super::super::queue_cell::{Aftermath, QueueCell};
use super::super::timers::Timed;
use super::super::{Broker, Vhost};
use super::look::oldest_age_ms;
use super::sources::Sources;

/// How often the timer looks, in milliseconds.
pub const CHECK_INTERVAL_MS: Millis = 5000;

/// What the policy of a queue wants to hear of, and whether it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertState {
    /// From so many messages on.
    pub count: Option<u64>,
    /// Once one has been there for so many milliseconds.
    pub age_ms: Option<Millis>,
    /// Since when it is so, in milliseconds since the Unix epoch; `None` while it is not.
    pub since: Option<Millis>,
}

/// The queues whose alert is raised, and since when.
#[derive(Debug, Default)]
pub(in crate::broker) struct Alerts(Mutex<BTreeMap<(Name, Name), Millis>>);

/// What the timers wake for the next look.
#[derive(Debug, Default)]
pub(in crate::broker) struct AlertWatch(AtomicBool);

impl Timed for AlertWatch {
    fn title(&self) -> String {
        "the dead-letter alerts".to_owned()
    }

    fn tick(&self, _now: Millis, _aftermath: &mut Aftermath) {
        self.0.store(true, Ordering::Release);
    }
}

impl Broker {
    /// Starts looking every [`CHECK_INTERVAL_MS`].
    pub(in crate::broker) fn watch_alerts(&self) {
        let at = self.now().saturating_add(CHECK_INTERVAL_MS);
        self.timers.schedule(at, &Arc::downgrade(&self.alert_watch));
    }

    /// Looks, if it is time.
    pub(in crate::broker) fn check_due_alerts(&self) {
        if self.alert_watch.0.swap(false, Ordering::AcqRel) {
            self.watch_alerts();
            self.check_alerts();
        }
    }

    /// Looks after all alerts now; gives the queues whose alert is raised, in order of vhost and name.
    pub fn check_alerts(&self) -> Vec<(Name, Name)> {
        let now = self.now();
        let vhosts = self.vhosts();
        for vhost in &vhosts {
            // Most vhosts have no such policy, and their queues need not be walked.
            let sources = match vhost.policies.read().have_alerts() {
                true => vhost.letter_sources(),
                false => Sources::new(),
            };
            self.check_alerts_in(vhost, &sources, now);
        }
        let mut raised = self.alerts.0.lock();
        raised.retain(|(vhost, _), _| vhosts.iter().any(|standing| standing.name == *vhost));
        raised.keys().cloned().collect()
    }

    /// Looks after the alerts of one vhost.
    pub(super) fn check_alerts_in(&self, vhost: &Vhost, sources: &Sources, now: Millis) {
        let any = vhost.policies.read().have_alerts();
        let mut exceeded = BTreeMap::new();
        if any {
            for (queue, _) in sources.values() {
                if let Some(found) = Self::alert_policy(vhost, queue).and_then(|alert| alert.exceeded(queue, now)) {
                    exceeded.insert(queue.name.clone(), found);
                }
            }
        }
        let mut raised = self.alerts.0.lock();
        raised.retain(|(place, queue), _| {
            let stands = *place != vhost.name || exceeded.contains_key(queue);
            if !stands {
                tracing::info!(%queue, vhost = %place, "dead-letter alert cleared");
            }
            stands
        });
        for (queue, (messages, age_ms)) in exceeded {
            raised.entry((vhost.name.clone(), queue.clone())).or_insert_with(|| {
                let oldest_age_s = age_ms.map(|age| age / 1000);
                tracing::warn!(%queue, vhost = %vhost.name, messages, oldest_age_s, "dead-letter alert raised");
                now
            });
        }
    }

    /// The alert of a queue as it was when somebody last looked.
    pub(super) fn alert_of(&self, vhost: &Vhost, queue: &QueueCell) -> Option<AlertState> {
        let alert = Self::alert_policy(vhost, queue)?;
        let place = (vhost.name.clone(), queue.name.clone());
        Some(AlertState {
            count: alert.count,
            age_ms: alert.age_ms,
            since: self.alerts.0.lock().get(&place).copied(),
        })
    }
}

impl DeadLetterAlert {
    /// Messages and the age of the oldest one, where they are more than the policy allows.
    fn exceeded(self, queue: &QueueCell, now: Millis) -> Option<(u64, Option<Millis>)> {
        let state = queue.state();
        let messages = state.ready + state.unacked;
        let age_ms = oldest_age_ms(queue, now);
        let too_many = self.count.is_some_and(|count| messages >= count);
        let too_old = self.age_ms.is_some_and(|most| age_ms.is_some_and(|age| age >= most));
        (too_many || too_old).then_some((messages, age_ms))
    }
}
