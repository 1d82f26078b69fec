//! The direct exchange: the binding key equals the routing key. Also the table of keys that all exchange types but
//! topic keep their bindings in.

use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use slab::Slab;

use super::links::{By, Chain, Links};
use crate::model::Name;

/// The binding keys of one exchange, each a place with its bindings.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    places: Slab<Place>,
    by_key: HashTable<u32>,
}

#[derive(Debug)]
struct Place {
    key: Name,
    chain: Chain,
}

impl KeyTable {
    /// The place of a key, if it has bindings.
    pub fn find(&self, key: &str) -> Option<u32> {
        let same = |&place: &u32| self.places.get(place as usize).is_some_and(|p| p.key == *key);
        self.by_key.find(hash(key), same).copied()
    }

    /// The place of a key, made where there is none.
    pub fn place(&mut self, key: &str) -> u32 {
        if let Some(place) = self.find(key) {
            return place;
        }
        let place = self.places.insert(Place {
            key: Name::from(key),
            chain: Chain::EMPTY,
        }) as u32;
        let places = &self.places;
        let rehash = |&place: &u32| places.get(place as usize).map_or(0, |p| hash(&p.key));
        self.by_key.insert_unique(hash(key), place, rehash);
        place
    }

    /// The key of a place.
    pub fn key(&self, place: u32) -> Name {
        self.places
            .get(place as usize)
            .map(|p| p.key.clone())
            .unwrap_or_default()
    }

    pub fn chain(&self, place: u32) -> Chain {
        self.places.get(place as usize).map_or(Chain::EMPTY, |p| p.chain)
    }

    pub fn chain_mut(&mut self, place: u32) -> Option<&mut Chain> {
        self.places.get_mut(place as usize).map(|p| &mut p.chain)
    }

    /// Forgets a place without bindings.
    pub fn prune(&mut self, place: u32) {
        if !self.places.get(place as usize).is_some_and(|p| p.chain.is_empty()) {
            return;
        }
        let removed = self.places.remove(place as usize);
        if let Ok(entry) = self.by_key.find_entry(hash(&removed.key), |&other| other == place) {
            entry.remove();
        }
        if self.places.is_empty() {
            *self = Self::default();
        }
    }

    /// All places with their chains, in an order that depends only on what was bound and unbound.
    pub fn chains(&self) -> impl Iterator<Item = Chain> {
        self.places.iter().map(|(_, place)| place.chain)
    }
}

/// The bindings whose key is one of `keys`.
pub(super) fn select(table: &KeyTable, links: &Links, keys: &[&str], each: &mut impl FnMut(u32)) {
    for key in keys {
        if let Some(place) = table.find(key) {
            links.iter(table.chain(place), By::Place).for_each(&mut *each);
        }
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key.as_bytes());
    hasher.finish()
}
