//! The `x-death` header and its kin: what a message says about the queues in which it died.
//!
//! Written as RabbitMQ 3.13 writes it (RabbitMQ: "Dead Letter Exchanges", section "Dead-Lettered Effects on
//! Messages"): one entry for each queue and reason, the latest death first. Its fields come in a fixed order, with
//! `original-expiration` before all others where the message had an expiration of its own; `count` is a 64-bit
//! integer, `time` the first death in seconds. The headers of a dead letter stand in the order of their names. As
//! RabbitMQ did up to 3.13, an `x-death` that a client publishes is taken as history and counted on.

use crate::model::{FieldTable, FieldValue};

/// The header that tells of how many deaths `x-death` told when an operator last sent the message back.
pub const DEATHS_BEFORE_REPLAY: &str = "x-replay-deaths";

/// What there is to say about one death.
#[derive(Clone, Copy, Debug)]
pub struct Obituary<'a> {
    /// The queue in which the message died.
    pub queue: &'a str,
    /// The word for the reason.
    pub reason: &'a str,
    /// The exchange that the message had been published to.
    pub exchange: &'a str,
    /// The keys it had been published with: its own, then those of CC.
    pub routing_keys: &'a [String],
    /// Its own expiration, in milliseconds as text.
    pub expiration: Option<&'a str>,
    /// When it died, in seconds since the Unix epoch.
    pub time_s: u64,
}

/// The deaths of a message, the latest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deaths {
    list: Vec<Death>,
    /// How many deaths there were when an operator sent the message back: those close no cycle.
    before_replay: u64,
}

/// All deaths in one queue for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Death {
    pub queue: String,
    pub reason: String,
    pub count: i64,
    /// The first time, in seconds since the Unix epoch.
    pub time_s: u64,
    pub exchange: String,
    pub routing_keys: Vec<FieldValue>,
    original_expiration: Option<String>,
}

impl Deaths {
    /// The deaths that the headers tell of; entries that no broker wrote are passed over.
    #[must_use]
    pub fn of(headers: &FieldTable) -> Self {
        let Some(FieldValue::Array(entries)) = headers.get("x-death") else {
            return Self::default();
        };
        let before_replay = headers.get(DEATHS_BEFORE_REPLAY).and_then(FieldValue::as_integer);
        Self {
            list: entries.iter().filter_map(Death::read).collect(),
            before_replay: before_replay.and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
        }
    }

    /// The last one.
    #[must_use]
    pub fn latest(&self) -> Option<&Death> {
        self.list.first()
    }

    /// The first one: that of which `x-first-death-queue` and `x-first-death-reason` in `headers` tell, for an entry
    /// that was counted on has moved to the front. Without them the last entry.
    #[must_use]
    pub fn first(&self, headers: &FieldTable) -> Option<&Death> {
        let text = |name| headers.get(name).and_then(FieldValue::as_text);
        let (queue, reason) = (text("x-first-death-queue"), text("x-first-death-reason"));
        let told = |death: &&Death| queue == Some(&death.queue) && reason == Some(&death.reason);
        self.list.iter().find(told).or(self.list.last())
    }

    /// How often the message died.
    #[must_use]
    pub fn total(&self) -> u64 {
        let counts = self.list.iter().map(|death| u64::try_from(death.count).unwrap_or(0));
        counts.fold(0, u64::saturating_add)
    }

    /// Adds a death: counted on an earlier one of the same queue and reason, which it brings to the front.
    pub fn record(&mut self, obituary: &Obituary<'_>) {
        let same = |death: &Death| death.queue == obituary.queue && death.reason == obituary.reason;
        let death = match self.list.iter().position(same) {
            Some(at) => {
                let mut earlier = self.list.remove(at);
                earlier.count = earlier.count.saturating_add(1);
                earlier
            }
            None => Death::new(obituary),
        };
        self.list.insert(0, death);
    }

    /// Whether the message died in `queue` before and nobody rejected it or sent it back since: it would go round for
    /// ever.
    #[must_use]
    pub fn cycle_into(&self, queue: &str) -> bool {
        let since = self.total().saturating_sub(self.before_replay);
        let since = usize::try_from(since).unwrap_or(usize::MAX).min(self.list.len());
        match self.list[..since].iter().position(|death| death.queue == queue) {
            Some(at) => self.list[..=at].iter().all(|death| death.reason != "rejected"),
            None => false,
        }
    }

    fn to_value(&self) -> FieldValue {
        FieldValue::Array(self.list.iter().map(Death::to_value).collect())
    }
}

impl Death {
    fn new(obituary: &Obituary<'_>) -> Self {
        Self {
            queue: obituary.queue.to_owned(),
            reason: obituary.reason.to_owned(),
            count: 1,
            time_s: obituary.time_s,
            exchange: obituary.exchange.to_owned(),
            routing_keys: obituary.routing_keys.iter().map(|key| FieldValue::text(key)).collect(),
            original_expiration: obituary.expiration.map(milliseconds),
        }
    }

    fn read(entry: &FieldValue) -> Option<Self> {
        let FieldValue::Table(entry) = entry else {
            return None;
        };
        let text = |name| entry.get(name).and_then(FieldValue::as_text).map(str::to_owned);
        let time_s = match entry.get("time") {
            Some(FieldValue::Timestamp(time_s)) => *time_s,
            _ => 0,
        };
        let routing_keys = match entry.get("routing-keys") {
            Some(FieldValue::Array(keys)) => keys.clone(),
            _ => Vec::new(),
        };
        Some(Self {
            queue: text("queue")?,
            reason: text("reason")?,
            count: entry.get("count").and_then(FieldValue::as_integer).unwrap_or(1),
            time_s,
            exchange: text("exchange").unwrap_or_default(),
            routing_keys,
            original_expiration: text("original-expiration"),
        })
    }

    fn to_value(&self) -> FieldValue {
        let text = |value: &str| FieldValue::text(value);
        let mut entry = FieldTable::new();
        if let Some(expiration) = &self.original_expiration {
            entry.insert("original-expiration", text(expiration));
        }
        entry.insert("count", FieldValue::I64(self.count));
        entry.insert("reason", text(&self.reason));
        entry.insert("queue", text(&self.queue));
        entry.insert("time", FieldValue::Timestamp(self.time_s));
        entry.insert("exchange", text(&self.exchange));
        entry.insert("routing-keys", FieldValue::Array(self.routing_keys.clone()));
        FieldValue::Table(entry)
    }
}

/// An expiration as RabbitMQ writes it again: a number without leading zeros.
fn milliseconds(text: &str) -> String {
    match text.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Writes one more death into `headers` and gives all deaths.
pub fn record_death(headers: &mut FieldTable, obituary: &Obituary<'_>) -> Deaths {
    let mut deaths = Deaths::of(headers);
    deaths.record(obituary);
    headers.insert("x-death", deaths.to_value());
    let parts = [
        ("exchange", obituary.exchange),
        ("queue", obituary.queue),
        ("reason", obituary.reason),
    ];
    for (name, value) in parts {
        let first = format!("x-first-death-{name}");
        if headers.get(&first).is_none() {
            headers.insert(first, FieldValue::text(value));
        }
        headers.insert(format!("x-last-death-{name}"), FieldValue::text(value));
    }
    *headers = by_name(std::mem::take(headers));
    deaths
}

/// The headers in the order of their names, the first of each.
fn by_name(headers: FieldTable) -> FieldTable {
    let mut pairs: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    pairs.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
    pairs.dedup_by(|(later, _), (earlier, _)| later == earlier);
    pairs.into_iter().collect()
}
