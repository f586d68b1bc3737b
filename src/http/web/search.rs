//! `/_/search`: what search finds, with a filter for the index. Everything is in the address, so that a search can be sent to somebody.

use super::shell::Shell;
use super::visit::Visit;
use super::words::Day;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::http::search::through;
use crate::index::access::{Action, may};
use crate::index::search::{self, Hit, Hits, Matched, Wanted};
use crate::index::settings::Kind;
use crate::limits;
use crate::pypi::ProjectName;
use crate::urls::{encode_index, encode_query};
use askama::Template;
use axum::http::StatusCode;

#[derive(Template)]
#[template(path = "search.html")]
struct Page<'a> {
    shell: &'a Shell,
    words: String,
    index: String,
    /// Indexes to choose from.
    indexes: Vec<String>,
    mistake: Option<String>,
    rows: Vec<Row>,
    /// The places of the first and the last of these among all that was found.
    places: (usize, usize),
    cut_short: bool,
    /// What stands behind `?` in the addresses of the pages beside this one, and of the same search everywhere.
    previous: Option<String>,
    next: Option<String>,
    everywhere: Option<String>,
    /// Mirrors that could be asked for a project of this name: their paths, and its addresses below the root.
    mirrors: Vec<(String, String)>,
}

/// A project that was found.
struct Row {
    name: String,
    link: String,
    index: String,
    index_link: String,
    version: Option<String>,
    summary: Option<String>,
    released: Option<Day>,
    mirrored: bool,
    private: bool,
    /// By what it was found, if that cannot be seen.
    by: &'static str,
}

impl Row {
    fn of(hit: Hit) -> Self {
        let index_link = encode_index(&hit.index.path);
        Self {
            link: format!("{index_link}/{}", hit.name),
            name: hit.display_name,
            index: hit.index.path.to_string(),
            index_link,
            version: hit.version,
            summary: hit.summary,
            released: hit.released.map(Day),
            mirrored: hit.index.kind == Kind::Mirror,
            private: !hit.index.is_public(),
            by: match hit.matched {
                Matched::Similar => "a similar name",
                Matched::Keywords => "found by its keywords",
                Matched::Description => "found by its description",
                Matched::Exact | Matched::Prefix | Matched::Part | Matched::Summary => "",
            },
        }
    }
}

/// Answers `/_/search`.
pub async fn show(visit: &Visit<'_>) -> Result<Reply> {
    let (words, index) = (visit.query("q").trim().to_owned(), visit.query("index").trim().to_owned());
    let number: usize = visit.query("page").parse().unwrap_or(1).max(1);
    let (found, mistake) = match find(visit, &words, &index, number).await {
        Ok(found) => (found, None),
        Err(Error::BadRequest(why)) => (Hits::default(), Some(why)),
        Err(Error::NotFound(_)) => (Hits::default(), Some(format!("there is no index “{index}” that you may read"))),
        Err(other) => return Err(other),
    };
    let page = |number: usize| format!("{}&page={number}", query(&words, &index));
    let before = (number - 1).saturating_mul(limits::SEARCH_HITS_PAGE);
    let status = if mistake.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    visit.page_as(
        status,
        &Page {
            shell: &visit.shell,
            indexes: indexes(visit),
            mistake,
            places: (before.saturating_add(1), before.saturating_add(found.hits.len())),
            cut_short: found.cut_short,
            previous: (number > 1).then(|| page(number - 1)),
            next: found.more.then(|| page(number + 1)),
            everywhere: (!index.is_empty()).then(|| query(&words, "")),
            mirrors: if found.hits.is_empty() { mirrors(visit, &words) } else { Vec::new() },
            rows: found.hits.into_iter().map(Row::of).collect(),
            words,
            index,
        },
    )
}

async fn find(visit: &Visit<'_>, text: &str, index: &str, page: usize) -> Result<Hits> {
    let index = through(Some(index).filter(|index| !index.is_empty()))?;
    let wanted = Wanted { text, index, page, size: limits::SEARCH_HITS_PAGE };
    search::search(visit.core(), visit.caller(), wanted).await
}

/// What stands behind `?` in the address of a search.
fn query(words: &str, index: &str) -> String {
    let index = if index.is_empty() { String::new() } else { format!("&index={}", encode_query(index)) };
    format!("q={}{index}", encode_query(words))
}

fn indexes(visit: &Visit<'_>) -> Vec<String> {
    let (tree, caller) = (visit.core().tree.load(), visit.caller());
    let readable = tree.all().into_iter().filter(|place| may(caller, Action::Read, &place.index, None));
    readable.map(|place| place.index.path.to_string()).take(limits::WEB_CHOICES_MAX).collect()
}

/// A mirror knows names that were on its upstream's list, or asked for: another one it can be asked for now.
fn mirrors(visit: &Visit<'_>, words: &str) -> Vec<(String, String)> {
    let Ok(name) = ProjectName::parse(words) else { return Vec::new() };
    let (tree, caller) = (visit.core().tree.load(), visit.caller());
    let all = tree.all().into_iter().map(|place| &place.index).filter(|index| index.kind == Kind::Mirror);
    let readable = all.filter(|index| may(caller, Action::Read, index, Some(&name)));
    let link = |index: &crate::names::IndexPath| format!("{}/{name}", encode_index(index));
    readable.map(|index| (index.path.to_string(), link(&index.path))).take(limits::WEB_MIRRORS_OFFERED).collect()
}
