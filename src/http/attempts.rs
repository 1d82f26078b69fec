//! `/api/auth/attempts`: how many logins there were.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Api;
use super::caller::Caller;
use super::error::ApiError;
use super::overview::check_node;

/// Logins by protocol; protocols that nobody used are left out, as in RabbitMQ.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    node: Path<String>,
) -> Result<Json<Vec<Value>>, ApiError> {
    caller.require_monitor()?;
    check_node(&api, Some(&node))?;
    let attempts = api.broker.login_attempts();
    let rows = [("amqp091", &attempts.amqp), ("http", &attempts.http)];
    let rows = rows.into_iter().filter_map(|(protocol, attempts)| {
        let (succeeded, failed) = attempts.counts();
        (succeeded + failed > 0).then(|| {
            json!({
                "protocol": protocol,
                "auth_attempts": succeeded + failed,
                "auth_attempts_failed": failed,
                "auth_attempts_succeeded": succeeded,
            })
        })
    });
    Ok(Json(rows.collect()))
}

/// Logins by address and user: none, as in a RabbitMQ that was not told to track them.
pub async fn by_source(
    State(api): State<Arc<Api>>,
    caller: Caller,
    node: Path<String>,
) -> Result<Json<Vec<Value>>, ApiError> {
    caller.require_monitor()?;
    check_node(&api, Some(&node))?;
    Ok(Json(Vec::new()))
}

/// Counts from 0 again.
pub async fn reset(State(api): State<Arc<Api>>, caller: Caller, node: Path<String>) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    check_node(&api, Some(&node))?;
    api.broker.login_attempts().forget();
    Ok(StatusCode::NO_CONTENT)
}
