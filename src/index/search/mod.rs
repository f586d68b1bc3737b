//! Searching what the caller may read: projects of stages by name, summary, keywords and description, mirrored ones by name.
//!
//! It goes step by step, from the names to the descriptions and then to the mirrors, and stops when it has enough for the page that
//! is wanted. Every hit is one that [`access::may`] lets the caller read, and one that the index it is searched through shows.

pub mod entry;
mod lists;
mod names;
mod query;
mod typos;

pub use query::Matched;

use super::access::{self, Action, Caller};
use super::core::Core;
use super::merge;
use super::settings::Kind;
use super::tree::{Index, Tree};
use crate::clock::Timestamp;
use crate::db::bounded::{Bounded, was_cut_short};
use crate::db::search::{Found, Within};
use crate::db::{self, IndexId};
use crate::error::Result;
use crate::limits;
use crate::pypi::ProjectName;
use lists::{List, Lists, Of};
use names::Fitting;
use query::{Query, fold};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What searches have in common.
#[derive(Debug)]
pub struct Searches {
    lists: Lists,
    turns: Semaphore,
}

impl Default for Searches {
    fn default() -> Self {
        Self { lists: Lists::default(), turns: Semaphore::new(limits::SEARCHES_AT_ONCE) }
    }
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What somebody typed.
    pub text: &'a str,
    /// Only what this index shows, bases included; `None`: all that the caller may read.
    pub index: Option<(&'a str, &'a str)>,
    /// The page, from 1.
    pub page: usize,
    /// Hits on a page.
    pub size: usize,
}

/// A page of hits.
#[derive(Debug, Clone, Default)]
pub struct Hits {
    /// The best first.
    pub hits: Vec<Hit>,
    /// Whether there is another page.
    pub more: bool,
    /// Whether the database had no time to look everywhere.
    pub cut_short: bool,
}

/// A project that was found in an index.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The index that has it.
    pub index: Arc<Index>,
    /// Its normalized name.
    pub name: ProjectName,
    /// Its name as written.
    pub display_name: String,
    /// Its latest release; `None` for a mirrored project.
    pub version: Option<String>,
    /// Its summary.
    pub summary: Option<String>,
    /// When the latest release came.
    pub released: Option<Timestamp>,
    /// By what it was found.
    pub matched: Matched,
    /// Typing errors.
    errors: u32,
}

/// Searches. 400 for more words than anybody looks for; 401 or 404 for an index that the caller may not know of.
pub async fn search(core: &Arc<Core>, caller: &Caller, wanted: Wanted<'_>) -> Result<Hits> {
    let query = Query::parse(wanted.text)?;
    let view = View::of(&core.tree.load(), caller, wanted.index)?;
    if query.is_empty() {
        return Ok(Hits::default());
    }
    // Held until the end; the semaphore is never closed.
    let _turn = core.searches.turns.acquire().await;
    let after = wanted.page.saturating_sub(1).saturating_mul(wanted.size);
    let enough = after.saturating_add(wanted.size).saturating_add(1).min(limits::SEARCH_HITS_MAX);
    let mut hunt = Hunt { core, caller, query, view, enough, hits: Vec::new(), known: HashSet::new(), cut_short: false };
    hunt.run().await?;
    let Hunt { mut hits, cut_short, .. } = hunt;
    hits.sort_by_cached_key(|hit| place(hit, caller));
    hits.truncate(limits::SEARCH_HITS_MAX);
    let more = hits.len() > after.saturating_add(wanted.size);
    Ok(Hits { hits: hits.into_iter().skip(after).take(wanted.size).collect(), more, cut_short })
}

/// The order of hits: the very name first; packages of one's own house before mirrored ones; the kind of match; the caller's own
/// indexes; then names by how much of them was typed, texts by date.
fn place(hit: &Hit, caller: &Caller) -> impl Ord + use<> {
    let own = caller.user.as_ref().is_some_and(|user| user.name == hit.index.path.user);
    let by_name = hit.matched <= Matched::Similar;
    let length = if by_name { hit.name.as_str().len() } else { 0 };
    let released = if by_name { Timestamp(0) } else { hit.released.unwrap_or(Timestamp(0)) };
    let first = (hit.matched != Matched::Exact, hit.index.kind == Kind::Mirror, hit.matched, !own);
    (first, hit.errors, length, Reverse(released), hit.name.clone(), hit.index.path.clone())
}

/// What a search may look at.
struct View {
    /// The stages, as the database takes them.
    within: Within,
    /// All indexes by key, mirrors included.
    indexes: HashMap<IndexId, Arc<Index>>,
    /// The whole order of the index that is searched through: it says which names mirrors may answer for.
    order: Option<Arc<[Arc<Index>]>>,
}

