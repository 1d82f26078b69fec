//! Deliveries of one channel that wait for their settlement, by delivery tag.

use std::collections::{BTreeMap, VecDeque};

use crate::model::Millis;
use crate::queue::UnackedId;
use crate::telemetry::OutSpan;

/// One delivery that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unacked {
    /// Its delivery tag.
    pub delivery_tag: u64,
    /// Which of the channel's queues it came from.
    pub queue: u32,
    /// Its id there.
    pub id: UnackedId,
    /// It went to a consumer and took a place of the channel's window; `basic.get` takes none.
    pub windowed: bool,
}

/// The table of unacked deliveries, in order of their tags.
///
/// Tags grow by one a delivery and are mostly settled from the front, so the table is a queue with holes: settled
/// entries in the middle are marked, and closed up when they are the larger part.
#[derive(Debug, Default)]
pub struct UnackedTable {
    /// The last tag that was given out.
    last_tag: u64,
    entries: VecDeque<Entry>,
    settled: usize,
    /// Those of sampled messages.
    traced: BTreeMap<u64, OutSpan>,
    /// When which tags were out, oldest first; empty where nothing was out at the last look.
    marks: Vec<Mark>,
}

/// All up to `last_tag` were delivered at `at` or before.
#[derive(Clone, Copy, Debug)]
struct Mark {
    last_tag: u64,
    at: Millis,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    unacked: Unacked,
    settled: bool,
}

impl UnackedTable {
    /// The next delivery tag, for a delivery that needs no settlement.
    pub fn next_tag(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    /// Notes a delivery and gives its tag.
    pub fn add(&mut self, queue: u32, id: UnackedId, windowed: bool) -> u64 {
        let delivery_tag = self.next_tag();
        self.entries.push_back(Entry {
            unacked: Unacked {
                delivery_tag,
                queue,
                id,
                windowed,
            },
            settled: false,
        });
        delivery_tag
    }

    /// Notes the span of a delivery that is out.
    pub fn trace(&mut self, delivery_tag: u64, span: OutSpan) {
        self.traced.insert(delivery_tag, span);
    }

    /// Takes out the spans of deliveries that were taken; most often there are none.
    pub fn take_traced(&mut self, taken: &[Unacked]) -> Vec<(u64, OutSpan)> {
        if self.traced.is_empty() {
            return Vec::new();
        }
        let tags = taken.iter().map(|unacked| unacked.delivery_tag);
        tags.filter_map(|tag| Some((tag, self.traced.remove(&tag)?))).collect()
    }

    /// How many are out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() - self.settled
    }

    /// Whether none is out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes one out, or all up to it; false where the tag is unknown or settled already, and nothing is taken.
    pub fn take_into(&mut self, delivery_tag: u64, multiple: bool, out: &mut Vec<Unacked>) -> bool {
        if multiple {
            return self.take_up_to(delivery_tag, out);
        }
        let taken = self.take(delivery_tag);
        out.extend(taken);
        taken.is_some()
    }

    /// Takes one out; `None` where the tag is unknown or settled already.
    fn take(&mut self, delivery_tag: u64) -> Option<Unacked> {
        // Most often it is the oldest, which is not settled: it would have been closed up.
        if let Some(first) = self.entries.front().map(|entry| entry.unacked)
            && first.delivery_tag == delivery_tag
        {
            self.entries.pop_front();
            self.close_up();
            return Some(first);
        }
        let at = self.find(delivery_tag)?;
        let entry = &mut self.entries[at];
        if entry.settled {
            return None;
        }
        entry.settled = true;
        let unacked = entry.unacked;
        self.settled += 1;
        self.close_up();
        Some(unacked)
    }

    /// Takes out all up to and with `delivery_tag`, in order; 0 takes all (section 1.8.3.13, "multiple").
    ///
    /// False where the tag is unknown: nothing is taken then.
    pub fn take_up_to(&mut self, delivery_tag: u64, out: &mut Vec<Unacked>) -> bool {
        let upto = if delivery_tag == 0 { u64::MAX } else { delivery_tag };
        if delivery_tag != 0 && self.find(delivery_tag).is_none_or(|at| self.entries[at].settled) {
            return false;
        }
        while let Some(entry) = self.entries.front().copied() {
            if entry.unacked.delivery_tag > upto {
                break;
            }
            self.entries.pop_front();
            if entry.settled {
                self.settled -= 1;
            } else {
                out.push(entry.unacked);
            }
        }
        self.close_up();
        true
    }

    /// Whether a delivery has been out for `timeout` milliseconds or longer; to be asked now and then.
    ///
    /// Deliveries carry no time. Each call notes the last tag instead, so a delivery counts as out from the call after
    /// it on, and is found late by at most the time between two calls.
    pub fn is_overdue(&mut self, now: Millis, timeout: Millis) -> bool {
        let Some(oldest) = self.entries.front().map(|entry| entry.unacked.delivery_tag) else {
            self.marks = Vec::new();
            return false;
        };
        self.marks.retain(|mark| mark.last_tag >= oldest);
        if self.marks.last().is_none_or(|mark| mark.last_tag < self.last_tag) {
            self.marks.push(Mark {
                last_tag: self.last_tag,
                at: now,
            });
        }
        let since = self.marks.first().map_or(now, |mark| mark.at);
        now.saturating_sub(since) >= timeout
    }

