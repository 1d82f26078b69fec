//! The waiting messages of a queue some of which are on disk.

use std::collections::VecDeque;

use crate::model::Message;

use super::Sequence;
use super::entry::{Entry, NEVER};
use super::paging::Paged;
use super::ready::{Place, Ready, Spill};

/// A message that waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiting<'a> {
    Here(Sequence, &'a Entry),
    OnDisk(Paged),
}

impl Waiting<'_> {
    pub(super) fn sequence(&self) -> Sequence {
        match self {
            Self::Here(sequence, _) => *sequence,
            Self::OnDisk(paged) => paged.sequence,
        }
    }
}

fn fresh_from(fresh: &VecDeque<Place>, from: Sequence) -> impl Iterator<Item = Waiting<'_>> {
    let first = fresh.partition_point(|place| place.sequence < from);
    let places = fresh.range(first..);
    places.filter_map(|place| Some(Waiting::Here(place.sequence, place.entry.as_ref()?)))
}

impl Spill {
    /// Takes a message out of those behind what is on disk.
    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Entry> {
        let entry = self.tail.remove(sequence)?;
        self.tail_bytes -= entry.bytes();
        Some(entry)
    }
}

impl Ready {
    /// Whether a message comes before all that is on disk. One that came back for a retry need not: its sequence is
    /// a new one.
    pub(super) fn is_before_paged(&self, sequence: Sequence) -> bool {
        let first = self.spill.as_ref().and_then(|spill| spill.paged.front());
        first.is_none_or(|first| sequence < first.sequence)
    }

    /// Whether a part is on disk.
    pub(super) fn is_paging(&self) -> bool {
        self.spill.is_some()
    }

    /// Whether the message that is to be delivered next is in memory.
    pub(super) fn has_head(&self) -> bool {
        !self.is_empty() && (self.spill.is_none() || self.head().is_some())
    }

    pub(super) fn paged_len(&self) -> u64 {
        self.spill.as_ref().map_or(0, |spill| spill.paged.len())
    }

    pub(super) fn paged(&self) -> impl Iterator<Item = Paged> {
        self.spill.iter().flat_map(|spill| spill.paged.iter())
    }

    pub(super) fn resident_len(&self) -> u64 {
        self.len() - self.paged_len()
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        self.bytes() - self.spill.as_ref().map_or(0, |spill| spill.paged.bytes())
    }

    /// How many messages, and bytes of bodies, are in memory before the first that is not.
    pub(super) fn ahead(&self) -> (u64, u64) {
        let Some(spill) = &self.spill else {
            return (self.len(), self.bytes());
        };
        let tail = (spill.tail.fresh.len() - spill.tail.gaps) as u64;
        (self.resident_len() - tail, self.resident_bytes() - spill.tail_bytes)
    }

    /// Adds a new message where a part is on disk: there, or behind it.
    pub(super) fn push_behind(&mut self, sequence: Sequence, mut entry: Entry) {
        let Some(spill) = &mut self.spill else {
            return;
        };
        if spill.tail.fresh.is_empty()
            && let Some(paged) = Paged::of(sequence, &entry)
        {
            spill.paged.push(paged);
            self.len += 1;
            self.bytes += u64::from(paged.bytes);
            return;
        }
        entry.indexed = entry.expires();
        spill.tail_bytes += entry.bytes();
        self.added(sequence, &entry);
        if let Some(spill) = &mut self.spill {
            spill.tail.fresh.push_back(Place {
                sequence,
                entry: Some(entry),
            });
        }
    }

    /// Forgets the bodies behind the first `messages`, or as many as come to `bytes`, as far as they may go.
    pub(super) fn page_out(&mut self, messages: usize, bytes: u64) {
        let level = &mut self.levels[0];
        let mut left = bytes;
        let head = level.fresh.iter().take(messages).take_while(|place| {
            let fits = left > 0;
            left = left.saturating_sub(place.entry.as_ref().map_or(0, Entry::bytes));
            fits
        });
        let head = head.count();
        let may_go = |place: &&Place| {
            let paged = place.entry.as_ref().map(|entry| Paged::of(place.sequence, entry));
            // A gap is no hindrance.
            paged.is_none_or(|paged| paged.is_some())
        };
        let behind = level.fresh.len() - head;
        let going = level.fresh.iter().rev().take(behind).take_while(may_go).count();
        let first = level.fresh.len() - going;
        let mut spill = Spill::default();
        for place in level.fresh.drain(first..) {
            match place.entry.and_then(|entry| Paged::of(place.sequence, &entry)) {
                Some(paged) => spill.paged.push(paged),
                None => level.gaps -= 1,
            }
        }
        level.trim();
        level.fresh.shrink_to(2 * messages);
        if !spill.paged.is_empty() {
            self.spill = Some(Box::new(spill));
        }
    }

