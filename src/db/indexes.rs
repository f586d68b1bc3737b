//! Indexes and their bases. The whole table is read into memory at start and after each change of it (`index::tree`).

use super::{Conn, IndexId, Result, UserId};
use crate::clock::Timestamp;
use crate::names::{IndexName, IndexPath, UserName};
use crate::{on, sql};
use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as, query_scalar};

/// One index.
#[derive(Debug, Clone, FromRow)]
pub struct Index {
    /// Key.
    pub id: IndexId,
    /// The owner.
    pub user_name: UserName,
    /// The name below the owner.
    pub name: IndexName,
    /// `stage` or `mirror`.
    pub kind: String,
    /// `ready`, or `importing` while an import fills it and nobody may see it.
    pub state: String,
    /// Every option but type and bases; `index::settings` reads it.
    pub settings: Json<Map<String, Value>>,
    /// When it was made.
    pub created: Timestamp,
}

/// Every index, by owner and name.
pub async fn all(c: &mut Conn) -> Result<Vec<Index>> {
    on!(c, c => query_as(sql!(
        "SELECT i.id, u.name AS user_name, i.name, i.kind, i.state, i.settings, i.created
         FROM indexes i JOIN users u ON u.id = i.user_id ORDER BY u.name, i.name"
    )).fetch_all(c).await)
}

/// Every base as (index, `user/index`), in each index's order.
pub async fn all_bases(c: &mut Conn) -> Result<Vec<(IndexId, String)>> {
    on!(c, c => query_as(sql!("SELECT index_id, base FROM index_bases ORDER BY index_id, position")).fetch_all(c).await)
}

/// The bases of one index, in their order.
pub async fn bases(c: &mut Conn, id: IndexId) -> Result<Vec<String>> {
    on!(c, c => query_scalar(sql!("SELECT base FROM index_bases WHERE index_id = $1 ORDER BY position")).bind(id).fetch_all(c).await)
}

/// Whether an index is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum State {
    /// As any other.
    Ready,
    /// Nobody sees it until [`set_ready`]: an import is filling it.
    Importing,
}

/// An index about to be stored.
#[derive(Debug)]
pub struct NewIndex<'a> {
    /// Its owner.
    pub user: UserId,
    /// Its name, unique for the owner.
    pub name: &'a IndexName,
    /// `stage` or `mirror`.
    pub kind: &'a str,
    /// Whether it is shown at once.
    pub state: State,
    /// Every option but type and bases.
    pub settings: &'a Map<String, Value>,
}

/// Adds an index; `None` if the owner has one of this name.
pub async fn add(c: &mut Conn, index: &NewIndex<'_>, now: Timestamp) -> Result<Option<IndexId>> {
    on!(c, c => query_scalar(sql!(
        "INSERT INTO indexes (user_id, name, kind, state, settings, created) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, name) DO NOTHING RETURNING id"
    ))
    .bind(index.user).bind(index.name).bind(index.kind).bind(index.state).bind(Json(index.settings)).bind(now)
    .fetch_optional(c).await)
}

/// Shows an index that an import has filled; `false` if it was shown already.
pub async fn set_ready(c: &mut Conn, id: IndexId) -> Result<bool> {
    on!(c, c => query(sql!("UPDATE indexes SET state = 'ready' WHERE id = $1 AND state = 'importing'"))
        .bind(id).execute(c).await.map(|done| done.rows_affected() > 0))
}

/// The options, which nobody else changes before this transaction ends, nor the bases; `None` if the index is gone.
pub async fn lock(c: &mut Conn, id: IndexId) -> Result<Option<Map<String, Value>>> {
    let settings: Option<Json<Map<String, Value>>> = on!(c, c => query_scalar(sql!(
        "UPDATE indexes SET settings = settings WHERE id = $1 RETURNING settings"
    )).bind(id).fetch_optional(c).await)?;
    Ok(settings.map(|settings| settings.0))
}

/// Replaces the options.
pub async fn set_settings(c: &mut Conn, id: IndexId, settings: &Map<String, Value>) -> Result<()> {
    on!(c, c => query(sql!("UPDATE indexes SET settings = $2 WHERE id = $1")).bind(id).bind(Json(settings)).execute(c).await.map(drop))
}

/// Replaces the bases.
pub async fn set_bases(c: &mut Conn, id: IndexId, bases: &[IndexPath]) -> Result<()> {
    on!(&mut *c, c => query(sql!("DELETE FROM index_bases WHERE index_id = $1")).bind(id).execute(c).await.map(drop))?;
    for (position, base) in (0_i64..).zip(bases) {
        on!(&mut *c, c => query(sql!("INSERT INTO index_bases (index_id, position, base) VALUES ($1, $2, $3)"))
            .bind(id).bind(position).bind(base.to_string()).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Removes an index with all its projects.
pub async fn remove(c: &mut Conn, id: IndexId) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM indexes WHERE id = $1")).bind(id).execute(c).await.map(drop))
}
