//! What a mirror knows of one project: every file its upstream ever listed, with what upstream said last.
//!
//! Pure. Upstream's pages are replaced each time, but our record only grows: a file that upstream drops is marked as gone,
//! so that a kept copy can still be told from one that never was.

use crate::clock::Timestamp;
use crate::limits;
use crate::pypi::{PageFile, ProjectPage, ProjectStatus, filename_guess};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// The record of one project.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Every file, in upstream's order, gone ones last.
    pub files: Vec<RecordedFile>,
    /// Upstream's versions, with or without files.
    pub versions: Vec<String>,
    /// Upstream's status.
    pub status: Option<ProjectStatus>,
}

/// One file of upstream's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// What upstream's page says; the URL is absolute and upstream's.
    #[serde(flatten)]
    pub file: PageFile,
    /// When this mirror first saw it: stands for the upload time that many upstreams do not tell.
    pub first_seen: Timestamp,
    /// Since when upstream no longer lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Timestamp>,
}

impl Record {
    /// The record after upstream showed `page`. Equal to this one if the page says nothing new.
    #[must_use]
    pub fn after(&self, page: ProjectPage, now: Timestamp) -> Record {
        let mut before: HashMap<&str, &RecordedFile> = self.files.iter().map(|f| (f.file.filename.as_str(), f)).collect();
        let mut versions: BTreeSet<String> = page.versions.into_iter().collect();
        let mut files = Vec::with_capacity(page.files.len());
        for file in page.files {
            let first_seen = before.remove(file.filename.as_str()).map_or(now, |old| old.first_seen);
            versions.extend(filename_guess::guess_version(&file.filename, &page.name));
            files.push(RecordedFile { file, first_seen, gone: None });
        }
        files.extend(self.files.iter().filter(|f| before.contains_key(f.file.filename.as_str())).map(|old| old.gone_since(now)));
        Record { files, versions: versions.into_iter().collect(), status: page.status }
    }

    /// The record after upstream said that it has no such project.
    #[must_use]
    pub fn after_removal(&self, now: Timestamp) -> Record {
        let files = self.files.iter().map(|file| file.gone_since(now)).collect();
        Record { files, versions: Vec::new(), status: None }
    }

    /// Whether upstream has the project now.
    pub fn is_there(&self) -> bool {
        !self.versions.is_empty() || self.status.is_some() || self.files.iter().any(|f| f.gone.is_none())
    }

    /// Packs the record for the database.
    pub fn pack(&self) -> anyhow::Result<Vec<u8>> {
        Ok(zstd::bulk::compress(&serde_json::to_vec(self)?, limits::RECORD_COMPRESSION)?)
    }

    /// Unpacks what [`Record::pack`] made.
    pub fn unpack(packed: &[u8]) -> anyhow::Result<Record> {
        Ok(serde_json::from_reader(std::io::BufReader::new(zstd::Decoder::new(packed)?))?)
    }
}

impl RecordedFile {
    fn gone_since(&self, now: Timestamp) -> RecordedFile {
        RecordedFile { gone: self.gone.or(Some(now)), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pypi::ProjectName;

    fn page(files: &[&str]) -> ProjectPage {
        let files = files.iter().map(|f| PageFile::bare(*f, format!("https://index.example/{f}"))).collect();
        ProjectPage { name: ProjectName::parse("app").unwrap(), files, versions: vec!["9".into()], status: None, serial: None }
    }

    fn names(record: &Record) -> Vec<(&str, i64, Option<i64>)> {
        record.files.iter().map(|f| (f.file.filename.as_str(), f.first_seen.0, f.gone.map(|t| t.0))).collect()
    }

    #[test]
    fn files_keep_the_time_they_were_first_seen_and_stay_when_gone() {
        let first = Record::default().after(page(&["app-1.tar.gz", "app-2.tar.gz"]), Timestamp(10));
        let second = first.after(page(&["app-2.tar.gz", "app-3.tar.gz"]), Timestamp(20));
        assert_eq!(names(&second), [("app-2.tar.gz", 10, None), ("app-3.tar.gz", 20, None), ("app-1.tar.gz", 10, Some(20))]);
        let third = second.after(page(&["app-1.tar.gz"]), Timestamp(30));
        assert_eq!(
            names(&third),
            [("app-1.tar.gz", 10, None), ("app-2.tar.gz", 10, Some(30)), ("app-3.tar.gz", 20, Some(30))],
            "a file that comes back is as old as it was"
        );
        assert_eq!(third.versions, ["1", "9"]);
    }

    #[test]
    fn the_same_page_again_changes_nothing() {
        let record = Record::default().after(page(&["app-1.tar.gz"]), Timestamp(10));
        let record = record.after(page(&[]), Timestamp(20));
        assert_eq!(record.after(page(&[]), Timestamp(30)), record);
        assert!(record.is_there() && !record.after_removal(Timestamp(40)).is_there());
    }

    #[test]
    fn packing_loses_nothing() {
        let record = Record::default().after(page(&["app-1.tar.gz"]), Timestamp(10));
        assert_eq!(Record::unpack(&record.pack().unwrap()).unwrap(), record);
        assert!(Record::unpack(b"nonsense").is_err());
    }
}
