//! Names of users and indexes, parsed once at the edge. Project names are `pypi::ProjectName`.

use std::fmt;

/// The name of a user: any characters but control characters and ASCII punctuation other than `-._@` (devpi's rule).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct UserName(String);

/// The name of an index below its user; the same rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct IndexName(String);

/// `user/index`: how people, settings and URLs name an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexPath {
    /// The owner.
    pub user: UserName,
    /// The index.
    pub index: IndexName,
}

/// Why a text is not a name. The words are devpi's, because its client shows them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// A character that the rule forbids, no character at all, or too many.
    #[error("{what} '{name}' contains characters that aren't allowed. Any ascii symbol besides -.@_ is blocked.")]
    Characters {
        /// `username` or `indexname`.
        what: &'static str,
        /// The refused text.
        name: String,
    },
    /// The server itself answers at this name.
    #[error("{what} '{name}' is reserved: the server itself answers at this address")]
    Reserved {
        /// `username` or `indexname`.
        what: &'static str,
        /// The refused text.
        name: String,
    },
    /// Not of the form `user/index`.
    #[error("'{0}' is not of the form user/index")]
    Path(String),
}

/// The longest user or index name, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// User names that would hide a route at the root of the server.
pub const RESERVED_USERS: &[&str] = &[
    "simple",
    "legacy",
    "pypi",
    "packages",
    "health",
    "ready",
    "metrics",
    "static",
    "_",
    "favicon.ico",
    "robots.txt",
    "rss",
    "RPC2",
    "integrity",
    "search",
    ".well-known",
];

/// Index names that would hide a route below a user.
pub const RESERVED_INDEXES: &[&str] = &["json"];

impl UserName {
    /// Checks `text` against the rule for names and the reserved names.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        check("username", text, RESERVED_USERS).map(Self)
    }
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The administrator's name, which exists from the first start on.
    pub fn root() -> Self {
        Self("root".into())
    }
}

impl IndexName {
    /// Checks `text` against the rule for names and the reserved names.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        check("indexname", text, RESERVED_INDEXES).map(Self)
    }
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IndexPath {
    /// Parses `user/index`; one slash at either end is forgiven, as devpi does for bases.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let (user, index) = text.trim_matches('/').split_once('/').ok_or_else(|| InvalidName::Path(text.into()))?;
        Ok(Self { user: UserName::parse(user)?, index: IndexName::parse(index)? })
    }
}

fn check(what: &'static str, text: &str, reserved: &[&str]) -> Result<String, InvalidName> {
    let allowed = |c: char| !c.is_control() && (!c.is_ascii() || c.is_ascii_alphanumeric() || "-._@".contains(c));
    let dots = text.chars().all(|c| c == '.');
    if dots || text.len() > NAME_BYTES_MAX || !text.chars().all(allowed) {
        return Err(InvalidName::Characters { what, name: text.chars().take(NAME_BYTES_MAX).collect() });
    }
    match reserved.contains(&text) {
        true => Err(InvalidName::Reserved { what, name: text.into() }),
        false => Ok(text.into()),
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for IndexPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.index)
    }
}

impl std::borrow::Borrow<str> for IndexName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for UserName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_devpi_allows_is_allowed() {
        for name in ["root", "a.b-c_d@e", "ünal", "42"] {
            assert_eq!(UserName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn separators_dots_and_control_characters_are_refused() {
        for name in ["", ".", "..", "a/b", "a+b", "a:b", "a b", "a\n", "a%b", "a~b", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(matches!(UserName::parse(name), Err(InvalidName::Characters { .. })), "{name:?}");
        }
    }

    #[test]
    fn names_of_the_servers_own_routes_are_reserved() {
        assert!(matches!(UserName::parse("simple"), Err(InvalidName::Reserved { .. })));
        assert!(matches!(IndexName::parse("json"), Err(InvalidName::Reserved { .. })));
    }

    #[test]
    fn a_path_has_two_names() {
        assert_eq!(IndexPath::parse("/root/dev/").unwrap().to_string(), "root/dev");
        for text in ["root", "root/dev/x", "", "/", "root/"] {
            assert!(IndexPath::parse(text).is_err(), "{text:?}");
        }
    }
}
