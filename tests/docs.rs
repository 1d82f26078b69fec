//! What the documentation says of options, files and links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use warren::config::{self, Config};
use warren::model::argument::{self, Argument};
use warren::model::{FieldTable, PropertiesView};
use warren::routing::{Destination, ExchangeKind, ExchangeSpec, Router};

/// What stands above the tables of `docs/configuration.md`.
const HEAD: &str = "\
# Configuration

Made from the program; `UPDATE_DOCS=1 cargo test --test docs` writes this page anew.

An option comes from a flag, else from the environment, else from the file, else it has its default. The variable of
`heartbeat_s` in `[limits]` is `WARREN_LIMITS__HEARTBEAT_S`; `WARREN_LIMITS__HEARTBEAT_S__FILE` names a file that holds
the value. What is applied by SIGHUP changes while the broker runs; the rest waits for a restart. An unknown key is a
fault. [config/warren.toml](../config/warren.toml) shows every option at its place.

";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

#[test]
fn the_page_of_options_is_what_the_program_knows() {
    let path = root().join("docs/configuration.md");
    let page = format!("{HEAD}{}", config::markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(written == page, "run UPDATE_DOCS=1 cargo test --test docs");
}

/// Between these the README is made from the program.
const MADE: [&str; 2] = [
    "<!-- made from the program: UPDATE_DOCS=1 cargo test --test docs -->\n",
    "<!-- end -->",
];

/// All that can be declared, as the README has it.
fn features() -> String {
    let mut text = String::from("| queue | values | meaning | since | beside Warren |\n|---|---|---|---|---|\n");
    argument::QUEUE
        .iter()
        .for_each(|argument| text.push_str(&row(argument)));
    text.push_str(
        "\n| exchange type | arguments | where messages go | since | beside Warren |\n|---|---|---|---|---|\n",
    );
    for kind in argument::EXCHANGE_TYPES {
        let arguments: Vec<String> = kind.arguments.iter().map(|name| format!("`{name}`")).collect();
        let arguments = arguments.join(", ");
        let (name, origin) = (kind.name, kind.origin.as_str());
        text.push_str(&format!(
            "| `{name}` | {arguments} | {} | {} | {origin} |\n",
            kind.meaning, kind.since
        ));
    }
    for (title, table) in [
        ("exchange", argument::EXCHANGE),
        ("binding", argument::BINDING),
        ("consumer", argument::CONSUMER),
        ("header of a message", argument::MESSAGE),
    ] {
        text.push_str(&format!(
            "\n| {title} | values | meaning | since | beside Warren |\n|---|---|---|---|---|\n"
        ));
        table.iter().for_each(|argument| text.push_str(&row(argument)));
    }
    text
}

fn row(argument: &Argument) -> String {
    let key = argument.policy.map(|key| {
        let mark = if key.operator { "↓" } else { "" };
        format!("[`{}`{mark}]", key.name)
    });
    let name = argument.name.map(|name| format!("`{name}`"));
    let names: Vec<String> = [name, key].into_iter().flatten().collect();
    let (values, origin) = (argument.takes.in_words(), argument.origin.as_str());
    format!(
        "| {} | {values} | {} | {} | {origin} |\n",
        names.join(" "),
        argument.meaning,
        argument.since
    )
}

#[test]
fn the_readmes_table_of_arguments_is_what_the_program_knows() {
    let text = readme();
    let (before, rest) = text.split_once(MADE[0]).expect("the first mark");
    let (standing, after) = rest.split_once(MADE[1]).expect("the second mark");
    let made = features();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = format!("{before}{}{made}{}{after}", MADE[0], MADE[1]);
        fs::write(root().join("README.md"), page).unwrap();
        return;
    }
    assert!(standing == made, "run UPDATE_DOCS=1 cargo test --test docs");
}

/// A table that the program does not read would be a second declaration.
#[test]
fn what_the_tables_declare_is_what_the_program_reads() {
    let sources = sources(&root().join("src"));
    let quoted = |name: &str| sources.contains(&format!("\"{name}\""));
    let tables = [
        argument::QUEUE,
        argument::EXCHANGE,
        argument::BINDING,
        argument::CONSUMER,
        argument::MESSAGE,
    ];
    let all = tables.concat();
    for argument in &all {
        let idle = ["Taken without effect", "Refused: "]
            .iter()
            .any(|word| argument.meaning.starts_with(word));
        for name in argument.name.into_iter().chain(argument.policy.map(|key| key.name)) {
            let named = quoted(name) || quoted(name.strip_prefix("x-").unwrap_or(name));
            assert!(named || idle, "{name} is declared, and nothing reads it");
        }
    }
    // What the broker writes into messages, and what is for others.
    let written = [
        "x-death",
        "x-retry-count",
        "x-retry-at",
        "x-delivery-count",
        "x-reason",
        "x-replay-count",
        "x-replay-deaths",
        // Of HTTP.
        "x-warren-request",
        "x-accel-buffering",
        "x-first-death-reason",
        "x-first-death-queue",
        "x-content-type-options",
    ];
    let kinds = argument::EXCHANGE_TYPES.iter().map(|kind| kind.name);
    let known: BTreeSet<&str> = all.iter().filter_map(|argument| argument.name).chain(kinds).collect();
    for name in sources.split('"').skip(1).step_by(2) {
        let is_argument = name
            .strip_prefix("x-")
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        let is_known = known.contains(name) || written.contains(&name);
        assert!(!is_argument || is_known, "{name} is read, and not declared");
    }
}

