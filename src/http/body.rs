//! Bodies of requests: a JSON object, or nothing where that will do.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::ApiError;

/// The body of a request, as it came: what is wrong with it is said once it is known that the caller may ask at all.
pub struct Body(Result<Bytes, BytesRejection>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        Ok(Self(Bytes::from_request(request, state).await))
    }
}

impl Body {
    /// A body that came by another way.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Ok(Bytes::copy_from_slice(bytes)))
    }

    /// Reads it; an empty one counts as `{}`, as with RabbitMQ.
    ///
    /// # Errors
    /// The body is too large, no JSON, no object, or a key is missing or of another type.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        let body = self.0.map_err(|rejection| match rejection.status().as_u16() {
            413 => ApiError::bad_request("Exceeded HTTP request body size limit"),
            _ => ApiError::bad_request(rejection.body_text()),
        })?;
        let text: &[u8] = match body.trim_ascii() {
            b"" | b"null" | b"undefined" => b"{}",
            text => text,
        };
        match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(object)) => {
                serde_json::from_value(Value::Object(object)).map_err(|error| ApiError::bad_request(error.to_string()))
            }
            Ok(Value::String(_)) => Err(ApiError::bad_request(
                "invalid payload: the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?",
            )),
            _ => Err(ApiError::bad_request("not_json")),
        }
    }
}

/// A flag, which `rabbitmqadmin` and other tools send as text.
pub fn flag<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    match Value::deserialize(input)? {
        Value::Bool(flag) => Ok(flag),
        Value::Null => Ok(false),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") || text.is_empty() => Ok(false),
        other => Err(D::Error::custom(format!("{other} is neither true nor false"))),
    }
}

/// A number, which `rabbitmqadmin` and other tools send as text.
pub fn count<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    match Value::deserialize(input)? {
        Value::Null => Ok(None),
        Value::Number(number) if number.as_u64().is_some() => Ok(number.as_u64()),
        Value::String(text) if text.parse::<u64>().is_ok() => Ok(text.parse().ok()),
        other => Err(D::Error::custom(format!("{other} is no count"))),
    }
}

/// A whole number, which `rabbitmqadmin` and other tools send as text.
pub fn integer<'de, D: Deserializer<'de>>(input: D) -> Result<Option<i64>, D::Error> {
    match Value::deserialize(input)? {
        Value::Null => Ok(None),
        Value::Number(number) if number.as_i64().is_some() => Ok(number.as_i64()),
        Value::String(text) if text.parse::<i64>().is_ok() => Ok(text.parse().ok()),
        other => Err(D::Error::custom(format!("{other} is no whole number"))),
    }
}

/// A value that was given, though it may be null.
pub fn given<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(input).map(Some)
}

/// The default of a flag that is usually set.
pub fn yes() -> bool {
    true
}
