//! `/api/bindings`, and the bindings of exchanges and queues.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::auth::{Access, Resource};
use crate::broker::Vhost;
use crate::model::{FieldTable, Name, encode_table};
use crate::routing::{Binding, DestinationName};

use super::arguments::{from_json, to_json};
use super::body::Body;
use super::caller::Caller;
use super::error::ApiError;
use super::exchanges::from_path;
use super::listing::{ListQuery, Listed, list, object};
use super::queues::OPERATOR;
use super::{Api, blocking};

/// What stands unescaped in a properties key, as in RabbitMQ; its separator does not.
const KEY_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.');

/// A binding.
#[derive(Serialize)]
struct BindingView {
    source: Name,
    vhost: Name,
    destination: Name,
    destination_type: &'static str,
    routing_key: Name,
    arguments: Value,
    properties_key: String,
}

struct Entry {
    vhost: Name,
    binding: Binding,
}

impl Listed for Entry {
    fn name(&self) -> &str {
        &self.binding.source
    }

    fn vhost(&self) -> &str {
        &self.vhost
    }
}

fn view(entry: &Entry) -> BindingView {
    let binding = &entry.binding;
    BindingView {
        source: binding.source.clone(),
        vhost: entry.vhost.clone(),
        destination: binding.destination.name().clone(),
        destination_type: binding.destination.kind(),
        routing_key: binding.routing_key.clone(),
        arguments: to_json(&binding.arguments),
        properties_key: properties_key(binding),
    }
}

/// What tells bindings between the same two ends apart: the routing key, and a digest of the arguments behind a tilde
/// where there are any. An empty key without arguments is a tilde alone.
pub(super) fn properties_key(binding: &Binding) -> String {
    let key = utf8_percent_encode(&binding.routing_key, KEY_ESCAPES).to_string();
    match (key.is_empty(), binding.arguments.is_empty()) {
        (true, true) => "~".to_owned(),
        (false, true) => key,
        (_, false) => {
            let mut bytes = Vec::new();
            encode_table(&binding.arguments, &mut bytes);
            let digest = Sha256::digest(&bytes);
            format!("{key}~{}", BASE64.encode(&digest[..16]))
        }
    }
}

/// The binding that every queue has from the default exchange.
fn implied(queue: &Name) -> Binding {
    Binding {
        source: Name::default(),
        destination: DestinationName::Queue(queue.clone()),
        routing_key: queue.clone(),
        arguments: FieldTable::new(),
    }
}

/// Every binding of a vhost, the implied ones first.
pub(super) fn all(vhost: &Vhost) -> Vec<Binding> {
    let queues = vhost.queues();
    let mut bindings: Vec<_> = queues.iter().map(|queue| implied(&queue.name)).collect();
    for exchange in vhost.exchanges() {
        bindings.extend(vhost.bindings_of_source(&exchange.name));
    }
    bindings
}

fn entries(vhost: &Vhost, bindings: Vec<Binding>) -> Vec<Entry> {
    let entry = |binding| Entry {
        vhost: vhost.name.clone(),
        binding,
    };
    bindings.into_iter().map(entry).collect()
}

/// All bindings, of one vhost or of all that the caller sees.
pub async fn index(
    caller: Caller,
    vhost: Option<Path<String>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let vhosts = caller.vhosts_at(vhost.as_ref().map(|Path(name)| name.as_str()))?;
        let found = vhosts.iter().flat_map(|vhost| entries(vhost, all(vhost))).collect();
        list(&query, found, view)
    })
    .await
}

/// The bindings to a queue.
pub async fn of_queue(
    caller: Caller,
    Path((vhost, queue)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let vhost = caller.visible_vhost(&vhost)?;
        let queue = super::queues::find(&vhost, &queue)?;
        let mut bindings = vec![implied(&queue.name)];
        bindings.extend(vhost.bindings_of_destination(&DestinationName::Queue(queue.name.clone())));
        list(&query, entries(&vhost, bindings), view)
    })
    .await
}

/// The bindings from an exchange.
pub async fn of_source(
    caller: Caller,
    Path((vhost, exchange)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let vhost = caller.visible_vhost(&vhost)?;
        let exchange = existing_exchange(&vhost, &exchange)?;
        let bindings = match exchange.is_empty() {
            true => vhost.queues().iter().map(|queue| implied(&queue.name)).collect(),
            false => vhost.bindings_of_source(&exchange),
        };
        list(&query, entries(&vhost, bindings), view)
    })
    .await
}

/// The bindings to an exchange.
pub async fn of_destination(
    caller: Caller,
    Path((vhost, exchange)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let vhost = caller.visible_vhost(&vhost)?;
        let exchange = existing_exchange(&vhost, &exchange)?;
        let bindings = vhost.bindings_of_destination(&DestinationName::Exchange(exchange));
        list(&query, entries(&vhost, bindings), view)
    })
    .await
}

