//! Publishing and getting single messages.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::auth::{Access, Resource};
use crate::broker::{AfterGet, Broker};
use crate::model::{Message, Millis, Name, Properties};
use crate::queue::Delivery;
use crate::routing::sender_selected_keys;

use super::arguments::{from_json, to_json};
use super::body::{self, Body};
use super::caller::Caller;
use super::error::ApiError;
use super::exchanges::from_path;
use super::queues::{OPERATOR, find};
use super::{Api, blocking};

/// The most that one request may take from a queue.
const GET_MAX: u64 = 10_000;

/// How long an answer waits before it looks whether the quota still stands, in milliseconds.
const LOOK_MS: Millis = 1_000;

/// The longest time that RabbitMQ's timers take, in milliseconds.
const MAX_EXPIRATION_MS: u64 = 4_294_967_295;

#[derive(Deserialize)]
struct PublishBody {
    routing_key: String,
    payload: String,
    #[serde(default)]
    payload_encoding: Encoding,
    #[serde(default)]
    properties: Option<Map<String, Value>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    String,
    Base64,
}

/// Publishes a message and answers, once every queue has it, whether it reached one.
pub async fn publish(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, exchange)): Path<(String, String)>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let body: PublishBody = body.read()?;
    let vhost = caller.vhost(&vhost)?;
    let exchange = from_path(&exchange).to_owned();
    let payload = match body.payload_encoding {
        Encoding::String => body.payload.into_bytes(),
        Encoding::Base64 => BASE64
            .decode(&body.payload)
            .map_err(|error| ApiError::bad_request(format!("payload is no base64: {error}")))?,
    };
    let properties = properties_from(body.properties.unwrap_or_default())?;
    if body.routing_key.len() > Name::MAX_BYTES {
        return Err(ApiError::bad_request("the routing key has more than 255 bytes"));
    }
    if payload.len() as u64 > api.settings.message_max_bytes {
        return Err(ApiError::bad_request(format!(
            "the payload has {} bytes, more than limits.message_max_bytes ({})",
            payload.len(),
            api.settings.message_max_bytes
        )));
    }
    check_properties(&caller, &properties)?;
    caller.check(&vhost, Resource::Exchange(&exchange), Access::Write)?;
    let mut keys = vec![body.routing_key];
    if let Some(headers) = &properties.headers {
        let further = sender_selected_keys(headers).map_err(ApiError::bad_request)?;
        keys.extend(further.into_iter().map(str::to_owned));
    }
    for key in &keys {
        caller.check_topic(&vhost, &exchange, key, Access::Write)?;
    }
    let broker = Arc::clone(&api.broker);
    let changes = broker.quota_changes();
    let (reached, until) = blocking(move || {
        let message = Message::new(&exchange, &keys[0], &properties.encode(), &[&payload]).with_secret_keys();
        let keys = keys.iter().map(String::as_str);
        Ok(api.broker.publish_metered(&caller.user, &vhost, &message, keys)?)
    })
    .await?;
    hold_back(&broker, until, changes).await;
    Ok(Json(json!({ "routed": reached? > 0 })))
}

/// Lets a publisher that is over a rate quota wait for its answer until the next message may come, or the quotas change.
async fn hold_back(broker: &Broker, until: Millis, changes: u64) {
    while !broker.is_ending() && broker.quota_changes() == changes {
        match until.saturating_sub(broker.now()) {
            0 => return,
            left => tokio::time::sleep(Duration::from_millis(left.min(LOOK_MS))).await,
        }
    }
}

/// What a channel checks of a message's properties.
fn check_properties(caller: &Caller, properties: &Properties) -> Result<(), ApiError> {
    if let Some(claimed) = &properties.user_id
        && *claimed != caller.user
        && !caller.tags.contains("impersonator")
    {
        return Err(ApiError::bad_request(format!(
            "406 PRECONDITION_FAILED - user_id property set to '{claimed}' but authenticated user was '{}'",
            caller.user
        )));
    }
    if !matches!(properties.delivery_mode, None | Some(1 | 2)) {
        return Err(ApiError::bad_request("delivery_mode is neither 1 nor 2"));
    }
    if let Some(expiration) = &properties.expiration
        && !expiration.parse::<u64>().is_ok_and(|ms| ms <= MAX_EXPIRATION_MS)
    {
        return Err(ApiError::bad_request(format!(
            "406 PRECONDITION_FAILED - invalid expiration '{expiration}'"
        )));
    }
    Ok(())
}

