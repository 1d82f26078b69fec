//! What queues count, and the rates made of it.
//!
//! A batch of messages counts once, under the lock that its queue holds already. Rates are made of two samples:
//! [`Broker::sample_rates`] is called every few seconds and looks at all queues, one after another.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::model::Millis;

use super::Broker;

/// Something that is counted, in the order of [`Totals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Messages that were published into the queue.
    Publish,
    /// Deliveries to consumers that settle.
    Deliver,
    /// Deliveries to consumers that do not.
    DeliverNoAck,
    /// Deliveries that were not the first of their message; counted among the others too.
    Redeliver,
    /// `basic.get` with a settlement to come.
    Get,
    /// `basic.get` without.
    GetNoAck,
    /// `basic.get` of an empty queue.
    GetEmpty,
    /// Acks.
    Ack,
}

impl Count {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Publish,
        Self::Deliver,
        Self::DeliverNoAck,
        Self::Redeliver,
        Self::Get,
        Self::GetNoAck,
        Self::GetEmpty,
        Self::Ack,
    ];

    /// RabbitMQ's name of it in `message_stats`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Deliver => "deliver",
            Self::DeliverNoAck => "deliver_no_ack",
            Self::Redeliver => "redeliver",
            Self::Get => "get",
            Self::GetNoAck => "get_no_ack",
            Self::GetEmpty => "get_empty",
            Self::Ack => "ack",
        }
    }
}

/// How often each thing happened since the queue was made or the broker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals(pub [u64; Count::ALL.len()]);

impl Totals {
    /// One of them.
    #[must_use]
    pub fn of(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Adds the totals of another.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own += other;
        }
    }
}

/// Changes a second between the last two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates(pub [f64; Count::ALL.len()]);

impl Rates {
    /// One of them.
    #[must_use]
    pub fn of(&self, count: Count) -> f64 {
        self.0[count as usize]
    }

    /// Adds the rates of another.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own += other;
        }
    }
}

/// The counters of one queue. Written under its lock only, read by anybody.
#[derive(Debug, Default)]
pub struct Counters {
    totals: [AtomicU64; Count::ALL.len()],
    sampled: Mutex<Option<Sampled>>,
}

#[derive(Clone, Copy, Debug)]
struct Sampled {
    at: Millis,
    totals: Totals,
    rates: Rates,
    depth: [u64; 2],
    depth_rates: [f64; 2],
}

impl Counters {
    /// Adds `by`. Only one thread at a time may do so: the one that holds the queue's lock.
    pub(super) fn count(&self, count: Count, by: u64) {
        let total = &self.totals[count as usize];
        total.store(total.load(Ordering::Relaxed) + by, Ordering::Relaxed);
    }

    /// The totals as they stand.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals(std::array::from_fn(|at| self.totals[at].load(Ordering::Relaxed)))
    }

    /// The rates between the last two samples; zeros before the second.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let sampled = *self.sampled.lock();
        sampled.map(|sampled| sampled.rates).unwrap_or_default()
    }

    /// How fast the numbers of waiting and of unacked messages changed between the last two samples, a second.
    #[must_use]
    pub fn depth_rates(&self) -> (f64, f64) {
        let sampled = *self.sampled.lock();
        let [ready, unacked] = sampled.map(|sampled| sampled.depth_rates).unwrap_or_default();
        (ready, unacked)
    }

    /// Takes a sample.
    fn sample(&self, now: Millis, depth: [u64; 2]) {
        let totals = self.totals();
        let mut sampled = self.sampled.lock();
        let (rates, depth_rates) = match *sampled {
            Some(last) if now > last.at => {
                let elapsed = now - last.at;
                let change = |at: usize| slope(last.depth[at], depth[at], elapsed);
                (rates(&last.totals, &totals, elapsed), [change(0), change(1)])
            }
            Some(last) => (last.rates, last.depth_rates),
            None => Default::default(),
        };
        *sampled = Some(Sampled {
            at: now,
            totals,
            rates,
            depth,
            depth_rates,
        });
    }
}

fn rates(before: &Totals, after: &Totals, elapsed_ms: Millis) -> Rates {
    Rates(std::array::from_fn(|at| slope(before.0[at], after.0[at], elapsed_ms)))
}

/// The change a second.
fn slope(before: u64, after: u64, elapsed_ms: Millis) -> f64 {
    (after as f64 - before as f64) * 1000.0 / elapsed_ms as f64
}

impl Broker {
    /// Totals and rates of all queues together; what deleted queues counted is in the totals.
    #[must_use]
    pub fn message_totals(&self) -> (Totals, Rates) {
        let mut totals = *self.retired.lock();
        let mut rates = Rates::default();
        for vhost in self.vhosts() {
            for queue in &vhost.queues {
                totals.add(&queue.counters().totals());
                rates.add(&queue.counters().rates());
            }
        }
        (totals, rates)
    }

    /// Takes a sample of all counters, for rates. To be called every few seconds.
    pub fn sample_rates(&self) {
        let now = self.now();
        for vhost in self.vhosts() {
            for queue in vhost.queues() {
                let state = queue.state();
                queue.counters().sample(now, [state.ready, state.unacked]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_come_from_the_last_two_samples() {
        let counters = Counters::default();
        counters.count(Count::Publish, 7);
        counters.sample(1_000, [3, 0]);
        assert_eq!(counters.rates(), Rates::default(), "one sample is no rate");
        counters.count(Count::Publish, 10);
        counters.sample(6_000, [13, 5]);
        assert!((counters.rates().of(Count::Publish) - 2.0).abs() < 1e-9);
        counters.sample(6_000, [0, 0]);
        assert!(
            (counters.rates().of(Count::Publish) - 2.0).abs() < 1e-9,
            "no time has passed"
        );
        assert_eq!(counters.depth_rates(), (2.0, 1.0));
        counters.sample(11_000, [0, 0]);
        assert_eq!(counters.rates(), Rates::default());
        assert_eq!(counters.totals().of(Count::Publish), 17);
    }
}
