//! The files under `config/`, and the reference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use warren::config::{self, Config, OptionSpec, Overrides, Source};

use super::Given;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn service_file() -> String {
    std::fs::read_to_string(folder().join("warren.toml")).unwrap()
}

#[test]
fn all_files_load() {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let config = config::check_file(&path).unwrap_or_else(|report| panic!("{report}"));
            assert_eq!(config.file.as_ref(), Some(&path));
            names.insert(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    assert!(names.contains("warren.toml") && names.contains("orders.toml"));
}

#[test]
fn orders_declares_what_it_draws() {
    let config = config::check_file(&folder().join("orders.toml")).unwrap();
    let exchanges: BTreeSet<&str> = config.exchanges.iter().map(|e| e.name.as_str()).collect();
    let queues: BTreeSet<&str> = config.queues.iter().map(|q| q.name.as_str()).collect();
    assert_eq!(exchanges, ["orders", "orders.dead", "orders.retry"].into());
    assert_eq!(
        queues,
        ["orders.billing", "orders.dead", "orders.retry", "orders.shipping"].into()
    );
    for binding in &config.bindings {
        assert!(exchanges.contains(binding.source.as_str()), "{binding:?}");
        assert!(queues.contains(binding.destination.as_str()), "{binding:?}");
    }
    for queue in &config.queues {
        let exchange = queue.arguments.get("x-dead-letter-exchange");
        if let Some(name) = exchange.and_then(|value| value.as_str()).filter(|n| !n.is_empty()) {
            assert!(exchanges.contains(name), "{queue:?}");
        }
    }
}

/// The sections and keys that the service's file mentions, commented out or
/// not, as `section.key`.
fn mentioned(text: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.insert(format!("{section}.{key}"));
        }
    }
    found
}

#[test]
fn the_services_file_mentions_every_option_with_its_help() {
    let text = service_file();
    let mentioned = mentioned(&text);
    let prose: String = text
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line).trim())
        .collect::<Vec<_>>()
        .join(" ");
    for option in Config::options() {
        assert!(mentioned.contains(&option.path()), "{} is missing", option.path());
        assert!(prose.contains(&option.help), "the help of {} differs", option.path());
    }
    for option in Config::entry_options() {
        // Of the three ways to give a password, a file shows one.
        let other_way = ["users.password", "users.password_hash"];
        let path = option.path();
        assert!(
            other_way.contains(&path.as_str()) || mentioned.contains(&path),
            "{path} is missing"
        );
    }
}

/// The service's file with everything in force that is commented out.
fn uncommented(text: &str) -> String {
    let in_force = |line: &&str| {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let key = bare.split(" = ").next().unwrap_or_default();
        let is_key = bare.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        is_key || bare.starts_with('[')
    };
    let lines = text.lines().filter(in_force);
    lines
        .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line)))
        .collect()
}

#[test]
fn what_is_commented_out_is_valid_and_the_default() {
    let text = uncommented(&service_file());
    let given = Given::default().secret("etc/shop.password", "secret\n");
    let config = given
        .load(Some(text.as_bytes()))
        .unwrap_or_else(|report| panic!("{report}\n{text}"));
    let entries = [
        config.vhosts.len(),
        config.users.len(),
        config.permissions.len(),
        config.exchanges.len(),
        config.queues.len(),
        config.bindings.len(),
        config.policies.len(),
    ];
    assert_eq!(entries, [1; 7]);
    let changes = Config::default().changes(&config);
    let of_options = changes.reloadable.iter().chain(&changes.needs_restart);
    let changed: BTreeSet<&str> = of_options
        .map(|change| change.key.as_str())
        .filter(|key| !key.contains(": "))
        .collect();
    assert_eq!(changed, ["listeners.amqp", "listeners.http", "node.data_dir"].into());
}

#[test]
fn the_reference_has_a_row_for_every_key() {
    let reference = config::markdown();
    let rows = |options: &[OptionSpec]| {
        for option in options {
            assert!(!option.help.is_empty());
            assert!(
                reference.contains(&format!("| `{}` |", option.key)),
                "{}",
                option.path()
            );
        }
    };
    rows(&Config::options());
    rows(&Config::entry_options());
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    for table in reference.split("\n\n").filter(|part| part.starts_with('|')) {
        let widths: BTreeSet<usize> = table.lines().map(columns).collect();
        assert_eq!(widths.len(), 1, "{table}");
    }
    assert!(!reference.contains("\n| `type` | must be given | a string"));
}

#[test]
fn every_option_is_set_by_its_own_variable() {
    let options = Config::options();
    let variables: BTreeSet<String> = options.iter().map(OptionSpec::variable).collect();
    assert_eq!(variables.len(), options.len());
    for option in &options {
        // A value that no type but a string takes: the fault names the option.
        let given = Given::default().variable(&option.variable(), "\u{0}");
        if let Err(report) = given.load(None) {
            let fault = &report.faults[0];
            assert!(fault.key.starts_with(&option.path()), "{fault}");
            let source = Source::Environment(option.variable().as_str().into());
            assert_eq!(fault.at.source, source);
        } else {
            let takes_any = ["a string", "a list of: a string"].contains(&option.expects.as_str());
            assert!(takes_any, "{}", option.path());
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    let report = config::read(Some(&path), &Overrides::default()).unwrap_err();
    let text = report.to_string();
    assert!(
        text.starts_with(&format!("{}: cannot be read: ", path.display())),
        "{text}"
    );
}
