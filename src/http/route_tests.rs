//! `/api/warren/route-tests`: which queues would a message reach, and over which bindings? Nothing is published.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Message, Name};
use crate::routing::{Binding, DestinationName, ExchangeKind, RouteStep, sender_selected_keys};

use super::Api;
use super::arguments::to_json;
use super::body::Body;
use super::caller::Caller;
use super::error::ApiError;
use super::messages::properties_from;

#[derive(Deserialize)]
struct RouteTestBody {
    #[serde(default)]
    exchange: String,
    #[serde(default)]
    routing_key: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Where a message would go.
#[derive(Serialize)]
pub struct RouteTestView {
    /// The queues that it would reach, each once, in order of name.
    queues: Vec<Name>,
    /// The exchanges that it would come to, the first one first.
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    exchange: Name,
    #[serde(rename = "type")]
    kind: &'static str,
    matches: Vec<MatchView>,
    alternate: Option<Name>,
    /// What the bindings alone do not say.
    note: Option<&'static str>,
}

#[derive(Serialize)]
struct MatchView {
    destination: Name,
    destination_type: &'static str,
    routing_key: Name,
    arguments: Value,
}

/// Follows a message that is not sent. Needs what a list of bindings needs.
pub async fn run(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(vhost): Path<String>,
    body: Body,
) -> Result<Json<RouteTestView>, ApiError> {
    let vhost = caller.visible_vhost(&vhost)?;
    let body: RouteTestBody = body.read()?;
    let properties = properties_from(body.properties)?;
    let mut keys = vec![body.routing_key.as_str()];
    if let Some(headers) = &properties.headers {
        keys.extend(sender_selected_keys(headers).map_err(ApiError::bad_request)?);
    }
    if keys.iter().any(|key| key.len() > Name::MAX_BYTES) {
        return Err(ApiError::bad_request("a routing key has more than 255 bytes"));
    }
    let message = Message::new(&body.exchange, keys[0], &properties.encode(), &[]);
    let random = api.broker.now();
    let steps = vhost.explain_route(&body.exchange, &keys, message.properties(), random);
    let steps = steps.ok_or_else(|| ApiError::not_found(format!("no exchange '{}'", body.exchange)))?;
    Ok(Json(RouteTestView {
        queues: queues(&steps),
        steps: steps.into_iter().map(view).collect(),
    }))
}

fn queues(steps: &[RouteStep]) -> Vec<Name> {
    let matches = steps.iter().flat_map(|step| &step.matches);
    let mut queues: Vec<Name> = matches
        .filter_map(|binding| match &binding.destination {
            DestinationName::Queue(name) => Some(name.clone()),
            DestinationName::Exchange(_) => None,
        })
        .collect();
    queues.sort();
    queues.dedup();
    queues
}

fn view(step: RouteStep) -> StepView {
    StepView {
        exchange: step.exchange,
        kind: step.kind.as_str(),
        matches: step.matches.into_iter().map(match_view).collect(),
        alternate: step.alternate,
        note: note(step.kind),
    }
}

fn match_view(binding: Binding) -> MatchView {
    MatchView {
        destination: binding.destination.name().clone(),
        destination_type: binding.destination.kind(),
        routing_key: binding.routing_key,
        arguments: to_json(&binding.arguments),
    }
}

fn note(kind: ExchangeKind) -> Option<&'static str> {
    match kind {
        ExchangeKind::Random => Some("draws a queue for each message; this is one draw"),
        ExchangeKind::DelayedMessage => Some("a message with the header x-delay comes that much later"),
        ExchangeKind::MessageDeduplication => Some("drops a message whose value it has seen of late"),
        _ => None,
    }
}
