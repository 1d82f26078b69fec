//! What a load measured, reckoned from samples.

use serde::Serialize;

use super::latency::Percentiles;
use super::load::{AckMode, Load};
use super::process::Usage;
use super::shared::Totals;

/// Counters and costs at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// Nanoseconds since the load began.
    pub at_ns: u64,
    /// What all threads had done.
    pub totals: Totals,
    /// The broker's usage, where its process is known.
    pub broker: Option<Usage>,
    /// The load generator's own usage, where it can be read.
    pub own: Option<Usage>,
}

/// The samples that the figures come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Samples {
    /// End of the warm-up.
    pub start: Sample,
    /// Producers were told to stop, or had sent all.
    pub stop: Sample,
    /// Everything published had been settled and consumed, or nothing moved any more.
    pub end: Sample,
    /// The load ended by its number of messages: consumption then counts to the last message.
    pub by_messages: bool,
    /// Ready messages left in the queues, where there were no consumers.
    pub backlog: Option<u64>,
}

/// Whether what was published is what arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conservation {
    /// Every message reached each of its queues and consumers once.
    Kept,
    /// So many did not arrive.
    Missing(u64),
    /// So many arrived too often, or from somewhere else.
    Surplus(u64),
    /// The options do not say how many queues a message reaches.
    Unknown,
}

/// The result of one load. Rates are taken between the end of the warm-up and the producers'
/// stop; costs until all was consumed, divided by the messages of that time: a publish counts
/// as half a message and its deliveries as the other half (as a whole where nobody consumes).
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Name of the load.
    pub label: String,
    /// `host:port` of the broker.
    pub address: String,
    /// Number of producers.
    pub producers: usize,
    /// Number of consumers.
    pub consumers: usize,
    /// Number of queues.
    pub queues: usize,
    /// Body sizes, with `+` between.
    pub body_bytes: String,
    /// Unconfirmed messages a producer; 0 without confirms.
    pub confirm_window: u64,
    /// Prefetch of each consumer; 0 is no limit.
    pub prefetch: u16,
    /// `each`, `batch:N` or `none`.
    pub ack: String,
    /// Delivery mode 2.
    pub persistent: bool,
    /// Durable queues.
    pub durable: bool,
    /// Messages a second asked for.
    pub rate_per_s: Option<f64>,
    /// From the end of the warm-up to the producers' stop.
    pub measured_s: f64,
    /// Messages written, warm-up included, as all counts are.
    pub published: u64,
    /// Messages acked by the broker.
    pub confirmed: u64,
    /// Messages nacked by the broker.
    pub nacked: u64,
    /// Messages returned as unroutable.
    pub returned: u64,
    /// Messages delivered.
    pub consumed: u64,
    /// Of these, with the redelivered flag.
    pub redelivered: u64,
    /// Ready messages in the queues at the end, without consumers.
    pub backlog: Option<u64>,
    /// Whether all arrived once.
    pub conservation: Conservation,
    /// Messages written; without confirms some may still be on their way.
    pub published_per_s: f64,
    /// Messages acked; none without confirms.
    pub confirmed_per_s: Option<f64>,
    /// Messages delivered; none without consumers.
    pub consumed_per_s: Option<f64>,
    /// The broker's CPU in user mode.
    pub broker_user_us_per_message: Option<f64>,
    /// The broker's CPU in the kernel.
    pub broker_system_us_per_message: Option<f64>,
    /// Both.
    pub broker_cpu_us_per_message: Option<f64>,
    /// The broker's resident memory at the end.
    pub broker_resident_bytes: Option<u64>,
    /// The most since the broker started.
    pub broker_peak_resident_bytes: Option<u64>,
    /// The broker's threads.
    pub broker_threads: Option<u64>,
    /// The load generator's own CPU, both modes.
    pub bench_cpu_us_per_message: Option<f64>,
    /// From the moment a message was to be sent to its arrival: the median.
    pub latency_p50_us: Option<f64>,
    /// Nine of ten.
    pub latency_p90_us: Option<f64>,
    /// 99 of 100.
    pub latency_p99_us: Option<f64>,
    /// 999 of 1,000.
    pub latency_p999_us: Option<f64>,
    /// The longest.
    pub latency_max_us: Option<f64>,
    /// How late messages were written against their rate: the median.
    pub send_lateness_p50_us: Option<f64>,
    /// 99 of 100.
    pub send_lateness_p99_us: Option<f64>,
}