impl View {
    fn of(tree: &Tree, caller: &Caller, through: Option<(&str, &str)>) -> Result<Self> {
        // A token for some projects sees an index if it may see one of them there.
        let one = caller.one_project();
        let (seen, order) = match through {
            Some((user, index)) => {
                let sight = access::sight(tree, caller, user, index, one)?;
                (sight.visible.to_vec(), Some(sight.place.order))
            }
            None => (tree.all().into_iter().map(|place| place.index.clone()).collect(), None),
        };
        let may = |index: &&Arc<Index>, project| access::may(caller, Action::Read, index, project);
        let mut within = Within { projects: projects_of(caller), ..Within::default() };
        let mut indexes = HashMap::new();
        for index in &seen {
            let (whole, partly) = (may(&index, None), may(&index, one));
            match index.kind {
                Kind::Stage if whole => within.whole.push(index.id),
                Kind::Stage if partly => within.partly.push(index.id),
                _ => {}
            }
            if whole || partly {
                indexes.insert(index.id, index.clone());
            }
        }
        let stages = tree.all().iter().filter(|place| place.index.kind == Kind::Stage).count();
        within.few = within.whole.len() + within.partly.len() < stages;
        Ok(Self { within, indexes, order })
    }

    fn mirrors(&self) -> Vec<Arc<Index>> {
        let mut mirrors: Vec<_> = self.indexes.values().filter(|index| index.kind == Kind::Mirror).cloned().collect();
        mirrors.sort_by(|a, b| a.path.cmp(&b.path));
        mirrors
    }
}

/// The projects that the caller's token is confined to.
fn projects_of(caller: &Caller) -> Vec<ProjectName> {
    caller.token.as_ref().and_then(|token| token.scope.projects.clone()).unwrap_or_default()
}

/// A search under way.
struct Hunt<'a> {
    core: &'a Arc<Core>,
    caller: &'a Caller,
    query: Query,
    view: View,
    /// Hits after which nothing more need be looked for.
    enough: usize,
    hits: Vec<Hit>,
    known: HashSet<(IndexId, ProjectName)>,
    cut_short: bool,
}

