//! Users and tokens: making, changing and removing them. Who is calling is `credentials`' business.

use super::access::{self, Caller, Scope};
use super::core::Core;
use super::passwords::NewPassword;
use super::settings::{Edit, Kind, apply};
use super::{credentials, follow, passwords};
use crate::clock::Timestamp;
use crate::db::journal::{Action, Change};
use crate::db::users::{Profile, User};
use crate::db::{self, Conn};
use crate::error::{Error, Result};
use crate::limits;
use crate::names::UserName;
use crate::pypi::Sha256;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A wanted change of a user; `None` leaves a field as it is, an empty value clears it.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// New password.
    pub password: Option<NewPassword>,
    /// The session that brings the new password, if one does: it goes on, because devpi's client does not sign in again.
    pub session: Option<Sha256>,
    /// Free text.
    pub email: Option<String>,
    /// Free text.
    pub title: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Any JSON; null clears it.
    pub custom_data: Option<Value>,
}

/// A 404 for a user, in devpi's words.
pub fn no_user(name: &str) -> Error {
    Error::NotFound(format!("no user '{name}'"))
}

/// The user of this name, or the 404.
pub async fn find_user(core: &Core, name: &str) -> Result<User> {
    db::users::by_name(&mut core.db.read().await?, name).await?.ok_or_else(|| no_user(name))
}

/// Makes a user. Root may, and anybody if the server is open for that.
pub async fn create_user(
    core: &Arc<Core>,
    caller: &Caller,
    name: &str,
    password: impl Into<NewPassword>,
    profile: Profile,
) -> Result<User> {
    check_new_user(core, caller, name).await?;
    let name = UserName::parse(name).map_err(|e| Error::BadRequest(e.to_string()))?;
    let hash = passwords::stored(core, &password.into()).await?;
    let actor = caller.actor();
    let task = core.clone();
    follow::change(core, async move {
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        let admin = name == UserName::root();
        if db::users::add(&mut c, &name, &profile, hash.as_deref(), admin, now).await?.is_none() {
            return Err(user_exists());
        }
        note(&mut c, &actor, Action::UserAdd, json!({"user": name}), now).await?;
        let user = db::users::by_name(&mut c, name.as_str()).await?.ok_or_else(|| no_user(name.as_str()))?;
        c.commit().await?;
        Ok(user)
    })
    .await
}

/// Whether this caller may make users.
pub fn may_make_users(core: &Core, caller: &Caller) -> bool {
    let open = core.rules.restrict_modify.is_none() && core.rules.open_signup && caller.token.is_none();
    open || may_modify_others(core, caller)
}

/// Whether this caller may make users (403) and the name is free (409): what is told before a request is read any further.
pub async fn check_new_user(core: &Core, caller: &Caller, name: &str) -> Result<()> {
    if !may_make_users(core, caller) {
        return Err(Error::Forbidden("no permission to create user".into()));
    }
    match db::users::by_name(&mut core.db.read().await?, name).await? {
        Some(_) => Err(user_exists()),
        None => Ok(()),
    }
}

fn user_exists() -> Error {
    Error::Conflict("user already exists".into())
}

/// Whether this caller may change other users: root and those whom `--restrict-modify` names, never by a token.
pub fn may_modify_others(core: &Core, caller: &Caller) -> bool {
    let named = |user: &access::User| core.rules.restrict_modify.iter().flatten().any(|name| *name == user.name);
    caller.is_admin() || caller.token.is_none() && caller.user.as_ref().is_some_and(named)
}

/// Whether this caller may change this user, apart from the password.
pub fn may_modify_user(core: &Core, caller: &Caller, name: &str) -> bool {
    may_modify_others(core, caller) || core.rules.restrict_modify.is_none() && caller.may_manage_user(name)
}

/// Whether this caller may remove this user. Nobody may remove root, and whom `--restrict-modify` names not themselves.
pub fn may_delete_user(core: &Core, caller: &Caller, name: &str) -> bool {
    let themselves = caller.user.as_ref().is_some_and(|user| user.name.as_str() == name);
    let keeps_itself = core.rules.restrict_modify.is_some() && themselves;
    name != UserName::root().as_str() && !keeps_itself && may_modify_user(core, caller, name)
}

