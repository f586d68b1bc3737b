//! `cheeseshop export`: writes everything into a folder from which another server can be filled.

use super::import::{finish, shown};
use super::{close, open};
use crate::blobs::Adopt;
use crate::config::{Invalid, Place};
use crate::moving::{export_devpi, house};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Write everything into a folder, for another server.
///
/// Everything that this server has, for another Cheeseshop on any database (--format cheeseshop), or what devpi has a word for
/// (--format devpi). The folder is complete when manifest.json, or for devpi dataindex.json, is in it.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    place: Place,
    /// The folder, which must be empty or not exist. An export for Cheeseshop that was interrupted goes on.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// What the folder is for.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// Also write the files that mirrors have kept; an export for Cheeseshop always does.
    #[arg(long)]
    include_mirrored_files: bool,
    /// Link files instead of copying them, where the file system allows it. Nobody may write into the linked files.
    #[arg(long)]
    hard_links: bool,
    /// Write rows only: for a server that will use the same files. Only for Cheeseshop.
    #[arg(long)]
    no_blobs: bool,
    /// Write what was exported to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For `cheeseshop import cheeseshop`.
    Cheeseshop,
    /// For `devpi-import` of devpi-server 6 and 7.
    Devpi,
}

impl Export {
    /// Carries it out.
    pub async fn run(self) -> Result<()> {
        if self.no_blobs && self.format == Format::Devpi {
            bail!(Invalid("--no-blobs is for --format cheeseshop only".into()));
        }
        let core = open(&self.place).await?;
        let (folder, adopt) = (self.folder, if self.hard_links { Adopt::Link } else { Adopt::Copy });
        let done = match self.format {
            Format::Cheeseshop => {
                let options = house::export::Options { folder, adopt, blobs: !self.no_blobs };
                house::export::export(&core, &options, shown()).await
            }
            Format::Devpi => {
                let options = export_devpi::Options { folder, adopt, mirrored: self.include_mirrored_files };
                export_devpi::export(&core, &options, shown()).await
            }
        };
        close(&core, Ok(())).await?;
        finish(&done?, "exported", self.report.as_deref())
    }
}
