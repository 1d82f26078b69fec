//! The topic exchange: keys of words between dots; `*` stands for one word, `#` for any number, zero included.
//!
//! The binding keys form a trie. A routing key is matched by walking its words once with the set of all trie nodes
//! that its beginning reaches, so the work is bounded by words times reachable nodes: no backtracking, also not for
//! `#.#.#.#`. All nodes share one hash table of (parent, word), which keeps a node small; a node's first child for a
//! literal word stands in the node itself, since in a large trie most nodes have no second one.
//!
//! As in RabbitMQ the empty key has no words, and any other empty word (`a..b`, `.`) is a word.

use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use slab::Slab;
use smallvec::SmallVec;

use super::links::{By, Chain, Links, NONE};
use crate::model::Name;

const ROOT: u32 = 0;

/// A word of at most this many bytes lies in its node.
const INLINE_BYTES: usize = 22;

/// The binding keys of one topic exchange.
#[derive(Debug)]
pub(super) struct TopicTrie {
    nodes: Slab<Node>,
    /// Ids of the nodes whose word is a literal, by parent and word, without those that stand in their parent.
    literals: HashTable<u32>,
}

#[derive(Debug)]
struct Node {
    word: Word,
    parent: u32,
    /// The child for `*`.
    star: u32,
    /// The child for `#`.
    hash: u32,
    /// One child for a literal word.
    literal: u32,
    /// How many more such children are in the table.
    literals: u32,
    /// The bindings whose key ends here.
    chain: Chain,
}

#[derive(Debug)]
enum Word {
    Inline(u8, [u8; INLINE_BYTES]),
    Heap(Box<[u8]>),
}

/// Nodes that the words so far reach. 16 of them need no allocation.
type States = SmallVec<[u32; 16]>;

impl Default for TopicTrie {
    fn default() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::new("", NONE));
        Self {
            nodes,
            literals: HashTable::new(),
        }
    }
}

impl TopicTrie {
    /// The node of a binding key, if it is in the trie.
    pub fn find(&self, key: &str) -> Option<u32> {
        words(key).try_fold(ROOT, |node, word| self.child(node, word))
    }

    /// The node of a binding key, made where there is none.
    pub fn place(&mut self, key: &str) -> u32 {
        words(key).fold(ROOT, |node, word| match self.child(node, word) {
            Some(child) => child,
            None => self.add_child(node, word),
        })
    }

    /// The binding key of a node.
    pub fn key(&self, place: u32) -> Name {
        let mut path: SmallVec<[&[u8]; 16]> = SmallVec::new();
        let mut at = place;
        while let Some(node) = self.node(at).filter(|node| node.parent != NONE) {
            path.push(node.word.bytes());
            at = node.parent;
        }
        path.reverse();
        // Words are pieces of text cut at dots, so joining them with dots gives text again.
        Name::from(&*String::from_utf8_lossy(&path.join(&b"."[..])))
    }

    pub fn chain(&self, place: u32) -> Chain {
        self.node(place).map_or(Chain::EMPTY, |node| node.chain)
    }

    pub fn chain_mut(&mut self, place: u32) -> Option<&mut Chain> {
        self.nodes.get_mut(place as usize).map(|node| &mut node.chain)
    }

    /// Forgets a node without bindings and children, and then its parents likewise.
    pub fn prune(&mut self, mut place: u32) {
        while let Some(node) = self.node(place) {
            let parent = node.parent;
            if parent == NONE || !node.is_bare() {
                break;
            }
            self.remove_child(parent, place);
            place = parent;
        }
        if self.nodes.len() == 1 && self.node(ROOT).is_some_and(Node::is_bare) {
            // Gives the memory back once the last binding has gone.
            *self = Self::default();
        }
    }

    /// The bindings of all nodes that have any.
    pub fn chains(&self) -> impl Iterator<Item = Chain> {
        let chains = self.nodes.iter().map(|(_, node)| node.chain);
        chains.filter(|chain| !chain.is_empty())
    }

    /// How many nodes there are, the root included.
    #[cfg(test)]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes whose binding key matches `key`; each once.
    fn matches(&self, key: &str, mut each: impl FnMut(&Node)) {
        // A node for a word or `*` is reached from its one parent, hence once a word. A node for `#` stays in the
        // set for good once it is in; only those need deduplication.
        let mut single = States::from_slice(&[ROOT]);
        let mut hashes = States::new();
        self.enter_hashes(&single, &mut hashes);
        let mut next = States::new();
        for word in words(key) {
            next.clear();
            for &id in single.iter().chain(&hashes) {
                self.advance(id, word, &mut next);
            }
            std::mem::swap(&mut single, &mut next);
            self.enter_hashes(&single, &mut hashes);
            if single.is_empty() && hashes.is_empty() {
                return;
            }
        }
        single
            .iter()
            .chain(&hashes)
            .filter_map(|&id| self.node(id))
            .for_each(&mut each);
    }

