//! devpi tokens (the plugin devpi-tokens): making, listing and revoking them, and checking one that a request brings.
//!
//! A token is a macaroon whose identifier is `user-id`. Its owner's client may add caveats to it; the server keeps only the
//! root key that all of them are signed from, so revoking one revokes what was derived from it.

use super::access::{Caller, TokenInfo, User};
use super::account::{self, find_user, note};
use super::caveats::Bounds;
use super::core::Core;
use super::credentials::may_fail;
use super::macaroon::Macaroon;
use super::{follow, restrictions};
use crate::clock::Timestamp;
use crate::db::devpi_tokens::Shown;
use crate::db::journal::Action;
use crate::db::{self, UserId};
use crate::error::{Error, Result};
use crate::limits;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What a token begins with as it is made. One that the plugin's client derived from it begins with nothing.
const PREFIX: &str = "devpi-";
/// Letters and digits of an id: those that people do not take for one another, as the plugin has them.
const ID_LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Letters of an id; it is no secret.
const ID_LENGTH: usize = 8;

/// Reads a secret that is a devpi token, genuine or not. `None` for anything else, such as a password.
pub fn parse(secret: &str) -> Option<Macaroon> {
    let fits = secret.len() <= limits::DEVPI_TOKEN_BYTES_MAX;
    let token = fits.then(|| Macaroon::parse(secret.strip_prefix(PREFIX).unwrap_or(secret)))??;
    owner_and_id(&token).is_some().then_some(token)
}

fn owner_and_id(token: &Macaroon) -> Option<(&str, &str)> {
    // No database looks for a NUL.
    token.identifier.rsplit_once('-').filter(|_| !token.identifier.contains('\0'))
}

/// Who calls with this token beside this user name, and until when that holds; `None` if it is not good.
///
/// The name may be missing, the owner's, or `__token__`: the last the plugin refuses, but it is what every uploader's manual
/// says, and no harm comes of it. Any other name is refused as the plugin does.
pub(super) async fn check(
    core: &Core,
    name: Option<&str>,
    token: &Macaroon,
    now: Timestamp,
) -> Result<Option<(Caller, Option<Timestamp>)>> {
    let Some((owner, id)) = owner_and_id(token) else { return Ok(None) };
    if name.is_some_and(|name| !["", "__token__", owner].contains(&name)) {
        return Ok(None);
    }
    let Some(key) = db::devpi_tokens::key(&mut core.db.read().await?, owner, id).await? else { return Ok(None) };
    // The signature first: nothing is read into caveats that nobody signed.
    let bounds = Some(token).filter(|token| token.is_signed_with(&key.secret)).and_then(|token| Bounds::read(&token.caveats));
    let Some(bounds) = bounds.filter(|bounds| bounds.is_valid_at(now)) else { return Ok(None) };
    may_fail(note_use(core, key.user_id, id, now).await);
    let (user, end) = (User { name: key.user_name, admin: key.admin }, bounds.end());
    let token = TokenInfo { name: format!("{PREFIX}{id}"), scope: bounds.scope() };
    Ok(Some((Caller { user: Some(user), token: Some(token) }, end)))
}

async fn note_use(core: &Core, user: UserId, id: &str, now: Timestamp) -> Result<()> {
    let mut c = core.db.begin().await?;
    db::devpi_tokens::touch(&mut c, user, id, now).await?;
    c.commit().await?;
    Ok(())
}

/// Makes a token of `owner` with the restrictions that a request names, and returns it; it is shown this once.
pub async fn create(core: &Arc<Core>, caller: &Caller, owner: &str, request: &Map<String, Value>) -> Result<String> {
    require(core, caller, owner, "make")?;
    let user = find_user(core, owner).await?;
    let now = core.clock.now();
    let restrictions = restrictions::read(request, now, account::may_modify_others(core, caller))?;
    let (id, root_key) = (new_id()?, random::<32>()?);
    let token = Macaroon::new(&root_key, format!("{}-{id}", user.name), restrictions.clone());
    let token = format!("{PREFIX}{}", token.serialize());
    // Twice the bytes leave room for what its holder may add.
    if token.len() * 2 > limits::DEVPI_TOKEN_BYTES_MAX {
        return Err(Error::BadRequest("the restrictions are too many for one token: name fewer indexes or projects".into()));
    }
    let (actor, task) = (caller.actor(), core.clone());
    follow::change(core, async move {
        let mut c = task.db.begin().await?;
        if !db::devpi_tokens::add(&mut c, user.id, &id, &root_key, &restrictions, now).await? {
            return Err(Error::Conflict("the new token's id is taken: try again".into()));
        }
        let detail = json!({"user": user.name, "token": format!("{PREFIX}{id}"), "restrictions": restrictions});
        note(&mut c, &actor, Action::TokenAdd, detail, now).await?;
        c.commit().await?;
        Ok(token)
    })
    .await
}

/// A user's tokens, for whoever may change the user.
pub async fn list(core: &Core, caller: &Caller, owner: &str) -> Result<Vec<Shown>> {
    require(core, caller, owner, "see")?;
    let user = find_user(core, owner).await?;
    Ok(db::devpi_tokens::of_user(&mut core.db.read().await?, user.id).await?)
}

/// Revokes a token and all that were derived from it; they are refused from the next request on.
pub async fn remove(core: &Arc<Core>, caller: &Caller, owner: &str, id: &str) -> Result<()> {
    require(core, caller, owner, "revoke")?;
    let user = find_user(core, owner).await?;
    let (actor, task, id) = (caller.actor(), core.clone(), id.to_owned());
    follow::change(core, async move {
        let mut c = task.db.begin().await?;
        if !db::devpi_tokens::remove(&mut c, user.id, &id).await? {
            return Err(Error::NotFound(format!("No token with id {id}")));
        }
        let detail = json!({"user": user.name, "token": format!("{PREFIX}{id}")});
        note(&mut c, &actor, Action::TokenRemove, detail, task.clock.now()).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

/// The right to change the user, which no token has.
fn require(core: &Core, caller: &Caller, owner: &str, what: &str) -> Result<()> {
    match account::may_modify_user(core, caller, owner) {
        true => Ok(()),
        false => Err(Error::Forbidden(format!("no permission to {what} tokens of user {owner}"))),
    }
}

fn new_id() -> Result<String> {
    let letter = |byte: u8| char::from(ID_LETTERS[usize::from(byte) % ID_LETTERS.len()]);
    Ok(random::<ID_LENGTH>()?.map(letter).iter().collect())
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::Internal(anyhow::anyhow!("no randomness: {e}")))?;
    Ok(bytes)
}
