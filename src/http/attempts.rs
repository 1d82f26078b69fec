//! `/api/auth/attempts`: how many logins there were.

use std::net::IpAddr;
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

/// Failed logins of the last minute by address, over all protocols; who has given wrong passwords repeatedly waits for
/// his turn. RabbitMQ has a row a user and protocol here, and none unless it is told to.
pub async fn by_source(
    State(api): State<Arc<Api>>,
    caller: Caller,
    node: Path<String>,
) -> Result<Json<Vec<Value>>, ApiError> {
    caller.require_monitor()?;
    check_node(&api, Some(&node))?;
    let (failures, now) = (api.broker.login_failures(), api.broker.now());
    let row = |(address, failed): (IpAddr, u32)| {
        json!({
            "remote_address": address.to_string(),
            "auth_attempts_failed": failed,
            "slowed_down": failures.is_suspect(address, now),
        })
    };
    Ok(Json(failures.by_address(now).into_iter().map(row).collect()))
}

/// Holds nothing against any address any more.
pub async fn reset_sources(
    State(api): State<Arc<Api>>,
    caller: Caller,
    node: Path<String>,
) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    check_node(&api, Some(&node))?;
    api.broker.login_failures().forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Counts from 0 again.
pub async fn reset(State(api): State<Arc<Api>>, caller: Caller, node: Path<String>) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    check_node(&api, Some(&node))?;
    api.broker.login_attempts().forget();
    Ok(StatusCode::NO_CONTENT)
}
