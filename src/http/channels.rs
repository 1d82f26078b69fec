//! `/api/channels`

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use crate::broker::{ChannelState, ConnectionEntry, Count, Counters};
use crate::model::Name;

use super::caller::Caller;
use super::connections::{find, state, visible_at};
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list_sampled, object};
use super::statistics::{Ranges, stats_of};
use super::{Api, blocking};

/// A channel.
#[derive(Serialize)]
struct ChannelView {
    name: String,
    number: u16,
    user: Name,
    user_who_performed_action: Name,
    vhost: Name,
    node: String,
    state: &'static str,
    connection_details: ConnectionDetails,
    consumer_count: u32,
    messages_unacknowledged: u64,
    prefetch_count: u32,
    global_prefetch_count: u32,
    confirm: bool,
    transactional: bool,
    message_stats: Value,
}

#[derive(Serialize)]
struct ConnectionDetails {
    name: String,
    peer_host: String,
    peer_port: u16,
}

struct Entry {
    name: String,
    connection: Arc<ConnectionEntry>,
    channel: ChannelState,
    counters: Arc<Counters>,
}

impl Listed for Entry {
    fn name(&self) -> &str {
        &self.name
    }

    fn vhost(&self) -> &str {
        &self.connection.vhost
    }
}

fn view(api: &Api, entry: &Entry, ranges: &Ranges) -> ChannelView {
    let (connection, channel) = (&entry.connection, &entry.channel);
    ChannelView {
        name: entry.name.clone(),
        number: channel.number,
        user: connection.user.clone(),
        user_who_performed_action: connection.user.clone(),
        vhost: connection.vhost.clone(),
        node: api.settings.node_name.clone(),
        // RabbitMQ's channels have no other states while they are open.
        state: match state(api, connection).name {
            "flow" => "flow",
            _ => "running",
        },
        connection_details: ConnectionDetails {
            name: connection.name.clone(),
            peer_host: connection.peer.ip().to_string(),
            peer_port: connection.peer.port(),
        },
        consumer_count: channel.consumers,
        messages_unacknowledged: channel.unacked,
        prefetch_count: channel.prefetch,
        global_prefetch_count: channel.global_prefetch,
        confirm: channel.confirm,
        transactional: channel.transactional,
        message_stats: stats_of(&entry.counters, ranges, &Count::ALL),
    }
}

fn entries(connections: Vec<Arc<ConnectionEntry>>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for connection in connections {
        entries.extend(connection.channels().into_iter().map(|(channel, counters)| Entry {
            name: connection.channel_name(channel.number),
            connection: Arc::clone(&connection),
            channel,
            counters,
        }));
    }
    entries
}

fn answer(api: &Api, query: &ListQuery, connections: Vec<Arc<ConnectionEntry>>) -> Result<Response, ApiError> {
    let ranges = query.ranges(api.broker.now())?;
    list_sampled(query, &ranges, entries(connections), |entry: &Entry, ranges| {
        view(api, entry, ranges)
    })
}

/// All channels, of one vhost or of all.
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

/// The channels of a connection.
pub async fn of_connection(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let connection = find(&api, &caller, &name)?;
    answer(&api, &query, vec![connection])
}

/// One channel.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let (connection, number) = name
        .strip_suffix(')')
        .and_then(|name| name.rsplit_once(" ("))
        .ok_or_else(ApiError::no_object)?;
    let number: u16 = number.parse().map_err(|_| ApiError::no_object())?;
    let mut channels = entries(vec![find(&api, &caller, connection)?]);
    channels.retain(|entry| entry.channel.number == number);
    match channels.first() {
        Some(entry) => object(&query, view(&api, entry, &query.ranges(api.broker.now())?)),
        None => Err(ApiError::no_object()),
    }
}
