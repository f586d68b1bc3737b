//! Who is calling: passwords, tokens and sessions, and the short memory of those found good.
//!
//! pip sends its password with each of hundreds of requests, and a password is slow to check on purpose. A success is
//! remembered for a minute, under a keyed hash, and forgotten at once when any account changes.

use super::access::{Caller, Scope, TokenInfo, User};
use super::core::Core;
use super::{devpi_tokens, passwords};
use crate::clock::Timestamp;
use crate::db;
use crate::error::{Error, Result};
use crate::limits;
use crate::names::UserName;
use crate::pypi::Sha256;
use moka::future::Cache;
use sha2::{Digest, Sha256 as Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What every token begins with. Not `devpi-` or `pypi-`: devpi's client rewrites passwords that do.
pub const TOKEN_PREFIX: &str = "cheeseshop_";
/// What every session's secret begins with.
pub const SESSION_PREFIX: &str = "cheeseshop-session_";

/// Whether a secret is a token of either kind, which knows its owner and needs no user name.
pub fn is_token(secret: &str) -> bool {
    secret.starts_with(TOKEN_PREFIX) || devpi_tokens::parse(secret).is_some()
}

/// What a request brought along to prove who sends it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name; `None` with a bearer token. Ignored beside a token of ours, which knows its owner.
    pub user: Option<String>,
    /// Password, token or session.
    pub secret: String,
    /// The client's address, by which wrong passwords are counted; `None`: they are not.
    pub from: Option<IpAddr>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials {{ user: {:?}, secret: *** }}", self.user)
    }
}

/// Credentials found good a moment ago.
#[derive(Debug)]
pub struct Verified {
    cache: Cache<[u8; 32], Known>,
    /// Counts up when an account changes, so that a check that began before cannot be remembered after.
    generation: AtomicU64,
    /// Mixed into the keys, so that what lies in memory is no plain hash of a password.
    salt: [u8; 32],
    /// A password's check takes memory and a core for a while; not everybody at once.
    pub(super) checks: passwords::Checks,
}

#[derive(Debug, Clone)]
struct Known {
    caller: Arc<Caller>,
    generation: u64,
    expires: Option<Timestamp>,
}

impl Default for Verified {
    fn default() -> Self {
        let mut salt = [0; 32];
        if let Err(error) = getrandom::fill(&mut salt) {
            tracing::warn!(%error, "no randomness for the memory of credentials; it works without");
        }
        Self {
            cache: Cache::builder().max_capacity(limits::CREDENTIALS_KEPT).time_to_live(limits::CREDENTIALS_KEPT_FOR).build(),
            generation: AtomicU64::new(0),
            salt,
            checks: passwords::Checks::default(),
        }
    }
}

impl Verified {
    /// Forgets everything: an account has changed.
    pub fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate_all();
    }

    fn key(&self, credentials: &Credentials) -> [u8; 32] {
        let user = credentials.user.as_deref().unwrap_or_default();
        let mut hasher = Hasher::new();
        hasher.update(self.salt);
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update((user.len() as u64).to_le_bytes());
        hasher.update(user);
        hasher.update(&credentials.secret);
        hasher.finalize().into()
    }
}

/// Finds out who is calling; [`Error::Unauthorized`] if the credentials are not good.
///
/// However many requests bring the same credentials at once, they are checked once.
pub async fn authenticate(core: &Core, credentials: &Credentials) -> Result<Arc<Caller>> {
    let (verified, now) = (&core.verified, core.clock.now());
    let key = verified.key(credentials);
    let generation = verified.generation.load(Ordering::SeqCst);
    if let Some(known) = verified.cache.get(&key).await {
        if known.generation == generation && known.expires.is_none_or(|at| now < at) {
            return Ok(known.caller);
        }
        verified.cache.invalidate(&key).await;
    }
    let check = async {
        let checked = check(core, credentials, now).await;
        let (caller, expires) = told(core, credentials, checked).await?;
        Ok::<_, Error>(Known { caller: Arc::new(caller), generation, expires })
    };
    let checked = Box::pin(verified.cache.try_get_with(key, check)).await;
    checked.map(|known| known.caller).map_err(|error| error.share())
}

