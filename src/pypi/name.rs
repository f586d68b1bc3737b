//! Project names: one type, one parser, one normalization (PEP 503, the name normalization specification).
//!
//! No other file may lower-case or replace characters of a project name.

use std::fmt;

/// A project name in its normalized form: ASCII lower case, every run of `-`, `_`, `.` one `-`.
///
/// Holding one proves that the text it came from was a valid name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(try_from = "String")]
pub struct ProjectName(String);

/// The text is not a project name: it must be ASCII letters, digits, `.`, `_`, `-`, and begin and end with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a project name: use ASCII letters, digits, '.', '_' and '-', and begin and end with a letter or digit")]
pub struct InvalidName(pub String);

/// The longest name that is accepted, in bytes. A file name of a common file system holds no more.
pub const NAME_BYTES_MAX: usize = 200;

impl ProjectName {
    /// Checks `text` against the name rule of the core metadata specification and normalizes it.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let bytes = text.as_bytes();
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let valid = bytes.len() <= NAME_BYTES_MAX && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner);
        match valid {
            true => Ok(Self(normalize(text))),
            false => Err(InvalidName(text.chars().take(NAME_BYTES_MAX).collect())),
        }
    }

    /// The normalized text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `filename` begins with this name in any spelling: `Foo.Bar-1.0.zip` begins with `foo-bar`. So does
    /// `foobarista-1.0.zip` with `foobar`: where the name ends cannot be told from the text of old file names.
    pub fn begins(&self, filename: &str) -> bool {
        normalize(filename).starts_with(&self.0)
    }

    /// The form that file names of wheels and source distributions begin with: `-` written as `_` (PEP 427, PEP 625).
    pub fn in_filename(&self) -> String {
        self.0.replace('-', "_")
    }
}

/// Writes any text as names are written, as far as that goes: for looking up names that somebody has typed only a part of.
pub fn like(text: &str) -> String {
    normalize(text.trim_matches(['-', '_', '.']))
}

fn normalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ProjectName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl std::borrow::Borrow<str> for ProjectName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_one_project_are_equal() {
        for spelling in ["friendly-bard", "Friendly-Bard", "FRIENDLY-BARD", "friendly.bard", "friendly_bard", "FrIeNdLy-._.-bArD"]
        {
            assert_eq!(ProjectName::parse(spelling).unwrap().as_str(), "friendly-bard", "{spelling}");
        }
    }

    #[test]
    fn file_names_begin_with_the_name_in_any_spelling() {
        let name = ProjectName::parse("foo-bar").unwrap();
        for (filename, expected) in [("Foo.Bar-1.0.zip", true), ("foo__bar-1.zip", true), ("foobar-1.zip", false), ("", false)] {
            assert_eq!(name.begins(filename), expected, "{filename}");
        }
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for text in
            ["", "-a", "a-", ".a", "a.", "_", "a b", "a/b", "é", "a\n", "a\0", "a%2fb", "<b>", &"a".repeat(NAME_BYTES_MAX + 1)]
        {
            assert!(ProjectName::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(text in "[A-Za-z0-9]([A-Za-z0-9._-]{0,30}[A-Za-z0-9])?") {
            let once = ProjectName::parse(&text).unwrap();
            prop_assert_eq!(&ProjectName::parse(once.as_str()).unwrap(), &once);
            prop_assert!(!once.as_str().contains("--") && !once.as_str().contains(['_', '.']));
        }

        #[test]
        fn any_text_is_judged_without_panic(text in ".*") {
            let _ = ProjectName::parse(&text);
        }
    }
}
