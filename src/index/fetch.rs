//! A file that we do not have yet: fetched once, however many clients wait for it, and streamed to all of them while it is
//! stored.
//!
//! The fetch is a task of its own: clients read what it has written so far, and one that leaves stops nothing. The last byte
//! is handed out only when size and hash have been found right, so that wrong bytes never look like a whole file. It does not wait
//! until the file is kept: nothing is promised to who downloads, and who comes meanwhile joins.

use super::core::Core;
use super::merge::Listed;
use super::{keep, mirror};
use crate::blobs::{Content, Digests, Spool, SpoolError, Spooled, StoredBlob};
use crate::db::{self, IndexId};
use crate::error::{Error, Result};
use crate::fault::{self, Step};
use crate::limits;
use crate::log;
use crate::metrics::{Fetched, Metrics};
use crate::pypi::{ProjectName, Sha256, filename_guess};
use crate::upstream::file::Download;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use serde_json::json;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use url::Url;

/// The fetches under way.
#[derive(Debug, Default)]
pub struct Fetches(Mutex<HashMap<Key, watch::Receiver<Progress>>>);

impl Fetches {
    /// How many there are.
    pub fn running(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Which mirror fetches, from where, and what its page announces. The address alone is not enough: another mirror may not be
/// allowed to ask there, and another page may announce other bytes.
type Key = (IndexId, String, Option<Sha256>);

/// How far a fetch has come.
#[derive(Debug, Clone)]
enum Progress {
    /// Upstream was asked and has not answered.
    Asking,
    /// Bytes come in.
    Flowing(Flow),
    /// The file is whole and right.
    Checked(Flow),
    /// It is kept, too.
    Kept(Flow, Sha256),
    /// It came to nothing.
    Failed(Arc<Error>),
}

/// Bytes that can be read while more are written.
#[derive(Debug, Clone)]
struct Flow {
    content: Content,
    length: Option<u64>,
    written: u64,
}

/// A fetch whose upstream has begun to answer.
#[derive(Debug)]
pub struct Fetching {
    progress: watch::Receiver<Progress>,
    /// Bytes of the whole file, if upstream says so.
    pub length: Option<u64>,
}

/// Fetches the file, or joins those who wait for it already. Returns when upstream has begun to answer.
pub async fn fetch(core: &Arc<Core>, project: &ProjectName, listed: &Listed) -> Result<Fetching> {
    refuse_too_large(core, listed.file.size)?;
    let mut progress = join(core, project, listed);
    let state = progress.wait_for(has_begun).await;
    let length = match &*state.map_err(|_| interrupted())? {
        Progress::Flowing(flow) | Progress::Checked(flow) | Progress::Kept(flow, _) => flow.length,
        Progress::Failed(error) => return Err(error.share()),
        Progress::Asking => return Err(interrupted()),
    };
    Ok(Fetching { progress, length })
}

/// Refuses a file that is larger than this server takes. Not 5xx: to ask again is of no use.
pub fn refuse_too_large(core: &Core, size: Option<u64>) -> Result<()> {
    let limit = core.rules.max_file_size;
    match size {
        Some(size) if size > limit => Err(Error::Forbidden(format!(
            "the file has {size} bytes, and this server mirrors none above {limit} (--max-file-size)"
        ))),
        _ => Ok(()),
    }
}

/// Whether the answer to a client can begin. An empty file has no last byte to hold back, so it must have been checked.
fn has_begun(state: &Progress) -> bool {
    match state {
        Progress::Asking => false,
        Progress::Flowing(flow) => flow.length != Some(0),
        Progress::Checked(_) | Progress::Kept(..) | Progress::Failed(_) => true,
    }
}

fn interrupted() -> Error {
    Error::Unavailable {
        message: "fetching the file was interrupted; try again".into(),
        retry_after: limits::MIRROR_REST_AFTER_FAILURE,
    }
}

fn join(core: &Arc<Core>, project: &ProjectName, listed: &Listed) -> watch::Receiver<Progress> {
    let mut fetches = core.fetches.0.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (listed.origin.id, listed.file.url.clone(), listed.blob);
    if let Some(progress) = fetches.get(&key) {
        return progress.clone();
    }
    let (sender, receiver) = watch::channel(Progress::Asking);
    fetches.insert(key.clone(), receiver.clone());
    let (core, project, listed) = (core.clone(), project.clone(), listed.clone());
    core.clone().tasks.spawn(log::carry(async move {
        let end = match lead(&core, &project, &listed, &sender).await {
            Ok((flow, sha256)) => {
                core.metrics.fetches.of(Fetched::Kept).inc();
                Progress::Kept(flow, sha256)
            }
            Err(error) => {
                core.metrics.fetches.of(Fetched::Failed).inc();
                tracing::warn!(file = listed.file.filename, index = %listed.origin.path, %error, "fetching a file failed");
                Progress::Failed(Arc::new(error))
            }
        };
        // Out of the list before the end is told: whoever comes later looks for the blob, or begins anew.
        core.fetches.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        sender.send_replace(end);
    }));
    receiver
}

/// Fetches, checks, stores and notes one file.
async fn lead(core: &Core, project: &ProjectName, listed: &Listed, progress: &watch::Sender<Progress>) -> Result<(Flow, Sha256)> {
    // Another fetch may have ended between this client's look for the file and its turn here.
    if let Some(kept) = kept(core, project, listed).await? {
        return Ok(kept);
    }
    let download = open(core, listed).await?;
    if let (Some(announced), Some(length)) = (listed.file.size, download.length)
        && announced != length
    {
        return Err(wrong("size"));
    }
    let digests = match listed.file.hash("sha256") {
        Some(_) => Digests::Sha256,
        None => Digests::Sha256AndMd5,
    };
    refuse_too_large(core, download.length)?;
    let limit = listed.file.size.unwrap_or(core.rules.max_file_size);
    let mut spool = core.blobs.spool(limit, digests).await?;
    let mut flow = Flow { content: spool.reader()?.into(), length: download.length.or(listed.file.size), written: 0 };
    progress.send_replace(Progress::Flowing(flow.clone()));
    fault::at(Step::FetchBegun);
    pump(&core.metrics, download, &mut spool, &mut flow, progress).await?;
    let spooled = spool.finish().await.map_err(refused)?;
    check(listed, &spooled)?;
    flow.written = spooled.size;
    progress.send_replace(Progress::Checked(flow.clone()));
    fault::at(Step::FetchChecked);
    let blob = keep::commit(core, spooled).await?;
    fault::at(Step::FetchBlobKept);
    note(core, project, listed, &blob).await?;
    fault::at(Step::FetchNoted);
    Ok((flow, blob.sha256))
}

/// The file as an earlier fetch has kept it.
async fn kept(core: &Core, project: &ProjectName, listed: &Listed) -> Result<Option<(Flow, Sha256)>> {
    let sha256 = db::files::kept(&mut core.db.read().await?, listed.origin.id, project, &listed.file.filename).await?;
    let Some(sha256) = sha256.filter(|sha256| listed.blob.is_none_or(|announced| announced == *sha256)) else { return Ok(None) };
    let Some(blob) = core.blobs.open(&sha256).await? else { return Ok(None) };
    let flow = Flow { content: blob.content, length: Some(blob.size), written: blob.size };
    Ok(Some((flow, sha256)))
}

async fn open(core: &Core, listed: &Listed) -> Result<Download> {
    let origin = mirror::origin(&listed.origin).map_err(Error::BadGateway)?;
    let url = Url::parse(&listed.file.url).map_err(|e| Error::Internal(e.into()))?;
    let opened = core.upstream.open_file(&origin, mirror::reach(&listed.origin), &url, None).await;
    opened.map_err(|error| mirror::bad_gateway(&error))
}

/// Writes what comes in, and tells the readers. Bytes are not held back while upstream pauses.
async fn pump(
    metrics: &Metrics,
    mut download: Download,
    spool: &mut Spool,
    flow: &mut Flow,
    progress: &watch::Sender<Progress>,
) -> Result<()> {
    loop {
        let next = match download.bytes.next().now_or_never() {
            Some(next) => next,
            None => {
                spool.flush().await.map_err(refused)?;
                tell(spool, flow, progress);
                download.bytes.next().await
            }
        };
        let Some(chunk) = next else { return Ok(()) };
        let chunk = chunk.map_err(|error| mirror::bad_gateway(&error))?;
        let (piece, is_last) = gathered(chunk, &mut download).await?;
        metrics.fetched_bytes.add(piece.len() as u64);
        spool.write(piece).await.map_err(refused)?;
        tell(spool, flow, progress);
        if is_last {
            return Ok(());
        }
    }
}

/// A chunk; if it is a crumb, with what comes behind it within a moment, because to hand out a byte costs as much as to hand out some
/// thousand. And whether that was the end.
async fn gathered(chunk: Bytes, download: &mut Download) -> Result<(Bytes, bool)> {
    if chunk.len() >= limits::FETCH_PIECE_BYTES_MIN {
        return Ok((chunk, false));
    }
    let mut piece = BytesMut::from(chunk);
    let gathering = async {
        while piece.len() < limits::FETCH_PIECE_BYTES_MIN {
            match download.bytes.next().await {
                Some(more) => piece.extend_from_slice(&more.map_err(|error| mirror::bad_gateway(&error))?),
                None => return Ok::<_, Error>(true),
            }
        }
        Ok(false)
    };
    let is_last = tokio::time::timeout(limits::FETCH_PIECE_WAIT, gathering).await.unwrap_or(Ok(false))?;
    Ok((piece.freeze(), is_last))
}

fn tell(spool: &Spool, flow: &mut Flow, progress: &watch::Sender<Progress>) {
    if spool.written() > flow.written {
        flow.written = spool.written();
        progress.send_replace(Progress::Flowing(flow.clone()));
    }
}

fn refused(error: SpoolError) -> Error {
    match error {
        SpoolError::TooLarge { limit } => {
            Error::BadGateway(format!("upstream sent more than the {limit} bytes it announced or that are allowed"))
        }
        SpoolError::Full => Error::NoRoom,
        SpoolError::Io(error) => error.into(),
    }
}

/// Whether the bytes are the ones that upstream's page announced.
fn check(listed: &Listed, spooled: &Spooled) -> Result<()> {
    if listed.file.size.is_some_and(|size| size != spooled.size) {
        return Err(wrong("size"));
    }
    if listed.file.hash("sha256").is_some_and(|hex| hex != spooled.sha256.hex()) {
        return Err(wrong("SHA-256"));
    }
    let md5 = spooled.md5.map(hex::encode);
    match (listed.file.hash("md5"), md5) {
        (Some(wanted), Some(found)) if wanted != found => Err(wrong("MD5")),
        _ => Ok(()),
    }
}

fn wrong(what: &str) -> Error {
    Error::BadGateway(format!("upstream sent bytes of another {what} than its page announced"))
}

/// Notes that the mirror keeps the file. Not journalled: no page shows it.
async fn note(core: &Core, project: &ProjectName, listed: &Listed, blob: &StoredBlob) -> Result<()> {
    let now = core.clock.now();
    let origin = json!({"url": listed.file.url});
    let mut c = core.db.begin().await?;
    // The project's row first, as everywhere. It also makes two nodes that have fetched the same file note it one after the other.
    let holder = db::projects::put(&mut c, listed.origin.id, project, project.as_str(), now).await?;
    keep::note(&mut c, &core.blobs, &blob_row(blob), now).await?;
    let file = db::files::NewFile {
        project: holder,
        release: None,
        filename: &listed.file.filename,
        kind: filename_guess::packagetype(&listed.file.filename),
        sha256: blob.sha256,
        metadata_sha256: None,
        size: blob.size,
        requires_python: listed.file.requires_python.as_deref(),
        uploaded: now,
        uploaded_by: Some("upstream"),
        origin: Some(&origin),
        log: None,
    };
    if db::files::add(&mut c, &file).await?.is_none() {
        // Kept before, under other bytes: upstream has replaced the file.
        if let Some(old) =
            db::files::by_name(&mut c, holder, &listed.file.filename).await?.filter(|old| old.sha256 != blob.sha256)
        {
            db::files::set_removed(&mut c, old.id, db::Serial::NONE, now).await?;
            db::files::add(&mut c, &file).await?;
        }
    }
    c.commit().await?;
    Ok(())
}

/// A stored blob as a row.
pub fn blob_row(blob: &StoredBlob) -> db::blobs::BlobRow {
    db::blobs::BlobRow {
        sha256: blob.sha256,
        size: i64::try_from(blob.size).unwrap_or(i64::MAX),
        md5: blob.md5.map(|digest| digest.to_vec()),
        blake2: blob.blake2.map(|digest| digest.to_vec()),
    }
}

impl Fetching {
    /// Waits until the file is kept.
    pub async fn kept(mut self) -> Result<Sha256> {
        let end = self.progress.wait_for(|state| matches!(state, Progress::Kept(..) | Progress::Failed(_))).await;
        match &*end.map_err(|_| interrupted())? {
            Progress::Kept(_, sha256) => Ok(*sha256),
            Progress::Failed(error) => Err(error.share()),
            _ => Err(interrupted()),
        }
    }

    /// The bytes of `range`, or all of them, as they come. An error ends the stream if the file turns out wrong: whoever
    /// passes it on must then break off, not end.
    pub fn stream(self, range: Option<Range<u64>>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let range = range.unwrap_or(0..u64::MAX);
        let pieces = futures_util::stream::try_unfold((self.progress, range), |(mut progress, mut left)| async move {
            let Some((content, ready)) = next_piece(&mut progress, &left).await? else { return Ok(None) };
            left.start = ready.end;
            Ok::<_, io::Error>(Some((content.stream(ready), (progress, left))))
        });
        pieces.try_flatten()
    }
}

/// Waits until something of `left` can be handed out; `None` at the end.
async fn next_piece(progress: &mut watch::Receiver<Progress>, left: &Range<u64>) -> io::Result<Option<(Content, Range<u64>)>> {
    let broken = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let ready = progress.wait_for(|state| match state {
        Progress::Flowing(flow) => presentable(flow, left.end) > left.start,
        Progress::Checked(_) | Progress::Kept(..) | Progress::Failed(_) => true,
        Progress::Asking => false,
    });
    match &*ready.await.map_err(|e| broken(&e))? {
        Progress::Flowing(flow) => Ok(Some((flow.content.clone(), left.start..presentable(flow, left.end)))),
        Progress::Checked(flow) | Progress::Kept(flow, _) => {
            let end = flow.written.min(left.end);
            Ok((left.start < end).then(|| (flow.content.clone(), left.start..end)))
        }
        Progress::Failed(error) => Err(broken(error)),
        Progress::Asking => Err(broken(&"no answer")),
    }
}

/// How far the bytes up to `end` may be handed out before they are checked: all but the last one that is wanted. Without it no
/// client takes them for whole.
fn presentable(flow: &Flow, end: u64) -> u64 {
    match flow.length {
        Some(length) => flow.written.min(length.min(end).saturating_sub(1)),
        // No length was told, so the end is told by the framing, and only after the check.
        None => flow.written,
    }
}

#[cfg(test)]
mod tests;
