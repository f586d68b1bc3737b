//! devpi tokens: macaroons, of which the root key is kept. Unlike that of other tokens it is a secret at rest: nobody can check
//! a signature with a hash of its key.

use super::{Conn, Result, UserId};
use crate::clock::Timestamp;
use crate::names::UserName;
use crate::{on, sql};
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as};

/// A token as its owner sees it.
#[derive(Debug, Clone, FromRow)]
pub struct Shown {
    /// The end of its identifier.
    pub id: String,
    /// The caveats that it was made with.
    pub restrictions: Json<Vec<String>>,
    /// When it was made.
    pub created: Timestamp,
    /// About when it, or one derived from it, was last used.
    pub used: Option<Timestamp>,
}

/// What a token is checked with. No `Debug`: nothing may show the key.
#[derive(Clone, FromRow)]
pub struct Key {
    /// Whose rights it carries.
    pub user_id: UserId,
    /// That user's name.
    pub user_name: UserName,
    /// Whether that user is an administrator.
    pub admin: bool,
    /// The root key.
    pub secret: Vec<u8>,
}

/// Stores a token; `false` if its owner has one of this id.
pub async fn add(c: &mut Conn, user: UserId, id: &str, root_key: &[u8], restrictions: &[String], now: Timestamp) -> Result<bool> {
    on!(c, c => Ok(query(sql!(
        "INSERT INTO devpi_tokens (user_id, id, secret, restrictions, created) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id, id) DO NOTHING"
    ))
    .bind(user).bind(id).bind(root_key).bind(Json(restrictions)).bind(now)
    .execute(c).await?.rows_affected() == 1))
}

/// What the token of this user with this id is checked with; none of a disabled user.
pub async fn key(c: &mut Conn, user: &str, id: &str) -> Result<Option<Key>> {
    on!(c, c => query_as(sql!(
        "SELECT t.user_id, u.name AS user_name, u.admin, t.secret
         FROM devpi_tokens t JOIN users u ON u.id = t.user_id WHERE u.name = $1 AND t.id = $2 AND u.disabled IS NULL"
    )).bind(user).bind(id).fetch_optional(c).await)
}

/// A user's tokens, by id.
pub async fn of_user(c: &mut Conn, user: UserId) -> Result<Vec<Shown>> {
    on!(c, c => query_as(sql!("SELECT id, restrictions, created, used FROM devpi_tokens WHERE user_id = $1 ORDER BY id"))
        .bind(user).fetch_all(c).await)
}

/// Notes that the token, or one derived from it, was used. Called at most once a cache period, not for every request.
pub async fn touch(c: &mut Conn, user: UserId, id: &str, now: Timestamp) -> Result<()> {
    on!(c, c => query(sql!("UPDATE devpi_tokens SET used = $3 WHERE user_id = $1 AND id = $2"))
        .bind(user).bind(id).bind(now).execute(c).await.map(drop))
}

/// Revokes a token and all that were derived from it; `false` if there was none of this id.
pub async fn remove(c: &mut Conn, user: UserId, id: &str) -> Result<bool> {
    on!(c, c => Ok(query(sql!("DELETE FROM devpi_tokens WHERE user_id = $1 AND id = $2"))
        .bind(user).bind(id).execute(c).await?.rows_affected() == 1))
}

/// One token of all, with what bounds it.
#[derive(Debug, Clone, FromRow)]
pub struct Bounded {
    /// Whose it is.
    pub user_id: UserId,
    /// The end of its identifier.
    pub id: String,
    /// The caveats that it was made with.
    pub restrictions: Json<Vec<String>>,
}

/// Some tokens of all users after (`user`, `id`), in that order.
pub async fn page(c: &mut Conn, after: (UserId, &str), count: i64) -> Result<Vec<Bounded>> {
    on!(c, c => query_as(sql!(
        "SELECT user_id, id, restrictions FROM devpi_tokens
         WHERE user_id > $1 OR (user_id = $1 AND id > $2) ORDER BY user_id, id LIMIT $3"
    )).bind(after.0).bind(after.1).bind(count).fetch_all(c).await)
}
