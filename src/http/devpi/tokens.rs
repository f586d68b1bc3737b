//! `/{user}/+token-create` and `/{user}/+tokens`: the addresses of devpi-tokens, the plugin of devpi's client and server.

use super::{not_with_this_method, object_or_nothing};
use crate::error::Result;
use crate::http::reply::{self, Reply};
use crate::http::{Call, Site};
use crate::index::devpi_tokens;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

/// Makes a token with the restrictions that the body names.
pub async fn create(site: &Site, call: &Call<'_>, user: &str, body: Body) -> Result<Reply> {
    if *call.method != Method::POST {
        return Err(not_with_this_method("POST"));
    }
    let restrictions = object_or_nothing(body).await?;
    let token = devpi_tokens::create(&site.core, call.caller, user, &restrictions).await?;
    Ok(reply::result(StatusCode::OK, "token-info", json!({"token": token}), None))
}

/// Shows a user's tokens: their ids and restrictions.
pub async fn list(site: &Site, call: &Call<'_>, user: &str) -> Result<Reply> {
    if *call.method != Method::GET {
        return Err(not_with_this_method("GET, HEAD"));
    }
    let tokens = devpi_tokens::list(&site.core, call.caller, user).await?;
    let tokens: Map<String, Value> =
        tokens.into_iter().map(|token| (token.id, json!({"restrictions": token.restrictions.0}))).collect();
    Ok(reply::result(StatusCode::OK, "tokens-info", json!({"tokens": tokens}), None))
}

/// Revokes a token.
pub async fn remove(site: &Site, call: &Call<'_>, user: &str, id: &str) -> Result<Reply> {
    if *call.method != Method::DELETE {
        return Err(not_with_this_method("DELETE"));
    }
    devpi_tokens::remove(&site.core, call.caller, user, id).await?;
    Ok(reply::message(StatusCode::OK, &format!("token {id} deleted")))
}
