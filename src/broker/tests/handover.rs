//! A message on its way from one queue into another is on the disk of one of them whenever the power fails.

use super::*;
use crate::queue::Outcome;
use crate::store::simulated_folder::SimulatedFolder;

/// How a message leaves its queue.
#[derive(Clone, Copy, Debug)]
enum Way {
    Rejected,
    Expired,
    ExpiredAtOnce,
    Dropped,
    Retried,
    Released,
}

const WAYS: [Way; 6] = [
    Way::Rejected,
    Way::Expired,
    Way::ExpiredAtOnce,
    Way::Dropped,
    Way::Retried,
    Way::Released,
];

fn start(folder: &SimulatedFolder) -> Bench {
    let options = StoreOptions {
        // Nothing without a ticket is written by itself.
        settle_window_us: 3_600_000_000,
        settle_delay_ms: 3_600_000,
        segment_bytes: 64 << 10,
        reserve_bytes: 0,
        ..StoreOptions::new("simulated")
    };
    let (messages, state) = folder.open(&options);
    Bench::over(messages, state, START)
}

/// Publishes persistent messages and waits for the confirms of all so far.
fn publish(bench: &Bench, exchange: &str, queue: &str, headers: &[(&str, FieldValue)], body: &str, confirms: u64) {
    bench.publish(exchange, queue, headers, body);
    while bench.answers.taken() < confirms {
        std::thread::yield_now();
    }
}

fn reject(bench: &Bench, queue: &str) {
    let queue = bench.vhost().find_queue(queue).unwrap();
    let mut aftermath = Aftermath::default();
    let (delivery, _) = queue.get(false, START, &mut aftermath);
    let ids = [delivery.unwrap().unacked.unwrap()];
    queue.settle(Outcome::Reject, &ids, START, &mut aftermath);
    bench.broker.settle_aftermath(&mut aftermath);
}

fn leave(bench: &Bench, way: Way) {
    let to_target = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("target")),
    ];
    let with = |name, value| [&to_target[..], &[(name, value)]].concat();
    let (arguments, exchange, headers) = match way {
        Way::Rejected => (to_target.to_vec(), "", vec![]),
        Way::Expired => (with("x-message-ttl", number(100)), "", vec![]),
        Way::ExpiredAtOnce => (with("x-message-ttl", number(0)), "", vec![]),
        Way::Dropped => (with("x-max-length", number(1)), "", vec![]),
        Way::Retried => (vec![("x-retry-delays", text("1h"))], "", vec![]),
        Way::Released => (vec![], "later", vec![("x-delay", number(100))]),
    };
    bench.queue("source", &arguments);
    bench.exchange("later", "x-delayed-message", &[("x-delayed-type", text("fanout"))]);
    bench.bind("later", "target", "");
    publish(bench, exchange, "source", &headers, "it", 1);
    match way {
        Way::Rejected | Way::Retried => reject(bench, "source"),
        Way::Expired | Way::Released => bench.advance(100),
        Way::Dropped => _ = bench.publish("", "source", &[], "other"),
        Way::ExpiredAtOnce => {}
    }
}

/// Copies of the message in all queues after a power loss now.
fn survivors(folder: &SimulatedFolder, seed: u64) -> usize {
    let bench = start(&folder.after_power_loss(seed));
    if bench
        .vhost()
        .find_queue("source")
        .is_some_and(|queue| queue.state().held > 0)
    {
        bench.advance(3_600_000);
    }
    let bodies = ["source", "target"].map(|queue| bench.bodies(queue));
    let waiting = bench.vhost().delayed_messages("later").unwrap_or_default() as usize;
    bodies.iter().flatten().filter(|body| *body == "it").count() + waiting
}

#[test]
fn no_power_loss_finds_a_message_nowhere() {
    for way in WAYS {
        let folder = SimulatedFolder::default();
        let bench = start(&folder);
        bench.queue("target", &[]);
        bench.queue("ledger", &[]);
        leave(&bench, way);
        // What the way has asked for may be written with this, or be waiting.
        let confirms = bench.answers.taken();
        for round in 1..=2 {
            publish(&bench, "", "ledger", &[], "round", confirms + round);
            for seed in 0..4 {
                let found = survivors(&folder, seed);
                assert!((1..=2).contains(&found), "{way:?}, round {round}, seed {seed}: {found}");
            }
        }
        // In the end one has it, on disk as well.
        bench.broker.messages().shutdown().unwrap();
        assert_eq!(survivors(&folder, 0), 1, "{way:?}");
    }
}