pub(super) fn properties_from(mut given: Map<String, Value>) -> Result<Properties, ApiError> {
    let wrong = |name: &str, what: &str| ApiError::bad_request(format!("property {name} is no {what}"));
    let mut text = |name: &str| match given.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= Name::MAX_BYTES => Ok(Some(Name::from(text))),
        Some(Value::Number(number)) => Ok(Some(Name::from(number.to_string()))),
        Some(_) => Err(wrong(name, "text of at most 255 bytes")),
    };
    let mut properties = Properties {
        content_type: text("content_type")?,
        content_encoding: text("content_encoding")?,
        correlation_id: text("correlation_id")?,
        reply_to: text("reply_to")?,
        expiration: text("expiration")?,
        message_id: text("message_id")?,
        kind: text("type")?,
        user_id: text("user_id")?,
        app_id: text("app_id")?,
        cluster_id: text("cluster_id")?,
        ..Properties::default()
    };
    let mut number = |name: &str| match given.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let text = value.as_str().and_then(|text| text.parse().ok());
            let number = value.as_u64().or(text);
            number.map(Some).ok_or_else(|| wrong(name, "number"))
        }
    };
    let byte = |name: &str, number: Option<u64>| match number.map(u8::try_from) {
        None => Ok(None),
        Some(Ok(byte)) => Ok(Some(byte)),
        Some(Err(_)) => Err(wrong(name, "number from 0 to 255")),
    };
    properties.delivery_mode = byte("delivery_mode", number("delivery_mode")?)?;
    properties.priority = byte("priority", number("priority")?)?;
    properties.timestamp = number("timestamp")?;
    properties.headers = match given.remove("headers") {
        None | Some(Value::Null) => None,
        Some(Value::Object(headers)) => Some(from_json(&headers)?),
        Some(_) => return Err(wrong("headers", "object")),
    };
    Ok(properties)
}

#[derive(Deserialize)]
struct GetBody {
    #[serde(deserialize_with = "body::count")]
    count: Option<u64>,
    ackmode: Option<AckMode>,
    /// The older form of `ackmode`.
    #[serde(default, deserialize_with = "body::flag")]
    requeue: bool,
    #[serde(default)]
    encoding: PayloadEncoding,
    #[serde(default, deserialize_with = "body::count")]
    truncate: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AckMode {
    AckRequeueTrue,
    AckRequeueFalse,
    RejectRequeueTrue,
    RejectRequeueFalse,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PayloadEncoding {
    #[default]
    Auto,
    Base64,
}

/// A message that was taken from a queue.
#[derive(Serialize)]
pub struct MessageView {
    payload_bytes: usize,
    redelivered: bool,
    exchange: String,
    routing_key: String,
    message_count: u64,
    properties: Value,
    payload: String,
    payload_encoding: &'static str,
}

/// Takes messages from the head of a queue, or looks at them and puts them back.
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<Json<Vec<MessageView>>, ApiError> {
    let body: GetBody = body.read()?;
    let vhost = caller.vhost(&vhost)?;
    let queue = find(&vhost, &name)?;
    caller.check(&vhost, Resource::Queue(&name), Access::Read)?;
    queue.check_owner(OPERATOR)?;
    let count = body.count.unwrap_or(1);
    if count > GET_MAX {
        return Err(ApiError::bad_request(format!("count is at most {GET_MAX}")));
    }
    let after = match body.ackmode {
        Some(AckMode::AckRequeueFalse) => AfterGet::Ack,
        Some(AckMode::RejectRequeueFalse) => AfterGet::Reject,
        Some(AckMode::AckRequeueTrue | AckMode::RejectRequeueTrue) => AfterGet::Requeue,
        None if body.requeue => AfterGet::Requeue,
        None => AfterGet::Ack,
    };
    blocking(move || {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let taken = api.broker.get_many(&queue, count, after);
        let views = taken.iter().map(|(delivery, left)| view(delivery, *left, &body));
        Ok(Json(views.collect()))
    })
    .await
}

/// The first `limit` bytes of a payload, and how they are written.
pub(super) fn shown(payload: &[u8], limit: Option<usize>, encoding: PayloadEncoding) -> (String, &'static str) {
    let shown = &payload[..payload.len().min(limit.unwrap_or(usize::MAX))];
    match std::str::from_utf8(shown) {
        Ok(text) if encoding == PayloadEncoding::Auto => (text.to_owned(), "string"),
        _ => (BASE64.encode(shown), "base64"),
    }
}

fn view(delivery: &Delivery, left: u64, body: &GetBody) -> MessageView {
    let message = &delivery.message;
    let limit = body.truncate.and_then(|limit| usize::try_from(limit).ok());
    let (payload, payload_encoding) = shown(message.body(), limit, body.encoding);
    MessageView {
        payload_bytes: message.body_len(),
        redelivered: delivery.redelivered,
        exchange: message.exchange().to_owned(),
        routing_key: message.routing_key().into_owned(),
        message_count: left,
        properties: properties_to(&message.properties().decode().unwrap_or_default()),
        payload,
        payload_encoding,
    }
}

/// Those that are set; RabbitMQ writes an empty list where there are none, and so does this.
pub(super) fn properties_to(properties: &Properties) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    };
    let text = |value: &Option<Name>| value.as_ref().map(|text| Value::from(&**text));
    put("content_type", text(&properties.content_type));
    put("content_encoding", text(&properties.content_encoding));
    let headers = properties.headers.clone().map(|mut headers| {
        // Who else gets a message is for nobody to see.
        headers.remove("BCC");
        to_json(&headers)
    });
    put("headers", headers);
    put("delivery_mode", properties.delivery_mode.map(Value::from));
    put("priority", properties.priority.map(Value::from));
    put("correlation_id", text(&properties.correlation_id));
    put("reply_to", text(&properties.reply_to));
    put("expiration", text(&properties.expiration));
    put("message_id", text(&properties.message_id));
    put("timestamp", properties.timestamp.map(Value::from));
    put("type", text(&properties.kind));
    put("user_id", text(&properties.user_id));
    put("app_id", text(&properties.app_id));
    put("cluster_id", text(&properties.cluster_id));
    match shown.is_empty() {
        true => Value::Array(Vec::new()),
        false => Value::Object(shown),
    }
}
