//! Files that a mirror has kept, with what its record says of them.

use super::Export;
use super::files::Outgoing;
use crate::db;
use crate::db::files::File;
use crate::index::record::{Record, RecordedFile};
use crate::index::tree::Index;
use crate::pypi::{ProjectName, filename_guess};
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// A kept file with what upstream said of it, and its version.
type Kept = (File, RecordedFile, String);

impl Export<'_> {
    pub(super) async fn write_mirror(&mut self, index: &Index) -> Result<()> {
        let names = db::projects::names(&mut self.core.db.read().await?, index.id).await?;
        self.json.key("projects")?;
        self.json.begin_object()?;
        for (name, _) in &names {
            let kept = self.kept(index, name).await?;
            if !kept.is_empty() {
                self.json.entry(name.as_str(), &versions(name, &kept))?;
                self.report.came.projects += 1;
            }
        }
        self.json.end()?;
        self.json.key("files")?;
        self.json.begin_list()?;
        for (name, _) in &names {
            for (file, recorded, version) in self.kept(index, name).await? {
                self.write_out(outgoing(index, name, &version, &file, &recorded)).await?;
                self.report.came.mirrored += 1;
            }
        }
        Ok(self.json.end()?)
    }

    /// The kept files of a project of which it is known where they came from.
    async fn kept(&self, index: &Index, name: &ProjectName) -> Result<Vec<Kept>> {
        let mut c = self.core.db.read().await?;
        let Some(project) = db::projects::by_name(&mut c, index.id, name).await? else { return Ok(Vec::new()) };
        let Some(page) = db::mirrors::page(&mut c, index.id, name.as_str()).await? else { return Ok(Vec::new()) };
        let files = db::files::live(&mut c, project.id).await?;
        let record = tokio::task::spawn_blocking(move || Record::unpack(&page.body)).await??;
        let mut recorded: HashMap<String, RecordedFile> =
            record.files.into_iter().map(|file| (file.file.filename.clone(), file)).collect();
        let kept = files.into_iter().filter_map(|file| {
            let version = filename_guess::guess_version(&file.filename, name)?;
            Some((recorded.remove(&file.filename)?, version)).map(|(recorded, version)| (file, recorded, version))
        });
        Ok(kept.collect())
    }
}

fn versions(name: &ProjectName, kept: &[Kept]) -> Map<String, Value> {
    let mut versions = Map::new();
    for (_, recorded, version) in kept {
        let mut fields = json!({"name": name, "version": version});
        if let Some(requires) = &recorded.file.requires_python {
            fields["requires_python"] = json!(requires);
        }
        if let Some(reason) = &recorded.file.yanked {
            fields["yanked"] = json!(reason);
        }
        versions.insert(version.clone(), fields);
    }
    versions
}

fn outgoing<'a>(
    index: &'a Index,
    project: &'a ProjectName,
    version: &'a str,
    file: &File,
    recorded: &'a RecordedFile,
) -> Outgoing<'a> {
    Outgoing {
        kind: "releasefile",
        index: &index.path,
        project,
        version,
        relpath: format!("{}/{project}/{version}/{}", index.path, file.filename),
        sha256: file.sha256,
        size: file.size,
        uploaded: recorded.file.upload_time.unwrap_or(file.uploaded),
        log: None,
        more: Map::new(),
        url: Some(&recorded.file.url),
    }
}
