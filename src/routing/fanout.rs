//! The fanout exchange: every binding, whatever the key.

use super::direct::KeyTable;
use super::links::{By, Links};

/// All bindings.
pub(super) fn select(table: &KeyTable, links: &Links, each: &mut impl FnMut(u32)) {
    for chain in table.chains() {
        links.iter(chain, By::Place).for_each(&mut *each);
    }
}
