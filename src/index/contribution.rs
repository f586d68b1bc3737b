//! What a mirror contributes to a project's page: upstream's files as they are recorded, with what this server knows beside them. Asks
//! the database, never upstream.

use super::merge;
use super::record::{Record, RecordedFile};
use super::settings::Kind;
use super::tree::Index;
use crate::db::{self, Serial};
use crate::error::Result;
use crate::pypi::{PageMetadata, ProjectName, Sha256, filename_guess};
use std::collections::HashMap;
use std::sync::Arc;

/// What the mirror contributes; `None` if upstream does not have the project and nothing of it is kept.
pub async fn of_mirror(
    c: &mut db::Conn,
    index: &Arc<Index>,
    project: &ProjectName,
    offline: bool,
) -> Result<Option<merge::Contribution>> {
    debug_assert_eq!(index.kind, Kind::Mirror);
    let Some(row) = db::mirrors::page(c, index.id, project.as_str()).await? else { return Ok(None) };
    let learnt = db::mirrors::learnt(c, index.id, project).await?;
    let kept = match db::projects::by_name(c, index.id, project).await? {
        Some(known) => db::files::live(c, known.id).await?,
        None => Vec::new(),
    };
    let known = Known {
        learnt: learnt.into_iter().map(|l| (l.filename.clone(), l.sha256())).collect(),
        kept: kept.into_iter().map(|file| (file.filename.clone(), file)).collect(),
        only_kept: offline,
        serial: Serial(row.serial.unwrap_or(0)),
    };
    let (index, project) = (index.clone(), project.clone());
    let work = tokio::task::spawn_blocking(move || {
        let record = Record::unpack(&row.body)?;
        let is_there = record.is_there();
        let contribution = assemble(&index, &project, record, &known);
        Ok::<_, anyhow::Error>(Some(contribution).filter(|c| is_there || !c.hidden.is_empty()))
    });
    Ok(work.await??)
}

/// What we know beside upstream's page.
struct Known {
    learnt: HashMap<String, Option<Sha256>>,
    kept: HashMap<String, db::files::File>,
    /// Offline: files that are not kept are not shown, because they cannot be served.
    only_kept: bool,
    serial: Serial,
}

fn assemble(index: &Arc<Index>, project: &ProjectName, record: Record, known: &Known) -> merge::Contribution {
    let (mut files, mut hidden) = (Vec::with_capacity(record.files.len()), Vec::new());
    for recorded in record.files {
        let kept = known.kept.get(&recorded.file.filename);
        let gone = recorded.gone.is_some();
        if kept.is_none() && (known.only_kept || gone) {
            continue;
        }
        let shown = if gone { &mut hidden } else { &mut files };
        shown.push(listed(index, project, recorded, known));
    }
    merge::Contribution { files, hidden, versions: record.versions, status: record.status, serial: known.serial }
}

fn listed(index: &Arc<Index>, project: &ProjectName, recorded: RecordedFile, known: &Known) -> merge::Listed {
    let mut file = recorded.file;
    let kept = known.kept.get(&file.filename);
    let learnt = known.learnt.get(&file.filename).copied();
    file.upload_time = file.upload_time.or(Some(recorded.first_seen));
    file.size = file.size.or_else(|| kept.and_then(|f| u64::try_from(f.size).ok()));
    // A signature lies beside upstream's file, not beside ours.
    file.gpg_sig = None;
    file.metadata = promised(&file.filename, file.metadata, learnt);
    let blob = file.hash("sha256").and_then(|hex| Sha256::parse(hex).ok()).or_else(|| kept.map(|f| f.sha256));
    let version = filename_guess::guess_version(&file.filename, project);
    merge::Listed { origin: index.clone(), file, version, blob, metadata_blob: learnt.flatten() }
}

/// What our page promises about a mirrored file's metadata: every wheel has some, until it proves to have none.
fn promised(filename: &str, upstream: PageMetadata, learnt: Option<Option<Sha256>>) -> PageMetadata {
    match learnt {
        Some(Some(sha256)) => PageMetadata::Hashed(vec![("sha256".into(), sha256.hex())]),
        Some(None) => PageMetadata::Absent,
        None if filename_guess::is_wheel(filename) && upstream == PageMetadata::Absent => PageMetadata::Present,
        None => upstream,
    }
}
