//! The doctor: looks whether everything that rows promise is there, and whether rows, bytes and journal agree.
//!
//! It may run beside a server. What it finds it looks at a second time before it tells, because a file may have come or gone in
//! between. It changes nothing unless it is asked to repair, and then only what loses nothing: what can be made again from
//! the store, or fetched again from upstream. A published file whose bytes are gone is told and left.

mod bytes;
mod repair;
mod rows;

use crate::error::Result;
use crate::index::{Core, owner};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// What the doctor is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Read every blob and compare it with its key.
    pub deep: bool,
    /// Repair what can be repaired.
    pub repair: bool,
    /// How old bytes must be that no row knows, before they are a problem and not an upload under way.
    pub grace: Duration,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Nothing is wrong.
    Note,
    /// It was wrong, and is right now.
    Repaired,
    /// It is wrong.
    Problem,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// What it is, in one word for programs.
    pub kind: &'static str,
    /// What it is about: `alice/dev app-1.0.tar.gz`, or a blob's key.
    pub about: String,
    /// What it means, and what can be done.
    pub text: &'static str,
}

/// All findings together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// Blobs in the store.
    pub blobs: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Blobs that no row needs. `gc` deletes them.
    pub unneeded: u64,
    /// Bytes of those.
    pub unneeded_bytes: u64,
    /// Findings of each weight.
    pub notes: u64,
    /// See [`Weight`].
    pub repaired: u64,
    /// See [`Weight`].
    pub problems: u64,
}

/// What is told while the doctor works.
#[derive(Debug)]
pub enum Told<'a> {
    /// So many of 256 parts are done.
    Progress(u16, &'a Summary),
    /// Something was found.
    Found(&'a Finding),
}

/// An examination under way.
struct Doctor<'a> {
    core: &'a Arc<Core>,
    options: Options,
    tell: &'a mut dyn FnMut(Told<'_>),
    summary: Summary,
}

/// Examines everything.
pub async fn examine(core: &Arc<Core>, options: Options, tell: &mut dyn FnMut(Told<'_>)) -> Result<Summary> {
    if options.repair {
        // What is missing in somebody else's store, or in an empty one, is not lost.
        owner::check(core).await?;
    }
    let mut doctor = Doctor { core, options, tell, summary: Summary::default() };
    doctor.examine_rows().await?;
    doctor.examine_bytes().await?;
    Ok(doctor.summary)
}

impl Doctor<'_> {
    fn found(&mut self, weight: Weight, kind: &'static str, about: impl ToString, text: &'static str) {
        match weight {
            Weight::Note => self.summary.notes += 1,
            Weight::Repaired => self.summary.repaired += 1,
            Weight::Problem => self.summary.problems += 1,
        }
        (self.tell)(Told::Found(&Finding { weight, kind, about: about.to_string(), text }));
    }

    fn problem(&mut self, kind: &'static str, about: impl ToString, text: &'static str) {
        self.found(Weight::Problem, kind, about, text);
    }

    /// A problem that [`Options::repair`] has ended, or would end.
    fn repairable(&mut self, kind: &'static str, about: impl ToString, text: &'static str) {
        let weight = if self.options.repair { Weight::Repaired } else { Weight::Problem };
        self.found(weight, kind, about, text);
    }
}
