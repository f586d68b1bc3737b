//! What an upload's form and the file's name say, and whether the two agree. The bytes are not looked at.
//!
//! Strict: the name must be that of a wheel or source distribution, and the form may only repeat it. Lenient: any name that
//! devpi takes, and the form says which release it is.

use super::Upload;
use crate::error::{Error, Result};
use crate::index::settings::UploadChecks;
use crate::limits;
use crate::pypi::{DistFilename, ProjectName, Version, filename_guess, version};

/// What the form and the file's name say, as far as it was given and makes sense.
#[derive(Debug)]
pub(super) struct Claims {
    /// The project.
    pub project: ProjectName,
    /// The project's name as it is written there.
    pub display_name: String,
    /// The version as it is written there; any text, if uploads are not strict.
    pub version: String,
    /// What the name says, if it is one of a wheel or source distribution: then the archive can be inspected.
    pub dist: Option<DistFilename>,
    /// Digests in lower-case hex.
    pub sha256: Option<String>,
    /// The same.
    pub md5: Option<String>,
    /// The same: BLAKE2b-256.
    pub blake2: Option<String>,
}

/// Reads the claims; 400 if they contradict one another.
pub(super) fn read(upload: &Upload, checks: UploadChecks) -> Result<Claims> {
    let mut claims = match checks {
        UploadChecks::Strict => strict(upload)?,
        UploadChecks::Lenient => lenient(upload)?,
    };
    claims.sha256 = hex_field(upload, "sha256_digest", 64)?;
    claims.md5 = hex_field(upload, "md5_digest", 32)?;
    claims.blake2 = blake2_field(upload)?;
    Ok(claims)
}

fn strict(upload: &Upload) -> Result<Claims> {
    let file = DistFilename::parse(&upload.filename).map_err(|refused| {
        let hint = if is_archive_name(&upload.filename) { "; an index with upload_checks=lenient takes such files" } else { "" };
        Error::BadRequest(format!("{refused}{hint}"))
    })?;
    let name = upload.field("name");
    if let Some(text) = name
        && project(text)? != file.project
    {
        return Err(other_project(upload, text));
    }
    if let Some(text) = upload.field("version") {
        let version = Version::parse(text).map_err(|e| Error::BadRequest(e.to_string()))?;
        if version != file.version {
            return Err(other_version(upload, text));
        }
    }
    let wanted = if file.is_wheel() { "bdist_wheel" } else { "sdist" };
    if let Some(kind) = upload.field("filetype").filter(|kind| *kind != wanted) {
        return Err(Error::BadRequest(format!("filetype '{kind}' does not fit filename '{}': use {wanted}", upload.filename)));
    }
    let display_name = name.unwrap_or(file.project.as_str()).to_owned();
    Ok(Claims::of(file.project.clone(), display_name, file.version.as_str().to_owned(), Some(file)))
}

/// devpi's checks: the version stands somewhere in the name, the name ends like a distribution's and begins with the project's.
fn lenient(upload: &Upload) -> Result<Claims> {
    let filename = upload.filename.as_str();
    let dist = DistFilename::parse(filename).ok();
    let missing = |field: &str| Error::BadRequest(format!("invalid metadata: Missing required field \"{field}\""));
    let in_name = |part: fn(&DistFilename) -> &str| dist.as_ref().map(part);
    let name = upload.field("name").or(in_name(|dist| dist.project.as_str())).ok_or_else(|| missing("name"))?.to_owned();
    let text = upload.field("version").or(in_name(|dist| dist.version.as_str())).ok_or_else(|| missing("version"))?.to_owned();
    let project = project(&name)?;
    check_version(&text)?;
    let same = dist.as_ref().is_some_and(|dist| version::sort_key(&text) == dist.version.sort_key());
    if !same && !filename.contains(&text) && !filename.contains(&escaped(&text)) {
        return Err(other_version(upload, &text));
    }
    if !is_archive_name(filename) {
        return Err(Error::BadRequest(format!("'{filename}' is not a valid archive name")));
    }
    if !begins_with(filename, &project) {
        return Err(other_project(upload, &name));
    }
    // A name that reads as that of another release says nothing about this one.
    let dist = dist.filter(|dist| dist.project == project && same);
    Ok(Claims::of(project, name, text, dist))
}

