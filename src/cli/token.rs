//! `cheeseshop token …`

use super::out;
use crate::clock::Timestamp;
use crate::config::DataArgs;
use crate::index::access::{Caller, Grant, Scope};
use crate::index::account;
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use clap::Subcommand;
use std::time::Duration;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, this once
    Add {
        /// Whose rights it carries
        user: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// What it may be used for: read, upload, manage
        #[arg(long, value_delimiter = ',', required = true, value_name = "read,upload,manage")]
        allow: Vec<String>,
        /// Only for these indexes
        #[arg(long, value_delimiter = ',', value_name = "USER/INDEX")]
        index: Vec<String>,
        /// Only for these projects
        #[arg(long, value_delimiter = ',', value_name = "PROJECT")]
        project: Vec<String>,
        /// How long it lasts: 90d, 12h, 30m, 45s, a date such as 2027-01-31, or never
        #[arg(long, default_value = "never", value_name = "TIME")]
        expires: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// List a user's tokens
    List {
        /// Whose
        user: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Revoke a token
    Remove {
        /// Whose
        user: String,
        /// Its name
        name: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

/// Runs the command.
pub async fn run(command: TokenCommand) -> anyhow::Result<()> {
    let system = Caller::system();
    match command {
        TokenCommand::Add { user, name, allow, index, project, expires, data } => {
            let core = super::open_existing(&data).await?;
            let scope = scope(&allow, &index, &project)?;
            let expires = expiry(&expires, core.clock.now())?;
            let secret = account::create_token(&core, &system, &user, &name, scope, expires).await?;
            out::line(&secret);
        }
        TokenCommand::List { user, data } => {
            let core = super::open_existing(&data).await?;
            for token in account::tokens(&core, &system, &user).await? {
                let when = |at: Option<Timestamp>| at.map_or("never".into(), Timestamp::iso_seconds);
                out::line(&format!(
                    "{}  {}  made {}  expires {}  used {}",
                    token.name,
                    token.scope.0,
                    token.created.iso_seconds(),
                    when(token.expires),
                    when(token.used)
                ));
            }
        }
        TokenCommand::Remove { user, name, data } => {
            let core = super::open_existing(&data).await?;
            account::remove_token(&core, &system, &user, &name).await?;
            out::line(&format!("revoked token {name} of {user}"));
        }
    }
    Ok(())
}

/// A token's bounds from words.
pub fn scope(allow: &[String], indexes: &[String], projects: &[String]) -> anyhow::Result<Scope> {
    Ok(Scope {
        allow: allow.iter().map(|word| Grant::parse(word.trim())).collect::<Result<_, _>>().map_err(anyhow::Error::msg)?,
        indexes: indexes.iter().map(|path| Ok(IndexPath::parse(path)?.to_string())).collect::<anyhow::Result<_>>()?,
        projects: projects.iter().map(|name| Ok(ProjectName::parse(name)?)).collect::<anyhow::Result<_>>()?,
    })
}

/// When a token ends: a time from now, the end of a day (UTC), or never.
pub fn expiry(text: &str, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
    if text == "never" {
        return Ok(None);
    }
    if let Some(day) = Timestamp::parse(&format!("{text}T23:59:59Z")) {
        return Ok(Some(day));
    }
    let wrong = || anyhow::anyhow!("'{text}' is no time: write it like 90d, 12h, 30m, 45s, 2027-01-31 or never");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        's' => 1,
        _ => return Err(wrong()),
    };
    let count: u64 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| wrong())?;
    let wait = count.checked_mul(seconds).ok_or_else(wrong)?;
    Ok(Some(now.plus(Duration::from_secs(wait))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now = Timestamp::parse("2026-11-21T00:00:00Z").unwrap();
        let ends = |text: &str| expiry(text, now).unwrap().map(Timestamp::iso_seconds);
        assert_eq!(ends("never"), None);
        assert_eq!(ends("1s").as_deref(), Some("2026-11-21T00:00:01Z"));
        assert_eq!(ends("90m").as_deref(), Some("2026-11-21T01:30:00Z"));
        assert_eq!(ends("10d").as_deref(), Some("2026-12-01T00:00:00Z"));
        assert_eq!(ends("2027-01-31").as_deref(), Some("2027-01-31T23:59:59Z"));
        for text in ["", "soon", "10", "d", "1y", "-1d", "99999999999999999999d"] {
            assert!(expiry(text, now).is_err(), "{text}");
        }
    }
}
