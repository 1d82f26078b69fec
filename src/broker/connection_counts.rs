//! How many connections each vhost, user and address has, and how many channels each user, so that limits can be held.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::Name;

/// The counts of one broker. A connection is counted for as long as it holds its [`Counted`]s, so that none stays
/// counted however it ends.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    /// Of each peer address, from the first byte on.
    pub addresses: Arc<Tally<IpAddr>>,
    /// Of each user, since `connection.open`.
    pub users: Arc<Tally<Name>>,
    /// Of each vhost, since `connection.open`.
    pub vhosts: Arc<Tally<Name>>,
    /// Channels of each user, over all its connections.
    pub channels: Arc<Tally<Name>>,
}

/// Counts by key; keys with none take no space.
#[derive(Debug)]
pub struct Tally<K: Eq + Hash>(Mutex<FxHashMap<K, u32>>);

/// One in a tally, until it is dropped.
#[derive(Debug)]
pub struct Counted<K: Eq + Hash> {
    tally: Arc<Tally<K>>,
    key: K,
}

impl<K: Eq + Hash> Default for Tally<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Tally<K> {
    /// Counts one more, unless `limit` is reached.
    #[must_use]
    pub fn enter(self: &Arc<Self>, key: K, limit: u32) -> Option<Counted<K>> {
        let mut counts = self.0.lock();
        let now = counts.get(&key).copied().unwrap_or_default();
        if now >= limit {
            return None;
        }
        counts.insert(key.clone(), now + 1);
        drop(counts);
        let tally = Arc::clone(self);
        Some(Counted { tally, key })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self, key: &K) -> u32 {
        self.0.lock().get(key).copied().unwrap_or_default()
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.tally.0.lock();
        // Looked up once more by reference: the key is not copied to be removed.
        let left = counts.get_mut(&self.key).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            counts.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_until_one_leaves() {
        let counts = ConnectionCounts::default();
        let first = counts.users.enter("ann".into(), 2).unwrap();
        let second = counts.users.enter("ann".into(), 2).unwrap();
        assert!(counts.users.enter("ann".into(), 2).is_none());
        assert!(counts.users.enter("bob".into(), 2).is_some(), "another key");
        drop(first);
        assert_eq!(counts.users.count(&"ann".into()), 1);
        let third = counts.users.enter("ann".into(), 2).unwrap();
        drop((second, third));
        assert!(counts.users.0.lock().is_empty(), "no key stays for nothing");
    }

    #[test]
    fn none_may_enter_at_a_limit_of_0() {
        let counts = ConnectionCounts::default();
        assert!(counts.vhosts.enter("/".into(), 0).is_none());
        assert!(counts.vhosts.0.lock().is_empty());
    }

    #[test]
    fn who_is_taken_down_by_a_panic_is_counted_no_longer() {
        let counts = ConnectionCounts::default();
        let held = counts.vhosts.enter("/".into(), 9);
        let thrown = std::thread::spawn(move || {
            let _held = held;
            std::panic::resume_unwind(Box::new("gone"));
        })
        .join();
        assert!(thrown.is_err());
        assert_eq!(counts.vhosts.count(&"/".into()), 0);
    }
}
