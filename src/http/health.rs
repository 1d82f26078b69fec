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

/// Clients are served: the listeners are open, which this is answered only since, and the broker is not ending. An
/// alarm changes nothing here, or nobody could consume what has to go; the text names it.
pub async fn ready(State(api): State<Arc<Api>>) -> (StatusCode, String) {
    if api.broker.is_ending() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n".to_owned());
    }
    match api.broker.alarms().raised().reason() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::OK, format!("ok, but publishers are blocked: {reason}\n")),
    }
}

pub(super) fn ok() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

pub(super) fn failed(reason: &str, more: &[(&str, Value)]) -> Response {
    let mut body = json!({ "status": "failed", "reason": reason });
    for (name, value) in more {
        body[*name] = value.clone();
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

/// What always holds for a broker that answers: it is in service, and its vhosts run.
pub async fn always(_: Caller) -> Json<Value> {
    ok()
}

/// The same for what only a cluster can get wrong.
pub async fn single_node(_: Caller) -> Json<Value> {
    Json(json!({ "status": "ok", "reason": "single node cluster" }))
}

/// No alarm blocks publishers.
pub async fn alarms(State(api): State<Arc<Api>>, _: Caller) -> Response {
    let raised = api.broker.alarms().raised();
    if !raised.any() {
        return ok().into_response();
    }
    let resources = [("memory", raised.memory), ("disk", raised.disk)];
    let alarms: Vec<_> = resources
        .into_iter()
        .filter(|(_, is_raised)| *is_raised)
        .map(|(resource, _)| json!({ "node": api.settings.node_name, "resource": resource }))
        .collect();
    failed(
        "There are alarms in effect in the cluster",
        &[("alarms", alarms.into())],
    )
}

/// Something listens on the port.
pub async fn port_listener(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(port): Path<String>,
) -> Result<Response, ApiError> {
    let port: u16 = port.parse().map_err(|_| ApiError::bad_request("Invalid port"))?;
    let ports: Vec<u16> = api.listeners().iter().map(|(_, address)| address.port()).collect();
    if ports.contains(&port) {
        return Ok(Json(json!({ "status": "ok", "port": port })).into_response());
    }
    let more = [("missing", json!(port)), ("ports", json!(ports))];
    Ok(failed("No active listener", &more))
}

/// Something listens for the protocol.
pub async fn protocol_listener(State(api): State<Arc<Api>>, _: Caller, Path(protocol): Path<String>) -> Response {
    let mut protocols: Vec<_> = api.listeners().into_iter().map(|(protocol, _)| protocol).collect();
    protocols.dedup();
    let asked = match protocol.as_str() {
        "amqp091" | "amqp0-9-1" | "amqp0.9.1" => "amqp",
        "amqps" => "amqp/ssl",
        other => other,
    };
    if protocols.contains(&asked) {
        return Json(json!({ "status": "ok", "protocol": asked })).into_response();
    }
    let more = [("missing", json!(asked)), ("protocols", json!(protocols))];
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
