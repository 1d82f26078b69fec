//! Exchanges: what they were declared with, and the part that chooses among their bindings.

use std::fmt;

use super::binding::DestinationName;
use super::consistent_hash::{self, HashOn, HashRing};
use super::direct::{self, KeyTable};
use super::error::{BindError, DeclareError};
use super::fanout;
use super::headers::{self, HeaderRules, Rule};
use super::links::{Chain, Links};
use super::modulus_hash;
use super::random;
use super::targets::Targets;
use super::topic::{self, TopicTrie};
use super::traverse::Envelope;
use crate::model::{FieldTable, Name};

/// The exchange types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExchangeKind {
    /// `direct`
    Direct,
    /// `fanout`
    Fanout,
    /// `topic`
    Topic,
    /// `headers`
    Headers,
    /// `x-consistent-hash`
    ConsistentHash,
    /// `x-random`
    Random,
    /// `x-modulus-hash`
    ModulusHash,
    /// `x-delayed-message`: routes as the type in its argument `x-delayed-type`; the broker delays.
    DelayedMessage,
    /// `x-recent-history`: routes as fanout; the broker keeps the history.
    RecentHistory,
    /// `x-message-deduplication`: routes as fanout; the broker refuses duplicates.
    MessageDeduplication,
}

impl ExchangeKind {
    /// Every type.
    pub const ALL: [Self; 10] = [
        Self::Direct,
        Self::Fanout,
        Self::Topic,
        Self::Headers,
        Self::ConsistentHash,
        Self::Random,
        Self::ModulusHash,
        Self::DelayedMessage,
        Self::RecentHistory,
        Self::MessageDeduplication,
    ];

    /// The type of this name; `None` where there is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::ConsistentHash => "x-consistent-hash",
            Self::Random => "x-random",
            Self::ModulusHash => "x-modulus-hash",
            Self::DelayedMessage => "x-delayed-message",
            Self::RecentHistory => "x-recent-history",
            Self::MessageDeduplication => "x-message-deduplication",
        }
    }
}

impl fmt::Display for ExchangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an exchange is declared with.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeSpec {
    /// Its type.
    pub kind: ExchangeKind,
    /// It survives a restart.
    pub durable: bool,
    /// It goes when the last binding from it goes.
    pub auto_delete: bool,
    /// Clients may not publish to it; the caller of the router sees to that.
    pub internal: bool,
    /// Its arguments, as declared.
    pub arguments: FieldTable,
}

impl ExchangeSpec {
    /// A durable exchange without arguments.
    #[must_use]
    pub fn durable(kind: ExchangeKind) -> Self {
        Self {
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::new(),
        }
    }
}

/// One exchange with its bindings.
#[derive(Debug)]
pub struct Exchange {
    name: Name,
    spec: ExchangeSpec,
    alternate: Option<Name>,
    outbound: usize,
    inbound: Chain,
    keys: Keys,
    selection: Selection,
}

/// The bindings by key.
#[derive(Debug)]
enum Keys {
    Flat(KeyTable),
    Trie(TopicTrie),
}

/// How an exchange chooses among its bindings.
#[derive(Debug)]
enum Selection {
    ByKey,
    All,
    Headers(HeaderRules),
    ConsistentHash(HashRing),
    Random(Targets),
    ModulusHash(Targets),
}

/// What a binding's key and arguments say to the exchange type, checked before anything is changed.
pub(super) enum Terms {
    None,
    Headers(Rule),
    Weight(u32),
}