    /// Puts deliveries back that a rolled-back transaction had settled.
    pub fn put_back(&mut self, unacked: impl IntoIterator<Item = Unacked>) {
        self.entries.retain(|entry| !entry.settled);
        self.settled = 0;
        self.entries.extend(unacked.into_iter().map(|unacked| Entry {
            unacked,
            settled: false,
        }));
        self.entries
            .make_contiguous()
            .sort_by_key(|entry| entry.unacked.delivery_tag);
    }

    /// Where the tag stands, if it does.
    fn find(&self, delivery_tag: u64) -> Option<usize> {
        let first = self.entries.front()?.unacked.delivery_tag;
        let guess = usize::try_from(delivery_tag.checked_sub(first)?).ok()?;
        // Without holes in the tags the guess is right; get and no-ack consumers of the channel make holes.
        if let Some(entry) = self.entries.get(guess)
            && entry.unacked.delivery_tag == delivery_tag
        {
            return Some(guess);
        }
        self.entries
            .binary_search_by_key(&delivery_tag, |entry| entry.unacked.delivery_tag)
            .ok()
    }

    fn close_up(&mut self) {
        if self.settled == 0 {
            return;
        }
        while self.entries.front().is_some_and(|entry| entry.settled) {
            self.entries.pop_front();
            self.settled -= 1;
        }
        if self.settled > 64 && self.settled * 2 > self.entries.len() {
            self.entries.retain(|entry| !entry.settled);
            self.settled = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sequence: u64) -> UnackedId {
        UnackedId { slot: 0, sequence }
    }

    fn filled(count: u64) -> UnackedTable {
        let mut table = UnackedTable::default();
        for sequence in 1..=count {
            assert_eq!(table.add(0, id(sequence), true), sequence);
        }
        table
    }

    #[test]
    fn each_tag_is_settled_once() {
        let mut table = filled(3);
        assert_eq!(table.take(2).map(|u| u.id), Some(id(2)));
        assert_eq!(table.take(2), None);
        assert_eq!(table.take(4), None);
        assert_eq!(table.take(0), None);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn multiple_takes_what_is_left_up_to_the_tag() {
        let mut table = filled(5);
        table.take(2);
        let mut out = Vec::new();
        assert!(table.take_up_to(4, &mut out));
        assert_eq!(out.iter().map(|u| u.delivery_tag).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(!table.take_up_to(4, &mut out), "already settled");
        assert!(!table.take_up_to(9, &mut out), "never given out");
        out.clear();
        assert!(table.take_up_to(0, &mut out));
        assert_eq!(out.len(), 1);
        assert!(table.take_up_to(0, &mut out), "0 means all, even if that is none");
        assert!(table.is_empty());
    }

    #[test]
    fn one_old_delivery_does_not_hold_the_table_open() {
        let mut table = filled(1);
        for _ in 0..100_000 {
            let tag = table.add(0, id(0), true);
            assert!(table.take(tag).is_some());
        }
        assert_eq!(table.len(), 1);
        assert!(table.entries.len() < 200);
        assert!(table.take(1).is_some());
    }

    #[test]
    fn a_rollback_puts_deliveries_back_in_order() {
        let mut table = filled(4);
        let taken: Vec<_> = [3, 1].iter().filter_map(|tag| table.take(*tag)).collect();
        table.next_tag();
        table.put_back(taken);
        let mut out = Vec::new();
        assert!(table.take_up_to(3, &mut out));
        assert_eq!(out.iter().map(|u| u.delivery_tag).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn the_oldest_delivery_is_overdue_when_its_time_has_passed_since_a_look() {
        let mut table = filled(2);
        assert!(!table.is_overdue(1_000, 500), "seen out for the first time");
        assert!(!table.is_overdue(1_499, 500));
        assert!(table.is_overdue(1_500, 500));
    }

    #[test]
    fn a_channel_that_keeps_settling_is_never_overdue() {
        let mut table = filled(1);
        for tag in 1..1_000 {
            assert!(!table.is_overdue(tag * 100, 250), "tag {tag}");
            table.add(0, id(0), true);
            assert!(table.take(tag).is_some());
        }
        assert!(table.marks.len() <= 2, "a mark goes with its deliveries");
    }

    #[test]
    fn a_late_delivery_does_not_inherit_the_time_of_an_early_one() {
        let mut table = filled(1);
        assert!(!table.is_overdue(0, 500));
        table.add(0, id(2), true);
        assert!(!table.is_overdue(400, 500));
        assert!(table.take(1).is_some());
        assert!(!table.is_overdue(800, 500), "the second is out since 400");
        assert!(table.is_overdue(900, 500));
        assert!(table.take(2).is_some());
        assert!(!table.is_overdue(10_000, 500));
        assert!(table.marks.is_empty());
    }
}
