//! `cheeseshop index …`

use super::out;
use crate::config::DataArgs;
use crate::index::access::Caller;
use crate::index::admin;
use crate::index::settings::{Edit, Kind};
use crate::names::IndexPath;
use crate::pypi::ProjectName;
use clap::Subcommand;
use serde_json::Value;

/// What to do with indexes.
#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Make an index: USER/INDEX, then options such as bases=root/pypi volatile=false type=mirror
    Add {
        /// user/index
        path: String,
        /// Options
        #[arg(value_name = "KEY=VALUE")]
        options: Vec<String>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Change options: KEY=VALUE, KEY+=VALUE to add to a list, KEY-=VALUE to take away, KEY-= to reset
    Set {
        /// user/index
        path: String,
        /// Options
        #[arg(value_name = "KEY=VALUE", required = true)]
        options: Vec<String>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// List all indexes
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Show an index as JSON
    Show {
        /// user/index
        path: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Remove a volatile index with all it holds
    Remove {
        /// user/index
        path: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Let go of the name of a project that has no files any more, so that mirrors may answer for it again
    ReleaseName {
        /// user/index
        path: String,
        /// Project
        project: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

/// Runs the command.
pub async fn run(command: IndexCommand) -> anyhow::Result<()> {
    let system = Caller::system();
    match command {
        IndexCommand::Add { path, options, data } => {
            let core = super::open_existing(&data).await?;
            let path = IndexPath::parse(&path)?;
            let edits: Vec<Edit> = options.iter().map(|text| Edit::parse(text)).collect();
            admin::create(&core, &system, &path, kind(&edits)?, edits).await?;
            out::line(&format!("made index {path}"));
        }
        IndexCommand::Set { path, options, data } => {
            let core = super::open_existing(&data).await?;
            let edits = options.iter().map(|text| Edit::parse(text)).collect();
            let index = admin::modify(&core, &system, &IndexPath::parse(&path)?, edits, false).await?;
            out::line(&format!("changed index {}", index.path));
        }
        IndexCommand::List { data } => {
            let core = super::open_existing(&data).await?;
            for place in core.tree.load().all() {
                let bases: Vec<String> = place.index.bases.iter().map(IndexPath::to_string).collect();
                let bases = if bases.is_empty() { String::new() } else { format!("  bases={}", bases.join(",")) };
                out::line(&format!("{}  {}{bases}", place.index.path, place.index.kind.word()));
            }
        }
        IndexCommand::Show { path, data } => {
            let core = super::open_existing(&data).await?;
            let path = IndexPath::parse(&path)?;
            let tree = core.tree.load();
            let place = tree.at(&path).ok_or_else(|| anyhow::anyhow!("there is no index {path}"))?;
            out::line(&format!("{:#}", Value::Object(admin::shown(&place.index))));
        }
        IndexCommand::Remove { path, data } => {
            let core = super::open_existing(&data).await?;
            let path = IndexPath::parse(&path)?;
            admin::delete(&core, &system, &path).await?;
            out::line(&format!("removed index {path}"));
        }
        IndexCommand::ReleaseName { path, project, data } => {
            let core = super::open_existing(&data).await?;
            let (path, project) = (IndexPath::parse(&path)?, ProjectName::parse(&project)?);
            let index = core.tree.load().at(&path).map(|place| place.index.clone());
            let index = index.ok_or_else(|| anyhow::anyhow!("there is no index {path}"))?;
            crate::index::release::release_name(&core, &system, &index, &project).await?;
            out::line(&format!("released the name {project} on {path}"));
        }
    }
    Ok(())
}

/// The kind among the options; stage unless said otherwise.
fn kind(edits: &[Edit]) -> anyhow::Result<Kind> {
    let word = edits.iter().find_map(|edit| match edit {
        Edit::Set(key, Value::String(word)) if key == "type" => Some(word.as_str()),
        _ => None,
    });
    Kind::parse(word.unwrap_or("stage")).map_err(anyhow::Error::msg)
}