fn existing_exchange(vhost: &Vhost, name: &str) -> Result<Name, ApiError> {
    let exchange = vhost.exchange(from_path(name)).ok_or_else(ApiError::no_object)?;
    Ok(exchange.name)
}

/// The two ends of a binding as paths name them: exchange, `q` or `e`, destination.
type Ends = (String, String, String, String);

/// The names of both ends; 404 where one of them does not stand.
fn ends(vhost: &Vhost, source: &str, kind: &str, destination: &str) -> Result<(Name, DestinationName), ApiError> {
    let source = existing_exchange(vhost, source)?;
    let destination = match kind {
        "q" => DestinationName::Queue(super::queues::find(vhost, destination)?.name.clone()),
        "e" => DestinationName::Exchange(existing_exchange(vhost, destination)?),
        _ => return Err(ApiError::no_object()),
    };
    Ok((source, destination))
}

fn between(vhost: &Vhost, source: &Name, destination: &DestinationName) -> Vec<Binding> {
    if source.is_empty() {
        return match destination {
            DestinationName::Queue(queue) => vec![implied(queue)],
            DestinationName::Exchange(_) => Vec::new(),
        };
    }
    let mut bindings = vhost.bindings_of_destination(destination);
    bindings.retain(|binding| binding.source == *source);
    bindings
}

/// The bindings between an exchange and a queue or another exchange.
pub async fn between_ends(
    caller: Caller,
    Path((vhost, source, kind, destination)): Path<Ends>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let vhost = caller.visible_vhost(&vhost)?;
    let (source, destination) = ends(&vhost, &source, &kind, &destination)?;
    list(&query, entries(&vhost, between(&vhost, &source, &destination)), view)
}

/// What a new binding says.
#[derive(Debug, Deserialize)]
struct BindingBody {
    #[serde(default)]
    routing_key: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

/// Binds; the path of the binding stands in `Location`.
pub async fn post(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, source, kind, destination)): Path<Ends>,
    body: Body,
) -> Result<Response, ApiError> {
    let body: BindingBody = body.read()?;
    let vhost = caller.vhost(&vhost)?;
    let (source, destination) = ends(&vhost, &source, &kind, &destination)?;
    if body.routing_key.len() > Name::MAX_BYTES {
        return Err(ApiError::bad_request("the routing key has more than 255 bytes"));
    }
    let binding = Binding {
        source,
        destination,
        routing_key: body.routing_key.into(),
        arguments: from_json(&body.arguments)?,
    };
    check_permissions(&caller, &vhost, &binding)?;
    let key = utf8_percent_encode(&properties_key(&binding), KEY_ESCAPES).to_string();
    let last = utf8_percent_encode(binding.destination.name(), KEY_ESCAPES).to_string();
    blocking(move || Ok(api.broker.bind(&vhost, binding, OPERATOR)?)).await?;
    Ok((StatusCode::CREATED, [(LOCATION, format!("{last}/{key}"))]).into_response())
}

/// Binding and unbinding need write permission on the destination and read on the source (RabbitMQ: "Access Control").
fn check_permissions(caller: &Caller, vhost: &Vhost, binding: &Binding) -> Result<(), ApiError> {
    crate::broker::check_binding_names(&binding.source, &binding.destination)?;
    let destination = match &binding.destination {
        DestinationName::Queue(name) => Resource::Queue(name),
        DestinationName::Exchange(name) => Resource::Exchange(name),
    };
    caller.check(vhost, destination, Access::Write)?;
    caller.check(vhost, Resource::Exchange(&binding.source), Access::Read)?;
    caller.check_topic(vhost, &binding.source, &binding.routing_key, Access::Read)
}

/// A binding as paths name it: vhost, exchange, `q` or `e`, destination, properties key.
type BindingPath = (String, String, String, String, String);

fn find(vhost: &Vhost, path: &BindingPath) -> Result<Binding, ApiError> {
    let (_, source, kind, destination, key) = path;
    let (source, destination) = ends(vhost, source, kind, destination)?;
    let bindings = between(vhost, &source, &destination);
    bindings
        .into_iter()
        .find(|binding| properties_key(binding) == *key)
        .ok_or_else(ApiError::no_object)
}

/// One binding.
pub async fn show(
    caller: Caller,
    Path(path): Path<BindingPath>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let vhost = caller.visible_vhost(&path.0)?;
    let entry = Entry {
        vhost: vhost.name.clone(),
        binding: find(&vhost, &path)?,
    };
    object(&query, view(&entry))
}

/// Unbinds.
pub async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(path): Path<BindingPath>,
) -> Result<StatusCode, ApiError> {
    let vhost = caller.vhost(&path.0)?;
    let binding = find(&vhost, &path)?;
    check_permissions(&caller, &vhost, &binding)?;
    blocking(move || {
        api.broker.unbind(&vhost, &binding)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
