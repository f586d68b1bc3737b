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
        let identifier = reader.section().filter(|_| version == VERSION)??;
        let mut caveats = Vec::new();
        while let Some(caveat) = reader.section()? {
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
    /// The identifier of the next section, a location before it aside; `Some(None)` at the section that ends the caveats. The
    /// outer `None` is a text that is no macaroon of ours.
    fn section(&mut self) -> Option<Option<String>> {
        let (mut field, mut data) = self.field()?;
        if field == END {
            return Some(None);
        }
        if field == LOCATION {
            (field, data) = self.field()?;
        }
        let identifier = String::from_utf8(data.to_vec()).ok().filter(|_| field == IDENTIFIER)?;
        // Anything more is the key of a third party's caveat.
        self.field().filter(|(field, _)| *field == END).map(|_| Some(identifier))
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
