//! `/api/queues`

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::auth::{Access, Resource};
use crate::broker::{Broker, Count, DeleteCondition, QueueCell, QueueDeclare, Vhost, check_not_reserved};
use crate::model::Name;

use super::arguments::{from_json, to_json};
use super::body::{self, Body};
use super::caller::Caller;
use super::consumers::ConsumerView;
use super::done::created;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list_sampled, object};
use super::statistics::{DepthView, Ranges, Track, stats_of};
use super::{Api, blocking};

/// A queue as lists show it.
#[derive(Serialize)]
struct QueueView {
    name: Name,
    vhost: Name,
    #[serde(rename = "type")]
    kind: &'static str,
    durable: bool,
    auto_delete: bool,
    exclusive: bool,
    arguments: Value,
    node: String,
    state: &'static str,
    consumers: u32,
    consumer_capacity: u8,
    consumer_utilisation: u8,
    #[serde(flatten)]
    depth: DepthView,
    message_bytes: u64,
    message_bytes_ready: u64,
    message_bytes_unacknowledged: u64,
    message_stats: Value,
    /// Milliseconds that the message at the head has waited; RabbitMQ has none of this.
    head_message_age_ms: Option<u64>,
    single_active_consumer_tag: Option<Name>,
    policy: Option<String>,
    operator_policy: Option<String>,
    effective_policy_definition: Value,
    /// The arguments at work: with what operators changed since the declaration. RabbitMQ has none of this.
    effective_arguments: Value,
    /// Arguments that the policy takes the place of. RabbitMQ has none of this.
    overridden_arguments: Vec<String>,
}

/// A queue with what only a look at one shows.
#[derive(Serialize)]
struct DetailedQueueView {
    #[serde(flatten)]
    queue: QueueView,
    consumer_details: Vec<ConsumerView>,
    owner_pid_details: Option<OwnerView>,
}

#[derive(Serialize)]
struct OwnerView {
    name: String,
    peer_host: String,
    peer_port: u16,
}

impl QueueView {
    fn new(api: &Api, queue: &QueueCell, ranges: &Ranges) -> Self {
        let state = queue.state();
        let counters = queue.counters();
        let lengths = Track::of(counters.history(), ranges.lengths);
        let (active, age) = queue.head_and_active(api.broker.now());
        let vhost = api.broker.vhost(&queue.vhost);
        let policies = vhost.map(|vhost| api.broker.policy_of_queue(&vhost, queue));
        let policies = policies.unwrap_or_default();
        let able = u8::from(state.consumers > 0 && state.ready == 0);
        Self {
            name: queue.name.clone(),
            vhost: queue.vhost.clone(),
            kind: if queue.is_quorum() { "quorum" } else { "classic" },
            durable: queue.declaration.durable,
            auto_delete: queue.declaration.auto_delete,
            exclusive: queue.declaration.owner.is_some(),
            arguments: to_json(&queue.declaration.arguments),
            node: api.settings.node_name.clone(),
            state: if queue.is_paused() { "paused" } else { "running" },
            consumers: state.consumers,
            consumer_capacity: able,
            consumer_utilisation: able,
            depth: DepthView::new(state.ready, state.unacked, &lengths),
            message_bytes: state.ready_bytes + state.unacked_bytes,
            message_bytes_ready: state.ready_bytes,
            message_bytes_unacknowledged: state.unacked_bytes,
            message_stats: stats_of(counters, ranges, &Count::OF_QUEUES),
            head_message_age_ms: age,
            single_active_consumer_tag: active,
            policy: policies.policy,
            operator_policy: policies.operator_policy,
            effective_policy_definition: Value::Object(policies.definition),
            effective_arguments: to_json(&queue.current_declaration().arguments),
            overridden_arguments: policies.overridden,
        }
    }
}

impl Listed for Arc<QueueCell> {
    fn name(&self) -> &str {
        &self.name
    }

    fn vhost(&self) -> &str {
        &self.vhost
    }
}

/// All queues, of one vhost or of all that the caller sees.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    vhost: Option<Path<String>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let vhosts = caller.vhosts_at(vhost.as_ref().map(|Path(name)| name.as_str()))?;
        let queues = vhosts.iter().flat_map(|vhost| vhost.queues()).collect();
        let ranges = query.ranges(api.broker.now())?;
        list_sampled(&query, &ranges, queues, |queue: &Arc<QueueCell>, ranges| {
            QueueView::new(&api, queue, ranges)
        })
    })
    .await
}

