//! Projects and releases with the metadata that the dump has of them. Files come later and, where they can be read, know better.

use super::Import;
use super::accounts::ACTOR;
use super::mirrored;
use crate::db::journal::{Action, Change};
use crate::db::{self, ProjectId};
use crate::index::publish::check_version;
use crate::index::search::entry;
use crate::index::settings::Kind;
use crate::index::tree::Index;
use crate::index::{Core, store};
use crate::limits;
use crate::moving::dump::{self, Project};
use crate::moving::dump_reader::{Item, Items, Wanted};
use crate::moving::plain;
use crate::moving::report::Reason;
use crate::pypi::{ProjectName, devpi_fields, version};
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// A release of the dump.
struct Release {
    version: String,
    metadata: Value,
}

impl Import<'_> {
    /// Brings every stage's projects with their releases.
    pub(super) async fn bring_projects(&mut self) -> Result<()> {
        let mut items = Items::of(&self.index_file(), Wanted { projects: true, ..Wanted::default() });
        while let Some(item) = items.next().await? {
            let Item::Project(path, name, value) = item else { continue };
            let Some(index) = self.target(&path) else { continue };
            let Some(project) = dump::project_name(&name) else {
                self.report.skip(Reason::Name, format!("{path} {name}"), "it is not a project name");
                continue;
            };
            let versions = Project::read(self.plan.version, value).versions;
            if index.kind == Kind::Mirror {
                self.note_yanked(&index, &project, &versions);
                continue;
            }
            let (display, releases) = self.releases(&index, &name, &versions);
            self.bring_project(&index, &project, &display, &releases).await?;
        }
        Ok(())
    }

    /// A mirror's versions come from its upstream's page; what must not be lost of them is which were yanked.
    fn note_yanked(&mut self, index: &Index, project: &ProjectName, versions: &Map<String, Value>) {
        let yanked = versions.iter().filter_map(|(version, fields)| Some((version, mirrored::yanked(fields)?)));
        self.yanked.extend(yanked.map(|(version, reason)| ((index.path.clone(), project.clone(), version.clone()), reason)));
    }

    /// The project's name as its author writes it, and its releases. Versions that are one release here become one.
    fn releases(&mut self, index: &Index, name: &str, versions: &Map<String, Value>) -> (String, Vec<Release>) {
        let mut display = name.to_owned();
        let mut by_canonical: BTreeMap<String, Release> = BTreeMap::new();
        for (text, fields) in versions {
            if let Err(why) = check_version(text) {
                self.report.skip(Reason::Name, format!("{} {name} {text}", index.path), why);
                continue;
            }
            let fields = dump::version_fields(fields);
            // Old dumps have names that another project would have; only another spelling of this one is believed.
            let spelling = fields.get("name").and_then(Value::as_str);
            if let Some(spelling) = spelling.filter(|spelling| ProjectName::parse(spelling).ok() == dump::project_name(name)) {
                spelling.clone_into(&mut display);
            }
            let metadata = devpi_fields::from_devpi(&fields, &display, text);
            let release = Release { version: text.clone(), metadata };
            if let Some(other) = by_canonical.insert(version::canonical(text), release) {
                self.report
                    .warn(format!("{} {name}: the versions {} and {text} are one release here", index.path, other.version));
            }
        }
        (display, by_canonical.into_values().collect())
    }

    async fn bring_project(&mut self, index: &Arc<Index>, name: &ProjectName, display: &str, releases: &[Release]) -> Result<()> {
        let Some(core) = self.core else {
            self.report.came.projects += 1;
            self.report.came.releases += releases.len() as u64;
            return Ok(());
        };
        let (known, missing) = missing(core, index, name, releases).await?;
        self.report.there.releases += (releases.len() - missing.len()) as u64;
        self.report.came.releases += missing.len() as u64;
        match known {
            Some(_) => self.report.there.projects += 1,
            // A project without any release has nothing to show here.
            None if releases.is_empty() => {}
            None => self.report.came.projects += 1,
        }
        for some in missing.chunks(limits::IMPORT_ROWS_AT_ONCE) {
            write(core, index, name, display, some).await?;
        }
        Ok(())
    }
}

/// The project's row, and the releases that the index does not have.
async fn missing<'r>(
    core: &Core,
    index: &Index,
    name: &ProjectName,
    releases: &'r [Release],
) -> Result<(Option<ProjectId>, Vec<&'r Release>)> {
    let mut c = core.db.read().await?;
    let Some(project) = db::projects::by_name(&mut c, index.id, name).await? else {
        return Ok((None, releases.iter().collect()));
    };
    let known: HashSet<String> =
        db::releases::of_project(&mut c, project.id).await?.into_iter().map(|release| release.canonical).collect();
    let missing = releases.iter().filter(|release| !known.contains(&version::canonical(&release.version))).collect();
    Ok((Some(project.id), missing))
}

async fn write(core: &Core, index: &Index, name: &ProjectName, display: &str, releases: &[&Release]) -> Result<()> {
    let now = core.clock.now();
    let mut c = core.db.begin().await?;
    let project = db::projects::put(&mut c, index.id, name, display, now).await?;
    for release in releases {
        store::put_release(&mut c, project, &release.version, &release.metadata, now).await.map_err(plain)?;
    }
    entry::renew(&mut c, project).await.map_err(plain)?;
    let detail = json!({"releases": releases.len()});
    let change = Change { actor: ACTOR, index: Some(index.id), project: Some(name), action: Action::Import, detail };
    let serial = db::journal::append(&mut c, &change, now).await?;
    db::projects::set_serial(&mut c, project, serial).await?;
    Ok(c.commit().await?)
}
