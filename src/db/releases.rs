//! Releases: a project's versions with their core metadata.

use super::{Conn, ProjectId, ReleaseId, Result};
use crate::clock::Timestamp;
use crate::{on, sql};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as, query_scalar};

/// One release.
#[derive(Debug, Clone, FromRow)]
pub struct Release {
    /// Key.
    pub id: ReleaseId,
    /// The version as uploaded.
    pub version: String,
    /// The version in canonical form; 1.0 and 1.0.0 are one release.
    pub canonical: String,
    /// Core metadata (`CoreMetadata::to_json`).
    pub metadata: Json<Value>,
    /// When the first file came.
    pub created: Timestamp,
}

/// A release about to be stored.
#[derive(Debug)]
pub struct NewRelease<'a> {
    /// As uploaded.
    pub version: &'a str,
    /// Canonical form.
    pub canonical: &'a str,
    /// Bytewise order is version order.
    pub sort_key: &'a [u8],
    /// Core metadata.
    pub metadata: &'a Value,
}

/// Adds the release, or replaces its metadata: the last upload speaks for the release.
pub async fn put(c: &mut Conn, project: ProjectId, release: &NewRelease<'_>, now: Timestamp) -> Result<ReleaseId> {
    on!(c, c => query_scalar(sql!(
        "INSERT INTO releases (project_id, version, canonical, sort_key, metadata, created) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (project_id, canonical) DO UPDATE SET version = excluded.version, metadata = excluded.metadata
         RETURNING id"
    ))
    .bind(project).bind(release.version).bind(release.canonical).bind(release.sort_key).bind(Json(release.metadata)).bind(now)
    .fetch_one(c).await)
}

/// A project's releases, the newest version first.
pub async fn of_project(c: &mut Conn, project: ProjectId) -> Result<Vec<Release>> {
    on!(c, c => query_as(sql!(
        "SELECT id, version, canonical, metadata, created FROM releases WHERE project_id = $1 ORDER BY sort_key DESC"
    )).bind(project).fetch_all(c).await)
}

/// The release of this version in canonical form.
pub async fn by_canonical(c: &mut Conn, project: ProjectId, canonical: &str) -> Result<Option<Release>> {
    on!(c, c => query_as(sql!(
        "SELECT id, version, canonical, metadata, created FROM releases WHERE project_id = $1 AND canonical = $2"
    )).bind(project).bind(canonical).fetch_optional(c).await)
}

/// A release's core metadata.
pub async fn metadata(c: &mut Conn, release: ReleaseId) -> Result<Option<Value>> {
    let metadata: Option<Json<Value>> =
        on!(c, c => query_scalar(sql!("SELECT metadata FROM releases WHERE id = $1")).bind(release).fetch_optional(c).await)?;
    Ok(metadata.map(|json| json.0))
}

/// A project's versions as uploaded, the oldest first: what a page needs of releases.
pub async fn versions(c: &mut Conn, project: ProjectId) -> Result<Vec<(ReleaseId, String)>> {
    on!(c, c => query_as(sql!("SELECT id, version FROM releases WHERE project_id = $1 ORDER BY sort_key"))
        .bind(project).fetch_all(c).await)
}

/// Removes a release; its removed files' rows stay.
pub async fn remove(c: &mut Conn, id: ReleaseId) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM releases WHERE id = $1")).bind(id).execute(c).await.map(drop))
}

/// A release as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Aged {
    /// The version as uploaded.
    pub version: String,
    /// When the first file came.
    pub created: Timestamp,
    /// Bytes of its files.
    pub size: i64,
}

/// A project's releases with their ages, the newest version first.
pub async fn aged(c: &mut Conn, project: ProjectId) -> Result<Vec<Aged>> {
    on!(c, c => query_as(sql!(
        "SELECT r.version, r.created, CAST(COALESCE((SELECT SUM(f.size) FROM files f
                WHERE f.release_id = r.id AND f.removed_serial IS NULL), 0) AS BIGINT) AS size
         FROM releases r WHERE r.project_id = $1 ORDER BY r.sort_key DESC"
    )).bind(project).fetch_all(c).await)
}
