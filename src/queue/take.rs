//! Messages that are looked through and taken from the middle of a queue: for operators, never for consumers.

use crate::model::Millis;

use super::inspect::view;
use super::unacked::Holder;
use super::{MessageView, QueueCore, Reply, Sequence};

/// Where a message waits. Places order as the queue delivers: the highest priority first, then by sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingPlace {
    level: u8,
    /// The message's sequence.
    pub sequence: Sequence,
}

impl WaitingPlace {
    /// Before all others.
    pub const HEAD: Self = Self {
        level: u8::MAX,
        sequence: 0,
    };

    /// The place right behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            sequence: self.sequence.saturating_add(1),
            ..self
        }
    }

    /// The first place of the next lower priority; `None` after the lowest.
    #[must_use]
    pub fn next_level(self) -> Option<Self> {
        let level = self.level.checked_sub(1)?;
        Some(Self { level, sequence: 0 })
    }
}

impl QueueCore {
    /// The messages that wait from a place on, in the order of delivery. Finding the place costs no more than a search.
    pub fn waiting_from(&self, from: WaitingPlace) -> impl Iterator<Item = (WaitingPlace, MessageView<'_>)> {
        let highest = from.level.min(self.ready.highest_level());
        (0..=highest).rev().flat_map(move |level| {
            let first = if level == from.level { from.sequence } else { 0 };
            let messages = self.ready.level_from(level, first);
            messages.map(move |(sequence, entry)| (WaitingPlace { level, sequence }, view(sequence, entry)))
        })
    }

    /// The message that waits longest.
    #[must_use]
    pub fn oldest(&self) -> Option<MessageView<'_>> {
        let (sequence, entry) = self.ready.oldest()?;
        Some(view(sequence, entry))
    }

    /// Whether it still waits, and no consumer has the key of its group.
    fn may_take(&self, place: WaitingPlace) -> bool {
        let found = self.ready.level_from(place.level, place.sequence).next();
        let Some((_, entry)) = found.filter(|(sequence, _)| *sequence == place.sequence) else {
            return false;
        };
        let groups = self.groups.as_ref();
        groups.is_none_or(|groups| !groups.is_with_consumer(&entry.message))
    }

    pub(super) fn take(&mut self, places: &[WaitingPlace], now: Millis) -> Reply {
        self.touch(now);
        let mut taken = Vec::with_capacity(places.len());
        for place in places {
            if !self.may_take(*place) {
                continue;
            }
            let Some(entry) = self.ready.take(place.level, place.sequence) else {
                continue;
            };
            self.left_ready(place.sequence, &entry);
            let (delivery, _) = self.hand_out(Holder::GET, false, place.sequence, entry);
            taken.push(delivery);
        }
        Reply::Taken(taken)
    }
}
