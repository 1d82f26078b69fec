//! Routing where exchanges look at every message: on its way a message passes the sides of all exchanges that it comes
//! to, whether it was published to them or came over a binding or as to an alternate.

use std::sync::Arc;

use crate::model::{Name, PropertiesView};
use crate::routing::{Cacheable, Gate, Passage};

use super::Vhost;
use super::exchange_side::{Entrance, ExchangeSide};
use super::noted::Noted;
use super::queue_cell::QueueRef;
use super::remembered::Remembered;

/// Where a publish goes, beside its queues.
#[derive(Debug)]
pub struct Way {
    /// Whether the route may be kept for exchange and key.
    pub cacheable: Cacheable,
    /// An exchange has routed this very message before: it counts as routed, and is not returned.
    pub is_absorbed: bool,
    /// An exchange would have remembered it, had the message not been a provisional one.
    pub is_provisional: bool,
    /// What exchanges remember of it from now on.
    pub remembered: Remembered,
}

/// What a publisher asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// A message that would reach no queue goes nowhere, so that it can be returned.
    pub mandatory: bool,
    /// It may be taken back (a transaction): exchanges look at it and do not remember it.
    pub provisional: bool,
}

/// What one message met on its way.
struct Gates<'a> {
    vhost: &'a Vhost,
    properties: PropertiesView<'a>,
    /// The exchange in which the message has waited already.
    waited_in: Option<&'a str>,
    /// Exchanges that routed it, its value there, whether a binding took it.
    passed: Vec<(Arc<ExchangeSide>, Option<Vec<u8>>, bool)>,
    /// Exchanges in which it has to wait.
    waits: Vec<(Arc<ExchangeSide>, Option<Vec<u8>>)>,
    duplicates: Vec<QueueRef>,
    is_absorbed: bool,
}

impl Gate for Gates<'_> {
    fn enter(&mut self, exchange: &Name) -> Passage {
        if self.waited_in == Some(exchange.as_str()) {
            return Passage::Open;
        }
        let Some(side) = self.vhost.side(exchange) else {
            return Passage::Open;
        };
        match side.enter(self.properties) {
            Entrance::Routed(value) => {
                self.passed.push((side, value, false));
                Passage::Through
            }
            Entrance::Waits(value) => {
                self.waits.push((side, value));
                Passage::Closed
            }
            Entrance::Duplicate(sink) => {
                self.is_absorbed = true;
                self.duplicates.extend(sink);
                Passage::Closed
            }
        }
    }

    fn left(&mut self, matched: bool) {
        if let Some((_, _, routed)) = self.passed.last_mut() {
            *routed = matched;
        }
    }
}

impl Gates<'_> {
    /// Notes in the exchanges what became of the message, and gives it to what they keep.
    ///
    /// Says whether there was something to remember, and what was remembered.
    fn close(self, returned: bool, provisional: bool, out: &mut Vec<QueueRef>) -> (bool, Remembered) {
        let reached = !out.is_empty() || !self.waits.is_empty();
        let mut remembers = false;
        let mut remembered = Remembered::default();
        let mut remember = |side: &Arc<ExchangeSide>, value: Option<Vec<u8>>| {
            remembers |= value.is_some();
            if !provisional && let Some(number) = side.remember(value.as_deref(), self.properties) {
                remembered.note(Noted::Exchange(Arc::clone(side), number));
            }
        };
        for (side, value) in self.waits {
            out.extend(side.room.clone());
            remember(&side, value);
        }
        for (side, value, matched) in self.passed {
            if matched && reached {
                remember(&side, value);
            }
            if !returned {
                out.extend(side.history_for(self.properties));
            }
        }
        out.extend(self.duplicates);
        (remembers, remembered)
    }
}

impl Vhost {
    /// Routes a publish, whose own key comes first. One that is mandatory and would reach no queue goes nowhere, so
    /// that it can be returned: a delayed one is judged by the bindings of now. `None` where there is no such exchange.
    pub(super) fn route_publish(
        &self,
        exchange: &str,
        keys: &[&str],
        properties: PropertiesView<'_>,
        random: u64,
        terms: Terms,
        out: &mut Vec<QueueRef>,
    ) -> Option<Way> {
        let one_key = (keys.len() == 1).then(|| keys[0]);
        if self.has_sides() {
            return self.route_gated(exchange, keys, properties, random, terms, None, out);
        }
        let router = self.router.read();
        let cacheable = match one_key {
            Some(key) => router.route(exchange, key, properties, random, out),
            None => router.route_many(exchange, keys.iter().copied(), properties, random, out),
        };
        cacheable.map(|cacheable| Way {
            cacheable,
            is_absorbed: false,
            is_provisional: false,
            remembered: Remembered::default(),
        })
    }

    /// Routes a message that has waited in a delayed exchange.
    pub(super) fn route_released(
        &self,
        exchange: &str,
        keys: &[&str],
        properties: PropertiesView<'_>,
        random: u64,
        out: &mut Vec<QueueRef>,
    ) {
        let terms = Terms::default();
        self.route_gated(exchange, keys, properties, random, terms, Some(exchange), out);
    }

    #[expect(clippy::too_many_arguments, reason = "they are what routing looks at")]
    fn route_gated(
        &self,
        exchange: &str,
        keys: &[&str],
        properties: PropertiesView<'_>,
        random: u64,
        terms: Terms,
        waited_in: Option<&str>,
        out: &mut Vec<QueueRef>,
    ) -> Option<Way> {
        let mut gates = Gates {
            vhost: self,
            properties,
            waited_in,
            passed: Vec::new(),
            waits: Vec::new(),
            duplicates: Vec::new(),
            is_absorbed: false,
        };
        let router = self.router.read();
        let cacheable = router.route_gated(exchange, keys, properties, random, &mut gates, out)?;
        let mut returned = terms.mandatory && out.is_empty() && !gates.is_absorbed;
        if returned && !gates.waits.is_empty() {
            router.route_many(exchange, keys.iter().copied(), properties, random, out);
            returned = out.is_empty();
            out.clear();
            if returned {
                gates.waits.clear();
            }
        }
        drop(router);
        let is_absorbed = gates.is_absorbed;
        let (remembers, remembered) = gates.close(returned, terms.provisional, out);
        Some(Way {
            cacheable,
            is_absorbed,
            is_provisional: remembers && terms.provisional,
            remembered,
        })
    }
}
