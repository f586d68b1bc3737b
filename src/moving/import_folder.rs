//! A folder of distributions (what pypiserver serves, a wheelhouse) into a stage: each file through the ordinary upload, so that
//! everything that holds for uploads holds here. What is there already is left alone.

use super::progress::Progress;
use super::report::{Reason, Report};
use crate::blobs::{Adopt, AdoptError};
use crate::error::Error;
use crate::index::publish::{self, Upload};
use crate::index::settings::{Kind, UploadChecks};
use crate::index::store::Outcome;
use crate::index::tree::Index;
use crate::index::{Core, follow};
use crate::moving::plain;
use crate::names::IndexPath;
use crate::pypi::{DistFilename, filename_guess};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who publishes, for the journal.
const ACTOR: &str = "cli";

/// Publishes every distribution below `folder` to the stage at `path`.
pub async fn import(core: &Arc<Core>, folder: &Path, path: &IndexPath, mut progress: Progress) -> Result<Report> {
    follow::catch_up(core).await.map_err(plain)?;
    let index = core.tree.load().at(path).map(|place| place.index.clone());
    let index = index.with_context(|| format!("there is no index {path}: make it with `cheeseshop index add {path}`"))?;
    if index.kind == Kind::Mirror {
        bail!("{path} is a mirror, which takes no files: name a stage");
    }
    let mut report = Report::default();
    let below = folder.to_owned();
    let found = tokio::task::spawn_blocking(move || distributions(&below)).await??;
    if found.others > 0 {
        report.warn(format!("{} other files, which are not named as distributions are, were passed over", found.others));
    }
    progress.set_total(found.files.len() as u64);
    for file in found.files {
        let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
        let bytes = publish(core, &index, &file, &name, &mut report).await?;
        progress.step(bytes, &name);
    }
    Ok(report)
}

/// What is below a folder.
#[derive(Debug, Default)]
struct Found {
    /// Distributions, sorted by path.
    files: Vec<PathBuf>,
    /// How many other files.
    others: u64,
}

/// Walks the folder. Links to folders are not followed: they may lead in circles. Hidden files and folders are no business of
/// ours. Blocks.
fn distributions(folder: &Path) -> Result<Found> {
    let (mut found, mut open) = (Found::default(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("the folder {} cannot be read", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if entry.file_type()?.is_dir() {
                open.extend((!hidden).then(|| entry.path()));
            } else if !hidden && name.to_str().is_some_and(filename_guess::is_archive) {
                found.files.push(entry.path());
            } else {
                found.others += 1;
            }
        }
    }
    found.files.sort();
    Ok(found)
}

/// Publishes one file; returns its bytes. What is wrong with the file is told, what is wrong with the server ends the import.
async fn publish(core: &Arc<Core>, index: &Arc<Index>, file: &Path, name: &str, report: &mut Report) -> Result<u64> {
    let filename = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let spooled = match core.blobs.adopt(file, Adopt::Copy).await {
        Ok(spooled) => spooled,
        Err(AdoptError::Source(error)) => {
            report.skip(Reason::MissingFile, name, error);
            return Ok(0);
        }
        Err(AdoptError::Store(error)) => return Err(error).context("a file cannot be stored"),
    };
    let bytes = spooled.size;
    let upload = Upload { fields: fields(&filename, index.settings.upload_checks), filename, spooled };
    match publish::publish_as(core, ACTOR, index, upload).await {
        Ok(Outcome::Identical) => report.there.files += 1,
        Ok(Outcome::New | Outcome::Replaced) => {
            report.came.files += 1;
            report.came.bytes += bytes;
        }
        Err(why @ Error::Conflict(_)) => report.skip(Reason::Conflict, name, why),
        Err(why @ (Error::BadRequest(_) | Error::Forbidden(_) | Error::TooLarge(_))) => report.skip(Reason::Refused, name, why),
        Err(error) => return Err(plain(error)),
    }
    Ok(bytes)
}

/// What a form would say. Only where checks are lenient and today's rules cannot read the name is it guessed from: eggs and
/// installers do not say themselves what they are.
fn fields(filename: &str, checks: UploadChecks) -> Vec<(String, String)> {
    if checks == UploadChecks::Strict || DistFilename::parse(filename).is_ok() {
        return Vec::new();
    }
    let Some(project) = filename_guess::guess_projects(filename).into_iter().next() else { return Vec::new() };
    let version = filename_guess::guess_version(filename, &project).map(|version| ("version".to_owned(), version));
    [("name".to_owned(), project.to_string())].into_iter().chain(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_found_in_all_folders() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in
            ["b/app-1.0.tar.gz", "app-1.0-py3-none-any.whl", "index.html", ".git/app-2.0.zip", ".hidden-1.0.zip", "c/d/old-1.egg"]
        {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("b/circle")).unwrap();
        let found = distributions(root).unwrap();
        let names: Vec<_> = found.files.iter().map(|path| path.strip_prefix(root).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["app-1.0-py3-none-any.whl", "b/app-1.0.tar.gz", "c/d/old-1.egg"]);
        assert_eq!(found.others, 3, "index.html, the hidden file and the link");
    }

    #[test]
    fn names_are_guessed_only_where_that_is_wanted() {
        let guessed = fields("old_app-1.0-py2.7.egg", UploadChecks::Lenient);
        assert_eq!(guessed, [("name".to_owned(), "old-app".to_owned()), ("version".to_owned(), "1.0".to_owned())]);
        assert!(fields("old_app-1.0-py2.7.egg", UploadChecks::Strict).is_empty());
        assert!(fields("app-1.0.tar.gz", UploadChecks::Lenient).is_empty());
    }
}
