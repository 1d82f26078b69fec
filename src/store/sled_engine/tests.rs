//! Space that comes back, and what a succession leaves.

use std::fs;

use super::*;
use crate::store::tests::{assert_same, keep};

const SLACK: u64 = 2 << 20;
const LENGTH: usize = 20_000;

fn open(dir: &Path) -> SledEngine {
    let mut engine = SledEngine::open(&dir.join("messages"), 1 << 20, SLACK).unwrap();
    engine.recover(&mut |stored| assert_same(&stored, LENGTH)).unwrap();
    engine
}

/// Writes `count` messages, of which every `stays`th stays.
fn churn(engine: &mut SledEngine, first: u64, count: u64, stays: u64) {
    for sequence in (first..first + count).step_by(50) {
        let mut batch = QueueBatch::new(QueueId(1));
        let sequences = sequence..sequence + 50;
        batch
            .keeps
            .extend(sequences.clone().map(|at| keep(1, at, LENGTH, None)));
        engine.write(std::slice::from_ref(&batch)).unwrap();
        batch.keeps.clear();
        batch.forgets.extend(sequences.filter(|at| at % stays != 0));
        engine.write(&[batch]).unwrap();
        engine.sync_job()().unwrap();
    }
}

fn places(engine: &mut SledEngine) -> Vec<u64> {
    let loaded = engine.load(QueueId(1), 0, 10_000, u64::MAX).unwrap();
    loaded.iter().for_each(|stored| assert_same(stored, LENGTH));
    loaded.iter().map(|stored| stored.sequence).collect()
}

fn bound(engine: &SledEngine) -> u64 {
    3 * engine.usage().live_bytes + SLACK
}

#[test]
fn what_is_consumed_gives_its_space_back_and_what_is_left_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path());
    churn(&mut engine, 0, 500, 50);
    let expected: Vec<u64> = (0..500).step_by(50).collect();
    assert!(engine.usage().disk_bytes > bound(&engine), "there is nothing to do");
    engine.maintain().unwrap();
    assert!(engine.usage().disk_bytes <= bound(&engine), "{:?}", engine.usage());
    assert_eq!(places(&mut engine), expected);
    // It goes on in the new one, and empty.
    let mut rest = QueueBatch::new(QueueId(1));
    rest.forgets = expected;
    churn(&mut engine, 500, 500, 1000);
    rest.forgets.push(0);
    engine.write(&[rest]).unwrap();
    engine.maintain().unwrap();
    assert!(engine.usage().disk_bytes <= SLACK, "{:?}", engine.usage());
    engine.close().unwrap();
    drop(engine);
    assert_eq!(places(&mut open(dir.path())), [] as [u64; 0]);
}

#[test]
fn a_start_copies_more_than_what_is_copied_between_rounds() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path());
    churn(&mut engine, 0, 1000, 7);
    let expected: Vec<u64> = (0..1000).step_by(7).collect();
    assert!(engine.usage().live_bytes > SLACK);
    let before = engine.usage().disk_bytes;
    assert!(before > bound(&engine), "{before}");
    engine.maintain().unwrap();
    assert_eq!(engine.usage().disk_bytes, before);
    engine.close().unwrap();
    drop(engine);
    let mut engine = open(dir.path());
    engine.shrink().unwrap();
    assert!(engine.usage().disk_bytes <= bound(&engine), "{:?}", engine.usage());
    assert_eq!(places(&mut engine), expected);
}

#[test]
fn chunks_of_any_length_are_cut_anew_and_none_becomes_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path());
    let mut bytes = Vec::new();
    codec::encode(&keep(1, 3, LENGTH, None).message, Some(1003), &mut bytes);
    let mut batch = sled::Batch::default();
    for (at, chunk) in (0..).zip(bytes.chunks(8 << 10)) {
        batch.insert(&key(QueueId(1), 3, at), chunk);
    }
    engine.database().unwrap().apply(batch).unwrap();
    engine.close().unwrap();
    drop(engine);
    let mut engine = open(dir.path());
    engine.rewrite().unwrap();
    churn(&mut engine, 50, 200, 2);
    engine.rewrite().unwrap();
    let expected: Vec<u64> = std::iter::once(3).chain((50..250).step_by(2)).collect();
    assert_eq!(places(&mut engine), expected);
    // All its chunks go with it.
    let mut batch = QueueBatch::new(QueueId(1));
    batch.forgets.extend(expected);
    engine.write(&[batch]).unwrap();
    assert_eq!(engine.database().unwrap().scan_prefix(&[]).count(), 0);
    assert_eq!(fs::read_dir(dir.path().join("messages/blobs")).unwrap().count(), 0);
}

#[test]
fn a_succession_that_was_cut_short_leaves_one_of_the_two() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = open(dir.path());
    churn(&mut engine, 0, 50, 1);
    engine.close().unwrap();
    drop(engine);
    let expected: Vec<u64> = (0..50).collect();
    let at = |name: &str| dir.path().join(name);
    // The new one is not whole; the old one was put aside; the new one has its place and the old one is half gone.
    fs::create_dir(at("messages.new")).unwrap();
    fs::write(at("messages.new/db"), "half").unwrap();
    assert_eq!(places(&mut open(dir.path())), expected);
    fs::rename(at("messages"), at("messages.old")).unwrap();
    assert!(Database::is_at(&at("messages")).unwrap());
    assert_eq!(places(&mut open(dir.path())), expected);
    fs::create_dir(at("messages.old")).unwrap();
    fs::write(at("messages.old/db"), "half").unwrap();
    assert_eq!(places(&mut open(dir.path())), expected);
    assert!(!at("messages.old").exists());
}
