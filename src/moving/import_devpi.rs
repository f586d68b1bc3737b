//! A devpi export into this server: read the plan, make users and hidden indexes, bring projects, files and what is attached to
//! them, then show all indexes at once.
//!
//! Every step may be interrupted and run again: what is there already is left alone. Nothing of an index is visible before the
//! last step, which comes also if single things had to be skipped.

mod accounts;
mod attach;
mod bring;
mod files;
mod mirrored;
mod plan;
mod projects;
mod tokens;

use super::dump::INDEX_FILE;
use super::plain;
use super::progress::Progress;
use super::report::Report;
use crate::blobs::Adopt;
use crate::db::UserId;
use crate::index::devpi_secret::DevpiSecret;
use crate::index::settings::UploadChecks;
use crate::index::tree::Index;
use crate::index::{Core, follow};
use crate::names::{IndexPath, UserName};
use crate::pypi::ProjectName;
use anyhow::{Result, bail};
use plan::Plan;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How an export is to be taken in.
#[derive(Debug, Clone)]
pub struct Options {
    /// The export's folder.
    pub folder: PathBuf,
    /// Whether files are copied or linked.
    pub adopt: Adopt,
    /// What new uploads to imported stages must pass.
    pub checks: UploadChecks,
    /// The old server's `--secretfile`, without which its tokens end.
    pub secretfile: Option<PathBuf>,
}

/// A running import.
struct Import<'a> {
    /// `None` in a dry run.
    core: Option<&'a Arc<Core>>,
    options: &'a Options,
    plan: Plan,
    /// The indexes that are filled. In a dry run stand-ins that no row backs.
    targets: HashMap<IndexPath, Arc<Index>>,
    /// What the old server's tokens are derived with.
    secret: Option<DevpiSecret>,
    /// Users whom this import made, in this run or an earlier one.
    moved_in: HashMap<UserName, UserId>,
    /// Versions that a mirror knew as yanked, with the reason. There are few, and their files come in a later walk.
    yanked: HashMap<(IndexPath, ProjectName, String), Value>,
    report: Report,
    progress: Progress,
}

/// An export that was read as far as its users and indexes: it is sound, and can be imported.
#[derive(Debug)]
pub struct Sound {
    plan: Plan,
    report: Report,
}

/// Reads the export's `dataindex.json` to its end. An error if it is broken or of a version that is not known; nothing is
/// written before it is known that it is not.
pub async fn read(options: &Options) -> Result<Sound> {
    check_folder(&options.folder)?;
    let mut report = Report::default();
    let plan = plan::read(options, &mut report).await?;
    Ok(Sound { plan, report })
}

/// Imports; without a `core` everything is read and checked and nothing written. An error means that nothing more could be done,
/// and that no new index is visible; whatever else went wrong is in the report.
pub async fn import(core: Option<&Arc<Core>>, options: &Options, export: Sound, progress: Progress) -> Result<Report> {
    let secret = match &options.secretfile {
        Some(file) => {
            progress.say("deriving the key of devpi's tokens, which takes some seconds");
            Some(tokens::secret(file).await?)
        }
        None => None,
    };
    let mut import = Import {
        core,
        options,
        plan: export.plan,
        secret,
        targets: HashMap::new(),
        moved_in: HashMap::new(),
        yanked: HashMap::new(),
        report: Report { dry_run: core.is_none(), ..export.report },
        progress,
    };
    import.progress.set_total(import.plan.extent.files);
    import.make_accounts().await?;
    import.bring_tokens().await?;
    import.bring_projects().await?;
    import.bring_files().await?;
    import.bring_attachments().await?;
    import.show().await?;
    Ok(import.report)
}

fn check_folder(folder: &Path) -> Result<()> {
    let index = folder.join(INDEX_FILE);
    match index.is_file() {
        true => Ok(()),
        false => bail!("{} is not there: name the folder that devpi-export wrote", index.display()),
    }
}

impl Import<'_> {
    /// The file that holds everything but bytes.
    fn index_file(&self) -> PathBuf {
        self.options.folder.join(INDEX_FILE)
    }

    /// The index that an entry of the dump is for, if it is one that is filled.
    fn target(&self, path: &str) -> Option<Arc<Index>> {
        IndexPath::parse(path).ok().and_then(|path| self.targets.get(&path).cloned())
    }

    /// The last step: all indexes become visible in one transaction.
    async fn show(&mut self) -> Result<()> {
        let Some(core) = self.core else { return Ok(()) };
        accounts::show(core, self.targets.values()).await?;
        follow::catch_up(core).await.map(drop).map_err(plain)
    }
}
