//! The names that a search looks through in memory: those that mirrors know, and those of the stages for the sake of typing errors.
//!
//! Made when they are first wanted, within a budget of bytes, and made anew when something has changed: at once if that is quick, else in
//! the background and not too often, while searches go through the old ones. What is in a stage is found without these lists as soon as
//! it is published. Upstream is never asked.

use super::names::Names;
use crate::clock::Timestamp;
use crate::db::{self, IndexId, Serial};
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::index::flight::Flights;
use crate::index::projects;
use crate::limits;
use moka::future::Cache;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// Whose names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    /// All stages'.
    Stages,
    /// A mirror's.
    Mirror(IndexId),
}

/// The names of some indexes, as they were at some moment.
#[derive(Debug)]
pub struct List {
    /// By index; of a mirror in two parts, which have no name in common.
    pub parts: Vec<(IndexId, Arc<Names>)>,
    /// The first of these parts if it is upstream's list.
    upstream: Option<Arc<Names>>,
    made: Duration,
    /// How long that took.
    took: Duration,
    of: Version,
}

/// What a list was made of. The journal does not tell that a mirror has got upstream's list, so the moment of that stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    seen: Serial,
    /// When upstream's list last changed.
    upstream: Option<Timestamp>,
}

impl Version {
    async fn now(core: &Core, of: Of) -> Result<Self> {
        let seen = core.changes.seen();
        let upstream = match of {
            Of::Mirror(index) if names_upstream(core, index) => {
                db::mirrors::changed(&mut core.db.read().await?, index, projects::LIST).await?
            }
            _ => None,
        };
        Ok(Self { seen, upstream })
    }
}

fn names_upstream(core: &Core, index: IndexId) -> bool {
    core.tree.load().by_id(index).is_some_and(|index| projects::names_upstream(index))
}

impl List {
    fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, names)| names.bytes() + size_of::<Names>()).sum()
    }

    /// Whether it is too early to make it again, or nothing has changed. The database is asked only if that cannot be told otherwise.
    async fn is_fresh(&self, core: &Core, of: Of) -> Result<bool> {
        let rest = self.took.saturating_mul(limits::SEARCH_NAMES_REST);
        if core.clock.uptime().saturating_sub(self.made) < rest {
            return Ok(true);
        }
        Ok(self.of.seen == core.changes.seen() && self.of == Version::now(core, of).await?)
    }
}

/// The lists that are kept.
#[derive(Debug)]
pub struct Lists {
    kept: Cache<Of, Arc<List>>,
    making: Flights<Of>,
}

impl Default for Lists {
    fn default() -> Self {
        let weigh = |_: &Of, list: &Arc<List>| u32::try_from(list.bytes()).unwrap_or(u32::MAX);
        let kept =
            Cache::builder().max_capacity(limits::SEARCH_NAMES_BYTES).weigher(weigh).time_to_idle(limits::SEARCH_NAMES_IDLE);
        Self { kept: kept.build(), making: Flights::default() }
    }
}

/// The list; made now if it is not there, or if that is quick.
pub async fn list(core: &Arc<Core>, of: Of) -> Result<Arc<List>> {
    let Some(list) = core.searches.lists.kept.get(&of).await else { return renew(core.clone(), of).await };
    if !list.is_fresh(core, of).await? {
        if list.took < limits::SEARCH_NAMES_WAIT {
            return renew(core.clone(), of).await;
        }
        let core = core.clone();
        core.tasks.clone().spawn(async move {
            if let Err(error) = renew(core, of).await {
                tracing::warn!(%error, "the names for searching could not be read anew");
            }
        });
    }
    Ok(list)
}

