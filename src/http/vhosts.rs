//! `/api/vhosts`

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::Permission;
use crate::broker::{Count, Vhost};
use crate::model::Name;

use super::body::Body;
use super::caller::{Administrator, Caller};
use super::done::{created, deleted};
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list_sampled, object};
use super::overview::check_node;
use super::queues::short_name;
use super::statistics::{DepthView, Ranges, Track, message_stats};
use super::{Api, blocking};

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
    recv_oct: u64,
    recv_oct_details: Value,
    send_oct: u64,
    send_oct_details: Value,
    #[serde(flatten)]
    depth: DepthView,
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

fn view(api: &Api, vhost: &Vhost, ranges: &Ranges) -> VhostView {
    let depth = Depth::of(std::slice::from_ref(&vhost));
    let history = vhost.traffic().history();
    let connections = api.broker.connections();
    let connections: Vec<_> = connections.iter().filter(|entry| entry.vhost == vhost.name).collect();
    let data = Track::sum(connections.iter().map(|entry| entry.history()), ranges.data_rates);
    let bytes = connections.iter().map(|entry| entry.link.traffic());
    let (received, sent) = bytes.fold((0, 0), |(received, sent), traffic| {
        (received + traffic.received_bytes, sent + traffic.sent_bytes)
    });
    let description = vhost.description.read().clone();
    VhostView {
        name: vhost.name.clone(),
        metadata: json!({ "description": description, "tags": [] }),
        description,
        tags: Vec::new(),
        default_queue_type: "classic",
        tracing: vhost.is_tapped(),
        cluster_state: json!({ &*api.settings.node_name: "running" }),
        recv_oct: received,
        recv_oct_details: data.details(&[0]),
        send_oct: sent,
        send_oct_details: data.details(&[1]),
        depth: DepthView::new(depth.ready, depth.unacked, &Track::of(history, ranges.lengths)),
        message_stats: message_stats(&vhost.totals(), &Track::of(history, ranges.msg_rates), &Count::ALL),
    }
}

/// What all queues of some vhosts hold together.
#[derive(Default)]
pub(super) struct Depth {
    pub queues: u64,
    pub consumers: u64,
    pub ready: u64,
    pub unacked: u64,
}

impl Depth {
    /// Adds up the queues, each locked for a moment.
    pub fn of(vhosts: &[&Vhost]) -> Self {
        let mut depth = Self::default();
        for queue in vhosts.iter().flat_map(|vhost| vhost.queues()) {
            let state = queue.state();
            depth.queues += 1;
            depth.consumers += u64::from(state.consumers);
            depth.ready += state.ready;
            depth.unacked += state.unacked;
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
    blocking(move || {
        let ranges = query.ranges(api.broker.now())?;
        list_sampled(&query, &ranges, caller.vhosts(), |vhost: &Arc<Vhost>, ranges| {
            view(&api, vhost, ranges)
        })
    })
    .await
}

/// One vhost.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let ranges = query.ranges(api.broker.now())?;
        object(&query, view(&api, &*caller.visible_vhost(&name)?, &ranges))
    })
    .await
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
    Administrator(caller): Administrator,
    Path(name): Path<String>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let body: VhostBody = body.read()?;
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

/// Starts a vhost on a node: it runs, or it would not be there.
pub async fn start(
    State(api): State<Arc<Api>>,
    Administrator(caller): Administrator,
    Path((name, node)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    caller.visible_vhost(&name)?;
    check_node(&api, Some(&Path(node)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a vhost with everything in it, and closes its connections.
pub async fn delete(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    blocking(move || deleted(api.broker.delete_vhost(&name)?)).await
}