impl Claims {
    fn of(project: ProjectName, display_name: String, version: String, dist: Option<DistFilename>) -> Self {
        Self { project, display_name, version, dist, sha256: None, md5: None, blake2: None }
    }
}

pub(super) fn project(text: &str) -> Result<ProjectName> {
    ProjectName::parse(text).map_err(|e| Error::BadRequest(e.to_string()))
}

/// Any version that fits a page, a link, a folder's name and a database; devpi forbids these characters in it.
pub fn check_version(text: &str) -> Result<()> {
    let forbidden = |c: char| c.is_control() || "<>%#\"/\\".contains(c);
    match text.len() > limits::VERSION_BYTES_MAX || text.contains(forbidden) || matches!(text, "." | "..") {
        true => Err(Error::BadRequest(format!(
            "invalid metadata: a version has at most {} bytes and none of < > % # \" / \\, and is neither . nor ..",
            limits::VERSION_BYTES_MAX
        ))),
        false => Ok(()),
    }
}

/// The version as file names write it: what is neither a letter, a digit nor `.` becomes `_`.
fn escaped(version: &str) -> String {
    let mut escaped = String::new();
    for c in version.chars() {
        match c.is_alphanumeric() || c == '.' || c == '_' {
            true => escaped.push(c),
            false if escaped.ends_with('_') => {}
            false => escaped.push('_'),
        }
    }
    escaped
}

fn is_archive_name(filename: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    filename.len() <= limits::FILENAME_BYTES_MAX
        && filename.chars().all(plain)
        && !filename.starts_with('.')
        // Documentation has a place and an action of its own.
        && !filename.ends_with(".doc.zip")
        && filename_guess::is_archive(filename)
}

/// Whether a file name begins with the project's name and ends it there: `foobar-1.zip` is no file of `foo`.
fn begins_with(filename: &str, project: &ProjectName) -> bool {
    let ends = filename.char_indices().filter(|(_, c)| matches!(c, '-' | '_' | '.')).map(|(at, _)| at);
    ends.into_iter().any(|at| ProjectName::parse(&filename[..at]).is_ok_and(|name| name == *project))
}

fn other_project(upload: &Upload, name: &str) -> Error {
    Error::BadRequest(format!("filename '{}' does not match project name '{name}'", upload.filename))
}

fn other_version(upload: &Upload, version: &str) -> Error {
    Error::BadRequest(format!("filename '{}' does not contain version '{version}'", upload.filename))
}

fn hex_field(upload: &Upload, name: &str, digits: usize) -> Result<Option<String>> {
    let Some(text) = upload.field(name) else { return Ok(None) };
    match text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(Some(text.to_ascii_lowercase())),
        false => Err(Error::BadRequest(format!("{name} must have {digits} hex digits"))),
    }
}

/// The BLAKE2 digest. distutils of Python 3.6 to 3.11 sends BLAKE2b-512 in this field, which is not what its name says; that
/// one is passed over, because the other digests are there.
fn blake2_field(upload: &Upload) -> Result<Option<String>> {
    const BLAKE2B_512_DIGITS: usize = 128;
    match upload.field("blake2_256_digest") {
        Some(text) if text.len() == BLAKE2B_512_DIGITS => Ok(None),
        _ => hex_field(upload, "blake2_256_digest", 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_file_names() {
        assert_eq!(escaped("1.0+local.1"), "1.0_local.1");
        assert_eq!(escaped("1.0-rc 1"), "1.0_rc_1");
    }

    #[test]
    fn names_of_archives() {
        for good in ["a-1.zip", "Foo-1.0-py2.7.egg", "foo-1.0.win32.exe", "foo-1.tgz", "foo-1.tar.bz2", "foo 1.zip"] {
            assert!(is_archive_name(good), "{good}");
        }
        for bad in ["a-1.txt", ".zip", "a/b-1.zip", "a\\b-1.zip", "a-1.doc.zip", "a-1\n.zip", ""] {
            assert!(!is_archive_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_project_ends_where_its_name_ends() {
        let is = |filename: &str, name: &str| begins_with(filename, &ProjectName::parse(name).unwrap());
        assert!(is("foo-1.0.zip", "foo") && is("Foo_Bar-1.0.zip", "foo.bar") && is("foo-2-1.0.egg", "foo-2"));
        assert!(!is("foobar-1.0.zip", "foo") && !is("1.0.zip", "foo"));
    }
}
