//! Whether the broker lives and serves: for orchestrators without credentials, and RabbitMQ's checks with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::auth::{Access, Resource};
use crate::broker::{AfterGet, QueueDeclare};
use crate::model::{FieldTable, Message, Properties};

use super::caller::Caller;
use super::error::ApiError;
use super::queues::OPERATOR;
use super::{Api, blocking};

/// The queue of `aliveness-test`, which stays, as RabbitMQ has it.
const ALIVENESS_QUEUE: &str = "aliveness-test";

/// The process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// The listeners are open: this is answered only since then.
pub async fn ready() -> &'static str {
    "ok\n"
}

fn ok() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

pub(super) fn failed(reason: &str, more: &[(&str, Value)]) -> Response {
    let mut body = json!({ "status": "failed", "reason": reason });
    for (name, value) in more {
        body[*name] = value.clone();
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

/// What always holds for one broker that answers: it is in service, and no quorum depends on it.
pub async fn always(_: Caller) -> Json<Value> {
    ok()
}

/// No resource alarm is set: the store has room for messages.
pub async fn alarms(State(api): State<Arc<Api>>, _: Caller) -> Response {
    let checked = blocking(move || api.broker.messages().free_space().map_err(ApiError::internal)).await;
    match checked {
        Ok(free) if free > 0 => ok().into_response(),
        Ok(_) => {
            let alarms = json!([{ "resource": "disk" }]);
            failed("There are alarms in effect in the cluster", &[("alarms", alarms)])
        }
        Err(error) => error.into_response(),
    }
}

/// Something listens on the port.
pub async fn port_listener(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(port): Path<String>,
) -> Result<Response, ApiError> {
    let port: u16 = port
        .parse()
        .map_err(|_| ApiError::bad_request(format!("{port} is no port")))?;
    let mut ports: Vec<u16> = api.settings.amqp.iter().map(|address| address.port()).collect();
    ports.push(api.address.port());
    if ports.contains(&port) {
        return Ok(Json(json!({ "status": "ok", "port": port })).into_response());
    }
    let more = [("missing", json!(port)), ("ports", json!(ports))];
    Ok(failed("No active listener", &more))
}

/// Something listens for the protocol.
pub async fn protocol_listener(State(api): State<Arc<Api>>, _: Caller, Path(protocol): Path<String>) -> Response {
    let mut protocols = vec!["http"];
    if !api.settings.amqp.is_empty() {
        protocols.push("amqp");
    }
    let asked = match protocol.as_str() {
        "amqp091" | "amqp0-9-1" | "amqp0.9.1" => "amqp",
        other => other,
    };
    if protocols.contains(&asked) {
        return Json(json!({ "status": "ok", "protocol": protocol })).into_response();
    }
    let more = [("missing", json!(protocol)), ("protocols", json!(protocols))];
    failed("No active listener", &more)
}

/// A message goes in and comes out.
pub async fn aliveness(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(vhost): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let vhost = caller.vhost(&vhost)?;
    for access in [Access::Configure, Access::Write, Access::Read] {
        caller.check(&vhost, Resource::Queue(ALIVENESS_QUEUE), access)?;
    }
    blocking(move || {
        let declare = QueueDeclare {
            name: ALIVENESS_QUEUE.into(),
            durable: false,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
        };
        let queue = api.broker.declare_queue(&vhost, declare, OPERATOR)?.queue;
        let properties = Properties::default().encode();
        let message = Message::new("", ALIVENESS_QUEUE, &properties, &[b"test_message"]);
        api.broker.publish_one(&vhost, &message, [ALIVENESS_QUEUE])?;
        match api.broker.get_many(&queue, 1, AfterGet::Ack).is_empty() {
            false => Ok(ok()),
            true => Err(ApiError::internal("the message did not come back")),
        }
    })
    .await
}