impl Figures {
    /// Reckons the figures of a load.
    pub fn new(load: &Load, samples: &Samples, latency: Option<Percentiles>, lateness: Option<Percentiles>) -> Self {
        let Samples { start, stop, end, .. } = samples;
        let totals = end.totals;
        let consuming = load.consumers > 0;
        let window = load.confirm_window > 0;
        let per_s =
            |before: u64, after: u64, until_ns: u64| per_second(after - before, until_ns.saturating_sub(start.at_ns));
        let (consumed, consumed_until_ns) = if samples.by_messages {
            (totals.consumed, totals.last_consumed_ns)
        } else {
            (stop.totals.consumed, stop.at_ns)
        };
        let messages = messages_between(load, &start.totals, &totals);
        let broker = cost(start.broker, end.broker, messages);
        let percentile = |of: fn(&Percentiles) -> f64| latency.as_ref().map(of);
        Self {
            label: load.label.clone(),
            address: load.address.to_string(),
            producers: load.producers,
            consumers: load.consumers,
            queues: load.queues,
            body_bytes: sizes(&load.sizes),
            confirm_window: load.confirm_window,
            prefetch: load.prefetch,
            ack: ack_name(load),
            persistent: load.persistent,
            durable: load.durable,
            rate_per_s: load.rate_per_s,
            measured_s: (stop.at_ns - start.at_ns) as f64 / 1e9,
            published: totals.published,
            confirmed: totals.confirmed,
            nacked: totals.nacked,
            returned: totals.returned,
            consumed: totals.consumed,
            redelivered: totals.redelivered,
            backlog: samples.backlog,
            conservation: conservation(load, &totals, samples.backlog),
            published_per_s: per_s(start.totals.published, stop.totals.published, stop.at_ns),
            confirmed_per_s: window.then(|| per_s(start.totals.confirmed, stop.totals.confirmed, stop.at_ns)),
            consumed_per_s: consuming.then(|| per_s(start.totals.consumed, consumed, consumed_until_ns)),
            broker_user_us_per_message: broker.map(|cost| cost.user_us),
            broker_system_us_per_message: broker.map(|cost| cost.system_us),
            broker_cpu_us_per_message: broker.map(|cost| cost.user_us + cost.system_us),
            broker_resident_bytes: end.broker.map(|usage| usage.resident_bytes),
            broker_peak_resident_bytes: end.broker.map(|usage| usage.peak_resident_bytes),
            broker_threads: end.broker.map(|usage| usage.threads),
            bench_cpu_us_per_message: cost(start.own, end.own, messages).map(|cost| cost.user_us + cost.system_us),
            latency_p50_us: percentile(|all| all.p50_us),
            latency_p90_us: percentile(|all| all.p90_us),
            latency_p99_us: percentile(|all| all.p99_us),
            latency_p999_us: percentile(|all| all.p999_us),
            latency_max_us: percentile(|all| all.max_us),
            send_lateness_p50_us: lateness.map(|all| all.p50_us),
            send_lateness_p99_us: lateness.map(|all| all.p99_us),
        }
    }
}

/// How many messages must have arrived, at least and at most: a nacked one may or may not be
/// there.
pub fn expected(load: &Load, totals: &Totals) -> Option<(u64, u64)> {
    let copies = load.copies()?;
    let routed = totals.published - totals.returned;
    Some((routed.saturating_sub(totals.nacked) * copies, routed * copies))
}

fn conservation(load: &Load, totals: &Totals, backlog: Option<u64>) -> Conservation {
    let arrived = if load.consumers > 0 {
        Some(totals.consumed)
    } else {
        backlog
    };
    match (expected(load, totals), arrived) {
        (Some((least, _)), Some(arrived)) if arrived < least => Conservation::Missing(least - arrived),
        (Some((_, most)), Some(arrived)) if arrived > most => Conservation::Surplus(arrived - most),
        (Some(_), Some(_)) => Conservation::Kept,
        _ => Conservation::Unknown,
    }
}

fn messages_between(load: &Load, start: &Totals, end: &Totals) -> f64 {
    let published = (end.published - start.published) as f64;
    if load.consumers == 0 {
        return published;
    }
    let copies = load.copies().unwrap_or(1).max(1) as f64;
    let consumed = (end.consumed - start.consumed) as f64 / copies;
    (published + consumed) / 2.0
}

#[derive(Debug, Clone, Copy)]
struct Cost {
    user_us: f64,
    system_us: f64,
}

