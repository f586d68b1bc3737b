//! Everything of this server, out into a folder: rows as of one moment, then the blobs that they name.

use super::carry::Carrier;
use super::manifest::{self, Entry, FORMAT, Held, Manifest};
use super::{BLOBS, count, rows};
use crate::blobs::Adopt;
use crate::db::dump::{self, Table, Value};
use crate::db::{Conn, Db};
use crate::index::Core;
use crate::moving::progress::Progress;
use crate::moving::report::Report;
use crate::pypi::Sha256;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// How this server is to be written.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder: absent, empty, or an export that was interrupted, which goes on.
    pub folder: PathBuf,
    /// Whether blobs are copied or linked.
    pub adopt: Adopt,
    /// Whether blobs go along; else only rows do.
    pub blobs: bool,
}

/// Exports everything. After an error the folder has no manifest, and the export may be begun again. Blobs that the store has
/// lost are named in the report and in the manifest.
///
/// Others may change things meanwhile: the rows are of one moment, and what is deleted after it keeps its bytes long enough for
/// `gc` not to take them away under us.
pub async fn export(core: &Core, options: &Options, mut progress: Progress) -> Result<Report> {
    manifest::begin(&options.folder)?;
    let mut report = Report::default();
    let mut manifest = write_rows(core, options, &progress, &mut report).await?;
    if options.blobs {
        progress.set_total(manifest.blobs.count);
        let carrier = Carrier::new(&core.blobs, &options.folder.join(BLOBS), options.adopt)?;
        let carried = carrier.carry(listed(&core.db, options, &manifest).await?, &mut progress).await?;
        carried.tell(&mut report);
        manifest.blobs.included = true;
        manifest.blobs.lost = carried.lost.iter().map(|lost| lost.sha256).collect();
    }
    manifest.write(&options.folder)?;
    Ok(report)
}

async fn write_rows(core: &Core, options: &Options, progress: &Progress, report: &mut Report) -> Result<Manifest> {
    let mut c = core.db.snapshot().await?;
    let mut manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").into(),
        schema: dump::schema_version(&mut c).await?,
        written: core.clock.now().iso_seconds(),
        blobs: Held { included: false, count: 0, bytes: 0, lost: Vec::new() },
        tables: Vec::new(),
    };
    for name in dump::TABLES {
        progress.say(&format!("rows of {name}"));
        let table = dump::table(&mut c, name).await?;
        let entry = write_table(&mut c, &table, &options.folder, &mut manifest.blobs).await;
        let entry = entry.with_context(|| format!("the table {name} cannot be written"))?;
        count(&mut report.came, name, entry.rows);
        manifest.tables.push(entry);
    }
    Ok(manifest)
}

async fn write_table(c: &mut Conn, table: &Table, folder: &Path, blobs: &mut Held) -> Result<Entry> {
    let mut writer = rows::Writer::create(rows::path(folder, table.name))?;
    let size = table.columns.iter().position(|column| table.name == "blobs" && column.name == "size");
    let rows = dump::for_each(c, table, |row| {
        if let Some(Value::Integer(Some(size))) = size.and_then(|at| row.get(at)) {
            (blobs.count, blobs.bytes) = (blobs.count + 1, blobs.bytes + size.unsigned_abs());
        }
        writer.row(row)
    });
    let rows = rows.await?;
    Ok(Entry {
        name: table.name.into(),
        columns: table.columns.iter().map(|column| column.name.clone()).collect(),
        rows,
        last_id: dump::last_id(c, table).await?,
        sha256: writer.finish()?,
    })
}

/// The blobs of the rows that were just written, read back from them: the moment of the rows is over, and no list is in memory.
async fn listed(db: &Db, options: &Options, manifest: &Manifest) -> Result<impl Iterator<Item = Result<(Sha256, u64)>>> {
    let table = dump::table(&mut db.read().await?, "blobs").await?;
    blobs_of(&options.folder, manifest, &table)
}

/// The blobs that an export's rows name.
pub(super) fn blobs_of(
    folder: &Path,
    manifest: &Manifest,
    table: &Table,
) -> Result<impl Iterator<Item = Result<(Sha256, u64)>> + use<>> {
    let entry = manifest.table("blobs")?;
    let kinds =
        entry.columns.iter().map(|name| table.columns.iter().find(|column| column.name == *name).map(|column| column.kind));
    let kinds = kinds.collect::<Option<Vec<_>>>().context("the table of blobs has columns that this version does not know")?;
    let place = |wanted: &str| entry.columns.iter().position(|name| name == wanted).context("the table of blobs is not whole");
    let (sha256, size) = (place("sha256")?, place("size")?);
    let reader = rows::Reader::open(rows::path(folder, "blobs"), kinds)?;
    Ok(reader.map(move |row| {
        let (row, _) = row?;
        match (row.get(sha256), row.get(size)) {
            (Some(Value::Bytes(Some(sha256))), Some(Value::Integer(Some(size)))) => {
                Ok((Sha256::try_from(sha256.clone())?, size.unsigned_abs()))
            }
            _ => bail!("a blob has no digest or no size"),
        }
    }))
}
