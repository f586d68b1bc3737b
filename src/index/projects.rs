//! The names of all projects of an index, its bases and mirrors, and asking upstreams for theirs.

use super::access::{self, Caller, Sight};
use super::core::Core;
use super::follow;
use super::mirror;
use super::settings::Kind;
use super::tree::Index;
use crate::clock::Timestamp;
use crate::db::journal::{Action, Change};
use crate::db::mirrors::MirrorPage;
use crate::db::{self, Serial};
use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::{NameList, ProjectName, page_parse};
use crate::upstream::PageAnswer;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The names of an index, its bases and mirrors, as they were found.
#[derive(Debug, Default)]
pub struct Roll {
    /// Projects of stages, and those that mirrors have pages of.
    pub(super) rows: Vec<(ProjectName, Serial)>,
    /// What upstreams list.
    pub(super) lists: Vec<NameList>,
}

impl Roll {
    /// Sorted by name, each name once, with the serial of its last change here.
    pub fn sorted(&self) -> Vec<(&str, Serial)> {
        let listed = self.lists.iter().flat_map(NameList::iter).map(|name| (name, Serial::NONE));
        let mut all: Vec<_> = listed.chain(self.rows.iter().map(|(name, serial)| (name.as_str(), *serial))).collect();
        // Made for what is sorted in parts.
        all.sort_by_key(|(name, _)| *name);
        all.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.max(next.1);
            }
            same
        });
        all
    }
}

/// The names, as far as they are known here; nobody is asked.
///
/// A mirror that has never been able to ask for its upstream's list contributes the projects it has pages of.
pub async fn roll(core: &Core, sight: &Sight) -> Result<Roll> {
    let mut roll = Roll::default();
    let mut c = core.db.read().await?;
    for index in sight.visible.iter() {
        roll.rows.extend(match index.kind {
            Kind::Stage => db::projects::names(&mut c, index.id).await?,
            Kind::Mirror => db::mirrors::page_names(&mut c, index.id).await?,
        });
        if names_upstream(index)
            && let Some(row) = db::mirrors::page(&mut c, index.id, LIST).await?
        {
            roll.lists.push(unpack(row.body).await?);
        }
    }
    Ok(roll)
}

/// Makes the mirrors ask for their upstreams' lists if it is time. Returns until when all of them need not ask again; `None`: for ever.
pub async fn refresh(core: &Core, sight: &Sight) -> Result<Option<Timestamp>> {
    let mut first = None;
    for index in sight.visible.iter().filter(|index| names_upstream(index) && !core.rules.offline) {
        let until = refresh_list(core, index).await?;
        first = Some(first.map_or(until, |before: Timestamp| before.min(until)));
    }
    Ok(first)
}

/// Whether it is a mirror that asks its upstream for the list of all projects.
pub(super) fn names_upstream(index: &Index) -> bool {
    index.kind == Kind::Mirror && !index.settings.mirror_no_project_list
}

/// What the stage itself holds, without its bases, sorted: devpi's `projects`.
pub async fn own(core: &Core, index: &Index) -> Result<Vec<ProjectName>> {
    let names = match index.kind {
        Kind::Stage => db::projects::names(&mut core.db.read().await?, index.id).await?,
        Kind::Mirror => db::mirrors::page_names(&mut core.db.read().await?, index.id).await?,
    };
    Ok(names.into_iter().map(|(name, _)| name).collect())
}

/// Where the list of all upstream's projects is kept: no project has this name.
pub(super) const LIST: &str = "";
const REST: Duration = limits::MIRROR_REST_AFTER_FAILURE;

async fn refresh_list(core: &Core, index: &Index) -> Result<Timestamp> {
    let _turn = core.refreshes.turn((index.id, None)).await;
    let row = db::mirrors::page(&mut core.db.read().await?, index.id, LIST).await?;
    let expiry = index.settings.mirror_cache_expiry;
    let now = core.clock.now();
    let until = row.as_ref().map(|row| row.checked.plus(if row.failures > 0 { expiry.max(REST) } else { expiry }));
    match until {
        Some(until) if now < until => Ok(until),
        _ => match ask(core, index, row.as_ref()).await? {
            Asked::Listed(_) | Asked::Unchanged => Ok(now.plus(expiry)),
            Asked::Failed(_) => Ok(now.plus(expiry.max(REST))),
        },
    }
}