/// Changes a user. A new password ends the user's other sessions.
pub async fn modify_user(core: &Arc<Core>, caller: &Caller, name: &str, patch: UserPatch) -> Result<()> {
    let only_password = patch.password.is_some() && patch_is_only_password(&patch);
    // With restricted modification users keep the right to their own password.
    let allowed = may_modify_user(core, caller, name) || only_password && caller.may_manage_user(name);
    if !allowed {
        // As in devpi, whose list of users anybody may read.
        find_user(core, name).await?;
        let what = if only_password { "change password for" } else { "modify" };
        return Err(Error::Forbidden(format!("no permission to {what} user {name}")));
    }
    let user = find_user(core, name).await?;
    let hash = match &patch.password {
        Some(password) => Some(passwords::stored(core, password).await?),
        None => None,
    };
    let (actor, task) = (caller.actor(), core.clone());
    follow::change(core, async move {
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        // As it is now: another node may have changed another field a moment ago, and the profile is written as a whole.
        let user = db::users::lock(&mut c, user.id).await?.ok_or_else(|| no_user(user.name.as_str()))?;
        if let Some(hash) = &hash {
            db::users::set_password(&mut c, user.id, hash.as_deref(), now).await?;
            db::sessions::remove_of_user(&mut c, user.id, patch.session.as_ref()).await?;
            note(&mut c, &actor, Action::UserPassword, json!({"user": user.name}), now).await?;
        }
        let profile = patched(&user, patch);
        if profile != patched(&user, UserPatch::default()) {
            db::users::set_profile(&mut c, user.id, &profile, now).await?;
            note(&mut c, &actor, Action::UserSet, json!({"user": user.name}), now).await?;
        }
        c.commit().await?;
        Ok(())
    })
    .await
}

fn patch_is_only_password(patch: &UserPatch) -> bool {
    patch.email.is_none() && patch.title.is_none() && patch.description.is_none() && patch.custom_data.is_none()
}

fn patched(user: &User, patch: UserPatch) -> Profile {
    let text = |new: Option<String>, old: &Option<String>| match new {
        Some(new) => Some(new).filter(|text| !text.is_empty()),
        None => old.clone(),
    };
    Profile {
        email: text(patch.email, &user.email),
        title: text(patch.title, &user.title),
        description: text(patch.description, &user.description),
        custom_data: match patch.custom_data {
            Some(new) => Some(new).filter(|value| !value.is_null()),
            None => user.custom_data.as_ref().map(|json| json.0.clone()),
        },
    }
}

