//! Routes that a channel has just used.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::model::PropertiesView;
use crate::routing::Cacheable;

use super::gates::Terms;
use super::queue_cell::QueueRef;
use super::remembered::Remembered;
use super::vhost::Vhost;

/// Routes a channel remembers before it starts anew. A channel that publishes to more keys than this in turn pays a
/// look-up in the router each time, which is bounded as well.
const CAPACITY: usize = 512;

/// Where a message goes.
#[derive(Debug, Default)]
pub struct Route {
    /// Each queue once; none where the exchange does not exist.
    pub queues: Vec<QueueRef>,
    /// One of them has a rate quota.
    pub is_metered: bool,
    /// An exchange knew it for a duplicate: it is not returned.
    pub is_absorbed: bool,
    /// An exchange has to look at it again, once its transaction is committed.
    pub is_provisional: bool,
    /// What exchanges remember of the message: to be forgotten where a queue refuses it.
    pub remembered: Remembered,
}

/// Routes by exchange and routing key, valid for one generation of the vhost's topology.
///
/// The generation is read before the router is asked, so a change between the two makes the entry older than it is,
/// never newer: a stale route cannot be kept.
#[derive(Debug, Default)]
pub struct RouteCache {
    generation: u64,
    /// Exchange length, exchange, routing key.
    routes: FxHashMap<Box<[u8]>, usize>,
    entries: Vec<Route>,
    /// The entry of the last look-up, where it has one, and its key.
    last: Option<usize>,
    key: Vec<u8>,
    /// For routes that depend on more than exchange and key.
    scratch: Route,
    random: u64,
}

impl RouteCache {
    /// The route of a message. `extra_keys` are those of its CC and BCC headers; one that is mandatory goes nowhere
    /// where no queue would get it.
    pub fn route(
        &mut self,
        vhost: &Vhost,
        exchange: &str,
        routing_key: &str,
        extra_keys: &[String],
        properties: PropertiesView<'_>,
        terms: Terms,
    ) -> &Route {
        let generation = vhost.generation();
        if generation != self.generation {
            self.forget();
            self.generation = generation;
        }
        if extra_keys.is_empty() {
            if let Some(at) = self.find(exchange, routing_key) {
                return &self.entries[at];
            }
        } else {
            self.last = None;
        }
        let cacheable = self.ask(vhost, exchange, routing_key, extra_keys, properties, terms);
        if !cacheable {
            return &self.scratch;
        }
        let at = self.keep();
        &self.entries[at]
    }

    /// The route of the last look-up, where it depends on nothing but exchange and key and was made in that generation.
    #[inline]
    #[must_use]
    pub fn last(&self, generation: u64) -> Option<&Route> {
        let at = self.last.filter(|_| generation == self.generation)?;
        self.entries.get(at)
    }

    fn forget(&mut self) {
        self.routes.clear();
        self.entries.clear();
        self.last = None;
    }

    /// Finds a known route, and leaves the key of the look-up in `self.key`.
    fn find(&mut self, exchange: &str, routing_key: &str) -> Option<usize> {
        self.key.clear();
        self.key.push(exchange.len() as u8);
        self.key.extend_from_slice(exchange.as_bytes());
        self.key.extend_from_slice(routing_key.as_bytes());
        self.last = self.routes.get(&self.key[..]).copied();
        self.last
    }

    fn ask(
        &mut self,
        vhost: &Vhost,
        exchange: &str,
        routing_key: &str,
        extra_keys: &[String],
        properties: PropertiesView<'_>,
        terms: Terms,
    ) -> bool {
        vhost.count_route_miss();
        // Numbers for exchanges that route at random: a Weyl sequence, mixed by the router.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let queues = &mut self.scratch.queues;
        queues.clear();
        let mut keys: SmallVec<[&str; 8]> = SmallVec::from_slice(&[routing_key]);
        keys.extend(extra_keys.iter().map(String::as_str));
        let way = vhost.route_publish(exchange, &keys, properties, self.random, terms, queues);
        self.scratch.is_metered = vhost.has_quotas() && queues.iter().any(QueueRef::has_quota);
        self.scratch.is_provisional = way.as_ref().is_some_and(|way| way.is_provisional);
        self.scratch.is_absorbed = way.as_ref().is_some_and(|way| way.is_absorbed);
        let cacheable = way.as_ref().is_some_and(|way| way.cacheable == Cacheable::ByKey);
        self.scratch.remembered = way.map(|way| way.remembered).unwrap_or_default();
        extra_keys.is_empty() && cacheable
    }

    fn keep(&mut self) -> usize {
        if self.entries.len() >= CAPACITY {
            self.forget();
        }
        let at = self.entries.len();
        self.entries.push(std::mem::take(&mut self.scratch));
        self.routes.insert(self.key.clone().into_boxed_slice(), at);
        self.last = Some(at);
        at
    }
}
