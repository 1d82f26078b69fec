//! `/api/nodes`: this process and its machine.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::caller::Caller;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::overview::{churn, contexts, exchange_types};
use super::statistics::{Ranges, Track};
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
    run_queue: u32,
    rates_mode: &'static str,
    mem_alarm: bool,
    mem_limit: u64,
    disk_free_alarm: bool,
    disk_free_limit: u64,
    fd_total: u64,
    sockets_total: u64,
    proc_total: u64,
    /// What is measured and sampled, and what comes and goes.
    #[serde(flatten)]
    measured: Map<String, Value>,
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

/// What is sampled of the node, under RabbitMQ's names. Its processes are threads here.
const NAMES: [&str; MEASURED] = [
    "mem_used",
    "fd_used",
    "sockets_used",
    "disk_free",
    "proc_used",
    "io_sync_count",
    "msg_store_write_count",
];

/// How many values that are.
pub(super) const MEASURED: usize = 7;

/// Measures them.
pub(super) fn measure(api: &Api) -> [u64; MEASURED] {
    let store = api.broker.messages().statistics();
    [
        resident_bytes(),
        open_files(),
        api.broker.connection_count() as u64,
        api.broker.messages().free_space().unwrap_or_default(),
        threads(),
        store.rounds,
        store.written,
    ]
}

fn view(api: &Api, ranges: &Ranges) -> NodeView {
    let (raised, limits) = (api.broker.alarms().raised(), api.broker.alarms().limits());
    let track = Track::of(&api.node_history, ranges.node_stats);
    let mut measured = churn(api, ranges);
    for (at, (name, value)) in NAMES.into_iter().zip(measure(api)).enumerate() {
        track.put(&mut measured, name, value, &[at]);
    }
    NodeView {
        name: api.settings.node_name.clone(),
        kind: "disc",
        running: true,
        being_drained: false,
        uptime: api.uptime_ms(),
        os_pid: std::process::id().to_string(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        run_queue: 0,
        rates_mode: "basic",
        mem_alarm: raised.memory,
        mem_limit: limits.memory_bytes,
        disk_free_alarm: raised.disk,
        disk_free_limit: limits.disk_free_bytes,
        fd_total: open_files_limit(),
        sockets_total: open_files_limit(),
        proc_total: open_files_limit(),
        measured,
        partitions: Vec::new(),
        applications: Vec::new(),
        enabled_plugins: Vec::new(),
        exchange_types: exchange_types(),
        contexts: contexts(api),
    }
}

/// Threads of this process; 0 where the system does not tell.
fn threads() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or_default()
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
    blocking(move || {
        let ranges = query.ranges(api.broker.now())?;
        list(&query, vec![view(&api, &ranges)], NodeView::clone)
    })
    .await
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
    blocking(move || object(&query, view(&api, &query.ranges(api.broker.now())?))).await
}
