//! Tokens of the plugin devpi-tokens. A dump has of each only a salt; with the old server's secret file their root keys can be
//! derived, and the tokens go on. Without it they are named, so that their owners make new ones.

use super::Import;
use crate::db::{self, Conn, UserId};
use crate::index::devpi_secret::DevpiSecret;
use crate::moving::dump::{Token, User};
use crate::moving::plain;
use crate::names::UserName;
use anyhow::{Context, Result};
use std::path::Path;

/// Reads the old server's secret file and derives the secret of its tokens. Takes some ten seconds and 512 MiB.
pub(super) async fn secret(file: &Path) -> Result<DevpiSecret> {
    let content = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    tokio::task::spawn_blocking(move || DevpiSecret::derive(&content)).await?.map_err(plain)
}

impl Import<'_> {
    /// Takes over a user's tokens, or says that they must be made anew. One that is here is left as it is.
    pub(super) async fn keep_tokens(&mut self, c: &mut Conn, user: UserId, name: &UserName, record: &User) -> Result<()> {
        if record.tokens.is_empty() {
            return Ok(());
        }
        let Some(secret) = self.secret.clone() else {
            let ids: Vec<&str> = record.tokens.keys().map(String::as_str).collect();
            self.report.next.push(format!(
                "tokens of {name} no longer work: make new ones, or import again with --secretfile ({})",
                ids.join(", ")
            ));
            return Ok(());
        };
        for (id, token) in &record.tokens {
            match root_key(&secret, token).await? {
                Ok(key) => drop(db::devpi_tokens::add(c, user, id, &key, &token.restrictions, self.now()).await?),
                Err(why) => self.report.next.push(format!("token {id} of {name} no longer works, make a new one: {why}")),
            }
        }
        Ok(())
    }
}

/// On the blocking pool: it takes a fraction of a second. The inner error is the record's.
async fn root_key(secret: &DevpiSecret, token: &Token) -> Result<Result<Vec<u8>, String>> {
    let (secret, key) = (secret.clone(), token.key.clone());
    Ok(tokio::task::spawn_blocking(move || secret.root_key(&key)).await?.map_err(|error| error.to_string()))
}
