//! `cheeseshop backup`: a data folder like the server's own, brought up to date while the server runs.

use super::import::{finish, shown};
use super::{close, open};
use crate::config::Place;
use crate::moving::house::backup::{self, Options};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Bring a backup of SQLite's database and all files up to date, while the server runs.
///
/// The folder becomes a data folder: to restore, copy it and name the copy with --data-dir. Files that are in it already are not
/// copied again. Interrupted at any moment, it is still the backup that it was before.
#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    place: Place,
    /// The backup: an earlier one of this server, or a folder that is empty or does not exist.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Write what was done to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Backup {
    /// Carries it out.
    pub async fn run(self) -> Result<()> {
        let core = open(&self.place).await?;
        let options = Options { folder: self.folder, data_dir: self.place.data_dir };
        let done = backup::backup(&core, &options, shown()).await;
        close(&core, Ok(())).await?;
        finish(&done?, "backed up", self.report.as_deref())
    }
}
