//! Versions (PEP 440): parsed, normalized, ordered; and an order for the legacy texts that old releases carry.
//!
//! The text is kept as its author wrote it, because that is what a release is called in links and listings. No other file
//! may compare versions as text.

use super::legible;
use crate::limits::VERSION_BYTES_MAX;
use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

/// A PEP 440 version. Equal, ordered and hashed by its value (`1.0` equals `1.0.0`), shown as it was given.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    text: String,
    value: pep440_rs::Version,
}

/// The text is not a version that PEP 440 knows, is too long, or holds a number above 2^64 - 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a version: PEP 440 wants numbers and dots, then optionally a, b, rc, .post or .dev with a number, as in 1.2.3rc1"
)]
pub struct InvalidVersion(pub String);

impl Version {
    /// Parses `text` by PEP 440, spellings such as `v1.0-beta` included. White space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidVersion> {
        let text = text.trim();
        let refuse = || InvalidVersion(legible(text, VERSION_BYTES_MAX));
        if text.len() > VERSION_BYTES_MAX {
            return Err(refuse());
        }
        let value: pep440_rs::Version = text.parse().map_err(|_| refuse())?;
        if value.local().iter().any(is_oversized_number) || is_too_long_when_normalized(text, &value) {
            return Err(refuse());
        }
        Ok(Self { text: text.to_owned(), value })
    }

    /// The text as given, without white space around it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// PEP 440's normal form: `v1.0-Beta` is `1.0b0`. Zeros at the end of the release segment stay.
    pub fn normalized(&self) -> String {
        self.value.to_string()
    }

    /// The one text of all versions that are equal: normal form without zeros at the end of the release segment.
    /// `1.0.0+local` is `1+local`.
    pub fn canonical(&self) -> String {
        let release = self.value.release();
        let kept = significant(release);
        self.value.clone().with_release(if kept.is_empty() { &release[..1] } else { kept }).to_string()
    }

    /// Whether installers skip it unless asked: alpha, beta, release candidate or development release.
    pub fn is_prerelease(&self) -> bool {
        self.value.any_prerelease()
    }

    /// Whether it has a `.devN` segment.
    pub fn is_development(&self) -> bool {
        self.value.is_dev()
    }

    /// Bytes that compare as the versions do, for a database column. Never shown, never parsed.
    pub fn sort_key(&self) -> Vec<u8> {
        let mut key = SortKey(vec![VALID]);
        key.number(self.value.epoch());
        for part in significant(self.value.release()) {
            key.more().number(*part);
        }
        key.end();
        key.suffixes(&self.value);
        for segment in self.value.local() {
            match segment {
                pep440_rs::LocalSegment::String(word) => key.word(word),
                pep440_rs::LocalSegment::Number(n) => key.local_number(*n),
            }
        }
        key.end();
        key.0
    }
}

/// The key of any text, comparable with [`Version::sort_key`]: texts that PEP 440 does not know come before every version.
///
/// To sort many versions, compute each key once: `versions.sort_by_cached_key(|v| sort_key(v))`.
pub fn sort_key(text: &str) -> Vec<u8> {
    match Version::parse(text) {
        Ok(version) => version.sort_key(),
        Err(_) => [&[LEGACY], text.trim().as_bytes()].concat(),
    }
}

/// What names the release of any text: [`Version::canonical`], or the text itself if PEP 440 does not know it.
pub fn canonical(text: &str) -> String {
    Version::parse(text).map_or_else(|_| text.trim().to_owned(), |version| version.canonical())
}

/// Orders any two texts: legacy ones first, by bytes; then versions by PEP 440. Equal only if the texts are.
pub fn compare_text(a: &str, b: &str) -> Ordering {
    sort_key(a).cmp(&sort_key(b)).then_with(|| a.cmp(b))
}

/// The release numbers without the zeros at the end.
fn significant(release: &[u64]) -> &[u64] {
    let used = release.iter().rposition(|n| *n != 0).map_or(0, |last| last + 1);
    &release[..used]
}

/// The normal form can be some bytes longer (`1-1` is `1.post1`), and what a version is called must be one itself.
fn is_too_long_when_normalized(text: &str, value: &pep440_rs::Version) -> bool {
    text.len() > VERSION_BYTES_MAX / 2 && value.to_string().len() > VERSION_BYTES_MAX
}

/// The parser keeps a local number above 2^64 - 1 as a word, which would sort it below small numbers.
fn is_oversized_number(segment: &pep440_rs::LocalSegment) -> bool {
    matches!(segment, pep440_rs::LocalSegment::String(word) if word.bytes().all(|b| b.is_ascii_digit()))
}

