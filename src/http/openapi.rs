//! `/api/openapi.json`: the API as an OpenAPI 3.1 document. It is kept by hand in `openapi.json`; `tests/http/openapi.rs`
//! holds it to the routes, and to what they answer.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

const DOCUMENT: &str = include_str!("openapi.json");

/// The document, for anybody: it says nothing of this broker.
pub async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT)
}