/// Makes the list anew, unless somebody else has just done it.
async fn renew(core: Arc<Core>, of: Of) -> Result<Arc<List>> {
    let lists = &core.searches.lists;
    let _turn = lists.making.turn(of).await;
    let before = lists.kept.get(&of).await;
    if let Some(list) = &before
        && list.is_fresh(&core, of).await?
    {
        return Ok(list.clone());
    }
    let (made, version) = (core.clock.uptime(), Version::now(&core, of).await?);
    let (parts, upstream) = match of {
        Of::Stages => (of_stages(&core).await?, None),
        Of::Mirror(index) => of_mirror(&core, index, version, before).await?,
    };
    let took = core.clock.uptime().saturating_sub(made);
    let list = Arc::new(List { parts, upstream, made, took, of: version });
    lists.kept.insert(of, list.clone()).await;
    Ok(list)
}

type Parts = Vec<(IndexId, Arc<Names>)>;

async fn of_stages(core: &Core) -> Result<Parts> {
    let rows = db::search::names(&mut core.db.read().await?).await?;
    let pack = move || {
        let by_index = rows.chunk_by(|a, b| a.0 == b.0);
        by_index.map(|some| (some[0].0, Arc::new(Names::of(some.iter().map(|(_, name)| name.as_str()).collect())))).collect()
    };
    Ok(tokio::task::spawn_blocking(pack).await?)
}

/// Upstream's list as it is kept, and what was asked for without being on it. `before` is what was made of an earlier version.
async fn of_mirror(
    core: &Core,
    index: IndexId,
    version: Version,
    before: Option<Arc<List>>,
) -> Result<(Parts, Option<Arc<Names>>)> {
    let unchanged = before.filter(|list| list.of.upstream == version.upstream).and_then(|list| list.upstream.clone());
    let mut c = core.db.read().await?;
    let upstream = match (version.upstream, unchanged) {
        (None, _) => None,
        (Some(_), Some(names)) => Some(names),
        (Some(_), None) => match db::mirrors::page(&mut c, index, projects::LIST).await? {
            Some(page) => {
                // With what is noted beside them, names take about twice the bytes of their text.
                let unpack = move || unpack(&page.body, limits::SEARCH_NAMES_BYTES / 2);
                Some(Arc::new(tokio::task::spawn_blocking(unpack).await??))
            }
            None => None,
        },
    };
    let asked_for = db::mirrors::names(&mut c, index).await?;
    drop(c);
    let listed = upstream.clone();
    let pack = move || {
        let is_new = |name: &&str| !listed.as_ref().is_some_and(|listed| listed.contains(name));
        Names::of(asked_for.iter().map(String::as_str).filter(is_new).collect())
    };
    let asked_for = Arc::new(tokio::task::spawn_blocking(pack).await?);
    Ok((upstream.clone().into_iter().chain([asked_for]).map(|names| (index, names)).collect(), upstream))
}

/// Reads a list as it is kept, as far as `most` bytes. Blocks.
fn unpack(body: &[u8], most: u64) -> Result<Names> {
    let mut text = Vec::new();
    projects::unpacked(body).map_err(Error::from)?.take(most).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    // Of one that is larger the end is left out, with the half name there.
    let end = text.rfind('\n').unwrap_or_default();
    Ok(Names::of(text[..end].lines().filter(|name| !name.is_empty()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_too_large_for_memory_is_cut_between_names() {
        let packed = zstd::bulk::compress(b"one\ntwo\nthree\nfour\n", 1).unwrap();
        for (most, expected) in [(100, 4), (19, 4), (18, 3), (10, 2), (8, 2), (3, 0)] {
            let names = unpack(&packed, most).unwrap();
            assert_eq!((names.count(), names.contains("two"), names.contains("thr")), (expected, expected > 1, false), "{most}");
        }
    }

    #[test]
    fn an_empty_list_has_no_names() {
        assert!(unpack(&zstd::bulk::compress(b"", 1).unwrap(), 100).unwrap().count() == 0);
        assert_eq!(unpack(&zstd::bulk::compress(b"one\n", 1).unwrap(), 100).unwrap().count(), 1);
    }
}