impl Exchange {
    pub(super) fn new(name: Name, spec: ExchangeSpec) -> Result<Self, DeclareError> {
        let alternate = match spec.arguments.get("alternate-exchange") {
            None => None,
            Some(value) => match value.as_text() {
                Some(text) => Some(Name::from(text)),
                None => return Err(DeclareError::argument_type("alternate-exchange", value)),
            },
        };
        let routed_as = match spec.kind {
            ExchangeKind::DelayedMessage => delayed_kind(&spec.arguments)?,
            kind => kind,
        };
        let flat = || Keys::Flat(KeyTable::default());
        let (keys, selection) = match routed_as {
            ExchangeKind::Direct => (flat(), Selection::ByKey),
            ExchangeKind::Topic => (Keys::Trie(TopicTrie::default()), Selection::ByKey),
            ExchangeKind::Headers => (flat(), Selection::Headers(HeaderRules::default())),
            ExchangeKind::ConsistentHash => {
                let ring = HashRing::new(HashOn::new(&spec.arguments)?);
                (flat(), Selection::ConsistentHash(ring))
            }
            ExchangeKind::Random => (flat(), Selection::Random(Targets::default())),
            ExchangeKind::ModulusHash => (flat(), Selection::ModulusHash(Targets::default())),
            ExchangeKind::Fanout
            | ExchangeKind::RecentHistory
            | ExchangeKind::MessageDeduplication
            | ExchangeKind::DelayedMessage => (flat(), Selection::All),
        };
        Ok(Self {
            name,
            spec,
            alternate,
            outbound: 0,
            inbound: Chain::EMPTY,
            keys,
            selection,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What it was declared with.
    #[must_use]
    pub fn spec(&self) -> &ExchangeSpec {
        &self.spec
    }

    /// Where messages go that match no binding, from the argument or as set last.
    #[must_use]
    pub fn alternate(&self) -> Option<&Name> {
        self.alternate.as_ref()
    }

    /// How many bindings there are from it; an exchange with any is in use.
    #[must_use]
    pub fn bindings_from(&self) -> usize {
        self.outbound
    }

    /// How many bindings there are to it from other exchanges.
    #[must_use]
    pub fn bindings_to(&self) -> usize {
        self.inbound.len()
    }

    pub(super) fn set_alternate(&mut self, alternate: Option<Name>) {
        self.alternate = alternate;
    }

    pub(super) fn inbound(&self) -> Chain {
        self.inbound
    }

    pub(super) fn inbound_mut(&mut self) -> &mut Chain {
        &mut self.inbound
    }

    /// The bindings from it, by key.
    pub(super) fn chains(&self) -> Vec<Chain> {
        match &self.keys {
            Keys::Flat(table) => table.chains().collect(),
            Keys::Trie(trie) => trie.chains().collect(),
        }
    }

    /// Checks what a binding asks for, without a change.
    pub(super) fn terms(&self, key: &str, arguments: &FieldTable) -> Result<Terms, BindError> {
        match self.selection {
            Selection::Headers(_) => Ok(Terms::Headers(Rule::new(arguments)?)),
            Selection::ConsistentHash(_) => Ok(Terms::Weight(consistent_hash::weight(key)?)),
            _ => Ok(Terms::None),
        }
    }

    pub(super) fn find(&self, key: &str) -> Option<u32> {
        match &self.keys {
            Keys::Flat(table) => table.find(key),
            Keys::Trie(trie) => trie.find(key),
        }
    }

    pub(super) fn place(&mut self, key: &str) -> u32 {
        match &mut self.keys {
            Keys::Flat(table) => table.place(key),
            Keys::Trie(trie) => trie.place(key),
        }
    }

    pub(super) fn key(&self, place: u32) -> Name {
        match &self.keys {
            Keys::Flat(table) => table.key(place),
            Keys::Trie(trie) => trie.key(place),
        }
    }

    pub(super) fn chain(&self, place: u32) -> Chain {
        match &self.keys {
            Keys::Flat(table) => table.chain(place),
            Keys::Trie(trie) => trie.chain(place),
        }
    }

    pub(super) fn chain_mut(&mut self, place: u32) -> Option<&mut Chain> {
        match &mut self.keys {
            Keys::Flat(table) => table.chain_mut(place),
            Keys::Trie(trie) => trie.chain_mut(place),
        }
    }

    /// Notes a binding that was put in its place.
    pub(super) fn added(&mut self, link: u32, destination: DestinationName, terms: Terms) {
        self.outbound += 1;
        match (&mut self.selection, terms) {
            (Selection::Headers(rules), Terms::Headers(rule)) => rules.add(link, rule),
            (Selection::ConsistentHash(ring), Terms::Weight(weight)) => ring.add(link, &destination, weight),
            (Selection::Random(targets) | Selection::ModulusHash(targets), _) => targets.add(destination, link),
            _ => {}
        }
    }

    /// Forgets a binding that was taken from its place, and the place with its last one.
    pub(super) fn removed(&mut self, link: u32, place: u32, destination: DestinationName) {
        self.outbound -= 1;
        match &mut self.selection {
            Selection::ByKey | Selection::All => {}
            Selection::Headers(rules) => rules.remove(link),
            Selection::ConsistentHash(ring) => ring.remove(link),
            Selection::Random(targets) | Selection::ModulusHash(targets) => targets.remove(destination, link),
        }
        match &mut self.keys {
            Keys::Flat(table) => table.prune(place),
            Keys::Trie(trie) => trie.prune(place),
        }
    }

    /// Whether the routing key alone decides which bindings a message takes.
    pub(super) fn is_by_key(&self) -> bool {
        match &self.selection {
            Selection::ByKey | Selection::All | Selection::ModulusHash(_) => true,
            Selection::ConsistentHash(ring) => ring.is_by_key(),
            Selection::Headers(_) | Selection::Random(_) => false,
        }
    }

    /// Whether a routing key says by itself which bindings match.
    pub(super) fn compares_keys(&self) -> bool {
        matches!(self.selection, Selection::ByKey | Selection::All)
    }

    /// Whether every message takes a binding as soon as there is one.
    pub(super) fn takes_every_message(&self) -> bool {
        !matches!(self.selection, Selection::ByKey | Selection::Headers(_))
    }

    /// The one key that all messages have which take a binding of this place; `None` where they may have others.
    pub(super) fn only_key(&self, place: u32) -> Option<Name> {
        let key = self.key(place);
        let exact = match (&self.selection, &self.keys) {
            (Selection::ByKey, Keys::Flat(_)) => true,
            (Selection::ByKey, Keys::Trie(_)) => !key.split('.').any(|word| matches!(word, "*" | "#")),
            _ => false,
        };
        exact.then_some(key)
    }

    /// Gives `each` the bindings that the message takes. `id` is this exchange's own.
    pub(super) fn select(&self, id: u32, envelope: &Envelope<'_>, links: &Links, mut each: impl FnMut(u32)) {
        let keys = envelope.keys;
        match (&self.selection, &self.keys) {
            (Selection::ByKey, Keys::Flat(table)) => direct::select(table, links, keys, &mut each),
            (Selection::ByKey | Selection::All, Keys::Trie(trie)) => topic::select(trie, links, keys, &mut each),
            (Selection::All, Keys::Flat(table)) => fanout::select(table, links, &mut each),
            (Selection::Headers(rules), _) => headers::select(rules, envelope.headers(), &mut each),
            (Selection::ConsistentHash(ring), _) => consistent_hash::select(ring, envelope, &mut each),
            (Selection::Random(targets), _) => random::select(targets, envelope.random, id, &mut each),
            (Selection::ModulusHash(targets), _) => modulus_hash::select(targets, keys, &mut each),
        }
    }
}

fn delayed_kind(arguments: &FieldTable) -> Result<ExchangeKind, DeclareError> {
    arguments
        .get("x-delayed-type")
        .and_then(|value| value.as_text())
        .and_then(ExchangeKind::parse)
        .filter(|kind| is_plain(*kind))
        .ok_or(DeclareError::DelayedType)
}

/// Whether the bindings alone say where a message goes.
fn is_plain(kind: ExchangeKind) -> bool {
    !matches!(
        kind,
        ExchangeKind::DelayedMessage | ExchangeKind::RecentHistory | ExchangeKind::MessageDeduplication
    )
}
