//! `cheeseshop doctor`: looks whether everything that is promised is there.

use super::bar::Bar;
use super::{close, open, out};
use crate::config::Place;
use crate::doctor::{self, Finding, Options, Summary, Told, Weight};
use crate::limits;
use crate::render::words::size;
use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

/// Look whether everything that is promised is there, beside a running server or without one.
///
/// Changes nothing unless told to repair. Status 0: all is well, or was repaired; 1: problems are left.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    place: Place,
    /// Read every blob and compare it with its hash.
    #[arg(long)]
    deep: bool,
    /// Repair what can be repaired without losing anything.
    #[arg(long)]
    repair: bool,
    /// One JSON object a line: each finding, then the summary.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Carries it out.
    pub async fn run(self) -> Result<()> {
        let core = open(&self.place).await?;
        let options = Options { deep: self.deep, repair: self.repair, grace: limits::GC_GRACE };
        let bar = Bar::begin();
        let mut tell = |told: Told<'_>| match told {
            Told::Found(finding) => print(finding, self.json),
            // A line now and then where nobody watches.
            Told::Progress(done, summary) if out::is_terminal() || done % 64 == 0 => {
                let text = format!("{} blobs {}", summary.blobs, size(summary.bytes));
                bar.show(&text, Some((done.into(), 256)));
            }
            Told::Progress(..) => {}
        };
        let done = doctor::examine(&core, options, &mut tell).await;
        drop(bar);
        let summary = close(&core, done).await?;
        sum_up(&summary, self.json);
        match summary.problems {
            0 => Ok(()),
            count => bail!("{count} problems are left"),
        }
    }
}

fn print(finding: &Finding, as_json: bool) {
    if as_json {
        return out::line(&json!(finding).to_string());
    }
    let weight = match finding.weight {
        Weight::Note => "note",
        Weight::Repaired => "repaired",
        Weight::Problem => "problem",
    };
    out::line(&format!("{weight}: {}: {}: {}", finding.kind, finding.about, finding.text));
}

fn sum_up(summary: &Summary, as_json: bool) {
    if as_json {
        return out::line(&json!({"summary": summary}).to_string());
    }
    let Summary { blobs, problems, repaired, notes, .. } = summary;
    let bytes = size(summary.bytes);
    out::line(&format!("{blobs} blobs, {bytes}: {problems} problems, {repaired} repaired, {notes} notes"));
}
