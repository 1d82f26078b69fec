//! The way of one message over the exchanges.
//!
//! Each exchange is visited once, which cuts cycles. One that no binding of its own matched passes the message on to
//! its alternate; a binding to another exchange counts as a match even if that one knows no further (as in RabbitMQ).

use std::cell::OnceCell;

use smallvec::SmallVec;

use super::links::Target;
use super::router::Router;
use crate::model::{FieldTable, Name, PropertiesView};

/// Whether a route may be kept for the next message to the same exchange with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cacheable {
    /// Exchange and routing key decided; the route holds until exchanges, bindings or queues change.
    ByKey,
    /// Headers, properties, chance or further keys had a say.
    No,
}

/// What an exchange with more than bindings does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// There is nothing beside its bindings: the route may be kept.
    Open,
    /// It is routed this time.
    Through,
    /// It goes no further here.
    Closed,
}

/// Asked at every exchange that a message comes to.
pub trait Gate {
    /// Whether the exchange routes the message.
    fn enter(&mut self, exchange: &Name) -> Passage;

    /// Whether a binding of the exchange took it, or its alternate; told after each [`Passage::Through`].
    fn left(&mut self, matched: bool);
}

/// No exchange has more than bindings.
pub(super) struct AllOpen;

impl Gate for AllOpen {
    #[inline]
    fn enter(&mut self, _exchange: &Name) -> Passage {
        Passage::Open
    }

    fn left(&mut self, _matched: bool) {}
}

/// What routing looks at of a message.
pub(super) struct Envelope<'a> {
    /// The routing key and then those of `CC` and `BCC`.
    pub keys: &'a [&'a str],
    pub properties: PropertiesView<'a>,
    pub random: u64,
    headers: OnceCell<FieldTable>,
}

impl<'a> Envelope<'a> {
    pub fn new(keys: &'a [&'a str], properties: PropertiesView<'a>, random: u64) -> Self {
        Self {
            keys,
            properties,
            random,
            headers: OnceCell::new(),
        }
    }

    /// The headers, decoded when first asked for. Malformed ones, which cannot come over the wire unnoticed, count as
    /// none.
    pub fn headers(&self) -> &FieldTable {
        self.headers
            .get_or_init(|| self.properties.headers().unwrap_or_default())
    }
}

/// Exchanges still to visit, and those seen in order of their ids.
pub(super) struct Agenda {
    waiting: SmallVec<[u32; 8]>,
    seen: SmallVec<[u32; 8]>,
}

impl Agenda {
    /// With one exchange to visit.
    pub fn from(exchange: u32) -> Self {
        Self {
            waiting: SmallVec::from_slice(&[exchange]),
            seen: SmallVec::from_slice(&[exchange]),
        }
    }

    /// The next one to visit.
    pub fn next(&mut self) -> Option<u32> {
        self.waiting.pop()
    }

    /// Visits an exchange too, unless it was seen.
    pub fn add(&mut self, exchange: u32) {
        if let Err(at) = self.seen.binary_search(&exchange) {
            self.seen.insert(at, exchange);
            self.waiting.push(exchange);
        }
    }
}

impl<Q: Clone + Ord> Router<Q> {
    /// Visits `exchange` and all that the message reaches from it; leaves the queues in `out`, each once and in the
    /// order of their handles.
    pub(super) fn traverse(
        &self,
        exchange: u32,
        envelope: &Envelope<'_>,
        gate: &mut impl Gate,
        out: &mut Vec<Q>,
    ) -> Cacheable {
        let mut cacheable = Cacheable::ByKey;
        let mut agenda = Agenda::from(exchange);
        while let Some(id) = agenda.next() {
            if id == Self::DEFAULT {
                self.select_by_queue_name(envelope.keys, out);
                continue;
            }
            let Some(exchange) = self.exchange(id) else {
                continue;
            };
            let passage = gate.enter(exchange.name());
            if passage != Passage::Open || !exchange.is_by_key() {
                cacheable = Cacheable::No;
            }
            if passage == Passage::Closed {
                continue;
            }
            let mut matched = false;
            exchange.select(id, envelope, self.links(), |link| {
                matched = true;
                match self.links().get(link).map(|link| link.target) {
                    Some(Target::Queue(queue)) => out.extend(self.queue_handle(queue)),
                    Some(Target::Exchange(next)) => agenda.add(next),
                    None => {}
                }
            });
            if !matched && let Some(alternate) = exchange.alternate().and_then(|name| self.id(name)) {
                matched = true;
                agenda.add(alternate);
            }
            if passage == Passage::Through {
                gate.left(matched);
            }
        }
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
        cacheable
    }
}
