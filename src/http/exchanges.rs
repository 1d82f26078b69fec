//! `/api/exchanges`

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::auth::{Access, Resource};
use crate::broker::{Broker, ExchangeDeclare, ExchangeInfo, Vhost};
use crate::model::Name;

use super::arguments::{from_json, to_json};
use super::body::{self, Body};
use super::caller::Caller;
use super::done::created;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list_sampled, object};
use super::queues::{DeleteQuery, short_name};
use super::statistics::{Ranges, Track};
use super::{Api, blocking};

/// How paths name the default exchange, whose name is empty.
const DEFAULT_IN_PATHS: &str = "amq.default";

/// An exchange.
#[derive(Serialize)]
pub struct ExchangeView {
    name: Name,
    vhost: Name,
    #[serde(rename = "type")]
    kind: &'static str,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    arguments: Value,
    policy: Option<String>,
    operator_policy: Option<String>,
    effective_policy_definition: Map<String, Value>,
    /// Arguments that the policy takes the place of. RabbitMQ has none of this.
    overridden_arguments: Vec<String>,
    user_who_performed_action: &'static str,
    message_stats: Map<String, Value>,
}

/// An exchange and the vhost that it is in.
struct Entry {
    vhost: Arc<Vhost>,
    exchange: ExchangeInfo,
}

impl Listed for Entry {
    fn name(&self) -> &str {
        &self.exchange.name
    }

    fn vhost(&self) -> &str {
        &self.vhost.name
    }
}

fn view(broker: &Broker, entry: &Entry, ranges: &Ranges) -> ExchangeView {
    let policies = broker.policy_of_exchange(&entry.vhost, &entry.exchange.name);
    let spec = &entry.exchange.spec;
    ExchangeView {
        name: entry.exchange.name.clone(),
        vhost: entry.vhost.name.clone(),
        kind: spec.kind.as_str(),
        durable: spec.durable,
        auto_delete: spec.auto_delete,
        internal: spec.internal,
        arguments: to_json(&spec.arguments),
        policy: policies.policy,
        operator_policy: policies.operator_policy,
        effective_policy_definition: policies.definition,
        overridden_arguments: policies.overridden,
        user_who_performed_action: "",
        message_stats: message_stats(entry, ranges),
    }
}

/// What was published to the exchange, and what it passed on. Empty before the first publish.
fn message_stats(entry: &Entry, ranges: &Ranges) -> Map<String, Value> {
    let mut stats = Map::new();
    if let Some(traffic) = entry.vhost.known_exchange_traffic(&entry.exchange.name) {
        let track = Track::of(traffic.history(), ranges.msg_rates);
        for (at, name) in ["publish_in", "publish_out"].into_iter().enumerate() {
            track.put(&mut stats, name, traffic.totals()[at], &[at]);
        }
    }
    stats
}

/// The exchange that a path names.
pub(super) fn from_path(name: &str) -> &str {
    if name == DEFAULT_IN_PATHS { "" } else { name }
}

/// All exchanges, of one vhost or of all that the caller sees.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    vhost: Option<Path<String>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let vhosts = caller.vhosts_at(vhost.as_ref().map(|Path(name)| name.as_str()))?;
        let mut entries = Vec::new();
        for vhost in vhosts {
            let exchanges = vhost.exchanges().into_iter();
            entries.extend(exchanges.map(|exchange| Entry {
                vhost: Arc::clone(&vhost),
                exchange,
            }));
        }
        let ranges = query.ranges(api.broker.now())?;
        list_sampled(&query, &ranges, entries, |entry: &Entry, ranges| {
            view(&api.broker, entry, ranges)
        })
    })
    .await
}

/// One exchange.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let vhost = caller.visible_vhost(&vhost)?;
    let exchange = vhost.exchange(from_path(&name)).ok_or_else(ApiError::no_object)?;
    let ranges = query.ranges(api.broker.now())?;
    object(&query, view(&api.broker, &Entry { vhost, exchange }, &ranges))
}

/// What a declaration says.
#[derive(Debug, Deserialize)]
pub(super) struct ExchangeBody {
    #[serde(rename = "type", default = "direct")]
    kind: String,
    #[serde(default = "body::yes", deserialize_with = "body::flag")]
    durable: bool,
    #[serde(default, deserialize_with = "body::flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "body::flag")]
    internal: bool,
    #[serde(default)]
    arguments: Map<String, Value>,
}

fn direct() -> String {
    "direct".to_owned()
}

impl ExchangeBody {
    pub(super) fn declare(&self, name: &str) -> Result<ExchangeDeclare, ApiError> {
        Ok(ExchangeDeclare {
            name: short_name(name)?,
            kind: self.kind.clone(),
            durable: self.durable,
            auto_delete: self.auto_delete,
            internal: self.internal,
            arguments: from_json(&self.arguments)?,
        })
    }
}

/// Declares an exchange: 201 for a new one, 204 for one that stands as declared.
pub async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let body: ExchangeBody = body.read()?;
    let vhost = caller.vhost(&vhost)?;
    let declare = body.declare(&name)?;
    caller.check(&vhost, Resource::Exchange(from_path(&name)), Access::Configure)?;
    if let Some(alternate) = body.arguments.get("alternate-exchange").and_then(Value::as_str) {
        caller.check(&vhost, Resource::Exchange(&name), Access::Read)?;
        caller.check(&vhost, Resource::Exchange(alternate), Access::Write)?;
    }
    blocking(move || declare_exchange(&api.broker, &vhost, declare)).await
}

pub(super) fn declare_exchange(
    broker: &Broker,
    vhost: &Vhost,
    declare: ExchangeDeclare,
) -> Result<StatusCode, ApiError> {
    let stands = vhost.exchange(&declare.name).is_some();
    broker.declare_exchange(vhost, declare)?;
    Ok(created(!stands))
}

/// Deletes an exchange with its bindings.
pub async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode, ApiError> {
    let vhost = caller.vhost(&vhost)?;
    let name = from_path(&name).to_owned();
    if vhost.exchange(&name).is_none() {
        return Err(ApiError::no_object());
    }
    caller.check(&vhost, Resource::Exchange(&name), Access::Configure)?;
    blocking(move || {
        api.broker.delete_exchange(&vhost, &name, query.condition().if_unused)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
