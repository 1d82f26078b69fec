//! `/api/connections`

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use crate::broker::{ConnectionEntry, ConnectionState};
use crate::model::Name;

use super::arguments::to_json;
use super::caller::Caller;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list_sampled, object};
use super::statistics::{Ranges, Track};
use super::{Api, blocking};

/// What the client hears where the request gives no reason of its own, in RabbitMQ's words.
const CLOSED: &str = "Closed via management plugin";

/// The longest reason that fits into the reply text with what stands before it.
const REASON_MAX_BYTES: usize = 200;

/// A connection.
#[derive(Serialize)]
struct ConnectionView {
    name: String,
    user: Name,
    user_who_performed_action: Name,
    vhost: Name,
    node: String,
    host: String,
    port: u16,
    peer_host: String,
    peer_port: u16,
    protocol: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    state: &'static str,
    /// RabbitMQ has none of this.
    blocked_by: Vec<&'static str>,
    ssl: bool,
    ssl_protocol: Option<&'static str>,
    ssl_cipher: Option<&'static str>,
    auth_mechanism: String,
    client_properties: Value,
    user_provided_name: Option<String>,
    connected_at: u64,
    channels: usize,
    channel_max: u16,
    frame_max: u32,
    timeout: u16,
    recv_oct: u64,
    recv_oct_details: Value,
    send_oct: u64,
    send_oct_details: Value,
}

impl Listed for Arc<ConnectionEntry> {
    fn name(&self) -> &str {
        &self.name
    }

    fn vhost(&self) -> &str {
        &self.vhost
    }
}

/// How a connection stands now.
pub(super) fn state(api: &Api, entry: &ConnectionEntry) -> ConnectionState {
    entry.state(api.broker.alarms().raised(), api.broker.now())
}

fn view(api: &Api, entry: &ConnectionEntry, ranges: &Ranges) -> ConnectionView {
    let data = Track::of(entry.history(), ranges.data_rates);
    let traffic = entry.link.traffic();
    let given = entry.client_properties.get("connection_name");
    let state = state(api, entry);
    ConnectionView {
        name: entry.name.clone(),
        user: entry.user.clone(),
        user_who_performed_action: entry.user.clone(),
        vhost: entry.vhost.clone(),
        node: api.settings.node_name.clone(),
        host: entry.local.ip().to_string(),
        port: entry.local.port(),
        peer_host: entry.peer.ip().to_string(),
        peer_port: entry.peer.port(),
        protocol: "AMQP 0-9-1",
        kind: "network",
        state: state.name,
        blocked_by: state.blocked_by,
        ssl: entry.tls.is_some(),
        ssl_protocol: entry.tls.map(|tls| tls.protocol),
        ssl_cipher: entry.tls.map(|tls| tls.cipher),
        auth_mechanism: entry.mechanism.clone(),
        client_properties: to_json(&entry.client_properties),
        user_provided_name: given.and_then(|name| name.as_text()).map(str::to_owned),
        connected_at: entry.connected_at,
        channels: entry.channel_count(),
        channel_max: entry.channel_max,
        frame_max: entry.frame_max,
        timeout: entry.heartbeat_s,
        recv_oct: traffic.received_bytes,
        recv_oct_details: data.details(&[0]),
        send_oct: traffic.sent_bytes,
        send_oct_details: data.details(&[1]),
    }
}

/// The connections that the caller may see: all with a monitor's tag, else its own.
pub(super) fn visible(api: &Api, caller: &Caller) -> Vec<Arc<ConnectionEntry>> {
    let mut connections = api.broker.connections();
    connections.retain(|entry| caller.is_monitor() || entry.user == caller.user);
    connections
}

/// Those of one vhost where the path names one, else all of them.
pub(super) fn visible_at(
    api: &Api,
    caller: &Caller,
    vhost: Option<Path<String>>,
) -> Result<Vec<Arc<ConnectionEntry>>, ApiError> {
    let mut connections = visible(api, caller);
    if let Some(Path(vhost)) = vhost {
        caller.visible_vhost(&vhost)?;
        connections.retain(|entry| entry.vhost == *vhost);
    }
    Ok(connections)
}

fn answer(api: &Api, query: &ListQuery, connections: Vec<Arc<ConnectionEntry>>) -> Result<Response, ApiError> {
    let ranges = query.ranges(api.broker.now())?;
    list_sampled(query, &ranges, connections, |entry: &Arc<ConnectionEntry>, ranges| {
        view(api, entry, ranges)
    })
}

/// All connections, of one vhost or of all.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    vhost: Option<Path<String>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    blocking(move || {
        let connections = visible_at(&api, &caller, vhost)?;
        answer(&api, &query, connections)
    })
    .await
}

/// The connections of a user.
pub async fn of_user(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(user): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let mut connections = visible(&api, &caller);
    connections.retain(|entry| entry.user == *user);
    blocking(move || answer(&api, &query, connections)).await
}

pub(super) fn find(api: &Api, caller: &Caller, name: &str) -> Result<Arc<ConnectionEntry>, ApiError> {
    let connections = api.broker.connections();
    let found = connections.into_iter().find(|entry| entry.name == name);
    let entry = found.ok_or_else(ApiError::no_object)?;
    match caller.is_monitor() || entry.user == caller.user {
        true => Ok(entry),
        false => Err(ApiError::not_authorised("User not authorised to access object")),
    }
}

/// One connection.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let entry = find(&api, &caller, &name)?;
    object(&query, view(&api, &entry, &query.ranges(api.broker.now())?))
}

/// Closes a connection; its client hears 320 with the reason of the header `X-Reason`.
pub async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let entry = find(&api, &caller, &name)?;
    if !caller.is_administrator() && entry.user != caller.user {
        return Err(ApiError::not_authorised("User not authorised to access object"));
    }
    entry.link.close(&reason(&headers));
    Ok(StatusCode::NO_CONTENT)
}

/// Closes all connections of a user.
pub async fn delete_of_user(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    if *caller.user != *user {
        caller.require_administrator()?;
    }
    let reason = reason(&headers);
    for entry in api.broker.connections().iter().filter(|entry| entry.user == *user) {
        entry.link.close(&reason);
    }
    Ok(StatusCode::NO_CONTENT)
}

fn reason(headers: &HeaderMap) -> String {
    let given = headers.get("x-reason").and_then(|reason| reason.to_str().ok());
    let reason = given.filter(|reason| !reason.is_empty()).unwrap_or(CLOSED);
    reason[..reason.floor_char_boundary(REASON_MAX_BYTES)].to_owned()
}
