//! Where a queue hears what became of the dead letters that it holds.
//!
//! A letter's targets answer through tickets, with their own queue or journal locked, so an answer is only noted here
//! and the timers are told to look after the source.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::model::{ConfirmSink, ConfirmTicket};
use crate::queue::{DeadLetter, Sequence};
use crate::store::QueueId;

use super::handover::Handover;
use super::queue_cell::QueueCell;

/// The answers of one source queue's targets.
#[derive(Debug, Default)]
pub struct LetterDesk(Mutex<Desk>);

#[derive(Debug, Default)]
struct Desk {
    /// Who has a letter that others refused: they get it once.
    placed: BTreeMap<Sequence, Vec<QueueId>>,
    answers: LetterAnswers,
}

/// What the source has to be told.
#[derive(Debug, Default)]
pub struct LetterAnswers {
    /// All targets have these.
    pub placed: Vec<Sequence>,
    /// Some target refused these, or there was none.
    pub refused: Vec<Sequence>,
}

impl LetterAnswers {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.placed.is_empty() && self.refused.is_empty()
    }
}

impl LetterDesk {
    /// Takes out the answers.
    #[must_use]
    pub fn answers(&self) -> LetterAnswers {
        std::mem::take(&mut self.0.lock().answers)
    }

    /// Whether `target` has the letter already.
    #[must_use]
    pub fn is_placed(&self, sequence: Sequence, target: QueueId) -> bool {
        let desk = self.0.lock();
        desk.placed
            .get(&sequence)
            .is_some_and(|placed| placed.contains(&target))
    }

    /// Notes who has a letter that goes round again.
    pub fn note_placed(&self, sequence: Sequence, targets: Vec<QueueId>) {
        if !targets.is_empty() {
            self.0.lock().placed.entry(sequence).or_default().extend(targets);
        }
    }

    /// Notes the end of one try; says whether this is the first answer that waits.
    pub fn note(&self, sequence: Sequence, refused: bool) -> bool {
        let mut desk = self.0.lock();
        let first = desk.answers.is_empty();
        if refused {
            desk.answers.refused.push(sequence);
        } else {
            desk.placed.remove(&sequence);
            desk.answers.placed.push(sequence);
        }
        first
    }
}

/// One try to place one letter.
#[derive(Debug)]
pub struct LetterTry {
    source: Weak<QueueCell>,
    sequence: Sequence,
    /// The source waits for the outcome. Otherwise only a refusal at once matters to it.
    held: bool,
    /// Who hears every answer as well, where the source's disk still has a letter that the source does not hold.
    handover: Option<Arc<Handover>>,
    state: Mutex<TryState>,
}

#[derive(Debug, Default)]
struct TryState {
    left: usize,
    placed: Vec<QueueId>,
    refused: Vec<QueueId>,
}

impl LetterTry {
    /// A try with `targets` that will answer.
    #[must_use]
    pub(super) fn new(
        source: &Arc<QueueCell>,
        letter: &DeadLetter,
        targets: usize,
        handover: Option<Arc<Handover>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            source: Arc::downgrade(source),
            sequence: letter.sequence,
            held: letter.held,
            handover,
            state: Mutex::new(TryState {
                left: targets,
                ..TryState::default()
            }),
        })
    }

    /// The ticket for one target.
    #[must_use]
    pub fn ticket(self: &Arc<Self>, target: QueueId) -> ConfirmTicket {
        if let Some(handover) = &self.handover {
            handover.ask();
        }
        ConfirmTicket::new(Arc::clone(self) as Arc<dyn ConfirmSink>, target.0)
    }

    /// Who refused it so far.
    #[must_use]
    pub fn refused_by(&self) -> Vec<QueueId> {
        self.state.lock().refused.clone()
    }

    fn answer(&self, target: u64, refused: bool) {
        let mut state = self.state.lock();
        state.left = state.left.saturating_sub(1);
        let list = if refused { &mut state.refused } else { &mut state.placed };
        list.push(QueueId(target));
        if let Some(handover) = &self.handover {
            drop(state);
            return match refused {
                true => handover.refused(self.sequence),
                false => handover.taken(self.sequence),
            };
        }
        if state.left > 0 || !self.held {
            return;
        }
        let refused = !state.refused.is_empty();
        let placed = std::mem::take(&mut state.placed);
        drop(state);
        if let Some(source) = self.source.upgrade() {
            source.letter_answered(self.sequence, refused, placed);
        }
    }
}

impl ConfirmSink for LetterTry {
    fn taken(&self, tag: u64) {
        self.answer(tag, false);
    }

    fn refused(&self, tag: u64) {
        self.answer(tag, true);
    }
}
