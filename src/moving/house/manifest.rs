//! `manifest.json`: what an export holds. A folder without it is no export, or one that was not finished.

use super::{part_of, place, rows};
use crate::blobs::measure;
use crate::limits;
use crate::pypi::Sha256;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The version of the format. Raised when an older program would take rows for what they are not, or when rows of an older
/// export no longer mean what they say.
pub const FORMAT: u32 = 1;

/// What an export holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// The version of that program, for people.
    pub program: String,
    /// The number of that program's newest migration.
    pub schema: i64,
    /// When it was written, UTC.
    pub written: String,
    /// The bytes.
    pub blobs: Held,
    /// The rows, in the order in which they go in again.
    pub tables: Vec<Entry>,
}

/// The blobs that rows name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Held {
    /// Whether they are in the folder.
    pub included: bool,
    /// How many.
    pub count: u64,
    /// Bytes of all together.
    pub bytes: u64,
    /// Those that the store had lost when it was written.
    #[serde(default)]
    pub lost: Vec<Sha256>,
}

/// A table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, which is also that of its file.
    pub name: String,
    /// What each row's values are, in their order.
    pub columns: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// The last id that the table has given, also to rows that are gone.
    pub last_id: Option<i64>,
    /// Digest of the file.
    pub sha256: Sha256,
}

/// The part that every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// Where an export's manifest is.
fn path(folder: &Path) -> PathBuf {
    folder.join("manifest.json")
}

impl Manifest {
    /// Reads the manifest of the export in `folder` and compares every table's file with its digest. Blocks.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = path(folder);
        let Ok(file) = File::open(&path) else {
            bail!("{} has no manifest.json: it is no export of Cheeseshop, or one that was not finished", folder.display());
        };
        let mut text = Vec::new();
        file.take(limits::MANIFEST_BYTES_MAX).read_to_end(&mut text)?;
        let unreadable = || format!("{} cannot be read", path.display());
        let Versioned { format } = serde_json::from_slice(&text).with_context(unreadable)?;
        ensure!(
            format <= FORMAT,
            "the export was written by a newer version of Cheeseshop (its format is {format}, not {FORMAT})"
        );
        let manifest: Self = serde_json::from_slice(&text).with_context(unreadable)?;
        manifest.tables.iter().try_for_each(|entry| entry.check(folder))?;
        Ok(manifest)
    }

    /// Writes it: the export is complete. Blocks.
    pub fn write(&self, folder: &Path) -> Result<()> {
        place(&serde_json::to_vec_pretty(self)?, &path(folder))
    }

    /// The table `name`, which every export has.
    pub fn table(&self, name: &str) -> Result<&Entry> {
        self.tables.iter().find(|entry| entry.name == name).with_context(|| format!("the export has no table {name}"))
    }
}

impl Entry {
    fn check(&self, folder: &Path) -> Result<()> {
        let plain = self.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        ensure!(plain, "'{}' is no table's name", self.name);
        let path = rows::path(folder, &self.name);
        let found = measure(&path).with_context(|| format!("{} is missing", path.display()))?;
        ensure!(found.sha256 == self.sha256, "{} is damaged: its digest is not the one in manifest.json", path.display());
        Ok(())
    }
}

/// Begins an export: `folder` must be empty, or hold one that was interrupted. Until the manifest is there it is marked as such.
/// Blocks.
pub fn begin(folder: &Path) -> Result<()> {
    super::make_folder(folder)?;
    let (done, begun) = (path(folder), part_of(&path(folder)));
    let empty = fs::read_dir(folder)?.next().is_none();
    let interrupted = begun.try_exists()? && !done.try_exists()?;
    if !empty && !interrupted {
        bail!("the folder {} is not empty: name one that is, or that does not exist yet", folder.display());
    }
    File::create(&begun)?.sync_all()?;
    super::make_folder(&folder.join(rows::FOLDER))
}
