//! The plan of an import: which users and indexes the dump has, in our words, and what of them cannot be.

use super::Options;
use crate::index::settings::Kind;
use crate::moving::dump::{Extent, INDEX_FILE, NEWEST, Project, User};
use crate::moving::dump_options::{self, Options as IndexOptions};
use crate::moving::dump_reader::{Item, Items, Wanted, walk};
use crate::moving::orders::{self, Bases};
use crate::moving::report::{Reason, Report};
use crate::names::{IndexPath, UserName};
use anyhow::{Result, bail};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// What is to be made.
#[derive(Debug, Default)]
pub struct Plan {
    /// The dump's version.
    pub version: u32,
    /// How much there is.
    pub extent: Extent,
    /// Users by name.
    pub users: BTreeMap<UserName, User>,
    /// Indexes by path; their owners are among the users.
    pub indexes: BTreeMap<IndexPath, IndexOptions>,
}

/// Reads the whole file once and parts of it again. An error if it is broken or of an unknown version.
pub async fn read(options: &Options, report: &mut Report) -> Result<Plan> {
    let path = options.folder.join(INDEX_FILE);
    let (version, extent) = tokio::task::spawn_blocking(move || {
        let mut version = None;
        let extent = walk(&path, Wanted::default(), |item| {
            if let Item::Version(value) = item {
                version = Some(value);
            }
            true
        })?;
        Ok::<_, anyhow::Error>((known_version(version.as_ref())?, extent))
    })
    .await??;
    let mut reading = Reading { version, users: BTreeMap::new(), configs: BTreeMap::new(), open: HashMap::new() };
    reading.read(options, report).await?;
    let indexes = reading.indexes(options, report);
    let plan = Plan { version, extent, users: reading.users, indexes };
    plan.warn(report);
    Ok(plan)
}

/// The version, which devpi writes as text.
fn known_version(value: Option<&Value>) -> Result<u32> {
    let number = match value {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    match number {
        Some(version @ 1..=NEWEST) => Ok(version),
        Some(version) => bail!("the export has dump version {version}; this program reads 1 to {NEWEST}: a newer one is needed"),
        None => bail!("{INDEX_FILE} has no dumpversion: it is not what devpi-export writes"),
    }
}

struct Reading {
    version: u32,
    users: BTreeMap<UserName, User>,
    configs: BTreeMap<IndexPath, Map<String, Value>>,
    /// Projects of each index whose own rule lets mirrors add files (version 3).
    open: HashMap<IndexPath, Vec<String>>,
}

impl Reading {
    async fn read(&mut self, options: &Options, report: &mut Report) -> Result<()> {
        let wanted = Wanted { users: true, configs: true, projects: self.version >= 3, files: false };
        let mut items = Items::of(&options.folder.join(INDEX_FILE), wanted);
        while let Some(item) = items.next().await? {
            match item {
                Item::User(name, record) => self.user(&name, record, report),
                Item::Config(path, config) => self.config(&path, config, report),
                Item::Project(path, name, value) => self.project(&path, &name, value),
                Item::Version(_) | Item::File(..) => {}
            }
        }
        Ok(())
    }

    fn user(&mut self, name: &str, record: Value, report: &mut Report) {
        match (UserName::parse(name), serde_json::from_value(record)) {
            (Ok(name), Ok(user)) => drop(self.users.insert(name, user)),
            (Err(why), _) => report.skip(Reason::Name, format!("user {name}"), why),
            (_, Err(why)) => report.skip(Reason::Unreadable, format!("user {name}"), why),
        }
    }

    fn config(&mut self, path: &str, config: Value, report: &mut Report) {
        match (IndexPath::parse(path), config) {
            (Ok(path), Value::Object(config)) => drop(self.configs.insert(path, config)),
            (Err(why), _) => report.skip(Reason::Name, format!("index {path}"), why),
            _ => report.skip(Reason::Unreadable, format!("index {path}"), "its options are no object"),
        }
    }

    fn project(&mut self, path: &str, name: &str, value: Value) {
        let Ok(path) = IndexPath::parse(path) else { return };
        if Project::read(self.version, value).open_to_mirrors {
            self.open.entry(path).or_default().push(name.to_owned());
        }
    }

    /// The indexes in our words.
    fn indexes(&mut self, options: &Options, report: &mut Report) -> BTreeMap<IndexPath, IndexOptions> {
        let mut indexes = BTreeMap::new();
        for (path, config) in std::mem::take(&mut self.configs) {
            let open = self.open.remove(&path).unwrap_or_default();
            if !self.users.contains_key(&path.user) {
                report.skip(Reason::Name, format!("index {path}"), "its owner is not in the export, or was skipped");
                continue;
            }
            match dump_options::translate(&config, &open, options.checks) {
                Ok(translated) => {
                    translated.notes.iter().for_each(|note| report.warn(format!("index {path}: {note}")));
                    indexes.insert(path, translated);
                }
                Err(why) => report.skip(Reason::IndexType, format!("index {path}"), why),
            }
        }
        indexes
    }
}

impl Plan {
    /// Tells of bases that lead nowhere, and of orders that change.
    fn warn(&self, report: &mut Report) {
        for (path, options) in &self.indexes {
            for base in options.bases.iter().filter(|base| !self.indexes.contains_key(base)) {
                report.warn(format!("index {path}: its base {base} is not in the export; it is kept, and passed over"));
            }
        }
        // Up to version 2 the order was the one that is used here.
        if self.version < 3 {
            return;
        }
        let all: Bases<'_> = self.indexes.iter().map(|(path, o)| (path, (o.kind == Kind::Mirror, o.bases.as_slice()))).collect();
        let shown = |order: Vec<&IndexPath>| order.iter().map(|path| path.to_string()).collect::<Vec<_>>().join(", ");
        for (path, broad, deep) in orders::differing(&all) {
            report.warn(format!(
                "index {path}: bases are walked breadth first here ({}), by devpi 7 depth first ({}): \
                 a file that several of them have may come from another one",
                shown(broad),
                shown(deep)
            ));
        }
    }
}
