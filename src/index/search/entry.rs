//! What the search knows of a project: its latest release in a few fields, written with every change that they may change by.
//!
//! [`renew`] belongs into the transaction of each such change, before the journal's row.

use super::query::fold;
use crate::db::search::Entry;
use crate::db::{self, Conn, ProjectId};
use crate::error::Result;
use crate::index::core::Core;
use crate::index::project_info::precedence;
use crate::limits;
use serde_json::Value;

/// Writes the project's entry anew from its rows, or removes it if nothing is left of the project.
pub async fn renew(c: &mut Conn, project: ProjectId) -> Result<()> {
    match of(c, project).await? {
        Some(entry) => db::search::put(c, &entry).await?,
        None => db::search::remove(c, project).await?,
    }
    Ok(())
}

/// The entry that the project should have. `None`: a mirror's, or one without releases, has none.
pub async fn of(c: &mut Conn, project: ProjectId) -> Result<Option<Entry>> {
    let Some(subject) = db::search::subject(c, project).await? else { return Ok(None) };
    let releases = db::search::candidates(c, project).await?;
    let latest = releases.into_iter().max_by_key(|release| {
        let yanked = release.files > 0 && release.yanked == release.files;
        precedence(&release.version, release.files > 0, yanked)
    });
    let Some(latest) = latest else { return Ok(None) };
    let metadata = db::releases::metadata(c, latest.id).await?.unwrap_or_default();
    let field = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let short = |key: &str| field(key).map(|text| cut(text, limits::SEARCH_SUMMARY_BYTES).to_owned());
    let (summary, keywords) = (short("summary"), short("keywords"));
    let texts = [Some(subject.name.as_str()), Some(&subject.display_name), summary.as_deref(), keywords.as_deref()];
    let head = fold(&texts.into_iter().flatten().collect::<Vec<_>>().join(" "));
    let description = cut(field("description").unwrap_or_default(), limits::SEARCH_DESCRIPTION_BYTES);
    Ok(Some(Entry {
        project,
        index: subject.index_id,
        name: subject.name,
        display_name: subject.display_name,
        version: latest.version,
        body: format!("{head} {}", fold(description)),
        head,
        summary,
        keywords,
        released: latest.created,
    }))
}

/// Writes the entries of projects anew that have not changed, as far as the entries tell.
pub async fn mend(core: &Core, projects: &[ProjectId]) -> Result<()> {
    let mut c = core.db.begin().await?;
    for project in projects {
        // Whoever changes the project waits, and then makes its entry anew.
        db::search::lock(&mut c, *project).await?;
        if let Some(subject) = db::search::subject(&mut c, *project).await? {
            renew(&mut c, *project).await?;
            db::search::set_serial(&mut c, *project, subject.serial).await?;
        }
    }
    Ok(c.commit().await?)
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
