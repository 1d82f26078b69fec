//! What differs between two configurations, for SIGHUP.

use std::collections::BTreeMap;

use super::declare::{Apply, Change};
use super::entries::{Checked, Declared};

/// What a new configuration changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Can be applied by a running broker; declared entries among them.
    pub reloadable: Vec<Change>,
    /// Must be logged as waiting for a restart.
    pub needs_restart: Vec<Change>,
}

impl Changes {
    pub(crate) fn sorted(all: Vec<Change>) -> Self {
        let (reloadable, needs_restart) = all
            .into_iter()
            .partition(|change| change.apply == Apply::Reload);
        Changes {
            reloadable,
            needs_restart,
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.reloadable.is_empty() && self.needs_restart.is_empty()
    }
}

/// Compares entries by what they declare, wherever they stand.
pub(crate) fn compare_entries<T: Checked>(
    old: &[Declared<T>],
    new: &[Declared<T>],
    changes: &mut Vec<Change>,
) {
    let by_identity = |entries: &[Declared<T>]| -> BTreeMap<String, T> {
        let pairs = entries.iter().map(|e| (e.identity(), e.entry.clone()));
        pairs.collect()
    };
    let (old, new) = (by_identity(old), by_identity(new));
    let none = || "not declared".to_owned();
    let mut push = |identity: &str, before: Option<&T>, after: Option<&T>| {
        if before != after {
            changes.push(Change {
                key: format!("{}: {identity}", T::ARRAY),
                old: before.map_or_else(none, T::show),
                new: after.map_or_else(none, T::show),
                apply: Apply::Reload,
            });
        }
    };
    for (identity, before) in &old {
        push(identity, Some(before), new.get(identity));
    }
    for (identity, after) in &new {
        if !old.contains_key(identity) {
            push(identity, None, Some(after));
        }
    }
}