impl Hunt<'_> {
    /// Each step finds what stands behind all that the steps before it have found.
    async fn run(&mut self) -> Result<()> {
        let by_name = self.stages_by_name().await;
        self.take(by_name)?;
        let mirrors = self.mirror_lists().await?;
        self.exact_in_mirrors(&mirrors).await?;
        if self.has_enough() {
            return Ok(());
        }
        if !self.hits.iter().any(|hit| hit.index.kind == Kind::Stage) {
            self.similar_in_stages().await?;
        }
        if !self.cut_short {
            let by_text = self.stages_by_text().await;
            self.take(by_text)?;
        }
        if !self.has_enough() {
            self.mirrors_by_name(mirrors).await?;
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.hits.len() >= self.enough
    }

    /// A step that the database had no time for ends there; what it found is lost, what the others find is not.
    fn take(&mut self, found: db::Result<Vec<(Found, Matched)>>) -> Result<()> {
        match found {
            Ok(found) => {
                for (one, matched) in found {
                    self.add_found(one, matched, 0);
                }
                Ok(())
            }
            Err(error) if was_cut_short(&error) => {
                tracing::warn!(words = self.query.words.len(), "a search took too long and was cut short");
                self.cut_short = true;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn add_found(&mut self, found: Found, matched: Matched, errors: u32) {
        let Some(index) = self.view.indexes.get(&found.index_id).cloned() else { return };
        self.add(Hit {
            index,
            name: found.name,
            display_name: found.display_name,
            version: Some(found.version),
            summary: found.summary,
            released: Some(found.released),
            matched,
            errors,
        });
    }

    fn add(&mut self, hit: Hit) {
        if access::may(self.caller, Action::Read, &hit.index, Some(&hit.name))
            && self.known.insert((hit.index.id, hit.name.clone()))
        {
            self.hits.push(hit);
        }
    }

    async fn reader(&self) -> db::Result<Bounded> {
        self.core.db.read_bounded(limits::SEARCH_TIME_MAX).await
    }

    async fn stages_by_name(&self) -> db::Result<Vec<(Found, Matched)>> {
        let (query, within, most) = (&self.query, &self.view.within, most());
        if query.name.is_empty() {
            return Ok(Vec::new());
        }
        let mut c = self.reader().await?;
        let mut found = db::search::by_prefix(&mut c, &query.name, within, most).await?;
        let words = query.long_name_words();
        if !words.is_empty() {
            found.extend(db::search::by_name(&mut c, &words, within, most).await?);
        }
        Ok(found.into_iter().filter_map(|one| query.fits(one.name.as_str()).map(|matched| (one, matched))).collect())
    }

    async fn stages_by_text(&self) -> db::Result<Vec<(Found, Matched)>> {
        let (query, within, most) = (&self.query, &self.view.within, most());
        let words = query.long_words();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let mut c = self.reader().await?;
        let heads = db::search::by_head(&mut c, &words, within, most).await?;
        let mut found: Vec<_> = heads
            .into_iter()
            .map(|one| {
                let matched = if is_in_summary(query, &one) { Matched::Summary } else { Matched::Keywords };
                (one, matched)
            })
            .collect();
        if self.hits.len() + found.len() < self.enough {
            let bodies = db::search::by_body(&mut c, &words, within, most).await?;
            found.extend(bodies.into_iter().map(|one| (one, Matched::Description)));
        }
        Ok(found)
    }

    /// Names of stages that are the wanted one but for typing errors.
    async fn similar_in_stages(&mut self) -> Result<()> {
        let list = lists::list(self.core, Of::Stages).await?;
        let wanted: HashSet<IndexId> = self.view.within.whole.iter().chain(&self.view.within.partly).copied().collect();
        let query = self.query.clone();
        let look = move || {
            let parts = list.parts.iter().filter(|(index, _)| wanted.contains(index));
            let similar = parts.flat_map(|(index, names)| {
                names.find_similar(&query, limits::SEARCH_SIMILAR_MAX).into_iter().map(|fitting| (*index, fitting))
            });
            similar.collect::<Vec<_>>()
        };
        let mut similar = tokio::task::spawn_blocking(look).await?;
        similar.sort_by_key(|(_, fitting)| (fitting.errors, fitting.name.len()));
        let mut c = self.core.db.read().await?;
        for (index, fitting) in similar.into_iter().take(limits::SEARCH_SIMILAR_MAX) {
            let Ok(name) = ProjectName::parse(&fitting.name) else { continue };
            // The list may be older than the entry.
            if let Some(found) = db::search::exact(&mut c, index, &name).await? {
                self.add_found(found, Matched::Similar, fitting.errors);
            }
        }
        Ok(())
    }

    async fn mirror_lists(&self) -> Result<Vec<(Arc<Index>, Arc<List>)>> {
        let mut all = Vec::new();
        for mirror in self.view.mirrors() {
            let list = lists::list(self.core, Of::Mirror(mirror.id)).await?;
            all.push((mirror, list));
        }
        Ok(all)
    }

    async fn exact_in_mirrors(&mut self, mirrors: &[(Arc<Index>, Arc<List>)]) -> Result<()> {
        let name = self.query.name.clone();
        let has_it = |list: &List| list.parts.iter().any(|(_, names)| names.contains(&name));
        let fitting = Fitting { name: name.clone(), matched: Matched::Exact, errors: 0 };
        let found = mirrors.iter().filter(|(_, list)| has_it(list)).map(|(mirror, _)| (mirror.clone(), fitting.clone()));
        self.add_mirrored(found.collect()).await
    }

    /// Typing errors are looked for only if nothing else was found anywhere.
    async fn mirrors_by_name(&mut self, mirrors: Vec<(Arc<Index>, Arc<List>)>) -> Result<()> {
        let (query, nothing_yet) = (self.query.clone(), self.hits.is_empty());
        let look = move || {
            let names = mirrors.iter().flat_map(|(mirror, list)| list.parts.iter().map(move |(_, names)| (mirror, names)));
            let found = names.flat_map(|(mirror, names)| {
                names.find(&query, limits::SEARCH_HITS_MAX).into_iter().map(|fitting| (mirror.clone(), fitting))
            });
            let mut found: Vec<_> = found.collect();
            let has_fitting = found.iter().any(|(_, fitting)| fitting.matched != Matched::Similar);
            if has_fitting || !nothing_yet {
                found.retain(|(_, fitting)| fitting.matched != Matched::Similar);
            } else {
                found.sort_by_key(|(_, fitting)| (fitting.errors, fitting.name.len()));
                found.truncate(limits::SEARCH_SIMILAR_MAX);
            }
            found
        };
        let found = tokio::task::spawn_blocking(look).await?;
        self.add_mirrored(found).await
    }

    /// Adds mirrored projects, those that the index searched through keeps its mirrors from left out.
    async fn add_mirrored(&mut self, found: Vec<(Arc<Index>, Fitting)>) -> Result<()> {
        let named = found.into_iter().filter_map(|(mirror, fitting)| {
            let name = ProjectName::parse(&fitting.name).ok()?;
            Some((mirror, name, fitting))
        });
        let mut named: Vec<_> = named.collect();
        if let Some(order) = &self.view.order {
            let names: Vec<ProjectName> = named.iter().map(|(_, name, _)| name.clone()).collect();
            let holders = db::search::holders(&mut self.core.db.read().await?, &names).await?;
            let holders: HashSet<(ProjectName, IndexId)> = holders.into_iter().collect();
            named.retain(|(_, name, _)| merge::mirrors_may_answer(order, name, |id| holders.contains(&(name.clone(), id))));
        }
        for (index, name, Fitting { matched, errors, .. }) in named {
            let display_name = name.to_string();
            self.add(Hit { index, name, display_name, version: None, summary: None, released: None, matched, errors });
        }
        Ok(())
    }
}

/// How many rows a statement gives at the most.
fn most() -> i64 {
    i64::try_from(limits::SEARCH_HITS_MAX).unwrap_or(i64::MAX)
}

fn is_in_summary(query: &Query, found: &Found) -> bool {
    let summary = fold(found.summary.as_deref().unwrap_or_default());
    query.is_in(&[found.name.as_str(), &fold(&found.display_name), &summary])
}
