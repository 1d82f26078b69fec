//! Dead letters that the queue holds until every target has them.

use super::super::super::*;
use super::{Oracle, Seen};

impl Oracle {
    pub fn send_letters(&mut self) {
        if self.options.dead_letter.is_none() {
            while let Some(at) = self.letters.iter().position(|(.., out)| !out) {
                self.letter_gone(at);
            }
            return;
        }
        if self.letters_not_before > self.now {
            return;
        }
        for at in 0..self.letters.len() {
            if let (item, reason, false) = self.letters[at].clone() {
                self.letters[at].2 = true;
                self.expect(Seen::Dead(item.number, reason, item.sequence, true));
            }
        }
    }

    pub fn letter_gone(&mut self, at: usize) {
        let (item, ..) = self.letters.remove(at);
        self.ledger.dropped += 1;
        if item.kept {
            self.expect(Seen::Forget(item.sequence));
        }
    }

    pub fn letter_answered(&mut self, sequence: Sequence, refused: bool) {
        let at = self
            .letters
            .iter()
            .position(|(item, ..)| item.sequence == sequence)
            .unwrap();
        if refused {
            let (item, reason, _) = self.letters.remove(at);
            self.letters.push((item, reason, false));
            self.letters_not_before = self.now + LETTER_RETRY_MS;
        } else {
            self.letter_gone(at);
        }
        self.send_letters();
    }
}
