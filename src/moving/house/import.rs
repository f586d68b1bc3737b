//! An export, in again: into a database that is as new. Blobs first, then all rows in one transaction, so that what fails is as
//! if it had never been, but for blobs that no row names; those speed the next attempt up, and `gc` knows them.

use super::export::blobs_of;
use super::manifest::{Entry, Manifest};
use super::{BLOBS, count, rows};
use crate::blobs::{Adopt, AdoptError, Blobs};
use crate::db::dump::{self, Column, Table, Value};
use crate::db::{Conn, Db};
use crate::fault;
use crate::index::Core;
use crate::limits;
use crate::moving::progress::Progress;
use crate::moving::report::{Reason, Report};
use crate::pypi::Sha256;
use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, stream};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What is to come in.
#[derive(Debug, Clone)]
pub struct Options {
    /// The export.
    pub folder: PathBuf,
    /// Whether its blobs are copied or linked.
    pub adopt: Adopt,
}

/// An export that was looked at: its manifest can be read, and its tables are the ones that were written.
#[derive(Debug)]
pub struct Export {
    manifest: Manifest,
}

/// Looks at the export, before anything is made. Blocks.
pub fn read(options: &Options) -> Result<Export> {
    Ok(Export { manifest: Manifest::read(&options.folder)? })
}

/// A table of the export, and where its values go.
struct Incoming<'a> {
    entry: &'a Entry,
    table: Table,
}

/// Takes everything in.
pub async fn import(core: &Core, options: &Options, export: &Export, mut progress: Progress) -> Result<Report> {
    let manifest = &export.manifest;
    let tables = compare(&core.db, manifest).await?;
    let mut report = Report::default();
    progress.set_total(manifest.blobs.count);
    bring_blobs(core, options, manifest, &tables, &mut progress, &mut report).await?;
    let mut c = core.db.begin().await?;
    dump::lock(&mut c).await?;
    refuse_filled(&mut c).await?;
    for incoming in &tables {
        progress.say(&format!("rows of {}", incoming.table.name));
        let written = write_table(&mut c, &options.folder, incoming).await;
        written.with_context(|| format!("the rows of {} cannot be taken in", incoming.table.name))?;
        count(&mut report.came, incoming.table.name, incoming.entry.rows);
    }
    fault::at(fault::Step::ImportWritten);
    c.commit().await?;
    Ok(report)
}

/// Compares the export with this version and this database; nothing is written.
async fn compare<'a>(db: &Db, manifest: &'a Manifest) -> Result<Vec<Incoming<'a>>> {
    let mut c = db.read().await?;
    let schema = dump::schema_version(&mut c).await?;
    let newer = |what: String| format!("the export was written by a newer version of Cheeseshop, {}: {what}", manifest.program);
    ensure!(manifest.schema <= schema, newer(format!("its schema is {}, this one's {schema}", manifest.schema)));
    refuse_filled(&mut c).await?;
    let unknown = manifest.tables.iter().find(|entry| !dump::TABLES.contains(&entry.name.as_str()));
    if let Some(entry) = unknown {
        bail!(newer(format!("it has a table {}", entry.name)));
    }
    let mut tables = Vec::new();
    // In the order that foreign keys want. A table that the export's version did not have yet stays empty.
    for name in dump::TABLES {
        let Some(entry) = manifest.tables.iter().find(|entry| entry.name == *name) else { continue };
        let table = dump::table(&mut c, name).await?;
        let incoming = Incoming { entry, table };
        if let Some(column) = entry.columns.iter().find(|column| incoming.column(column).is_none()) {
            bail!(newer(format!("its table {name} has a column {column}")));
        }
        tables.push(incoming);
    }
    Ok(tables)
}

async fn refuse_filled(c: &mut Conn) -> Result<()> {
    match dump::first_filled(c).await? {
        None => Ok(()),
        Some(table) => bail!(
            "the database is not empty (there are {table}), and an export only moves into an empty one: name another with --data-dir or --database"
        ),
    }
}

impl Incoming<'_> {
    fn column(&self, name: &str) -> Option<&Column> {
        self.table.columns.iter().find(|column| column.name == name)
    }

    /// The table's columns in the order of the export's.
    fn columns(&self) -> Vec<&Column> {
        self.entry.columns.iter().filter_map(|name| self.column(name)).collect()
    }
}

