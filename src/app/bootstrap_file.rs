//! The bootstrap file: TOML in, a checked declaration out. Nothing is changed before all of it was read.

use crate::cli::{password_from_file, token_expiry, token_scope};
use crate::clock::Clock;
use crate::db::users::Profile;
use crate::index::bootstrap::{Declared, DeclaredIndex, DeclaredToken, DeclaredUser};
use crate::index::credentials::TOKEN_PREFIX;
use crate::index::settings::{Edit, Kind};
use crate::limits;
use crate::names::IndexPath;
use crate::pypi::Sha256;
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    users: BTreeMap<String, UserEntry>,
    #[serde(default)]
    indexes: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    tokens: Vec<TokenEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    password: Option<String>,
    password_file: Option<PathBuf>,
    email: Option<String>,
    title: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    user: String,
    name: String,
    secret: Option<String>,
    secret_file: Option<PathBuf>,
    allow: Vec<String>,
    #[serde(default)]
    indexes: Vec<String>,
    #[serde(default)]
    projects: Vec<String>,
    expires: Option<String>,
}

impl std::fmt::Debug for UserEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserEntry {{ email: {:?}, .. }}", self.email)
    }
}

impl std::fmt::Debug for TokenEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenEntry {{ user: {:?}, name: {:?}, .. }}", self.user, self.name)
    }
}

/// Reads and checks the file at `path`.
pub fn read(path: &Path) -> anyhow::Result<Declared> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading the bootstrap file {}", path.display()))?;
    parse(&text).with_context(|| format!("the bootstrap file {}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Declared> {
    let file: File = toml::from_str(text)?;
    Ok(Declared {
        users: file.users.into_iter().map(|(name, entry)| user(name, entry)).collect::<anyhow::Result<_>>()?,
        indexes: file.indexes.into_iter().map(|(path, entry)| index(&path, entry)).collect::<anyhow::Result<_>>()?,
        tokens: file.tokens.into_iter().map(token).collect::<anyhow::Result<_>>()?,
    })
}

fn user(name: String, entry: UserEntry) -> anyhow::Result<DeclaredUser> {
    crate::names::UserName::parse(&name)?;
    let password =
        secret(entry.password, entry.password_file).with_context(|| format!("user '{name}': password or password_file"))?;
    let profile = Profile { email: entry.email, title: entry.title, description: entry.description, custom_data: None };
    Ok(DeclaredUser { name, password, profile })
}

fn index(path: &str, mut entry: Map<String, Value>) -> anyhow::Result<DeclaredIndex> {
    let path = IndexPath::parse(path)?;
    let kind = match entry.remove("type") {
        None => Kind::Stage,
        Some(Value::String(word)) => Kind::parse(&word).map_err(anyhow::Error::msg).with_context(|| format!("index {path}"))?,
        Some(other) => anyhow::bail!("index {path}: type must be \"stage\" or \"mirror\", not {other}"),
    };
    let bases = entry.remove("bases").map(|value| Edit::Set("bases".into(), value));
    let options: Vec<Edit> = entry.into_iter().map(|(key, value)| Edit::Set(key, value)).collect();
    // Mistakes in options are told before anything is made.
    let every: Vec<Edit> = options.iter().chain(&bases).cloned().collect();
    crate::index::settings::apply(kind, &Map::new(), &every)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("index {path}"))?;
    Ok(DeclaredIndex { path, kind, options, bases })
}

fn token(entry: TokenEntry) -> anyhow::Result<DeclaredToken> {
    let what = format!("token '{}' of user '{}'", entry.name, entry.user);
    let secret = secret(entry.secret, entry.secret_file).with_context(|| format!("{what}: secret or secret_file"))?;
    let long_enough = secret.strip_prefix(TOKEN_PREFIX).is_some_and(|rest| rest.len() >= limits::TOKEN_SECRET_CHARACTERS_MIN);
    anyhow::ensure!(
        long_enough,
        "{what}: its secret must begin with {TOKEN_PREFIX} and have at least {} characters behind that",
        limits::TOKEN_SECRET_CHARACTERS_MIN
    );
    let expires = match entry.expires.as_deref() {
        None | Some("never") => None,
        // A time from now would move with every start.
        Some(date) => token_expiry(date, Clock::System.now()).ok().flatten().filter(|_| date.contains('-')),
    };
    anyhow::ensure!(
        entry.expires.as_deref().is_none_or(|text| text == "never") == expires.is_none(),
        "{what}: expires must be a date such as 2027-01-31, or never"
    );
    let scope = token_scope(&entry.allow, &entry.indexes, &entry.projects).context(what)?;
    Ok(DeclaredToken { user: entry.user, name: entry.name, hash: Sha256::of(secret.as_bytes()), scope, expires })
}

fn secret(text: Option<String>, file: Option<PathBuf>) -> anyhow::Result<String> {
    match (text, file) {
        (Some(text), None) => Ok(text),
        (None, Some(path)) => password_from_file(&path),
        _ => anyhow::bail!("exactly one of the two is wanted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_understood() {
        let documentation = include_str!("../../docs/configuration.md");
        let example = documentation.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let declared = parse(example).unwrap();
        assert_eq!((declared.users.len(), declared.indexes.len(), declared.tokens.len()), (1, 2, 1));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("colour = 1", "colour"),
            ("[users.alice]\n", "password or password_file"),
            ("[users.'a/b']\npassword = 'x'", "a/b"),
            ("[indexes.alice]\n", "user/index"),
            ("[indexes.'a/b']\nvolatile = 'maybe'", "maybe"),
            ("[indexes.'a/b']\nnonsense = 1", "nonsense"),
            ("[indexes.'a/b']\ntype = 'fridge'", "fridge"),
            ("[[tokens]]\nuser='a'\nname='n'\nsecret='short'\nallow=['read']", "cheeseshop_"),
            ("[[tokens]]\nuser='a'\nname='n'\nsecret='cheeseshop_0123456789012345678901234567890123'\nallow=['fly']", "fly"),
            (
                "[[tokens]]\nuser='a'\nname='n'\nsecret='cheeseshop_0123456789012345678901234567890123'\nallow=['read']\nexpires='90d'",
                "date",
            ),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(word), "{text}: {error}");
            assert!(!error.contains("short") || !text.contains("secret='short'"), "a secret is shown: {error}");
        }
    }
}
