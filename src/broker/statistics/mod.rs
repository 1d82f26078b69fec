//! Statistics: what is counted, and an hour of samples of it in bounded memory.
//!
//! [`Broker::sample_statistics`] is called every few seconds by one timer and looks at everything that counts, one
//! after another, each for a moment.

mod counters;
mod history;
mod series;
mod sizes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::model::{Millis, Name};

use super::{Broker, Vhost};

pub use counters::{Count, Counters, Rates, SAMPLED, SAMPLED_READY, SAMPLED_UNACKED, Totals};
pub use history::{History, Round, SampleRange};
pub use sizes::{SizeCounts, no_sizes};
use sizes::{Sizes, sizes_of_all};

/// Bytes that all histories may take together where nobody says otherwise.
const HISTORY_MAX_BYTES: usize = 32 << 20;

/// What went through one exchange.
#[derive(Debug, Default)]
pub struct ExchangeTraffic {
    published_in: AtomicU64,
    published_out: AtomicU64,
    history: History<2>,
}

impl ExchangeTraffic {
    /// Adds messages that were published to the exchange, and the queues that they reached: a message counts once for
    /// each of them.
    pub fn add(&self, published_in: u64, published_out: u64) {
        self.published_in.fetch_add(published_in, Ordering::Relaxed);
        self.published_out.fetch_add(published_out, Ordering::Relaxed);
    }

    /// What came in and what went out.
    #[must_use]
    pub fn totals(&self) -> [u64; 2] {
        [&self.published_in, &self.published_out].map(|total| total.load(Ordering::Relaxed))
    }

    /// The two and what was sampled of them.
    #[must_use]
    pub fn history(&self) -> &History<2> {
        &self.history
    }
}

/// What a broker keeps for statistics.
#[derive(Debug)]
pub(super) struct BrokerStatistics {
    /// What deleted vhosts counted; the samples are of the whole broker.
    whole: Counters,
    /// What queues counted that are gone.
    pub retired: Mutex<Totals>,
    /// Messages from publishers that want confirms.
    with_confirms: AtomicU64,
    sizes: Sizes,
    churn: History<CHURN>,
    last_round: Mutex<Option<Millis>>,
    history_max_bytes: AtomicUsize,
}

impl Default for BrokerStatistics {
    fn default() -> Self {
        Self {
            whole: Counters::default(),
            retired: Mutex::default(),
            with_confirms: AtomicU64::new(0),
            sizes: sizes_of_all(),
            churn: History::default(),
            last_round: Mutex::default(),
            history_max_bytes: AtomicUsize::new(HISTORY_MAX_BYTES),
        }
    }
}

/// What comes and goes, in the order of [`super::Churn::counts`].
pub const CHURN: usize = 7;

impl Vhost {
    /// What publishers did here; its samples are those of the whole vhost, with what its queues counted.
    #[must_use]
    pub fn traffic(&self) -> &Arc<Counters> {
        &self.traffic
    }

    /// What went through an exchange that stands; counted from now on where nothing was published to it before.
    #[must_use]
    pub fn exchange_traffic(&self, exchange: &str) -> Arc<ExchangeTraffic> {
        if let Some(known) = self.known_exchange_traffic(exchange) {
            return known;
        }
        Arc::clone(&self.exchange_traffic.entry(Name::from(exchange)).or_default())
    }

    /// What went through an exchange; `None` where nothing was published to it yet.
    #[must_use]
    pub fn known_exchange_traffic(&self, exchange: &str) -> Option<Arc<ExchangeTraffic>> {
        self.exchange_traffic.get(exchange).map(|known| Arc::clone(&known))
    }

    /// What was counted here: by publishers, and by the queues that stand or stood.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let queues = self.queues.iter();
        let totals = queues.map(|queue| queue.counters().totals()).collect::<Vec<_>>();
        self.with_queues(&totals)
    }

    fn with_queues(&self, queues: &[Totals]) -> Totals {
        let mut totals = *self.retired.lock();
        for queue in queues {
            totals.add(queue);
        }
        totals.publishers_from(&self.traffic.totals());
        totals
    }

    /// Samples all queues and exchanges; gives the totals and the depth of the whole.
    fn sample(&self, round: &mut Round) -> (Totals, [u64; 2]) {
        let queues: Vec<_> = self.queues.iter().map(|queue| Arc::clone(queue.value())).collect();
        let mut depth = [0; 2];
        let mut counted = Vec::with_capacity(queues.len());
        for queue in queues {
            let state = queue.state();
            let totals = queue.counters().totals();
            queue.counters().sample(round, &totals, [state.ready, state.unacked]);
            depth[0] += state.ready;
            depth[1] += state.unacked;
            counted.push(totals);
        }
        let totals = self.with_queues(&counted);
        self.traffic.sample(round, &totals, depth);
        let exchanges: Vec<_> = self.exchange_traffic.iter().map(|known| known.key().clone()).collect();
        for exchange in exchanges {
            // One that was deleted while somebody published to it.
            if self.exchange_kind(&exchange).is_none() {
                self.exchange_traffic.remove(&exchange);
            } else if let Some(traffic) = self.known_exchange_traffic(&exchange) {
                traffic.history.sample(round, traffic.totals());
            }
        }
        (totals, depth)
    }
}

