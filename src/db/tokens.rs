//! Tokens: secrets for machines. Only their hashes are kept.

use super::{Conn, Result, UserId};
use crate::clock::Timestamp;
use crate::names::UserName;
use crate::pypi::Sha256;
use crate::{on, sql};
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as, query_scalar};

/// One token, without its secret.
#[derive(Debug, Clone, FromRow)]
pub struct Token {
    /// Whose rights it carries.
    pub user_id: UserId,
    /// That user's name.
    pub user_name: UserName,
    /// Whether that user is an administrator.
    pub admin: bool,
    /// Its name, unique for the user.
    pub name: String,
    /// What it may do; `index::access::Scope` reads it.
    pub scope: Json<serde_json::Value>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// About when it was last used.
    pub used: Option<Timestamp>,
}

/// A token about to be stored.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// Owner.
    pub user_id: UserId,
    /// Name, unique for the owner.
    pub name: &'a str,
    /// SHA-256 of the secret.
    pub hash: Sha256,
    /// What it may do.
    pub scope: &'a serde_json::Value,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
}

/// Stores a token; `false` if its owner has one of this name.
pub async fn add(c: &mut Conn, token: &NewToken<'_>, now: Timestamp) -> Result<bool> {
    on!(c, c => Ok(query(sql!(
        "INSERT INTO tokens (user_id, name, hash, scope, created, expires) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, name) DO NOTHING"
    ))
    .bind(token.user_id).bind(token.name).bind(token.hash.as_bytes()).bind(Json(token.scope)).bind(now).bind(token.expires)
    .execute(c).await?.rows_affected() == 1))
}

/// Stores a token under its name, whatever stood there: for declared tokens, whose secret lives outside.
pub async fn put(c: &mut Conn, token: &NewToken<'_>, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!(
        "INSERT INTO tokens (user_id, name, hash, scope, created, expires) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, name) DO UPDATE SET hash = excluded.hash, scope = excluded.scope, expires = excluded.expires"
    ))
    .bind(token.user_id).bind(token.name).bind(token.hash.as_bytes()).bind(Json(token.scope)).bind(now).bind(token.expires)
    .execute(c).await.map(drop))
}

/// The token with this hash, whether expired or not; none of a disabled user.
pub async fn by_hash(c: &mut Conn, hash: &Sha256) -> Result<Option<Token>> {
    on!(c, c => query_as(sql!(
        "SELECT t.user_id, u.name AS user_name, u.admin, t.name, t.scope, t.created, t.expires, t.used
         FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.hash = $1 AND u.disabled IS NULL"
    )).bind(hash.as_bytes()).fetch_optional(c).await)
}

/// A user's tokens, by name.
pub async fn of_user(c: &mut Conn, user: UserId) -> Result<Vec<Token>> {
    on!(c, c => query_as(sql!(
        "SELECT t.user_id, u.name AS user_name, u.admin, t.name, t.scope, t.created, t.expires, t.used
         FROM tokens t JOIN users u ON u.id = t.user_id WHERE t.user_id = $1 ORDER BY t.name"
    )).bind(user).fetch_all(c).await)
}

/// Notes that the token was used. Called at most once a cache period, not for every request.
pub async fn touch(c: &mut Conn, hash: &Sha256, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!("UPDATE tokens SET used = $2 WHERE hash = $1")).bind(hash.as_bytes()).bind(now).execute(c).await.map(drop))
}

/// Revokes; `false` if there was none of this name.
pub async fn remove(c: &mut Conn, user: UserId, name: &str) -> Result<bool> {
    on!(c, c => Ok(query(sql!("DELETE FROM tokens WHERE user_id = $1 AND name = $2"))
        .bind(user).bind(name).execute(c).await?.rows_affected() == 1))
}

/// How many tokens expired at `at` or before.
pub async fn count_expired(c: &mut Conn, at: Timestamp) -> Result<i64> {
    on!(c, c => query_scalar(sql!("SELECT COUNT(*) FROM tokens WHERE expires <= $1")).bind(at).fetch_one(c).await)
}

/// Forgets tokens that expired at `at` or before.
pub async fn prune(c: &mut Conn, at: Timestamp) -> Result<u64> {
    on!(c, c => Ok(query(sql!("DELETE FROM tokens WHERE expires <= $1")).bind(at).execute(c).await?.rows_affected()))
}
