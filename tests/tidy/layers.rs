//! Which layer may use which: left may use right only.

use crate::source::Source;

/// `main → server → {net, http, cluster} → session → broker → {routing, queue, store, auth} → model` and
/// `session → amqp → model`; `config` and `bench` stand beside them, and only the server uses them.
const TABLE: &[(&str, &[&[&str]])] = &[
    ("lib", &[]),
    ("main", &[&["server"]]),
    (
        "server",
        &[&["net", "http", "cluster", "session", "config", "bench", "cli"], INSIDE],
    ),
    // The doors to the outside use what is inside, and not each other.
    ("net", &[&["session"], INSIDE]),
    ("http", &[&["session"], INSIDE]),
    ("cluster", &[&["session"], INSIDE]),
    ("session", &[INSIDE]),
    (
        "broker",
        &[&["routing", "queue", "store", "auth", "telemetry", "model"]],
    ),
    ("routing", &[&["model"]]),
    ("queue", &[&["model"]]),
    ("store", &[&["model"]]),
    ("telemetry", &[&["model"]]),
    ("auth", &[&["model"]]),
    ("amqp", &[&["model"]]),
    ("model", &[]),
    ("config", &[&["model"]]),
    ("bench", &[]),
    ("cli", &[]),
];

/// What a session stands on.
const INSIDE: &[&str] = &[
    "broker",
    "routing",
    "queue",
    "store",
    "auth",
    "amqp",
    "telemetry",
    "model",
];

/// Every use of a layer that stands left of the one that uses it, or beside it. Tests may build on anything.
pub fn faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test) {
        let layer = source.layer();
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == layer) else {
            faults.push(format!("{}: the layer `{layer}` is not in the table", source.path));
            continue;
        };
        for (index, line) in source.code.iter().enumerate() {
            for used in used_layers(line) {
                let is_layer = TABLE.iter().any(|(name, _)| *name == used);
                if is_layer && used != layer && !allowed.iter().any(|list| list.contains(&used)) {
                    faults.push(format!("{}: `{layer}` may not use `{used}`", source.at(index)));
                }
            }
        }
    }
    faults
}

/// What follows `crate::` on the line, in braces too; `warren::` in the program.
fn used_layers(line: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for root in ["crate::", "warren::"] {
        for (at, _) in line.match_indices(root) {
            let rest = &line[at + root.len()..];
            if let Some(list) = rest.strip_prefix('{') {
                let names = list.split(',').map(first_word);
                used.extend(names.filter(|name| !name.is_empty()));
            } else {
                used.push(first_word(rest));
            }
        }
    }
    used
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '{']);
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

#[test]
fn a_use_to_the_left_is_found() {
    let source = crate::made_up(
        "src/broker/publish.rs",
        "use crate::queue::Entry;\nuse crate::net::Connections;\nfn f() { crate::amqp::encode(); }\n\
         use crate::{model::Name, session::Channel};\n",
    );
    let faults = faults(&[source]);
    let wanted = [
        "2: `broker` may not use `net`",
        "3: `broker` may not use `amqp`",
        "4: `broker` may not use `session`",
    ];
    assert_eq!(faults.len(), wanted.len(), "{faults:?}");
    for (fault, wanted) in faults.iter().zip(wanted) {
        assert_eq!(fault, &format!("src/broker/publish.rs:{wanted}"));
    }
}

#[test]
fn a_new_folder_must_be_placed() {
    let faults = faults(&[crate::made_up("src/mqtt/frame.rs", "")]);
    assert_eq!(faults, ["src/mqtt/frame.rs: the layer `mqtt` is not in the table"]);
}
