//! The list of all projects of an index, its bases and mirrors.

use super::access::{self, Caller, Sight};
use super::core::Core;
use super::mirror;
use super::settings::Kind;
use super::tree::Index;
use crate::db::journal::{Action, Change};
use crate::db::mirrors::MirrorPage;
use crate::db::{self, Serial};
use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::{ProjectName, page_parse};
use crate::upstream::PageAnswer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names and the serial of each one's last change, sorted by name, each name once.
///
/// A mirror that has never been able to ask for its upstream's list contributes the projects it has pages of.
pub async fn names(core: &Arc<Core>, sight: &Sight) -> Result<BTreeMap<ProjectName, Serial>> {
    let mut all = BTreeMap::new();
    for index in sight.visible.iter() {
        let names = match index.kind {
            Kind::Stage => db::projects::names(&mut core.db.read().await?, index.id).await?,
            Kind::Mirror => mirrored(core, index).await?,
        };
        for (name, serial) in names {
            let newest = all.entry(name).or_insert(serial);
            *newest = serial.max(*newest);
        }
    }
    Ok(all)
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

async fn mirrored(core: &Arc<Core>, index: &Arc<Index>) -> Result<Vec<(ProjectName, Serial)>> {
    let mut known = db::mirrors::page_names(&mut core.db.read().await?, index.id).await?;
    if !index.settings.mirror_no_project_list {
        let listed = upstream_list(core, index).await?;
        known.extend(listed.into_iter().map(|name| (name, Serial::NONE)));
    }
    Ok(known)
}

/// Upstream's list: as kept while it is fresh, else asked for, else as kept, else nothing.
async fn upstream_list(core: &Arc<Core>, index: &Arc<Index>) -> Result<Vec<ProjectName>> {
    let _turn = core.refreshes.turn((index.id, None)).await;
    let row = db::mirrors::page(&mut core.db.read().await?, index.id, LIST).await?;
    let now = core.clock.now();
    let rest = limits::MIRROR_REST_AFTER_FAILURE * u32::try_from(row.as_ref().map_or(0, |row| row.failures.min(1))).unwrap_or(0);
    let fresh = row.as_ref().is_some_and(|row| now < row.checked.plus(index.settings.mirror_cache_expiry.max(rest)));
    if !fresh
        && !core.rules.offline
        && let Asked::Listed(names) = ask(core, index, row.as_ref()).await?
    {
        return Ok(names);
    }
    match row {
        Some(row) => unpack(row.body).await,
        None => Ok(Vec::new()),
    }
}

/// What came of asking upstream for its list.
#[derive(Debug)]
pub enum Asked {
    /// The list.
    Listed(Vec<ProjectName>),
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
            keep(core, index, row, &names, etag).await?;
            Ok(Asked::Listed(names))
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

async fn keep(core: &Core, index: &Index, row: Option<&MirrorPage>, names: &[ProjectName], etag: Option<String>) -> Result<()> {
    let text: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
    let pack = move || zstd::bulk::compress(text.as_bytes(), limits::RECORD_COMPRESSION);
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
    Ok(())
}

/// A list as it is kept: one name a line.
pub(super) fn unpacked(body: &[u8]) -> std::io::Result<impl std::io::Read> {
    zstd::Decoder::new(body)
}

async fn unpack(body: Vec<u8>) -> Result<Vec<ProjectName>> {
    let work = tokio::task::spawn_blocking(move || {
        let text = std::io::read_to_string(unpacked(&body)?)?;
        Ok::<_, std::io::Error>(text.lines().filter_map(|line| ProjectName::parse(line).ok()).collect())
    });
    work.await?.map_err(Error::from)
}
