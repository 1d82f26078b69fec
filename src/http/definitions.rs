//! `/api/definitions`: everything that was declared, as one JSON document (RabbitMQ: "Schema Definition Export and
//! Import").

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::{Permission, TopicPermission, User};
use crate::broker::{Broker, CLUSTER_NAME, ExchangeDeclare, GlobalParameter, PolicyKind, QueueDeclare, Vhost};
use crate::routing::{Binding, DestinationName};
use crate::session::COMPATIBLE_VERSION;

use super::arguments::{from_json, to_json};
use super::body::{self, Body};
use super::caller::{Administrator, Caller};
use super::error::ApiError;
use super::parameters::{self, Parameter};
use super::policies::PolicyBody;
use super::queues::{OPERATOR, short_name};
use super::users::DEFAULT_ALGORITHM;
use super::{Api, blocking};

/// A document, whole or of one vhost.
#[derive(Default, Deserialize)]
struct Document {
    #[serde(default)]
    users: Vec<User>,
    #[serde(default)]
    vhosts: Vec<VhostItem>,
    #[serde(default)]
    permissions: Vec<Permission>,
    #[serde(default)]
    topic_permissions: Vec<TopicPermission>,
    #[serde(default)]
    parameters: Vec<Parameter>,
    #[serde(default)]
    global_parameters: Vec<GlobalParameter>,
    #[serde(default)]
    policies: Vec<PolicyItem>,
    #[serde(default)]
    exchanges: Vec<ExchangeItem>,
    #[serde(default)]
    queues: Vec<QueueItem>,
    #[serde(default)]
    bindings: Vec<BindingItem>,
}

#[derive(Serialize, Deserialize)]
struct VhostItem {
    name: String,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct PolicyItem {
    name: String,
    #[serde(default)]
    vhost: Option<String>,
    #[serde(flatten)]
    body: PolicyBody,
}

#[derive(Serialize, Deserialize)]
struct ExchangeItem {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "body::yes")]
    durable: bool,
    #[serde(default)]
    auto_delete: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    arguments: Value,
}

#[derive(Serialize, Deserialize)]
struct QueueItem {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    #[serde(default = "body::yes")]
    durable: bool,
    #[serde(default)]
    auto_delete: bool,
    #[serde(default)]
    arguments: Value,
}

#[derive(Serialize, Deserialize)]
struct BindingItem {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    destination: String,
    destination_type: String,
    #[serde(default)]
    routing_key: String,
    #[serde(default)]
    arguments: Value,
}

/// What one vhost holds.
#[derive(Default)]
struct Topology {
    parameters: Vec<Parameter>,
    policies: Vec<Value>,
    exchanges: Vec<ExchangeItem>,
    queues: Vec<QueueItem>,
    bindings: Vec<BindingItem>,
}

impl Topology {
    /// Adds what was declared in a vhost: no predeclared exchange, and no exclusive queue, which ends with its
    /// connection; `named` says whether each item names the vhost.
    fn add(&mut self, broker: &Broker, vhost: &Vhost, named: bool) {
        self.add_settings(broker, vhost, named);
        let in_vhost = || named.then(|| vhost.name.to_string());
        let exchanges = vhost.exchanges().into_iter();
        let declared = exchanges.filter(|exchange| !exchange.name.is_empty() && !exchange.name.starts_with("amq."));
        self.exchanges.extend(declared.map(|exchange| ExchangeItem {
            name: exchange.name.to_string(),
            vhost: in_vhost(),
            kind: exchange.spec.kind.as_str().to_owned(),
            durable: exchange.spec.durable,
            auto_delete: exchange.spec.auto_delete,
            internal: exchange.spec.internal,
            arguments: to_json(&exchange.spec.arguments),
        }));
        let exclusive = |name: &str| {
            vhost
                .find_queue(name)
                .is_none_or(|queue| queue.declaration.owner.is_some())
        };
        let queues = vhost.queues();
        let kept = queues.iter().filter(|queue| queue.declaration.owner.is_none());
        self.queues.extend(kept.map(|queue| QueueItem {
            name: queue.name.to_string(),
            vhost: in_vhost(),
            durable: queue.declaration.durable,
            auto_delete: queue.declaration.auto_delete,
            arguments: to_json(&queue.declaration.arguments),
        }));
        for exchange in vhost.exchanges() {
            let bindings = vhost.bindings_of_source(&exchange.name).into_iter();
            let kept = bindings.filter(|binding| match &binding.destination {
                DestinationName::Queue(name) => !exclusive(name),
                DestinationName::Exchange(_) => true,
            });
            self.bindings.extend(kept.map(|binding| BindingItem {
                source: binding.source.to_string(),
                vhost: in_vhost(),
                destination: binding.destination.name().to_string(),
                destination_type: binding.destination.kind().to_owned(),
                routing_key: binding.routing_key.to_string(),
                arguments: to_json(&binding.arguments),
            }));
        }
    }
}

