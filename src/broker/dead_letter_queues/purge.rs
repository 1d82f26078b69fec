//! Going through all letters of a queue once: to remove some, or to count what a replay would do.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::model::Name;
use crate::store::StoreError;

use super::super::queue_cell::{Aftermath, QueueCell};
use super::super::{Broker, Vhost};
use super::{Letter, LetterFilter, MayPublish, ReplayCounts, ReplayRequest};

/// How many targets a dry run tells apart.
const TARGETS_MAX: usize = 1000;

/// What a replay would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DryRun {
    /// Its counts; `replayed` are those that would go.
    pub counts: ReplayCounts,
    /// Where they would go, in order of exchange and key; the first thousand places that came up.
    pub targets: Vec<DryRunTarget>,
    /// How many would go to places beyond those.
    pub elsewhere: u64,
}

/// An exchange and key to which letters would be sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRunTarget {
    /// The exchange.
    pub exchange: Name,
    /// The key.
    pub routing_key: String,
    /// Letters.
    pub messages: u64,
    /// The queues that the last of them would reach; none where they would stay.
    pub queues: Vec<Name>,
    /// Why the caller may not publish there.
    pub refused: Option<String>,
}

impl Broker {
    /// Up to `count` letters that are meant, from a position in the queue on, each with its position.
    ///
    /// # Errors
    /// The store cannot read a message.
    pub fn letters(
        &self,
        queue: &QueueCell,
        filter: &LetterFilter,
        position: usize,
        count: usize,
    ) -> Result<Vec<(usize, Letter)>, StoreError> {
        let mut found = Vec::new();
        let mut at = 0;
        self.look_through(queue, |waiting| {
            let now = self.now();
            for waiting in waiting {
                at += 1;
                if at > position && found.len() < count {
                    let letter = Letter::new(waiting);
                    if filter.matches(&letter, now) {
                        found.push((at - 1, letter));
                    }
                }
            }
            found.len() < count
        })?;
        Ok(found)
    }

    /// Removes the letters of a queue that are meant, at most `limit` of those that are there now; says how many went.
    /// Without filter and limit all that waits goes.
    ///
    /// # Errors
    /// The store cannot read a message; some may be gone.
    pub fn purge_letters(
        &self,
        queue: &QueueCell,
        filter: &LetterFilter,
        limit: Option<u64>,
    ) -> Result<u64, StoreError> {
        if filter.is_empty() && limit.is_none() {
            return Ok(self.purge_queue(queue));
        }
        let mut purged = 0;
        let left = |purged: u64| limit.map_or(u64::MAX, |limit| limit.saturating_sub(purged));
        self.look_through(queue, |waiting| {
            let now = self.now();
            let letters: Vec<Letter> = waiting.into_iter().map(Letter::new).collect();
            let meant = letters.iter().filter(|letter| filter.matches(letter, now));
            let most = usize::try_from(left(purged)).unwrap_or(usize::MAX);
            let wanted: Vec<_> = meant.take(most).map(Letter::wanted).collect();
            if !wanted.is_empty() {
                let mut aftermath = Aftermath::default();
                purged += queue.discard(&wanted, now, &mut aftermath) as u64;
                self.settle_aftermath(&mut aftermath);
            }
            left(purged) > 0
        })?;
        Ok(purged)
    }

    /// What a replay would do now. Changes nothing.
    ///
    /// # Errors
    /// The store cannot read a message.
    pub fn dry_run(
        &self,
        vhost: &Vhost,
        queue: &QueueCell,
        request: &ReplayRequest,
        may: &MayPublish,
    ) -> Result<DryRun, StoreError> {
        let mut run = DryRun::default();
        run.counts.total = queue.extent().0;
        let mut targets: BTreeMap<(Name, String), DryRunTarget> = BTreeMap::new();
        self.look_through(queue, |waiting| {
            let now = self.now();
            for letter in waiting.into_iter().map(Letter::new) {
                if request.limit.is_some_and(|limit| run.counts.matched >= limit) {
                    return false;
                }
                run.counts.scanned += 1;
                if !request.filter.matches(&letter, now) {
                    continue;
                }
                run.counts.matched += 1;
                let Some(to) = letter.replay_to(request) else {
                    run.counts.unroutable += 1;
                    continue;
                };
                let queues = vhost.replay_targets(queue, &letter, &to, now);
                let refused = may(&to.exchange, &to.keys[0]).err().map(|error| error.text);
                match (&queues, &refused) {
                    (None, _) => run.counts.unroutable += 1,
                    (Some(_), Some(_)) => run.counts.skipped += 1,
                    (Some(_), None) => run.counts.replayed += 1,
                }
                let known = targets.len();
                match targets.entry((to.exchange.clone(), to.keys[0].clone())) {
                    Entry::Vacant(_) if known >= TARGETS_MAX => run.elsewhere += 1,
                    entry => {
                        let target = entry.or_insert_with(|| DryRunTarget {
                            exchange: to.exchange.clone(),
                            routing_key: to.keys[0].clone(),
                            messages: 0,
                            queues: Vec::new(),
                            refused: None,
                        });
                        target.messages += 1;
                        let queues = queues.iter().flatten();
                        target.queues = queues.map(|queue| queue.0.name.clone()).collect();
                        target.refused = refused;
                    }
                }
            }
            true
        })?;
        run.targets = targets.into_values().collect();
        Ok(run)
    }
}
