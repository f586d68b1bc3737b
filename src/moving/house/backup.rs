//! The backup of the embedded default: a folder that is itself a data folder, brought up to date while the server runs.
//!
//! The order makes it safe to be interrupted anywhere: blobs that are new, then the database under its name, then what the new
//! database no longer names goes. At each moment the database in the folder finds all its blobs there; those that the server has
//! lost are named.

use super::carry::{Carried, Carrier, refuse_without_store};
use super::{BLOBS, make_folder, part_of, place, rename_durably};
use crate::blobs::{Adopt, Blobs};
use crate::db::copy::{self, Copied};
use crate::db::{self, Db};
use crate::fault::{self, Step};
use crate::index::{Core, setup};
use crate::moving::plain;
use crate::moving::progress::Progress;
use crate::moving::report::Report;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// The backup: absent, empty, or an earlier backup of this server.
    pub folder: PathBuf,
    /// The data folder of the server, which it must not be.
    pub data_dir: PathBuf,
}

/// What says that a folder is a backup, and whose.
const MARK: &str = "backup.json";
/// The database's name in a data folder.
const DATABASE: &str = "cheeseshop.db";

#[derive(Serialize, Deserialize)]
struct Mark {
    /// The server's uuid.
    server: String,
}

/// Makes the backup, or brings it up to date.
pub async fn backup(core: &Core, options: &Options, mut progress: Progress) -> Result<Report> {
    if !matches!(core.db, Db::Sqlite { .. }) {
        bail!(
            "a database in PostgreSQL is backed up by pg_dump or by archiving its log, and a bucket by its versioning or replication; \
             `cheeseshop export --format cheeseshop` writes all of it into a folder"
        );
    }
    let server = setup::server_uuid(core).await.map_err(plain)?;
    let _alone = claim(options, &server)?;
    let (database, part) = (options.folder.join(DATABASE), part_of(&options.folder.join(DATABASE)));
    let carrier = Carrier::new(&core.blobs, &options.folder.join(BLOBS), Adopt::Copy)?;
    let carried = copy(core, &part, &carrier, &mut progress).await?;
    fault::at(Step::BackupCopied);
    rename_durably(&part, &database)?;
    fault::at(Step::BackupPlaced);
    let copied = Copied::open(&database).await?;
    let mut report = Report::default();
    (report.removed.blobs, report.removed.bytes) = prune(&copied, carrier.target()).await?;
    copied.close().await;
    carried.tell(&mut report);
    Ok(report)
}

/// Checks that the folder may be used and marks it as this server's backup; nobody else backs up into it while the result lives.
/// Blocks.
fn claim(options: &Options, server: &str) -> Result<File> {
    let (folder, shown) = (real(&options.folder)?, options.folder.display());
    let data = real(&options.data_dir)?;
    if folder.starts_with(&data) || data.starts_with(&folder) {
        bail!("{shown} is in the data folder, or the data folder in it: name a folder elsewhere, on another disk if possible");
    }
    let mark = folder.join(MARK);
    match fs::read(&mark) {
        Ok(text) => {
            let Mark { server: other } =
                serde_json::from_slice(&text).with_context(|| format!("{} cannot be read", mark.display()))?;
            ensure!(other == server, "{shown} is the backup of another server: name another folder");
        }
        Err(_) => {
            refuse_filled(&folder, &mark)?;
            make_folder(&folder)?;
            place(&serde_json::to_vec(&Mark { server: server.into() })?, &mark)?;
        }
    }
    let alone = File::open(&mark)?;
    match alone.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("another backup into {shown} is running"),
        Err(TryLockError::Error(error)) => return Err(error).context("the backup cannot be locked"),
    }
    let database = folder.join(DATABASE);
    if database.try_exists()? && copy::was_served(&database)? {
        bail!("a server has run on {shown}: it is a data folder of its own now, and no backup; name another folder");
    }
    Ok(alone)
}

/// A folder with anything in it but the beginning of a mark is somebody's.
fn refuse_filled(folder: &Path, mark: &Path) -> Result<()> {
    if !folder.try_exists()? {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        if entry?.path() != part_of(mark) {
            bail!("{} is not empty, and no backup: name an empty folder, or one that does not exist yet", folder.display());
        }
    }
    Ok(())
}

/// The path without links, also of what does not exist yet.
fn real(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    for ancestor in path.ancestors() {
        match ancestor.canonicalize() {
            Ok(found) => return Ok(missing.iter().rev().fold(found, |path, name| path.join(name))),
            Err(_) => missing.extend(ancestor.file_name()),
        }
    }
    Ok(path)
}

/// Copies the database and carries the blobs that the copy names. If some of them are gone, `gc` may have taken meanwhile what was
/// deleted long ago: then everything is done once more with a copy of now. What is missing from that is lost.
async fn copy(core: &Core, part: &Path, carrier: &Carrier<'_>, progress: &mut Progress) -> Result<Carried> {
    let first = copy_once(core, part, carrier, progress).await?;
    if first.lost.is_empty() {
        return Ok(first);
    }
    let second = copy_once(core, part, carrier, progress).await?;
    // What came the first time was there the second time.
    let (came, bytes) = (first.came + second.came, first.bytes + second.bytes);
    let (there, there_bytes) =
        (second.there - first.came.min(second.there), second.there_bytes - first.bytes.min(second.there_bytes));
    Ok(Carried { came, bytes, there, there_bytes, lost: second.lost })
}

async fn copy_once(core: &Core, part: &Path, carrier: &Carrier<'_>, progress: &mut Progress) -> Result<Carried> {
    progress.say("the database");
    remove_file(part)?;
    remove_file(&part.with_extension("part-journal"))?;
    let copied = copy::make(&core.db, part).await?;
    let carried = carry(&copied, carrier, progress).await;
    copied.close().await;
    carried
}

async fn carry(copied: &Copied, carrier: &Carrier<'_>, progress: &mut Progress) -> Result<Carried> {
    let mut all = Carried::default();
    for first in 0..=u8::MAX {
        progress.set_parts(first.into(), 256);
        let blobs = db::blobs::beginning_with(&mut copied.read().await?, first).await?;
        let blobs = blobs.into_iter().map(|blob| Ok((blob.sha256, blob.size.unsigned_abs())));
        all.add(carrier.carry(blobs, progress).await?);
        refuse_without_store(all.lost.len())?;
    }
    Ok(all)
}

/// Removes the blobs that the backup's database does not name; returns how many, and their bytes.
async fn prune(copied: &Copied, blobs: &Blobs) -> Result<(u64, u64)> {
    let (mut count, mut bytes) = (0, 0);
    for first in 0..=u8::MAX {
        let named = db::blobs::beginning_with(&mut copied.read().await?, first).await?;
        let named: HashSet<_> = named.into_iter().map(|blob| blob.sha256).collect();
        for blob in blobs.list(first).await?.into_iter().filter(|blob| !named.contains(&blob.sha256)) {
            blobs.delete(&blob.sha256).await?;
            (count, bytes) = (count + 1, bytes + blob.size);
        }
    }
    Ok((count, bytes))
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_links_even_if_they_lead_nowhere_yet() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        fs::create_dir(home.join("data")).unwrap();
        std::os::unix::fs::symlink(home.join("data"), home.join("link")).unwrap();
        assert_eq!(real(&home.join("link/new/er")).unwrap(), home.join("data/new/er"));
    }
}
