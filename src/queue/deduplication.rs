//! What was seen lately: a set of values with a bounded size and, for each value, an end.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::model::Millis;

/// Values that were seen. When it is full the oldest goes.
///
/// Each value has a number that grows, by which it can be kept elsewhere.
#[derive(Debug)]
pub struct SeenValues {
    capacity: usize,
    numbers: FxHashMap<Box<[u8]>, u64>,
    /// By number: the value, and when it may be seen again.
    entries: BTreeMap<u64, (Box<[u8]>, Option<Millis>)>,
    next: u64,
}

impl SeenValues {
    /// An empty set of at most `capacity` values, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            numbers: FxHashMap::default(),
            entries: BTreeMap::new(),
            next: 1,
        }
    }

    /// How many values there are, those whose end has come included until somebody asks for them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the value was seen and its end has not come.
    #[must_use]
    pub fn contains(&self, value: &[u8], now: Millis) -> bool {
        let number = self.numbers.get(value);
        let entry = number.and_then(|number| self.entries.get(number));
        entry.is_some_and(|(_, until)| until.is_none_or(|until| now < until))
    }

    /// Adds a value, in place of an earlier one; gives its number. Numbers of values that went for it are appended to
    /// `gone`.
    pub fn insert(&mut self, value: &[u8], until: Option<Millis>, gone: &mut Vec<u64>) -> u64 {
        let number = self.next;
        self.place(number, value, until, gone);
        number
    }

    /// Takes the value of that number away; false where it has gone, or came again under another number.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some((value, _)) = self.entries.remove(&number) else {
            return false;
        };
        self.numbers.remove(&value);
        true
    }

    /// Puts a value back under its old number, in any order.
    pub fn restore(&mut self, number: u64, value: &[u8], until: Option<Millis>, gone: &mut Vec<u64>) {
        self.place(number, value, until, gone);
    }

    fn place(&mut self, number: u64, value: &[u8], until: Option<Millis>, gone: &mut Vec<u64>) {
        self.next = self.next.max(number.saturating_add(1));
        if let Some(old) = self.numbers.insert(value.into(), number) {
            self.entries.remove(&old);
            gone.push(old);
        }
        self.entries.insert(number, (value.into(), until));
        while self.entries.len() > self.capacity
            && let Some((number, (value, _))) = self.entries.pop_first()
        {
            self.numbers.remove(&value);
            gone.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_until_its_end() {
        let mut seen = SeenValues::new(10);
        let mut gone = Vec::new();
        assert_eq!(seen.insert(b"a", Some(100), &mut gone), 1);
        seen.insert(b"b", None, &mut gone);
        assert!(seen.contains(b"a", 99) && !seen.contains(b"a", 100));
        assert!(seen.contains(b"b", u64::MAX) && !seen.contains(b"c", 0));
        seen.insert(b"a", Some(200), &mut gone);
        assert!(seen.contains(b"a", 199));
        assert_eq!((gone, seen.len()), (vec![1], 2));
    }

    #[test]
    fn a_value_is_taken_away_by_its_own_number_only() {
        let mut seen = SeenValues::new(10);
        let mut gone = Vec::new();
        let first = seen.insert(b"a", Some(100), &mut gone);
        let second = seen.insert(b"a", None, &mut gone);
        assert!(!seen.remove(first) && seen.contains(b"a", 0));
        assert!(seen.remove(second) && !seen.contains(b"a", 0));
        assert!(!seen.remove(second) && seen.is_empty());
        assert_eq!(gone, [first]);
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let mut seen = SeenValues::new(2);
        let mut gone = Vec::new();
        for value in ["a", "b", "a", "c"] {
            seen.insert(value.as_bytes(), None, &mut gone);
        }
        assert!(!seen.contains(b"b", 0) && seen.contains(b"a", 0) && seen.contains(b"c", 0));
        assert_eq!(gone, [1, 2]);
    }

    #[test]
    fn what_comes_back_keeps_its_number_and_new_values_come_after() {
        let mut seen = SeenValues::new(2);
        let mut gone = Vec::new();
        for (number, value) in [(7, "b"), (5, "a"), (9, "c")] {
            seen.restore(number, value.as_bytes(), None, &mut gone);
        }
        assert_eq!(gone, [5]);
        assert_eq!(seen.insert(b"d", None, &mut gone), 10);
        assert!(!seen.is_empty() && !seen.contains(b"b", 0) && seen.contains(b"c", 0));
    }
}
