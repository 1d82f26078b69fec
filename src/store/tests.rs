//! One suite for all engines, through the public interface.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::*;
use crate::model::{ConfirmSink, ConfirmTicket, Message};

/// Notes every answer, and lets a test wait for them.
#[derive(Default)]
pub(super) struct Answers {
    /// By tag: how often taken, how often refused.
    counts: Mutex<BTreeMap<u64, (u32, u32)>>,
    changed: Condvar,
}

impl ConfirmSink for Answers {
    fn taken(&self, tag: u64) {
        self.counts.lock().entry(tag).or_default().0 += 1;
        self.changed.notify_all();
    }

    fn refused(&self, tag: u64) {
        self.counts.lock().entry(tag).or_default().1 += 1;
        self.changed.notify_all();
    }
}

impl Answers {
    pub(super) fn ticket(self: &Arc<Self>, tag: u64) -> ConfirmTicket {
        ConfirmTicket::new(Arc::clone(self) as Arc<dyn ConfirmSink>, tag)
    }

    /// Waits until so many tags are answered; each must be taken, once.
    fn wait_taken(&self, count: usize) {
        let mut counts = self.counts.lock();
        while counts.len() < count {
            self.changed.wait(&mut counts);
        }
        assert!(counts.values().all(|answers| *answers == (1, 0)), "{counts:?}");
    }

    fn wait_for(&self, tag: u64) {
        let mut counts = self.counts.lock();
        while !counts.contains_key(&tag) {
            self.changed.wait(&mut counts);
        }
    }

    pub(super) fn of(&self, tag: u64) -> (u32, u32) {
        self.counts.lock().get(&tag).copied().unwrap_or_default()
    }

    pub(super) fn all(&self) -> BTreeMap<u64, (u32, u32)> {
        self.counts.lock().clone()
    }
}

pub(super) fn message(queue: u64, sequence: u64, length: usize) -> Message {
    let body: Vec<u8> = (0..length)
        .map(|at| (at as u64 * 31 + sequence + queue) as u8)
        .collect();
    Message::new("orders", format!("key.{queue}.{sequence}"), &[0x10, 0, 2], &[&body])
}

pub(super) fn keep(queue: u64, sequence: u64, length: usize, ticket: Option<ConfirmTicket>) -> Keep {
    Keep {
        sequence,
        message: message(queue, sequence, length),
        expires_at: sequence.is_multiple_of(3).then_some(1000 + sequence),
        ticket,
        in_flight: false,
    }
}

/// Checks a message that came back against what [`keep`] made of `length` bytes.
pub(super) fn assert_same(stored: &StoredMessage, length: usize) {
    let expected = keep(stored.queue.0, stored.sequence, length, None);
    assert_eq!(stored.message.exchange(), expected.message.exchange());
    assert_eq!(stored.message.routing_key(), expected.message.routing_key());
    assert_eq!(stored.message.properties_bytes(), expected.message.properties_bytes());
    assert_eq!(stored.message.body(), expected.message.body());
    assert_eq!(stored.expires_at, expected.expires_at);
}

struct Opened {
    store: MessageStore,
    state: Arc<dyn StateStore>,
    found: Vec<StoredMessage>,
    recovered: Recovered,
}

/// Writes what is owed and gives the folder back.
fn close(store: MessageStore) {
    store.shutdown().unwrap();
}

fn open(options: &StoreOptions) -> Opened {
    let on_fatal: FatalHook = Arc::new(|error| panic!("{error}"));
    let (mut store, state) = MessageStore::open(options.clone(), on_fatal).unwrap();
    let mut found = Vec::new();
    let recovered = store.recover(&mut |message| found.push(message)).unwrap();
    assert_eq!(recovered.messages, found.len() as u64);
    Opened {
        store,
        state,
        found,
        recovered,
    }
}

fn options(dir: &Path, engine: EngineKind) -> StoreOptions {
    StoreOptions {
        engine,
        segment_bytes: 64 << 10,
        reserve_bytes: 4 << 10,
        ..StoreOptions::new(dir)
    }
}

const KEPT: [EngineKind; 2] = [EngineKind::Log, EngineKind::Sled];
const ALL: [EngineKind; 3] = [EngineKind::Log, EngineKind::Sled, EngineKind::Memory];

fn places(found: &[StoredMessage]) -> Vec<(u64, u64)> {
    found.iter().map(|stored| (stored.queue.0, stored.sequence)).collect()
}

