//! `/api/permissions` and `/api/topic-permissions`

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use crate::auth::{Permission, TopicPermission};
use crate::broker::Broker;

use super::caller::Caller;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::queues::created;
use super::{Api, blocking, body};

impl Listed for Permission {
    fn name(&self) -> &str {
        &self.user
    }

    fn vhost(&self) -> &str {
        &self.vhost
    }
}

impl Listed for TopicPermission {
    fn name(&self) -> &str {
        &self.user
    }

    fn vhost(&self) -> &str {
        &self.vhost
    }
}

/// All permissions.
pub async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_administrator()?;
    list(&query, api.broker.accounts().permissions(), Permission::clone)
}

/// The permissions of a user.
pub async fn of_user(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(user): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_administrator()?;
    check_user(&api.broker, &user)?;
    let mut permissions = api.broker.accounts().permissions();
    permissions.retain(|permission| permission.user == user);
    list(&query, permissions, Permission::clone)
}

/// The permissions in a vhost.
pub async fn of_vhost(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(vhost): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_administrator()?;
    check_vhost(&api.broker, &vhost)?;
    let mut permissions = api.broker.accounts().permissions();
    permissions.retain(|permission| permission.vhost == vhost);
    list(&query, permissions, Permission::clone)
}

fn check_user(broker: &Broker, user: &str) -> Result<(), ApiError> {
    match broker.accounts().user(user) {
        Some(_) => Ok(()),
        None => Err(ApiError::no_object()),
    }
}

fn check_vhost(broker: &Broker, vhost: &str) -> Result<(), ApiError> {
    match broker.vhost(vhost) {
        Some(_) => Ok(()),
        None => Err(ApiError::no_object()),
    }
}

fn find(broker: &Broker, vhost: &str, user: &str) -> Option<Permission> {
    let permissions = broker.accounts().permissions();
    permissions
        .into_iter()
        .find(|permission| permission.vhost == vhost && permission.user == user)
}

/// The permission of a user in a vhost.
pub async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_administrator()?;
    let permission = find(&api.broker, &vhost, &user).ok_or_else(ApiError::no_object)?;
    object(&query, permission)
}

#[derive(Deserialize)]
struct PermissionBody {
    configure: String,
    write: String,
    read: String,
}

/// Sets what a user may do in a vhost.
pub async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    let body: PermissionBody = body::read(body)?;
    check_vhost(&api.broker, &vhost)?;
    check_user(&api.broker, &user)?;
    blocking(move || {
        let new = find(&api.broker, &vhost, &user).is_none();
        let permission = Permission {
            user,
            vhost,
            configure: body.configure,
            write: body.write,
            read: body.read,
        };
        let set = api.broker.declare_permission(&permission);
        set.map_err(ApiError::bad_request)?;
        Ok(created(new))
    })
    .await
}

/// Takes a permission away.
pub async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    blocking(move || {
        find(&api.broker, &vhost, &user).ok_or_else(ApiError::no_object)?;
        let cleared = api.broker.clear_permission(&user, &vhost);
        cleared.map_err(ApiError::internal)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// All topic permissions.
pub async fn topics(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_administrator()?;
    list(
        &query,
        api.broker.accounts().topic_permissions(),
        TopicPermission::clone,
    )
}

/// The topic permissions of a user.
pub async fn topics_of_user(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(user): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_administrator()?;
    check_user(&api.broker, &user)?;
    let mut permissions = api.broker.accounts().topic_permissions();
    permissions.retain(|permission| permission.user == user);
    list(&query, permissions, TopicPermission::clone)
}

/// The topic permissions in a vhost.
pub async fn topics_of_vhost(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(vhost): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_administrator()?;
    check_vhost(&api.broker, &vhost)?;
    let mut permissions = api.broker.accounts().topic_permissions();
    permissions.retain(|permission| permission.vhost == vhost);
    list(&query, permissions, TopicPermission::clone)
}

fn topics_at(broker: &Broker, vhost: &str, user: &str) -> Vec<TopicPermission> {
    let mut permissions = broker.accounts().topic_permissions();
    permissions.retain(|permission| permission.vhost == vhost && permission.user == user);
    permissions
}

/// The topic permissions of a user in a vhost.
pub async fn show_topics(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    caller.require_administrator()?;
    let permissions = topics_at(&api.broker, &vhost, &user);
    match permissions.is_empty() {
        true => Err(ApiError::no_object()),
        false => list(&query, permissions, TopicPermission::clone),
    }
}

#[derive(Deserialize)]
struct TopicBody {
    exchange: String,
    write: String,
    read: String,
}

/// Restricts the routing keys that a user may use with an exchange.
pub async fn put_topic(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    let body: TopicBody = body::read(body)?;
    check_vhost(&api.broker, &vhost)?;
    check_user(&api.broker, &user)?;
    blocking(move || {
        let new = topics_at(&api.broker, &vhost, &user).is_empty();
        let permission = TopicPermission {
            user,
            vhost,
            exchange: body.exchange,
            write: body.write,
            read: body.read,
        };
        let set = api.broker.put_topic_permission(&permission);
        set.map_err(ApiError::bad_request)?;
        Ok(created(new))
    })
    .await
}

/// Takes the topic permissions of a user in a vhost away.
pub async fn delete_topics(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    caller.require_administrator()?;
    blocking(move || {
        if topics_at(&api.broker, &vhost, &user).is_empty() {
            return Err(ApiError::no_object());
        }
        let cleared = api.broker.clear_topic_permissions(&user, &vhost, None);
        cleared.map_err(ApiError::internal)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
