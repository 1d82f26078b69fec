//! Tests of the router: each exchange type by tables, topics against a recursive oracle, the whole against a list.

mod oracle;
mod router;
mod topic;
mod types;

use super::{BindError, Cacheable, Destination, DestinationName, ExchangeKind, ExchangeSpec, Router};
use crate::model::{FieldTable, FieldValue, Name, Properties, PropertiesView};

/// No properties: flags and nothing else.
const PLAIN: &[u8] = &[0, 0];

fn spec(kind: ExchangeKind, arguments: FieldTable) -> ExchangeSpec {
    ExchangeSpec {
        kind,
        durable: false,
        auto_delete: false,
        internal: false,
        arguments,
    }
}

fn auto_delete(kind: ExchangeKind) -> ExchangeSpec {
    ExchangeSpec {
        auto_delete: true,
        ..spec(kind, FieldTable::new())
    }
}

/// A router with one more exchange, `x`.
fn router_with(kind: ExchangeKind) -> Router<String> {
    let mut router = Router::new();
    assert!(router.declare("x".into(), spec(kind, FieldTable::new())).unwrap());
    router
}

fn queue(name: &str) -> Destination<String> {
    Destination::Queue {
        name: name.into(),
        handle: name.to_owned(),
    }
}

fn queue_name(name: &str) -> DestinationName {
    DestinationName::Queue(name.into())
}

fn exchange_name(name: &str) -> DestinationName {
    DestinationName::Exchange(name.into())
}

fn bind(router: &mut Router<String>, source: &str, key: &str, to: &str) {
    let new = router.bind(source, queue(to), key, FieldTable::new());
    assert_eq!(new, Ok(true), "{source} -{key}-> {to}");
}

fn bind_with(
    router: &mut Router<String>,
    source: &str,
    to: &str,
    arguments: &[(&str, FieldValue)],
) -> Result<bool, BindError> {
    router.bind(source, queue(to), "", table(arguments))
}

fn link(router: &mut Router<String>, source: &str, key: &str, to: &str) {
    let new = router.bind(source, Destination::Exchange(to.into()), key, FieldTable::new());
    assert_eq!(new, Ok(true), "{source} -{key}-> {to}");
}

fn table(pairs: &[(&str, FieldValue)]) -> FieldTable {
    pairs.iter().cloned().collect()
}

/// The queues a message without properties reaches.
fn routed(router: &Router<String>, exchange: &str, key: &str) -> Vec<String> {
    routed_with(router, exchange, key, PLAIN, 0).0
}

fn routed_with(
    router: &Router<String>,
    exchange: &str,
    key: &str,
    properties: &[u8],
    random: u64,
) -> (Vec<String>, Cacheable) {
    let mut out = vec!["left over".to_owned()];
    let cacheable = router.route(exchange, key, PropertiesView::new(properties), random, &mut out);
    (out, cacheable.unwrap())
}

fn with_headers(headers: &[(&str, FieldValue)]) -> Vec<u8> {
    let properties = Properties {
        headers: Some(table(headers)),
        ..Properties::default()
    };
    properties.encode()
}

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|&name| name.into()).collect()
}