/// All code without tests, the tables, comments and the load generator.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let apart = [
            "tests",
            "tests.rs",
            "feature_tests",
            "feature_tests.rs",
            "model_tests",
            "bench",
            "argument",
        ];
        if apart.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if name.ends_with(".rs") {
            let code = fs::read_to_string(&path).unwrap();
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            lines.for_each(|line| text.push_str(&format!("{line}\n")));
        }
    }
    text
}

#[test]
fn the_readme_gives_the_true_defaults() {
    let readme = readme();
    let mut seen = 0;
    for option in Config::options() {
        let row = readme
            .lines()
            .find_map(|line| line.strip_prefix(&format!("| `{}` | ", option.path())));
        let Some(row) = row else { continue };
        let default = option.default.as_deref().unwrap_or_default();
        assert!(
            row.starts_with(&format!("`{default}` |")),
            "{}: {row}, and it is {default}",
            option.path()
        );
        seen += 1;
    }
    assert_eq!(seen, 7);
}

/// Only the server reads the configuration, so what it does not name has no effect.
#[test]
fn the_readme_names_every_option_without_effect() {
    // The configuration itself makes a user of these.
    let within = ["auth.default_user", "auth.default_password"];
    let server = sources(&root().join("src/server"));
    let used = |path: &str| {
        let key = format!(".{}", path.rsplit('.').next().unwrap());
        let mut places = server.match_indices(&key);
        places.any(|(at, _)| !server[at + key.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let mut idle: BTreeSet<String> = Config::options().iter().map(|option| option.path()).collect();
    idle.extend(Config::entry_options().iter().map(|option| option.section.to_owned()));
    idle.retain(|path| !used(path) && !within.contains(&path.as_str()));

    let readme = readme();
    let start = readme.find("without effect so far:");
    let paragraph = start
        .map(|at| readme[at..].split("\n\n").next().unwrap())
        .unwrap_or_default();
    let named: BTreeSet<String> = paragraph.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(named, idle, "what README.md names, and what src/server does not");
}

/// Where each of 100,000 keys goes among so many queues of one weight behind a consistent hash exchange.
fn spread(queues: usize) -> Vec<usize> {
    let mut router: Router<usize> = Router::new();
    let spec = ExchangeSpec::durable(ExchangeKind::ConsistentHash);
    router.declare("x".into(), spec).unwrap();
    for handle in 0..queues {
        let destination = Destination::Queue {
            name: format!("queue {handle}").as_str().into(),
            handle,
        };
        router.bind("x", destination, "1", FieldTable::new()).unwrap();
    }
    let properties = PropertiesView::new(&[0, 0]);
    let mut out = Vec::new();
    (0..100_000)
        .map(|number| {
            router.route("x", &format!("order.{number}"), properties, 0, &mut out);
            out[0]
        })
        .collect()
}

/// The hash is the same everywhere, so these figures are facts and no measurement of a machine.
#[test]
fn the_readme_gives_the_true_balance_of_consistent_hash() {
    let (ten, eleven) = (spread(10), spread(11));
    let mut counts = [0_usize; 10];
    ten.iter().for_each(|queue| counts[*queue] += 1);
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    let moved: Vec<usize> = (0..ten.len()).filter(|at| ten[*at] != eleven[*at]).collect();
    assert!(
        moved.iter().all(|at| eleven[*at] == 10),
        "a key moved between two that stayed"
    );
    let share = moved.len() as f64 / 1_000.0;
    let sentence = format!(
        "of 100,000 keys each of ten queues gets {least} to {most}, and an eleventh takes {share:.1} % of them, none of \
         which moves between the ten."
    );
    let page = readme();
    let plain: Vec<&str> = page.split_whitespace().collect();
    let wanted: Vec<&str> = sentence.split_whitespace().collect();
    assert!(
        plain.windows(wanted.len()).any(|words| words == wanted),
        "README.md: {sentence}"
    );
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let mut links = 0;
    for page in ["README.md", "docs/configuration.md", "docs/operating.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let folder = root().join(page).parent().map(Path::to_owned).unwrap();
        // Programs are no prose.
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.starts_with("https://") {
                continue;
            }
            let (target, heading) = target.split_once('#').unwrap_or((target, ""));
            let page_text = match target {
                "" => text.clone(),
                path => fs::read_to_string(folder.join(path)).unwrap_or_default(),
            };
            let anchors = page_text.lines().filter_map(|line| line.strip_prefix('#'));
            let mut anchors =
                anchors.map(|title| title.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
            assert!(
                heading.is_empty() || anchors.any(|anchor| anchor == heading),
                "{page}: #{heading}"
            );
            assert!(folder.join(target).exists(), "{page}: {target} is not there");
            links += 1;
        }
    }
    assert!(links >= 8, "{links} links");
}

/// The gate and a person run the same two commands.
#[test]
fn the_readmes_first_block_is_the_two_commands() {
    let readme = readme();
    let block = readme.split("```").nth(1).unwrap();
    let commands: Vec<&str> = block
        .lines()
        .skip(1)
        .map(|line| line.split('#').next().unwrap().trim())
        .collect();
    assert_eq!(commands, ["cargo run --release -- serve", "./conformance/all"]);
    let gate = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(gate.contains("./conformance/all"));
}
