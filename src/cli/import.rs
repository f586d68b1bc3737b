//! `cheeseshop import`: moves in from an export of devpi or of Cheeseshop, or from a folder of files.

use super::bar::Bar;
use super::{close, open, out};
use crate::app;
use crate::blobs::Adopt;
use crate::clock::Clock;
use crate::config::Place;
use crate::index::settings::UploadChecks;
use crate::index::{Core, Rules};
use crate::moving::progress::Progress;
use crate::moving::report::Report;
use crate::moving::{house, import_devpi, import_folder};
use crate::names::IndexPath;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Move in from elsewhere.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    place: Place,
    /// Write what came, and all that did not, to this file as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// Take in what `cheeseshop export --format cheeseshop` wrote: everything, into an empty database.
    ///
    /// All of it appears at once or not at all. A run that was interrupted is run again.
    Cheeseshop {
        /// The export.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// Link files instead of copying them, where the file system allows it. Nobody may write into the export's files then.
        #[arg(long)]
        hard_links: bool,
    },
    /// Take in what devpi-export wrote (devpi-server 2 to 7): users, indexes, files, documentation and test results.
    ///
    /// Indexes appear when all is done. A run that was interrupted is run again and goes on; what is there is left alone.
    Devpi {
        /// The export.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// Read and check everything, write nothing.
        #[arg(long)]
        dry_run: bool,
        /// Link files instead of copying them, where the file system allows it. Nobody may write into the export's files then.
        #[arg(long)]
        hard_links: bool,
        /// The file that the old server was started with as `--secretfile`: tokens of devpi-tokens go on with it.
        #[arg(long, value_name = "FILE")]
        secretfile: Option<PathBuf>,
        /// How uploads to the imported stages are checked from now on.
        #[arg(long, value_name = "CHECKS", default_value = "lenient")]
        upload_checks: UploadChecks,
    },
    /// Publish all wheels and source distributions below a folder, such as pypiserver's or a wheelhouse.
    ///
    /// Each goes through the checks of an upload. What is there already is left alone, so it may be run again.
    Folder {
        /// The folder.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The stage.
        #[arg(value_name = "USER/INDEX", value_parser = IndexPath::parse)]
        index: IndexPath,
    },
}

impl Import {
    /// Carries it out.
    pub async fn run(self) -> Result<()> {
        let report = match self.source {
            Source::Cheeseshop { folder, hard_links } => {
                let adopt = if hard_links { Adopt::Link } else { Adopt::Copy };
                let options = house::import::Options { folder, adopt };
                // Before anything is made, as below.
                let export = house::import::read(&options)?;
                let core = open_or_make(&self.place).await?;
                let done = house::import::import(&core, &options, &export, shown()).await;
                close(&core, Ok(())).await?;
                done?
            }
            Source::Devpi { folder, dry_run, hard_links, secretfile, upload_checks } => {
                let adopt = if hard_links { Adopt::Link } else { Adopt::Copy };
                let options = import_devpi::Options { folder, adopt, checks: upload_checks, secretfile };
                // Before anything is made: an export that is broken leaves nothing behind.
                let export = import_devpi::read(&options).await?;
                match dry_run {
                    true => import_devpi::import(None, &options, export, shown()).await?,
                    false => {
                        let core = open_or_make(&self.place).await?;
                        let done = import_devpi::import(Some(&core), &options, export, shown()).await;
                        close(&core, Ok(())).await?;
                        done?
                    }
                }
            }
            Source::Folder { folder, index } => {
                let core = open(&self.place).await?;
                let done = import_folder::import(&core, &folder, &index, shown()).await;
                close(&core, Ok(())).await?;
                done?
            }
        };
        finish(&report, "imported", self.report.as_deref())
    }
}

/// Opens what is at `place`; unlike other commands a move in makes what is not there yet.
async fn open_or_make(place: &Place) -> Result<Arc<Core>> {
    app::make_folder(&place.data_dir)?;
    app::open(place, Rules::default()).await
}

/// Progress on standard error: a bar on a terminal, else a line from time to time.
pub fn shown() -> Progress {
    let every = if out::is_terminal() { Duration::from_millis(100) } else { Duration::from_secs(10) };
    let bar = Bar::begin();
    Progress::new(Clock::System, every, Box::new(move |told| bar.show(told.text, told.share)))
}

/// Prints the report; fails if anything had to be skipped.
pub fn finish(report: &Report, verb: &str, file: Option<&std::path::Path>) -> Result<()> {
    if let Some(file) = file {
        std::fs::write(file, serde_json::to_vec_pretty(report)?)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    out::line(report.text(verb).trim_end());
    match report.skipped.len() {
        0 => Ok(()),
        count => bail!("not everything was {verb}: the report names what was skipped ({count})"),
    }
}
