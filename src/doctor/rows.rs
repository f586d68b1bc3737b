//! What rows say of one another and of the journal, as far as the database does not hold it by itself.

use super::{Doctor, Weight};
use crate::db::audit::{self, Placed};
use crate::db::{self, Conn, ProjectId};
use crate::error::Result;
use crate::index::search::entry;
use crate::limits;
use crate::names::IndexPath;
use std::collections::HashSet;

impl Doctor<'_> {
    pub(super) async fn examine_rows(&mut self) -> Result<()> {
        let text = "its last change is later than the journal's: the journal was lost or belongs to another database";
        self.each(async |c, after| audit::projects_ahead(c, after, limits::GC_BATCH).await, "project-serial", text).await?;
        let text = "its name counts as reserved and free of files, but it has some, which no page shows";
        self.each(async |c, after| audit::projects_reserved_in_use(c, after, limits::GC_BATCH).await, "reserved", text).await?;
        let text = "it came or went with a change that is not in the journal";
        self.each(async |c, after| audit::files_out_of_order(c, after, limits::GC_BATCH).await, "file-serial", text).await?;
        let text = "it belongs to no release of its project";
        self.each(async |c, after| audit::files_without_release(c, after, limits::GC_BATCH).await, "no-release", text).await?;
        let text = "its row tells another size than its blob's";
        self.each(async |c, after| audit::files_of_another_size(c, after, limits::GC_BATCH).await, "file-size", text).await?;
        self.examine_journal().await?;
        self.examine_bases().await?;
        self.examine_search().await
    }

    /// Entries of the search that are missing or of an earlier change. A server mends them by itself, so they are no problem.
    async fn examine_search(&mut self) -> Result<()> {
        let (mut count, mut after) = (0, ProjectId(0));
        loop {
            let outdated = db::search::outdated(&mut self.core.db.read().await?, after, limits::SEARCH_MEND_BATCH).await?;
            let Some(last) = outdated.last() else { break };
            (count, after) = (count + outdated.len(), *last);
            if self.options.repair {
                entry::mend(self.core, &outdated).await?;
            }
        }
        if count > 0 {
            let weight = if self.options.repair { Weight::Repaired } else { Weight::Note };
            let text = "the search does not know their last change yet; a running server sees to it within the hour";
            self.found(weight, "search", format!("{count} projects"), text);
        }
        if self.options.deep { self.examine_entries().await } else { Ok(()) }
    }

    /// Entries that are said to be of the last change, and tell something else.
    async fn examine_entries(&mut self) -> Result<()> {
        let mut after = ProjectId(0);
        loop {
            // Of one moment, so that a change is seen whole or not at all.
            let mut c = self.core.db.snapshot().await?;
            let some = db::search::up_to_date(&mut c, after, limits::GC_BATCH).await?;
            let Some((last, ..)) = some.last() else { return Ok(()) };
            after = *last;
            let mut wrong = Vec::new();
            for (project, index, name) in &some {
                let agrees = match entry::of(&mut c, *project).await? {
                    Some(entry) => db::search::agrees(&mut c, &entry).await?,
                    None => false,
                };
                if !agrees {
                    wrong.push((*project, *index, name));
                }
            }
            drop(c);
            for (project, index, name) in wrong {
                if self.options.repair {
                    entry::mend(self.core, &[project]).await?;
                }
                let index = self.core.tree.load().by_id(index).map(|index| index.path.to_string()).unwrap_or_default();
                let text = "the search tells something else of it than its latest release";
                self.repairable("search", format!("{index} {name}"), text);
            }
        }
    }

    /// Tells of every row that `question` gives.
    async fn each(
        &mut self,
        question: impl AsyncFn(&mut Conn, i64) -> db::Result<Vec<Placed>>,
        kind: &'static str,
        text: &'static str,
    ) -> Result<()> {
        let mut after = 0;
        loop {
            let odd = question(&mut self.core.db.read().await?, after).await?;
            let Some(last) = odd.last() else { return Ok(()) };
            after = last.id;
            for row in &odd {
                self.problem(kind, about(row), text);
            }
        }
    }

    async fn examine_journal(&mut self) -> Result<()> {
        let mut c = self.core.db.read().await?;
        // The floor first: it only rises, and what it has passed is gone by then.
        let floor = db::journal::floor(&mut c).await?;
        if audit::journal_reaches_below(&mut c, floor).await? {
            self.problem(
                "journal-floor",
                floor.0,
                "the journal has changes up to this serial, and says that it has forgotten them",
            );
        }
        Ok(())
    }

    async fn examine_bases(&mut self) -> Result<()> {
        let mut c = self.core.db.read().await?;
        let indexes = db::indexes::all(&mut c).await?;
        let bases = db::indexes::all_bases(&mut c).await?;
        drop(c);
        let path = |index: &db::indexes::Index| IndexPath { user: index.user_name.clone(), index: index.name.clone() };
        let known: HashSet<String> = indexes.iter().map(|index| path(index).to_string()).collect();
        for (id, base) in bases.into_iter().filter(|(_, base)| !known.contains(base)) {
            if let Some(index) = indexes.iter().find(|index| index.id == id) {
                let about = format!("{} {base}", path(index));
                self.found(Weight::Note, "base", about, "the index names a base that does not exist; it is passed over");
            }
        }
        Ok(())
    }
}

/// `alice/dev app-1.0.tar.gz`, or `alice/dev app` for a project.
pub(super) fn about(row: &Placed) -> String {
    format!("{} {}", row.index(), row.filename.as_deref().unwrap_or(row.project.as_str()))
}
