//! What a form about releases is about: a project of one very index, its bases left out, and a part of it.

use super::Of;
use crate::db::{self, ReleaseId};
use crate::error::{Error, Result};
use crate::http::web::rights;
use crate::http::web::visit::Visit;
use crate::http::web::words;
use crate::index::access::{self, Action, Sight, may};
use crate::index::settings::Kind;
use crate::index::tree::Index;
use crate::pypi::{ProjectName, version};
use crate::urls::{encode_index, encode_segment};
use std::collections::HashMap;
use std::sync::Arc;

/// A project and where it is: what the head of each page shows.
pub struct Subject {
    /// The index as the caller sees it.
    pub sight: Sight,
    /// The project.
    pub name: ProjectName,
    /// `user/index`
    pub index: String,
    /// The same in an address.
    pub index_link: String,
    /// The project's address below the root.
    pub link: String,
}

/// A release that the index itself has.
pub struct Own {
    /// As uploaded.
    pub version: String,
    /// Its files, by name.
    pub files: Vec<OwnFile>,
}

/// A file of it.
pub struct OwnFile {
    /// Name.
    pub name: String,
    /// In words.
    pub size: String,
    /// The reason, which may be empty, if it is yanked.
    pub yanked: Option<String>,
}

/// What of a project is meant.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// All of it.
    Project,
    /// One release.
    Release(&'a Own),
    /// One file.
    File(&'a Own, &'a OwnFile),
}

/// What a project has in the index itself.
pub struct Holdings {
    /// Whether the name is all that is left.
    pub reserved: bool,
    /// The newest first.
    pub releases: Vec<Own>,
}

impl Subject {
    /// Finds it; who may not read the index is told nothing.
    pub fn find(visit: &Visit<'_>, of: Of<'_>) -> Result<Self> {
        let name = ProjectName::parse(of.project).map_err(|_| Error::no_project(of.project))?;
        let sight = access::sight(&visit.core().tree.load(), visit.caller(), of.user, of.index, Some(&name))?;
        let path = &sight.place.index.path;
        let (index, index_link) = (path.to_string(), encode_index(path));
        let link = format!("{index_link}/{}", encode_segment(name.as_str()));
        Ok(Self { sight, name, index, index_link, link })
    }

    /// The index itself.
    pub fn place(&self) -> &Arc<Index> {
        &self.sight.place.index
    }

    /// Insists that the reader may do this with the project.
    pub fn require(&self, visit: &Visit<'_>, wanted: Action) -> Result<()> {
        match may(visit.caller(), wanted, self.place(), Some(&self.name)) {
            true => Ok(()),
            false => Err(rights::refused(visit, "Only those who may upload to this index, and its owner, change what it holds.")),
        }
    }

    /// What a stage itself has of the project. A mirror has nothing of its own.
    pub async fn holdings(&self, visit: &Visit<'_>) -> Result<Holdings> {
        if self.place().kind == Kind::Mirror {
            return Err(Error::Forbidden(format!(
                "{} is a mirror: it shows what another server has, and nothing of that can be yanked or deleted here.",
                self.index
            )));
        }
        let mut c = visit.core().db.read().await?;
        let known = db::projects::by_name(&mut c, self.place().id, &self.name).await?;
        let known = known.ok_or_else(|| Error::NotFound(format!("{} itself has no project '{}'.", self.index, self.name)))?;
        let mut releases: Vec<_> = db::releases::versions(&mut c, known.id).await?;
        releases.reverse();
        let mut files: HashMap<Option<ReleaseId>, Vec<OwnFile>> = HashMap::new();
        for file in db::files::live(&mut c, known.id).await? {
            files.entry(file.release_id).or_default().push(own_file(file));
        }
        let own = |(id, version)| Own { version, files: files.remove(&Some(id)).unwrap_or_default() };
        Ok(Holdings { releases: releases.into_iter().map(own).collect(), reserved: known.reserved })
    }
}

fn own_file(file: db::files::File) -> OwnFile {
    OwnFile { name: file.filename, size: words::bytes(u64::try_from(file.size).unwrap_or_default()), yanked: file.yanked }
}

impl Holdings {
    /// The part that a version or a file's name means; with neither it is the project.
    pub fn part(&self, wanted: &str, filename: &str) -> Result<Part<'_>> {
        if !filename.is_empty() {
            let found = self.releases.iter().find_map(|own| {
                let file = own.files.iter().find(|file| file.name == filename)?;
                Some(Part::File(own, file))
            });
            return found.ok_or_else(|| Error::NotFound(format!("There is no file '{filename}' here any more.")));
        }
        if wanted.is_empty() {
            return Ok(Part::Project);
        }
        let key = version::canonical(wanted);
        let found = self.releases.iter().find(|own| version::canonical(&own.version) == key);
        found.map(Part::Release).ok_or_else(|| Error::NotFound(format!("There is no release '{wanted}' here any more.")))
    }

    /// Whether nothing is left when this part is gone.
    pub fn ends_with(&self, part: Part<'_>) -> bool {
        match part {
            Part::Project => true,
            Part::Release(_) => self.releases.len() == 1,
            Part::File(own, _) => self.releases.len() == 1 && own.files.len() == 1,
        }
    }
}

impl<'a> Part<'a> {
    /// The form's field that names it, and its value.
    pub fn field(self) -> Option<(&'static str, &'a str)> {
        match self {
            Part::Project => None,
            Part::Release(own) => Some(("version", &own.version)),
            Part::File(_, file) => Some(("file", &file.name)),
        }
    }

    /// The files that belong to it, the project's aside.
    pub fn files(self) -> &'a [OwnFile] {
        match self {
            Part::Project => &[],
            Part::Release(own) => &own.files,
            Part::File(_, file) => std::slice::from_ref(file),
        }
    }

    /// The version that it belongs to.
    pub fn version(self) -> Option<&'a str> {
        match self {
            Part::Project => None,
            Part::Release(own) | Part::File(own, _) => Some(&own.version),
        }
    }
}
