//! A user's tokens of both kinds as rows of a table, their bounds in words.

use crate::clock::Timestamp;
use crate::db;
use crate::error::{Error, Result};
use crate::http::web::visit::Visit;
use crate::http::web::words::Day;
use crate::index::access::{Action, Grant, Scope};
use crate::index::caveats::Bounds;
use crate::index::{account, devpi_tokens};
use crate::limits;
use crate::pypi::ProjectName;
use crate::urls::encode_query;

/// A token.
pub struct Row {
    /// Its name; of a devpi token its id.
    pub name: String,
    /// Whether it is one of devpi's.
    pub devpi: bool,
    /// What it may be used for.
    pub allows: String,
    /// The indexes and projects it is for.
    pub bounds: Vec<String>,
    /// When it was made.
    pub created: Day,
    /// From when on it is refused.
    pub ends: Option<Day>,
    /// Whether that is over.
    pub expired: bool,
    /// When it was last used.
    pub used: Option<Day>,
}

/// A page of them.
pub struct List {
    /// The tokens.
    pub rows: Vec<Row>,
    /// Whether this is not the first page.
    pub later: bool,
    /// What stands behind `?` in the address of the next one.
    pub next: Option<String>,
}

/// The tokens of a user whom the reader may manage.
pub async fn of(visit: &Visit<'_>, owner: &str) -> Result<List> {
    let (core, now, after) = (visit.core(), visit.core().clock.now(), visit.query("after"));
    let own = account::tokens(core, visit.caller(), owner).await?;
    let devpi = match devpi_tokens::list(core, visit.caller(), owner).await {
        // With --restrict-modify these are for fewer people than the others.
        Err(Error::Forbidden(_)) => Vec::new(),
        other => other?,
    };
    let mut rows = own.into_iter().map(|token| of_ours(token, now)).collect::<Result<Vec<_>>>()?;
    rows.extend(devpi.into_iter().map(|token| of_devpi(token, now)));
    rows.sort_by(|a, b| (a.devpi, &a.name).cmp(&(b.devpi, &b.name)));
    let begin = if after.is_empty() { 0 } else { rows.iter().position(|row| key(row) > after).unwrap_or(rows.len()) };
    let mut rows = rows.split_off(begin);
    let more = rows.len() > limits::WEB_TOKENS_PER_PAGE;
    rows.truncate(limits::WEB_TOKENS_PER_PAGE);
    let next = rows.last().filter(|_| more).map(|row| format!("after={}", encode_query(&key(row))));
    Ok(List { rows, later: !after.is_empty(), next })
}

/// Orders rows as they are shown.
fn key(row: &Row) -> String {
    format!("{}{}", u8::from(row.devpi), row.name)
}

fn of_ours(token: db::tokens::Token, now: Timestamp) -> Result<Row> {
    let scope: Scope = serde_json::from_value(token.scope.0).map_err(|e| Error::Internal(e.into()))?;
    Ok(Row {
        devpi: false,
        allows: allows(&scope.allow),
        bounds: bounds(&scope),
        created: Day(token.created),
        ends: token.expires.map(Day),
        expired: token.expires.is_some_and(|end| end <= now),
        used: token.used.map(Day),
        name: token.name,
    })
}

fn of_devpi(token: db::devpi_tokens::Shown, now: Timestamp) -> Row {
    let read = Bounds::read(&token.restrictions);
    let end = read.as_ref().and_then(Bounds::end);
    let (allows, bounds) = match read.map(Bounds::scope) {
        Some(scope) => (allows(&scope.allow), bounds(&scope)),
        None => ("nothing: its restrictions are not understood".into(), token.restrictions.0),
    };
    Row {
        name: token.id,
        devpi: true,
        allows,
        bounds,
        created: Day(token.created),
        ends: end.map(Day),
        expired: end.is_some_and(|end| end <= now),
        used: token.used.map(Day),
    }
}

/// What a token may be used for: `read, upload`.
fn allows(grants: &[Grant]) -> String {
    let mut words: Vec<&str> = grants.iter().flat_map(|grant| words(*grant)).copied().collect();
    let mut seen = std::collections::HashSet::new();
    words.retain(|word| seen.insert(*word));
    if words.is_empty() { "nothing".into() } else { words.join(", ") }
}

fn words(grant: Grant) -> &'static [&'static str] {
    match grant {
        Grant::Read => &["read"],
        Grant::Upload => &["upload"],
        Grant::Results => &["attach test results"],
        Grant::Remove => &["delete and yank"],
        Grant::Configure => &["make, change and delete indexes"],
        Grant::Manage => &["delete and yank", "make, change and delete indexes"],
        Grant::Only(action) => match action {
            Action::Read => &["read"],
            Action::Upload => &["upload"],
            Action::AttachResults => &["attach test results"],
            Action::RemoveFile => &["delete and yank files"],
            Action::RemoveRelease => &["delete and yank releases"],
            Action::RemoveProject => &["delete projects"],
            Action::Create => &["make indexes"],
            Action::Configure => &["change indexes"],
            Action::Delete => &["delete indexes"],
        },
    }
}

fn bounds(scope: &Scope) -> Vec<String> {
    let indexes = match scope.indexes.as_deref() {
        None => "every index".to_owned(),
        Some([]) => "no index".to_owned(),
        Some(paths) => paths.join(", "),
    };
    let projects = scope.projects.as_deref().map(|names| match names {
        [] => "no project".to_owned(),
        names => format!("only {}", names.iter().map(ProjectName::as_str).collect::<Vec<_>>().join(", ")),
    });
    std::iter::once(indexes).chain(projects).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_in_words() {
        let scope = Scope::of(
            vec![Grant::Read, Grant::Manage, Grant::Remove],
            vec!["alice/dev".into()],
            vec![ProjectName::parse("App").unwrap()],
        );
        assert_eq!(allows(&scope.allow), "read, delete and yank, make, change and delete indexes");
        assert_eq!(bounds(&scope), ["alice/dev", "only app"]);
        let none = Scope { allow: Vec::new(), indexes: Some(Vec::new()), projects: Some(Vec::new()) };
        assert_eq!((allows(&none.allow), bounds(&none)), ("nothing".into(), vec!["no index".into(), "no project".into()]));
        assert_eq!(bounds(&Scope::of(Vec::new(), Vec::new(), Vec::new())), ["every index"]);
    }
}
