//! What a move did and did not do: counted while it goes, told at its end, as text for people or as JSON.

use crate::render::words::size;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How much of each thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Indexes.
    pub indexes: u64,
    /// Projects.
    pub projects: u64,
    /// Releases.
    pub releases: u64,
    /// Files of stages.
    pub files: u64,
    /// Files of mirrors.
    pub mirrored: u64,
    /// Documentation archives.
    pub docs: u64,
    /// Test results.
    pub results: u64,
    /// Documentation archives and test results together, where they are not told apart.
    pub attachments: u64,
    /// Blobs, where those are what is moved.
    pub blobs: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Why a thing was skipped. One sentence a reason; what it was about is told beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A user or index whose name is not possible here.
    Name,
    /// An index of an unknown type.
    IndexType,
    /// A record that cannot be read.
    Unreadable,
    /// An entry for an index that the dump does not have, or that was skipped.
    NoIndex,
    /// A file that is not there, or cannot be read.
    MissingFile,
    /// A file whose bytes are not the ones that the dump names.
    WrongBytes,
    /// A file whose name stands for other bytes here.
    Conflict,
    /// A file that no project or version can be found for, or a test result whose tested file is missing.
    NoPlace,
    /// A file that this server refuses.
    Refused,
}

impl Reason {
    fn sentence(self) -> &'static str {
        match self {
            Reason::Name => "a name that is not possible here; their indexes were skipped with them",
            Reason::IndexType => "an index type that does not exist here",
            Reason::Unreadable => "a record that cannot be read",
            Reason::NoIndex => "an index that was skipped or is not in the export",
            Reason::MissingFile => "a file that is missing or cannot be read",
            Reason::WrongBytes => "a file whose bytes are not those that the export names",
            Reason::Conflict => "other bytes stand under this name here already, and were kept",
            Reason::NoPlace => "no project, version or tested file that it belongs to",
            Reason::Refused => "a file that this server refuses",
        }
    }
}

/// A thing that was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Why.
    pub reason: Reason,
    /// Which thing.
    pub name: String,
    /// More about the reason; may be empty.
    pub detail: String,
}

/// What a move did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Nothing was written.
    pub dry_run: bool,
    /// What came, or in a dry run would come.
    pub came: Counts,
    /// What was here before, the same as it would have come.
    pub there: Counts,
    /// What was taken away.
    pub removed: Counts,
    /// What did not come.
    pub skipped: Vec<Skipped>,
    /// What came, but not as it was.
    pub warnings: Vec<String>,
    /// What is left to do for whoever reads this.
    pub next: Vec<String>,
}

/// Things of one reason, and warnings, that the text names; the JSON names all.
const NAMED: usize = 10;

impl Report {
    /// Notes that a thing was skipped.
    pub fn skip(&mut self, reason: Reason, name: impl Into<String>, detail: impl ToString) {
        self.skipped.push(Skipped { reason, name: name.into(), detail: detail.to_string() });
    }

    /// Notes that something came otherwise than it was.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// The report for people, several lines. `verb` says what was done: `imported`, `exported` or `backed up`.
    pub fn text(&self, verb: &str) -> String {
        let verb = if self.dry_run { format!("would be {verb}") } else { verb.to_owned() };
        let mut text = format!("{verb}: {}\n", self.came.text());
        if self.there != Counts::default() {
            text += &format!("there already: {}\n", self.there.text());
        }
        if self.removed != Counts::default() {
            text += &format!("removed: {}\n", self.removed.text());
        }
        self.tell_skipped(&mut text);
        tell(&mut text, "warnings", &self.warnings);
        tell(&mut text, "what to do next", &self.next);
        text
    }

    fn tell_skipped(&self, text: &mut String) {
        let mut by_reason: BTreeMap<Reason, Vec<&Skipped>> = BTreeMap::new();
        for skipped in &self.skipped {
            by_reason.entry(skipped.reason).or_default().push(skipped);
        }
        for (reason, all) in by_reason {
            let one = |skipped: &&Skipped| match skipped.detail.as_str() {
                "" => skipped.name.clone(),
                detail => format!("{}: {detail}", skipped.name),
            };
            tell(text, &format!("skipped, {}", reason.sentence()), &all.iter().map(one).collect::<Vec<_>>());
        }
    }
}

/// A heading with a count and the first lines below it.
fn tell(text: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "{heading} ({}):", lines.len());
    for line in lines.iter().take(NAMED) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > NAMED {
        let _ = writeln!(text, "  ... and {} more; --report FILE names all", lines.len() - NAMED);
    }
}

impl Counts {
    fn text(&self) -> String {
        let counted = [
            (self.users, "users"),
            (self.indexes, "indexes"),
            (self.projects, "projects"),
            (self.releases, "releases"),
            (self.files, "files"),
            (self.mirrored, "mirrored files"),
            (self.docs, "documentation archives"),
            (self.results, "test results"),
            (self.attachments, "attachments"),
            (self.blobs, "blobs"),
        ];
        let mut parts: Vec<String> =
            counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if self.bytes > 0 {
            parts.push(size(self.bytes));
        }
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_first_of_each_and_counts_all() {
        let mut report = Report { came: Counts { users: 2, files: 1, bytes: 1536, ..Counts::default() }, ..Report::default() };
        report.skip(Reason::MissingFile, "a/b/x.zip", "");
        for n in 0..12 {
            report.skip(Reason::WrongBytes, format!("a/b/{n}.zip"), "its md5 is 0, not 1");
        }
        report.warn("careful");
        let text = report.text("imported");
        assert!(
            text.starts_with(
                "imported: 2 users, 1 files, 1.5 KiB\nskipped, a file that is missing or cannot be read (1):\n  a/b/x.zip\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("(12):\n  a/b/0.zip: its md5 is 0, not 1\n")
                && text.contains("  ... and 2 more; --report FILE names all\n")
        );
        assert!(text.ends_with("warnings (1):\n  careful\n"), "{text}");
    }
}
