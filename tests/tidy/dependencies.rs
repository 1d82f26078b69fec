//! Licences, sources and bars of all crates that are built, after `.ci/deny.toml`, which cargo-deny reads as well.
//!
//! cargo-deny knows more, and takes minutes to build; this needs nothing but cargo and what it has fetched already.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A crate as cargo knows it.
pub struct Package {
    name: String,
    license: Option<String>,
    /// `None` for one of this repository.
    source: Option<String>,
}

/// What is allowed and barred.
pub struct Rules {
    licenses: Vec<String>,
    barred: Vec<String>,
}

impl Rules {
    /// Reads `.ci/deny.toml`; every exception in it has to say why.
    pub fn read(root: &Path) -> Self {
        let text = std::fs::read_to_string(root.join(".ci/deny.toml")).unwrap();
        let rules: toml::Table = text.parse().unwrap();
        let list = |table: &str, key: &str| rules[table][key].as_array().unwrap().clone();
        for exception in list("advisories", "ignore").iter().chain(&list("bans", "deny")) {
            let reason = exception.get("reason").and_then(toml::Value::as_str);
            assert!(
                reason.is_some_and(|reason| !reason.is_empty()),
                "{exception} says no reason"
            );
        }
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        Self {
            licenses: list("licenses", "allow").iter().map(text).collect(),
            barred: list("bans", "deny").iter().map(|bar| text(&bar["crate"])).collect(),
        }
    }
}

/// All crates that are built on this kind of machine, those for tests too.
pub fn packages(root: &Path) -> Vec<Package> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
        ])
        .arg(platform)
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| Package {
            name: text(&package["name"]).unwrap(),
            license: text(&package["license"]),
            source: text(&package["source"]),
        })
        .collect()
}

/// Every crate that is not as the rules have it, and every licence that is allowed for nobody.
pub fn faults(packages: &[Package], rules: &Rules) -> Vec<String> {
    let mut faults = Vec::new();
    for Package { name, license, source } in packages {
        match license {
            None => faults.push(format!("{name} names no licence")),
            Some(license) if !holds(license, &|id| rules.licenses.iter().any(|allowed| allowed == id)) => {
                faults.push(format!("{name}: the licence {license} is not allowed"));
            }
            Some(_) => {}
        }
        if source.as_ref().is_some_and(|source| source != REGISTRY) {
            faults.push(format!("{name} does not come from crates.io"));
        }
        if rules.barred.contains(name) {
            faults.push(format!("{name} is barred"));
        }
    }
    for allowed in &rules.licenses {
        let named = |package: &Package| {
            package
                .license
                .as_ref()
                .is_some_and(|license| license.contains(allowed))
        };
        if !packages.iter().any(named) {
            faults.push(format!("no crate has the licence {allowed}"));
        }
    }
    faults
}

/// Whether an expression of licences (SPDX, or with `/` for OR as before it) holds with those that are `allowed`. AND
/// binds tighter than OR; a licence WITH an exception is one of its own.
fn holds(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, allowed) && rest.is_empty()
}

fn any_of(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut holds = all_of(words, allowed);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        holds |= all_of(words, allowed);
    }
    holds
}

fn all_of(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut holds = one(words, allowed);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        holds &= one(words, allowed);
    }
    holds
}

fn one(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let holds = any_of(words, allowed);
            let closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            holds && closed
        }
        [license, "WITH", exception, rest @ ..] => {
            *words = rest;
            allowed(&format!("{license} WITH {exception}"))
        }
        [license, rest @ ..] => {
            *words = rest;
            allowed(license)
        }
        [] => false,
    }
}

#[test]
fn expressions_of_licences_are_understood() {
    let mit = |license: &str| holds(license, &|id| id == "MIT");
    for fine in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "(GPL-3.0 OR MIT) AND MIT",
        "A AND B OR MIT",
    ] {
        assert!(mit(fine), "{fine}");
    }
    for refused in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT WITH X",
        "(MIT",
        "MIT GPL-3.0",
        "(A OR MIT) AND B",
    ] {
        assert!(!mit(refused), "{refused}");
    }
}

#[test]
fn faulty_crates_are_found() {
    let rules = Rules {
        licenses: vec!["MIT".to_owned(), "ISC".to_owned()],
        barred: vec!["rsa".to_owned()],
    };
    let package = |name: &str, license: Option<&str>, source: Option<&str>| Package {
        name: name.to_owned(),
        license: license.map(str::to_owned),
        source: source.map(str::to_owned),
    };
    let packages = [
        package("own", Some("MIT"), None),
        package("fine", Some("MIT"), Some(REGISTRY)),
        package("free", None, Some(REGISTRY)),
        package("other", Some("GPL-3.0"), Some(REGISTRY)),
        package("git", Some("MIT"), Some("git+https://example.org/git")),
        package("rsa", Some("MIT"), Some(REGISTRY)),
    ];
    let wanted = [
        "free names no licence",
        "other: the licence GPL-3.0 is not allowed",
        "git does not come from crates.io",
        "rsa is barred",
        "no crate has the licence ISC",
    ];
    assert_eq!(faults(&packages, &rules), wanted);
}