/// One queue.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let queue = find(&*caller.visible_vhost(&vhost)?, &name)?;
    let owner = queue.declaration.owner.and_then(|id| api.broker.connection(id));
    let consumers = queue.consumers();
    let view = DetailedQueueView {
        queue: QueueView::new(&api, &queue, &query.ranges(api.broker.now())?),
        consumer_details: consumers
            .into_iter()
            .map(|consumer| ConsumerView::new(&api, &queue, consumer))
            .collect(),
        owner_pid_details: owner.map(|owner| OwnerView {
            name: owner.name.clone(),
            peer_host: owner.peer.ip().to_string(),
            peer_port: owner.peer.port(),
        }),
    };
    object(&query, view)
}

pub(super) fn find(vhost: &Vhost, name: &str) -> Result<Arc<QueueCell>, ApiError> {
    vhost.find_queue(name).ok_or_else(ApiError::no_object)
}

/// What a declaration says.
#[derive(Debug, Deserialize)]
pub(super) struct QueueBody {
    #[serde(default = "body::yes", deserialize_with = "body::flag")]
    durable: bool,
    #[serde(default, deserialize_with = "body::flag")]
    auto_delete: bool,
    #[serde(default)]
    arguments: Map<String, Value>,
}

impl QueueBody {
    pub(super) fn declare(&self, name: &str) -> Result<QueueDeclare, ApiError> {
        Ok(QueueDeclare {
            name: short_name(name)?,
            durable: self.durable,
            exclusive: false,
            auto_delete: self.auto_delete,
            arguments: from_json(&self.arguments)?,
        })
    }
}

/// A name that fits on the wire.
pub(super) fn short_name(name: &str) -> Result<Name, ApiError> {
    match name.len() {
        0 => Err(ApiError::bad_request("the name is empty")),
        1..=Name::MAX_BYTES => Ok(name.into()),
        _ => Err(ApiError::bad_request("the name has more than 255 bytes")),
    }
}

/// Declares a queue: 201 for a new one, 204 for one that stands as declared.
pub async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let body: QueueBody = body.read()?;
    let vhost = caller.vhost(&vhost)?;
    let declare = body.declare(&name)?;
    caller.check(&vhost, Resource::Queue(&name), Access::Configure)?;
    let exchange = body.arguments.get("x-dead-letter-exchange").and_then(Value::as_str);
    if let Some(exchange) = exchange {
        caller.check(&vhost, Resource::Queue(&name), Access::Read)?;
        caller.check(&vhost, Resource::Exchange(exchange), Access::Write)?;
    }
    blocking(move || declare_queue(&api.broker, &vhost, declare)).await
}

pub(super) fn declare_queue(broker: &Broker, vhost: &Vhost, declare: QueueDeclare) -> Result<StatusCode, ApiError> {
    let stands = vhost.find_queue(&declare.name).is_some();
    if !stands {
        check_not_reserved("queue", &declare.name)?;
    }
    broker.declare_queue(vhost, declare, OPERATOR)?;
    Ok(created(!stands))
}

/// The connection that operators act as: none, so exclusive queues are locked for them.
pub(super) const OPERATOR: u64 = 0;

/// Conditions of a deletion.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeleteQuery {
    if_unused: Option<String>,
    if_empty: Option<String>,
}

impl DeleteQuery {
    pub(super) fn condition(&self) -> DeleteCondition {
        let is_set = |flag: &Option<String>| flag.as_deref() == Some("true");
        DeleteCondition {
            if_unused: is_set(&self.if_unused),
            if_empty: is_set(&self.if_empty),
        }
    }
}

/// Deletes a queue.
pub async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode, ApiError> {
    let vhost = caller.vhost(&vhost)?;
    find(&vhost, &name)?;
    caller.check(&vhost, Resource::Queue(&name), Access::Configure)?;
    blocking(move || {
        api.broker.delete_queue(&vhost, &name, query.condition(), OPERATOR)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

#[derive(Deserialize)]
struct ActionBody {
    action: String,
}

/// Synchronises mirrors, or stops that: there are none, so it is done at once.
pub async fn act(
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let ActionBody { action } = body.read()?;
    let vhost = caller.vhost(&vhost)?;
    find(&vhost, &name)?;
    caller.require_policymaker()?;
    match action.as_str() {
        "sync" | "cancel_sync" => Ok(StatusCode::NO_CONTENT),
        other => Err(ApiError::bad_request(format!(
            "unknown action '{other}': there are sync and cancel_sync"
        ))),
    }
}

/// Removes all messages that wait.
pub async fn purge(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let vhost = caller.vhost(&vhost)?;
    let queue = find(&vhost, &name)?;
    caller.check(&vhost, Resource::Queue(&name), Access::Read)?;
    queue.check_owner(OPERATOR)?;
    blocking(move || {
        api.broker.purge_queue(&queue);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
