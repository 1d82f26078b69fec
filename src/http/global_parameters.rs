//! `/api/global-parameters`, and the cluster's name, which is one of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::broker::{CLUSTER_NAME, GlobalParameter};

use super::body::{self, Body};
use super::caller::{Administrator, Caller};
use super::done::{created, deleted};
use super::error::ApiError;
use super::listing::{ListQuery, Listed, list, object};
use super::queues::short_name;
use super::{Api, blocking};

impl Listed for GlobalParameter {
    fn name(&self) -> &str {
        &self.name
    }
}

/// All of them.
pub async fn index(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    list(&query, api.broker.global_parameters(), GlobalParameter::clone)
}

/// One of them.
pub async fn show(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(name): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, ApiError> {
    let value = api.broker.global_parameter(&name).ok_or_else(ApiError::no_object)?;
    object(&query, GlobalParameter { name, value })
}

#[derive(Deserialize)]
struct ValueBody {
    // An explicit null is a value too.
    #[serde(default, deserialize_with = "body::given")]
    value: Option<Value>,
}

/// Sets one.
pub async fn put(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(name): Path<String>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    short_name(&name)?;
    let body: ValueBody = body.read()?;
    let value = body
        .value
        .ok_or_else(|| ApiError::bad_request("[{key_missing,value}]"))?;
    set(api, GlobalParameter { name, value }).await
}

async fn set(api: Arc<Api>, parameter: GlobalParameter) -> Result<StatusCode, ApiError> {
    if parameter.name == CLUSTER_NAME && !parameter.value.is_string() {
        return Err(ApiError::bad_request("cluster_name is no text"));
    }
    blocking(move || Ok(created(api.broker.set_global_parameter(parameter)?))).await
}

/// Clears one.
pub async fn delete(
    State(api): State<Arc<Api>>,
    _: Administrator,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    blocking(move || deleted(api.broker.clear_global_parameter(&name)?)).await
}

/// The name that clients see as `cluster_name`.
pub async fn cluster_name(State(api): State<Arc<Api>>, _: Caller) -> Json<Value> {
    Json(json!({ "name": api.cluster_name() }))
}

#[derive(Deserialize)]
struct NameBody {
    name: String,
}

/// Gives the cluster another name; connections that come after it see it.
pub async fn put_cluster_name(
    State(api): State<Arc<Api>>,
    _: Administrator,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let NameBody { name } = body.read()?;
    short_name(&name)?;
    let parameter = GlobalParameter {
        name: CLUSTER_NAME.to_owned(),
        value: name.into(),
    };
    set(api, parameter).await.map(|_| StatusCode::NO_CONTENT)
}