/// Logs a refusal, so that somebody who guesses is noticed. The name only if somebody has it: people paste secrets into the wrong
/// field.
async fn told<T>(core: &Core, credentials: &Credentials, checked: Result<T>) -> Result<T> {
    if matches!(checked, Err(Error::Unauthorized(_))) {
        core.metrics.sign_ins_refused.inc();
        let name = credentials.user.as_deref().and_then(|name| UserName::parse(name).ok());
        let user = match &name {
            Some(name) => db::users::by_name(&mut core.db.read().await?, name.as_str()).await?.map(|user| user.name),
            None => None,
        };
        tracing::info!(user = user.as_ref().map(UserName::as_str), "sign-in refused");
    }
    checked
}

async fn check(core: &Core, credentials: &Credentials, now: Timestamp) -> Result<(Caller, Option<Timestamp>)> {
    let secret = credentials.secret.as_str();
    if let Some(token) = devpi_tokens::parse(secret) {
        return devpi_tokens::check(core, credentials.user.as_deref(), &token, now).await?.ok_or(REFUSED);
    }
    if secret.len() > limits::PASSWORD_BYTES_MAX {
        return Err(REFUSED);
    }
    if secret.starts_with(SESSION_PREFIX) {
        check_session(core, credentials, now).await
    } else if secret.starts_with(TOKEN_PREFIX) {
        check_token(core, secret, now).await
    } else {
        check_password(core, credentials).await
    }
}

const REFUSED: Error = Error::Unauthorized("The user name, password or token is wrong, or has expired");

async fn check_session(core: &Core, credentials: &Credentials, now: Timestamp) -> Result<(Caller, Option<Timestamp>)> {
    let hash = Sha256::of(credentials.secret.as_bytes());
    let session = db::sessions::by_hash(&mut core.db.read().await?, &hash).await?.ok_or(REFUSED)?;
    let user_fits = credentials.user.as_deref().is_none_or(|name| name == session.user_name.as_str());
    if session.expires <= now || !user_fits {
        return Err(REFUSED);
    }
    let user = User { name: session.user_name, admin: session.admin };
    Ok((Caller { user: Some(user), token: None }, Some(session.expires)))
}

async fn check_token(core: &Core, secret: &str, now: Timestamp) -> Result<(Caller, Option<Timestamp>)> {
    let hash = Sha256::of(secret.as_bytes());
    let token = db::tokens::by_hash(&mut core.db.read().await?, &hash).await?.ok_or(REFUSED)?;
    if token.expires.is_some_and(|at| at <= now) {
        return Err(REFUSED);
    }
    let scope: Scope = serde_json::from_value(token.scope.0).map_err(|e| Error::Internal(e.into()))?;
    may_fail(note_use(core, &hash, now).await);
    let user = User { name: token.user_name, admin: token.admin };
    Ok((Caller { user: Some(user), token: Some(TokenInfo { name: token.name, scope }) }, token.expires))
}

/// Goes on although the use of a token could not be noted: a full disk keeps nobody from reading.
pub(super) fn may_fail(noted: Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "it cannot be noted that a token was used");
    }
}

async fn note_use(core: &Core, token: &Sha256, now: Timestamp) -> Result<()> {
    let mut c = core.db.begin().await?;
    db::tokens::touch(&mut c, token, now).await?;
    c.commit().await?;
    Ok(())
}

async fn check_password(core: &Core, credentials: &Credentials) -> Result<(Caller, Option<Timestamp>)> {
    let user = find_by_password(core, credentials).await?;
    Ok((Caller { user: Some(User { name: user.name, admin: user.admin }), token: None }, None))
}

