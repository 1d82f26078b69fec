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
use super::metrics;
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

/// No resource alarm is set: publishers are not blocked.
pub async fn alarms(State(api): State<Arc<Api>>, _: Caller) -> Response {
    let raised = api.broker.alarms().raised();
    let named = [("memory", raised.memory), ("disk", raised.disk)];
    let set = named.into_iter().filter(|(_, raised)| *raised);
    let alarms: Vec<Value> = set
        .map(|(resource, _)| json!({ "node": api.settings.node_name, "resource": resource }))
        .collect();
    if alarms.is_empty() {
        return ok().into_response();
    }
    failed(
        "There are alarms in effect in the cluster",
        &[("alarms", json!(alarms))],
    )
}

/// No certificate of a listener ends within so many days, weeks, months (of 30 days) or years (of 365).
pub async fn certificate_expiration(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path((within, unit)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let days = match unit.as_str() {
        "day" | "days" => 1,
        "week" | "weeks" => 7,
        "month" | "months" => 30,
        "year" | "years" => 365,
        _ => {
            return Err(ApiError::bad_request(format!(
                "'{unit}' is no unit: days, weeks, months or years"
            )));
        }
    };
    let count: i64 = within
        .parse::<u16>()
        .map_err(|_| ApiError::bad_request(format!("'{within}' is no number of {unit} up to 65535")))?
        .into();
    blocking(move || {
        let Some(path) = &api.settings.certificate_file else {
            return Ok(ok().into_response());
        };
        let now = api.broker.now() as i64 / 1000;
        let file = path.display().to_string();
        match metrics::certificate_expiry(path) {
            Some(end) if end - now > count * days * 86_400 => Ok(ok().into_response()),
            end => {
                let expired = json!([{ "node": api.settings.node_name, "file": file, "not_after": end }]);
                Ok(failed("Certificates expiring", &[("expired", expired)]))
            }
        }
    })
    .await
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
