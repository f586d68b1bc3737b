//! Passwords: hashing them, comparing them, and taking hashes that were made elsewhere.
//!
//! A check is slow on purpose and takes memory, so only a few run at once, and one that is dearer than ours runs alone. No
//! password and no hash is logged.

use super::argon;
use super::core::Core;
use super::credentials::{SESSION_PREFIX, TOKEN_PREFIX};
use super::devpi_tokens;
use crate::error::{Error, Result};
use crate::limits;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Params, Version};
use tokio::sync::Semaphore;

/// A new password, in whichever form it comes.
#[derive(Clone, PartialEq, Eq)]
pub enum NewPassword {
    /// Itself.
    Plain(String),
    /// Argon2 as a PHC string, such as devpi's `pwhash`.
    Hashed(String),
    /// None: no password opens the account.
    Nothing,
}

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPassword(***)")
    }
}

impl From<&str> for NewPassword {
    fn from(password: &str) -> Self {
        Self::Plain(password.into())
    }
}

impl From<&String> for NewPassword {
    fn from(password: &String) -> Self {
        Self::Plain(password.clone())
    }
}

impl From<String> for NewPassword {
    fn from(password: String) -> Self {
        Self::Plain(password)
    }
}

/// How many checks may run at once.
#[derive(Debug)]
pub struct Checks {
    ours: Semaphore,
    dear: Semaphore,
}

impl Default for Checks {
    fn default() -> Self {
        Self { ours: Semaphore::new(limits::PASSWORD_CHECKS_AT_ONCE), dear: Semaphore::new(1) }
    }
}

/// The hash of a password that nobody has: with the costs of a real one.
pub(super) const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$6tkWbQXcVYcRvJF6m4lYkdo1iPvLvMxL7xuVkGdJdCI";

/// What is stored of a new password; `None`: no password.
pub(super) async fn stored(core: &Core, password: &NewPassword) -> Result<Option<String>> {
    match password {
        NewPassword::Plain(password) => hash(core, password).await.map(Some),
        NewPassword::Hashed(hash) => check_hash(hash).map(|()| Some(hash.clone())).map_err(Error::BadRequest),
        NewPassword::Nothing => Ok(None),
    }
}

/// Hashes a password: argon2id with the library's costs (19 MiB, 2 passes), as a PHC string.
pub async fn hash(core: &Core, password: &str) -> Result<String> {
    if password.len() > limits::PASSWORD_BYTES_MAX {
        return Err(Error::BadRequest(format!("A password has at most {} bytes", limits::PASSWORD_BYTES_MAX)));
    }
    // It would be taken for a token or a session wherever it is used.
    if [TOKEN_PREFIX, SESSION_PREFIX].iter().any(|prefix| password.starts_with(prefix)) {
        return Err(Error::BadRequest(format!("A password must not begin with {TOKEN_PREFIX} or {SESSION_PREFIX}")));
    }
    if devpi_tokens::parse(password).is_some() {
        return Err(Error::BadRequest("A password must not be a devpi token".into()));
    }
    let password = password.to_owned();
    let _permit = core.verified.checks.ours.acquire().await.map_err(|e| Error::Internal(e.into()))?;
    tokio::task::spawn_blocking(move || argon::hash(password.as_bytes())).await?
}

/// Compares a password with a hash, on the blocking pool and not too many at once. A hash that cannot be read, or asks for
/// more than this server gives, is no password's.
pub(super) async fn verify(core: &Core, password: String, hash: String) -> Result<bool> {
    let Some(costs) = Costs::of(&hash).filter(Costs::are_bearable) else {
        tracing::warn!("a user's password hash cannot be read or is too dear to check: set the password anew");
        return Ok(false);
    };
    let checks = &core.verified.checks;
    let gate = if costs.are_dear() { &checks.dear } else { &checks.ours };
    let _permit = gate.acquire().await.map_err(|e| Error::Internal(e.into()))?;
    tokio::task::spawn_blocking(move || argon::verify(password.as_bytes(), &hash)).await?
}

/// Whether a hash has other costs than ours, so that the password should be hashed anew when it is next seen.
pub(super) fn is_foreign(hash: &str) -> bool {
    Costs::of(hash).is_none_or(|costs| costs != Costs::ours())
}

