//! Tokens of the plugin devpi-tokens. A dump has of each only a salt; with the old server's secret file their root keys can be
//! derived, and the tokens go on. Without it they are named, so that their owners make new ones.

use super::Import;
use super::accounts::ACTOR;
use crate::db::journal::Action;
use crate::db::{self, UserId};
use crate::index::devpi_secret::DevpiSecret;
use crate::index::{Core, account};
use crate::moving::dump::{Token, User};
use crate::moving::plain;
use crate::names::UserName;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;

/// Reads the old server's secret file and derives the secret of its tokens. Takes some ten seconds and 512 MiB.
pub(super) async fn secret(file: &Path) -> Result<DevpiSecret> {
    let content = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    tokio::task::spawn_blocking(move || DevpiSecret::derive(&content)).await?.map_err(plain)
}

impl Import<'_> {
    /// Takes over the tokens of the users who moved in, or says that they must be made anew.
    pub(super) async fn bring_tokens(&mut self) -> Result<()> {
        for (name, user) in self.plan.users.clone() {
            if user.tokens.is_empty() {
                continue;
            }
            let owner = self.moved_in.get(&name).copied();
            match (self.core, self.secret.clone(), owner) {
                (_, None, _) => {
                    let ids: Vec<&str> = user.tokens.keys().map(String::as_str).collect();
                    let ids = ids.join(", ");
                    let text =
                        format!("tokens of {name} no longer work: make new ones, or import again with --secretfile ({ids})");
                    self.report.next.push(text);
                }
                (None, Some(_), _) => {}
                (Some(_), Some(_), None) => {
                    self.report
                        .next
                        .push(format!("tokens of {name} were left out, because another {name} was here before: make new ones"));
                }
                (Some(core), Some(secret), Some(owner)) => self.keep_tokens(core, &secret, owner, &name, &user).await?,
            }
        }
        Ok(())
    }

    /// One that is here is left as it is. Keys are derived before the transaction: they take their time.
    async fn keep_tokens(
        &mut self,
        core: &Core,
        secret: &DevpiSecret,
        owner: UserId,
        name: &UserName,
        user: &User,
    ) -> Result<()> {
        let known = db::devpi_tokens::of_user(&mut core.db.read().await?, owner).await?;
        for (id, token) in user.tokens.iter().filter(|(id, _)| known.iter().all(|known| known.id != **id)) {
            match root_key(secret, token).await? {
                Ok(key) => {
                    let now = core.clock.now();
                    let mut c = core.db.begin().await?;
                    if db::devpi_tokens::add(&mut c, owner, id, &key, &token.restrictions, now).await? {
                        let detail = json!({"user": name, "token": id});
                        account::note(&mut c, ACTOR, Action::TokenAdd, detail, now).await.map_err(plain)?;
                    }
                    c.commit().await?;
                }
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
