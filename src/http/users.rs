//! `/api/users` and `/api/whoami`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::{Tags, User, UserLimits, hash_as_rabbitmq};

use super::body::Body;
use super::caller::{Administrator, Caller};
use super::done::{created, deleted};
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::queues::short_name;
use super::{Api, blocking};

/// What a user says who cannot log in with a password.
pub(super) const DEFAULT_ALGORITHM: &str = "rabbit_password_hashing_sha256";

impl Listed for User {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Who asks.
pub async fn whoami(caller: Caller) -> Json<Value> {
    Json(json!({ "name": &*caller.user, "tags": caller.tags, "is_internal_user": !caller.is_bearer() }))
}

/// All users.
pub async fn index(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    list(&query, api.broker.accounts().users(), User::clone)
}

/// The users without a permission in any vhost.
pub async fn without_permissions(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let accounts = api.broker.accounts();
    let permissions = accounts.permissions();
    let mut users = accounts.users();
    users.retain(|user| !permissions.iter().any(|permission| permission.user == user.name));
    list(&query, users, User::clone)
}

/// One user.
pub async fn show(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let user = api.broker.accounts().user(&name).ok_or_else(ApiError::no_object)?;
    object(&query, user)
}

#[derive(Deserialize)]
struct UserBody {
    password: Option<String>,
    password_hash: Option<String>,
    hashing_algorithm: Option<String>,
    tags: Option<Tags>,
}

/// Makes or changes a user: 201 for a new one, else 204. Needs `tags`, and `password` or `password_hash`; an empty
/// hash makes a user who cannot log in with a password.
pub async fn put(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(name): Path<String>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    short_name(&name)?;
    let body: UserBody = body.read()?;
    let tags = body.tags.ok_or_else(|| ApiError::bad_request("[{key_missing,tags}]"))?;
    if body.password.is_none() && body.password_hash.is_none() {
        return Err(ApiError::bad_request("password or password_hash is missing"));
    }
    let accounts = api.broker.accounts();
    let standing = accounts.user(&name);
    let user = User {
        name,
        password_hash: body.password_hash.unwrap_or_default(),
        hashing_algorithm: body.hashing_algorithm.unwrap_or_else(|| DEFAULT_ALGORITHM.to_owned()),
        tags,
        limits: standing.as_ref().map_or_else(UserLimits::default, |user| user.limits),
    };
    let turn = Arc::clone(&api.hashing).acquire_owned().await;
    let turn = turn.map_err(ApiError::internal)?;
    let broker = Arc::clone(&api.broker);
    blocking(move || {
        // Kept to the end, even if who asked has gone.
        let _turn = turn;
        let password = body.password.as_deref().filter(|password| !password.is_empty());
        broker
            .put_user(&user, password.map(str::as_bytes))
            .map_err(ApiError::bad_request)
    })
    .await?;
    Ok(created(standing.is_none()))
}

/// Deletes a user with all permissions.
pub async fn delete(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    blocking(move || deleted(api.broker.delete_user(&name)?)).await
}

#[derive(Deserialize)]
struct BulkBody {
    users: Vec<String>,
}

/// Deletes several users.
pub async fn bulk_delete(State(api): State<Arc<Api>>, _: Administrator, body: Body) -> Result<StatusCode, ApiError> {
    let body: BulkBody = body.read()?;
    blocking(move || {
        for user in &body.users {
            api.broker.delete_user(user)?;
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// The hash that RabbitMQ would store for a password.
pub async fn hash_password(_: Caller, Path(password): Path<String>) -> Result<Json<Value>, ApiError> {
    let hash = hash_as_rabbitmq(password.as_bytes()).map_err(ApiError::internal)?;
    Ok(Json(json!({ "ok": hash.encoded() })))
}
