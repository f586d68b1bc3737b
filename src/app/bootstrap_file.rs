//! Reads the bootstrap file (`--bootstrap`): TOML into [`Declared`]. What it means is `index::bootstrap`'s business.
//!
//! The file may hold secrets, so its lines are never repeated in an error: only their numbers.

use crate::config::{Invalid, read_secret, units::Expiry};
use crate::index::access::{Grant, Scope};
use crate::index::bootstrap::{Declared, DeclaredIndex, DeclaredToken, DeclaredUser};
use crate::index::settings::{Edit, Kind};
use crate::names::{IndexPath, UserName};
use crate::pypi::ProjectName;
use crate::secret::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    users: BTreeMap<String, User>,
    #[serde(default)]
    indexes: BTreeMap<String, Map<String, Value>>,
    #[serde(default)]
    tokens: Vec<Token>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    email: Option<String>,
    title: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    user: String,
    name: String,
    secret: Option<Secret>,
    secret_file: Option<PathBuf>,
    allow: Vec<String>,
    #[serde(default)]
    indexes: Vec<String>,
    #[serde(default)]
    projects: Vec<String>,
    expires: Option<String>,
}

/// Reads the file. Files that it names are looked for beside it.
pub fn read(path: &Path) -> Result<Declared, Invalid> {
    let refused = |text: String| Invalid(format!("the bootstrap file {}: {text}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refused(format!("it cannot be read: {error}")))?;
    parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(refused)
}

fn parse(text: &str, folder: &Path) -> Result<Declared, String> {
    let file: File = toml::from_str(text).map_err(|error| match error.span() {
        Some(span) => format!("line {}: {}", line_of(text, span.start), error.message()),
        None => error.message().to_owned(),
    })?;
    let named = |what: String| move |error: String| format!("{what}: {error}");
    let mut declared = Declared::default();
    for (name, user) in file.users {
        declared.users.push(declared_user(&name, user, folder).map_err(named(format!("user {name}")))?);
    }
    for (path, options) in file.indexes {
        declared.indexes.push(declared_index(&path, options).map_err(named(format!("index {path}")))?);
    }
    for token in file.tokens {
        let what = format!("token '{}' of {}", token.name, token.user);
        declared.tokens.push(declared_token(token, folder).map_err(named(what))?);
    }
    Ok(declared)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn declared_user(name: &str, user: User, folder: &Path) -> Result<DeclaredUser, String> {
    let name = UserName::parse(name).map_err(|error| error.to_string())?;
    let password = one_secret("password", user.password, user.password_file, folder)?;
    Ok(DeclaredUser { name, password, email: user.email, title: user.title })
}

fn declared_index(path: &str, mut options: Map<String, Value>) -> Result<DeclaredIndex, String> {
    let path = IndexPath::parse(path).map_err(|error| error.to_string())?;
    let kind = match options.remove("type") {
        None => None,
        Some(Value::String(word)) => Some(Kind::parse(&word)?),
        Some(_) => return Err("its type must be \"stage\" or \"mirror\"".into()),
    };
    Ok(DeclaredIndex { path, kind, edits: options.into_iter().map(|(key, value)| Edit::Set(key, value)).collect() })
}

fn declared_token(token: Token, folder: &Path) -> Result<DeclaredToken, String> {
    let secret = one_secret("secret", token.secret, token.secret_file, folder)?
        .ok_or("it needs 'secret' or 'secret_file'; a secret that nobody knows is of no use")?;
    let expires = match token.expires.as_deref().unwrap_or("never").parse()? {
        Expiry::Never => None,
        Expiry::At(at) => Some(at),
        // Counted from each start, it would never end.
        Expiry::After(_) => return Err("'expires' must be a date such as \"2027-01-31\", or \"never\"".into()),
    };
    let allow = token.allow.iter().map(|word| Grant::parse(word)).collect::<Result<_, _>>()?;
    let index = |path: &String| IndexPath::parse(path).map(|path| path.to_string());
    let indexes = token.indexes.iter().map(index).collect::<Result<_, _>>().map_err(text)?;
    let projects = token.projects.iter().map(|name| ProjectName::parse(name)).collect::<Result<_, _>>().map_err(text)?;
    let scope = Scope::of(allow, indexes, projects);
    Ok(DeclaredToken { user: UserName::parse(&token.user).map_err(text)?, name: token.name, secret, scope, expires })
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn one_secret(key: &str, text: Option<Secret>, file: Option<PathBuf>, folder: &Path) -> Result<Option<Secret>, String> {
    match (text, file) {
        (Some(_), Some(_)) => Err(format!("use '{key}' or '{key}_file', not both")),
        (Some(secret), None) if secret.reveal().is_empty() => Err(format!("'{key}' must not be empty")),
        (Some(secret), None) => Ok(Some(secret)),
        (None, Some(file)) => read_secret(&folder.join(file)).map(Some).map_err(|error| error.to_string()),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text, Path::new("/no/such/folder")).unwrap_err()
    }

    #[test]
    fn mistakes_are_named_by_their_line_and_secrets_are_not_repeated() {
        for (text, reason) in [
            ("[users.alice]\nemail = 'a'\npasword = 'sesame'", "line 3: unknown field `pasword`"),
            ("[users.alice]\npassword = 'sesame", "line 2: "),
            ("[users.alice]\npassword = 12345678", "line 2: a secret must be text in quotes"),
            ("\n[user.alice]", "line 2: unknown field `user`"),
            ("[[tokens]]\nname = 'x'", "missing field `user`"),
            ("[users.'a/b']", "user a/b: "),
            ("[indexes.alice]", "index alice: "),
            ("[indexes.'alice/dev']\ntype = 'pigeonhole'", "index alice/dev: unknown index type 'pigeonhole'"),
            (
                "[users.alice]\npassword = 'sesame'\npassword_file = 'x'",
                "user alice: use 'password' or 'password_file', not both",
            ),
            ("[users.alice]\npassword = ''", "user alice: 'password' must not be empty"),
            ("[users.alice]\npassword_file = 'x'", "the file /no/such/folder/x cannot be read"),
        ] {
            let error = refusal(text);
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("sesame") && !error.contains("12345678"), "{error}");
        }
    }

    #[test]
    fn a_tokens_end_is_no_moving_target() {
        let token = |rest: &str| format!("[[tokens]]\nuser = 'ci'\nname = 'x'\nallow = ['read']\n{rest}");
        assert!(refusal(&token("secret = 's'\nexpires = '90d'")).contains("must be a date"));
        assert!(refusal(&token("")).contains("it needs 'secret' or 'secret_file'"));
        assert!(refusal(&token("secret = 's'").replace("read", "all")).contains("token 'x' of ci: 'all' is not something"));
        let declared = parse(&token("secret = 's'\nprojects = ['Our.App']"), Path::new("")).unwrap();
        let projects = declared.tokens[0].scope.projects.as_ref().unwrap();
        assert_eq!((declared.tokens[0].expires, projects[0].as_str()), (None, "our-app"));
    }

    #[test]
    fn the_example_of_the_manual_is_right() {
        let page = include_str!("../../docs/configuration.md");
        let example = page.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ci");
        std::fs::write(&file, "cheeseshop_x\n").unwrap();
        std::fs::write(folder.path().join("alice.password"), "sesame\n").unwrap();
        let example = example.replace("/run/secrets/ci", file.to_str().unwrap());
        let declared = parse(&example, folder.path()).unwrap();
        assert_eq!((declared.users.len(), declared.indexes.len(), declared.tokens.len()), (2, 2, 1));
        assert_eq!(declared.users[0].password.as_ref().unwrap().reveal(), "sesame");
    }
}
