//! `cheeseshop token`: makes, lists and revokes tokens.

use super::{close, open, out};
use crate::clock::Timestamp;
use crate::config::{Place, units::Expiry};
use crate::db::tokens::Token as Row;
use crate::error::{Error, Result};
use crate::index::access::{Caller, Grant, Scope};
use crate::index::{Core, account};
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::sync::Arc;

/// Make, list and revoke tokens.
#[derive(Debug, Args)]
pub struct Token {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token; it is printed alone on the last line and never shown again.
    Add(NewToken),
    /// List a user's tokens.
    List {
        /// Whose.
        user: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token.
    Remove {
        /// Whose.
        user: String,
        /// Its name.
        name: String,
    },
}

#[derive(Debug, Args)]
struct NewToken {
    /// Whose rights it carries.
    user: String,
    /// Its name, unique for the user.
    #[arg(long)]
    name: String,
    /// What it may be used for: read, upload (with results: attaching test results), manage (remove and configure); separated by commas.
    #[arg(long, value_delimiter = ',', required = true, value_parser = Grant::parse)]
    allow: Vec<Grant>,
    /// Only in these indexes [default: all]; may be repeated, or separated by commas.
    #[arg(long, value_name = "USER/INDEX", value_delimiter = ',', value_parser = IndexPath::parse)]
    index: Vec<IndexPath>,
    /// Only for these projects [default: all]; may be repeated, or separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = ProjectName::parse)]
    project: Vec<ProjectName>,
    /// When it ends: 90d, 12h, 30m, 45s, 2027-01-31 (at the beginning of that day, UTC) or never.
    #[arg(long, value_name = "WHEN", default_value = "never")]
    expires: Expiry,
}

impl Token {
    /// Carries it out.
    pub async fn run(self) -> anyhow::Result<()> {
        let core = open(&self.place).await?;
        let done = act(&core, self.action).await;
        close(&core, done).await
    }
}

async fn act(core: &Arc<Core>, action: Action) -> Result<()> {
    let caller = Caller::system();
    match action {
        Action::Add(new) => add(core, new).await,
        Action::List { user, json } => {
            list(&account::tokens(core, &caller, &user).await?, json);
            Ok(())
        }
        Action::Remove { user, name } => {
            account::remove_token(core, &caller, &user, &name).await?;
            out::line(&format!("revoked token '{name}' of {user}"));
            Ok(())
        }
    }
}

async fn add(core: &Arc<Core>, new: NewToken) -> Result<()> {
    let now = core.clock.now();
    let expires = new.expires.moment(now);
    if expires.is_some_and(|at| at <= now) {
        return Err(Error::BadRequest("--expires is in the past".into()));
    }
    // A misspelt index would make a token that opens nothing.
    if let Some(missing) = new.index.iter().find(|path| core.tree.load().at(path).is_none()) {
        return Err(Error::no_index(missing));
    }
    let indexes = new.index.iter().map(IndexPath::to_string).collect();
    let scope = Scope::of(new.allow, indexes, new.project);
    let secret = account::create_token(core, &Caller::system(), &new.user, &new.name, scope, expires).await?;
    let end = expires.map_or_else(|| "without an end".to_owned(), |at| format!("until {}", at.iso_seconds()));
    out::line(&format!("made token '{}' of {}, {end}; it is shown only this once:", new.name, new.user));
    out::line(&secret);
    Ok(())
}

fn list(tokens: &[Row], json: bool) {
    if json {
        out::json(&tokens.iter().map(shown).collect());
        return;
    }
    let moment = |at: Option<Timestamp>, none: &str| at.map_or_else(|| none.to_owned(), Timestamp::iso_seconds);
    let row = |token: &Row| {
        let used = format!("used {}", moment(token.used, "never"));
        let expires = format!("expires {}", moment(token.expires, "never"));
        vec![token.name.clone(), expires, used, bounds(&token.scope.0)]
    };
    out::table(&tokens.iter().map(row).collect::<Vec<_>>());
}

/// A token's bounds in one cell: `allow read,upload; indexes alice/dev`.
fn bounds(scope: &Value) -> String {
    let part = |(key, value): (&String, &Value)| {
        let items: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("{key} {}", items.join(","))
    };
    scope.as_object().map(|scope| scope.iter().map(part).collect::<Vec<_>>().join("; ")).unwrap_or_default()
}

fn shown(token: &Row) -> Value {
    json!({
        "name": token.name,
        "scope": token.scope.0,
        "created": token.created.iso_seconds(),
        "expires": token.expires.map(Timestamp::iso_seconds),
        "used": token.used.map(Timestamp::iso_seconds),
    })
}
