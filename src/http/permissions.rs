//! `/api/permissions` and `/api/topic-permissions`: two kinds of grants, kept and answered in the same ways.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::auth::{Accounts, Permission, TopicPermission};
use crate::broker::Broker;

use super::body::Body;
use super::caller::Administrator;
use super::done::created;
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::{Api, blocking};

/// Something that a user may do in a vhost.
trait Grant: Listed + Clone + Serialize + Send + 'static {
    /// What a request says of it, beside user and vhost.
    type Body: DeserializeOwned + Send + 'static;

    /// All of this kind.
    fn all(accounts: &Accounts) -> Vec<Self>;

    /// Sets it.
    fn set(broker: &Broker, user: String, vhost: String, body: Self::Body) -> Result<(), String>;

    /// Takes all of this kind away from a user in a vhost.
    fn clear(broker: &Broker, user: &str, vhost: &str) -> Result<(), String>;

    /// Answers with those of one user in one vhost, of which there is at least one.
    fn answer(query: &ListQuery, found: Vec<Self>) -> Result<Response, ApiError>;
}

impl Listed for Permission {
    fn name(&self) -> &str {
        &self.user
    }

    fn vhost(&self) -> &str {
        &self.vhost
    }
}

#[derive(Deserialize)]
struct PermissionBody {
    configure: String,
    write: String,
    read: String,
}

impl Grant for Permission {
    type Body = PermissionBody;

    fn all(accounts: &Accounts) -> Vec<Self> {
        accounts.permissions()
    }

    fn set(broker: &Broker, user: String, vhost: String, body: PermissionBody) -> Result<(), String> {
        broker.declare_permission(&Self {
            user,
            vhost,
            configure: body.configure,
            write: body.write,
            read: body.read,
        })
    }

    fn clear(broker: &Broker, user: &str, vhost: &str) -> Result<(), String> {
        broker.clear_permission(user, vhost)
    }

    fn answer(query: &ListQuery, mut found: Vec<Self>) -> Result<Response, ApiError> {
        object(query, found.pop())
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

#[derive(Deserialize)]
struct TopicBody {
    exchange: String,
    write: String,
    read: String,
}

impl Grant for TopicPermission {
    type Body = TopicBody;

    fn all(accounts: &Accounts) -> Vec<Self> {
        accounts.topic_permissions()
    }

    fn set(broker: &Broker, user: String, vhost: String, body: TopicBody) -> Result<(), String> {
        broker.put_topic_permission(&Self {
            user,
            vhost,
            exchange: body.exchange,
            write: body.write,
            read: body.read,
        })
    }

    fn clear(broker: &Broker, user: &str, vhost: &str) -> Result<(), String> {
        broker.clear_topic_permissions(user, vhost, None)
    }

    fn answer(query: &ListQuery, found: Vec<Self>) -> Result<Response, ApiError> {
        // One for each exchange.
        list(query, found, Self::clone)
    }
}

/// Where grants of both kinds are kept.
pub fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/permissions", get(index::<Permission>))
        .route("/permissions/{vhost}/{user}", one::<Permission>())
        .route("/users/{name}/permissions", get(of_user::<Permission>))
        .route("/vhosts/{vhost}/permissions", get(of_vhost::<Permission>))
        .route("/topic-permissions", get(index::<TopicPermission>))
        .route("/topic-permissions/{vhost}/{user}", one::<TopicPermission>())
        .route("/users/{name}/topic-permissions", get(of_user::<TopicPermission>))
        .route("/vhosts/{vhost}/topic-permissions", get(of_vhost::<TopicPermission>))
}

fn one<G: Grant>() -> MethodRouter<Arc<Api>> {
    get(show::<G>).put(put::<G>).delete(delete::<G>)
}

fn find<G: Grant>(broker: &Broker, wanted: impl Fn(&G) -> bool) -> Vec<G> {
    let mut grants = G::all(broker.accounts());
    grants.retain(wanted);
    grants
}

fn at<G: Grant>(vhost: &str, user: &str) -> impl Fn(&G) -> bool {
    move |grant| grant.vhost() == vhost && grant.name() == user
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

/// All of them.
async fn index<G: Grant>(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    list(&query, G::all(api.broker.accounts()), G::clone)
}

/// Those of a user.
async fn of_user<G: Grant>(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(user): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    check_user(&api.broker, &user)?;
    let grants = find::<G>(&api.broker, |grant| grant.name() == user);
    list(&query, grants, G::clone)
}

/// Those in a vhost.
async fn of_vhost<G: Grant>(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(vhost): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    check_vhost(&api.broker, &vhost)?;
    let grants = find::<G>(&api.broker, |grant| grant.vhost() == vhost);
    list(&query, grants, G::clone)
}

/// Those of a user in a vhost.
async fn show<G: Grant>(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path((vhost, user)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let grants = find::<G>(&api.broker, at(&vhost, &user));
    match grants.is_empty() {
        true => Err(ApiError::no_object()),
        false => G::answer(&query, grants),
    }
}

/// Sets what a user may do in a vhost.
async fn put<G: Grant>(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path((vhost, user)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let body: G::Body = body.read()?;
    check_vhost(&api.broker, &vhost)?;
    check_user(&api.broker, &user)?;
    blocking(move || {
        let new = find::<G>(&api.broker, at(&vhost, &user)).is_empty();
        G::set(&api.broker, user, vhost, body).map_err(ApiError::bad_request)?;
        Ok(created(new))
    })
    .await
}

/// Takes what a user may do in a vhost away.
async fn delete<G: Grant>(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path((vhost, user)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    blocking(move || {
        if find::<G>(&api.broker, at(&vhost, &user)).is_empty() {
            return Err(ApiError::no_object());
        }
        G::clear(&api.broker, &user, &vhost).map_err(ApiError::internal)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
