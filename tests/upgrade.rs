//! Data folders of every version of the format open for ever, with all that is in them: `tests/data/store` has one of each
//! version and engine, as a broker that was killed left it. A new version adds its own and lets these be.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use warren::store::{EngineKind, MessageStore, StateStore, StoreOptions, StoredMessage, Table};

const FOLDERS: [(&str, EngineKind); 2] = [("folder-v1-log", EngineKind::Log), ("folder-v1-sled", EngineKind::Sled)];
const DEFINITIONS: &str = include_str!("data/store/folder-v1-definitions.json");

/// Unpacks a folder; its data is in `data`.
fn unpack(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/store/{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive).arg("-C").arg(dir.path());
    assert!(tar.status().unwrap().success());
    dir
}

fn open(dir: &Path, engine: EngineKind) -> (MessageStore, Arc<dyn StateStore>, Vec<StoredMessage>) {
    let options = StoreOptions {
        engine,
        ..StoreOptions::new(dir.join("data"))
    };
    let (mut store, state) = MessageStore::open(options, Arc::new(|error| panic!("{error}"))).unwrap();
    let mut found = Vec::new();
    store.recover(&mut |stored| found.push(stored)).unwrap();
    (store, state, found)
}

/// The bodies of a queue's messages, in order.
fn bodies(state: &dyn StateStore, found: &[StoredMessage], name: &str) -> Vec<String> {
    let records = state.scan(Table::Queues).unwrap();
    let records = records
        .iter()
        .map(|(_, record)| serde_json::from_slice::<Value>(record).unwrap());
    let id = records
        .filter(|record| record["name"] == name)
        .find_map(|record| record["id"].as_u64());
    let of_queue = found.iter().filter(|stored| Some(stored.queue.0) == id);
    of_queue
        .map(|stored| String::from_utf8(stored.message.body().to_vec()).unwrap())
        .collect()
}

#[test]
fn all_messages_are_there() {
    for (name, engine) in FOLDERS {
        let dir = unpack(name);
        // The second time what the first start has written is read as well.
        for _ in 0..2 {
            let (store, state, found) = open(dir.path(), engine);
            let mut expected: Vec<String> = [1, 3, 4, 6, 7, 9, 10]
                .into_iter()
                .map(|number| format!("{number} ").repeat(if number == 9 { 3000 } else { 3 }))
                .collect();
            expected.extend([String::new(), "last".to_owned()]);
            assert_eq!(bodies(&*state, &found, "jobs"), expected, "{name}");
            assert_eq!(bodies(&*state, &found, "once"), ["once"]);
            assert_eq!(bodies(&*state, &found, "dead"), ["dies"]);
            assert_eq!(found.len(), 12, "and one value of the deduplication");
            let first = &found
                .iter()
                .find(|stored| stored.message.body() == b"1 1 1 ")
                .unwrap()
                .message;
            assert_eq!((first.exchange(), &*first.routing_key()), ("orders", "a.b"));
            assert_eq!(first.properties().decode().unwrap().message_id.as_deref(), Some("m1"));
            let dies = found.iter().find(|stored| stored.message.body() == b"dies").unwrap();
            assert!(dies.expires_at.is_some());
            store.shutdown().unwrap();
        }
    }
}

/// A broker that does not outlive its test.
struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn all_definitions_are_there() {
    let expected: Value = serde_json::from_str(DEFINITIONS).unwrap();
    for (name, engine) in FOLDERS {
        let dir = unpack(name);
        let mut child = Command::new(env!("CARGO_BIN_EXE_warren"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--data-dir",
                "data",
            ])
            .current_dir(dir.path())
            .env("WARREN_STORE__MESSAGES", engine.name())
            .env_remove("WARREN_CONFIG")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let _broker = Broker(child);
        let address = line.trim().rsplit_once("http=").unwrap_or_else(|| panic!("{line}")).1;
        let export = Command::new(env!("CARGO_BIN_EXE_warren"))
            .args([
                "definitions",
                "export",
                "--url",
                &format!("http://guest:guest@{address}"),
            ])
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&export.stdout).unwrap();
        for (kind, list) in expected.as_object().unwrap() {
            let found = found[kind].as_array().unwrap_or_else(|| panic!("{name}: no {kind}"));
            for one in list.as_array().unwrap() {
                // Later versions may say more of it.
                let same = |other: &Value| one.as_object().unwrap().iter().all(|(key, value)| other[key] == *value);
                assert!(found.iter().any(same), "{name}: {kind} {one}");
            }
        }
    }
}
