//! Projects of an index.

use super::{Conn, IndexId, ProjectId, Result, Serial};
use crate::clock::Timestamp;
use crate::pypi::{ProjectName, ProjectStatus};
use crate::{on, sql};
use sqlx::types::Json;
use sqlx::{FromRow, query, query_as, query_scalar};

/// One project of one index.
#[derive(Debug, Clone, FromRow)]
pub struct Project {
    /// Key.
    pub id: ProjectId,
    /// Whose it is.
    pub index_id: IndexId,
    /// The spelling of the last upload.
    pub display_name: String,
    /// PEP 792 status; `None`: active.
    pub status: Option<Json<ProjectStatus>>,
    /// Kept although it has no file, so that no mirror may answer for its name.
    pub reserved: bool,
    /// The last change.
    pub serial: Serial,
}

/// The project, if the index has it.
pub async fn by_name(c: &mut Conn, index: IndexId, name: &ProjectName) -> Result<Option<Project>> {
    on!(c, c => query_as(sql!("SELECT id, index_id, display_name, status, reserved, serial FROM projects WHERE index_id = $1 AND name = $2"))
        .bind(index).bind(name).fetch_optional(c).await)
}

/// The same, and nobody else changes the project before this transaction ends. An upload holds the same lock from
/// [`put`] on: what it has written and not committed could not be seen otherwise (PostgreSQL).
pub async fn lock(c: &mut Conn, index: IndexId, name: &ProjectName) -> Result<Option<Project>> {
    on!(c, c => query_as(sql!(
        "UPDATE projects SET serial = serial WHERE index_id = $1 AND name = $2
         RETURNING id, index_id, display_name, status, reserved, serial"
    )).bind(index).bind(name).fetch_optional(c).await)
}

/// The project in every stage that has it, reserved names included: what decides whether mirrors may answer for the name.
pub async fn holders(c: &mut Conn, name: &ProjectName) -> Result<Vec<Project>> {
    on!(c, c => query_as(sql!(
        "SELECT p.id, p.index_id, p.display_name, p.status, p.reserved, p.serial
         FROM projects p JOIN indexes i ON i.id = p.index_id WHERE p.name = $1 AND i.kind = 'stage'"
    )).bind(name).fetch_all(c).await)
}

/// Adds the project, or takes over the spelling if it is there. A reserved name is in use again.
pub async fn put(c: &mut Conn, index: IndexId, name: &ProjectName, display_name: &str, now: Timestamp) -> Result<ProjectId> {
    on!(c, c => query_scalar(sql!(
        "INSERT INTO projects (index_id, name, display_name, reserved, serial, created) VALUES ($1, $2, $3, FALSE, 0, $4)
         ON CONFLICT (index_id, name) DO UPDATE SET display_name = excluded.display_name, reserved = FALSE
         RETURNING id"
    )).bind(index).bind(name).bind(display_name).bind(now).fetch_one(c).await)
}

/// Notes the serial of the project's last change, also for its entry in the search, which whoever changed what it tells of has
/// made anew.
pub async fn set_serial(c: &mut Conn, id: ProjectId, serial: Serial) -> Result<()> {
    let text = sql!(c,
        sqlite: "UPDATE projects SET serial = $2 WHERE id = $1; UPDATE search_entries SET serial = $2 WHERE project_id = $1",
        postgres: "WITH entry AS (UPDATE search_entries SET serial = $2 WHERE project_id = $1)
                   UPDATE projects SET serial = $2 WHERE id = $1");
    on!(c, c => query(text).bind(id).bind(serial).execute(c).await.map(drop))
}

/// Reserves a name that has lost its last file, or releases it.
pub async fn set_reserved(c: &mut Conn, id: ProjectId, reserved: bool) -> Result<()> {
    on!(c, c => query(sql!("UPDATE projects SET reserved = $2 WHERE id = $1")).bind(id).bind(reserved).execute(c).await.map(drop))
}

/// Removes the project with its releases and files, for good.
pub async fn remove(c: &mut Conn, id: ProjectId) -> Result<()> {
    on!(c, c => query(sql!("DELETE FROM projects WHERE id = $1")).bind(id).execute(c).await.map(drop))
}

/// Names and last serials of the index's projects, sorted by name; names that are only reserved left out.
pub async fn names(c: &mut Conn, index: IndexId) -> Result<Vec<(ProjectName, Serial)>> {
    on!(c, c => query_as(sql!("SELECT name, serial FROM projects WHERE index_id = $1 AND NOT reserved ORDER BY name"))
        .bind(index).fetch_all(c).await)
}

/// How many projects the index has; names that are only reserved left out.
pub async fn count(c: &mut Conn, index: IndexId) -> Result<i64> {
    on!(c, c => query_scalar(sql!("SELECT COUNT(*) FROM projects WHERE index_id = $1 AND NOT reserved")).bind(index).fetch_one(c).await)
}

/// Some projects of the index after the key `after`, by key; names that are only reserved left out.
pub async fn page(c: &mut Conn, index: IndexId, after: ProjectId, count: i64) -> Result<Vec<(ProjectId, ProjectName)>> {
    on!(c, c => query_as(sql!("SELECT id, name FROM projects WHERE index_id = $1 AND id > $2 AND NOT reserved ORDER BY id LIMIT $3"))
        .bind(index).bind(after).bind(count).fetch_all(c).await)
}

/// A project on the page of its index.
#[derive(Debug, Clone, FromRow)]
pub struct Shelved {
    /// Name.
    pub name: ProjectName,
    /// The name as last uploaded.
    pub display_name: String,
    /// The version of the latest release, if there is any.
    pub version: Option<String>,
    /// What its author says of it in one line.
    pub summary: Option<String>,
    /// When it was released.
    pub released: Option<Timestamp>,
}

/// At most `count` projects of a stage whose names come after `after`, by name. Names that are only reserved are not among them. What is
/// said of a project comes from its entry for searching, which one that was just taken in from an older version may not have yet.
pub async fn shelf(c: &mut Conn, index: IndexId, after: &str, count: i64) -> Result<Vec<Shelved>> {
    on!(c, c => query_as(sql!(
        "SELECT p.name, p.display_name, e.version, e.summary, e.released
         FROM projects p LEFT JOIN search_entries e ON e.project_id = p.id
         WHERE p.index_id = $1 AND p.name > $2 AND NOT p.reserved ORDER BY p.name LIMIT $3"
    )).bind(index).bind(after).bind(count).fetch_all(c).await)
}
