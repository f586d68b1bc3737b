//! What a mirror has of a project: fresh enough to use, refreshed if not, and what is kept when upstream does not answer.
//!
//! However many clients ask, upstream is asked once. Upstream that fails is never taken for upstream that has nothing.

use super::access::Sight;
use super::core::Core;
use super::follow;
use super::record::Record;
use super::settings::Kind;
use super::tree::Index;
use crate::clock::Timestamp;
use crate::db::journal::{Action, Change};
use crate::db::mirrors::MirrorPage;
use crate::db::{self, IndexId};
use crate::error::{Error, Result};
use crate::fault::{self, Step};
use crate::limits;
use crate::log;
use crate::metrics::Refreshed;
use crate::pypi::{ProjectName, Sha256, page_parse};
use crate::upstream::{Origin, PageAnswer, Reach, UpstreamError};
use moka::sync::Cache;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How the record of a mirrored project stands after a look at upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Upstream's word is fresh until then; the record, if there is one, holds it.
    Fresh(Timestamp),
    /// Upstream does not answer; the record is from the first time, and upstream is left alone until the second.
    Stale(Timestamp, Timestamp),
    /// Upstream does not answer and nothing is recorded.
    Unknown(String),
}

/// What upstream said a moment ago where there is no record to hold it: that it has no such project, or nothing.
#[derive(Debug)]
pub struct Outcomes(Cache<(IndexId, ProjectName), (Timestamp, Option<String>)>);

impl Default for Outcomes {
    fn default() -> Self {
        Self(Cache::new(limits::OUTCOMES_KEPT))
    }
}

impl Outcomes {
    /// Forgets what upstream said of this project.
    pub fn forget(&self, index: IndexId, project: &ProjectName) {
        self.0.invalidate(&(index, project.clone()));
    }