fn cost(start: Option<Usage>, end: Option<Usage>, messages: f64) -> Option<Cost> {
    let (start, end) = (start?, end?);
    if messages == 0.0 {
        return None;
    }
    let each = |before, after: std::time::Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / messages;
    Some(Cost {
        user_us: each(start.user, end.user),
        system_us: each(start.system, end.system),
    })
}

/// Events a second; 0 where no time passed.
pub fn per_second(count: u64, nanoseconds: u64) -> f64 {
    if nanoseconds == 0 {
        return 0.0;
    }
    count as f64 * 1e9 / nanoseconds as f64
}

fn sizes(sizes: &[usize]) -> String {
    let texts: Vec<String> = sizes.iter().map(usize::to_string).collect();
    texts.join("+")
}

fn ack_name(load: &Load) -> String {
    match load.ack {
        AckMode::None => "none".to_owned(),
        AckMode::Each => "each".to_owned(),
        AckMode::Batch(size) => format!("batch:{size}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::load::tests::load;
    use super::*;

    fn sample(at_s: u64, published: u64, consumed: u64, cpu_ms: u64) -> Sample {
        let usage = Usage {
            user: Duration::from_millis(cpu_ms),
            system: Duration::from_millis(cpu_ms / 2),
            ..Usage::default()
        };
        Sample {
            at_ns: at_s * 1_000_000_000,
            totals: Totals {
                published,
                confirmed: published,
                consumed,
                last_consumed_ns: (at_s * 1_000_000_000).saturating_sub(500_000_000),
                ..Totals::default()
            },
            broker: Some(usage),
            own: None,
        }
    }

    #[test]
    fn rates_end_with_the_producers_and_costs_with_the_last_message() {
        let samples = Samples {
            start: sample(2, 1_000, 500, 100),
            stop: sample(12, 101_000, 90_500, 1_000),
            end: sample(13, 101_000, 101_000, 1_105),
            by_messages: false,
            backlog: None,
        };
        let figures = Figures::new(&load(), &samples, None, None);
        assert_eq!(figures.measured_s, 10.0);
        assert_eq!(figures.published_per_s, 10_000.0);
        assert_eq!(figures.consumed_per_s, Some(9_000.0));
        assert_eq!(figures.confirmed_per_s, None, "no window");
        // 1,005 ms for (100,000 + 100,500) / 2 messages.
        let user = figures.broker_user_us_per_message.unwrap();
        assert!((user - 10.0249).abs() < 0.001, "{user}");
        assert_eq!(figures.bench_cpu_us_per_message, None);
        assert_eq!(figures.conservation, Conservation::Kept);
    }

    #[test]
    fn a_load_by_messages_is_over_with_its_last_message() {
        let samples = Samples {
            start: Sample::default(),
            stop: sample(10, 1_000, 500, 0),
            end: sample(21, 1_000, 1_000, 0),
            by_messages: true,
            backlog: None,
        };
        let figures = Figures::new(&load(), &samples, None, None);
        let consumed_per_s = figures.consumed_per_s.unwrap();
        assert!((consumed_per_s - 1_000.0 / 20.5).abs() < 0.001);
        assert_eq!(figures.broker_cpu_us_per_message, None, "no first sample");
    }

    #[test]
    fn conservation_counts_copies_returns_and_nacks() {
        let totals = |consumed| Totals {
            published: 10,
            returned: 2,
            nacked: 1,
            consumed,
            ..Totals::default()
        };
        let kept = |load: &Load, consumed| conservation(load, &totals(consumed), None);
        let one = load();
        assert_eq!(kept(&one, 6), Conservation::Missing(1));
        assert_eq!(kept(&one, 7), Conservation::Kept);
        assert_eq!(kept(&one, 8), Conservation::Kept);
        assert_eq!(kept(&one, 9), Conservation::Surplus(1));
        let mut backlog = load();
        backlog.consumers = 0;
        assert_eq!(kept(&backlog, 0), Conservation::Unknown);
        let counted = conservation(&backlog, &totals(0), Some(5));
        assert_eq!(counted, Conservation::Missing(2));
        let mut unroutable = load();
        unroutable.key = Some("nowhere".into());
        assert_eq!(kept(&unroutable, 0), Conservation::Unknown);
    }

    #[test]
    fn no_time_is_no_rate() {
        assert_eq!(per_second(5, 0), 0.0);
        assert_eq!(per_second(5, 2_000_000_000), 2.5);
    }
}
