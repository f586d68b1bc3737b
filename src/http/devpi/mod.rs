//! devpi's REST API: its addresses, JSON and words, for unmodified devpi clients and scripts. The rules are `index`'s.
//!
//! The client reads `message`, `type` and `result`; takes 200 and 201 for success and nothing else; and compares the content
//! type with the bare `application/json`.

pub mod api;
pub mod authcheck;
pub mod indexes;
pub mod projects;
pub mod push;
pub mod status;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
pub mod tokens;
pub mod users;

use crate::error::{Error, Result};
use crate::limits;
use axum::body::Body;
use http_body_util::LengthLimitError;
use serde_json::{Map, Value};
use std::error::Error as _;

/// The devpi-server whose protocol is spoken here: clients and scripts look at this number for what they may use.
pub const COMPATIBLE_WITH: &str = "6.20.3";

/// Reads a body of JSON, whatever content type it is sent with.
async fn json(body: Body) -> Result<Value> {
    parse(&axum::body::to_bytes(body, limits::JSON_BODY_BYTES_MAX).await.map_err(unreadable)?)
}

fn parse(bytes: &[u8]) -> Result<Value> {
    let value = serde_json::from_slice(bytes).map_err(|_| Error::BadRequest("Bad request: could not decode json".into()))?;
    match holds_nul(&value) {
        true => Err(Error::BadRequest("Bad request: the JSON holds a NUL character, which no database keeps in text".into())),
        false => Ok(value),
    }
}

fn unreadable(error: axum::Error) -> Error {
    match error.source().is_some_and(|cause| cause.is::<LengthLimitError>()) {
        true => Error::TooLarge(format!("a JSON body has at most {} bytes here", limits::JSON_BODY_BYTES_MAX)),
        false => Error::BadRequest("the request's body broke off before its end".into()),
    }
}

/// Reads a body that is a JSON object.
async fn object(body: Body) -> Result<Map<String, Value>> {
    object_of(json(body).await?)
}

/// Reads a body that is a JSON object or empty.
pub(super) async fn object_or_nothing(body: Body) -> Result<Map<String, Value>> {
    let bytes = axum::body::to_bytes(body, limits::JSON_BODY_BYTES_MAX).await.map_err(unreadable)?;
    if bytes.is_empty() { Ok(Map::new()) } else { object_of(parse(&bytes)?) }
}

fn object_of(value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Error::BadRequest("Bad request: the JSON must be an object".into())),
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Python's idea of nothing: with devpi an empty value takes a field away.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// A 405 for an address of the API.
fn not_with_this_method(allow: &'static str) -> Error {
    Error::MethodNotAllowed { allow, message: format!("this address takes {allow}") }
}
