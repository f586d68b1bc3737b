//! How a mirror stands: when the other server was last asked, whether it answers, what is kept. For those who may change the mirror; and
//! their button to have it asked for its list now.

use super::forms::Form;
use super::rights;
use super::visit::Visit;
use super::words::{self, Moment};
use crate::db;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::index::access::{Action, may};
use crate::index::figures::Figures;
use crate::index::projects::{self, Asked};
use crate::index::settings::{Kind, without_credentials};
use crate::index::tree::Index;
use crate::limits;
use crate::urls::encode_index;
use std::sync::Arc;
use tokio::time::timeout;

/// What is shown of a mirror.
pub struct MirrorState {
    /// `user/index`
    pub path: String,
    /// The same in an address.
    pub link: String,
    /// The other server, without credentials; empty if there is none yet.
    pub address: String,
    /// Whether it may be asked for the list of all its projects.
    pub lists: bool,
    /// When it was last asked for that list.
    pub listed: Option<Moment>,
    /// Whether it failed to give it then.
    pub list_failed: bool,
    /// What was counted, if it was yet.
    pub kept: Option<Kept>,
}

/// What a mirror keeps.
pub struct Kept {
    /// Pages of projects.
    pub pages: usize,
    /// How many of those the other server last failed to give.
    pub failing: usize,
    /// When it last gave one.
    pub checked: Option<Moment>,
    /// Files in words: `3 files, 1.2 MiB`.
    pub files: String,
    /// When this was counted.
    pub counted: Moment,
}

/// The state of a mirror whose settings the reader may change; none of anything else.
pub async fn of(visit: &Visit<'_>, index: &Index, figures: Option<&Figures>) -> Result<Option<MirrorState>> {
    if index.kind != Kind::Mirror || !may(visit.caller(), Action::Configure, index, None) {
        return Ok(None);
    }
    let listed = db::mirrors::list_state(&mut visit.core().db.read().await?, index.id).await?;
    let kept = figures.map(|figures| {
        let ((count, bytes), pages) = (figures.files(index.id), figures.pages(index.id));
        let number = |number: i64| usize::try_from(number).unwrap_or_default();
        Kept {
            pages: pages.map_or(0, |pages| number(pages.count)),
            failing: pages.map_or(0, |pages| number(pages.failing)),
            // Pages that somebody wants to be asked for again count as never asked for.
            checked: pages.map(|pages| pages.checked).filter(|at| at.0 > 0).map(Moment),
            files: match count {
                0 => "none yet".into(),
                count => format!(
                    "{}, {}",
                    words::count(usize::try_from(count).unwrap_or_default(), "file", "files"),
                    words::bytes(bytes)
                ),
            },
            counted: Moment(figures.at),
        }
    });
    Ok(Some(MirrorState {
        path: index.path.to_string(),
        link: encode_index(&index.path),
        address: index.settings.mirror_url.as_deref().map(without_credentials).unwrap_or_default(),
        lists: !index.settings.mirror_no_project_list,
        listed: listed.map(|(at, _)| Moment(at)),
        list_failed: listed.is_some_and(|(_, failures)| failures > 0),
        kept,
    }))
}

/// The button, pressed: asks for the list now. Leads back to the page that it stands on.
pub async fn refresh(visit: &Visit<'_>, user: &str, index: &str, form: &Form) -> Result<Reply> {
    rights::somebody(visit)?;
    let found: Option<Arc<Index>> = visit.core().tree.load().find(user, index).map(|place| place.index.clone());
    let found = found.filter(|index| may(visit.caller(), Action::Read, index, None));
    let index = found.ok_or_else(|| Error::no_index(format_args!("{user}/{index}")))?;
    let asking = projects::ask_again(visit.core(), visit.caller(), &index);
    let note = match timeout(limits::WEB_ASK_WAIT, asking).await {
        // It goes on.
        Err(_) => format!("{} is being asked; look again in a moment.", index.path),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(Asked::Listed(count))) => {
            format!("{} has the list now: {}.", index.path, words::count(count, "project", "projects"))
        }
        Ok(Ok(Asked::Unchanged)) => format!("The list of {} has not changed.", index.path),
        Ok(Ok(Asked::Failed(why))) => format!("{} could not get the list: {why}.", index.path),
    };
    let back = match form.text("back") {
        "status" => "/_/status".to_owned(),
        _ => format!("/{}", encode_index(&index.path)),
    };
    Ok(visit.to(&back, Some(&note)))
}
