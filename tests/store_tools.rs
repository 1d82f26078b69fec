//! `warren store check|stats|convert`: text and exit codes over folders of a stopped broker.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use warren::model::{Message, Properties};
use warren::store::{EngineKind, Keep, MessageStore, QueueId, StateChange, StateStore, StoreOptions, Table};

fn open(dir: &Path, engine: EngineKind) -> (MessageStore, Arc<dyn StateStore>, u64) {
    let options = StoreOptions {
        engine,
        ..StoreOptions::new(dir)
    };
    let (mut store, state) = MessageStore::open(options, Arc::new(|error| panic!("{error}"))).unwrap();
    let found = store.recover(&mut |_| {}).unwrap();
    (store, state, found.messages)
}

/// A folder with ten messages of 100 bytes in queue `jobs`, the first three of them settled, and an empty queue.
fn fill(dir: &Path, engine: EngineKind) {
    let (store, state, _) = open(dir, engine);
    let record = |name: &str, id: u64| {
        let text = format!(r#"{{"vhost":"/","name":"{name}","id":{id},"auto_delete":false,"arguments":"AAAAAA=="}}"#);
        StateChange::Put(Table::Queues, name.into(), text.into_bytes())
    };
    state.commit(&[record("jobs", 4), record("idle", 5)]).unwrap();
    let properties = Properties {
        timestamp: Some(1_700_000_000),
        ..Properties::default()
    };
    let keep = |sequence| Keep {
        sequence,
        message: Message::new("", "jobs", &properties.encode(), &[&[7; 100]]),
        expires_at: None,
        ticket: None,
        in_flight: false,
    };
    let journal = store.journal(QueueId(4));
    journal.keep(&mut (1..=10).map(keep).collect());
    store.shutdown().unwrap();
    drop((store, state));
    let (store, _state, found) = open(dir, engine);
    assert_eq!(found, 10);
    store.journal(QueueId(4)).forget(&[1, 2, 3], None);
    store.shutdown().unwrap();
}

/// Exit code, standard output and standard error of `warren store ...`.
fn warren(arguments: &[&str], dir: &Path) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_warren"))
        .arg("store")
        .args(arguments)
        .arg("--data-dir")
        .arg(dir)
        .current_dir("/")
        .env_remove("WARREN_CONFIG")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn stats_name_queues_bytes_and_segments() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), EngineKind::Log);
    let (code, text, _) = warren(&["stats"], dir.path());
    assert_eq!(code, 0);
    let line = |start: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start:?} in:\n{text}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("engine"), ["engine", "log"]);
    assert_eq!(line("messages  "), ["messages", "7"]);
    assert_eq!(line("7 "), ["7", "700", "4", "10", "1700000000", "/", "jobs"]);
    assert_eq!(line("empty queues"), ["empty", "queues", "1"]);
    let number = |line: Vec<String>, at: usize| line[at].parse::<u64>().unwrap();
    let (live, dead) = (number(line("live bytes"), 2), number(line("dead bytes"), 2));
    assert!(live > 700 && dead > 300, "{text}");
    assert_eq!(live + dead, number(line("bytes on disk"), 3));
    assert_eq!(
        line("1 ")[4..],
        ["7", "yes"],
        "the segment's messages, and a checkpoint at a clean end"
    );
    assert_eq!(number(line("1 "), 1), number(line("1 "), 2) + number(line("1 "), 3));
    assert!(number(line("definitions"), 1) > 0);
}

#[test]
fn check_accepts_what_is_whole_and_names_damage() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), EngineKind::Log);
    let (code, text, _) = warren(&["check"], dir.path());
    assert_eq!(code, 0);
    assert!(text.ends_with("no damage, 7 messages in 1 queues\n"), "{text}");
    let segment = dir.path().join("messages-log/0000000001.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[600] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (code, _, error) = warren(&["check"], dir.path());
    assert_eq!(code, 2);
    assert!(error.contains("0000000001.log is damaged at byte"), "{error}");
}

#[test]
fn convert_goes_there_and_back_and_says_when_there_is_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), EngineKind::Log);
    for (to, from) in [("sled", "log"), ("log", "sled")] {
        let (code, text, _) = warren(&["convert", "--to", to], dir.path());
        assert_eq!(code, 0);
        assert!(
            text.contains(&format!("7 messages converted from \"{from}\" to \"{to}\"")),
            "{text}"
        );
        let (_, text, _) = warren(&["stats"], dir.path());
        assert!(text.contains("700"), "{text}");
    }
    let (code, text, _) = warren(&["convert"], dir.path());
    assert_eq!(code, 0);
    assert!(text.contains("already"), "{text}");
    assert_eq!(open(dir.path(), EngineKind::Log).2, 7);
}

#[test]
fn wrong_uses_exit_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, error) = warren(&["stats"], dir.path());
    assert_eq!(code, 1);
    assert!(error.contains("is not Warren's"), "{error}");
    let (code, _, error) = warren(&["check"], &dir.path().join("missing"));
    assert_eq!(code, 1);
    assert!(error.contains("is not Warren's"), "{error}");
    assert_eq!(warren(&["convert", "--to", "paper"], dir.path()).0, 1);
    fill(dir.path(), EngineKind::Log);
    let _held = open(dir.path(), EngineKind::Log);
    let (code, _, error) = warren(&["check"], dir.path());
    assert_eq!(code, 1);
    assert!(error.contains("in use"), "{error}");
}

#[test]
fn lost_messages_are_forgotten_on_demand_only() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), EngineKind::Log);
    let (code, _, error) = warren(&["forget-lost"], dir.path());
    assert_eq!(code, 1);
    assert!(error.contains("nothing is lost"), "{error}");
    std::fs::remove_dir_all(dir.path().join("messages-log")).unwrap();
    let (code, _, error) = warren(&["check"], dir.path());
    assert_eq!(code, 1);
    assert!(
        error.contains("no messages in messages-log") && error.contains("warren store forget-lost"),
        "{error}"
    );
    let (code, text, _) = warren(&["forget-lost"], dir.path());
    assert_eq!(code, 0);
    assert!(text.contains("all queues empty"), "{text}");
    let (_, text, _) = warren(&["check"], dir.path());
    assert!(text.ends_with("no damage, 0 messages in 0 queues\n"), "{text}");
    assert_eq!(open(dir.path(), EngineKind::Log).2, 0);
}
