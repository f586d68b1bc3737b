//! Argon2 in memory of its own. What hashing takes is asked for first, so that a lack of it is an error and not the end of the process,
//! and goes back to the system when it is done. Blocks; knows no user and no password but the one it is given.

use crate::error::{Error, Result};
use crate::limits;
use argon2::password_hash::Error as HashError;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// The hash of a password with a new salt, with the library's costs (argon2id, 19 MiB, 2 passes), as a PHC string.
pub(super) fn hash(password: &[u8]) -> Result<String> {
    let (salt, params) = (Salt::generate(), Params::DEFAULT);
    let output = derive(Algorithm::default(), &params, password, &salt)?;
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(&params).map_err(failed)?,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Whether this is the password of a hash; not if the hash cannot be read, or is of another version. Whoever calls this has looked at
/// what it costs.
pub(super) fn verify(password: &[u8], hash: &str) -> Result<bool> {
    let Ok(hash) = PasswordHash::new(hash) else { return Ok(false) };
    let (Ok(algorithm), Ok(params)) = (Algorithm::try_from(hash.algorithm.as_str()), Params::try_from(&hash)) else {
        return Ok(false);
    };
    match (&hash.salt, &hash.hash) {
        _ if hash.version != Some(Version::default().into()) => Ok(false),
        // This comparison takes the same time wherever the two differ.
        (Some(salt), Some(wanted)) => Ok(derive(algorithm, &params, password, salt)? == *wanted),
        _ => Ok(false),
    }
}

fn derive(algorithm: Algorithm, params: &Params, password: &[u8], salt: &[u8]) -> Result<Output> {
    let mut memory = memory(params.block_count())?;
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut out = vec![0; length];
    let argon = Argon2::new(algorithm, Version::default(), params.clone());
    argon.hash_password_into_with_memory(password, salt, &mut out, &mut memory[..]).map_err(HashError::from).map_err(failed)?;
    Output::new(&out).map_err(|error| failed(error.into()))
}

/// So many blocks. More is reserved where they are few, and never touched: of blocks up to 32 MiB the C library keeps the room for
/// the next time, once for each thread that ever had one.
fn memory(blocks: usize) -> Result<Vec<Block>> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks.max(limits::HASH_RESERVED_BYTES / Block::SIZE)).map_err(|_| Error::exhausted())?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}

fn failed(error: HashError) -> Error {
    Error::Internal(anyhow::anyhow!("hashing a password: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_its_password_s() {
        let (one, other) = (hash(b"secret").unwrap(), hash(b"secret").unwrap());
        assert_ne!(one, other, "each has its own salt");
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        for (password, good) in [(&b"secret"[..], true), (b"Secret", false), (b"", false)] {
            assert_eq!((verify(password, &one).unwrap(), verify(password, &other).unwrap()), (good, good));
        }
        for broken in [
            "",
            "secret",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        ] {
            assert!(!verify(b"secret", broken).unwrap(), "{broken}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        assert!(matches!(memory(usize::MAX / 2), Err(Error::Unavailable { .. })));
        assert!(memory(8).unwrap().capacity() >= limits::HASH_RESERVED_BYTES / Block::SIZE);
    }
}