impl Broker {
    /// So many messages came from a publisher that wants confirms.
    pub fn note_with_confirms(&self, by: u64) {
        if by > 0 {
            self.statistics.with_confirms.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Takes over what a connection counted of the sizes of its messages.
    pub fn note_sizes(&self, counted: &mut SizeCounts) {
        if counted.count() > 0 {
            self.statistics.sizes.add(&std::mem::replace(counted, no_sizes()));
        }
    }

    /// The sizes of the messages that clients published, since the start.
    #[must_use]
    pub fn message_sizes(&self) -> SizeCounts {
        self.statistics.sizes.read()
    }

    /// Messages from publishers that want confirms, since the start.
    #[must_use]
    pub fn published_with_confirms(&self) -> u64 {
        self.statistics.with_confirms.load(Ordering::Relaxed)
    }

    /// Totals of all queues together, with those that are gone: messages that were put into queues, and taken out.
    /// Rates of the queues that stand.
    #[must_use]
    pub fn message_totals(&self) -> (Totals, Rates) {
        let mut totals = *self.statistics.retired.lock();
        let mut rates = Rates::default();
        for vhost in self.vhosts() {
            for queue in &vhost.queues {
                totals.add(&queue.counters().totals());
                rates.add(&queue.counters().rates());
            }
        }
        (totals, rates)
    }

    /// What was counted in the whole broker: by publishers, and by queues.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = self.statistics.whole.totals();
        for vhost in self.vhosts() {
            totals.add(&vhost.totals());
        }
        totals
    }

    /// The samples of the whole broker.
    #[must_use]
    pub fn whole_statistics(&self) -> &Counters {
        &self.statistics.whole
    }

    /// The samples of what comes and goes, in the order of [`super::Churn::counts`].
    #[must_use]
    pub fn churn_history(&self) -> &History<CHURN> {
        &self.statistics.churn
    }

    /// Takes another limit in bytes of all histories together; it holds from the next sample on.
    pub fn set_history_max_bytes(&self, bytes: usize) {
        self.statistics.history_max_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Takes a sample of everything that is counted. To be called every few seconds by one thread. What others sample
    /// goes into the same round.
    pub fn sample_statistics(&self) -> Round {
        self.sample_within(self.statistics.history_max_bytes.load(Ordering::Relaxed))
    }

    /// Forgets all samples of the past; rates and totals stay.
    pub fn forget_samples(&self) {
        self.sample_within(0);
    }

    fn sample_within(&self, history_max_bytes: usize) -> Round {
        // One round at a time.
        let mut last_round = self.statistics.last_round.lock();
        let now = self.now();
        let before = last_round.replace(now);
        let mut round = Round::new(now, before, history_max_bytes);
        let churn = self.churn().counts().map(|(_, count)| count);
        self.statistics.churn.sample(&mut round, churn);
        let mut totals = self.statistics.whole.totals();
        let mut depth = [0; 2];
        for vhost in self.vhosts() {
            let (of_vhost, depth_of_vhost) = vhost.sample(&mut round);
            totals.add(&of_vhost);
            depth[0] += depth_of_vhost[0];
            depth[1] += depth_of_vhost[1];
        }
        self.statistics.whole.sample(&mut round, &totals, depth);
        for connection in self.connections() {
            connection.sample(&mut round);
        }
        round
    }

    /// What a vhost counted stays in the totals of the whole when it is gone.
    pub(super) fn retire_vhost(&self, vhost: &Vhost) {
        let totals = vhost.totals();
        for count in Count::ALL {
            self.statistics.whole.add(count, totals.of(count));
        }
    }

    /// The same for a queue, in its vhost and in the whole.
    pub(super) fn retire_queue(&self, vhost: &Vhost, totals: &Totals) {
        vhost.retired.lock().add(totals);
        self.statistics.retired.lock().add(totals);
    }
}
