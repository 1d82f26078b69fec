//! `/api/warren/definitions/comparison`: what an import of a file would add, change, or stumble over.
//!
//! Compares the file with what an export gives now, so that it says the same as the two; nothing is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::body::Body;
use super::caller::Administrator;
use super::error::ApiError;
use super::{Api, blocking, definitions};

/// A kind of definition.
struct Kind {
    /// The list's name in a file.
    name: &'static str,
    /// The fields that together are an item's identity.
    identity: &'static [&'static str],
    /// What a missing field means.
    defaults: &'static [(&'static str, Absent)],
    /// An item that stands cannot be made another by declaring it.
    is_fixed: bool,
    /// It belongs to a vhost.
    in_vhost: bool,
}

#[derive(Clone, Copy)]
enum Absent {
    Flag(bool),
    Number(i64),
    Text(&'static str),
    Object,
}

impl Absent {
    fn value(self) -> Value {
        match self {
            Self::Flag(flag) => flag.into(),
            Self::Number(number) => number.into(),
            Self::Text(text) => text.into(),
            Self::Object => json!({}),
        }
    }
}

const KINDS: [Kind; 10] = [
    kind("vhosts", &["name"], &[], false, false),
    kind("users", &["name"], &[("limits", Absent::Object)], false, false),
    kind("permissions", &["vhost", "user"], &[], false, false),
    kind("topic_permissions", &["vhost", "user", "exchange"], &[], false, false),
    kind("global_parameters", &["name"], &[], false, false),
    kind("parameters", &["vhost", "component", "name"], &[], false, true),
    kind(
        "policies",
        &["vhost", "name"],
        &[("priority", Absent::Number(0)), ("apply-to", Absent::Text("all"))],
        false,
        true,
    ),
    kind(
        "exchanges",
        &["vhost", "name"],
        &[
            ("durable", Absent::Flag(true)),
            ("auto_delete", Absent::Flag(false)),
            ("internal", Absent::Flag(false)),
            ("arguments", Absent::Object),
        ],
        true,
        true,
    ),
    kind(
        "queues",
        &["vhost", "name"],
        &[
            ("durable", Absent::Flag(true)),
            ("auto_delete", Absent::Flag(false)),
            ("arguments", Absent::Object),
        ],
        true,
        true,
    ),
    kind(
        "bindings",
        &[
            "vhost",
            "source",
            "destination_type",
            "destination",
            "routing_key",
            "arguments",
        ],
        &[("routing_key", Absent::Text("")), ("arguments", Absent::Object)],
        false,
        true,
    ),
];

const fn kind(
    name: &'static str,
    identity: &'static [&'static str],
    defaults: &'static [(&'static str, Absent)],
    is_fixed: bool,
    in_vhost: bool,
) -> Kind {
    Kind {
        name,
        identity,
        defaults,
        is_fixed,
        in_vhost,
    }
}

/// Fields that say nothing about what stands: a description repeated, limits of vhosts that older files lack.
const PASSED_OVER: [&str; 4] = [
    "metadata",
    "tags_metadata",
    "default_queue_type",
    "protected_from_deletion",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Add,
    Change,
    /// The import stops here.
    Conflict,
}

