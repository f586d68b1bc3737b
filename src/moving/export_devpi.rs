//! This server as a devpi export of dump version 2, which devpi-import of devpi-server 6 and 7 reads: nobody is locked in.
//!
//! `dataindex.json` gets its name as the last thing, so that a folder that has it is complete.

mod files;
mod mirrored;
mod options;

use super::dump::INDEX_FILE;
use super::json_writer::JsonWriter;
use super::progress::Progress;
use super::report::Report;
use crate::blobs::Adopt;
use crate::db;
use crate::db::users::User;
use crate::index::Core;
use crate::index::settings::Kind;
use crate::index::tree::Index;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The dump version that is written.
const DUMP_VERSION: &str = "2";

/// How this server is to be written.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder; absent or empty.
    pub folder: PathBuf,
    /// Whether files are copied or linked.
    pub adopt: Adopt,
    /// Whether files that mirrors have kept go along.
    pub mirrored: bool,
}

/// A running export.
struct Export<'a> {
    core: &'a Core,
    options: &'a Options,
    json: JsonWriter<BufWriter<File>>,
    report: Report,
    progress: Progress,
    /// Yanked files of stages: devpi has no word for them.
    yanked: u64,
}

/// Exports everything that is visible. After an error the folder has no `dataindex.json`.
pub async fn export(core: &Core, options: &Options, progress: Progress) -> Result<Report> {
    make_folder(&options.folder)?;
    let part = options.folder.join(format!("{INDEX_FILE}.part"));
    let file = File::create_new(&part).with_context(|| format!("{} cannot be made", part.display()))?;
    let json = JsonWriter::new(BufWriter::new(file));
    let mut export = Export { core, options, json, report: Report::default(), progress, yanked: 0 };
    export.write().await?;
    export.tell();
    let Export { json, report, .. } = export;
    let mut out = json.into_inner();
    out.flush()?;
    out.get_ref().sync_all()?;
    fs::rename(&part, options.folder.join(INDEX_FILE))?;
    Ok(report)
}

/// devpi's own rule: nothing is written over.
fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    match fs::read_dir(folder)?.next() {
        None => Ok(()),
        Some(_) => bail!("the folder {} is not empty: name one that is, or that does not exist yet", folder.display()),
    }
}

impl Export<'_> {
    async fn write(&mut self) -> Result<()> {
        self.json.begin_object()?;
        self.json.entry("dumpversion", &DUMP_VERSION)?;
        self.json.entry("cheeseshop", &env!("CARGO_PKG_VERSION"))?;
        self.write_users().await?;
        self.json.key("indexes")?;
        self.json.begin_object()?;
        let indexes: Vec<Arc<Index>> = self.core.tree.load().all().into_iter().map(|place| place.index.clone()).collect();
        for index in indexes {
            self.write_index(&index).await?;
        }
        self.json.end()?;
        Ok(self.json.end()?)
    }

    async fn write_users(&mut self) -> Result<()> {
        self.json.key("users")?;
        self.json.begin_object()?;
        let mut c = self.core.db.read().await?;
        for user in db::users::all(&mut c).await? {
            self.json.entry(user.name.as_str(), &record(&user))?;
            self.report.came.users += 1;
            if user.password_hash.is_none() {
                self.report.warn(format!("user {} has no password, and cannot sign in to devpi before one is set", user.name));
            }
            if user.disabled.is_some() {
                self.report.warn(format!("user {} is disabled here; devpi has no word for it, and lets them sign in", user.name));
            }
            let tokens =
                db::tokens::of_user(&mut c, user.id).await?.len() + db::devpi_tokens::of_user(&mut c, user.id).await?.len();
            if tokens > 0 {
                self.report.next.push(format!("{tokens} tokens of {} stay here: make new ones", user.name));
            }
        }
        Ok(self.json.end()?)
    }

    async fn write_index(&mut self, index: &Arc<Index>) -> Result<()> {
        self.json.key(&index.path.to_string())?;
        self.json.begin_object()?;
        let (config, notes) = options::config(index);
        self.json.entry("indexconfig", &config)?;
        notes.into_iter().for_each(|note| self.report.warn(format!("index {}: {note}", index.path)));
        match index.kind {
            Kind::Stage => self.write_stage(index).await?,
            Kind::Mirror if self.options.mirrored => self.write_mirror(index).await?,
            Kind::Mirror => {}
        }
        self.report.came.indexes += 1;
        Ok(self.json.end()?)
    }

    fn tell(&mut self) {
        if self.yanked > 0 {
            self.report
                .warn(format!("{} files are yanked here; devpi has no word for it, and offers them like others", self.yanked));
        }
    }
}

fn record(user: &User) -> Value {
    let mut record = json!({"username": user.name, "created": user.created.iso_seconds()});
    let texts =
        [("email", &user.email), ("title", &user.title), ("description", &user.description), ("pwhash", &user.password_hash)];
    for (key, text) in texts {
        if let Some(text) = text {
            record[key] = json!(text);
        }
    }
    if let Some(modified) = user.modified {
        record["modified"] = json!(modified.iso_seconds());
    }
    if let Some(data) = &user.custom_data {
        record["custom_data"] = data.0.clone();
    }
    record
}
