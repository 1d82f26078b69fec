//! `/api/vhost-limits` and `/api/user-limits`

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::auth::{User, UserLimits};
use crate::broker::{Vhost, VhostLimits};

use super::body::{self, Body};
use super::caller::{Administrator, Caller};
use super::error::ApiError;
use super::listing::{ListQuery, list};
use super::{Api, blocking};

#[derive(Serialize)]
struct VhostLimitsView {
    vhost: String,
    value: VhostLimits,
}

#[derive(Serialize)]
struct UserLimitsView {
    user: String,
    value: UserLimits,
}

#[derive(Deserialize)]
struct LimitBody {
    #[serde(deserialize_with = "body::integer")]
    value: Option<i64>,
}

/// The vhosts that have limits.
pub async fn of_vhosts(
    caller: Caller,
    vhost: Option<Path<String>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let mut vhosts = caller.vhosts_at(vhost.as_ref().map(|Path(name)| name.as_str()))?;
    vhosts.retain(|vhost| vhost.limits() != VhostLimits::default());
    list(&query, vhosts, |vhost: &Arc<Vhost>| VhostLimitsView {
        vhost: vhost.name.to_string(),
        value: vhost.limits(),
    })
}

/// The users that have limits.
pub async fn of_users(
    State(api): State<Arc<Api>>,
    _: Administrator,
    user: Option<Path<String>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let accounts = api.broker.accounts();
    let mut users = match user {
        Some(Path(name)) => vec![accounts.user(&name).ok_or_else(ApiError::no_object)?],
        None => accounts.users(),
    };
    users.retain(|user| user.limits != UserLimits::default());
    list(&query, users, |user: &User| UserLimitsView {
        user: user.name.clone(),
        value: user.limits,
    })
}

/// Sets one limit of a vhost.
pub async fn put_of_vhost(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let value = given(body)?;
    blocking(move || change_vhost(&api, &vhost, &name, Some(value))).await
}

/// Lifts one limit of a vhost.
pub async fn delete_of_vhost(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path((vhost, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    blocking(move || change_vhost(&api, &vhost, &name, None)).await
}

/// Sets one limit of a user.
pub async fn put_of_user(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path((user, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let value = given(body)?;
    blocking(move || change_user(&api, &user, &name, Some(value))).await
}

/// Lifts one limit of a user.
pub async fn delete_of_user(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path((user, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    blocking(move || change_user(&api, &user, &name, None)).await
}

fn given(body: Body) -> Result<i64, ApiError> {
    let body: LimitBody = body.read()?;
    body.value.ok_or_else(|| ApiError::bad_request("value is no number"))
}

/// RabbitMQ's words for limits that it does not have.
fn unknown_of_vhost(name: &str, value: Option<i64>) -> ApiError {
    let value = value.unwrap_or_default();
    ApiError::bad_request(format!(
        "Validation failed\n\nUnrecognised terms [{{<<\"{name}\">>,{value}}}] in limits\n"
    ))
}

fn unknown_of_user(name: &str, value: Option<i64>) -> ApiError {
    let value = value.unwrap_or_default();
    ApiError::bad_request(format!(
        "Unrecognised terms [{{<<\"{name}\">>,{value}}}] in user-limits"
    ))
}

fn change_vhost(api: &Api, vhost: &str, name: &str, value: Option<i64>) -> Result<StatusCode, ApiError> {
    let _turn = api.limit_changes.lock();
    let mut limits = api.broker.vhost(vhost).ok_or_else(ApiError::no_object)?.limits();
    match name {
        "max-connections" => limits.max_connections = value,
        "max-queues" => limits.max_queues = value,
        "message-rate-per-s" => limits.message_rate_per_s = value,
        "byte-rate-per-s" => limits.byte_rate_per_s = value,
        other => return Err(unknown_of_vhost(other, value)),
    }
    match api.broker.set_vhost_limits(vhost, limits)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::no_object()),
    }
}

fn change_user(api: &Api, user: &str, name: &str, value: Option<i64>) -> Result<StatusCode, ApiError> {
    let _turn = api.limit_changes.lock();
    let standing = api.broker.accounts().user(user);
    let mut limits = standing.ok_or_else(ApiError::no_object)?.limits;
    match name {
        "max-connections" => limits.max_connections = value,
        "max-channels" => limits.max_channels = value,
        "message-rate-per-s" => limits.message_rate_per_s = value,
        "byte-rate-per-s" => limits.byte_rate_per_s = value,
        other => return Err(unknown_of_user(other, value)),
    }
    match api.broker.set_user_limits(user, limits)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::no_object()),
    }
}
