//! Refusals in the form that RabbitMQ's management API gives them: `{"error": ..., "reason": ...}`.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::model::{AmqpError, ReplyCode};

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    error: &'static str,
    reason: String,
    /// The client may try again with other credentials.
    challenge: bool,
}

impl ApiError {
    fn new(status: StatusCode, error: &'static str, reason: impl ToString) -> Self {
        Self {
            status,
            error,
            reason: reason.to_string(),
            challenge: false,
        }
    }

    /// What is wrong, for people.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// 400: the request itself is wrong.
    pub fn bad_request(reason: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// 400 with a word of its own, as RabbitMQ has it for pages.
    pub fn invalid(error: &'static str, reason: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, reason)
    }

    /// 401 without or with wrong credentials: a browser asks for others.
    pub fn not_logged_in(reason: impl ToString) -> Self {
        Self {
            challenge: true,
            ..Self::not_authorised(reason)
        }
    }

    /// 401 without a challenge: a page asks for credentials itself.
    pub fn expired(reason: impl ToString) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_logged_in", reason)
    }

    /// The same for a program, which is told what to send; another refusal stays as it is.
    pub fn with_challenge(self) -> Self {
        match self.error {
            "not_logged_in" => Self::not_logged_in(self.reason),
            _ => self,
        }
    }

    /// 401 for somebody who is known and may not; RabbitMQ answers no 403.
    pub fn not_authorised(reason: impl ToString) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorised", reason)
    }

    /// 503: nothing is wrong with the request, there are too many of its kind.
    pub fn too_many(reason: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many", reason)
    }

    /// 404 for a path that leads to nothing.
    pub fn no_object() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Object Not Found", "Not Found")
    }

    /// 404 with its reason.
    pub fn not_found(reason: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    /// 405: the path has other methods.
    pub fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method Not Allowed",
        )
    }

    /// 500: the broker is at fault.
    pub fn internal(reason: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", reason)
    }
}

impl From<AmqpError> for ApiError {
    fn from(error: AmqpError) -> Self {
        match error.code {
            ReplyCode::NotFound => Self::not_found(error.text),
            ReplyCode::AccessRefused => Self::not_authorised(error.text),
            ReplyCode::InternalError => Self::internal(error.text),
            _ => Self::bad_request(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error, "reason": self.reason }));
        match self.challenge {
            true => (self.status, [(WWW_AUTHENTICATE, "Basic realm=\"Warren\"")], body).into_response(),
            false => (self.status, body).into_response(),
        }
    }
}
