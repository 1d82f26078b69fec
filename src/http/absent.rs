//! Kinds of objects that this broker does not have yet: their lists are empty, so that tools that ask for them go on,
//! and making one is refused with a reason.

use axum::Json;
use axum::extract::Path;
use axum::routing::{MethodRouter, get};
use serde_json::{Value, json};
use std::sync::Arc;

use super::Api;
use super::caller::Caller;
use super::error::ApiError;

async fn empty(_: Caller) -> Json<Value> {
    Json(json!([]))
}

async fn missing(_: Caller, _: Path<Vec<(String, String)>>) -> ApiError {
    ApiError::no_object()
}

async fn refused(_: Caller, _: Path<Vec<(String, String)>>) -> ApiError {
    ApiError::bad_request("not supported by this broker yet")
}

/// A list of them.
pub fn collection() -> MethodRouter<Arc<Api>> {
    get(empty)
}

/// One of them.
pub fn item() -> MethodRouter<Arc<Api>> {
    get(missing).put(refused).delete(missing)
}
