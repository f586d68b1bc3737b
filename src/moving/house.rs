//! The whole house: everything this server has, between any of its databases and stores, and the embedded default's backup.
//!
//! An export is a folder:
//!
//! ```text
//! manifest.json             format, schema, tables with their columns, counts and digests; written last
//! tables/<table>.jsonl.zst  a row a line, each a JSON list in the order of the manifest's columns; bytes as Base64, JSON as text
//! blobs/ab/cd/<sha256>      the bytes, once each
//! ```
//!
//! Rows travel as they are, ids and serials included: no rule looks at them, and nothing is translated. Only the schema is
//! compared. A migration that changes what a row means raises [`manifest::FORMAT`].

pub mod backup;
mod carry;
pub mod export;
pub mod import;
mod manifest;
mod rows;

use super::report::Counts;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::Path;

/// The folder of blobs in an export or a backup.
const BLOBS: &str = "blobs";

/// The rows of a table that a report counts. It counts rows, so removed files and those of mirrors are among the files.
fn count(counts: &mut Counts, table: &str, rows: u64) {
    match table {
        "users" => counts.users = rows,
        "indexes" => counts.indexes = rows,
        "projects" => counts.projects = rows,
        "releases" => counts.releases = rows,
        "files" => counts.files = rows,
        "attachments" => counts.attachments = rows,
        _ => {}
    }
}

/// Makes a folder for its owner alone: what will be in it holds password hashes. One that is there is left as it is. Blocks.
fn make_folder(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// Writes `content` to the file `to` so that it is there whole or not at all, also after a power cut. Blocks.
fn place(content: &[u8], to: &Path) -> Result<()> {
    let part = part_of(to);
    fs::write(&part, content).with_context(|| format!("{} cannot be written", part.display()))?;
    rename_durably(&part, to)
}

/// Gives the file `part` the name `to`, its bytes first, then the name. Blocks.
fn rename_durably(part: &Path, to: &Path) -> Result<()> {
    File::open(part)?.sync_all()?;
    fs::rename(part, to)?;
    sync_folder_of(to)
}

/// The name of the file `to` while it is being made.
fn part_of(to: &Path) -> std::path::PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    to.with_file_name(name)
}

fn sync_folder_of(file: &Path) -> Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    File::open(folder)?.sync_all().with_context(|| format!("the folder {} cannot be synced", folder.display()))
}
