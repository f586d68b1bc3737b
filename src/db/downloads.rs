//! How often files were downloaded, by day.

use super::{Conn, FileId, IndexId, Result};
use crate::pypi::ProjectName;
use crate::{on, sql};
use sqlx::{query, query_as, query_scalar};

/// Adds to the count of a file on a day (days since 1970 UTC); nothing if the index has no live file of this name.
pub async fn add(c: &mut Conn, index: IndexId, project: &str, filename: &str, day: i64, count: i64) -> Result<()> {
    on!(c, c => query(sql!(
        "INSERT INTO downloads (file_id, day, count)
         SELECT f.id, CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM files f JOIN projects p ON p.id = f.project_id
         WHERE p.index_id = $1 AND p.name = $2 AND f.filename = $3 AND f.removed_serial IS NULL
         ON CONFLICT (file_id, day) DO UPDATE SET count = downloads.count + excluded.count"
    )).bind(index).bind(project).bind(filename).bind(day).bind(count).execute(c).await.map(drop))
}

/// The counts of a file as (day, count), the newest day first.
pub async fn of_file(c: &mut Conn, file: FileId) -> Result<Vec<(i64, i64)>> {
    on!(c, c => query_as(sql!("SELECT day, count FROM downloads WHERE file_id = $1 ORDER BY day DESC")).bind(file).fetch_all(c).await)
}

/// The counts of a project's files together as (day, count) from a day on, the oldest day first.
pub async fn of_project(c: &mut Conn, index: IndexId, project: &ProjectName, since: i64) -> Result<Vec<(i64, i64)>> {
    on!(c, c => query_as(sql!(
        "SELECT d.day, CAST(SUM(d.count) AS BIGINT) FROM downloads d
         JOIN files f ON f.id = d.file_id JOIN projects p ON p.id = f.project_id
         WHERE p.index_id = $1 AND p.name = $2 AND d.day >= $3 GROUP BY d.day ORDER BY d.day"
    )).bind(index).bind(project).bind(since).fetch_all(c).await)
}

/// How many rows there are of days before `day`.
pub async fn count_before(c: &mut Conn, day: i64) -> Result<i64> {
    on!(c, c => query_scalar(sql!("SELECT COUNT(*) FROM downloads WHERE day < $1")).bind(day).fetch_one(c).await)
}

/// Forgets days before `day`, the oldest first and at most `days` of them; returns how many rows that were.
pub async fn prune(c: &mut Conn, day: i64, days: i64) -> Result<u64> {
    on!(c, c => query(sql!(
        "DELETE FROM downloads WHERE day < $1 AND day < (SELECT MIN(day) FROM downloads) + $2"
    )).bind(day).bind(days).execute(c).await.map(|done| done.rows_affected()))
}