/// Whether this server takes a hash that was made elsewhere; if not, a sentence that says why.
pub fn check_hash(hash: &str) -> Result<(), String> {
    match Costs::of(hash) {
        None => Err("'pwhash' must be an Argon2 hash as a PHC string: $argon2id$v=19$m=...,t=...,p=...$salt$hash".into()),
        Some(costs) if !costs.are_bearable() => Err(format!(
            "'pwhash' is too dear to check here: at most m={},t={},p={}",
            limits::FOREIGN_HASH_MEMORY_KIB_MAX,
            limits::FOREIGN_HASH_PASSES_MAX,
            limits::FOREIGN_HASH_LANES_MAX
        )),
        Some(_) => Ok(()),
    }
}

/// What checking a hash takes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Costs {
    algorithm: Algorithm,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Costs {
    fn ours() -> Self {
        Self::from_params(Algorithm::default(), &Params::DEFAULT)
    }

    /// Reads them from a PHC string; `None` if it is no complete Argon2 hash of the current version.
    fn of(hash: &str) -> Option<Self> {
        let parsed = PasswordHash::new(hash).ok().filter(|parsed| parsed.hash.is_some() && parsed.salt.is_some())?;
        let current = parsed.version == Some(Version::V0x13.into());
        let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).ok().filter(|_| current)?;
        Params::try_from(&parsed).ok().map(|params| Self::from_params(algorithm, &params))
    }

    fn from_params(algorithm: Algorithm, params: &Params) -> Self {
        Self { algorithm, memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() }
    }

    fn are_bearable(&self) -> bool {
        self.memory_kib <= limits::FOREIGN_HASH_MEMORY_KIB_MAX
            && self.passes <= limits::FOREIGN_HASH_PASSES_MAX
            && self.lanes <= limits::FOREIGN_HASH_LANES_MAX
    }

    fn are_dear(&self) -> bool {
        let ours = Self::ours();
        self.memory_kib > ours.memory_kib || self.passes > ours.passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by devpi-server 6.20.3 (passlib) of `alice pw`.
    const OF_DEVPI: &str = "$argon2id$v=19$m=65536,t=3,p=4$FIJwjrFWitG6d47xHqPU2g$zCuPTU//H32qMw7C1TrBUYggQvBvqQXtfioEzUzC7po";

    /// A hash that does not parse would be refused at once, and its speed would tell that there is no such user.
    #[test]
    fn nobodys_hash_costs_what_a_real_one_costs() {
        let real = argon::hash(b"secret").unwrap();
        assert!(!is_foreign(NOBODYS_HASH) && !is_foreign(&real));
        let bytes = |text: &str| PasswordHash::new(text).unwrap().hash.unwrap().len();
        assert_eq!(bytes(NOBODYS_HASH), bytes(&real));
    }

    #[test]
    fn hashes_of_devpi_are_taken_within_bounds() {
        assert_eq!(check_hash(OF_DEVPI), Ok(()));
        assert!(Costs::of(OF_DEVPI).unwrap().are_dear() && is_foreign(OF_DEVPI));
        assert_eq!(check_hash(&OF_DEVPI.replace("argon2id", "argon2i")), Ok(()));
        let with = |costs: &str| check_hash(&OF_DEVPI.replace("m=65536,t=3,p=4", costs));
        assert_eq!(with("m=131072,t=8,p=16"), Ok(()));
        for dear in ["m=131073,t=3,p=4", "m=65536,t=9,p=4", "m=65536,t=3,p=17"] {
            assert!(with(dear).unwrap_err().contains("m=131072,t=8,p=16"), "{dear}");
        }
        let incomplete = OF_DEVPI.rsplit_once('$').unwrap().0;
        for other in [
            "",
            "secret",
            "$2b$12$abc",
            "$argon2id$x",
            incomplete,
            &OF_DEVPI.replace("v=19", "v=16"),
            &OF_DEVPI.replace("argon2id", "scrypt"),
        ] {
            assert!(check_hash(other).unwrap_err().contains("PHC string"), "{other}");
        }
    }
}
