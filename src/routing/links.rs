//! The store of bindings: one compact record each, in two chains.
//!
//! A record hangs in the chain of its place (the bindings of one exchange with one key) and in the chain of its
//! destination. So a queue's bindings are found without a look at all others, removal is constant in time, and
//! there is no further index to pay for: a million bindings stay small.

use slab::Slab;

use crate::model::{FieldTable, encode_table};

/// No record.
pub(super) const NONE: u32 = u32::MAX;

/// The most records, so that each has a 32-bit id.
const MOST_LINKS: usize = NONE as usize;

/// Where a record leads: ids within the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Queue(u32),
    Exchange(u32),
}

/// One binding.
#[derive(Debug)]
pub(super) struct Link {
    pub source: u32,
    pub place: u32,
    pub target: Target,
    /// `None` for no arguments, which most bindings have.
    arguments: Option<Box<FieldTable>>,
    by_place: Neighbours,
    by_target: Neighbours,
}

impl Link {
    /// A copy of the arguments.
    pub fn arguments(&self) -> FieldTable {
        self.arguments.as_deref().cloned().unwrap_or_default()
    }

    fn has_arguments(&self, arguments: &FieldTable) -> bool {
        match &self.arguments {
            None => arguments.is_empty(),
            // As bytes where the values differ, since a NaN is not equal to itself but is the same argument.
            Some(own) => **own == *arguments || encoded(own) == encoded(arguments),
        }
    }
}

fn encoded(table: &FieldTable) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_table(table, &mut bytes);
    bytes
}

#[derive(Clone, Copy, Debug)]
struct Neighbours {
    previous: u32,
    next: u32,
}

impl Neighbours {
    const ALONE: Self = Self {
        previous: NONE,
        next: NONE,
    };
}

/// The head of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u32,
    len: u32,
}

impl Chain {
    pub const EMPTY: Self = Self { first: NONE, len: 0 };

    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Which of a record's two chains.
#[derive(Clone, Copy)]
pub(super) enum By {
    Place,
    Target,
}

/// All records of a router.
#[derive(Debug, Default)]
pub(super) struct Links {
    slab: Slab<Link>,
}

impl Links {
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    pub fn is_full(&self) -> bool {
        self.slab.len() >= MOST_LINKS
    }

    pub fn get(&self, id: u32) -> Option<&Link> {
        self.slab.get(id as usize)
    }

    /// Adds a record; the caller has seen that the store is not full, and chains it with [`Links::chain`].
    pub fn insert(&mut self, source: u32, place: u32, target: Target, arguments: FieldTable) -> u32 {
        let arguments = (!arguments.is_empty()).then(|| Box::new(arguments));
        self.slab.insert(Link {
            source,
            place,
            target,
            arguments,
            by_place: Neighbours::ALONE,
            by_target: Neighbours::ALONE,
        }) as u32
    }

    /// Takes a record out of the store; the caller has unchained it.
    pub fn remove(&mut self, id: u32) -> Option<Link> {
        let link = self.slab.try_remove(id as usize);
        if self.slab.is_empty() {
            self.slab = Slab::new();
        }
        link
    }

    /// Puts the record at the head of a chain.
    pub fn chain(&mut self, id: u32, chain: &mut Chain, by: By) {
        let old_first = std::mem::replace(&mut chain.first, id);
        chain.len += 1;
        if let Some(neighbours) = self.neighbours(id, by) {
            neighbours.next = old_first;
        }
        if let Some(neighbours) = self.neighbours(old_first, by) {
            neighbours.previous = id;
        }
    }

    /// Takes the record out of a chain that it is in.
    pub fn unchain(&mut self, id: u32, chain: &mut Chain, by: By) {
        let Some(neighbours) = self.neighbours(id, by) else {
            return;
        };
        let Neighbours { previous, next } = std::mem::replace(neighbours, Neighbours::ALONE);
        match self.neighbours(previous, by) {
            Some(neighbours) => neighbours.next = next,
            None => chain.first = next,
        }
        if let Some(neighbours) = self.neighbours(next, by) {
            neighbours.previous = previous;
        }
        chain.len -= 1;
    }

    /// The ids in a chain, newest first.
    pub fn iter(&self, chain: Chain, by: By) -> impl Iterator<Item = u32> {
        let mut id = chain.first;
        std::iter::from_fn(move || {
            let link = self.get(id)?;
            let next = match by {
                By::Place => link.by_place.next,
                By::Target => link.by_target.next,
            };
            Some(std::mem::replace(&mut id, next))
        })
    }

    /// The record with this identity, looked for in the shorter of the two chains that it must be in.
    pub fn find(
        &self,
        (at_place, at_target): (Chain, Chain),
        (source, place): (u32, u32),
        target: Target,
        arguments: &FieldTable,
    ) -> Option<u32> {
        let (chain, by) = match at_place.len <= at_target.len {
            true => (at_place, By::Place),
            false => (at_target, By::Target),
        };
        self.iter(chain, by).find(|&id| {
            self.get(id).is_some_and(|link| {
                link.source == source && link.place == place && link.target == target && link.has_arguments(arguments)
            })
        })
    }

    fn neighbours(&mut self, id: u32, by: By) -> Option<&mut Neighbours> {
        let link = self.slab.get_mut(id as usize)?;
        Some(match by {
            By::Place => &mut link.by_place,
            By::Target => &mut link.by_target,
        })
    }
}
