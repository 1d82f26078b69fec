//! `message_stats` and everything else that comes with a rate: `NAME_details` with the change a second and, where the
//! request asks for them, samples (RabbitMQ: "HTTP API", statistics).

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::broker::{Count, Counters, History, SAMPLED, SAMPLED_READY, SAMPLED_UNACKED, SampleRange, Totals};

/// What a message can be delivered by.
const DELIVERING: [Count; 4] = [Count::Deliver, Count::DeliverNoAck, Count::Get, Count::GetNoAck];

/// The ranges of samples that a request asks for, by what they are of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ranges {
    /// Of messages in queues.
    pub lengths: Option<SampleRange>,
    /// Of what happens to messages.
    pub msg_rates: Option<SampleRange>,
    /// Of bytes from and to clients.
    pub data_rates: Option<SampleRange>,
    /// Of what a node uses.
    pub node_stats: Option<SampleRange>,
}

/// Rates of `N` values and, where they are asked for, samples.
#[derive(Debug)]
pub struct Track<const N: usize> {
    rates: [f64; N],
    samples: Option<(SampleRange, Vec<[u64; N]>)>,
}

impl Ranges {
    /// The largest number of samples of one value.
    pub fn moments(&self) -> usize {
        let ranges = [self.lengths, self.msg_rates, self.data_rates, self.node_stats];
        let counts = ranges.iter().flatten().map(|range| range.moments().count());
        counts.max().unwrap_or(0)
    }
}

impl<const N: usize> Track<N> {
    /// Of one object.
    pub fn of(history: &History<N>, range: Option<SampleRange>) -> Self {
        Self {
            rates: history.rates(),
            samples: range.map(|range| (range, history.samples(&range))),
        }
    }

    /// Of several together, with the same range.
    pub fn sum<'a>(histories: impl Iterator<Item = &'a History<N>>, range: Option<SampleRange>) -> Self {
        let mut sum = Self {
            rates: [0.0; N],
            samples: range.map(|range| (range, range.moments().map(|_| [0; N]).collect())),
        };
        for history in histories {
            let one = Self::of(history, range);
            for at in 0..N {
                sum.rates[at] += one.rates[at];
            }
            let pairs = sum.samples.iter_mut().flat_map(|(_, samples)| samples);
            for (total, one) in pairs.zip(one.samples.iter().flat_map(|(_, samples)| samples)) {
                for at in 0..N {
                    total[at] += one[at];
                }
            }
        }
        sum
    }

    /// The object behind `NAME_details`, of the sum of these values.
    pub fn details(&self, values: &[usize]) -> Value {
        let rate: f64 = values.iter().map(|at| self.rates[*at]).sum();
        let Some((range, samples)) = &self.samples else {
            return json!({ "rate": rate });
        };
        let sums: Vec<u64> = samples
            .iter()
            .map(|sample| values.iter().map(|at| sample[*at]).sum())
            .collect();
        let mut listed: Vec<_> = sums
            .iter()
            .zip(range.moments())
            .map(|(sample, timestamp)| json!({ "sample": sample, "timestamp": timestamp }))
            .collect();
        // The newest comes first.
        listed.reverse();
        let mut details = json!({ "rate": rate, "samples": listed });
        // Of one sample there is no average.
        if let [first, .., last] = sums[..] {
            let seconds = (range.last - range.first) as f64 / 1000.0;
            details["avg_rate"] = ((last as f64 - first as f64) / seconds).into();
            details["avg"] = (sums.iter().sum::<u64>() as f64 / sums.len() as f64).into();
        }
        details
    }

    /// Puts a value and its `NAME_details` into an object.
    pub fn put(&self, object: &mut Map<String, Value>, name: &str, value: u64, values: &[usize]) {
        object.insert(name.to_owned(), value.into());
        object.insert(format!("{name}_details"), self.details(values));
    }
}

/// `message_stats` under RabbitMQ's names: those of `counts`, and the sum of all deliveries.
pub fn message_stats(totals: &Totals, track: &Track<SAMPLED>, counts: &[Count]) -> Value {
    let mut stats = Map::new();
    for count in counts {
        track.put(&mut stats, count.name(), totals.of(*count), &[*count as usize]);
    }
    let total = DELIVERING.iter().map(|count| totals.of(*count)).sum();
    track.put(
        &mut stats,
        "deliver_get",
        total,
        &DELIVERING.map(|count| count as usize),
    );
    Value::Object(stats)
}

/// `message_stats` of one object.
pub fn stats_of(counters: &Counters, ranges: &Ranges, counts: &[Count]) -> Value {
    message_stats(
        &counters.totals(),
        &Track::of(counters.history(), ranges.msg_rates),
        counts,
    )
}

/// Messages that wait and that are out, with their rates: the six values that queues, vhosts and the overview share.
#[derive(Debug, Serialize)]
pub struct DepthView {
    messages: u64,
    messages_details: Value,
    messages_ready: u64,
    messages_ready_details: Value,
    messages_unacknowledged: u64,
    messages_unacknowledged_details: Value,
}

impl DepthView {
    /// Of so many messages, sampled as that track says.
    pub fn new(ready: u64, unacked: u64, track: &Track<SAMPLED>) -> Self {
        Self {
            messages: ready + unacked,
            messages_details: track.details(&[SAMPLED_READY, SAMPLED_UNACKED]),
            messages_ready: ready,
            messages_ready_details: track.details(&[SAMPLED_READY]),
            messages_unacknowledged: unacked,
            messages_unacknowledged_details: track.details(&[SAMPLED_UNACKED]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::broker::Round;

    use super::*;

    #[test]
    fn samples_come_newest_first_with_their_averages() {
        let histories = [History::<2>::default(), History::default()];
        for at in 0..5_u64 {
            for history in &histories {
                let before = at.checked_sub(1).map(|before| before * 5_000);
                history.sample(&mut Round::new(at * 5_000, before, 1 << 20), [at * 10, 1]);
            }
        }
        let range = SampleRange {
            first: 10_000,
            last: 20_000,
            step_ms: 5_000,
        };
        let track = Track::sum(histories.iter(), Some(range));
        let sample = |sample: u64, timestamp: u64| json!({ "sample": sample, "timestamp": timestamp });
        assert_eq!(
            track.details(&[0]),
            json!({
                "rate": 4.0, "avg_rate": 4.0, "avg": 60.0,
                "samples": [sample(80, 20_000), sample(60, 15_000), sample(40, 10_000)],
            })
        );
        assert_eq!(track.details(&[0, 1])["samples"][0]["sample"], 82);
        let plain = Track::of(&histories[0], None);
        assert_eq!(plain.details(&[0]), json!({ "rate": 2.0 }));
    }
}