    /// Takes bodies in, in order from the first message that is on disk; what has none is lost. Those that are not on
    /// disk any more are passed over.
    pub(super) fn load(&mut self, messages: Vec<(Sequence, Option<Message>)>) {
        for (sequence, message) in messages {
            let front = self.spill.as_ref().and_then(|spill| spill.paged.front());
            if front.is_none_or(|front| front.sequence != sequence) {
                continue;
            }
            let Some(paged) = self.take_paged() else {
                return;
            };
            if let Some(message) = message {
                let entry = paged.entry(message);
                self.added(sequence, &entry);
                let level = &mut self.levels[0];
                // Whatever expires behind it has to stand in the index.
                level.latest_expiry = NEVER;
                level.fresh.push_back(Place {
                    sequence,
                    entry: Some(entry),
                });
            }
            self.close_up();
        }
    }

    /// Takes the first message that is on disk, without its body.
    pub(super) fn pop_paged(&mut self) -> Option<Sequence> {
        let paged = self.take_paged()?;
        self.close_up();
        Some(paged.sequence)
    }

    /// Takes a message that is on disk, wherever it stands, without its body.
    pub(super) fn take_from_disk(&mut self, sequence: Sequence) -> Option<Paged> {
        let paged = self.spill.as_mut()?.paged.remove(sequence)?;
        self.len -= 1;
        self.bytes -= u64::from(paged.bytes);
        self.close_up();
        Some(paged)
    }

    /// The messages of a level from a sequence on, in order of sequence, those on disk among them.
    pub(super) fn level_from(&self, level: u8, from: Sequence) -> impl Iterator<Item = Waiting<'_>> {
        let level = self.levels.get(usize::from(level));
        level.into_iter().flat_map(move |level| {
            let mut returned = level.returned.range(from..).peekable();
            let fresh = fresh_from(&level.fresh, from);
            let spill = self.spill.as_deref();
            let paged = spill.into_iter().flat_map(move |spill| {
                let on_disk = spill.paged.iter_from(from).map(Waiting::OnDisk);
                on_disk.chain(fresh_from(&spill.tail.fresh, from))
            });
            let mut fresh = fresh.chain(paged).peekable();
            std::iter::from_fn(move || match (returned.peek(), fresh.peek()) {
                (Some((first, _)), Some(second)) if **first > second.sequence() => fresh.next(),
                (Some(_), _) => returned.next().map(|(sequence, entry)| Waiting::Here(*sequence, entry)),
                (None, _) => fresh.next(),
            })
        })
    }

    /// The message that came first, whatever its level.
    pub(super) fn oldest(&self) -> Option<Waiting<'_>> {
        let firsts = (0..=self.highest_level()).filter_map(|level| self.level_from(level, 0).next());
        firsts.min_by_key(Waiting::sequence)
    }

    fn take_paged(&mut self) -> Option<Paged> {
        let paged = self.spill.as_mut()?.paged.pop()?;
        self.len -= 1;
        self.bytes -= u64::from(paged.bytes);
        Some(paged)
    }

    /// Once nothing is on disk any more, what stood behind it joins the rest.
    fn close_up(&mut self) {
        if self.spill.as_ref().is_none_or(|spill| !spill.paged.is_empty()) {
            return;
        }
        let Some(spill) = self.spill.take() else {
            return;
        };
        let (level, mut tail) = (&mut self.levels[0], spill.tail);
        for place in level.fresh.drain(..).rev() {
            tail.fresh.push_front(place);
        }
        level.fresh = tail.fresh;
        level.gaps += tail.gaps;
        level.latest_expiry = NEVER;
    }
}
