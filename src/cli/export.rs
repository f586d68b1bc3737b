//! `cheeseshop export`: writes everything into a folder from which another server can be filled.

use super::import::{finish, shown};
use super::{close, open};
use crate::blobs::Adopt;
use crate::config::Place;
use crate::moving::export_devpi;
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Write everything into a folder, for another server.
///
/// The folder is complete when dataindex.json is in it.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    place: Place,
    /// The folder, which must be empty or not exist.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// What the folder is for.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// Also write the files that mirrors have kept.
    #[arg(long)]
    include_mirrored_files: bool,
    /// Link files instead of copying them, where the file system allows it. Nobody may write into the linked files.
    #[arg(long)]
    hard_links: bool,
    /// Write what was exported to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For `devpi-import` of devpi-server 6 and 7.
    Devpi,
}

impl Export {
    /// Carries it out.
    pub async fn run(self) -> Result<()> {
        let Format::Devpi = self.format;
        let core = open(&self.place).await?;
        let adopt = if self.hard_links { Adopt::Link } else { Adopt::Copy };
        let options = export_devpi::Options { folder: self.folder, adopt, mirrored: self.include_mirrored_files };
        let done = export_devpi::export(&core, &options, shown()).await;
        close(&core, Ok(())).await?;
        finish(&done?, "exported", self.report.as_deref())
    }
}
