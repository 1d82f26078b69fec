//! `/api/overview` and what else concerns the broker as a whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::broker::{Count, Totals, Vhost};
use crate::routing::ExchangeKind;
use crate::session::COMPATIBLE_VERSION;

use super::caller::{Administrator, Caller};
use super::connections::visible;
use super::error::ApiError;
use super::listing::{ListQuery, object};
use super::statistics::{DepthView, Ranges, Track, message_stats};
use super::vhosts::Depth;
use super::{Api, blocking};

/// The broker at a glance.
#[derive(Serialize)]
struct Overview {
    product_name: &'static str,
    product_version: &'static str,
    /// The release whose behaviour is followed; tools decide by it what they may ask for.
    rabbitmq_version: &'static str,
    management_version: &'static str,
    cluster_name: String,
    node: String,
    rates_mode: &'static str,
    sample_retention_policies: Value,
    disable_stats: bool,
    enable_queue_totals: bool,
    statistics_db_event_queue: u32,
    exchange_types: Vec<Value>,
    message_stats: Value,
    queue_totals: DepthView,
    object_totals: Value,
    churn_rates: Map<String, Value>,
    listeners: Vec<Listener>,
    contexts: Vec<Value>,
}

/// An address that is listened on.
#[derive(Serialize)]
struct Listener {
    node: String,
    protocol: &'static str,
    ip_address: String,
    port: u16,
    socket_opts: Value,
}

/// The broker at a glance; sums of what the caller sees.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let ranges = query.ranges(api.broker.now())?;
        object(&query, overview(&api, &caller, &ranges))
    })
    .await
}

fn overview(api: &Api, caller: &Caller, ranges: &Ranges) -> Overview {
    let vhosts = caller.vhosts();
    let vhosts: Vec<&Vhost> = vhosts.iter().map(|vhost| &**vhost).collect();
    let depth = Depth::of(&vhosts);
    let histories: Vec<_> = vhosts.iter().map(|vhost| vhost.traffic().history()).collect();
    let (totals, track, lengths) = match caller.is_monitor() {
        // With what deleted vhosts counted.
        true => {
            let history = api.broker.whole_statistics().history();
            let tracks = [ranges.msg_rates, ranges.lengths].map(|range| Track::of(history, range));
            let [track, lengths] = tracks;
            (api.broker.totals(), track, lengths)
        }
        false => {
            let tracks = [ranges.msg_rates, ranges.lengths].map(|range| Track::sum(histories.iter().copied(), range));
            let [track, lengths] = tracks;
            let mut totals = Totals::default();
            vhosts.iter().for_each(|vhost| totals.add(&vhost.totals()));
            (totals, track, lengths)
        }
    };
    let connections = visible(api, caller);
    let channels: usize = connections.iter().map(|entry| entry.channel_count()).sum();
    let exchanges: usize = vhosts.iter().map(|vhost| vhost.exchanges().len()).sum();
    Overview {
        product_name: "Warren",
        product_version: env!("CARGO_PKG_VERSION"),
        rabbitmq_version: COMPATIBLE_VERSION,
        management_version: COMPATIBLE_VERSION,
        cluster_name: api.cluster_name(),
        node: api.settings.node_name.clone(),
        rates_mode: "basic",
        sample_retention_policies: json!({ "global": [600, 3600], "basic": [600, 3600], "detailed": [600, 3600] }),
        disable_stats: false,
        enable_queue_totals: false,
        statistics_db_event_queue: 0,
        exchange_types: exchange_types(),
        message_stats: message_stats(&totals, &track, &Count::ALL),
        queue_totals: DepthView::new(depth.ready, depth.unacked, &lengths),
        object_totals: json!({
            "channels": channels,
            "connections": connections.len(),
            "consumers": depth.consumers,
            "exchanges": exchanges,
            "queues": depth.queues,
        }),
        churn_rates: churn(api, ranges),
        listeners: listeners(api),
        contexts: contexts(api),
    }
}

pub(super) fn exchange_types() -> Vec<Value> {
    let kinds = ExchangeKind::ALL.iter();
    kinds
        .map(|kind| json!({ "name": kind.as_str(), "description": "", "enabled": true }))
        .collect()
}

/// What came and went, with rates.
pub(super) fn churn(api: &Api, ranges: &Ranges) -> Map<String, Value> {
    let track = Track::of(api.broker.churn_history(), ranges.node_stats);
    let mut churn = Map::new();
    for (at, (name, count)) in api.broker.churn().counts().into_iter().enumerate() {
        track.put(&mut churn, name, count, &[at]);
    }
    churn
}

fn listeners(api: &Api) -> Vec<Listener> {
    let listeners = api.listeners().into_iter();
    listeners
        .map(|(protocol, address)| Listener {
            node: api.settings.node_name.clone(),
            protocol,
            ip_address: address.ip().to_string(),
            port: address.port(),
            socket_opts: json!({}),
        })
        .collect()
}

pub(super) fn contexts(api: &Api) -> Vec<Value> {
    vec![json!({
        "node": api.settings.node_name,
        "description": "Warren HTTP API",
        "path": "/",
        "ip": api.address.ip().to_string(),
        "port": api.address.port().to_string(),
        "ssl_opts": [],
    })]
}

/// The pages that plugins add: none.
pub async fn extensions(_: Caller) -> Json<Value> {
    Json(json!([]))
}

/// Feature flags, and deprecated features: there are none to switch.
pub async fn nothing_to_switch(_: Caller) -> Json<Value> {
    Json(json!([]))
}

/// How one logs in: with a name and a password.
pub async fn auth() -> Json<Value> {
    Json(json!({ "enable_uaa": false, "oauth_enabled": false, "uaa_client_id": "", "uaa_location": "" }))
}

/// Balancing queues among nodes, of which there is one.
pub async fn rebalance(caller: Caller) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets all samples; totals go on.
pub async fn reset(
    State(api): State<Arc<Api>>,
    _: Administrator,
    node: Option<Path<String>>,
) -> Result<StatusCode, ApiError> {
    check_node(&api, node.as_ref())?;
    blocking(move || {
        api.broker.forget_samples();
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// 404 for any node but this one.
pub(super) fn check_node(api: &Api, node: Option<&Path<String>>) -> Result<(), ApiError> {
    match node {
        Some(Path(name)) if *name != api.settings.node_name => Err(ApiError::no_object()),
        _ => Ok(()),
    }
}
