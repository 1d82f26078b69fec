//! `/api/policies` and `/api/operator-policies`

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::broker::{ApplyTo, Policy, PolicyError, PolicyKind, Vhost};

use super::body::{self, Body};
use super::caller::Caller;
use super::done::{created, deleted};
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::queues::short_name;
use super::{Api, blocking};

impl Listed for Policy {
    fn name(&self) -> &str {
        &self.name
    }

    fn vhost(&self) -> &str {
        &self.vhost
    }
}

/// Where policies of both kinds are kept.
pub fn routes() -> Router<Arc<Api>> {
    let user = Router::new()
        .route("/policies", get(index))
        .route("/policies/{vhost}", get(index))
        .route("/policies/{vhost}/{name}", get(show).put(put).delete(delete))
        .layer(Extension(PolicyKind::User));
    let operator = Router::new()
        .route("/operator-policies", get(index))
        .route("/operator-policies/{vhost}", get(index))
        .route("/operator-policies/{vhost}/{name}", get(show).put(put).delete(delete))
        .layer(Extension(PolicyKind::Operator));
    user.merge(operator)
}

async fn index(
    State(api): State<Arc<Api>>,
    Extension(kind): Extension<PolicyKind>,
    caller: Caller,
    vhost: Option<Path<String>>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let vhosts = caller.vhosts_at(vhost.as_ref().map(|Path(name)| name.as_str()))?;
    let policies = vhosts.iter().flat_map(|vhost| api.broker.policies(kind, vhost));
    list(&query, policies.collect(), Policy::clone)
}

async fn show(
    State(api): State<Arc<Api>>,
    Extension(kind): Extension<PolicyKind>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let vhost = caller.visible_vhost(&vhost)?;
    let policy = api.broker.policy(kind, &vhost, &name).ok_or_else(ApiError::no_object)?;
    object(&query, policy)
}

/// A policy as requests and definitions give it, without its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PolicyBody {
    pattern: String,
    definition: Map<String, Value>,
    #[serde(default, deserialize_with = "body::integer")]
    priority: Option<i64>,
    #[serde(default)]
    apply_to: Option<String>,
}

impl PolicyBody {
    pub(super) fn named(self, vhost: &str, name: &str) -> Result<Policy, ApiError> {
        Ok(Policy {
            vhost: vhost.to_owned(),
            name: short_name(name)?.to_string(),
            pattern: self.pattern,
            apply_to: match self.apply_to {
                Some(scope) => ApplyTo::parse(&scope)?,
                None => ApplyTo::default(),
            },
            priority: self.priority.unwrap_or_default(),
            definition: self.definition,
        })
    }
}

impl From<PolicyError> for ApiError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::NoVhost(_) => Self::no_object(),
            PolicyError::Invalid(reason) => Self::bad_request(format!("Validation failed\n\n{reason}")),
            PolicyError::Store(error) => error.into(),
        }
    }
}

/// Policies are for policymakers of the vhost, operator policies for administrators.
fn changeable(caller: &Caller, kind: PolicyKind, vhost: &str) -> Result<Arc<Vhost>, ApiError> {
    match kind {
        PolicyKind::User => caller.require_policymaker()?,
        PolicyKind::Operator => caller.require_administrator()?,
    }
    caller.visible_vhost(vhost)
}

async fn put(
    State(api): State<Arc<Api>>,
    Extension(kind): Extension<PolicyKind>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let vhost = changeable(&caller, kind, &vhost)?;
    let body: PolicyBody = body.read()?;
    let policy = body.named(&vhost.name, &name)?;
    blocking(move || {
        let new = api.broker.policy(kind, &vhost, &name).is_none();
        api.broker.set_policy(kind, policy)?;
        Ok(created(new))
    })
    .await
}

async fn delete(
    State(api): State<Arc<Api>>,
    Extension(kind): Extension<PolicyKind>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let vhost = changeable(&caller, kind, &vhost)?;
    blocking(move || deleted(api.broker.clear_policy(kind, &vhost.name, &name)?)).await
}
