//! SHA-256 digests: the key of every blob and the hash in every file link.

use std::fmt;

/// A SHA-256 digest as its 32 raw bytes; shown and parsed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

/// The text or bytes are not a SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 digest: 64 hex digits are wanted")]
pub struct InvalidDigest;

impl Sha256 {
    /// Takes the 32 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Hashes `bytes`. For whole files use the spool, which hashes while it writes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Parses 64 hex digits of either case.
    pub fn parse(hex_text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(hex_text, &mut bytes).map_err(|_| InvalidDigest)?;
        Ok(Self(bytes))
    }

    /// The raw bytes, as the database holds them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// 64 lower-case hex digits.
    pub fn hex(&self) -> String {
        let mut digits = [0; 64];
        // They have room. `hex::encode` would write them one by one.
        let _ = hex::encode_to_slice(self.0, &mut digits);
        std::str::from_utf8(&digits).unwrap_or_default().into()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({})", self.hex())
    }
}

impl TryFrom<Vec<u8>> for Sha256 {
    type Error = InvalidDigest;
    fn try_from(bytes: Vec<u8>) -> Result<Self, InvalidDigest> {
        bytes.try_into().map(Self).map_err(|_| InvalidDigest)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        Self::parse(&text)
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> String {
        digest.hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways() {
        let digest = Sha256::of(b"cheese");
        assert_eq!(Sha256::parse(&digest.hex()), Ok(digest));
        assert_eq!(Sha256::parse(&digest.hex().to_uppercase()), Ok(digest));
        assert_eq!(Sha256::try_from(digest.as_bytes().to_vec()), Ok(digest));
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        for text in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(66)] {
            assert_eq!(Sha256::parse(text), Err(InvalidDigest), "{text:?}");
        }
    }
}
