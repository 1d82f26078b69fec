//! The store: what it holds, what it did, and how long that took.

use super::super::Api;
use super::text::Text;
use crate::store::Timed;

pub fn write(text: &mut Text, api: &Api) {
    let store = api.broker.messages();
    let statistics = store.statistics();
    for (name, help, value) in [
        (
            "warren_store_live_messages",
            "Messages on disk that are not settled",
            statistics.live_messages,
        ),
        (
            "warren_store_live_bytes",
            "Bytes of their records",
            statistics.live_bytes,
        ),
        (
            "warren_store_disk_bytes",
            "Bytes of all message files",
            statistics.disk_bytes,
        ),
    ] {
        text.gauge(name, help, value);
    }
    for (name, help, value) in [
        (
            "warren_store_commits_total",
            "Rounds of write and sync",
            statistics.rounds,
        ),
        ("warren_store_written_total", "Messages written", statistics.written),
        (
            "warren_store_dropped_total",
            "Messages settled before they were written",
            statistics.dropped,
        ),
        (
            "warren_store_refused_total",
            "Messages refused by a full disk",
            statistics.refused,
        ),
        ("warren_store_settled_total", "Settlements written", statistics.settled),
    ] {
        text.counter(name, help, value);
    }
    let max = seconds(statistics.commit_max_us);
    text.gauge(
        "warren_store_commit_seconds_max",
        "The slowest commit since the start",
        max,
    );
    let (commits, syncs) = (store.commit_times(), store.sync_times());
    times(
        text,
        "warren_store_commit_seconds",
        "Time of a commit: write and sync",
        &commits,
    );
    times(text, "warren_store_sync_seconds", "Time of a sync alone", &syncs);
    paging(text, api);
}

fn paging(text: &mut Text, api: &Api) {
    let paging = api.broker.paging_counts();
    text.counter(
        "warren_paging_out_total",
        "Messages whose bodies were left on disk for want of memory",
        paging.paged_out,
    );
    text.counter("warren_paging_in_total", "Bodies that were read back", paging.paged_in);
    text.gauge(
        "warren_paging_memory_bytes",
        "Memory of the messages that wait",
        paging.used_bytes,
    );
    text.gauge(
        "warren_paging_memory_budget_bytes",
        "Memory of waiting messages above which bodies are left on disk",
        paging.budget_bytes,
    );
}

fn times(text: &mut Text, name: &str, help: &str, times: &Timed) {
    let bounds: Vec<(f64, u64)> = times
        .below()
        .map(|(bound_us, count)| (seconds(bound_us), count))
        .collect();
    text.histogram(name, help, &bounds, times.count(), seconds(times.sum()));
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
