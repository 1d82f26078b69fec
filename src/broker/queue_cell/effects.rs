//! What a queue's core asked for, done while the queue is locked.

use std::ops::Range;

use crate::broker::deduplication::QueueDeduplication;
use crate::broker::handover::replacing;
use crate::model::Millis;
use crate::queue::{Command, Effect};
use crate::store::Keep;

use super::{Aftermath, Flow, Inner, QueueCell};

/// So many settlements are given to the journal at a time.
const FORGETS: u64 = 4096;

impl QueueCell {
    pub(super) fn execute(&self, inner: &mut Inner, now: Millis, aftermath: &mut Aftermath) {
        let mut dead_letters = Vec::new();
        let mut spills = Vec::new();
        let mut runs = Vec::new();
        let scratch = &mut *inner.scratch;
        for effect in scratch.effects.others.drain(..) {
            match effect {
                Effect::Keep {
                    sequence,
                    message,
                    expires_at,
                    ticket,
                    in_flight,
                    replaces,
                } => {
                    let replacing = replaces.and_then(|old| Some(replacing(&self.this.upgrade()?, old)));
                    let keep = Keep {
                        sequence,
                        message,
                        expires_at,
                        // Nobody is in a hurry for a new record in place of an old one.
                        in_flight: in_flight || replacing.is_some(),
                        ticket: replacing.or(ticket),
                    };
                    let known = inner.deduplication.as_deref_mut();
                    scratch.keeps.extend(self.worth_keeping(known, keep, replaces, now));
                }
                Effect::Forget(sequence) => {
                    if let Some(deduplication) = &mut inner.deduplication {
                        deduplication.went(sequence);
                    }
                    scratch.forgets.push(sequence);
                }
                Effect::ForgetRun { first, count } => runs.push(first..first + count),
                Effect::Spill { sequence, message } => spills.push((sequence, message)),
                Effect::Taken(ticket) => ticket.taken(),
                Effect::Refused(ticket) => ticket.refused(),
                Effect::DeadLetter(letter) => dead_letters.push(letter),
                Effect::Load => self.paging.ask(self.this.clone()),
                Effect::Activated(..) => {}
                Effect::Expired => aftermath.to_delete.extend(self.this.upgrade()),
            }
        }
        if let Some(journal) = &self.journal
            && !scratch.keeps.is_empty()
        {
            journal.keep(&mut scratch.keeps);
        }
        if !spills.is_empty() {
            self.spill(spills);
        }
        if dead_letters.is_empty() && !scratch.forgets.is_empty() {
            self.forget(&scratch.forgets);
            scratch.forgets.clear();
        }
        runs.into_iter().for_each(|run| self.forget_run(inner, run));
        if let Some(table) = inner.deduplication.as_ref().and_then(|known| known.table()) {
            table.flush();
        }
        if !dead_letters.is_empty() {
            // Forgotten only once the dead letters are placed, so that a crash between the two loses none.
            let forgets = std::mem::take(&mut inner.scratch.forgets);
            if let Some(this) = self.this.upgrade() {
                aftermath.dead_letters.push((this, dead_letters, forgets));
            }
        }
    }

    /// What the journal gets of a message: nothing where its value has to be known only.
    fn worth_keeping(
        &self,
        known: Option<&mut QueueDeduplication>,
        keep: Keep,
        replaces: Option<u64>,
        now: Millis,
    ) -> Option<Keep> {
        let Some(known) = known else {
            return Some(keep);
        };
        let keep = known.keep(keep, replaces, self.journal.is_some(), now);
        if let Some(old) = replaces {
            known.went(old);
        }
        keep
    }

    /// Hands the collected deliveries to the consumers' connections in their order, one lock for each run of the same
    /// consumer: a channel's delivery tags follow the order of its messages.
    pub(super) fn hand_over(&self, inner: &mut Inner, now: Millis, aftermath: &mut Aftermath) {
        let scratch = &mut *inner.scratch;
        std::mem::swap(&mut scratch.deliveries, &mut scratch.effects.deliveries);
        for run in scratch.deliveries.chunk_by(|one, next| one.consumer == next.consumer) {
            let key = run[0].consumer;
            let Some(Some(sink)) = inner.consumers.get(key.0 as usize) else {
                continue;
            };
            self.count_deliveries(run);
            self.tap(&**sink, run, aftermath);
            if sink.deliver(run) == Flow::Full {
                inner.core.apply(Command::Pause(key), now, &mut scratch.effects);
            }
        }
        scratch.deliveries.clear();
    }

    /// The journal may forget these: their dead letters are placed.
    pub fn forget(&self, sequences: &[u64]) {
        if sequences.is_empty() {
            return;
        }
        if let Some(journal) = &self.journal {
            journal.forget(sequences, None);
        }
        if let Some(spilling) = self.spilling() {
            spilling.forget(sequences);
        }
    }

    fn forget_run(&self, inner: &mut Inner, run: Range<u64>) {
        let mut from = run.start;
        while from < run.end {
            let part: Vec<u64> = (from..run.end.min(from + FORGETS)).collect();
            if let Some(deduplication) = &mut inner.deduplication {
                part.iter().for_each(|sequence| deduplication.went(*sequence));
            }
            self.forget(&part);
            from += FORGETS;
        }
    }
}