    /// Forgets all that any upstream said: a mirror has another one.
    pub fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

/// When mirrors were last made to ask for a page although it was not time. Anybody who may read one can do that, and each time
/// costs a row of the journal and a question to its upstream.
#[derive(Debug)]
pub struct Forced(Cache<(IndexId, ProjectName), Duration>);

impl Default for Forced {
    fn default() -> Self {
        Self(Cache::new(limits::OUTCOMES_KEPT))
    }
}

impl Forced {
    /// Whether it may be done now; if so, not again for a while.
    fn turn(&self, index: IndexId, project: &ProjectName, now: Duration) -> bool {
        let key = (index, project.clone());
        let may = self.0.get(&key).is_none_or(|last| now.saturating_sub(last) >= limits::MIRROR_REFRESH_PAUSE);
        if may {
            self.0.insert(key, now);
        }
        may
    }
}

/// Looks at the record of `project` in the mirror `index` and refreshes it if it is time.
pub async fn refresh(core: &Arc<Core>, index: &Arc<Index>, project: &ProjectName) -> Result<Standing> {
    let row = db::mirrors::page(&mut core.db.read().await?, index.id, project.as_str()).await?;
    if let Some(standing) = standing(core, index, project, row.as_ref()) {
        return Ok(standing);
    }
    let _turn = core.refreshes.turn((index.id, Some(project.clone()))).await;
    for _ in 0..limits::MIRROR_REFRESH_TRIES {
        // Whoever had the turn before may have done the work; or another node, while this one asked.
        let row = db::mirrors::page(&mut core.db.read().await?, index.id, project.as_str()).await?;
        if let Some(standing) = standing(core, index, project, row.as_ref()) {
            return Ok(standing);
        }
        // In a task of its own: a client that leaves does not waste what upstream is about to say.
        let (task, of, name, before) = (core.clone(), index.clone(), project.clone(), row.as_ref().map(last_seen));
        let asked = core.tasks.spawn(log::carry(async move { ask(&task, &of, &name, row).await })).await?;
        match (asked, before) {
            (Ok(Some(standing)), _) => return Ok(standing),
            (Ok(None), _) => {}
            // What upstream said cannot be stored, for a disk is full: what is recorded goes on.
            (Err(error @ (Error::NoRoom | Error::Unavailable { .. })), Some(seen)) => {
                return Ok(rest(core, index, project, error.to_string(), seen));
            }
            (Err(error), _) => return Err(error),
        }
    }
    Err(Error::Unavailable {
        message: format!("the mirrored page of {project} changes too fast; try again"),
        retry_after: limits::MIRROR_REST_AFTER_FAILURE,
    })
}

/// The standing without asking upstream; `None`: it is time to ask.
fn standing(core: &Core, index: &Index, project: &ProjectName, row: Option<&MirrorPage>) -> Option<Standing> {
    let now = core.clock.now();
    if core.rules.offline {
        return Some(match row {
            Some(_) => Standing::Fresh(Timestamp(i64::MAX)),
            None => Standing::Unknown("the server is offline and has not kept this page".into()),
        });
    }
    let recent = core.outcomes.0.get(&(index.id, project.clone())).filter(|(until, _)| now < *until);
    match (row, recent) {
        (Some(row), _) if now < row.checked.plus(index.settings.mirror_cache_expiry) => {
            Some(Standing::Fresh(row.checked.plus(index.settings.mirror_cache_expiry)))
        }
        (Some(row), Some((until, Some(_)))) => Some(Standing::Stale(last_seen(row), until)),
        (None, Some((_, Some(why)))) => Some(Standing::Unknown(why)),
        (None, Some((until, None))) => Some(Standing::Fresh(until)),
        _ => None,
    }
}

/// Asks upstream and keeps what it says; `None` if the record is no longer the one that was asked for.
async fn ask(core: &Arc<Core>, index: &Index, project: &ProjectName, row: Option<MirrorPage>) -> Result<Option<Standing>> {
    let answer = match origin(index) {
        Ok(origin) => {
            let etag = row.as_ref().and_then(|row| row.etag.as_deref());
            core.upstream.fetch_page(&origin, reach(index), project, etag).await.map_err(|e| e.to_string())
        }
        Err(why) => Err(why),
    };
    let now = core.clock.now();
    let fresh = Some(Standing::Fresh(now.plus(index.settings.mirror_cache_expiry)));
    let failed = async |row, why| failed(core, index, project, row, why).await.map(Some);
    match (answer, row) {
        (Err(why), row) => failed(row, why).await,
        (Ok(PageAnswer::NotModified), Some(row)) => {
            core.metrics.refreshes.of(Refreshed::Unchanged).inc();
            let mut c = core.db.begin().await?;
            let stands = db::mirrors::touch_page(&mut c, index.id, project.as_str(), &row, now).await?;
            c.commit().await?;
            // `gc` may have forgotten it while upstream was asked: then there is nothing that has not changed.
            Ok(fresh.filter(|_| stands))
        }
        (Ok(PageAnswer::NotModified), None) => {
            failed(None, "upstream says that nothing has changed, but nothing was asked before".into()).await
        }
        (Ok(PageAnswer::Missing), None) => {
            core.metrics.refreshes.of(Refreshed::Missing).inc();
            core.outcomes.0.insert((index.id, project.clone()), (now.plus(index.settings.mirror_cache_expiry), None));
            Ok(fresh)
        }
        (Ok(PageAnswer::Missing), Some(row)) => {
            core.metrics.refreshes.of(Refreshed::Missing).inc();
            let before = Record::unpack(&row.body)?;
            let record = before.after_removal(now);
            let seen = Seen { changed: record != before, record, etag: None, digest: None };
            let kept = keep(core, index, project, Some(&row), seen).await?;
            Ok(fresh.filter(|_| kept))
        }
        (Ok(PageAnswer::Page { content_type, body, etag, final_url, .. }), row) => {
            match parse(row.as_ref(), project, content_type, body, final_url, now).await? {
                Ok(seen) => {
                    let outcome = if seen.changed { Refreshed::Changed } else { Refreshed::Unchanged };
                    core.metrics.refreshes.of(outcome).inc();
                    let kept = keep(core, index, project, row.as_ref(), Seen { etag, ..seen }).await?;
                    core.outcomes.forget(index.id, project);
                    Ok(fresh.filter(|_| kept))
                }
                Err(why) => failed(row, why).await,
            }
        }
    }
}

/// What upstream showed.
struct Seen {
    record: Record,
    /// Whether it differs from what was known.
    changed: bool,
    etag: Option<String>,
    digest: Option<Sha256>,
}

/// Reads upstream's page into the record, on the blocking pool: a large page takes a while. The inner error is upstream's.
async fn parse(
    row: Option<&MirrorPage>,
    project: &ProjectName,
    content_type: Option<String>,
    body: bytes::Bytes,
    url: url::Url,
    now: Timestamp,
) -> Result<Result<Seen, String>> {
    let (packed, project) = (row.map(|row| row.body.clone()), project.clone());
    let work = tokio::task::spawn_blocking(move || {
        let before = packed.as_deref().map(Record::unpack).transpose()?.unwrap_or_default();
        let parsed = page_parse::parse(content_type.as_deref().unwrap_or_default(), &body, &url, &project);
        Ok::<_, anyhow::Error>(match parsed {
            // A captive portal or an error page that comes as a 200: nothing a project page would say.
            Ok(parsed) if parsed.page.files.is_empty() && parsed.page.status.is_none() && before.is_there() => {
                Err("upstream's page, which listed files before, lists none and does not say why".to_owned())
            }
            Ok(parsed) => {
                let record = before.after(parsed.page, now);
                Ok(Seen { changed: packed.is_none() || record != before, record, etag: None, digest: Some(Sha256::of(&body)) })
            }
            Err(error) => Err(error.to_string()),
        })
    });
    Ok(work.await??)
}

/// Upstream did not answer, or not in a way that can be used: what is recorded goes on, marked, and upstream gets a rest.
async fn failed(core: &Core, index: &Index, project: &ProjectName, row: Option<MirrorPage>, why: String) -> Result<Standing> {
    core.metrics.refreshes.of(Refreshed::Failed).inc();
    tracing::warn!(index = %index.path, %project, why, kept = row.is_some(), "upstream did not give a page");
    let seen = row.as_ref().map(last_seen).unwrap_or_default();
    let standing = rest(core, index, project, why.clone(), seen);
    if row.is_none() {
        return Ok(Standing::Unknown(why));
    }
    let mut c = core.db.begin().await?;
    let is_there = db::mirrors::note_failure(&mut c, index.id, project.as_str()).await?;
    c.commit().await?;
    Ok(if is_there { standing } else { Standing::Unknown(why) })
}

/// Leaves upstream alone for a while; the record of `seen` goes on meanwhile.
fn rest(core: &Core, index: &Index, project: &ProjectName, why: String, seen: Timestamp) -> Standing {
    let until = core.clock.now().plus(limits::MIRROR_REST_AFTER_FAILURE);
    core.outcomes.0.insert((index.id, project.clone()), (until, Some(why)));
    Standing::Stale(seen, until)
}

/// When upstream last gave what is recorded. A forced refresh sets `checked` back, but not what was seen before.
fn last_seen(row: &MirrorPage) -> Timestamp {
    row.checked.max(row.changed)
}

/// Stores what upstream showed; journals it only if it shows in a page. `false` if the record is no longer `row`, which it was made
/// from: what another node has recorded meanwhile must not be lost.
async fn keep(core: &Core, index: &Index, project: &ProjectName, row: Option<&MirrorPage>, seen: Seen) -> Result<bool> {
    let now = core.clock.now();
    let record = seen.record;
    let body = tokio::task::spawn_blocking(move || record.pack()).await??;
    let page = MirrorPage {
        etag: seen.etag,
        digest: seen.digest.map(|d| d.as_bytes().to_vec()),
        serial: row.and_then(|row| row.serial),
        checked: now,
        changed: row.filter(|_| !seen.changed).map_or(now, |row| row.changed),
        failures: 0,
        body,
    };
    let mut c = core.db.begin().await?;
    if !db::mirrors::put_page(&mut c, index.id, project.as_str(), row, &page).await? {
        return Ok(false);
    }
    if seen.changed {
        let change = Change {
            actor: "upstream",
            index: Some(index.id),
            project: Some(project),
            action: Action::MirrorPage,
            detail: Value::Null,
        };
        let serial = db::journal::append(&mut c, &change, now).await?;
        db::mirrors::set_serial(&mut c, index.id, project.as_str(), serial).await?;
    }
    fault::at(Step::RefreshWritten);
    c.commit().await?;
    fault::at(Step::RefreshCommitted);
    if seen.changed {
        follow::catch_up(core).await?;
    }
    Ok(true)
}

/// Makes the mirrors of an order ask for the project's page when it is next wanted. The record stays: should upstream not
/// answer, it is still there. A mirror that was made to a moment ago is left alone: what it has is as good as new.
pub async fn forget(core: &Arc<Core>, sight: &Sight, project: &ProjectName) -> Result<()> {
    let now = core.clock.uptime();
    let mirrors = sight.visible.iter().filter(|index| index.kind == Kind::Mirror);
    let mirrors: Vec<IndexId> = mirrors.map(|index| index.id).filter(|id| core.forced.turn(*id, project, now)).collect();
    if mirrors.is_empty() {
        return Ok(());
    }
    let (task, project) = (core.clone(), project.clone());
    follow::change(core, async move {
        for index in mirrors {
            let mut c = task.db.begin().await?;
            db::mirrors::expire_page(&mut c, index, project.as_str()).await?;
            // Journalled, because pages in memory, here and elsewhere, are good until their time, and what upstream said is remembered.
            let change = Change {
                actor: "refresh",
                index: Some(index),
                project: Some(&project),
                action: Action::MirrorPage,
                detail: Value::Null,
            };
            db::journal::append(&mut c, &change, task.clock.now()).await?;
            c.commit().await?;
        }
        Ok(())
    })
    .await
}

/// The mirror's upstream, or why it has none.
pub fn origin(index: &Index) -> Result<Origin, String> {
    let nowhere =
        || format!("the mirror {} has no upstream: set its mirror_url, or start the server with --upstream URL", index.path);
    let url = index.settings.mirror_url.as_deref().ok_or_else(nowhere)?;
    Origin::parse(url).map_err(|e| e.to_string())
}

/// Where requests for this mirror may go.
pub fn reach(index: &Index) -> Reach {
    match index.settings.mirror_private_allowed {
        true => Reach::OwnHostOrPublic,
        false => Reach::Public,
    }
}

/// The answer to a client for a file or page that upstream did not give.
pub fn bad_gateway(error: &UpstreamError) -> Error {
    match error {
        UpstreamError::Missing { .. } => Error::NotFound(error.to_string()),
        _ => Error::BadGateway(error.to_string()),
    }
}
