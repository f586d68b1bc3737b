//! Facts about this installation that every node shares, such as the default index or the server's uuid.

use super::{Conn, Result};
use crate::{on, sql};
use sqlx::{query, query_scalar};

/// The keys in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `user/index` that `/simple/` and `/legacy/` stand for; empty: none.
    DefaultIndex,
    /// A random id of this installation, shown as `X-DEVPI-UUID`.
    ServerUuid,
    /// What the addresses of pictures in descriptions are signed with, in hex.
    ImageKey,
}

impl Setting {
    fn key(self) -> &'static str {
        match self {
            Setting::DefaultIndex => "default-index",
            Setting::ServerUuid => "server-uuid",
            Setting::ImageKey => "image-key",
        }
    }
}

/// The value, if it was ever set.
pub async fn get(c: &mut Conn, setting: Setting) -> Result<Option<String>> {
    on!(c, c => query_scalar(sql!("SELECT value FROM settings WHERE key = $1")).bind(setting.key()).fetch_optional(c).await)
}

/// Sets the value if none was ever set.
pub async fn add(c: &mut Conn, setting: Setting, value: &str) -> Result<()> {
    on!(c, c => query(sql!("INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING"))
        .bind(setting.key()).bind(value).execute(c).await.map(drop))
}

/// Sets the value.
pub async fn put(c: &mut Conn, setting: Setting, value: &str) -> Result<()> {
    on!(c, c => query(sql!("INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"))
        .bind(setting.key()).bind(value).execute(c).await.map(drop))
}