    /// Adds the children of the node `id` that take `word`.
    fn advance(&self, id: u32, word: &str, next: &mut States) {
        let Some(node) = self.node(id) else {
            return;
        };
        if node.star != NONE {
            next.push(node.star);
        }
        // A published `*` or `#` is a word like others; as no binding can ask for it literally, it finds nothing here.
        if node.has_literals() {
            next.extend(self.literal(id, node, word));
        }
    }

    /// Adds the `#` children of `reached` and their `#` children: they match zero words.
    fn enter_hashes(&self, reached: &[u32], hashes: &mut States) {
        let before = hashes.len();
        for &id in reached {
            let mut hash = self.node(id).map_or(NONE, |node| node.hash);
            while hash != NONE {
                hashes.push(hash);
                hash = self.node(hash).map_or(NONE, |node| node.hash);
            }
        }
        if hashes.len() > before && before > 0 {
            // Stable, since that sort is linear for a sorted beginning with few behind it.
            hashes.sort();
            hashes.dedup();
        }
    }

    fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    fn child(&self, parent: u32, word: &str) -> Option<u32> {
        let node = self.node(parent)?;
        match word {
            "*" => Some(node.star).filter(|&id| id != NONE),
            "#" => Some(node.hash).filter(|&id| id != NONE),
            _ => self.literal(parent, node, word),
        }
    }

    /// The child for a literal word of the node with the id `parent`.
    fn literal(&self, parent: u32, node: &Node, word: &str) -> Option<u32> {
        let same = |&id: &u32| {
            self.node(id)
                .is_some_and(|node| node.parent == parent && node.word.bytes() == word.as_bytes())
        };
        if same(&node.literal) {
            return Some(node.literal);
        }
        if node.literals == 0 {
            return None;
        }
        self.literals.find(hash(parent, word.as_bytes()), same).copied()
    }

    fn add_child(&mut self, parent: u32, word: &str) -> u32 {
        let id = self.nodes.insert(Node::new(word, parent)) as u32;
        let Some(node) = self.nodes.get_mut(parent as usize) else {
            return id;
        };
        match word {
            "*" => node.star = id,
            "#" => node.hash = id,
            _ if node.literal == NONE => node.literal = id,
            _ => {
                node.literals += 1;
                let nodes = &self.nodes;
                let rehash = |&id: &u32| nodes.get(id as usize).map_or(0, |n| hash(n.parent, n.word.bytes()));
                self.literals.insert_unique(hash(parent, word.as_bytes()), id, rehash);
            }
        }
        id
    }

    fn remove_child(&mut self, parent: u32, id: u32) {
        let Some(child) = self.nodes.try_remove(id as usize) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(parent as usize) else {
            return;
        };
        match child.word.bytes() {
            b"*" => node.star = NONE,
            b"#" => node.hash = NONE,
            _ if node.literal == id => node.literal = NONE,
            word => {
                node.literals -= 1;
                if let Ok(entry) = self.literals.find_entry(hash(parent, word), |&other| other == id) {
                    entry.remove();
                }
            }
        }
    }
}

impl Node {
    fn new(word: &str, parent: u32) -> Self {
        Self {
            word: Word::new(word.as_bytes()),
            parent,
            star: NONE,
            hash: NONE,
            literal: NONE,
            literals: 0,
            chain: Chain::EMPTY,
        }
    }

    fn has_literals(&self) -> bool {
        self.literal != NONE || self.literals > 0
    }

    fn is_bare(&self) -> bool {
        self.chain.is_empty() && !self.has_literals() && self.star == NONE && self.hash == NONE
    }
}

impl Word {
    fn new(word: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match bytes.get_mut(..word.len()) {
            Some(place) => {
                place.copy_from_slice(word);
                Self::Inline(word.len() as u8, bytes)
            }
            None => Self::Heap(word.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }
}

/// The bindings whose pattern matches one of `keys`.
pub(super) fn select(trie: &TopicTrie, links: &Links, keys: &[&str], each: &mut impl FnMut(u32)) {
    for key in keys {
        trie.matches(key, |node| links.iter(node.chain, By::Place).for_each(&mut *each));
    }
}

/// The words of a key; none for the empty key.
fn words(key: &str) -> impl Iterator<Item = &str> {
    key.split('.').take(if key.is_empty() { 0 } else { usize::MAX })
}

fn hash(parent: u32, word: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u32(parent);
    hasher.write(word);
    hasher.finish()
}