/// Removes a user with all indexes, tokens and sessions, and the name from every access list: a later user of the same name
/// inherits nothing. Refused while the user has an index that is not volatile.
pub async fn delete_user(core: &Arc<Core>, caller: &Caller, name: &str) -> Result<()> {
    if !may_delete_user(core, caller, name) {
        return Err(Error::Forbidden(format!("no permission to delete user {name}")));
    }
    let user = find_user(core, name).await?;
    let (actor, task) = (caller.actor(), core.clone());
    follow::change(core, async move {
        let now = task.clock.now();
        // The lists are written back as the tree has them: what another process changed must be in it.
        follow::catch_up(&task).await?;
        let tree = task.tree.load_full();
        if let Some(kept) = tree.of_user(user.name.as_str()).iter().find(|place| !place.index.settings.volatile) {
            return Err(Error::Forbidden(format!("user '{}' has non-volatile index: {}", user.name, kept.index.path.index)));
        }
        let mut c = task.db.begin().await?;
        for index in db::indexes::all(&mut c).await? {
            purge_from_lists(&mut c, &index, &user.name).await?;
        }
        // Rows first: an upload to one of the indexes holds some and waits for the journal's lock.
        db::users::remove(&mut c, user.id).await?;
        for place in tree.of_user(user.name.as_str()) {
            let change = Change {
                actor: &actor,
                index: Some(place.index.id),
                project: None,
                action: Action::IndexRemove,
                detail: Value::Null,
            };
            db::journal::append(&mut c, &change, now).await?;
        }
        note(&mut c, &actor, Action::UserRemove, json!({"user": user.name}), now).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

async fn purge_from_lists(c: &mut Conn, index: &db::indexes::Index, name: &UserName) -> Result<()> {
    if !ACCESS_LISTS.iter().any(|key| names(index.settings.get(*key), name)) {
        return Ok(());
    }
    // As they are now: another node may be changing them.
    let Some(options) = db::indexes::lock(c, index.id).await? else { return Ok(()) };
    let listing = ACCESS_LISTS.iter().filter(|key| names(options.get(**key), name));
    let edits: Vec<Edit> = listing.map(|key| Edit::Remove((*key).into(), name.to_string())).collect();
    let wrong = |text: String| Error::Internal(anyhow::anyhow!(text));
    let next = apply(Kind::parse(&index.kind).map_err(wrong)?, &options, &edits).map_err(wrong)?;
    Ok(db::indexes::set_settings(c, index.id, &next).await?)
}

/// The options that hold users' names.
const ACCESS_LISTS: [&str; 3] = ["acl_read", "acl_upload", "acl_toxresult_upload"];

fn names(list: Option<&Value>, name: &UserName) -> bool {
    list.and_then(Value::as_array).is_some_and(|list| list.iter().any(|item| item == name.as_str()))
}

/// Exchanges a password for a session of a tool (`devpi login`): its secret, and how long it lasts. `from`: the client's address.
pub async fn login(core: &Core, user: &str, password: &str, from: IpAddr) -> Result<(String, Duration)> {
    let secret = exchange(core, user, password, from, limits::SESSION_LENGTH).await?;
    Ok((secret, limits::SESSION_LENGTH))
}

/// Exchanges a password for a session of a browser.
pub async fn sign_in(core: &Core, user: &str, password: &str, from: IpAddr) -> Result<String> {
    exchange(core, user, password, from, limits::WEB_SESSION_LENGTH).await
}

/// Ends a session before its time.
pub async fn sign_out(core: &Core, session: &Sha256) -> Result<()> {
    let mut c = core.db.begin().await?;
    db::sessions::remove(&mut c, session).await?;
    c.commit().await?;
    core.verified.forget_all();
    Ok(())
}

/// Ends the sessions of a user, in browsers and tools, but for the one with the key `but`. The user and root may; tokens go on.
pub async fn end_sessions(core: &Arc<Core>, caller: &Caller, name: &str, but: Option<Sha256>) -> Result<()> {
    if !caller.may_manage_user(name) {
        return Err(Error::Forbidden(format!("no permission to end sessions of user {name}")));
    }
    let user = find_user(core, name).await?;
    let (actor, task) = (caller.actor(), core.clone());
    follow::change(core, async move {
        let mut c = task.db.begin().await?;
        db::sessions::remove_of_user(&mut c, user.id, but.as_ref()).await?;
        // Journalled, because other nodes remember sessions that were good a moment ago.
        note(&mut c, &actor, Action::UserSignOut, json!({"user": user.name}), task.clock.now()).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

/// Whether this is the user's present password: asked before it is replaced in a browser, which somebody may have left open.
/// [`Error::Unauthorized`] if it is not; wrong ones count as at sign-in.
pub async fn confirm_password(core: &Core, user: &str, password: &str, from: IpAddr) -> Result<()> {
    let given = credentials::Credentials { user: Some(user.into()), secret: password.into(), from: Some(from) };
    credentials::user_of_password(core, &given).await.map(drop)
}

async fn exchange(core: &Core, user: &str, password: &str, from: IpAddr, length: Duration) -> Result<String> {
    let wrong = || Error::Unauthorized("the user could not be authenticated");
    // A session that could beget another would last for ever.
    if password.starts_with(credentials::SESSION_PREFIX) {
        return Err(wrong());
    }
    // A token is for machines and narrow; a session would widen it.
    if credentials::is_token(password) {
        return Err(wrong());
    }
    let given = credentials::Credentials { user: Some(user.into()), secret: password.into(), from: Some(from) };
    let user = credentials::user_of_password(core, &given).await?;
    let (secret, _) = credentials::begin_session(core, &user, length).await?;
    Ok(secret)
}

/// Makes a token and returns its secret, which is shown this once.
pub async fn create_token(
    core: &Arc<Core>,
    caller: &Caller,
    owner: &str,
    name: &str,
    scope: Scope,
    expires: Option<Timestamp>,
) -> Result<String> {
    check_token_request(caller, owner, name, &scope)?;
    let user = find_user(core, owner).await?;
    let secret = credentials::new_secret(credentials::TOKEN_PREFIX)?;
    let hash = Sha256::of(secret.as_bytes());
    let (actor, task, name) = (caller.actor(), core.clone(), name.to_owned());
    follow::change(core, async move {
        let now = task.clock.now();
        let scope = serde_json::to_value(&scope).map_err(|e| Error::Internal(e.into()))?;
        let token = db::tokens::NewToken { user_id: user.id, name: &name, hash, scope: &scope, expires };
        let mut c = task.db.begin().await?;
        if !db::tokens::add(&mut c, &token, now).await? {
            return Err(Error::Conflict(format!("user '{}' has a token named '{name}' already", user.name)));
        }
        note(&mut c, &actor, Action::TokenAdd, json!({"user": user.name, "token": name, "scope": scope}), now).await?;
        c.commit().await?;
        Ok(secret)
    })
    .await
}

/// Whether this token may be made by this caller.
pub(super) fn check_token_request(caller: &Caller, owner: &str, name: &str, scope: &Scope) -> Result<()> {
    if !caller.may_manage_user(owner) {
        return Err(Error::Forbidden(format!("no permission to make tokens for user {owner}")));
    }
    let printable = !name.is_empty() && name.len() <= limits::TOKEN_NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if !printable {
        return Err(Error::BadRequest(format!(
            "a token's name has 1 to {} bytes and no control characters",
            limits::TOKEN_NAME_BYTES_MAX
        )));
    }
    match scope.allow.is_empty() {
        true => Err(Error::BadRequest("a token must allow something: read, upload, manage".into())),
        false => Ok(()),
    }
}

/// A user's tokens, for the user and root.
pub async fn tokens(core: &Core, caller: &Caller, owner: &str) -> Result<Vec<db::tokens::Token>> {
    if !caller.may_manage_user(owner) {
        return Err(Error::Forbidden(format!("no permission to see tokens of user {owner}")));
    }
    let user = find_user(core, owner).await?;
    Ok(db::tokens::of_user(&mut core.db.read().await?, user.id).await?)
}

/// Revokes a token; it is refused from the next request on.
pub async fn remove_token(core: &Arc<Core>, caller: &Caller, owner: &str, name: &str) -> Result<()> {
    if !caller.may_manage_user(owner) {
        return Err(Error::Forbidden(format!("no permission to revoke tokens of user {owner}")));
    }
    let user = find_user(core, owner).await?;
    let (actor, task, name) = (caller.actor(), core.clone(), name.to_owned());
    follow::change(core, async move {
        let now = task.clock.now();
        let mut c = task.db.begin().await?;
        if !db::tokens::remove(&mut c, user.id, &name).await? {
            return Err(Error::NotFound(format!("user '{}' has no token named '{name}'", user.name)));
        }
        note(&mut c, &actor, Action::TokenRemove, json!({"user": user.name, "token": name}), now).await?;
        c.commit().await?;
        Ok(())
    })
    .await
}

/// Journals something that concerns no index.
pub async fn note(c: &mut Conn, actor: &str, action: Action, detail: Value, now: Timestamp) -> Result<()> {
    let change = Change { actor, index: None, project: None, action, detail };
    db::journal::append(c, &change, now).await?;
    Ok(())
}
