//! What requests answer that have changed something.

use axum::http::StatusCode;

use super::error::ApiError;

/// 201 for something new, 204 for what stood.
pub fn created(new: bool) -> StatusCode {
    match new {
        true => StatusCode::CREATED,
        false => StatusCode::NO_CONTENT,
    }
}

/// 204 for what is gone now, 404 for what was not there.
pub fn deleted(stood: bool) -> Result<StatusCode, ApiError> {
    match stood {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::no_object()),
    }
}
