//! Which addresses have given wrong passwords of late.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::Millis;

/// So many failures are nobody's guessing.
const FREE: u32 = 3;

/// An address without another failure for so long is forgotten, in milliseconds.
const MEMORY_MS: Millis = 60_000;

/// Addresses that are remembered at a time. Whoever has more of them can guess from those that are not.
const ADDRESSES_MAX: usize = 10_000;

/// Failed logins of one broker.
#[derive(Debug, Default)]
pub struct LoginFailures {
    total: AtomicU64,
    recent: Mutex<FxHashMap<IpAddr, Recent>>,
}

#[derive(Clone, Copy, Debug)]
struct Recent {
    count: u32,
    last: Millis,
}

impl LoginFailures {
    /// Counts a failure from `address`.
    pub fn note(&self, address: IpAddr, now: Millis) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let mut recent = self.recent.lock();
        if recent.len() >= ADDRESSES_MAX {
            recent.retain(|_, entry| !entry.is_over(now));
        }
        let key = key(address);
        if recent.len() >= ADDRESSES_MAX && !recent.contains_key(&key) {
            return;
        }
        let entry = recent.entry(key).or_insert(Recent { count: 0, last: now });
        if entry.is_over(now) {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last = now;
    }

    /// Whether somebody at `address` seems to guess.
    #[must_use]
    pub fn is_suspect(&self, address: IpAddr, now: Millis) -> bool {
        let recent = self.recent.lock();
        recent
            .get(&key(address))
            .is_some_and(|entry| entry.count >= FREE && !entry.is_over(now))
    }

    /// The addresses that failures are held against, and how many, the most first.
    #[must_use]
    pub fn by_address(&self, now: Millis) -> Vec<(IpAddr, u32)> {
        let recent = self.recent.lock();
        let standing = recent.iter().filter(|(_, entry)| !entry.is_over(now));
        let mut counts: Vec<_> = standing.map(|(address, entry)| (*address, entry.count)).collect();
        drop(recent);
        counts.sort_unstable_by_key(|(address, count)| (std::cmp::Reverse(*count), *address));
        counts
    }

    /// Holds nothing against anybody any more; the total stays.
    pub fn forget(&self) {
        self.recent.lock().clear();
    }

    /// How many there were since the start.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

impl Recent {
    fn is_over(self, now: Millis) -> bool {
        now.saturating_sub(self.last) >= MEMORY_MS
    }
}

/// A host with IPv6 has a whole /64 to itself.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_few_failures_make_a_suspect_for_a_while() {
        let failures = LoginFailures::default();
        let guesser = address("192.0.2.1");
        for now in 0..3 {
            assert!(!failures.is_suspect(guesser, now));
            failures.note(guesser, now);
        }
        assert!(failures.is_suspect(guesser, 3));
        assert!(failures.is_suspect(address("::ffff:192.0.2.1"), 3));
        assert!(!failures.is_suspect(address("192.0.2.2"), 3));
        assert!(!failures.is_suspect(guesser, 2 + MEMORY_MS));
        failures.note(guesser, 2 + MEMORY_MS);
        assert!(!failures.is_suspect(guesser, 2 + MEMORY_MS), "counted from one again");
        assert_eq!(failures.total(), 4);
    }

    #[test]
    fn failures_are_counted_by_address_until_they_are_forgotten() {
        let failures = LoginFailures::default();
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for from in [one, other, other, other] {
            failures.note(from, 0);
        }
        assert_eq!(failures.by_address(1), [(other, 3), (one, 1)]);
        assert_eq!(failures.by_address(MEMORY_MS), []);
        failures.forget();
        assert_eq!(failures.by_address(1), []);
        assert!(!failures.is_suspect(other, 1));
        assert_eq!(failures.total(), 4);
    }

    #[test]
    fn the_addresses_of_one_host_are_one() {
        let failures = LoginFailures::default();
        for own in ["2001:db8:0:1::1", "2001:db8:0:1:2:3:4:5", "2001:db8:0:1:ffff::"] {
            failures.note(address(own), 0);
        }
        assert!(failures.is_suspect(address("2001:db8:0:1::9"), 0));
        assert!(!failures.is_suspect(address("2001:db8:0:2::9"), 0));
    }

    #[test]
    fn memory_is_bounded() {
        let failures = LoginFailures::default();
        for number in 0..ADDRESSES_MAX as u32 + 500 {
            failures.note(IpAddr::from(number.to_be_bytes()), 0);
        }
        assert_eq!(failures.recent.lock().len(), ADDRESSES_MAX);
        failures.note(address("192.0.2.1"), MEMORY_MS);
        assert_eq!(failures.recent.lock().len(), 1, "the old make room");
    }
}
