//! What a message costs in each engine: `cargo bench --bench store [-- FOLDER]`.
//!
//! 1 KiB messages of one queue in batches, each batch confirmed before the next: written with a sync each ("in"), read
//! back by a new start ("recovered") and settled with a sync each ("out"). "flow" settles each batch while it waits, as
//! a consumer that keeps up does. The time is the wall's, the CPU that of the whole process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Instant;

use warren::model::{ConfirmSink, ConfirmTicket, Message};
use warren::store::{EngineKind, Keep, MessageStore, QueueId, QueueJournal, StateStore, StoreOptions};

/// Counts answers and wakes who waits for the last of them.
struct Waiter {
    open: AtomicU64,
    thread: Thread,
}

impl ConfirmSink for Waiter {
    fn taken(&self, _tag: u64) {
        if self.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.thread.unpark();
        }
    }

    fn refused(&self, tag: u64) {
        panic!("{tag} refused: is the disk full?");
    }
}

impl Waiter {
    fn wait(&self) {
        while self.open.load(Ordering::SeqCst) > 0 {
            std::thread::park();
        }
    }
}

/// Seconds of user and system time of this process, from the kernel's ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

fn measure(what: &str, count: u64, work: impl FnOnce()) {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    work();
    let (time, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "{what:<20} {:>9.0} /s {:>7.2} µs CPU a message",
        count as f64 / time,
        cpu * 1e6 / count as f64
    );
}

struct Bench {
    journal: Arc<QueueJournal>,
    waiter: Arc<Waiter>,
    message: Message,
    sequence: u64,
    batch: Vec<Keep>,
}

impl Bench {
    fn keep(&mut self, count: u64, in_flight: bool) {
        let sink = || Arc::clone(&self.waiter) as Arc<dyn ConfirmSink>;
        self.waiter.open.fetch_add(count, Ordering::SeqCst);
        self.batch
            .extend((self.sequence..self.sequence + count).map(|sequence| Keep {
                sequence,
                message: self.message.clone(),
                expires_at: None,
                ticket: Some(ConfirmTicket::new(sink(), sequence)),
                in_flight,
            }));
        self.sequence += count;
        self.journal.keep(&mut self.batch);
    }

    fn forget(&self, sequences: &[u64]) {
        self.waiter.open.fetch_add(1, Ordering::SeqCst);
        let sink = Arc::clone(&self.waiter) as Arc<dyn ConfirmSink>;
        self.journal.forget(sequences, Some(ConfirmTicket::new(sink, 0)));
    }
}

fn open(options: &StoreOptions) -> (MessageStore, Arc<dyn StateStore>) {
    let on_fatal = Arc::new(|error: &warren::store::StoreError| panic!("{error}"));
    MessageStore::open(options.clone(), on_fatal).expect("the store opens")
}

fn run(dir: &Path, engine: EngineKind, batch: u64, count: u64) {
    let options = StoreOptions {
        engine,
        ..StoreOptions::new(dir)
    };
    let (mut store, mut state) = open(&options);
    store.recover(&mut |_| {}).expect("an empty folder");
    let mut bench = Bench {
        journal: store.journal(QueueId(1)),
        waiter: Arc::new(Waiter {
            open: AtomicU64::new(0),
            thread: std::thread::current(),
        }),
        message: Message::new("", "bench", &[0x10, 0, 2], &[&[b'x'; 1024]]),
        sequence: 0,
        batch: Vec::new(),
    };
    let name = engine.name();
    measure(&format!("{name} in   by {batch}"), count, || {
        for _ in 0..count / batch {
            bench.keep(batch, false);
            bench.waiter.wait();
        }
    });
    let disk = store.statistics().disk_bytes;
    store.shutdown().expect("what is owed is written");
    drop(store);
    drop((state, bench.journal));
    (store, state) = open(&options);
    measure(&format!("{name} recovered"), count, || {
        let recovered = store.recover(&mut |_| {}).expect("nothing is damaged");
        assert_eq!(recovered.messages, count);
    });
    bench.journal = store.journal(QueueId(1));
    measure(&format!("{name} out  by {batch}"), count, || {
        for first in (0..count / batch).map(|round| round * batch) {
            bench.forget(&(first..first + batch).collect::<Vec<_>>());
            bench.waiter.wait();
        }
    });
    measure(&format!("{name} flow by {batch}"), 10 * count, || {
        let mut sequences = Vec::new();
        for _ in 0..10 * count / batch {
            let first = bench.sequence;
            bench.keep(batch, true);
            sequences.extend(first..first + batch);
            bench.journal.forget(&sequences, None);
            sequences.clear();
        }
    });
    let statistics = store.statistics();
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "{:<20} {} MiB on disk full, {} MiB drained; commit {} µs on average, {} at most",
        "",
        mib(disk),
        mib(statistics.disk_bytes),
        statistics.commit_average_us(),
        statistics.commit_max_us
    );
    store.shutdown().expect("what is owed is written");
    drop(store);
    drop(state);
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let parent = arguments.first().map_or("target", String::as_str);
    for (batch, count) in [(64, 100_000), (1000, 200_000), (1, 2000)] {
        for engine in [EngineKind::Log, EngineKind::Sled] {
            let dir = Path::new(parent).join(format!("bench-store-{}", std::process::id()));
            run(&dir, engine, batch, count / batch * batch);
            std::fs::remove_dir_all(&dir).expect("the folder is ours");
        }
    }
}
