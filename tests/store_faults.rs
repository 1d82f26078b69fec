//! Both message engines and sled's definitions over a disk that fails: every file operation of a small life, the first
//! start included, meets an error, a full disk, or does half of what it was asked for.
//!
//! sled opens its own files, so the fault is put under the whole process: `conformance/crash/disk.c` (a library for
//! `LD_PRELOAD`) counts the operations on the data folder and lets one of them fail. The process is this test, started
//! again; it notes what it was promised, and the next start without faults is held to that.
//!
//! One fault at every third operation, in turns; `WARREN_FAULTS=all` tries every fault at every operation.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, RwLock};

use warren::model::{ConfirmSink, ConfirmTicket, Message};
use warren::store::{
    EngineKind, Keep, MessageStore, QueueId, StateChange, StoreError, StoreOptions, StoredMessage, Table,
};

/// In place of an exit code.
const ABORTED: i32 = -1;
/// One operation in so many is tried, unless all are asked for.
const STEP: usize = 3;
/// A process that is being started has, for a moment, all files of the one that starts it, and their locks: none is
/// started while a folder is open here.
static OPENED: RwLock<()> = RwLock::new(());
const FAULTS: [&str; 5] = ["eio", "enospc", "torn-eio", "torn-enospc", "short"];

/// The child's part: see [`life`]. Does nothing in the run that starts it.
#[test]
fn the_process_under_test() {
    if let (Ok(dir), Ok(engine)) = (std::env::var("STORE_FAULTS_DIR"), std::env::var("STORE_FAULTS_ENGINE")) {
        let engine = engine_named(&engine);
        life(Path::new(&dir), engine).unwrap_or_else(|error| {
            eprintln!("{error}");
            std::process::exit(2);
        });
        std::process::exit(0);
    }
}

fn engine_named(name: &str) -> EngineKind {
    match name {
        "log" => EngineKind::Log,
        _ => EngineKind::Sled,
    }
}

/// What was promised, a line each, in a file of its own.
struct Notes(Mutex<File>);

impl Notes {
    fn note(&self, line: &str) {
        let mut file = self.0.lock().unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// Notes answers and lets the life wait for them.
struct Answers {
    notes: Arc<Notes>,
    queue: u64,
    open: Mutex<usize>,
    changed: Condvar,
}

impl Answers {
    fn new(notes: &Arc<Notes>, queue: u64) -> Arc<Self> {
        Arc::new(Self {
            notes: Arc::clone(notes),
            queue,
            open: Mutex::new(0),
            changed: Condvar::new(),
        })
    }

    fn ticket(self: &Arc<Self>, sequence: u64) -> Option<ConfirmTicket> {
        *self.open.lock().unwrap() += 1;
        Some(ConfirmTicket::new(Arc::clone(self) as Arc<dyn ConfirmSink>, sequence))
    }

    fn answer(&self, word: &str, sequence: u64) {
        self.notes.note(&format!("{word} {} {sequence}", self.queue));
        *self.open.lock().unwrap() -= 1;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| *open > 0).unwrap());
    }
}

impl ConfirmSink for Answers {
    fn taken(&self, tag: u64) {
        self.answer("taken", tag);
    }

    fn refused(&self, tag: u64) {
        self.answer("refused", tag);
    }
}

fn options(dir: &Path, engine: EngineKind) -> StoreOptions {
    StoreOptions {
        engine,
        segment_bytes: 32 << 10,
        reserve_bytes: 4 << 10,
        // Every start writes sled's database anew, which is larger than that.
        sled_slack_bytes: 64 << 10,
        ..StoreOptions::new(dir.join("data"))
    }
}

fn body(queue: u64, sequence: u64, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at as u64 * 31 + sequence * 7 + queue) as u8)
        .collect()
}

/// The longest is cut into chunks by sled, and has a segment of its own in the log.
fn length(sequence: u64) -> usize {
    match sequence {
        7 => 50_000,
        sequence => sequence as usize * 97 % 3000,
    }
}

