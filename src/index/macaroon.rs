//! Macaroons: tokens that their holders may narrow without asking anybody. Each caveat is hashed with the signature so far as
//! the key, so that one can be added by whoever holds the token, and none can be taken away again.
//!
//! Read and written in the binary format of version 2 with first-party caveats, as pymacaroons does for devpi-tokens; what a
//! caveat means is `caveats`' business. Pure: bytes in, bytes out.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The format's version, its first byte.
const VERSION: u8 = 2;
/// What the root key is hashed under before it is used, in every implementation.
const KEY_GENERATOR: &[u8] = b"macaroons-key-generator";
/// Types of the fields; a section of fields ends with [`END`].
const END: u64 = 0;
const LOCATION: u64 = 1;
const IDENTIFIER: u64 = 2;
const SIGNATURE: u64 = 6;

/// URL-safe Base64 as found in the wild: with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A macaroon, verified or not.
#[derive(Clone, PartialEq, Eq)]
pub struct Macaroon {
    /// By which its root key is found.
    pub identifier: String,
    /// What it is confined to, in the order of signing. All of them must hold.
    pub caveats: Vec<String>,
    signature: [u8; 32],
}

impl std::fmt::Debug for Macaroon {
    /// Without the signature, which is what makes it a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Macaroon {{ identifier: {:?}, caveats: {:?}, signature: *** }}", self.identifier, self.caveats)
    }
}

impl Macaroon {
    /// Signs a new one.
    pub fn new(root_key: &[u8], identifier: String, caveats: Vec<String>) -> Self {
        let signature = sign(root_key, &identifier, &caveats);
        Self { identifier, caveats, signature }
    }

    /// Whether it was made with this root key, and each of its caveats added by somebody who held it. Takes the same time
    /// wherever signatures differ.
    pub fn is_signed_with(&self, root_key: &[u8]) -> bool {
        sign(root_key, &self.identifier, &self.caveats).ct_eq(&self.signature).into()
    }

