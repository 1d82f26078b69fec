//! A full disk refuses messages of what deduplicates: the publisher's next attempt is no duplicate.

use super::deduplication::{ON, id};
use super::*;
use crate::store::simulated_folder::SimulatedFolder;

/// Queues that have values while their messages are there, and that remember them in memory and on disk.
fn kinds() -> [Vec<(&'static str, FieldValue)>; 3] {
    let remembers = ("x-cache-size", number(100));
    [
        vec![ON],
        vec![ON, remembers.clone(), ("x-cache-persistence", text("memory"))],
        vec![ON, remembers],
    ]
}

fn start(folder: &SimulatedFolder) -> Bench {
    let options = StoreOptions {
        reserve_bytes: 0,
        ..StoreOptions::new("simulated")
    };
    let (messages, state) = folder.open(&options);
    Bench::over(messages, state, START)
}

/// Publishes and waits for the answer; whether it was taken.
fn is_taken(bench: &Bench, exchange: &str, key: &str, body: &str) -> bool {
    let before = (bench.answers.taken(), bench.answers.refused());
    bench.publish(exchange, key, &id("a"), body);
    loop {
        let now = (bench.answers.taken(), bench.answers.refused());
        if now != before {
            return now.0 > before.0;
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_a_full_disk_refused_is_no_duplicate_when_it_comes_again() {
    for (kind, arguments) in kinds().iter().enumerate() {
        let folder = SimulatedFolder::default();
        let bench = start(&folder);
        bench.queue("q", arguments);
        folder.set_space(Some(0));
        for attempt in ["1", "2"] {
            assert!(!is_taken(&bench, "", "q", attempt), "kind {kind}, attempt {attempt}");
        }
        folder.set_space(None);
        assert!(is_taken(&bench, "", "q", "3"), "kind {kind}");
        // Now it is one.
        assert!(is_taken(&bench, "", "q", "4"), "kind {kind}");
        let survivor = start(&folder.after_power_loss(0));
        assert!(is_taken(&survivor, "", "q", "5"), "kind {kind}");
        assert_eq!(survivor.bodies("q"), ["3"], "kind {kind}");
        assert_eq!(bench.bodies("q"), ["1", "2", "3"], "kind {kind}");
    }
}

#[test]
fn an_exchange_forgets_what_a_full_disk_refused() {
    let folder = SimulatedFolder::default();
    let bench = start(&folder);
    bench.exchange("e", "fanout", &[ON]);
    bench.queue("q", &[]);
    bench.bind("e", "q", "");
    folder.set_space(Some(0));
    for attempt in ["1", "2"] {
        assert!(!is_taken(&bench, "e", "", attempt), "attempt {attempt}");
    }
    folder.set_space(None);
    assert!(is_taken(&bench, "e", "", "3"));
    // Now it is one.
    assert!(is_taken(&bench, "e", "", "4"));
    let survivor = start(&folder.after_power_loss(0));
    assert_eq!(survivor.bodies("q"), ["3"]);
    assert_eq!(bench.bodies("q"), ["1", "2", "3"]);
}
