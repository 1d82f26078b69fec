//! Words that may not stand somewhere.

use crate::source::{Source, Text};

/// Layers without input, output, clocks and chance: the same commands give the same effects.
const PURE: &[&str] = &["model", "routing", "queue", "amqp"];

/// What pure layers may not name.
const IMPURE: &[&str] = &[
    "tokio",
    "Instant",
    "SystemTime",
    "rand",
    "getrandom",
    "std::fs",
    "std::net",
    "std::thread",
];

/// Crates that one layer keeps to itself: (crate, paths that may name it).
const KEPT: &[(&str, &[&str])] = &[
    ("sled", &["src/store/"]),
    ("amq_protocol", &["src/amqp/", "src/model/"]),
    ("dashmap", &["src/broker/"]),
    ("axum", &["src/http/"]),
    ("opentelemetry", &["src/telemetry/"]),
    ("opentelemetry_sdk", &["src/telemetry/"]),
];

/// Barred in everything that ships.
const EVERYWHERE: &[&str] = &["unsafe", concat!("to", "do!"), concat!("un", "implemented!"), "dbg!"];

/// Modules that would say nothing about their subject.
const NAMELESS: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];

pub fn faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test) {
        for (index, line) in source.code.iter().enumerate() {
            let mut bar = |word: &str| faults.push(format!("{}: `{word}` is barred here", source.at(index)));
            for word in EVERYWHERE.iter().filter(|word| has_word(line, word)) {
                bar(word);
            }
            if PURE.contains(&source.layer()) {
                for word in IMPURE.iter().filter(|word| has_word(line, word)) {
                    bar(word);
                }
            }
            for (name, places) in KEPT {
                let kept = places.iter().any(|place| source.path.starts_with(place));
                if !kept && has_word(line, &format!("{name}::")) {
                    bar(name);
                }
            }
        }
    }
    faults
}

/// Whether `word` stands on the line by itself, not as a part of another one.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part);
        let after = line[at + word.len()..].chars().next().is_some_and(part);
        !before && (!after || word.ends_with(':'))
    })
}

/// Marks of work that was put off, in any file.
pub fn unfinished(texts: &[Text]) -> Vec<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[", "ignore")];
    find(texts, &marks, "is left to be done")
}

/// Paths that exist on the machine of whoever wrote them.
pub fn machine_paths(texts: &[Text]) -> Vec<String> {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/tm", "p/"),
        concat!("/ho", "me/"),
    ];
    find(texts, &paths, "is a path of one machine")
}

fn find(texts: &[Text], words: &[&str], fault: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for text in texts {
        for (index, line) in text.content.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{}:{}: `{word}` {fault}", text.path, index + 1));
            }
        }
    }
    faults
}

pub fn module_names(sources: &[Source]) -> Vec<String> {
    let nameless = |source: &&Source| {
        let mut parts = source.path.trim_end_matches(".rs").split('/');
        parts.any(|part| NAMELESS.contains(&part))
    };
    let named = sources.iter().filter(nameless);
    named
        .map(|source| format!("{}: name it after its subject", source.path))
        .collect()
}

/// Every `unwrap` and `expect` without a comment above its statement or behind it.
pub fn unproven(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test) {
        for (index, line) in source.code.iter().enumerate() {
            if (line.contains(".unwrap()") || line.contains(".expect(")) && !is_proven(source, index) {
                faults.push(format!("{}: no comment says why this cannot fail", source.at(index)));
            }
        }
    }
    faults
}

/// Looks at the line, then upwards to the line before the statement.
fn is_proven(source: &Source, index: usize) -> bool {
    for line in (0..=index).rev() {
        if source.comment[line] {
            return true;
        }
        let code = source.code[line].trim_end();
        if line < index && (code.is_empty() || code.ends_with([';', '{', '}'])) {
            return false;
        }
    }
    false
}

#[test]
fn barred_words_are_found() {
    let source = crate::made_up(
        "src/queue/expiry.rs",
        "use std::time::Instant;\nlet operand = tokio::spawn(0);\n",
    );
    let found = faults(&[source]);
    assert_eq!(
        found,
        [
            "src/queue/expiry.rs:1: `Instant` is barred here",
            "src/queue/expiry.rs:2: `tokio` is barred here"
        ]
    );
    let source = crate::made_up(
        "src/net/reader.rs",
        "use sled::Db;\nlet tree = assled::open();\nunsafe { x() }\n",
    );
    let found = faults(&[source]);
    assert_eq!(
        found,
        [
            "src/net/reader.rs:1: `sled` is barred here",
            "src/net/reader.rs:3: `unsafe` is barred here"
        ]
    );
}

#[test]
fn a_comment_proves_and_documentation_does_not() {
    let text = "let a = x\n    .unwrap();\n// Checked above.\nlet b = x\n    .expect(\"b\");\n\
                let c = x.unwrap(); // Never empty.\n/// Docs.\nfn d() { x.unwrap(); }\n";
    let found = unproven(&[crate::made_up("src/net/reader.rs", text)]);
    assert_eq!(
        found,
        [
            "src/net/reader.rs:2: no comment says why this cannot fail",
            "src/net/reader.rs:8: no comment says why this cannot fail"
        ]
    );
}

#[test]
fn marks_paths_and_names_are_found() {
    let content = format!(
        "line\n{} later\nsee {}\n",
        concat!("TO", "DO"),
        concat!("/ro", "ot/notes")
    );
    let texts = [Text {
        path: "README.md".to_owned(),
        content,
    }];
    assert_eq!(unfinished(&texts).len(), 1);
    assert_eq!(machine_paths(&texts).len(), 1);
    let sources = [
        crate::made_up("src/net/utils.rs", ""),
        crate::made_up("src/net/utility.rs", ""),
    ];
    assert_eq!(module_names(&sources), ["src/net/utils.rs: name it after its subject"]);
}
