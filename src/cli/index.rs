//! `cheeseshop index`: makes, changes, lists and removes indexes.

use super::{close, open, out};
use crate::config::Place;
use crate::error::{Error, Result};
use crate::index::access::Caller;
use crate::index::settings::{Edit, Kind};
use crate::index::{Core, admin, release};
use crate::names::{IndexPath, UserName};
use crate::pypi::ProjectName;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::sync::Arc;

/// Make, change, list and remove indexes.
#[derive(Debug, Args)]
pub struct Index {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an index: a stage, or with type=mirror a mirror.
    Add {
        /// Where.
        #[arg(value_name = "USER/INDEX", value_parser = IndexPath::parse)]
        path: IndexPath,
        /// Options, such as bases=root/pypi volatile=false.
        #[arg(value_name = "KEY=VALUE")]
        options: Vec<String>,
    },
    /// Change options: key=value sets, key+=value and key-=value change a list, key-= drops.
    Set {
        /// Which.
        #[arg(value_name = "USER/INDEX", value_parser = IndexPath::parse)]
        path: IndexPath,
        /// Options, such as acl_upload+=alice.
        #[arg(value_name = "KEY=VALUE", required = true)]
        options: Vec<String>,
    },
    /// List the indexes.
    List {
        /// Only those of this user.
        #[arg(value_parser = UserName::parse)]
        user: Option<UserName>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show an index with its options.
    Show {
        /// Which.
        #[arg(value_name = "USER/INDEX", value_parser = IndexPath::parse)]
        path: IndexPath,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let mirrors answer again for a project whose files are all gone.
    ReleaseName {
        /// Where.
        #[arg(value_name = "USER/INDEX", value_parser = IndexPath::parse)]
        path: IndexPath,
        /// The project.
        #[arg(value_parser = ProjectName::parse)]
        project: ProjectName,
    },
    /// Remove an index with all its files; one that is not volatile is refused.
    Remove {
        /// Which.
        #[arg(value_name = "USER/INDEX", value_parser = IndexPath::parse)]
        path: IndexPath,
    },
}

impl Index {
    /// Carries it out.
    pub async fn run(self) -> anyhow::Result<()> {
        let core = open(&self.place).await?;
        let done = act(&core, self.action).await;
        close(&core, done).await
    }
}

async fn act(core: &Arc<Core>, action: Action) -> Result<()> {
    let caller = Caller::system();
    match action {
        Action::Add { path, options } => {
            let (kind, edits) = kind_and_edits(&options)?;
            admin::create(core, &caller, &path, kind, edits).await?;
            out::line(&format!("made index {path}"));
        }
        Action::Set { path, options } => {
            let edits = options.iter().map(|text| Edit::parse(text)).collect();
            admin::modify(core, &caller, &path, edits, true).await?;
            out::line(&format!("changed index {path}"));
        }
        Action::List { user, json } => list(core, user.as_ref(), json),
        Action::Show { path, json } => show(core, &path, json)?,
        Action::ReleaseName { path, project } => {
            let index = core.tree.load().at(&path).map(|place| place.index.clone()).ok_or_else(|| Error::no_index(&path))?;
            release::release_name(core, &caller, &index, &project).await?;
            out::line(&format!("released the name {project} in {path}"));
        }
        Action::Remove { path } => {
            admin::delete(core, &caller, &path).await?;
            out::line(&format!("removed index {path}"));
        }
    }
    Ok(())
}

/// `type=` is not an option but what the index is.
fn kind_and_edits(options: &[String]) -> Result<(Kind, Vec<Edit>)> {
    let (mut kind, mut edits) = (Kind::Stage, Vec::new());
    for text in options {
        match text.strip_prefix("type=") {
            Some(word) => kind = Kind::parse(word).map_err(Error::BadRequest)?,
            None => edits.push(Edit::parse(text)),
        }
    }
    Ok((kind, edits))
}

fn list(core: &Core, user: Option<&UserName>, json: bool) {
    let tree = core.tree.load();
    let indexes =
        tree.all().into_iter().map(|place| &place.index).filter(|index| user.is_none_or(|user| index.path.user == *user));
    if json {
        let entries = indexes.map(|index| (index.path.to_string(), Value::Object(admin::shown(index))));
        out::json(&Value::Object(entries.collect()));
        return;
    }
    let title =
        |options: &serde_json::Map<String, Value>| options.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = indexes.map(|index| vec![index.path.to_string(), index.kind.word().into(), title(&index.settings.stored)]);
    out::table(&rows.collect::<Vec<_>>());
}

fn show(core: &Core, path: &IndexPath, json: bool) -> Result<()> {
    let tree = core.tree.load();
    let place = tree.at(path).ok_or_else(|| Error::no_index(path))?;
    let options = Value::Object(admin::shown(&place.index));
    match json {
        true => out::json(&options),
        false => out::fields(&options),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_told_from_the_options() {
        let words = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let (kind, edits) = kind_and_edits(&words(&["volatile=no", "type=mirror", "title=a=b"])).unwrap();
        assert_eq!((kind, edits.len()), (Kind::Mirror, 2));
        assert_eq!(edits[1], Edit::Set("title".into(), "a=b".into()));
        assert_eq!(kind_and_edits(&[]).unwrap().0, Kind::Stage);
        assert!(kind_and_edits(&words(&["type=pigeonhole"])).unwrap_err().to_string().contains("pigeonhole"));
    }
}
