//! All exchanges, queues and bindings of one virtual host.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use slab::Slab;
use smallvec::SmallVec;

use super::binding::{Binding, Destination, DestinationName};
use super::error::{BindError, DeclareError};
use super::exchange::{Exchange, ExchangeKind, ExchangeSpec};
use super::links::{By, Chain, Links, Target};
use super::listed::{listed, ordered};
use super::traverse::{AllOpen, Cacheable, Envelope, Gate};
use crate::model::{FieldTable, Name, PropertiesView};

/// The exchanges that every virtual host has from the start, besides the default exchange, which is the first.
const PREDECLARED: [(&str, ExchangeKind, bool); 7] = [
    ("", ExchangeKind::Direct, false),
    ("amq.direct", ExchangeKind::Direct, false),
    ("amq.fanout", ExchangeKind::Fanout, false),
    ("amq.headers", ExchangeKind::Headers, false),
    ("amq.match", ExchangeKind::Headers, false),
    ("amq.rabbitmq.trace", ExchangeKind::Topic, true),
    ("amq.topic", ExchangeKind::Topic, false),
];

/// Routes the messages of one virtual host. `Q` is the broker's handle of a queue, whose order is the order in which
/// a routed message's queues are given.
#[derive(Debug)]
pub struct Router<Q> {
    ids: BTreeMap<Name, u32>,
    exchanges: Slab<Exchange>,
    queue_ids: FxHashMap<Name, u32>,
    queues: Slab<QueueEntry<Q>>,
    links: Links,
}

#[derive(Debug)]
struct QueueEntry<Q> {
    name: Name,
    handle: Q,
    inbound: Chain,
}

/// What went with a deletion.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Removed {
    /// Whether the thing itself was there.
    pub existed: bool,
    /// Exchanges that went, with the deleted one itself first: those with auto-delete lost their last binding.
    pub exchanges: Vec<Name>,
    /// Bindings that went.
    pub bindings: Vec<Binding>,
}

/// What an unbinding did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unbound {
    /// Whether the binding was there.
    pub existed: bool,
    /// Exchanges that went because the last binding from them went.
    pub auto_deleted: Vec<Name>,
    /// Bindings to those exchanges, which went with them.
    pub bindings: Vec<Binding>,
}

impl<Q: Clone + Ord> Default for Router<Q> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Q: Clone + Ord> Router<Q> {
    /// The default exchange is the first that is made, and never goes.
    pub(super) const DEFAULT: u32 = 0;

    /// A router with the predeclared exchanges: the default exchange, whose name is empty, `amq.direct`,
    /// `amq.fanout`, `amq.headers`, `amq.match`, `amq.topic` and the internal `amq.rabbitmq.trace`.
    #[must_use]
    pub fn new() -> Self {
        let mut router = Self {
            ids: BTreeMap::new(),
            exchanges: Slab::new(),
            queue_ids: FxHashMap::default(),
            queues: Slab::new(),
            links: Links::default(),
        };
        for (name, kind, internal) in PREDECLARED {
            let mut spec = ExchangeSpec::durable(kind);
            spec.internal = internal;
            // Without arguments there is nothing that a declaration could be refused for.
            let _new = router.declare(Name::from(name), spec);
        }
        router
    }

    /// Declares an exchange; `false` where one of that name is there, which stays as it is: whether the two are
    /// equivalent is the caller's question.
    ///
    /// # Errors
    /// The arguments do not fit the type.
    pub fn declare(&mut self, name: Name, spec: ExchangeSpec) -> Result<bool, DeclareError> {
        if self.ids.contains_key(&name) {
            return Ok(false);
        }
        let exchange = Exchange::new(name.clone(), spec)?;
        let id = self.exchanges.insert(exchange) as u32;
        self.ids.insert(name, id);
        Ok(true)
    }

