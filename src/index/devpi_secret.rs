//! How devpi-server derives the root keys of its tokens, so that tokens made there go on here after an import. Pure.
//!
//! devpi stores of a token only a salt (`key`). Its root key comes from two rounds of Argon2id: the content of the server's
//! `--secretfile` becomes the plugin's secret, and that, with the token's salt, the token's root key.

use crate::error::{Error, Result};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Bytes of both keys.
const KEY_BYTES: usize = 16;
/// The salt of the first round, which keeps the secrets of devpi's plugins apart.
const PLUGIN_SALT: &[u8] = b"devpi-tokens";
/// Memory in KiB, passes and lanes of the first round: devpi-server's own defaults, which its manual does not show.
const SERVER_COSTS: (u32, u32, u32) = (512 * 1024, 16, 8);
/// The same of the second round, as devpi-tokens has them.
const TOKEN_COSTS: (u32, u32, u32) = (100 * 1024, 2, 8);

/// The secret of devpi-tokens on one devpi server.
#[derive(Clone, PartialEq, Eq)]
pub struct DevpiSecret([u8; KEY_BYTES]);

impl std::fmt::Debug for DevpiSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DevpiSecret(***)")
    }
}

impl DevpiSecret {
    /// Derives it from the whole content of the server's `--secretfile`. Takes 512 MiB of memory and some ten seconds: once an
    /// import, and on the blocking pool.
    pub fn derive(secretfile: &[u8]) -> Result<Self> {
        derive(secretfile, PLUGIN_SALT, SERVER_COSTS).map(Self)
    }

    /// The root key of a token whose record has this `key`. Takes 100 MiB of memory and a fraction of a second.
    pub fn root_key(&self, key: &str) -> Result<Vec<u8>> {
        let unreadable = |_| Error::BadRequest("the key of a devpi token is not URL-safe Base64".into());
        let salt = URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).map_err(unreadable)?;
        derive(&self.0, &salt, TOKEN_COSTS).map(Vec::from)
    }
}

/// The root key of one token of a devpi server. For several, derive the [`DevpiSecret`] once.
pub fn imported_root_key(secretfile: &[u8], key: &str) -> Result<Vec<u8>> {
    DevpiSecret::derive(secretfile)?.root_key(key)
}

fn derive(secret: &[u8], salt: &[u8], (memory, passes, lanes): (u32, u32, u32)) -> Result<[u8; KEY_BYTES]> {
    let failed = |error| Error::Internal(anyhow::anyhow!("deriving a key of devpi's: {error}"));
    let params = Params::new(memory, passes, lanes, Some(KEY_BYTES)).map_err(failed)?;
    let mut key = [0; KEY_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(secret, salt, &mut key).map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::super::macaroon::Macaroon;
    use super::*;

    /// Seen on devpi-server 6.20.3 with devpi-tokens 1.1.0: the secret file, and of two tokens the record's key and the token.
    const SECRETFILE: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz+/secret";
    const TOKENS: [(&str, &str); 2] = [
        (
            "uSQhml0iUlC9gERFQBnjl8PVJnFydgD4rZFBCXvZ0VI",
            "AgEAAg5hbGljZS1INUVFQmFTeQACF2FsbG93ZWQ9cGtnX3JlYWQsdXBsb2FkAAINZXhwaXJlcz1uZXZlcgACEWluZGV4ZXM9YWxpY2UvZGV2AAIMbm90X2JlZm9yZT01AAIUcHJvamVjdHM9Rm9vLkJhcixhcHAAAAYggvc2kTQZcjlyjosS74p92PBTzatatAFpvnpWDZLLFg0",
        ),
        (
            "1mMulBqyi_UL1YiaFkfMnI0rv2Gmux5C_XB9sFxS7mU",
            "AgEAAg5hbGljZS1HYUVNNVc1egACDWV4cGlyZXM9bmV2ZXIAAAYgLRxK0Tto6FCW5HSpCCRyGaw9OfMLV70QupOIvhp5VUw",
        ),
    ];

    #[test]
    fn tokens_of_a_devpi_server_are_accepted() {
        let secret = DevpiSecret::derive(SECRETFILE).unwrap();
        let keys = TOKENS.map(|(key, _)| secret.root_key(key).unwrap());
        for (n, (_, token)) in TOKENS.iter().enumerate() {
            let token = Macaroon::parse(token).unwrap();
            assert!(token.is_signed_with(&keys[n]) && !token.is_signed_with(&keys[1 - n]));
        }
        assert!(secret.root_key("no base64!").is_err() && secret.root_key("").is_err());
        assert_eq!(format!("{secret:?}"), "DevpiSecret(***)");
    }
}