#[derive(Debug, Serialize)]
struct Item {
    kind: &'static str,
    outcome: Outcome,
    vhost: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Difference {
    name: String,
    here: Value,
    file: Value,
}

/// What a file would do.
#[derive(Debug, Serialize)]
pub struct Comparison {
    items: Vec<Item>,
    /// Items of the file that stand just so.
    same: usize,
    /// Items that stand and that the file does not name; they stay.
    only_here: usize,
}

#[derive(Deserialize)]
pub struct ComparisonQuery {
    #[serde(default)]
    vhost: String,
}

/// Compares a file, for all vhosts or, with `vhost`, for one that takes it in wherever it came from.
pub async fn compare(
    State(api): State<Arc<Api>>,
    Administrator(caller): Administrator,
    Query(query): Query<ComparisonQuery>,
    body: Body,
) -> Result<Json<Comparison>, ApiError> {
    let file: Map<String, Value> = body.read()?;
    let one = Some(query.vhost).filter(|vhost| !vhost.is_empty());
    let here = match &one {
        Some(vhost) => definitions::export_vhost(State(api), caller, Path(vhost.clone())).await?,
        None => definitions::export(State(api), Administrator(caller), Query::default()).await?,
    };
    blocking(move || Ok(Json(compared(&here.0, &Value::Object(file), one.as_deref())?))).await
}

/// `one` is the vhost that everything goes into; the file and what stands then name none.
fn compared(here: &Value, file: &Value, one: Option<&str>) -> Result<Comparison, ApiError> {
    let mut comparison = Comparison {
        items: Vec::new(),
        same: 0,
        only_here: 0,
    };
    for kind in KINDS.iter().filter(|kind| one.is_none() || kind.in_vhost) {
        let mut standing = indexed(kind, here, one)?;
        for (identity, item) in indexed(kind, file, one)? {
            let before = standing.remove(&identity);
            let fields = before.as_ref().map(|before| differences(before, &item));
            let outcome = match &fields {
                None => Outcome::Add,
                Some(fields) if fields.is_empty() => {
                    comparison.same += 1;
                    continue;
                }
                Some(_) if kind.is_fixed => Outcome::Conflict,
                Some(_) => Outcome::Change,
            };
            comparison.items.push(Item {
                kind: kind.name,
                outcome,
                vhost: text(&item, "vhost").or_else(|| one.map(str::to_owned)),
                name: title(kind, &item),
                fields: fields.unwrap_or_default(),
            });
        }
        comparison.only_here += standing.len();
    }
    Ok(comparison)
}

/// The items of a kind by their identity, each with what it leaves out.
fn indexed(kind: &Kind, document: &Value, one: Option<&str>) -> Result<BTreeMap<String, Map<String, Value>>, ApiError> {
    let mut items = BTreeMap::new();
    let list = match document.get(kind.name) {
        None | Some(Value::Null) => return Ok(items),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(ApiError::bad_request(format!("{} is no list", kind.name))),
    };
    for item in list {
        let Value::Object(item) = item else {
            return Err(ApiError::bad_request(format!(
                "{} holds {item}, which is no object",
                kind.name
            )));
        };
        let item = completed(kind, item, one);
        if is_implied(kind, &item) {
            continue;
        }
        let identity: Vec<_> = kind.identity.iter().map(|field| item.get(*field)).collect();
        items.insert(json!(identity).to_string(), item);
    }
    Ok(items)
}

/// An item with its defaults; tags as a list, no arguments as an empty object, no field that says nothing.
fn completed(kind: &Kind, item: &Map<String, Value>, one: Option<&str>) -> Map<String, Value> {
    let mut item = item.clone();
    for (name, default) in kind.defaults {
        let empty = item
            .get(*name)
            .is_none_or(|value| value.is_null() || *value == json!([]));
        if empty {
            item.insert((*name).to_owned(), default.value());
        }
    }
    if let Some(tags) = item.get("tags").and_then(Value::as_str) {
        let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        let tags = tags.collect();
        item.insert("tags".to_owned(), tags);
    }
    if kind.in_vhost {
        match one {
            Some(_) => _ = item.remove("vhost"),
            None => _ = item.entry("vhost").or_insert_with(|| "/".into()),
        }
    }
    item.retain(|name, value| !PASSED_OVER.contains(&name.as_str()) && !value.is_null());
    item
}

/// What every vhost has, and an import passes over.
fn is_implied(kind: &Kind, item: &Map<String, Value>) -> bool {
    let of = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default();
    match kind.name {
        "exchanges" => of("name").is_empty() || of("name").starts_with("amq."),
        "bindings" => of("source").is_empty(),
        _ => false,
    }
}

/// What differs of the fields that the file names.
fn differences(here: &Map<String, Value>, file: &Map<String, Value>) -> Vec<Difference> {
    let differing = file.iter().filter_map(|(name, wanted)| {
        let standing = here.get(name).cloned().unwrap_or_default();
        let empty = |value: &Value| matches!(value, Value::Null) || *value == json!("") || *value == json!([]);
        let same = standing == *wanted || (empty(&standing) && empty(wanted));
        (!same).then(|| Difference {
            name: name.clone(),
            here: shown(name, standing),
            file: shown(name, wanted.clone()),
        })
    });
    differing.collect()
}

/// Hashes of passwords are not for showing.
fn shown(field: &str, value: Value) -> Value {
    match field {
        "password_hash" => "another".into(),
        _ => value,
    }
}

fn text(item: &Map<String, Value>, field: &str) -> Option<String> {
    item.get(field).and_then(Value::as_str).map(str::to_owned)
}

/// How people call an item.
fn title(kind: &Kind, item: &Map<String, Value>) -> String {
    let of = |field: &str| text(item, field).unwrap_or_default();
    match kind.name {
        "bindings" => format!("{} → {} ({})", of("source"), of("destination"), of("routing_key")),
        "permissions" => of("user"),
        "topic_permissions" => format!("{} on {}", of("user"), of("exchange")),
        "parameters" => format!("{} {}", of("component"), of("name")),
        _ => of("name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(comparison: &Comparison) -> Vec<(&'static str, Outcome, String)> {
        let items = comparison.items.iter();
        items.map(|item| (item.kind, item.outcome, item.name.clone())).collect()
    }

    #[test]
    fn a_file_against_what_stands() {
        let here = json!({
            "users": [{"name": "ann", "password_hash": "x", "tags": ["management"], "limits": {}}],
            "queues": [
                {"name": "same", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}},
                {"name": "other", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {"x-max-length": 1}},
                {"name": "mine", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}},
            ],
            "policies": [{"name": "p", "vhost": "/", "pattern": "a", "apply-to": "all", "priority": 0, "definition": {}}],
        });
        let file = json!({
            "users": [{"name": "ann", "password_hash": "y", "tags": "management"}],
            "vhosts": [{"name": "new"}],
            "queues": [
                {"name": "same", "arguments": []},
                {"name": "other", "vhost": "/", "arguments": {"x-max-length": 2}},
                {"name": "same", "vhost": "new"},
            ],
            "policies": [{"name": "p", "vhost": "/", "pattern": "b", "definition": {}}],
            "exchanges": [{"name": "amq.topic", "vhost": "/", "type": "topic"}],
            "bindings": [{"source": "", "vhost": "/", "destination": "same", "destination_type": "queue"}],
        });
        let comparison = compared(&here, &file, None).unwrap();
        let wanted = [
            ("vhosts", Outcome::Add, "new"),
            ("users", Outcome::Change, "ann"),
            ("policies", Outcome::Change, "p"),
            ("queues", Outcome::Conflict, "other"),
            ("queues", Outcome::Add, "same"),
        ];
        let wanted = wanted.map(|(kind, outcome, name)| (kind, outcome, name.to_owned()));
        assert_eq!(outcomes(&comparison), wanted);
        assert_eq!((comparison.same, comparison.only_here), (1, 1));
        let user = comparison.items.iter().find(|item| item.kind == "users").unwrap();
        assert_eq!(user.fields[0].here, "another", "no hash is shown");
        let queue = &comparison.items[3].fields[0];
        assert_eq!(
            (&queue.here, &queue.file),
            (&json!({"x-max-length": 1}), &json!({"x-max-length": 2}))
        );
    }

    #[test]
    fn into_one_vhost_the_names_of_vhosts_do_not_count() {
        let here = json!({ "queues": [{"name": "q", "durable": true, "auto_delete": false, "arguments": {}}] });
        let file = json!({
            "users": [{"name": "ann"}],
            "queues": [{"name": "q", "vhost": "elsewhere"}, {"name": "r", "vhost": "elsewhere"}],
        });
        let comparison = compared(&here, &file, Some("here")).unwrap();
        assert_eq!(outcomes(&comparison), [("queues", Outcome::Add, "r".to_owned())]);
        assert_eq!(comparison.items[0].vhost.as_deref(), Some("here"));
        assert_eq!(comparison.same, 1);
    }

    #[test]
    fn what_is_no_list_of_objects_is_named() {
        for (file, word) in [(json!({"queues": {}}), "queues"), (json!({"users": ["ann"]}), "users")] {
            let refused = compared(&json!({}), &file, None).unwrap_err();
            assert!(format!("{refused:?}").contains(word), "{refused:?}");
        }
    }
}