    /// The exchange of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Exchange> {
        self.exchange(self.id(name)?)
    }

    /// All exchanges in the order of their names.
    pub fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.ids.values().filter_map(|&id| self.exchange(id))
    }

    /// Sets where messages go that match no binding of an exchange (by policy; a declaration sets it by argument).
    /// `false` where there is no such exchange.
    pub fn set_alternate(&mut self, name: &str, alternate: Option<Name>) -> bool {
        let exchange = self.id(name).and_then(|id| self.exchanges.get_mut(id as usize));
        exchange.map(|exchange| exchange.set_alternate(alternate)).is_some()
    }

    /// Deletes an exchange with the bindings from and to it, and the exchanges that auto-delete because of that. The
    /// default exchange stays.
    pub fn delete(&mut self, name: &str) -> Removed {
        let mut removed = Removed::default();
        if let Some(id) = self.id(name).filter(|&id| id != Self::DEFAULT) {
            removed.existed = true;
            self.delete_exchanges(id, &mut removed);
        }
        removed
    }

    /// Makes a queue known: the default exchange routes to it by its name. A queue of that name gets the new handle.
    pub fn add_queue(&mut self, name: Name, handle: Q) {
        match self
            .queue_ids
            .get(&name)
            .and_then(|&id| self.queues.get_mut(id as usize))
        {
            Some(queue) => queue.handle = handle,
            None => {
                let id = self.queues.insert(QueueEntry {
                    name: name.clone(),
                    handle,
                    inbound: Chain::EMPTY,
                }) as u32;
                self.queue_ids.insert(name, id);
            }
        }
    }

    /// Forgets a queue with its bindings, and deletes the exchanges that auto-delete because of that.
    pub fn remove_queue(&mut self, name: &str) -> Removed {
        let mut removed = Removed::default();
        let Some(id) = self.queue_ids.get(name).copied() else {
            return removed;
        };
        removed.existed = true;
        let links: Vec<u32> = self.links.iter(self.inbound(Target::Queue(id)), By::Target).collect();
        for link in links {
            self.remove_link(link, &mut removed);
        }
        self.queue_ids.remove(name);
        self.queues.try_remove(id as usize);
        removed
    }

    /// Binds; `false` where this very binding is there. A queue that is not known yet becomes so.
    ///
    /// # Errors
    /// Source or destination exchange is missing, or key and arguments do not fit the source's type.
    pub fn bind(
        &mut self,
        source: &str,
        destination: Destination<Q>,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Result<bool, BindError> {
        let no_source = || BindError::NoSource(Name::from(source));
        let source_id = self.id(source).ok_or_else(no_source)?;
        let arguments = ordered(arguments);
        let exchange = self.exchange(source_id).ok_or_else(no_source)?;
        let terms = exchange.terms(routing_key, &arguments)?;
        if self.links.is_full() {
            return Err(BindError::TooMany);
        }
        let (target, destination) = self.target(destination)?;
        if self.find_link(source_id, target, routing_key, &arguments).is_some() {
            return Ok(false);
        }
        let exchange = self.exchanges.get_mut(source_id as usize).ok_or_else(no_source)?;
        let place = exchange.place(routing_key);
        let link = self.links.insert(source_id, place, target, arguments);
        if let Some(chain) = exchange.chain_mut(place) {
            self.links.chain(link, chain, By::Place);
        }
        exchange.added(link, destination, terms);
        let inbound = match target {
            Target::Queue(id) => self.queues.get_mut(id as usize).map(|queue| &mut queue.inbound),
            Target::Exchange(id) => self.exchanges.get_mut(id as usize).map(Exchange::inbound_mut),
        };
        if let Some(chain) = inbound {
            self.links.chain(link, chain, By::Target);
        }
        Ok(true)
    }

    /// Takes a binding away, and deletes the source if it auto-deletes and this was the last one from it.
    pub fn unbind(
        &mut self,
        source: &str,
        destination: &DestinationName,
        routing_key: &str,
        arguments: FieldTable,
    ) -> Unbound {
        let arguments = ordered(arguments);
        let link = self.id(source).and_then(|source| {
            let target = self.known_target(destination)?;
            self.find_link(source, target, routing_key, &arguments)
        });
        let Some(link) = link else {
            return Unbound::default();
        };
        let mut removed = Removed::default();
        self.remove_link(link, &mut removed);
        Unbound {
            existed: true,
            auto_deleted: removed.exchanges,
            // The first is the one that was asked for.
            bindings: removed.bindings.into_iter().skip(1).collect(),
        }
    }

    /// The bindings from an exchange, ordered by destination and key. The default exchange's, one for each queue, are
    /// implied and not listed.
    #[must_use]
    pub fn bindings_of_source(&self, name: &str) -> Vec<Binding> {
        let Some(exchange) = self.get(name) else {
            return Vec::new();
        };
        listed(
            exchange
                .chains()
                .into_iter()
                .flat_map(|chain| self.links.iter(chain, By::Place).filter_map(|link| self.binding(link))),
        )
    }

    /// The bindings to a queue or an exchange, ordered by source and key; without the implied one from the default
    /// exchange.
    #[must_use]
    pub fn bindings_of_destination(&self, destination: &DestinationName) -> Vec<Binding> {
        let Some(target) = self.known_target(destination) else {
            return Vec::new();
        };
        let links = self.links.iter(self.inbound(target), By::Target);
        listed(links.filter_map(|link| self.binding(link)))
    }

    /// How many bindings there are, without those of the default exchange.
    #[must_use]
    pub fn binding_count(&self) -> usize {
        self.links.len()
    }

    /// How many queues are known.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// Routes a message: leaves the queues that it reaches in `out`, each once and in the order of the handles.
    ///
    /// `random` is a number drawn for this message, which random exchanges use. `None` where there is no such
    /// exchange; otherwise whether the route may be kept for this exchange and key.
    pub fn route(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesView<'_>,
        random: u64,
        out: &mut Vec<Q>,
    ) -> Option<Cacheable> {
        out.clear();
        let id = self.id(exchange)?;
        let keys = [routing_key];
        let envelope = Envelope::new(&keys, properties, random);
        Some(self.traverse(id, &envelope, &mut AllOpen, out))
    }

    /// Routes a message that has further keys, from its headers `CC` and `BCC`; its own key is to come first. Such a
    /// route is never to be kept.
    pub fn route_many<'k>(
        &self,
        exchange: &str,
        keys: impl IntoIterator<Item = &'k str>,
        properties: PropertiesView<'_>,
        random: u64,
        out: &mut Vec<Q>,
    ) -> Option<Cacheable> {
        out.clear();
        let id = self.id(exchange)?;
        let keys: SmallVec<[&str; 8]> = keys.into_iter().collect();
        self.traverse(id, &Envelope::new(&keys, properties, random), &mut AllOpen, out);
        Some(Cacheable::No)
    }

    /// Routes a message past `gate`; its own key comes first.
    pub fn route_gated(
        &self,
        exchange: &str,
        keys: &[&str],
        properties: PropertiesView<'_>,
        random: u64,
        gate: &mut impl Gate,
        out: &mut Vec<Q>,
    ) -> Option<Cacheable> {
        out.clear();
        let id = self.id(exchange)?;
        let cacheable = self.traverse(id, &Envelope::new(keys, properties, random), gate, out);
        Some(if keys.len() == 1 { cacheable } else { Cacheable::No })
    }

    /// The queues of these names: the default exchange's bindings.
    pub(super) fn select_by_queue_name(&self, keys: &[&str], out: &mut Vec<Q>) {
        let ids = keys.iter().filter_map(|&key| self.queue_ids.get(key));
        out.extend(ids.filter_map(|&id| self.queue_handle(id)));
    }

    pub(super) fn id(&self, name: &str) -> Option<u32> {
        if name.is_empty() {
            return Some(Self::DEFAULT);
        }
        self.ids.get(name).copied()
    }

    pub(super) fn exchange(&self, id: u32) -> Option<&Exchange> {
        self.exchanges.get(id as usize)
    }

    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    pub(super) fn queue_handle(&self, id: u32) -> Option<Q> {
        self.queues.get(id as usize).map(|queue| queue.handle.clone())
    }

    pub(super) fn knows_queue(&self, name: &str) -> bool {
        self.queue_ids.contains_key(name)
    }

    /// The bindings to a queue.
    pub(super) fn links_into(&self, queue: &str) -> impl Iterator<Item = u32> {
        let id = self.queue_ids.get(queue).copied();
        let chain = id.map_or(Chain::EMPTY, |id| self.inbound(Target::Queue(id)));
        self.links.iter(chain, By::Target)
    }

    fn find_link(&self, source: u32, target: Target, key: &str, arguments: &FieldTable) -> Option<u32> {
        let exchange = self.exchange(source)?;
        let place = exchange.find(key)?;
        let chains = (exchange.chain(place), self.inbound(target));
        self.links.find(chains, (source, place), target, arguments)
    }

    fn target(&mut self, destination: Destination<Q>) -> Result<(Target, DestinationName), BindError> {
        let name = match destination {
            Destination::Queue { name, handle } => {
                self.add_queue(name.clone(), handle);
                DestinationName::Queue(name)
            }
            Destination::Exchange(name) => DestinationName::Exchange(name),
        };
        match self.known_target(&name) {
            Some(target) => Ok((target, name)),
            None => Err(BindError::NoDestination(name)),
        }
    }

    fn known_target(&self, destination: &DestinationName) -> Option<Target> {
        match destination {
            DestinationName::Queue(name) => self.queue_ids.get(name).copied().map(Target::Queue),
            DestinationName::Exchange(name) => self.id(name).map(Target::Exchange),
        }
    }

    fn destination_name(&self, target: Target) -> DestinationName {
        match target {
            Target::Queue(id) => {
                let name = self.queues.get(id as usize).map(|queue| queue.name.clone());
                DestinationName::Queue(name.unwrap_or_default())
            }
            Target::Exchange(id) => {
                let name = self.exchange(id).map(|exchange| exchange.name().clone());
                DestinationName::Exchange(name.unwrap_or_default())
            }
        }
    }

    fn inbound(&self, target: Target) -> Chain {
        match target {
            Target::Queue(id) => self.queues.get(id as usize).map(|queue| queue.inbound),
            Target::Exchange(id) => self.exchange(id).map(Exchange::inbound),
        }
        .unwrap_or(Chain::EMPTY)
    }

    pub(super) fn binding(&self, link: u32) -> Option<Binding> {
        let link = self.links.get(link)?;
        let source = self.exchange(link.source)?;
        Some(Binding {
            source: source.name().clone(),
            destination: self.destination_name(link.target),
            routing_key: source.key(link.place),
            arguments: link.arguments(),
        })
    }

    /// Takes a binding out everywhere, then what auto-deletes because of it.
    fn remove_link(&mut self, id: u32, removed: &mut Removed) {
        if let Some(orphan) = self.detach(id, removed) {
            self.delete_exchanges(orphan, removed);
        }
    }

    /// Takes a binding out everywhere; gives its source if that is to go because of it.
    fn detach(&mut self, id: u32, removed: &mut Removed) -> Option<u32> {
        removed.bindings.extend(self.binding(id));
        let link = self.links.get(id)?;
        let (source, place, target) = (link.source, link.place, link.target);
        let destination = self.destination_name(target);
        let inbound = match target {
            Target::Queue(queue) => self.queues.get_mut(queue as usize).map(|queue| &mut queue.inbound),
            Target::Exchange(exchange) => self.exchanges.get_mut(exchange as usize).map(Exchange::inbound_mut),
        };
        if let Some(chain) = inbound {
            self.links.unchain(id, chain, By::Target);
        }
        let exchange = self.exchanges.get_mut(source as usize)?;
        if let Some(chain) = exchange.chain_mut(place) {
            self.links.unchain(id, chain, By::Place);
        }
        exchange.removed(id, place, destination);
        let goes = exchange.spec().auto_delete && exchange.bindings_from() == 0;
        self.links.remove(id);
        goes.then_some(source)
    }

    /// Deletes an exchange, and those that auto-delete because of it, without recursion.
    fn delete_exchanges(&mut self, first: u32, removed: &mut Removed) {
        let mut doomed = vec![first];
        while let Some(id) = doomed.pop() {
            let Some(exchange) = self.exchange(id) else {
                continue;
            };
            removed.exchanges.push(exchange.name().clone());
            let outbound = exchange.chains();
            let outbound: Vec<u32> = outbound
                .into_iter()
                .flat_map(|chain| self.links.iter(chain, By::Place))
                .collect();
            for link in outbound {
                self.detach(link, removed);
            }
            let inbound: Vec<u32> = self
                .links
                .iter(self.inbound(Target::Exchange(id)), By::Target)
                .collect();
            for link in inbound {
                doomed.extend(self.detach(link, removed));
            }
            if let Some(exchange) = self.exchanges.try_remove(id as usize) {
                self.ids.remove(exchange.name());
            }
        }
    }
}