/// The user whose password this is, as it was when that was found out: the database is asked, whatever was remembered.
pub(super) async fn user_of_password(core: &Core, credentials: &Credentials) -> Result<db::users::User> {
    match credentials.secret.len() > limits::PASSWORD_BYTES_MAX {
        true => Err(REFUSED),
        false => {
            let found = find_by_password(core, credentials).await;
            told(core, credentials, found).await
        }
    }
}

async fn find_by_password(core: &Core, credentials: &Credentials) -> Result<db::users::User> {
    let name = credentials.user.as_deref().ok_or(REFUSED)?;
    core.throttle.admit(name, credentials.from, core.clock.now())?;
    let user = db::users::by_name(&mut core.db.read().await?, name).await?.filter(|user| user.disabled.is_none());
    // A missing user costs the same time as a wrong password, so that nobody can list users with a stop-watch.
    let hash = user.as_ref().and_then(|user| user.password_hash.clone()).unwrap_or_else(|| passwords::NOBODYS_HASH.into());
    let good = passwords::verify(core, credentials.secret.clone(), hash).await?;
    let Some(mut user) = user.filter(|_| good) else {
        core.throttle.failed(name, core.verified.key(credentials), credentials.from, core.clock.now());
        return Err(REFUSED);
    };
    core.throttle.succeeded(name, credentials.from);
    if let Some(renewed) = renew(core, &user, &credentials.secret).await {
        user.password_hash = Some(renewed);
    }
    Ok(user)
}

/// Hashes a password that was just found good with our own costs, if it came from elsewhere with others. The password stays the
/// same, so no session ends and nothing is journalled; if it fails, the next sign-in tries again. Returns the new hash.
async fn renew(core: &Core, user: &db::users::User, password: &str) -> Option<String> {
    let old = user.password_hash.as_deref().filter(|hash| passwords::is_foreign(hash))?;
    let renewed = async {
        let new = passwords::hash(core, password).await?;
        let mut c = core.db.begin().await?;
        db::users::renew_hash(&mut c, user.id, old, &new).await?;
        c.commit().await?;
        Ok::<_, Error>(new)
    };
    renewed
        .await
        .inspect(|_| tracing::info!(user = user.name.as_str(), "the password has been hashed anew"))
        .inspect_err(|error| tracing::warn!(user = user.name.as_str(), %error, "the password could not be hashed anew"))
        .ok()
}

/// A new secret with this prefix: 32 random bytes in letters and digits that survive URLs, headers and shells.
pub fn new_secret(prefix: &str) -> Result<String> {
    use base64::Engine;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| Error::Internal(anyhow::anyhow!("no randomness: {e}")))?;
    Ok(format!("{prefix}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

/// Exchanges a good password for a session; returns its secret and when it ends. Refused if the password has been changed since
/// `user` was read: that has ended all sessions, and this one must not be born after it.
pub async fn begin_session(core: &Core, user: &db::users::User, length: Duration) -> Result<(String, Timestamp)> {
    let now = core.clock.now();
    let (secret, expires) = (new_secret(SESSION_PREFIX)?, now.plus(length));
    let mut c = core.db.begin().await?;
    let current = db::users::lock(&mut c, user.id).await?;
    if current.is_none_or(|current| current.password_hash != user.password_hash) {
        return Err(REFUSED);
    }
    db::sessions::add(&mut c, &Sha256::of(secret.as_bytes()), user.id, now, expires).await?;
    c.commit().await?;
    Ok((secret, expires))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, two) = (new_secret(TOKEN_PREFIX).unwrap(), new_secret(TOKEN_PREFIX).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with(TOKEN_PREFIX) && one.len() == TOKEN_PREFIX.len() + 43, "{}", one.len());
    }

    #[test]
    fn credentials_do_not_show_their_secret() {
        let shown = format!("{:?}", Credentials { user: Some("alice".into()), secret: "hunter2".into(), from: None });
        assert!(shown.contains("alice") && !shown.contains("hunter2"));
    }
}