    /// Reads URL-safe Base64; `None` for what is no macaroon, or has a caveat that a third party would have to discharge.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let mut reader = Reader { rest };
        let identifier = reader.header().filter(|_| version == VERSION)?;
        let mut caveats = Vec::new();
        while let Some(caveat) = reader.caveat()? {
            caveats.push(caveat);
        }
        let (field, signature) = reader.field()?;
        let whole = field == SIGNATURE && reader.rest.is_empty();
        Some(Self { identifier, caveats, signature: signature.try_into().ok().filter(|_| whole)? })
    }

    /// Writes URL-safe Base64 without padding.
    pub fn serialize(&self) -> String {
        let mut bytes = vec![VERSION];
        // An empty location, as pymacaroons writes it.
        put_field(&mut bytes, LOCATION, b"");
        put_field(&mut bytes, IDENTIFIER, self.identifier.as_bytes());
        put_number(&mut bytes, END);
        for caveat in &self.caveats {
            put_field(&mut bytes, IDENTIFIER, caveat.as_bytes());
            put_number(&mut bytes, END);
        }
        put_number(&mut bytes, END);
        put_field(&mut bytes, SIGNATURE, &self.signature);
        general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn sign(root_key: &[u8], identifier: &str, caveats: &[String]) -> [u8; 32] {
    let first = hmac(&hmac(KEY_GENERATOR, root_key), identifier.as_bytes());
    caveats.iter().fold(first, |signature, caveat| hmac(&signature, caveat.as_bytes()))
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length; the type says otherwise because other MACs do not.
    Hmac::<Sha256>::new_from_slice(key).map(|mac| mac.chain_update(data).finalize().into_bytes().into()).unwrap_or_default()
}

/// Takes fields from the front of what is left.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The macaroon's identifier; where it is to be used may stand before it, and is not signed.
    fn header(&mut self) -> Option<String> {
        match self.field()? {
            (LOCATION, _) => self.caveat()?,
            first => self.identifier(first),
        }
    }

    /// The next caveat; `Some(None)` at the end of all. The outer `None` is a text that is no macaroon of ours.
    fn caveat(&mut self) -> Option<Option<String>> {
        match self.field()? {
            (END, _) => Some(None),
            first => self.identifier(first).map(Some),
        }
    }

    /// The text of a section that begins with this field and has no other: more is the key of a third party's caveat.
    fn identifier(&mut self, (field, data): (u64, &[u8])) -> Option<String> {
        let alone = field == IDENTIFIER && self.field()?.0 == END;
        String::from_utf8(data.to_vec()).ok().filter(|_| alone)
    }

    fn field(&mut self) -> Option<(u64, &'a [u8])> {
        let field = self.number()?;
        if field == END {
            return Some((END, &[]));
        }
        let length = usize::try_from(self.number()?).ok()?;
        let (data, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((field, data))
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

fn put_field(bytes: &mut Vec<u8>, field: u64, data: &[u8]) {
    put_number(bytes, field);
    put_number(bytes, data.len() as u64);
    bytes.extend_from_slice(data);
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    /// Made with pymacaroons 0.13.
    const PLAIN: &str = "AgEAAhFhbGljZS1jaS1BYkNkMjM0NQACF2FsbG93ZWQ9cGtnX3JlYWQsdXBsb2FkAAINZXhwaXJlcz1uZXZlcgAABiCnrdUFzQhr6BSr7gdRcFF3zA2s0toSDlyKBe52R50-fQ";
    /// The same after pypitoken has narrowed it.
    const NARROWED: &str = "AgEAAhFhbGljZS1jaS1BYkNkMjM0NQACF2FsbG93ZWQ9cGtnX3JlYWQsdXBsb2FkAAINZXhwaXJlcz1uZXZlcgACC1swLCA3MCwgMTBdAAIMWzEsIFsiYXBwIl1dAAAGILaPMDBqocbKfV_CVFOrNAGcYKsd3HVGwrenjG-flU1F";
    /// With a location and a caveat longer than one byte can count.
    const LONG: &str = "AgEFdGhlcmUCA2IteAACyAJwcm9qZWN0cz1wcm9qZWN0LTAscHJvamVjdC0xLHByb2plY3QtMixwcm9qZWN0LTMscHJvamVjdC00LHByb2plY3QtNSxwcm9qZWN0LTYscHJvamVjdC03LHByb2plY3QtOCxwcm9qZWN0LTkscHJvamVjdC0xMCxwcm9qZWN0LTExLHByb2plY3QtMTIscHJvamVjdC0xMyxwcm9qZWN0LTE0LHByb2plY3QtMTUscHJvamVjdC0xNixwcm9qZWN0LTE3LHByb2plY3QtMTgscHJvamVjdC0xOSxwcm9qZWN0LTIwLHByb2plY3QtMjEscHJvamVjdC0yMixwcm9qZWN0LTIzLHByb2plY3QtMjQscHJvamVjdC0yNSxwcm9qZWN0LTI2LHByb2plY3QtMjcscHJvamVjdC0yOCxwcm9qZWN0LTI5AAAGIEmOJ-sKPbJfiOKQFtORvG6x8d_RE9pWn66SjDjUsqTu";

    #[test]
    fn what_pymacaroons_makes_is_made_and_verified_here() {
        let caveats = vec!["allowed=pkg_read,upload".to_owned(), "expires=never".to_owned()];
        let made = Macaroon::new(KEY, "alice-ci-AbCd2345".into(), caveats);
        assert_eq!(made.serialize(), PLAIN);
        assert_eq!(Macaroon::parse(PLAIN), Some(made.clone()));
        assert!(made.is_signed_with(KEY) && !made.is_signed_with(b"another"));
        let long = Macaroon::parse(LONG).unwrap();
        assert!(long.is_signed_with(&[b'k'; 16]) && long.caveats[0].len() > 300);
    }

    #[test]
    fn caveats_are_added_without_the_key_but_not_taken_away() {
        let narrowed = Macaroon::parse(NARROWED).unwrap();
        assert_eq!(narrowed.caveats[2..], ["[0, 70, 10]", r#"[1, ["app"]]"#]);
        assert!(narrowed.is_signed_with(KEY));
        for n in 0..narrowed.caveats.len() {
            let mut wider = narrowed.clone();
            wider.caveats.remove(n);
            assert!(!wider.is_signed_with(KEY), "without caveat {n}");
        }
        let other = Macaroon { identifier: "bob-ci-AbCd2345".into(), ..narrowed };
        assert!(!other.is_signed_with(KEY));
    }

    #[test]
    fn padding_may_be_there_or_not() {
        let padded = format!("{PLAIN}{}", "=".repeat((4 - PLAIN.len() % 4) % 4));
        assert_eq!(Macaroon::parse(&padded), Macaroon::parse(PLAIN));
    }

    #[test]
    fn whatever_is_cut_or_changed_is_refused_and_never_panics() {
        let bytes = BASE64.decode(PLAIN).unwrap();
        let encode = |bytes: &[u8]| general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        for length in 0..bytes.len() {
            assert_eq!(Macaroon::parse(&encode(&bytes[..length])), None, "{length}");
        }
        for n in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[n] ^= 0x81;
            assert!(Macaroon::parse(&encode(&changed)).is_none_or(|token| !token.is_signed_with(KEY)), "{n}");
        }
        assert_eq!(Macaroon::parse(&encode(&[&bytes[..], b"x"].concat())), None);
        let third_party = [&[2, 1, 0, 2, 1, b'i', 0, 2, 1, b'c', 4, 1, b'v', 0, 0, 6, 32][..], &[0; 32]].concat();
        assert_eq!(Macaroon::parse(&encode(&third_party)), None);
        for text in [
            "",
            "devpi",
            "sesame, open",
            "MDAwZWxvY2F0aW9uIAo",
            &encode(&[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            assert_eq!(Macaroon::parse(text), None, "{text}");
        }
    }

    #[test]
    fn its_signature_is_not_shown() {
        let shown = format!("{:?}", Macaroon::parse(PLAIN).unwrap());
        assert!(shown.ends_with("signature: *** }"), "{shown}");
    }
}