impl Topology {
    fn add_settings(&mut self, broker: &Broker, vhost: &Vhost, named: bool) {
        let parameters = parameters::of_vhost(broker, vhost).into_iter();
        self.parameters.extend(parameters.map(|mut parameter| {
            parameter.vhost = parameter.vhost.filter(|_| named);
            parameter
        }));
        let policies = broker.policies(PolicyKind::User, vhost).into_iter();
        self.policies.extend(policies.map(|policy| {
            let mut value = json!(policy);
            if let (Value::Object(fields), false) = (&mut value, named) {
                fields.remove("vhost");
            }
            value
        }));
    }
}

/// Who is to read an export.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reader {
    #[default]
    Warren,
    Rabbitmq,
}

#[derive(Default, Deserialize)]
pub struct ExportQuery {
    #[serde(default, rename = "for")]
    reader: Reader,
}

/// All users. RabbitMQ refuses a whole file for one hash that it does not know: for it those are left empty, and their
/// users cannot log in there until somebody gives them a password.
fn users_for(broker: &Broker, reader: Reader) -> Vec<User> {
    let mut users = broker.accounts().users();
    if reader == Reader::Rabbitmq {
        for user in &mut users {
            if user.hashing_algorithm.starts_with("rabbit_") {
                continue;
            }
            user.password_hash.clear();
            user.hashing_algorithm = DEFAULT_ALGORITHM.to_owned();
        }
    }
    users
}

/// Everything.
pub async fn export(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Query(query): Query<ExportQuery>,
) -> Result<Json<Value>, ApiError> {
    blocking(move || {
        let users = users_for(&api.broker, query.reader);
        Ok(Json(document_of(&api.broker, &users)))
    })
    .await
}

/// The document of a whole broker.
#[must_use]
pub fn export_definitions(broker: &Broker) -> Value {
    document_of(broker, &broker.accounts().users())
}

fn document_of(broker: &Broker, users: &[User]) -> Value {
    let mut topology = Topology::default();
    let vhosts = broker.vhosts();
    for vhost in &vhosts {
        topology.add(broker, vhost, true);
    }
    let vhosts = vhosts.iter().map(|vhost| {
        let description = vhost.description.read().clone();
        json!({
            "name": &*vhost.name,
            "description": description,
            "tags": [],
            "metadata": { "description": description, "tags": [] },
        })
    });
    json!({
        "rabbit_version": COMPATIBLE_VERSION,
        "rabbitmq_version": COMPATIBLE_VERSION,
        "product_name": "Warren",
        "product_version": env!("CARGO_PKG_VERSION"),
        "users": users,
        "vhosts": vhosts.collect::<Vec<_>>(),
        "permissions": broker.accounts().permissions(),
        "topic_permissions": broker.accounts().topic_permissions(),
        "parameters": topology.parameters,
        "global_parameters": broker.global_parameters(),
        "policies": topology.policies,
        "queues": topology.queues,
        "exchanges": topology.exchanges,
        "bindings": topology.bindings,
    })
}

/// What one vhost holds, for any other vhost to take.
pub async fn export_vhost(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(vhost): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let vhost = caller.visible_vhost(&vhost)?;
    caller.require_administrator()?;
    blocking(move || {
        let mut topology = Topology::default();
        topology.add(&api.broker, &vhost, false);
        Ok(Json(json!({
            "rabbit_version": COMPATIBLE_VERSION,
            "rabbitmq_version": COMPATIBLE_VERSION,
            "parameters": topology.parameters,
            "policies": topology.policies,
            "queues": topology.queues,
            "exchanges": topology.exchanges,
            "bindings": topology.bindings,
        })))
    })
    .await
}