const LEGACY: u8 = 0;
const VALID: u8 = 1;

/// Builds a sort key. Lists are written as marked items and an end mark below every item mark, so that a shorter list
/// sorts before a longer one that begins with it.
struct SortKey(Vec<u8>);

impl SortKey {
    const END: u8 = 0;
    const WORD: u8 = 1;
    const NUMBER: u8 = 2;

    fn end(&mut self) {
        self.0.push(Self::END);
    }

    fn more(&mut self) -> &mut Self {
        self.0.push(Self::NUMBER);
        self
    }

    /// The count of significant bytes, then those bytes, the highest first: larger numbers have more or higher bytes.
    fn number(&mut self, n: u64) {
        let bytes = n.to_be_bytes();
        let significant = &bytes[n.leading_zeros() as usize / 8..];
        self.0.push(significant.len() as u8);
        self.0.extend_from_slice(significant);
    }

    fn local_number(&mut self, n: u64) {
        self.more().number(n);
    }

    /// A word of ASCII letters and digits, so the end mark is below all of its bytes.
    fn word(&mut self, word: &str) {
        self.0.push(Self::WORD);
        self.0.extend_from_slice(word.as_bytes());
        self.end();
    }

    /// PEP 440's order of what follows the release numbers: `.dev`, `a`, `b`, `rc`, nothing, `.post`; within each, a
    /// `.post` is above none and a `.dev` is below none.
    fn suffixes(&mut self, value: &pep440_rs::Version) {
        use pep440_rs::PrereleaseKind::{Alpha, Beta, Rc};
        let (pre, post, dev) = (value.pre(), value.post(), value.dev());
        let phase = match (pre.map(|p| p.kind), post, dev) {
            (None, None, Some(_)) => 1,
            (Some(Alpha), ..) => 2,
            (Some(Beta), ..) => 3,
            (Some(Rc), ..) => 4,
            (None, None, None) => 5,
            (None, Some(_), _) => 6,
        };
        self.0.push(phase);
        self.number(pre.map_or(0, |p| p.number));
        match post {
            Some(n) => self.more().number(n),
            None => self.end(),
        }
        self.number(dev.unwrap_or(u64::MAX));
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sort_key().hash(state);
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;
    fn try_from(text: String) -> Result<Self, InvalidVersion> {
        Self::parse(&text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As given, normal form, canonical form: the answers of Python's `packaging` 26.3.
    const FORMS: &[(&str, &str, &str)] = &[
        ("1.0", "1.0", "1"),
        (" 1.0.0 ", "1.0.0", "1"),
        ("v1.0", "1.0", "1"),
        ("0.0", "0.0", "0"),
        ("1.0.post0", "1.0.post0", "1.post0"),
        ("1.0-1", "1.0.post1", "1.post1"),
        ("1.0-r4", "1.0.post4", "1.post4"),
        ("1.0-Beta", "1.0b0", "1b0"),
        ("1.2.0.preview-3", "1.2.0rc3", "1.2rc3"),
        ("1.0c2", "1.0rc2", "1rc2"),
        ("1.0a.dev", "1.0a0.dev0", "1a0.dev0"),
        ("1!2.0", "1!2.0", "1!2"),
        ("01.002", "1.2", "1.2"),
        ("1.0.0+Ubuntu_01-x", "1.0.0+ubuntu.1.x", "1+ubuntu.1.x"),
        ("20240131.0", "20240131.0", "20240131"),
    ];

    /// In the order of Python's `packaging` 26.3.
    const ORDERED: &[&str] = &[
        "0.1",
        "1.dev0",
        "1.0.dev456",
        "1.0a1",
        "1.0a2.dev456",
        "1.0a12.dev456",
        "1.0a12",
        "1.0b1.dev456",
        "1.0b2",
        "1.0b2.post345.dev456",
        "1.0b2.post345",
        "1.0rc1.dev456",
        "1.0rc1",
        "1.0",
        "1.0+abc.5",
        "1.0+abc.7",
        "1.0+5",
        "1.0+5.1",
        "1.0.post456.dev34",
        "1.0.post456",
        "1.0.1",
        "1.1.dev1",
        "1.9",
        "1.10",
        "255.1",
        "256",
        "2024.1",
        "65536.0",
        "1!0.1",
    ];

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn forms_are_those_of_the_reference_implementation() {
        for (text, normal, canonical) in FORMS {
            let parsed = version(text);
            assert_eq!((parsed.normalized().as_str(), parsed.canonical().as_str()), (*normal, *canonical), "{text}");
            assert_eq!(parsed.as_str(), text.trim());
            assert_eq!(parsed, version(canonical), "{text}");
        }
    }

    #[test]
    fn order_is_that_of_the_reference_implementation() {
        for pair in ORDERED.windows(2) {
            let (low, high) = (pair[0], pair[1]);
            assert!(version(low) < version(high), "{low} < {high}");
            assert!(version(low).sort_key() < version(high).sort_key(), "{low} < {high} by key");
            assert_eq!(compare_text(low, high), Ordering::Less, "{low} < {high} as text");
        }
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        let long = format!("1.{}", "0".repeat(VERSION_BYTES_MAX));
        let grows = format!("1-1+{}", "a".repeat(VERSION_BYTES_MAX - 4));
        let texts = [
            "",
            "1.",
            "a",
            "1.0.*",
            "1..0",
            "1.0+",
            "1.0+a..b",
            "1.0/..",
            "2004d-x",
            "１.0",
            "18446744073709551616",
            "1.0a18446744073709551616",
            "1+18446744073709551616",
            "==1.0",
            "1.0\u{0}",
            &long,
            &grows,
        ];
        for text in texts {
            assert!(Version::parse(text).is_err(), "{text:?}");
        }
        assert!(Version::parse(&long).unwrap_err().0.len() <= VERSION_BYTES_MAX + 4, "the error does not echo long input");
    }

    #[test]
    fn legacy_texts_come_before_all_versions_and_never_tie() {
        let mut texts = vec!["1.0", "2004d-x", "0.dev0", "1.0.0", "", "dev-r12", "0a0.dev0"];
        texts.sort_by(|a, b| compare_text(a, b));
        assert_eq!(texts, ["", "2004d-x", "dev-r12", "0.dev0", "0a0.dev0", "1.0", "1.0.0"]);
        let mut by_key = texts.clone();
        by_key.reverse();
        by_key.sort_by_cached_key(|text| (sort_key(text), text.to_owned()));
        assert_eq!(by_key, texts);
    }

    #[test]
    fn prereleases() {
        for (text, expected) in [("1.0", false), ("1.0.post1", false), ("1.0.dev1", true), ("1.0rc1", true), ("1+a1", false)] {
            assert_eq!(version(text).is_prerelease(), expected, "{text}");
        }
    }

    /// Few distinct numbers, so that generated versions often tie in a part; large ones, so that key lengths differ.
    fn any_version() -> impl Strategy<Value = String> {
        let number = prop_oneof![0u64..4, Just(255), Just(256), Just(u64::MAX), any::<u64>()].boxed();
        let n = || number.clone();
        let suffix = |word: &'static str| proptest::option::of(n().prop_map(move |n| format!("{word}{n}")));
        let local = proptest::collection::vec(prop_oneof!["[a-b]{1,2}", n().prop_map(|n| n.to_string())], 0..3);
        let pre = prop_oneof![Just(String::new()), ("(a|b|rc)", n()).prop_map(|(kind, n)| format!("{kind}{n}"))];
        (0u64..2, proptest::collection::vec(n(), 1..4), pre, suffix(".post"), suffix(".dev"), local).prop_map(
            |(epoch, release, pre, post, dev, local)| {
                let release: Vec<String> = release.iter().map(u64::to_string).collect();
                let plus = if local.is_empty() { "" } else { "+" };
                let (post, dev) = (post.unwrap_or_default(), dev.unwrap_or_default());
                format!("{epoch}!{}{pre}{post}{dev}{plus}{}", release.join("."), local.join("."))
            },
        )
    }

    proptest! {
        #[test]
        fn keys_compare_as_versions_do(a in any_version(), b in any_version()) {
            let (a, b) = (version(&a), version(&b));
            prop_assert_eq!(a.sort_key().cmp(&b.sort_key()), a.value.cmp(&b.value));
        }

        #[test]
        fn canonical_text_names_the_same_version(text in any_version()) {
            let given = version(&text);
            prop_assert_eq!(&version(&given.canonical()), &given);
            prop_assert_eq!(version(&given.canonical()).canonical(), given.canonical());
        }

        #[test]
        fn any_text_is_judged_without_panic(a in ".{0,40}", b in "[0-9a-z.+!_-]{0,40}") {
            prop_assert_eq!(compare_text(&a, &b), compare_text(&b, &a).reverse());
            prop_assert_eq!(compare_text(&a, &b) == Ordering::Equal, a == b);
        }
    }
}