/// Two runs of a store: definitions, messages, settlements, a queue that goes.
fn life(dir: &Path, engine: EngineKind) -> Result<(), StoreError> {
    let notes = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("notes"))
        .unwrap();
    let notes = Arc::new(Notes(Mutex::new(notes)));
    for run in 0..2u64 {
        let fatal = Arc::new(|error: &StoreError| {
            eprintln!("{error}");
            std::process::exit(2);
        });
        let (mut store, state) = MessageStore::open(options(dir, engine), fatal)?;
        store.recover(&mut |_| {})?;
        let put = |key: &str| StateChange::Put(Table::Queues, key.into(), b"value".to_vec());
        notes.note(&format!("state? {run}"));
        state.commit(&[put(&format!("first {run}")), put(&format!("second {run}"))])?;
        notes.note(&format!("state {run}"));
        for queue in [1, 2, 3 + run] {
            messages(&store, &notes, queue, run);
        }
        notes.note(&format!("removing {}", 3 + run));
        store.remove_queue(QueueId(3 + run));
        store.shutdown()?;
        notes.note(&format!("removed {}", 3 + run));
    }
    Ok(())
}

fn messages(store: &MessageStore, notes: &Arc<Notes>, queue: u64, run: u64) {
    let journal = store.journal(QueueId(queue));
    let answers = Answers::new(notes, queue);
    let sequences = run * 12 + 1..run * 12 + 13;
    for first in sequences.clone().step_by(4) {
        let keep = |sequence| Keep {
            sequence,
            message: Message::new("x", "key", &[0x10, 0, 2], &[&body(queue, sequence, length(sequence))]),
            expires_at: None,
            ticket: answers.ticket(sequence),
            in_flight: false,
        };
        journal.keep(&mut (first..first + 4).map(keep).collect());
        answers.wait();
    }
    // Every third is settled, and that is answered, too.
    let settled: Vec<u64> = sequences.filter(|sequence| sequence % 3 == 0).collect();
    settled
        .iter()
        .for_each(|sequence| notes.note(&format!("settling {queue} {sequence}")));
    let gone = Answers::new(notes, queue + 100);
    journal.forget(&settled, gone.ticket(run));
    gone.wait();
}

/// Holds a start without faults to what the notes say; gives what is wrong.
fn check(dir: &Path, engine: EngineKind) -> Result<(), String> {
    let text = fs::read_to_string(dir.join("notes")).unwrap_or_default();
    let mut notes: BTreeMap<&str, Vec<Vec<u64>>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let numbers = |words: std::str::Split<'_, char>| words.map(|word| word.parse().unwrap()).collect();
        notes.entry(words.next().unwrap()).or_default().push(numbers(words));
    }
    let has = |word: &str, numbers: &[u64]| notes.get(word).is_some_and(|all| all.iter().any(|one| one == numbers));
    let fatal = Arc::new(|error: &StoreError| panic!("{error}"));
    let _opened = OPENED.read().unwrap();
    let (mut store, state) = MessageStore::open(options(dir, engine), fatal).map_err(|error| error.to_string())?;
    let mut found: BTreeMap<(u64, u64), StoredMessage> = BTreeMap::new();
    store
        .recover(&mut |stored| _ = found.insert((stored.queue.0, stored.sequence), stored))
        .map_err(|error| error.to_string())?;
    for ((queue, sequence), stored) in &found {
        if stored.message.body() != body(*queue, *sequence, length(*sequence)) {
            return Err(format!("{sequence} of {queue} is damaged"));
        }
        if has("refused", &[*queue, *sequence]) {
            return Err(format!("{sequence} of {queue} was refused"));
        }
        let run = (*sequence - 1) / 12;
        let settled = has("settling", &[*queue, *sequence]) && has("taken", &[*queue + 100, run]);
        if settled || has("removed", &[*queue]) {
            return Err(format!("{sequence} of {queue} came back"));
        }
    }
    for taken in notes.get("taken").into_iter().flatten().filter(|taken| taken[0] < 100) {
        let excused = has("settling", taken) || has("removing", &taken[..1]);
        if !excused && !found.contains_key(&(taken[0], taken[1])) {
            return Err(format!("{} of {} is lost", taken[1], taken[0]));
        }
    }
    let stored = state.scan(Table::Queues).map_err(|error| error.to_string())?;
    for run in 0..2u64 {
        let there = |name: &str| stored.iter().any(|(key, _)| key == format!("{name} {run}").as_bytes());
        match (there("first"), there("second")) {
            (false, true) | (true, false) => return Err(format!("half of the definitions of run {run} are there")),
            (false, false) if has("state", &[run]) => return Err(format!("the definitions of run {run} are lost")),
            (true, true) if !has("state?", &[run]) => return Err("definitions from nowhere".to_owned()),
            _ => {}
        }
    }
    store.shutdown().map_err(|error| error.to_string())
}