#[test]
fn what_was_taken_is_there_after_a_restart_in_order() {
    for engine in KEPT {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), engine);
        let answers = Arc::new(Answers::default());
        {
            let opened = open(&options);
            for round in 0..10 {
                for queue in [3, 1, 2] {
                    let mut batch: Vec<Keep> = (round * 20..round * 20 + 20)
                        .map(|at| keep(queue, at, 300, Some(answers.ticket(queue * 1000 + at))))
                        .collect();
                    opened.store.journal(QueueId(queue)).keep(&mut batch);
                    assert!(batch.is_empty());
                }
            }
            answers.wait_taken(600);
            let settled: Vec<u64> = (0..200).filter(|at| at % 4 != 0).collect();
            opened
                .store
                .journal(QueueId(1))
                .forget(&settled, Some(answers.ticket(1)));
            opened.store.remove_queue(QueueId(2));
            answers.wait_taken(601);
            close(opened.store);
        }
        let opened = open(&options);
        let mut expected: Vec<(u64, u64)> = (0..200).step_by(4).map(|at| (1, at)).collect();
        expected.extend((0..200).map(|at| (3, at)));
        assert_eq!(places(&opened.found), expected, "{engine:?}");
        opened.found.iter().for_each(|stored| assert_same(stored, 300));
        assert_eq!(opened.recovered.highest_queue, Some(QueueId(3)));
        let loaded = opened.store.load(QueueId(1), 5, 3, u64::MAX).unwrap();
        assert_eq!(places(&loaded), [(1, 8), (1, 12), (1, 16)]);
        loaded.iter().for_each(|stored| assert_same(stored, 300));
        assert_eq!(opened.store.load(QueueId(1), 5, 100, 1).unwrap().len(), 1);
        assert_eq!(opened.store.statistics().live_messages, 250);
    }
}

#[test]
fn large_and_empty_bodies_come_back_whole() {
    for engine in KEPT {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), engine);
        let lengths = [0, 1, 8190, 8192, 100_000, 3_000_000, 5];
        {
            let opened = open(&options);
            let answers = Arc::new(Answers::default());
            let journal = opened.store.journal(QueueId(9));
            for (at, length) in lengths.into_iter().enumerate() {
                let at = at as u64;
                journal.keep(&mut vec![keep(9, at, length, Some(answers.ticket(at)))]);
            }
            answers.wait_taken(lengths.len());
            let loaded = opened.store.load(QueueId(9), 0, 100, u64::MAX).unwrap();
            assert_eq!(loaded.len(), lengths.len());
        }
        let opened = open(&options);
        assert_eq!(opened.found.len(), lengths.len());
        for (stored, length) in opened.found.iter().zip(lengths) {
            assert_same(stored, length);
        }
    }
}

#[test]
fn a_removed_queue_is_gone_and_its_journal_takes_nothing() {
    for engine in ALL {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), engine);
        let answers = Arc::new(Answers::default());
        {
            let opened = open(&options);
            let journal = opened.store.journal(QueueId(5));
            journal.keep(&mut (0..10).map(|at| keep(5, at, 10, Some(answers.ticket(at)))).collect());
            answers.wait_taken(10);
            opened.store.remove_queue(QueueId(5));
            journal.keep(&mut vec![keep(5, 10, 10, Some(answers.ticket(10)))]);
            journal.forget(&[3], Some(answers.ticket(11)));
            answers.wait_taken(12);
            close(opened.store);
        }
        assert_eq!(places(&open(&options).found), [], "{engine:?}");
    }
}

#[test]
fn everything_is_answered_once_from_many_threads() {
    for engine in ALL {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), engine);
        let answers = Arc::new(Answers::default());
        let opened = open(&options);
        let store = &opened.store;
        std::thread::scope(|scope| {
            for queue in 0..4u64 {
                let answers = &answers;
                scope.spawn(move || {
                    let journal = store.journal(QueueId(queue));
                    for round in 0..50 {
                        let sequences: Vec<u64> = (round * 10..round * 10 + 10).collect();
                        let mut batch: Vec<Keep> = sequences
                            .iter()
                            .map(|at| Keep {
                                in_flight: at % 2 == 0,
                                ..keep(queue, *at, 100, Some(answers.ticket(queue << 32 | at)))
                            })
                            .collect();
                        journal.keep(&mut batch);
                        let ticket = answers.ticket(queue << 32 | 1 << 20 | round);
                        journal.forget(&sequences[..5], Some(ticket));
                        journal.forget(&sequences[5..9], None);
                    }
                });
            }
        });
        answers.wait_taken(4 * (500 + 50));
        let statistics = store.statistics();
        assert_eq!(statistics.written + statistics.dropped, 4 * 500);
        assert_eq!(statistics.refused, 0);
        close(opened.store);
        drop(opened.state);
        if engine != EngineKind::Memory {
            let expected: Vec<(u64, u64)> = (0..4)
                .flat_map(|queue| (0..50).map(move |round| (queue, round * 10 + 9)))
                .collect();
            assert_eq!(places(&open(&options).found), expected, "{engine:?}");
        }
    }
}

