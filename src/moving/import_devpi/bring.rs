//! The bytes of one entry of the dump: found, compared with their digests, looked into, and put to rest.

use super::Options;
use crate::blobs::{AdoptError, Spooled, StoredBlob, measure};
use crate::db::blobs::BlobRow;
use crate::index::inspect::{self, Inspected};
use crate::index::{Core, keep};
use crate::moving::checksum::{self, Compared};
use crate::moving::dump::{FileEntry, FileKind, OutsidePath};
use crate::moving::plain;
use crate::moving::report::Reason;
use crate::pypi::{DistFilename, Sha256};
use anyhow::{Context, Result};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Bytes that are what the dump says. They are at rest, unless this is a dry run.
#[derive(Debug)]
pub struct Brought {
    /// Digests and size.
    pub blob: StoredBlob,
    /// What a sound wheel or source distribution says about itself.
    pub inspected: Option<Inspected>,
    /// The blob of its METADATA or PKG-INFO.
    pub metadata_blob: Option<StoredBlob>,
    /// The dump gave no digest to compare with.
    pub unverified: bool,
}

/// Why an entry was left out.
#[derive(Debug)]
pub struct Problem {
    /// The reason.
    pub reason: Reason,
    /// More about it.
    pub detail: String,
}

impl Problem {
    /// A problem.
    pub fn new(reason: Reason, detail: impl ToString) -> Self {
        Self { reason, detail: detail.to_string() }
    }
}

/// Brings the bytes of `entry`; without a server they are only checked. The outer error is this server's and ends the import.
pub async fn bring(core: Option<&Arc<Core>>, options: &Options, entry: &FileEntry) -> Result<Result<Brought, Problem>> {
    let path = match entry.path(&options.folder) {
        Ok(path) => path,
        Err(outside) => return Ok(Err(Problem::new(Reason::Unreadable, outside))),
    };
    if let Err(problem) = check_place(&path, &options.folder).await? {
        return Ok(Err(problem));
    }
    let taken = match core {
        Some(core) => core.blobs.adopt(&path, options.adopt).await.map(|spooled| (as_measured(&spooled), Some(spooled))),
        None => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || measure(&path)).await?.map(|measured| (measured, None))
        }
    };
    let (measured, spooled) = match taken {
        Ok(taken) => taken,
        Err(AdoptError::Source(error)) => return Ok(Err(missing(&error))),
        Err(AdoptError::Store(error)) => return Err(error).context("a file cannot be stored"),
    };
    let looked = look(entry.clone(), spooled.as_ref().map(Spooled::file).transpose()?, &path, measured).await?;
    match (looked, core, spooled) {
        (Ok(brought), Some(core), Some(spooled)) => store(core, spooled, brought).await.map(Ok),
        (looked, ..) => Ok(looked),
    }
}

/// The path must lead to a plain file below the export's folder, also where links are on the way: an export from elsewhere must
/// not bring files of this machine along, nor wait for a pipe.
async fn check_place(path: &Path, folder: &Path) -> Result<Result<(), Problem>> {
    let (path, folder) = (path.to_owned(), folder.to_owned());
    let check = move || match (path.canonicalize(), folder.canonicalize()) {
        (Ok(real), Ok(folder)) if !real.starts_with(&folder) => Err(Problem::new(Reason::Unreadable, OutsidePath)),
        (Ok(real), Ok(_)) if !real.is_file() => Err(Problem::new(Reason::MissingFile, "it is not a plain file")),
        (Err(error), _) | (_, Err(error)) => Err(missing(&error)),
        (Ok(_), Ok(_)) => Ok(()),
    };
    Ok(tokio::task::spawn_blocking(check).await?)
}

fn missing(error: &io::Error) -> Problem {
    let detail = if error.kind() == io::ErrorKind::NotFound { "it is missing".to_owned() } else { error.to_string() };
    Problem::new(Reason::MissingFile, detail)
}

fn as_measured(spooled: &Spooled) -> StoredBlob {
    StoredBlob { sha256: spooled.sha256, size: spooled.size, md5: spooled.md5, blake2: spooled.blake2 }
}

/// Compares and inspects, on the blocking pool. `taken` are the bytes that were measured, if they are not read from `path`.
async fn look(entry: FileEntry, taken: Option<File>, path: &Path, measured: StoredBlob) -> Result<Result<Brought, Problem>> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let compared = match checksum::compare(&entry.hashes(), entry.entrymapping.size, &measured, &path) {
            Ok(compared) => compared,
            Err(error) => return Ok(Err(missing(&error))),
        };
        if let Compared::Different(detail) = compared {
            return Ok(Err(Problem::new(Reason::WrongBytes, detail)));
        }
        let mut file = match taken {
            Some(file) => file,
            None => File::open(&path)?,
        };
        let inspected = inspected(&entry, &mut file);
        Ok(Ok(Brought { blob: measured, inspected, metadata_blob: None, unverified: compared == Compared::Unknown }))
    })
    .await?
}

/// What a sound archive says; nothing of eggs, installers, broken archives and names that today's rules do not know.
fn inspected(entry: &FileEntry, file: &mut File) -> Option<Inspected> {
    let name = DistFilename::parse(entry.filename()).ok().filter(|_| entry.kind == FileKind::ReleaseFile)?;
    inspect::inspect(file, &name).ok()
}

async fn store(core: &Core, spooled: Spooled, brought: Brought) -> Result<Brought> {
    let blob = keep::commit(core, spooled).await.map_err(plain).context("a file cannot be stored")?;
    let metadata_blob = match &brought.inspected {
        Some(inspected) => {
            let bytes = inspected.metadata_bytes.clone().into();
            Some(keep::put_bytes(core, bytes).await.map_err(plain).context("metadata cannot be stored")?)
        }
        None => None,
    };
    Ok(Brought { blob, metadata_blob, ..brought })
}

/// Whether what is stored under an entry's name is what the dump says, as far as can be told without reading the file: then it
/// need not be brought again. `None` if the dump says too little.
pub fn is_same(entry: &FileEntry, stored: &Sha256, row: Option<&BlobRow>) -> Option<bool> {
    let hashes = entry.hashes();
    if let Some(hex) = hashes.get("sha256") {
        return Some(*hex == stored.hex());
    }
    let (given, known) = (hashes.get("md5")?, row?.md5.as_ref()?);
    Some(*given == hex::encode(known))
}
