//! A stage's projects and files: metadata in devpi's fields, the bytes below `user/index/project/version/`.

use super::Export;
use crate::clock::Timestamp;
use crate::db;
use crate::db::attachments::{Attachment, Kind as What};
use crate::db::files::File;
use crate::db::releases::Release;
use crate::index::file_log;
use crate::index::tree::Index;
use crate::names::IndexPath;
use crate::pypi::{ProjectName, Sha256, devpi_fields, filename_guess};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// A file on its way out.
pub(super) struct Outgoing<'a> {
    /// devpi's word for what it is.
    pub kind: &'static str,
    pub index: &'a IndexPath,
    pub project: &'a ProjectName,
    pub version: &'a str,
    /// Below the export's folder.
    pub relpath: String,
    pub sha256: Sha256,
    pub size: i64,
    pub uploaded: Timestamp,
    pub log: Option<Value>,
    /// Fields that only files of this kind have.
    pub more: Map<String, Value>,
    /// Where a mirrored file came from.
    pub url: Option<&'a str>,
}

impl Export<'_> {
    pub(super) async fn write_stage(&mut self, index: &Index) -> Result<()> {
        let names = db::projects::names(&mut self.core.db.read().await?, index.id).await?;
        self.json.key("projects")?;
        self.json.begin_object()?;
        for (name, _) in &names {
            self.write_versions(index, name).await?;
        }
        self.json.end()?;
        self.json.key("files")?;
        self.json.begin_list()?;
        for (name, _) in &names {
            self.write_files(index, name).await?;
        }
        Ok(self.json.end()?)
    }

    async fn write_versions(&mut self, index: &Index, name: &ProjectName) -> Result<()> {
        let mut c = self.core.db.read().await?;
        let Some(project) = db::projects::by_name(&mut c, index.id, name).await? else { return Ok(()) };
        let mut versions = Map::new();
        for release in db::releases::of_project(&mut c, project.id).await? {
            let mut fields = devpi_fields::to_devpi(&release.metadata.0);
            fields.insert("name".into(), json!(project.display_name));
            fields.insert("version".into(), json!(release.version));
            versions.insert(release.version, Value::Object(fields));
            self.report.came.releases += 1;
        }
        self.report.came.projects += 1;
        Ok(self.json.entry(name.as_str(), &versions)?)
    }

    async fn write_files(&mut self, index: &Index, name: &ProjectName) -> Result<()> {
        let mut c = self.core.db.read().await?;
        let Some(project) = db::projects::by_name(&mut c, index.id, name).await? else { return Ok(()) };
        let releases = db::releases::of_project(&mut c, project.id).await?;
        let releases: HashMap<_, Release> = releases.into_iter().map(|release| (release.id, release)).collect();
        let files = db::files::live(&mut c, project.id).await?;
        let attachments = db::attachments::of_project(&mut c, project.id).await?;
        drop(c);
        for file in &files {
            let release = file.release_id.and_then(|id| releases.get(&id)).map(|release| release.version.clone());
            let version = release.or_else(|| filename_guess::guess_version(&file.filename, name));
            let version = version.with_context(|| format!("{} {} has no version", index.path, file.filename))?;
            self.yanked += u64::from(file.yanked.is_some());
            self.write_out(release_file(&index.path, name, &version, file)).await?;
            self.report.came.files += 1;
        }
        for attachment in &attachments {
            let Some(release) = releases.get(&attachment.release_id) else { continue };
            let tested = files.iter().find(|file| Some(file.id) == attachment.file_id);
            // A result of a file that is gone has nothing to hang on there.
            if attachment.kind == What::ToxResult && tested.is_none() {
                continue;
            }
            self.write_out(attached(&index.path, name, &release.version, attachment, tested)).await?;
            match attachment.kind {
                What::DocZip => self.report.came.docs += 1,
                What::ToxResult => self.report.came.results += 1,
            }
        }
        Ok(())
    }

    /// Writes the bytes and the entry of a file.
    pub(super) async fn write_out(&mut self, file: Outgoing<'_>) -> Result<()> {
        let target = self.options.folder.join(&file.relpath);
        if !self.core.blobs.copy_out(&file.sha256, &target, self.options.adopt).await? {
            bail!("the bytes of {} are missing: the blob {} is not in the store", file.relpath, file.sha256);
        }
        let bytes = u64::try_from(file.size).unwrap_or_default();
        self.report.came.bytes += bytes;
        self.progress.step(bytes, &format!("{} {}", file.index, file.project));
        Ok(self.json.item(&entry(file))?)
    }
}

fn entry(file: Outgoing<'_>) -> Value {
    let mut mapping = json!({
        "last_modified": file.uploaded.http_date(),
        "hash_spec": format!("sha256={}", file.sha256),
        "hashes": {"sha256": file.sha256},
        "project": file.project,
        "version": file.version,
    });
    if let Some(url) = file.url {
        mapping["url"] = json!(url);
    }
    let mut entry = file.more;
    entry.insert("type".into(), json!(file.kind));
    entry.insert("projectname".into(), json!(file.project));
    entry.insert("version".into(), json!(file.version));
    entry.insert("relpath".into(), json!(file.relpath));
    entry.insert("entrymapping".into(), mapping);
    if let Some(log) = file.log {
        entry.insert("log".into(), log);
    }
    Value::Object(entry)
}

fn release_file<'a>(index: &'a IndexPath, project: &'a ProjectName, version: &'a str, file: &File) -> Outgoing<'a> {
    let stored = file.log.as_ref().map(|log| &log.0);
    Outgoing {
        kind: "releasefile",
        index,
        project,
        version,
        relpath: format!("{index}/{project}/{version}/{}", file.filename),
        sha256: file.sha256,
        size: file.size,
        uploaded: file.uploaded,
        log: Some(file_log::of(stored, file.uploaded_by.as_deref(), file.uploaded, index)),
        more: Map::new(),
        url: None,
    }
}

fn attached<'a>(
    index: &'a IndexPath,
    project: &'a ProjectName,
    version: &'a str,
    attachment: &Attachment,
    tested: Option<&File>,
) -> Outgoing<'a> {
    let stored = attachment.log.as_ref().map(|log| &log.0);
    let mut more = Map::new();
    let (kind, relpath) = match tested {
        Some(tested) => {
            let hex = tested.sha256.hex();
            more.insert("for_entrypath".into(), json!(format!("{index}/+f/{}/{}/{}", &hex[..3], &hex[3..16], tested.filename)));
            ("toxresult", format!("{index}/{project}/sha256={hex}/{}", attachment.filename))
        }
        None => ("doczip", format!("{index}/{project}-{version}.doc.zip")),
    };
    Outgoing {
        kind,
        index,
        project,
        version,
        relpath,
        sha256: attachment.sha256,
        size: attachment.size,
        uploaded: attachment.uploaded,
        log: Some(file_log::of(stored, attachment.uploaded_by.as_deref(), attachment.uploaded, index)),
        more,
        url: None,
    }
}
