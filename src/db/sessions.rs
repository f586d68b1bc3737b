//! Sessions: what a password was exchanged for at `+login`. They die with the password.

use super::{Conn, Result, UserId};
use crate::clock::Timestamp;
use crate::names::UserName;
use crate::pypi::Sha256;
use crate::{on, sql};
use sqlx::{FromRow, query, query_as, query_scalar};

/// A session that a secret opened.
#[derive(Debug, Clone, FromRow)]
pub struct Session {
    /// Whose it is.
    pub user_name: UserName,
    /// Whether that user is an administrator.
    pub admin: bool,
    /// From when on it is refused.
    pub expires: Timestamp,
}

/// Begins a session.
pub async fn add(c: &mut Conn, hash: &Sha256, user: UserId, now: Timestamp, expires: Timestamp) -> Result<()> {
    on!(c, c => query(sql!("INSERT INTO sessions (hash, user_id, created, expires) VALUES ($1, $2, $3, $4)"))
        .bind(hash.as_bytes()).bind(user).bind(now).bind(expires).execute(c).await.map(drop))
}

/// The session with this hash, whether expired or not; none of a disabled user.
pub async fn by_hash(c: &mut Conn, hash: &Sha256) -> Result<Option<Session>> {
    on!(c, c => query_as(sql!(
        "SELECT u.name AS user_name, u.admin, s.expires
         FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.hash = $1 AND u.disabled IS NULL"
    )).bind(hash.as_bytes()).fetch_optional(c).await)
}

/// Ends one session.
pub async fn remove(c: &mut Conn, hash: &Sha256) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM sessions WHERE hash = $1")).bind(hash.as_bytes()).execute(c).await.map(drop))
}

/// Ends all sessions of a user but the one with this hash, if one is given.
pub async fn remove_of_user(c: &mut Conn, user: UserId, but: Option<&Sha256>) -> Result<()> {
    // No hash is empty.
    let but = but.map_or(&[][..], |hash| hash.as_bytes());
    on!(c, c => query(sql!("DELETE FROM sessions WHERE user_id = $1 AND hash <> $2"))
        .bind(user).bind(but).execute(c).await.map(drop))
}

/// How many sessions of a user are good at this moment.
pub async fn count_of_user(c: &mut Conn, user: UserId, now: Timestamp) -> Result<i64> {
    on!(c, c => query_scalar(sql!("SELECT COUNT(*) FROM sessions WHERE user_id = $1 AND expires > $2"))
        .bind(user).bind(now).fetch_one(c).await)
}

/// Forgets sessions that have expired.
pub async fn prune(c: &mut Conn, now: Timestamp) -> Result<u64> {
    on!(c, c => Ok(query(sql!("DELETE FROM sessions WHERE expires <= $1")).bind(now).execute(c).await?.rows_affected()))
}

/// Ends all sessions.
pub async fn remove_all(c: &mut Conn) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM sessions")).execute(c).await.map(drop))
}

/// How many sessions have expired.
pub async fn count_expired(c: &mut Conn, now: Timestamp) -> Result<i64> {
    on!(c, c => query_scalar(sql!("SELECT COUNT(*) FROM sessions WHERE expires <= $1")).bind(now).fetch_one(c).await)
}
