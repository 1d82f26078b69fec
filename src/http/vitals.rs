//! `/api/warren/vitals`: what tells whether the broker is well and RabbitMQ's overview does not say: alarms and what
//! they are about, how long syncs and confirms take, disk used against live bytes; now, and over the last hour.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::model::Millis;
use crate::store::Quantiles;

use super::caller::Caller;
use super::error::ApiError;
use super::{Api, SAMPLE_INTERVAL, blocking};

/// An hour of samples.
const POINTS: usize = 3_600 / SAMPLE_INTERVAL.as_secs() as usize;

/// What a point holds besides its time.
const COLUMNS: [&str; 5] = [
    "sync_p99_us",
    "confirm_p99_us",
    "disk_bytes",
    "live_bytes",
    "memory_bytes",
];

/// The last hour: 36 KB once it is full.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    points: Mutex<VecDeque<Point>>,
}

#[derive(Clone, Copy, Debug)]
struct Point {
    at: Millis,
    values: [u64; COLUMNS.len()],
}

impl Vitals {
    /// Takes a point; to be called with every sample.
    pub fn sample(&self, broker: &Broker) {
        broker.messages().sync_latency().turn();
        broker.confirm_latency().turn();
        let statistics = broker.messages().statistics();
        self.push(Point {
            at: broker.now(),
            values: [
                broker.messages().sync_latency().quantiles().p99_us,
                broker.confirm_latency().quantiles().p99_us,
                statistics.disk_bytes,
                statistics.live_bytes,
                super::nodes::resident_bytes(),
            ],
        });
    }

    fn push(&self, point: Point) {
        let mut points = self.points.lock();
        if points.len() == POINTS {
            points.pop_front();
        }
        points.push_back(point);
    }

    /// A column of times in seconds, and one a name, as charts want them.
    fn view(&self) -> Value {
        let points = self.points.lock();
        let mut view = json!({
            "interval_s": SAMPLE_INTERVAL.as_secs(),
            "at": points.iter().map(|point| point.at / 1000).collect::<Vec<_>>(),
        });
        for (column, name) in COLUMNS.iter().enumerate() {
            view[*name] = points.iter().map(|point| point.values[column]).collect();
        }
        view
    }
}

/// How the broker is now.
pub(super) fn vitals(api: &Api) -> Value {
    let broker = &api.broker;
    let statistics = broker.messages().statistics();
    let raised = broker.alarms().raised();
    let limits = broker.alarms().limits();
    json!({
        "at": broker.now(),
        "uptime_ms": api.uptime_ms(),
        "alarms": { "memory": raised.memory, "disk": raised.disk, "reason": raised.reason() },
        "memory_bytes": super::nodes::resident_bytes(),
        "memory_limit_bytes": Some(limits.memory_bytes).filter(|limit| *limit < u64::MAX),
        "disk_free_bytes": broker.messages().free_space().ok(),
        "disk_free_limit_bytes": limits.disk_free_bytes,
        "disk_bytes": statistics.disk_bytes,
        "live_bytes": statistics.live_bytes,
        "live_messages": statistics.live_messages,
        "sync": quantiles(broker.messages().sync_latency().quantiles()),
        "confirm": quantiles(broker.confirm_latency().quantiles()),
    })
}

fn quantiles(of: Quantiles) -> Value {
    json!({ "count": of.count, "p50_us": of.p50_us, "p99_us": of.p99_us, "max_us": of.max_us })
}

/// How the broker is.
pub async fn show(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.require_monitor()?;
    blocking(move || Ok(Json(vitals(&api)))).await
}

/// How it was over the last hour.
pub async fn history(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.require_monitor()?;
    Ok(Json(api.vitals.view()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let vitals = Vitals::default();
        for turn in 0..POINTS as u64 + 40 {
            vitals.push(Point {
                at: turn * 5_000,
                values: [turn, 0, 0, 0, 7],
            });
        }
        let view = vitals.view();
        assert_eq!(view["at"].as_array().unwrap().len(), POINTS);
        assert_eq!((&view["at"][0], &view["sync_p99_us"][0]), (&json!(200), &json!(40)));
        assert_eq!(view["memory_bytes"][POINTS - 1], 7);
    }
}