/// Makes everything that the document declares; what stands already stays.
pub async fn import(State(api): State<Arc<Api>>, _: Administrator, body: Body) -> Result<StatusCode, ApiError> {
    let document: Document = body.read()?;
    blocking(move || {
        declare_all(&api.broker, &document)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Makes everything that a document in JSON declares, as an import over HTTP does.
///
/// # Errors
/// The reason of the first refusal, in the API's words. What was made before it stays.
pub fn import_definitions(broker: &Broker, document: &[u8]) -> Result<(), String> {
    let document = Body::of(document).read();
    let made = document.and_then(|document| declare_all(broker, &document));
    made.map_err(|refused| refused.reason().to_owned())
}

fn declare_all(broker: &Broker, document: &Document) -> Result<(), ApiError> {
    for vhost in &document.vhosts {
        short_name(&vhost.name)?;
        broker.declare_vhost(&vhost.name, vhost.description.as_deref().unwrap_or_default())?;
    }
    for user in &document.users {
        broker.declare_user(user).map_err(ApiError::bad_request)?;
    }
    for permission in &document.permissions {
        find_vhost(broker, &permission.vhost)?;
        broker.declare_permission(permission).map_err(ApiError::bad_request)?;
    }
    for permission in &document.topic_permissions {
        find_vhost(broker, &permission.vhost)?;
        broker.put_topic_permission(permission).map_err(ApiError::bad_request)?;
    }
    let taken = document
        .global_parameters
        .iter()
        .filter(|parameter| is_taken(parameter));
    for parameter in taken {
        broker.set_global_parameter(parameter.clone())?;
    }
    declare_topology(broker, document, None)
}

/// Makes what the document declares in one vhost, whatever vhost it came from.
pub async fn import_vhost(
    State(api): State<Arc<Api>>,
    Administrator(caller): Administrator,
    Path(vhost): Path<String>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let vhost = caller.visible_vhost(&vhost)?;
    let document: Document = body.read()?;
    blocking(move || {
        declare_topology(&api.broker, &document, Some(&vhost))?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// A cluster name that is none would be shown to every client.
fn is_taken(parameter: &GlobalParameter) -> bool {
    parameter.name != CLUSTER_NAME || parameter.value.is_string()
}

fn find_vhost(broker: &Broker, name: &str) -> Result<Arc<Vhost>, ApiError> {
    broker
        .vhost(name)
        .ok_or_else(|| ApiError::bad_request(format!("vhost '{name}' does not exist")))
}

/// Sets parameters and policies, then declares exchanges, queues and bindings; the first contradiction ends it, with
/// its item named.
fn declare_topology(broker: &Broker, document: &Document, into: Option<&Arc<Vhost>>) -> Result<(), ApiError> {
    let target = |named: &Option<String>| match (into, named) {
        (Some(vhost), _) => Ok(Arc::clone(vhost)),
        (None, Some(name)) => find_vhost(broker, name),
        (None, None) => find_vhost(broker, "/"),
    };
    for item in &document.parameters {
        parameters::set(broker, &*target(&item.vhost)?, item)?;
    }
    for item in &document.policies {
        let vhost = target(&item.vhost)?;
        broker.set_policy(PolicyKind::User, item.body.clone().named(&vhost.name, &item.name)?)?;
    }
    for item in &document.exchanges {
        // Another broker's predeclared exchanges stand here too.
        if item.name.is_empty() || item.name.starts_with("amq.") {
            continue;
        }
        let declare = ExchangeDeclare {
            name: short_name(&item.name)?,
            kind: item.kind.clone(),
            durable: item.durable,
            auto_delete: item.auto_delete,
            internal: item.internal,
            arguments: arguments(&item.arguments)?,
        };
        broker.declare_exchange(&*target(&item.vhost)?, declare)?;
    }
    for item in &document.queues {
        let declare = QueueDeclare {
            name: short_name(&item.name)?,
            durable: item.durable,
            exclusive: false,
            auto_delete: item.auto_delete,
            arguments: arguments(&item.arguments)?,
        };
        broker.declare_queue(&*target(&item.vhost)?, declare, OPERATOR)?;
    }
    for item in &document.bindings {
        let destination = item.destination.as_str().into();
        let binding = Binding {
            source: item.source.as_str().into(),
            destination: match item.destination_type.as_str() {
                "queue" => DestinationName::Queue(destination),
                "exchange" => DestinationName::Exchange(destination),
                other => return Err(ApiError::bad_request(format!("destination_type '{other}'"))),
            },
            routing_key: item.routing_key.as_str().into(),
            arguments: arguments(&item.arguments)?,
        };
        // The binding that every queue has from the default exchange.
        if !binding.source.is_empty() {
            broker.bind(&*target(&item.vhost)?, binding, OPERATOR)?;
        }
    }
    Ok(())
}

/// Arguments; older documents have an empty list where there are none.
fn arguments(given: &Value) -> Result<crate::model::FieldTable, ApiError> {
    match given {
        Value::Object(object) => from_json(object),
        Value::Null => Ok(crate::model::FieldTable::new()),
        Value::Array(values) if values.is_empty() => Ok(crate::model::FieldTable::new()),
        other => Err(ApiError::bad_request(format!("arguments are no object: {other}"))),
    }
}
