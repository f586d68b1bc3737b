//! `/+status`: what `devpi --version` and monitoring written for devpi read. It tells nothing that strangers should not know.

use super::COMPATIBLE_WITH;
use crate::db;
use crate::error::Result;
use crate::http::reply::{self, Reply};
use crate::http::{Call, Site, outside};
use axum::http::StatusCode;
use serde_json::json;

/// Answers `/+status`. This server is always what devpi calls the primary: nodes share one database.
pub async fn status(site: &Site, call: &Call<'_>) -> Result<Reply> {
    let last = db::journal::newest(&mut site.core.db.read().await?).await?;
    let (serial, at) = last.map_or((db::Serial::NONE, 0.0), |(serial, at)| (serial, at.0 as f64 / 1e6));
    let seen = site.core.changes.seen();
    let here = url::Url::parse(&outside::base(site, call)).ok();
    let uuid = site.uuid.to_str().unwrap_or_default();
    let status = json!({
        "uuid": uuid,
        "master-uuid": uuid,
        "primary-uuid": uuid,
        "role": "MASTER",
        "server-code": "cheeseshop",
        "versioninfo": {"cheeseshop": env!("CARGO_PKG_VERSION"), "devpi-server": COMPATIBLE_WITH},
        "outside-url": site.outside_url.as_ref().map(url::Url::as_str),
        "host": here.as_ref().and_then(|url| url.host_str()).unwrap_or_default(),
        "port": here.as_ref().and_then(url::Url::port_or_known_default).unwrap_or_default(),
        // Where the data lie is nobody's business.
        "serverdir": "",
        "serial": serial,
        "last-commit-timestamp": at,
        // What devpi's plugins follow is here the journal itself.
        "event-serial": seen,
        "event-serial-timestamp": at,
        "event-serial-in-sync-at": at,
        "metrics": [["cheeseshop_serial", "gauge", serial]],
        "polling_replicas": {},
    });
    Ok(reply::result(StatusCode::OK, "status", status, None))
}
