//! `/api/warren`: what operators do to queues that RabbitMQ's API knows nothing of.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::auth::{Access, Resource};
use crate::broker::{ArgumentChange, Broker, PeekedMessage, QueueCell, Vhost};
use crate::model::{AmqpError, Name};

use super::arguments::from_json;
use super::body::Body;
use super::caller::Caller;
use super::error::ApiError;
use super::messages::{PayloadEncoding, properties_to, shown};
use super::queues::{OPERATOR, find, short_name};
use super::{Api, blocking};

/// The paths.
pub fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/warren/queues/{vhost}/{name}/messages", get(peek))
        .route("/warren/queues/{vhost}/{name}/pause", put(pause).delete(resume))
        .route("/warren/queues/{vhost}/{name}/arguments", post(set))
}

/// The vhost and the queue, where the caller has that access and no connection owns the queue.
pub(super) fn place(
    caller: &Caller,
    vhost: &str,
    name: &str,
    access: Access,
) -> Result<(Arc<Vhost>, Arc<QueueCell>), ApiError> {
    let vhost = caller.vhost(vhost)?;
    let queue = find(&vhost, name)?;
    caller.check(&vhost, Resource::Queue(name), access)?;
    queue.check_owner(OPERATOR)?;
    Ok((vhost, queue))
}

#[derive(Deserialize)]
struct PeekQuery {
    #[serde(default)]
    position: usize,
    count: Option<usize>,
    truncate: Option<usize>,
    #[serde(default)]
    encoding: PayloadEncoding,
}

/// A message where it waits.
#[derive(Serialize)]
pub(super) struct PeekedView {
    position: usize,
    enqueued_at: u64,
    expires_at: Option<u64>,
    redelivered: bool,
    delivery_count: u32,
    exchange: String,
    routing_key: String,
    properties: Value,
    payload_bytes: usize,
    payload: String,
    payload_encoding: &'static str,
}

/// Shows messages without taking them.
async fn peek(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    Query(query): Query<PeekQuery>,
) -> Result<Json<Vec<PeekedView>>, ApiError> {
    let (vhost, _) = place(&caller, &vhost, &name, Access::Read)?;
    blocking(move || {
        let count = query.count.unwrap_or(1);
        let found = api.broker.peek(&vhost, &name, query.position, count)?;
        let views = found.iter().map(|peeked| view(peeked, query.truncate, query.encoding));
        Ok(Json(views.collect()))
    })
    .await
}

pub(super) fn view(peeked: &PeekedMessage, truncate: Option<usize>, encoding: PayloadEncoding) -> PeekedView {
    let message = &peeked.message;
    let (payload, payload_encoding) = shown(message.body(), truncate, encoding);
    PeekedView {
        position: peeked.position,
        enqueued_at: peeked.enqueued_at,
        expires_at: peeked.expires_at,
        redelivered: peeked.redelivered,
        delivery_count: peeked.delivery_count,
        exchange: message.exchange().to_owned(),
        routing_key: message.routing_key().into_owned(),
        properties: properties_to(&message.properties().decode().unwrap_or_default()),
        payload_bytes: message.body_len(),
        payload,
        payload_encoding,
    }
}

/// Makes a queue hand nothing out.
async fn pause(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(queue): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    switch(api, caller, queue, Broker::pause_queue).await
}

/// Lets a paused queue go on.
async fn resume(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(queue): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    switch(api, caller, queue, Broker::resume_queue).await
}

async fn switch(
    api: Arc<Api>,
    caller: Caller,
    (vhost, name): (String, String),
    to: fn(&Broker, &Vhost, &str) -> Result<(), AmqpError>,
) -> Result<StatusCode, ApiError> {
    let (vhost, _) = place(&caller, &vhost, &name, Access::Configure)?;
    blocking(move || {
        to(&api.broker, &vhost, &name)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// What becomes of arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesBody {
    /// They have these values from now on.
    #[serde(default)]
    set: Map<String, Value>,
    /// They count as not given.
    #[serde(default)]
    remove: Vec<String>,
    /// They are again as they were declared.
    #[serde(default)]
    reset: Vec<String>,
}

impl ChangesBody {
    fn changes(&self) -> Result<Vec<(Name, ArgumentChange)>, ApiError> {
        let set = from_json(&self.set)?;
        let mut changes: Vec<_> = set
            .iter()
            .map(|(name, value)| (name.clone(), ArgumentChange::Set(value.clone())))
            .collect();
        for (names, change) in [
            (&self.remove, ArgumentChange::Remove),
            (&self.reset, ArgumentChange::Reset),
        ] {
            for name in names {
                changes.push((short_name(name)?, change.clone()));
            }
        }
        Ok(changes)
    }
}

/// Changes arguments of a queue that stands.
async fn set(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let body: ChangesBody = body.read()?;
    let (vhost, _) = place(&caller, &vhost, &name, Access::Configure)?;
    if let Some(exchange) = body.set.get("x-dead-letter-exchange").and_then(Value::as_str) {
        caller.check(&vhost, Resource::Queue(&name), Access::Read)?;
        caller.check(&vhost, Resource::Exchange(exchange), Access::Write)?;
    }
    let changes = body.changes()?;
    blocking(move || {
        api.broker.set_queue(&vhost, &name, &changes)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
