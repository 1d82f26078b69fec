//! What is counted, and the samples of it.

use super::*;
use crate::broker::{Count, SAMPLED_READY, SampleRange, Totals};

impl Bench {
    /// As an operator publishes, in confirm mode.
    fn publish_one(&self, exchange: &str, key: &str) -> usize {
        let message = Message::new(exchange, key, &Properties::default().encode(), &[b"x"]);
        self.broker.publish_one(&self.vhost(), &message, [key]).unwrap()
    }

    fn next_round(&self) {
        self.clock.advance(5_000);
        self.broker.sample_statistics();
    }
}

fn counts(totals: &Totals, of: [Count; 5]) -> [u64; 5] {
    of.map(|count| totals.of(count))
}

const SHOWN: [Count; 5] = [
    Count::Publish,
    Count::Confirm,
    Count::ReturnUnroutable,
    Count::GetNoAck,
    Count::Ack,
];

#[test]
fn a_message_counts_once_for_its_publisher_and_once_in_each_queue() {
    let bench = Bench::new();
    let (first, second) = (bench.queue("a", &[]), bench.queue("b", &[]));
    bench.exchange("both", "fanout", &[]);
    bench.bind("both", "a", "");
    bench.bind("both", "b", "");
    assert_eq!(bench.publish_one("both", "k"), 2);
    assert_eq!(bench.publish_one("", "a"), 1);
    assert_eq!(bench.publish_one("", "nowhere"), 0);
    assert!(bench.get("a").is_some());
    let vhost = bench.vhost();
    assert_eq!(counts(&vhost.totals(), SHOWN), [3, 3, 1, 1, 0]);
    assert_eq!(counts(&bench.broker.totals(), SHOWN), [3, 3, 1, 1, 0]);
    assert_eq!(first.counters().totals().of(Count::Publish), 2);
    assert_eq!(second.counters().totals().of(Count::Publish), 1);
    let traffic = |exchange| vhost.known_exchange_traffic(exchange).map(|known| known.totals());
    assert_eq!(traffic("both"), Some([1, 2]));
    assert_eq!(traffic(""), Some([2, 1]));
    assert_eq!(traffic("amq.direct"), None);
    bench.broker.delete_exchange(&vhost, "both", false).unwrap();
    assert_eq!(traffic("both"), None);
}

#[test]
fn what_is_deleted_stays_in_the_totals() {
    let bench = Bench::new();
    let queue = bench.queue("a", &[]);
    bench.publish_one("", "a");
    bench.get("a");
    bench
        .broker
        .delete_queue(&bench.vhost(), "a", Default::default(), 1)
        .unwrap();
    drop(queue);
    assert_eq!(counts(&bench.vhost().totals(), SHOWN), [1, 1, 0, 1, 0]);
    let churn = bench.broker.churn().counts();
    assert_eq!(
        churn[4..],
        [("queue_declared", 1), ("queue_created", 1), ("queue_deleted", 1)]
    );
    bench.broker.delete_vhost("/").unwrap();
    assert_eq!(counts(&bench.broker.totals(), SHOWN), [1, 1, 0, 1, 0]);
    assert_eq!(bench.broker.message_totals().0.of(Count::Publish), 1);
}

#[test]
fn everything_is_sampled_in_one_round() {
    let bench = Bench::new();
    let queue = bench.queue("a", &[]);
    bench.next_round();
    for _ in 0..10 {
        bench.publish_one("", "a");
    }
    bench.next_round();
    let vhost = bench.vhost();
    for counters in [queue.counters(), vhost.traffic(), bench.broker.whole_statistics()] {
        assert_eq!(counters.rates().of(Count::Publish), 2.0);
        assert_eq!(counters.depth_rates(), (2.0, 0.0));
    }
    assert_eq!(vhost.exchange_traffic("").history().rates(), [2.0, 2.0]);
    bench.get("a");
    bench.next_round();
    assert_eq!(queue.counters().depth_rates(), (-0.2, 0.0));
    let range = SampleRange {
        first: START + 5_000,
        last: START + 15_000,
        step_ms: 5_000,
    };
    let ready = queue.counters().history().samples(&range);
    assert_eq!(
        ready.iter().map(|sample| sample[SAMPLED_READY]).collect::<Vec<_>>(),
        [0, 10, 9]
    );
    assert_eq!(bench.broker.churn_history().samples(&range).len(), 3);
}

#[test]
fn histories_keep_to_their_room() {
    let bench = Bench::new();
    let queue = bench.queue("a", &[]);
    bench.broker.set_history_max_bytes(0);
    for _ in 0..20 {
        bench.publish_one("", "a");
        bench.next_round();
    }
    assert_eq!(queue.counters().rates().of(Count::Publish), 0.2, "the rate stays");
    let range = SampleRange {
        first: START + 50_000,
        last: START + 50_000,
        step_ms: 5_000,
    };
    assert_eq!(
        queue.counters().history().samples(&range)[0][SAMPLED_READY],
        0,
        "the past does not"
    );
}