/// What came of asking upstream for its list.
#[derive(Debug)]
pub enum Asked {
    /// A list, which is kept now; how many names it has.
    Listed(usize),
    /// What is kept still holds.
    Unchanged,
    /// It did not give one: why.
    Failed(String),
}

/// Asks upstream for its list now, whether or not it is time; whoever may configure the mirror may. Goes on if its caller does not wait.
pub async fn ask_again(core: &Arc<Core>, caller: &Caller, index: &Arc<Index>) -> Result<Asked> {
    if !access::may(caller, access::Action::Configure, index, None) {
        return Err(Error::Forbidden(format!("no permission to make {} ask upstream", index.path)));
    }
    if index.kind != Kind::Mirror || index.settings.mirror_no_project_list {
        return Err(Error::BadRequest(format!("{} has no list of projects to ask for", index.path)));
    }
    if core.rules.offline {
        return Err(Error::BadRequest("the server is offline: it asks no other server".into()));
    }
    let (task, index) = (core.clone(), index.clone());
    let asking = core.tasks.spawn(async move {
        let _turn = task.refreshes.turn((index.id, None)).await;
        let row = db::mirrors::page(&mut task.db.read().await?, index.id, LIST).await?;
        ask(&task, &index, row.as_ref()).await
    });
    asking.await?
}

/// Asks upstream, and keeps what it says.
async fn ask(core: &Core, index: &Index, row: Option<&MirrorPage>) -> Result<Asked> {
    let origin = match mirror::origin(index) {
        Ok(origin) => origin,
        Err(why) => return Ok(Asked::Failed(why)),
    };
    let etag = row.and_then(|row| row.etag.as_deref());
    let (content_type, body, etag) = match core.upstream.fetch_list(&origin, mirror::reach(index), etag).await {
        Ok(PageAnswer::Page { content_type, body, etag, .. }) => (content_type, body, etag),
        Ok(PageAnswer::NotModified) => {
            touch(core, index, 0).await?;
            return Ok(Asked::Unchanged);
        }
        Ok(PageAnswer::Missing) => return Ok(Asked::Failed("the other server has no list of projects".into())),
        Err(error) => {
            tracing::warn!(index = %index.path, %error, "upstream did not give its list of projects");
            touch(core, index, 1).await?;
            return Ok(Asked::Failed(error.to_string()));
        }
    };
    let parsed =
        tokio::task::spawn_blocking(move || page_parse::parse_list(content_type.as_deref().unwrap_or_default(), &body)).await?;
    match parsed {
        Ok(names) => {
            let count = names.iter().count();
            keep(core, index, row, names, etag).await?;
            Ok(Asked::Listed(count))
        }
        Err(error) => {
            tracing::warn!(index = %index.path, %error, "upstream's list of projects cannot be read");
            Ok(Asked::Failed(format!("its list of projects cannot be read: {error}")))
        }
    }
}

async fn touch(core: &Core, index: &Index, failures: i64) -> Result<()> {
    let mut c = core.db.begin().await?;
    db::mirrors::touch_list(&mut c, index.id, LIST, core.clock.now(), failures).await?;
    c.commit().await?;
    Ok(())
}

async fn keep(core: &Core, index: &Index, row: Option<&MirrorPage>, names: NameList, etag: Option<String>) -> Result<()> {
    let pack = move || zstd::bulk::compress(names.as_text().as_bytes(), limits::RECORD_COMPRESSION);
    let body = tokio::task::spawn_blocking(pack).await??;
    let now = core.clock.now();
    let page = MirrorPage { etag, digest: None, serial: None, checked: now, changed: now, failures: 0, body };
    let mut c = core.db.begin().await?;
    if !db::mirrors::put_page(&mut c, index.id, LIST, row, &page).await? {
        // Another node has asked at the same moment, and its answer is as good as ours.
        return Ok(());
    }
    let change =
        Change { actor: "upstream", index: Some(index.id), project: None, action: Action::MirrorList, detail: Value::Null };
    db::journal::append(&mut c, &change, now).await?;
    c.commit().await?;
    follow::catch_up(core).await?;
    Ok(())
}

/// A list as it is kept: one name a line.
pub(super) fn unpacked(body: &[u8]) -> std::io::Result<impl std::io::Read> {
    zstd::Decoder::new(body)
}

async fn unpack(body: Vec<u8>) -> Result<NameList> {
    let work = tokio::task::spawn_blocking(move || std::io::read_to_string(unpacked(&body)?).map(NameList::of_text));
    Ok(work.await??)
}
