//! What the documentation says of options, files and links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use warren::config::{self, Config};

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
    let files = fs::read_dir(root().join("src/server")).unwrap();
    let server: String = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
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
