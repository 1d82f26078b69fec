//! What the queue core costs a message: `cargo bench --bench queue`.
//!
//! Nanoseconds a message of 16 bytes, in batches as the broker makes them of one read, the best of several rounds.
//! One message is made before the clock starts and cloned; taking the effects apart is part of the figure.

use std::time::Instant;

use warren::model::Message;
use warren::queue::{Command, ConsumerOptions, Effects, Incoming, Outcome, QueueCore, QueueOptions, UnackedId};

const MESSAGES: usize = 1 << 20;
const ROUNDS: usize = 7;

fn main() {
    println!("{:<44} {:>6} {:>6}", "ns a message, in batches of", 16, 64);
    let durable = QueueOptions {
        durable: true,
        ..QueueOptions::default()
    };
    let ttl = QueueOptions {
        message_ttl_ms: Some(60_000),
        ..QueueOptions::default()
    };
    let priorities = QueueOptions {
        max_priority: Some(10),
        ..QueueOptions::default()
    };
    let plain = QueueOptions::default();
    row(
        "straight to a consumer, no ack",
        &plain,
        Case {
            no_ack: true,
            ..Case::default()
        },
    );
    row("straight to a consumer, ack each", &plain, Case::default());
    row(
        "the same, 10 consumers, prefetch 100",
        &plain,
        Case {
            consumers: 10,
            ..Case::default()
        },
    );
    row(
        "the same, persistent",
        &durable,
        Case {
            persistent: true,
            ..Case::default()
        },
    );
    row(
        "through a backlog of 10,000, ack each",
        &plain,
        Case {
            backlog: 10_000,
            ..Case::default()
        },
    );
    row(
        "the same, with a TTL",
        &ttl,
        Case {
            backlog: 10_000,
            ..Case::default()
        },
    );
    row(
        "the same, with 10 priorities",
        &priorities,
        Case {
            backlog: 10_000,
            ..Case::default()
        },
    );
}

#[derive(Clone, Copy)]
struct Case {
    consumers: usize,
    no_ack: bool,
    persistent: bool,
    backlog: usize,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            consumers: 1,
            no_ack: false,
            persistent: false,
            backlog: 0,
        }
    }
}

fn row(name: &str, options: &QueueOptions, case: Case) {
    let [small, large] = [16, 64].map(|batch| {
        let rounds = (0..ROUNDS).map(|_| round(options, case, batch));
        rounds.fold(f64::INFINITY, f64::min)
    });
    println!("{name:<44} {small:>6.1} {large:>6.1}");
}

fn round(options: &QueueOptions, case: Case, batch: usize) -> f64 {
    let message = Message::new("", "q", &[0, 0], &[&[b'x'; 16]]);
    let mut queue = QueueCore::new(options.clone(), 0);
    let mut effects = Effects::default();
    let mut unacked: Vec<UnackedId> = Vec::new();
    let mut incoming = Vec::with_capacity(batch);
    let mut waiting: Vec<UnackedId> = Vec::new();
    let fill = |count: usize, incoming: &mut Vec<Incoming>| {
        incoming.extend((0..count).map(|_| Incoming {
            message: message.clone(),
            persistent: case.persistent,
            ticket: None,
        }));
    };
    let deliver = |effects: &mut Effects, unacked: &mut Vec<UnackedId>| {
        effects.others.clear();
        unacked.extend(effects.deliveries.drain(..).filter_map(|delivery| delivery.unacked));
    };
    if case.backlog == 0 {
        subscribe(&mut queue, case, &mut effects);
    } else {
        fill(case.backlog, &mut incoming);
        queue.apply(Command::Enqueue(&mut incoming), 0, &mut effects);
        let prefetch = ConsumerOptions {
            prefetch: batch as u32,
            ..ConsumerOptions::default()
        };
        queue.apply(Command::Subscribe(prefetch), 0, &mut effects);
        deliver(&mut effects, &mut unacked);
    }
    let start = Instant::now();
    for now in 0..(MESSAGES / batch) as u64 {
        fill(batch, &mut incoming);
        queue.apply(Command::Enqueue(&mut incoming), now / 100, &mut effects);
        deliver(&mut effects, &mut unacked);
        std::mem::swap(&mut unacked, &mut waiting);
        if !waiting.is_empty() {
            queue.apply(Command::Settle(Outcome::Ack, &waiting), now / 100, &mut effects);
            waiting.clear();
            deliver(&mut effects, &mut unacked);
        }
        std::hint::black_box((queue.next_deadline(), queue.has_deliverable()));
    }
    let took = start.elapsed();
    assert_eq!(
        queue.state().ready,
        case.backlog.saturating_sub(batch) as u64,
        "all was delivered"
    );
    took.as_nanos() as f64 / MESSAGES as f64
}

fn subscribe(queue: &mut QueueCore, case: Case, effects: &mut Effects) {
    for _ in 0..case.consumers {
        let options = ConsumerOptions {
            no_ack: case.no_ack,
            prefetch: 100,
            ..ConsumerOptions::default()
        };
        queue.apply(Command::Subscribe(options), 0, effects);
    }
}
