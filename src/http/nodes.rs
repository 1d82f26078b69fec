//! `/api/nodes`: this process and its machine.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::caller::Caller;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::overview::{contexts, exchange_types};
use super::{Api, blocking};

/// The only node.
#[derive(Clone, Serialize)]
struct NodeView {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    running: bool,
    being_drained: bool,
    /// Milliseconds since the API was opened.
    uptime: u64,
    os_pid: String,
    processors: usize,
    rates_mode: &'static str,
    mem_used: u64,
    mem_alarm: bool,
    disk_free: Option<u64>,
    disk_free_alarm: bool,
    fd_used: u64,
    fd_total: u64,
    sockets_used: usize,
    partitions: Vec<Value>,
    applications: Vec<Value>,
    enabled_plugins: Vec<Value>,
    exchange_types: Vec<Value>,
    contexts: Vec<Value>,
}

impl Listed for NodeView {
    fn name(&self) -> &str {
        &self.name
    }
}

fn view(api: &Api) -> NodeView {
    NodeView {
        name: api.settings.node_name.clone(),
        kind: "disc",
        running: true,
        being_drained: false,
        uptime: api.uptime_ms(),
        os_pid: std::process::id().to_string(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        rates_mode: "basic",
        mem_used: resident_bytes(),
        mem_alarm: false,
        disk_free: api.broker.messages().free_space().ok(),
        disk_free_alarm: false,
        fd_used: open_files(),
        fd_total: open_files_limit(),
        sockets_used: api.broker.connection_count(),
        partitions: Vec::new(),
        applications: Vec::new(),
        enabled_plugins: Vec::new(),
        exchange_types: exchange_types(),
        contexts: contexts(api),
    }
}

/// Memory of this process in bytes; 0 where the system does not tell.
pub(super) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// Open files and sockets of this process; 0 where the system does not tell.
pub(super) fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

/// How many there may be.
pub(super) fn open_files_limit() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or_default()
}

/// All nodes: this one.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_monitor()?;
    blocking(move || list(&query, vec![view(&api)], NodeView::clone)).await
}

/// One node.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_monitor()?;
    if name != api.settings.node_name {
        return Err(ApiError::no_object());
    }
    blocking(move || object(&query, view(&api))).await
}
