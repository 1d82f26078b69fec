//! Replays of dead letters: begun, looked at, stopped.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::{Access, Resource};
use crate::broker::{DryRun, MayPublish, QueueCell, Replay, ReplayRequest, ReplayState, Vhost};
use crate::model::{AmqpError, Name};
use crate::queue::DeathReason;
use crate::routing::ExchangeKind;

use super::body::{self, Body};
use super::caller::Caller;
use super::dead_letters::{FilterQuery, from_object};
use super::error::ApiError;
use super::exchanges::from_path;
use super::operations::place;
use super::{Api, blocking};

#[derive(Deserialize)]
struct ReplayBody {
    #[serde(flatten)]
    filter: FilterQuery,
    exchange: Option<String>,
    routing_key: Option<String>,
    #[serde(default, deserialize_with = "body::count")]
    limit: Option<u64>,
    #[serde(default, deserialize_with = "body::count")]
    rate_per_s: Option<u64>,
    #[serde(default, deserialize_with = "body::flag")]
    dry_run: bool,
}

impl ReplayBody {
    fn request(&self) -> Result<ReplayRequest, ApiError> {
        for (name, number) in [("limit", self.limit), ("rate_per_s", self.rate_per_s)] {
            if number == Some(0) {
                return Err(ApiError::bad_request(format!("{name} is at least 1")));
            }
        }
        let fits = |name: &str| match name.len() {
            0..=Name::MAX_BYTES => Ok(Name::from(name)),
            _ => Err(ApiError::bad_request("exchange and routing_key have at most 255 bytes")),
        };
        Ok(ReplayRequest {
            filter: self.filter.filter()?,
            exchange: self.exchange.as_deref().map(from_path).map(fits).transpose()?,
            routing_key: self.routing_key.as_deref().map(fits).transpose()?,
            limit: self.limit,
            rate_per_s: self.rate_per_s,
        })
    }
}

/// Asks, for each exchange and key, what a channel asks before it publishes.
fn may_publish(api: &Arc<Api>, caller: &Caller, vhost: &Arc<Vhost>) -> MayPublish {
    let (api, user, vhost) = (Arc::clone(api), caller.user.clone(), Arc::clone(vhost));
    Arc::new(move |exchange, key| {
        let accounts = api.broker.accounts();
        let resource = Resource::Exchange(exchange);
        accounts
            .check(&user, &vhost.name, resource, Access::Write)
            .map_err(AmqpError::from)?;
        if vhost.exchange_kind(exchange) == Some(ExchangeKind::Topic) {
            accounts
                .check_topic(&user, &vhost.name, exchange, key, Access::Write)
                .map_err(AmqpError::from)?;
        }
        Ok(())
    })
}

/// Begins to send letters back, or says what that would do.
pub async fn start(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<Response, ApiError> {
    let more = ["exchange", "routing_key", "limit", "rate_per_s", "dry_run"];
    let body: ReplayBody = from_object(body.read()?, &more)?;
    let request = body.request()?;
    let (vhost, queue) = place(&caller, &vhost, &name, Access::Read)?;
    if let Some(exchange) = &request.exchange {
        vhost.check_publishable(exchange)?;
        caller.check(&vhost, Resource::Exchange(exchange), Access::Write)?;
    }
    let may = may_publish(&api, &caller, &vhost);
    blocking(move || {
        if body.dry_run {
            let run = api.broker.dry_run(&vhost, &queue, &request, &may);
            let run = run.map_err(ApiError::internal)?;
            return Ok(Json(dry_run_view(&queue, &run)).into_response());
        }
        let replay = api.broker.start_replay(&vhost, &queue, request, may)?;
        Ok((StatusCode::ACCEPTED, Json(replay_view(&replay))).into_response())
    })
    .await
}

fn dry_run_view(queue: &QueueCell, run: &DryRun) -> Value {
    let targets = run.targets.iter().map(|target| {
        json!({
            "exchange": target.exchange,
            "routing_key": target.routing_key,
            "messages": target.messages,
            "queues": target.queues,
            "refused": target.refused,
        })
    });
    json!({
        "vhost": queue.vhost,
        "queue": queue.name,
        "dry_run": true,
        "total": run.counts.total,
        "matched": run.counts.matched,
        "replayed": run.counts.replayed,
        "skipped": run.counts.skipped,
        "unroutable": run.counts.unroutable,
        "targets": targets.collect::<Vec<_>>(),
        "elsewhere": run.elsewhere,
    })
}

fn replay_view(replay: &Replay) -> Value {
    let status = replay.status();
    let counts = status.counts;
    let state = match status.state {
        ReplayState::Running => "running",
        ReplayState::Done => "done",
        ReplayState::Stopped => "stopped",
        ReplayState::Failed => "failed",
    };
    let request = &replay.request;
    let headers = request.filter.headers.iter();
    json!({
        "id": replay.id,
        "vhost": replay.vhost,
        "queue": replay.queue,
        "state": state,
        "total": counts.total,
        "scanned": counts.scanned,
        "matched": counts.matched,
        "replayed": counts.replayed,
        "skipped": counts.skipped,
        "partly": counts.partly,
        "unroutable": counts.unroutable,
        "started_at": replay.started_at,
        "ended_at": status.ended_at,
        "error": status.error,
        "reason": request.filter.reason.map(DeathReason::word),
        "older_than_ms": request.filter.older_than_ms,
        "header": headers.map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>(),
        "exchange": request.exchange,
        "routing_key": request.routing_key,
        "limit": request.limit,
        "rate_per_s": request.rate_per_s,
    })
}

/// The replays of a queue, the latest first.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
) -> Result<Json<Vec<Value>>, ApiError> {
    let (vhost, _) = place(&caller, &vhost, &name, Access::Read)?;
    let replays = api.broker.replays(&vhost.name, &name);
    Ok(Json(replays.iter().rev().map(|replay| replay_view(replay)).collect()))
}

fn find_replay(api: &Api, caller: &Caller, path: &(String, String, String)) -> Result<Arc<Replay>, ApiError> {
    let (vhost, name, id) = path;
    let vhost = caller.vhost(vhost)?;
    caller.check(&vhost, Resource::Queue(name), Access::Read)?;
    let mut replays = api.broker.replays(&vhost.name, name).into_iter();
    let found = replays.find(|replay| replay.id.to_string() == *id);
    found.ok_or_else(ApiError::no_object)
}

/// One replay; it is remembered when its queue is gone, too.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(replay_view(&*find_replay(&api, &caller, &path)?)))
}

/// Takes no more letters; those on their way are settled first.
pub async fn stop(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    find_replay(&api, &caller, &path)?.stop();
    Ok(StatusCode::NO_CONTENT)
}
