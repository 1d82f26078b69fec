//! Messages that are looked through and taken from the middle of a queue: for operators, never for consumers.

use crate::model::{Message, Millis};

use super::entry::Entry;
use super::ready::Waiting;
use super::unacked::Holder;
use super::{Effects, QueueCore, Reply, Sequence, Wanted};

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

/// A message that waits, with its place.
#[derive(Clone, Copy, Debug)]
pub struct PlacedView<'a> {
    /// Its place.
    pub place: WaitingPlace,
    /// The message; `None` where it is on disk.
    pub message: Option<&'a Message>,
    /// Where its body is then.
    pub wanted: Option<Wanted>,
    /// When it came (after a restart: when it was restored).
    pub enqueued_at: Millis,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How often it was returned.
    pub delivery_count: u32,
}

impl<'a> PlacedView<'a> {
    fn new(level: u8, waiting: Waiting<&'a Entry>) -> Self {
        let place = WaitingPlace {
            level,
            sequence: waiting.sequence(),
        };
        match waiting {
            Waiting::Here(_, entry) => Self {
                place,
                message: Some(&entry.message),
                wanted: None,
                enqueued_at: entry.enqueued_at,
                expires_at: entry.expires().then_some(entry.expires_at),
                redelivered: entry.redelivered,
                delivery_count: entry.delivery_count,
            },
            Waiting::OnDisk(paged) => Self {
                place,
                message: None,
                wanted: Some(paged.into()),
                enqueued_at: paged.enqueued_at,
                expires_at: paged.expires(),
                redelivered: paged.redelivered,
                delivery_count: paged.delivery_count,
            },
        }
    }
}

impl QueueCore {
    /// The messages that wait from a place on, in the order of delivery, those on disk among them. Finding the place
    /// costs no more than a search.
    pub fn waiting_from(&self, from: WaitingPlace) -> impl Iterator<Item = PlacedView<'_>> {
        let highest = from.level.min(self.ready.highest_level());
        (0..=highest).rev().flat_map(move |level| {
            let first = if level == from.level { from.sequence } else { 0 };
            let messages = self.ready.level_from(level, first);
            messages.map(move |waiting| PlacedView::new(level, waiting))
        })
    }

    /// The message that waits longest.
    #[must_use]
    pub fn oldest(&self) -> Option<PlacedView<'_>> {
        self.ready.oldest().map(|waiting| PlacedView::new(0, waiting))
    }

    pub(super) fn take(&mut self, wanted: &[(WaitingPlace, Message)], now: Millis, effects: &mut Effects) -> Reply {
        self.touch(now);
        let mut taken = Vec::with_capacity(wanted.len());
        for (place, message) in wanted {
            if !self.may_take(*place) {
                continue;
            }
            let entry = match self.ready.take(place.level, place.sequence) {
                Some(entry) => {
                    self.left_ready(place.sequence, &entry);
                    entry
                }
                None => match self.ready.take_paged(place.level, place.sequence) {
                    Some(paged) => paged.entry(place.level, message.clone()),
                    None => continue,
                },
            };
            let delivery = self.hand_out(Holder::GET, false, place.sequence, entry);
            taken.push(delivery);
        }
        // What stood behind a head on disk may be the head now.
        self.dispatch(now, effects);
        Reply::Taken(taken)
    }

    /// Whether it may still wait, and no consumer has the key of its group.
    fn may_take(&self, place: WaitingPlace) -> bool {
        if place.level > self.ready.highest_level() {
            return false;
        }
        let Some(groups) = &self.groups else {
            return true;
        };
        match self.ready.level_from(place.level, place.sequence).next() {
            Some(Waiting::Here(sequence, entry)) => {
                sequence == place.sequence && !groups.is_with_consumer(&entry.message)
            }
            _ => false,
        }
    }
}
