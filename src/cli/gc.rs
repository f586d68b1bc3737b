//! `cheeseshop gc`: deletes what nothing needs any more, and forgets what is old.

use super::bar::Bar;
use super::{close, open_with, out};
use crate::config::Place;
use crate::config::housekeeping::Housekeeping;
use crate::index::Rules;
use crate::jobs::gc::{self, Amount, Mode, Report};
use crate::render::words::size;
use anyhow::Result;
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::json;

/// Delete what nothing needs any more, and forget what is old. The server does the same by itself (--gc-every).
///
/// A blob goes in two steps: what no row needs is marked, and deleted when it has been marked for the grace.
#[derive(Debug, Args)]
pub struct Gc {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    housekeeping: Housekeeping,
    /// The server runs with --offline: what mirrors keep stays, because it could not be fetched again.
    #[arg(long, env = "CHEESESHOP_OFFLINE", value_parser = BoolishValueParser::new())]
    offline: bool,
    /// Change nothing; say what would be done as things are now.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Gc {
    /// Carries it out.
    pub async fn run(self) -> Result<()> {
        let core = open_with(&self.place, Rules { offline: self.offline, ..Rules::default() }).await?;
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Do };
        let bar = Bar::begin();
        // Where nobody watches, the report at the end is all.
        let mut tell = |begins: gc::Begins| {
            if out::is_terminal() {
                bar.show(begins.what, Some((begins.before, gc::STEPS)));
            }
        };
        let done = gc::run_telling(&core, &self.housekeeping.rules(), mode, &mut tell).await;
        drop(bar);
        print(&close(&core, done).await?, mode, self.json);
        Ok(())
    }
}

fn print(report: &Report, mode: Mode, as_json: bool) {
    if as_json {
        return out::json(&json!({"dry_run": mode == Mode::DryRun, "report": report}));
    }
    let bytes = |amount: Amount| if amount.bytes == 0 { String::new() } else { size(amount.bytes) };
    let row = |(what, amount): (&str, Amount)| vec![what.to_owned(), amount.count.to_string(), bytes(amount)];
    out::line(if mode == Mode::DryRun { "would be done:" } else { "done:" });
    out::table(&report.lines().into_iter().map(row).collect::<Vec<_>>());
}
