//! The way of one message over the exchanges.
//!
//! Each exchange is visited once, which cuts cycles. One that no binding of its own matched passes the message on to
//! its alternate; a binding to another exchange counts as a match even if that one knows no further (as in RabbitMQ).

use std::cell::OnceCell;

use smallvec::SmallVec;

use super::links::Target;
use super::router::Router;
use crate::model::{FieldTable, PropertiesView};

/// Whether a route may be kept for the next message to the same exchange with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cacheable {
    /// Exchange and routing key decided; the route holds until exchanges, bindings or queues change.
    ByKey,
    /// Headers, properties, chance or further keys had a say.
    No,
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
    pub(super) fn traverse(&self, exchange: u32, envelope: &Envelope<'_>, out: &mut Vec<Q>) -> Cacheable {
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
            if !exchange.is_by_key() {
                cacheable = Cacheable::No;
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
                agenda.add(alternate);
            }
        }
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
        cacheable
    }
}
