//! `/api/vhosts`

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::Permission;
use crate::broker::{Rates, Totals, Vhost};
use crate::model::Name;

use super::caller::Caller;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::queues::{created, short_name};
use super::statistics::{details, message_stats};
use super::{Api, blocking, body};

/// A vhost.
#[derive(Serialize)]
struct VhostView {
    name: Name,
    description: String,
    tags: Vec<String>,
    default_queue_type: &'static str,
    metadata: Value,
    tracing: bool,
    cluster_state: Value,
    messages: u64,
    messages_details: Value,
    messages_ready: u64,
    messages_ready_details: Value,
    messages_unacknowledged: u64,
    messages_unacknowledged_details: Value,
    message_stats: Value,
}

impl Listed for Arc<Vhost> {
    fn name(&self) -> &str {
        &self.name
    }

    fn vhost(&self) -> &str {
        &self.name
    }
}

fn view(api: &Api, vhost: &Vhost) -> VhostView {
    let depth = Depth::of(std::slice::from_ref(&vhost));
    let description = vhost.description.read().clone();
    VhostView {
        name: vhost.name.clone(),
        metadata: json!({ "description": description, "tags": [] }),
        description,
        tags: Vec::new(),
        default_queue_type: "classic",
        tracing: vhost.is_tapped(),
        cluster_state: json!({ &*api.settings.node_name: "running" }),
        messages: depth.ready + depth.unacked,
        messages_details: details(depth.ready_rate + depth.unacked_rate),
        messages_ready: depth.ready,
        messages_ready_details: details(depth.ready_rate),
        messages_unacknowledged: depth.unacked,
        messages_unacknowledged_details: details(depth.unacked_rate),
        message_stats: message_stats(&depth.totals, &depth.rates),
    }
}

/// What all queues of some vhosts hold together.
#[derive(Default)]
pub(super) struct Depth {
    pub queues: u64,
    pub consumers: u64,
    pub ready: u64,
    pub unacked: u64,
    pub ready_rate: f64,
    pub unacked_rate: f64,
    pub totals: Totals,
    pub rates: Rates,
}

impl Depth {
    /// Adds up the queues, each locked for a moment.
    pub fn of(vhosts: &[&Vhost]) -> Self {
        let mut depth = Self::default();
        for queue in vhosts.iter().flat_map(|vhost| vhost.queues()) {
            let state = queue.state();
            let (ready_rate, unacked_rate) = queue.counters().depth_rates();
            depth.queues += 1;
            depth.consumers += u64::from(state.consumers);
            depth.ready += state.ready;
            depth.unacked += state.unacked;
            depth.ready_rate += ready_rate;
            depth.unacked_rate += unacked_rate;
            depth.totals.add(&queue.counters().totals());
            depth.rates.add(&queue.counters().rates());
        }
        depth
    }
}

/// The vhosts that the caller sees.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || list(&query, caller.vhosts(), |vhost| view(&api, vhost))).await
}

/// One vhost.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || object(&query, view(&api, &*caller.visible_vhost(&name)?))).await
}

#[derive(Debug, Deserialize)]
struct VhostBody {
    description: Option<String>,
    /// Whether the firehose is to be on.
    tracing: Option<bool>,
}

/// Makes a vhost, in which the caller gets all permissions, or describes one that stands.
pub async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    let body: VhostBody = body::read(body)?;
    short_name(&name)?;
    blocking(move || {
        let broker = &api.broker;
        if let Some(vhost) = broker.vhost(&name) {
            if let Some(description) = &body.description {
                broker.describe_vhost(&vhost, description)?;
            }
            if let Some(on) = body.tracing {
                broker.set_firehose(&vhost, on);
            }
            return Ok(created(false));
        }
        broker.declare_vhost(&name, &body.description.unwrap_or_default())?;
        if let Some(vhost) = broker.vhost(&name)
            && let Some(on) = body.tracing
        {
            broker.set_firehose(&vhost, on);
        }
        let everything = || ".*".to_owned();
        let permission = Permission {
            user: caller.user.to_string(),
            vhost: name,
            configure: everything(),
            write: everything(),
            read: everything(),
        };
        broker.declare_permission(&permission).map_err(ApiError::internal)?;
        Ok(created(true))
    })
    .await
}

/// Deletes a vhost with everything in it, and closes its connections.
pub async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    blocking(move || match api.broker.delete_vhost(&name)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::no_object()),
    })
    .await
}
