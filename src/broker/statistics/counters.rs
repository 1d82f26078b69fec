//! What queues, channels, exchanges and vhosts count.
//!
//! A batch of messages counts once, not each of them: in its queue under the lock that is held already, and on its
//! channel, exchange and vhost when the read that brought it is handed over.

use std::sync::atomic::{AtomicU64, Ordering};

use super::history::{History, Round};

/// Something that is counted, in the order of [`Totals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Messages that were published: into the queue, or by the publishers of a channel or a vhost.
    Publish,
    /// Publishes that were confirmed.
    Confirm,
    /// Publishes that reached no queue and went back to their publisher.
    ReturnUnroutable,
    /// Publishes that reached no queue and were dropped.
    DropUnroutable,
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
    pub const ALL: [Self; 11] = [
        Self::Publish,
        Self::Confirm,
        Self::ReturnUnroutable,
        Self::DropUnroutable,
        Self::Deliver,
        Self::DeliverNoAck,
        Self::Redeliver,
        Self::Get,
        Self::GetNoAck,
        Self::GetEmpty,
        Self::Ack,
    ];

    /// What publishers do; queues know the first of them only.
    pub const OF_PUBLISHERS: [Self; 4] = [
        Self::Publish,
        Self::Confirm,
        Self::ReturnUnroutable,
        Self::DropUnroutable,
    ];

    /// What queues count.
    pub const OF_QUEUES: [Self; 8] = [
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
            Self::Confirm => "confirm",
            Self::ReturnUnroutable => "return_unroutable",
            Self::DropUnroutable => "drop_unroutable",
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

/// How often each thing happened since the object was made or the broker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals(pub [u64; Count::ALL.len()]);

impl Totals {
    /// One of them.
    #[must_use]
    pub fn of(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Takes what publishers did from another, in place of what queues counted.
    pub(super) fn publishers_from(&mut self, other: &Self) {
        for count in Count::OF_PUBLISHERS {
            self.0[count as usize] = other.of(count);
        }
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

/// What is sampled of an object: its totals, then messages that wait and that are out.
pub const SAMPLED: usize = Count::ALL.len() + 2;

/// Where the messages that wait stand in a sample.
pub const SAMPLED_READY: usize = Count::ALL.len();
/// Where those that are out stand.
pub const SAMPLED_UNACKED: usize = Count::ALL.len() + 1;

/// What one object counts, and what was sampled of it.
#[derive(Debug, Default)]
pub struct Counters {
    totals: [AtomicU64; Count::ALL.len()],
    history: History<SAMPLED>,
}

impl Counters {
    /// Adds `by` where one thread at a time does so: the one that holds a queue's lock.
    pub(in crate::broker) fn count(&self, count: Count, by: u64) {
        let total = &self.totals[count as usize];
        total.store(total.load(Ordering::Relaxed) + by, Ordering::Relaxed);
    }

    /// Adds `by`, from any thread.
    pub fn add(&self, count: Count, by: u64) {
        if by > 0 {
            self.totals[count as usize].fetch_add(by, Ordering::Relaxed);
        }
    }

    /// The totals as they stand.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals(std::array::from_fn(|at| self.totals[at].load(Ordering::Relaxed)))
    }

    /// The rates between the last two samples; zeros before the second.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let rates = self.history.rates();
        Rates(std::array::from_fn(|at| rates[at]))
    }

    /// How fast the numbers of waiting and of unacked messages changed between the last two samples, a second.
    #[must_use]
    pub fn depth_rates(&self) -> (f64, f64) {
        let rates = self.history.rates();
        (rates[SAMPLED_READY], rates[SAMPLED_UNACKED])
    }

    /// What was sampled: totals, and the depth behind them.
    #[must_use]
    pub fn history(&self) -> &History<SAMPLED> {
        &self.history
    }

    /// Takes a sample.
    pub(in crate::broker) fn sample(&self, round: &mut Round, totals: &Totals, [ready, unacked]: [u64; 2]) {
        let values = std::array::from_fn(|at| match at {
            SAMPLED_READY => ready,
            SAMPLED_UNACKED => unacked,
            at => totals.0[at],
        });
        self.history.sample(round, values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_come_from_the_last_two_samples() {
        let counters = Counters::default();
        let sample = |at, before, depth| {
            let totals = counters.totals();
            counters.sample(&mut Round::new(at, before, 1 << 20), &totals, depth);
        };
        counters.count(Count::Publish, 7);
        sample(1_000, None, [3, 0]);
        assert_eq!(counters.rates(), Rates::default(), "one sample is no rate");
        counters.count(Count::Publish, 4);
        counters.add(Count::Publish, 6);
        sample(6_000, Some(1_000), [13, 5]);
        assert!((counters.rates().of(Count::Publish) - 2.0).abs() < 1e-9);
        sample(6_000, Some(1_000), [0, 0]);
        assert!(
            (counters.rates().of(Count::Publish) - 2.0).abs() < 1e-9,
            "no time has passed"
        );
        assert_eq!(counters.depth_rates(), (2.0, 1.0));
        sample(11_000, Some(6_000), [0, 0]);
        assert_eq!(counters.rates(), Rates::default());
        assert_eq!(counters.totals().of(Count::Publish), 17);
    }
}
