//! Depth, age and reasons of the queues into which something dead-letters.

use std::sync::Arc;

use crate::model::Millis;
use crate::queue::{DeathReason, WaitingPlace};
use crate::store::StoreError;

use super::super::queue_cell::QueueCell;
use super::super::{Broker, Vhost};
use super::look::oldest_age_ms;
use super::{AlertState, Letter, LetterSource};

/// How many letters of a queue are looked at for their reasons, from the head on.
pub const REASON_SAMPLE: usize = 100;

/// A queue into which something dead-letters.
#[derive(Clone, Debug)]
pub struct DeadLetterQueue {
    /// The queue.
    pub queue: Arc<QueueCell>,
    /// Messages in it, those that are out included.
    pub messages: u64,
    /// How long the one that waits longest has been here, in milliseconds.
    pub oldest_age_ms: Option<Millis>,
    /// The queues that dead-letter into it, in order of name.
    pub sources: Vec<LetterSource>,
    /// What its policy wants to hear of, if anything.
    pub alert: Option<AlertState>,
}

/// Why the letters at the head of a queue died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// Letters for each of [`DeathReason::ALL`].
    pub counts: [u64; 4],
    /// How many messages were looked at; some may be no dead letters.
    pub sampled: u64,
}

impl Broker {
    /// The queues of a vhost into which something dead-letters, in order of name.
    #[must_use]
    pub fn dead_letter_queues(&self, vhost: &Vhost) -> Vec<DeadLetterQueue> {
        let now = self.now();
        let sources = vhost.letter_sources();
        self.check_alerts_in(vhost, &sources, now);
        let queues = sources.into_values().map(|(queue, sources)| {
            let state = queue.state();
            DeadLetterQueue {
                messages: state.ready + state.unacked,
                oldest_age_ms: oldest_age_ms(&queue, now),
                alert: self.alert_of(vhost, &queue),
                sources,
                queue,
            }
        });
        queues.collect()
    }

    /// The reasons of the letters at the head of a queue, at most [`REASON_SAMPLE`] of them.
    ///
    /// # Errors
    /// The store cannot read a message.
    pub fn death_reasons(&self, queue: &QueueCell) -> Result<Reasons, StoreError> {
        let mut reasons = Reasons::default();
        let (waiting, _) = self.look(queue, WaitingPlace::HEAD)?;
        for waiting in waiting.into_iter().take(REASON_SAMPLE) {
            let letter = Letter::new(waiting);
            reasons.sampled += 1;
            let at = DeathReason::ALL
                .iter()
                .position(|reason| letter.reason() == Some(reason.word()));
            if let Some(at) = at {
                reasons.counts[at] += 1;
            }
        }
        Ok(reasons)
    }
}