/// Compiles the library that fails.
fn library(dir: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/crash/disk.c");
    let library = dir.join("disk.so");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .arg(source);
    assert!(
        compiler
            .status()
            .expect("cc, which Rust links with, is there")
            .success()
    );
    library
}

/// One life, with a fault; its exit code and how many operations there were.
fn run(library: &Path, dir: &Path, engine: EngineKind, fault: Option<&str>) -> (i32, u64) {
    fs::create_dir_all(dir).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "the_process_under_test", "--nocapture", "--test-threads=1"])
        .env("STORE_FAULTS_DIR", dir)
        .env("STORE_FAULTS_ENGINE", engine.name())
        .env("LD_PRELOAD", library)
        .env("DISK_FOLDER", dir.join("data"))
        .env("DISK_COUNT", dir.join("count"));
    if let Some(fault) = fault {
        child.env("DISK_FAIL", fault);
    }
    child.stdout(Stdio::null()).stderr(Stdio::null());
    let alone = OPENED.write().unwrap();
    let mut child = child.spawn().unwrap();
    drop(alone);
    let status = child.wait().unwrap();
    // sled panics on some errors, and again while it cleans up: an abort.
    let code = status.code().unwrap_or(ABORTED);
    let count = fs::read_to_string(dir.join("count")).unwrap_or_default();
    (code, count.trim().parse().unwrap_or(0))
}

fn every_operation_may_fail(engine: EngineKind) {
    let all = std::env::var("WARREN_FAULTS").is_ok_and(|which| which == "all");
    let dir = tempfile::tempdir().unwrap();
    let library = library(dir.path());
    let whole = dir.path().join("whole");
    let (code, operations) = run(&library, &whole, engine, None);
    assert_eq!(code, 0);
    check(&whole, engine).unwrap();
    assert!(operations > 60, "{operations}");
    let (mut failed, mut tried) = (0, 0);
    for operation in 1..=operations {
        for (at, fault) in FAULTS.iter().enumerate() {
            let is_turn = (operation as usize).is_multiple_of(STEP) && operation as usize / STEP % FAULTS.len() == at;
            if !all && !is_turn {
                continue;
            }
            // What comes after the fault may go well again, or fail as well.
            let onward = if operation % 2 == 1 && *fault != "short" {
                "+"
            } else {
                ""
            };
            let fault = format!("{operation}{onward}:{fault}");
            let place = dir.path().join("life");
            let (code, _) = run(&library, &place, engine, Some(&fault));
            assert!(code == 0 || !fault.ends_with("short"), "{fault}: exit code {code}");
            failed += u64::from(code != 0);
            tried += 1;
            // sled's first start has written anew what the second one reads.
            let checks = if engine == EngineKind::Sled { 2 } else { 1 };
            if let Err(wrong) = (0..checks).try_for_each(|_| check(&place, engine)) {
                panic!("{engine:?}, fault {fault}: {wrong}");
            }
            fs::remove_dir_all(&place).unwrap();
        }
    }
    // An error is not passed over in silence.
    assert!(failed > tried / 4, "{failed} of {tried}");
}

#[test]
fn every_operation_under_the_log_may_fail() {
    every_operation_may_fail(EngineKind::Log);
}

#[test]
fn every_operation_under_sled_may_fail() {
    every_operation_may_fail(EngineKind::Sled);
}
