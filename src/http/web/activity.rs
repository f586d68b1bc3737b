//! `/_/activity`: the journal as a log, as far as the reader may know of it, with filters. Everything is in the address, so that a
//! search can be sent to somebody.

use super::forms::day;
use super::shell::Shell;
use super::visit::Visit;
use super::words::{self, Moment};
use crate::clock::Timestamp;
use crate::db::Serial;
use crate::error::Result;
use crate::http::reply::Reply;
use crate::index::access::{Action, may};
use crate::index::activity::{self, Log, VERBS, Wanted};
use crate::limits;
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use crate::urls::encode_query;
use askama::Template;
use axum::http::StatusCode;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// The kinds to choose from: the word in the address, what people read, and what the stored words begin with.
const KINDS: &[(&str, &str, &[&str])] = &[
    (
        "",
        "what people did",
        &["file-", "release-", "project-", "docs-", "result-", "import", "index-", "user-", "token-", "server-", "repair"],
    ),
    (
        "uploads",
        "uploads and pushes",
        &["file-add", "file-replace", "release-push", "release-set", "docs-add", "result-add", "import"],
    ),
    ("removals", "deletions", &["file-remove", "release-remove", "project-remove", "docs-remove", "result-remove"]),
    ("yanks", "yanks", &["file-yank", "file-unyank"]),
    ("indexes", "indexes", &["index-"]),
    ("accounts", "users and tokens", &["user-", "token-"]),
    ("mirrors", "what mirrors found", &["mirror-"]),
    ("all", "everything", &[""]),
];

#[derive(Template)]
#[template(path = "activity.html")]
struct Page<'a> {
    shell: &'a Shell,
    fields: Fields,
    kinds: Vec<(&'static str, &'static str)>,
    /// Indexes to choose from.
    indexes: Vec<String>,
    mistakes: Vec<String>,
    log: Log,
    /// What stands behind `?` in the addresses of the newest page, and of the next.
    newest: String,
    older: Option<String>,
    later: bool,
    reached: Option<Moment>,
    filtered: bool,
}

/// The filters as they were typed.
struct Fields {
    kind: String,
    index: String,
    project: String,
    user: String,
    since: String,
    until: String,
}

impl Fields {
    fn of(visit: &Visit<'_>) -> Self {
        let text = |name: &str| visit.query(name).trim().to_owned();
        Self {
            kind: text("kind"),
            index: text("index"),
            project: text("project"),
            user: text("user"),
            since: text("since"),
            until: text("until"),
        }
    }

    fn pairs(&self) -> [(&'static str, &str); 6] {
        let Self { kind, index, project, user, since, until } = self;
        [("kind", kind), ("index", index), ("project", project), ("user", user), ("since", since), ("until", until)]
    }

    fn query(&self) -> String {
        let given = self.pairs().into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}", encode_query(value))).collect::<Vec<_>>().join("&")
    }

    /// What they ask for; each that asks for nothing is told of.
    fn wanted(&self, visit: &Visit<'_>) -> (Wanted, Vec<String>) {
        let mut mistakes = Vec::new();
        let mut date = |text: &str, what: &str| {
            let found = Some(text).filter(|text| !text.is_empty()).map(day);
            if let Some(None) = found {
                mistakes.push(format!("“{text}” after “{what}” is no date: give it as year-month-day, such as 2030-12-31."));
            }
            found.flatten()
        };
        let (since, until) = (date(&self.since, "from"), date(&self.until, "to").map(|begin: Timestamp| begin.plus(DAY)));
        let tree = visit.core().tree.load();
        let place = IndexPath::parse(&self.index).ok().and_then(|path| tree.at(&path));
        let place = place.filter(|place| may(visit.caller(), Action::Read, &place.index, visit.caller().one_project()));
        if place.is_none() && !self.index.is_empty() {
            mistakes.push(format!("There is no index “{}” that you may read.", self.index));
        }
        let project = ProjectName::parse(&self.project).ok();
        if project.is_none() && !self.project.is_empty() {
            mistakes.push(format!("“{}” can be no project's name.", self.project));
        }
        let kind = KINDS.iter().find(|(word, ..)| *word == self.kind);
        if kind.is_none() {
            mistakes.push(format!("There is no kind “{}”.", self.kind));
        }
        let begins = |action: &str| kind.is_some_and(|(.., beginnings)| beginnings.iter().any(|begin| action.starts_with(begin)));
        let actions = VERBS.iter().map(|(action, _)| *action).filter(|action| begins(action));
        let below = visit.query("before").parse().ok().map(Serial);
        let wanted = Wanted {
            index: place.map(|place| place.index.id),
            project,
            actor: self.user.clone(),
            // Everything: also what a newer version writes.
            actions: if self.kind == "all" { Vec::new() } else { actions.collect() },
            since,
            until,
            below,
        };
        (wanted, mistakes)
    }
}

/// The page.
pub async fn show(visit: &Visit<'_>) -> Result<Reply> {
    let fields = Fields::of(visit);
    let (wanted, mistakes) = fields.wanted(visit);
    let log = match mistakes.is_empty() {
        true => activity::log(visit.core(), visit.caller(), &wanted).await?,
        false => Log::default(),
    };
    let tree = visit.core().tree.load();
    let readable = tree.all().into_iter().filter(|place| may(visit.caller(), Action::Read, &place.index, None));
    let newest = fields.query();
    let status = if mistakes.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = Page {
        shell: &visit.shell,
        kinds: KINDS.iter().map(|(word, words, _)| (*word, *words)).collect(),
        indexes: readable.map(|place| place.index.path.to_string()).take(limits::WEB_CHOICES_MAX).collect(),
        mistakes,
        older: log.older.map(|serial| format!("{newest}{}before={}", if newest.is_empty() { "" } else { "&" }, serial.0)),
        later: wanted.below.is_some(),
        reached: log.reached.map(Moment),
        filtered: !newest.is_empty(),
        newest,
        log,
        fields,
    };
    visit.page_as(status, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_did_is_everything_but_what_mirrors_find() {
        let fits = |place: usize, action: &str| KINDS[place].2.iter().any(|begin| action.starts_with(begin));
        for (action, _) in VERBS {
            assert_eq!(fits(0, action), !action.starts_with("mirror-"), "{action}");
            assert!(fits(KINDS.len() - 1, action));
        }
        for (word, _, beginnings) in KINDS {
            assert!(beginnings.iter().all(|begin| VERBS.iter().any(|(action, _)| action.starts_with(begin))), "{word}");
        }
    }
}
