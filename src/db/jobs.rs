//! Jobs: work that some node is to do. A job is a row; a recurring one is one row whose time moves on.

use super::{Conn, JobId, Result};
use crate::clock::Timestamp;
use crate::{on, sql};
use sqlx::{FromRow, query, query_as, query_scalar};

/// Makes sure that the job is there and is to be done at `run` at the latest.
pub async fn schedule(c: &mut Conn, kind: &str, key: &str, run: Timestamp) -> Result<()> {
    on!(c, c => query(sql!(
        "INSERT INTO jobs (kind, key, payload, run, attempts) VALUES ($1, $2, '{}', $3, 0)
         ON CONFLICT (kind, key) DO UPDATE SET run = excluded.run WHERE jobs.run > excluded.run"
    )).bind(kind).bind(key).bind(run).execute(c).await.map(drop))
}

/// Takes the job if it is due, until `until`: then somebody else may take it. One statement, so only one node gets it.
pub async fn claim(c: &mut Conn, kind: &str, key: &str, now: Timestamp, until: Timestamp) -> Result<Option<JobId>> {
    on!(c, c => query_scalar(sql!(
        "UPDATE jobs SET run = $4, attempts = attempts + 1 WHERE kind = $1 AND key = $2 AND run <= $3 RETURNING id"
    )).bind(kind).bind(key).bind(now).bind(until).fetch_optional(c).await)
}

/// Holds a job longer that is held until `held`; `false` if somebody else has taken it.
pub async fn renew(c: &mut Conn, id: JobId, held: Timestamp, until: Timestamp) -> Result<bool> {
    on!(c, c => query(sql!("UPDATE jobs SET run = $3 WHERE id = $1 AND run = $2"))
        .bind(id).bind(held).bind(until).execute(c).await.map(|done| done.rows_affected() > 0))
}

/// Lets go of a job that is held until `held` and ended at `now`: it is to be done again at `next`. `error` is why it failed, if it did.
pub async fn finish(
    c: &mut Conn,
    id: JobId,
    held: Timestamp,
    (now, next): (Timestamp, Timestamp),
    error: Option<&str>,
) -> Result<()> {
    on!(c, c => query(sql!(
        "UPDATE jobs SET run = $3, error = $4, attempts = CASE WHEN CAST($4 AS TEXT) IS NULL THEN 0 ELSE attempts END, ended = $5
         WHERE id = $1 AND run = $2"
    )).bind(id).bind(held).bind(next).bind(error).bind(now).execute(c).await.map(drop))
}

/// A job as people see it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Job {
    /// What is done.
    pub kind: String,
    /// What it is about; empty if the kind says all.
    pub key: String,
    /// When it is due; while a node is at it, until when that node holds it.
    pub run: Timestamp,
    /// How often it was begun since it was last done.
    pub attempts: i64,
    /// Why the last attempt failed, if it did.
    pub error: Option<String>,
    /// When the last attempt ended, well or not.
    pub ended: Option<Timestamp>,
}

/// Every job.
pub async fn all(c: &mut Conn) -> Result<Vec<Job>> {
    on!(c, c => query_as(sql!("SELECT kind, key, run, attempts, error, ended FROM jobs ORDER BY kind, key LIMIT 100")).fetch_all(c).await)
}

/// When the job is due.
pub async fn due(c: &mut Conn, kind: &str, key: &str) -> Result<Option<Timestamp>> {
    on!(c, c => query_scalar(sql!("SELECT run FROM jobs WHERE kind = $1 AND key = $2")).bind(kind).bind(key).fetch_optional(c).await)
}