#[test]
fn interval_and_never_keep_what_was_taken_across_a_clean_restart() {
    for engine in KEPT {
        for sync in [SyncMode::Interval(5), SyncMode::Never] {
            let dir = tempfile::tempdir().unwrap();
            let options = StoreOptions {
                sync,
                ..options(dir.path(), engine)
            };
            let answers = Arc::new(Answers::default());
            {
                let opened = open(&options);
                let journal = opened.store.journal(QueueId(1));
                for at in 0..100 {
                    journal.keep(&mut vec![keep(1, at, 2000, Some(answers.ticket(at)))]);
                }
                answers.wait_taken(100);
            }
            assert_eq!(open(&options).found.len(), 100);
        }
    }
}

#[test]
fn space_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), EngineKind::Log);
    let opened = open(&options);
    let answers = Arc::new(Answers::default());
    let journal = opened.store.journal(QueueId(1));
    // A message that stays, and 4 MB that go.
    for at in 0..2000u64 {
        journal.keep(&mut vec![keep(1, at, 2000, Some(answers.ticket(at)))]);
        if at % 10 == 9 {
            answers.wait_taken(at as usize + 1);
            journal.forget(&(at.max(10) - 9..=at).collect::<Vec<_>>(), None);
        }
    }
    close(opened.store);
    drop(opened.state);
    let opened = open(&options);
    let statistics = opened.store.statistics();
    assert_eq!(places(&opened.found), (0..1).map(|at| (1, at)).collect::<Vec<_>>());
    assert!(statistics.disk_bytes < 2 * options.segment_bytes, "{statistics:?}");
}

#[test]
fn definitions_are_kept_by_table() {
    for engine in ALL {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path(), engine);
        let opened = open(&options);
        let put = |table, key: &str, value: &str| StateChange::Put(table, key.into(), value.into());
        opened
            .state
            .commit(&[
                put(Table::Queues, "b", "2"),
                put(Table::Queues, "a", "1"),
                put(Table::Bindings, "a", "x"),
                put(Table::Queues, "c", "3"),
            ])
            .unwrap();
        let changes = [
            StateChange::Remove(Table::Queues, b"c".to_vec()),
            put(Table::Queues, "b", "4"),
        ];
        opened.state.commit(&changes).unwrap();
        let expected: Vec<(Vec<u8>, Vec<u8>)> = vec![("a".into(), "1".into()), ("b".into(), "4".into())];
        assert_eq!(opened.state.scan(Table::Queues).unwrap(), expected);
        if engine != EngineKind::Memory {
            drop(opened);
            let opened = open(&options);
            assert_eq!(opened.state.scan(Table::Queues).unwrap(), expected);
            assert_eq!(opened.state.scan(Table::Bindings).unwrap().len(), 1);
            assert!(opened.state.scan(Table::Vhosts).unwrap().is_empty());
        }
    }
}

fn refusal(options: &StoreOptions) -> StoreError {
    match MessageStore::open(options.clone(), Arc::new(|_| {})) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn a_folder_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path(), EngineKind::Log);
    let opened = open(&options);
    assert!(matches!(refusal(&options), StoreError::InUse(_)));
    drop(opened);
    open(&options);
}

#[test]
fn foreign_folders_are_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let log = options(dir.path(), EngineKind::Log);
    std::fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
    let text = refusal(&log).to_string();
    assert!(text.contains("thesis.txt") && text.contains("--data-dir"), "{text}");
    assert!(!dir.path().join("LOCK").exists());
    std::fs::remove_file(dir.path().join("thesis.txt")).unwrap();
    drop(open(&log));

    let sled = options(dir.path(), EngineKind::Sled);
    let text = refusal(&sled).to_string();
    assert!(text.contains("store.messages = \"log\""), "{text}");

    let format = dir.path().join("FORMAT");
    std::fs::write(&format, "warren store\nversion 2\nmessages log\n").unwrap();
    let text = refusal(&log).to_string();
    assert!(text.contains("version 2"), "{text}");
    std::fs::write(&format, "something else\n").unwrap();
    assert!(matches!(refusal(&log), StoreError::Foreign { .. }));
    std::fs::write(&format, "").unwrap();
    assert!(matches!(refusal(&log), StoreError::Foreign { .. }));
}