async fn bring_blobs(
    core: &Core,
    options: &Options,
    manifest: &Manifest,
    tables: &[Incoming<'_>],
    progress: &mut Progress,
    report: &mut Report,
) -> Result<()> {
    let table = tables.iter().find(|incoming| incoming.table.name == "blobs").context("the export has no table blobs")?;
    let blobs = blobs_of(&options.folder, manifest, &table.table)?;
    let lost: HashSet<Sha256> = manifest.blobs.lost.iter().copied().collect();
    let mut brought =
        stream::iter(blobs).map(|blob| bring(&core.blobs, options, &lost, blob)).buffer_unordered(limits::BLOBS_CARRIED_AT_ONCE);
    while let Some(one) = brought.next().await {
        let (sha256, size, fate) = one?;
        let counts = match fate {
            Fate::Came => &mut report.came,
            Fate::There => &mut report.there,
            Fate::Lost => {
                report.skip(Reason::MissingFile, sha256.hex(), "the export was made without it");
                continue;
            }
        };
        (counts.blobs, counts.bytes) = (counts.blobs + 1, counts.bytes + size);
        progress.step(size, "blobs");
    }
    Ok(())
}

/// What became of one blob.
enum Fate {
    Came,
    There,
    /// The export says that it does not have it.
    Lost,
}

/// Brings one blob, unless it is there; returns its size, and what became of it.
async fn bring(
    blobs: &Blobs,
    options: &Options,
    lost: &HashSet<Sha256>,
    blob: Result<(Sha256, u64)>,
) -> Result<(Sha256, u64, Fate)> {
    let (sha256, size) = blob?;
    if blobs.open(&sha256).await?.is_some_and(|there| there.size == size) {
        return Ok((sha256, size, Fate::There));
    }
    let path = path_of(&options.folder, &sha256);
    let spooled = match blobs.adopt(&path, options.adopt).await {
        Ok(spooled) => spooled,
        Err(AdoptError::Source(error)) if error.kind() == std::io::ErrorKind::NotFound && lost.contains(&sha256) => {
            return Ok((sha256, size, Fate::Lost));
        }
        Err(AdoptError::Source(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("the blob {sha256} is neither in the export nor in this server's store");
        }
        Err(error) => return Err(error).with_context(|| format!("the blob {sha256} cannot be taken in")),
    };
    ensure!(spooled.sha256 == sha256, "{} is damaged: its bytes have the digest {}", path.display(), spooled.sha256);
    blobs.commit(spooled).await?;
    Ok((sha256, size, Fate::Came))
}

/// Where the format puts a blob.
fn path_of(folder: &Path, sha256: &Sha256) -> PathBuf {
    let hex = sha256.hex();
    folder.join(BLOBS).join(&hex[..2]).join(&hex[2..4]).join(hex)
}

async fn write_table(c: &mut Conn, folder: &Path, incoming: &Incoming<'_>) -> Result<()> {
    let (columns, entry) = (incoming.columns(), incoming.entry);
    let kinds = columns.iter().map(|column| column.kind).collect();
    let (mut batch, mut bytes, mut rows, mut last) = (Vec::new(), 0, 0, entry.last_id.unwrap_or(0));
    let identity = columns.iter().position(|column| column.identity());
    for row in rows::Reader::open(rows::path(folder, &entry.name), kinds)? {
        let (row, length) = row?;
        if let Some(Value::Integer(Some(id))) = identity.and_then(|at| row.get(at)) {
            last = last.max(*id);
        }
        batch.push(row);
        (rows, bytes) = (rows + 1, bytes + length);
        let full = batch.len() == limits::IMPORT_ROWS_AT_ONCE;
        if full || bytes >= limits::HOUSE_BATCH_BYTES {
            dump::insert(c, &incoming.table, &columns, std::mem::take(&mut batch), full).await?;
            bytes = 0;
        }
    }
    dump::insert(c, &incoming.table, &columns, batch, false).await?;
    ensure!(rows == entry.rows, "there are {rows} of them, not the {} that manifest.json names", entry.rows);
    if last > 0 {
        dump::set_last_id(c, &incoming.table, last).await?;
    }
    Ok(())
}
