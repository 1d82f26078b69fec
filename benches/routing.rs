//! What routing costs: time for a key that was not seen before, and memory a binding, as topic bindings grow to a
//! million; and the other exchange types for comparison.
//!
//! `cargo bench --bench routing [-- MOST_BINDINGS]`. Memory is the growth of the process's resident set (Linux);
//! the largest tables come first, so that they do not reuse what smaller ones gave back.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use warren::model::{FieldTable, FieldValue, PropertiesView};
use warren::routing::{Destination, ExchangeKind, ExchangeSpec, Router};

const QUEUES: u64 = 1_000;
const KEYS: u64 = 200_000;
const PLAIN: &[u8] = &[0, 0];

fn main() {
    let most = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "bindings", "count", "B each", "µs bind", "ns p50", "ns p99", "queues"
    );
    let mut count = most;
    while count >= 10 {
        topics("topic, own last word", count, |n| format!("orders.r{}.{n}", n % 100));
        topics("topic, own word in the middle", count, |n| {
            format!("orders.r{}.{n}.created", n % 100)
        });
        topics("topic, every 4th with * or #", count, |n| match n % 8 {
            0 => format!("orders.*.{n}"),
            4 => format!("orders.r{}.{n}.#", n % 100),
            _ => format!("orders.r{}.{n}", n % 100),
        });
        count /= 10;
    }
    others();
}

/// Binds `count` patterns and routes keys of which each is new to the router and matches about one pattern.
fn topics(title: &str, count: u64, pattern: impl Fn(u64) -> String) {
    let before = resident_bytes();
    let mut router = router(ExchangeKind::Topic);
    let start = Instant::now();
    for n in 0..count {
        bind(&mut router, &pattern(n), n, FieldTable::new());
    }
    let bind_us = start.elapsed().as_secs_f64() * 1e6 / count as f64;
    let bytes = resident_bytes().saturating_sub(before) as f64 / count as f64;
    let keys: Vec<String> = (0..KEYS)
        .map(|n| {
            pattern(scattered(n) % count)
                .replace('*', "some")
                .replace('#', "more.words")
        })
        .collect();
    let (median, p99, queues) = measure(&router, &keys);
    println!("{title:<34} {count:>9} {bytes:>9.0} {bind_us:>9.2} {median:>9.0} {p99:>9.0} {queues:>8.2}");
}

fn others() {
    let rows = [
        ("direct, a key each", ExchangeKind::Direct, 100_000),
        ("fanout", ExchangeKind::Fanout, 1),
        ("fanout", ExchangeKind::Fanout, 100),
        ("headers, all of two", ExchangeKind::Headers, 100),
        ("consistent hash", ExchangeKind::ConsistentHash, 10),
        ("consistent hash", ExchangeKind::ConsistentHash, 100),
        ("modulus hash", ExchangeKind::ModulusHash, 100),
        ("random", ExchangeKind::Random, 100),
    ];
    for (title, kind, count) in rows {
        let mut router = router(kind);
        for n in 0..count {
            let arguments = match kind {
                ExchangeKind::Headers => [("a", FieldValue::I64(1)), ("b", FieldValue::I64(n as i64))]
                    .into_iter()
                    .collect(),
                _ => FieldTable::new(),
            };
            let key = match kind {
                ExchangeKind::ConsistentHash => "1".to_owned(),
                _ => format!("k.{n}"),
            };
            bind(&mut router, &key, n, arguments);
        }
        let keys: Vec<String> = (0..KEYS).map(|n| format!("k.{}", scattered(n) % count)).collect();
        let (median, p99, queues) = measure(&router, &keys);
        let none = "-";
        println!("{title:<34} {count:>9} {none:>9} {none:>9} {median:>9.0} {p99:>9.0} {queues:>8.2}");
    }
}

fn router(kind: ExchangeKind) -> Router<Arc<u64>> {
    let mut router = Router::new();
    router
        .declare("x".into(), ExchangeSpec::durable(kind))
        .expect("a declaration without arguments is fine");
    for n in 0..QUEUES {
        router.add_queue(queue(n), Arc::new(n));
    }
    router
}

fn queue(n: u64) -> warren::model::Name {
    format!("queue-{n}").into()
}

fn bind(router: &mut Router<Arc<u64>>, key: &str, n: u64, arguments: FieldTable) {
    let n = n % QUEUES;
    let destination = Destination::Queue {
        name: queue(n),
        handle: Arc::new(n),
    };
    router
        .bind("x", destination, key, arguments)
        .expect("source and key are fine");
}

/// Nanoseconds a route: median and 99th percentile of chunks of 16, and queues a message.
fn measure(router: &Router<Arc<u64>>, keys: &[String]) -> (f64, f64, f64) {
    let mut out = Vec::new();
    let mut queues = 0;
    let mut chunks: Vec<f64> = Vec::new();
    for (number, chunk) in keys.chunks(16).enumerate() {
        let start = Instant::now();
        for key in chunk {
            black_box(router.route("x", black_box(key), PropertiesView::new(PLAIN), number as u64, &mut out));
            queues += out.len();
        }
        chunks.push(start.elapsed().as_nanos() as f64 / chunk.len() as f64);
    }
    chunks.sort_by(f64::total_cmp);
    (
        chunks[chunks.len() / 2],
        chunks[chunks.len() * 99 / 100],
        queues as f64 / keys.len() as f64,
    )
}

/// Numbers in no order, so that neighbours in the table are not asked for one after the other.
fn scattered(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17
}

/// The resident set, or 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
