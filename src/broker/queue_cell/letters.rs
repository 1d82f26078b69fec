//! Dead letters: what a queue hears about those that it holds, and remembers of those that came to it.

use std::sync::atomic::Ordering as Atomic;

use crate::model::{Millis, Name};
use crate::queue::{Command, DeadLetter};
use crate::store::QueueId;

use super::super::dead_letter_queues::{Origins, Partly};
use super::super::letter_desk::LetterDesk;
use super::{Aftermath, QueueCell};

impl QueueCell {
    /// Whether a message sent here may be refused.
    #[must_use]
    pub fn may_refuse(&self) -> bool {
        self.may_refuse.load(Atomic::Acquire)
    }

    /// What became of the dead letters that this queue holds.
    pub(in crate::broker) fn letters(&self) -> &LetterDesk {
        &self.aside().letters
    }

    /// Whose dead letters came here.
    pub(in crate::broker) fn origins(&self) -> &Origins {
        &self.aside().origins
    }

    /// The same, where only a look is wanted: queues and exchanges.
    pub(in crate::broker) fn known_origins(&self) -> Vec<(Name, Name)> {
        self.made_aside().map(|aside| aside.origins.all()).unwrap_or_default()
    }

    /// Who has letters of this queue that others refused when they were sent back.
    pub(in crate::broker) fn partly(&self) -> &Partly {
        &self.aside().partly
    }

    /// All targets of a letter have answered. Called with locks of others held: the rest is done by the timers, or by
    /// who sent the letter.
    pub(in crate::broker) fn letter_answered(&self, sequence: u64, refused: bool, placed: Vec<QueueId>) {
        if refused {
            self.letters().note_placed(sequence, placed);
        }
        if self.letters().note(sequence, refused) {
            self.timers.schedule(0, &self.this);
        }
    }

    /// Tells the queue what became of its letters.
    pub(in crate::broker) fn settle_letters(&self, now: Millis, aftermath: &mut Aftermath) {
        let Some(aside) = self.made_aside() else {
            return;
        };
        let answers = aside.letters.answers();
        if answers.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        if !self.is_deleted() {
            self.apply(&mut inner, Command::DeadLettered(&answers.placed), now, aftermath);
            if !answers.refused.is_empty() {
                self.apply(&mut inner, Command::DeadLetterRefused(&answers.refused), now, aftermath);
            }
        }
    }

    /// Takes back dead letters that were refused where they led.
    pub(in crate::broker) fn take_back(&self, letters: Vec<DeadLetter>, now: Millis, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        if !self.is_deleted() {
            self.apply(&mut inner, Command::TakeBack(letters), now, aftermath);
        }
    }
}