#[test]
fn free_space_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(&options(dir.path(), EngineKind::Log));
    assert!(opened.store.free_space().unwrap() > 0);
}

#[test]
fn a_folder_is_converted_both_ways_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = options(dir.path(), EngineKind::Log);
    let sled = options(dir.path(), EngineKind::Sled);
    let answers = Arc::new(Answers::default());
    {
        let opened = open(&log);
        let put = StateChange::Put(Table::Queues, b"q".to_vec(), b"v".to_vec());
        opened.state.commit(&[put]).unwrap();
        for queue in [1, 2] {
            let batch = (0..50).map(|at| keep(queue, at, 9000, Some(answers.ticket(queue << 32 | at))));
            opened.store.journal(QueueId(queue)).keep(&mut batch.collect());
        }
        answers.wait_taken(100);
        opened
            .store
            .journal(QueueId(1))
            .forget(&(0..49).collect::<Vec<_>>(), None);
        close(opened.store);
    }
    let before = inspect(&log).unwrap();
    assert_eq!((before.queues[0].messages, before.queues[0].first_sequence), (1, 49));
    assert_eq!((before.queues[1].messages, before.queues[1].body_bytes), (50, 450_000));
    for (from, to) in [(&log, &sled), (&sled, &log), (&log, &sled)] {
        assert_eq!(engine_of(dir.path()).unwrap(), from.engine);
        assert_eq!(convert(from, to.engine).unwrap().messages, 51);
        assert_eq!(inspect(to).unwrap().queues, before.queues);
        assert!(matches!(refusal(from), StoreError::Foreign { .. }));
    }
    let opened = open(&sled);
    assert_eq!(opened.found.len(), 51);
    opened.found.iter().for_each(|stored| assert_same(stored, 9000));
    assert_eq!(opened.state.scan(Table::Queues).unwrap().len(), 1);
}

#[test]
fn an_inspection_finds_damage_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = options(dir.path(), EngineKind::Log);
    assert!(matches!(inspect(&log), Err(StoreError::Foreign { .. })));
    {
        let opened = open(&log);
        let answers = Arc::new(Answers::default());
        let batch = (0..9).map(|at| keep(1, at, 500, Some(answers.ticket(at))));
        opened.store.journal(QueueId(1)).keep(&mut batch.collect());
        answers.wait_taken(9);
        close(opened.store);
    }
    let segment = dir.path().join("messages-log/0000000001.log");
    let whole = std::fs::read(&segment).unwrap();
    // A torn tail is no damage, and is left for the start to cut.
    let torn = [&whole[..], &[7; 100]].concat();
    std::fs::write(&segment, &torn).unwrap();
    assert_eq!(inspect(&log).unwrap().queues[0].messages, 9);
    assert_eq!(std::fs::read(&segment).unwrap(), torn);
    let mut damaged = whole.clone();
    damaged[1000] ^= 1;
    std::fs::write(&segment, &damaged).unwrap();
    assert!(matches!(inspect(&log), Err(StoreError::Damaged { .. })));
}

#[test]
fn no_wake_up_is_lost_however_deep_the_thread_sleeps() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        // It falls asleep at once, so that nearly every call meets another depth.
        settle_window_us: 20,
        settle_delay_ms: 1,
        ..options(dir.path(), EngineKind::Memory)
    };
    let opened = open(&options);
    let (store, answers) = (&opened.store, Arc::new(Answers::default()));
    std::thread::scope(|scope| {
        for queue in 0..2u64 {
            let answers = &answers;
            scope.spawn(move || {
                let journal = store.journal(QueueId(queue));
                for at in 0..3000u64 {
                    let tag = queue << 32 | at;
                    let keep = Keep {
                        in_flight: at % 3 == 0,
                        ..keep(queue, at, 1, Some(answers.ticket(tag)))
                    };
                    journal.keep(&mut vec![keep]);
                    // Hangs if the thread sleeps through it.
                    answers.wait_for(tag);
                    if at % 5 == 0 {
                        journal.forget(&[at], Some(answers.ticket(tag | 1 << 31)));
                        answers.wait_for(tag | 1 << 31);
                    } else {
                        journal.forget(&[at], None);
                    }
                }
            });
        }
    });
    close(opened.store);
}
