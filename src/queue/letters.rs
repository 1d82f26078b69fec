//! Dead letters that their queue holds until they are placed.
//!
//! With `x-dead-letter-strategy = at-least-once` (RabbitMQ: "Quorum Queues", section "At-Least-Once Dead-Lettering")
//! a dead letter is neither ready nor forgotten until every target has it. One that cannot be placed (no route, or a
//! target that refuses it) is sent again later, for ever. Without the strategy the owner hands back only what a full
//! target refused. Letters that are held count against the limits of a queue that refuses publishes, so that they
//! cannot pile up without bound.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{Blank, Message, Millis};

use super::{DeadLetter, DeathReason, Effect, Effects, Overflow, QueueCore, Sequence};

/// How many letters are on their way at most; the others wait in the queue.
pub const LETTER_WINDOW: usize = 1024;

/// How long a queue waits before it sends letters again after one could not be placed, in milliseconds.
pub const LETTER_RETRY_MS: Millis = 1000;

#[derive(Debug)]
struct Letter {
    message: Message,
    reason: DeathReason,
    died_at: Millis,
    kept: bool,
}

/// The letters that a queue holds.
#[derive(Debug, Default)]
pub(super) struct Letters {
    held: BTreeMap<Sequence, Letter>,
    /// Those that are not on their way, next first.
    waiting: VecDeque<Sequence>,
    bytes: u64,
    /// Nothing is sent before.
    not_before: Millis,
}

impl Blank for Letters {
    fn blank() -> &'static Self {
        static BLANK: Letters = Letters {
            held: BTreeMap::new(),
            waiting: VecDeque::new(),
            bytes: 0,
            not_before: 0,
        };
        &BLANK
    }
}

impl Letters {
    pub(super) fn len(&self) -> u64 {
        self.held.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When letters are to be sent again.
    pub(super) fn next_try(&self) -> Option<Millis> {
        (!self.waiting.is_empty() && self.on_their_way() < LETTER_WINDOW).then_some(self.not_before)
    }

    fn on_their_way(&self) -> usize {
        self.held.len() - self.waiting.len()
    }

    fn add(&mut self, sequence: Sequence, letter: Letter) {
        self.bytes += letter.message.body_len() as u64;
        self.held.insert(sequence, letter);
        self.waiting.push_back(sequence);
    }

    fn remove(&mut self, sequence: Sequence) -> Option<Letter> {
        let letter = self.held.remove(&sequence)?;
        self.bytes -= letter.message.body_len() as u64;
        Some(letter)
    }
}

impl QueueCore {
    /// A message dies and stays here until its letter is placed.
    pub(super) fn hold_letter(
        &mut self,
        sequence: Sequence,
        message: Message,
        kept: bool,
        reason: DeathReason,
        effects: &mut Effects,
    ) {
        let letter = Letter {
            message,
            reason,
            died_at: self.now,
            kept,
        };
        self.letters.add(sequence, letter);
        self.send_letters(effects);
    }

    /// Whether dead letters are held until they are placed. As in RabbitMQ the strategy needs a queue that refuses
    /// publishes when it is full.
    pub(super) fn holds_letters(&self) -> bool {
        self.options.dead_letter_at_least_once && self.options.overflow == Overflow::RejectPublish
    }

    /// These are placed.
    pub(super) fn letters_placed(&mut self, sequences: &[Sequence], effects: &mut Effects) {
        for sequence in sequences {
            self.drop_letter(*sequence, effects);
        }
        self.send_letters(effects);
    }

    /// These could not be placed: they go to the end of the line.
    pub(super) fn letters_refused(&mut self, sequences: &[Sequence], effects: &mut Effects) {
        for sequence in sequences {
            if self.letters.held.contains_key(sequence) {
                self.letters.waiting.push_back(*sequence);
            }
        }
        self.letters.not_before = self.now.saturating_add(LETTER_RETRY_MS);
        self.send_letters(effects);
    }

    /// Takes back what was sent without being held.
    pub(super) fn take_back(&mut self, letters: Vec<DeadLetter>, effects: &mut Effects) {
        for letter in letters {
            let sequence = letter.sequence;
            let letter = Letter {
                message: letter.message,
                reason: letter.reason,
                died_at: letter.died_at,
                kept: letter.kept,
            };
            self.letters.add(sequence, letter);
        }
        self.letters.not_before = self.now.saturating_add(LETTER_RETRY_MS);
        self.send_letters(effects);
    }

    /// Sends what waits, as far as it may. Without a target any more, it goes.
    pub(super) fn send_letters(&mut self, effects: &mut Effects) {
        if self.letters.waiting.is_empty() {
            return;
        }
        let Some(target) = self.options.dead_letter.clone() else {
            while let Some(sequence) = self.letters.waiting.pop_front() {
                self.drop_letter(sequence, effects);
            }
            return;
        };
        while self.letters.not_before <= self.now
            && self.letters.on_their_way() < LETTER_WINDOW
            && let Some(sequence) = self.letters.waiting.pop_front()
        {
            let Some(letter) = self.letters.held.get(&sequence) else {
                continue;
            };
            effects.push(Effect::DeadLetter(DeadLetter {
                sequence,
                message: letter.message.clone(),
                reason: letter.reason,
                target: target.clone(),
                died_at: letter.died_at,
                kept: letter.kept,
                held: true,
            }));
        }
    }

    fn drop_letter(&mut self, sequence: Sequence, effects: &mut Effects) {
        if self.letters.remove(sequence).is_some_and(|letter| letter.kept) {
            effects.push(Effect::Forget(sequence));
        }
    }
}
