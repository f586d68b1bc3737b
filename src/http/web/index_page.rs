//! An index's page: its projects, the order in which it looks for them, its settings in words, and how tools are pointed at it.

use super::home;
use super::setup::Guide;
use super::shell::Shell;
use super::visit::Visit;
use super::words::Day;
use crate::db;
use crate::error::Result;
use crate::http::reply::Reply;
use crate::index::access::{self, Action, Sight, may};
use crate::index::settings::{Kind, Principal, Settings, UploadChecks, without_credentials};
use crate::index::tree::Index;
use crate::limits;
use crate::pypi::ProjectName;
use crate::urls::{encode_index, encode_query, encode_segment};
use askama::Template;

#[derive(Template)]
#[template(path = "index.html")]
struct IndexPage<'a> {
    shell: &'a Shell,
    path: &'a str,
    user: &'a str,
    name: &'a str,
    link: &'a str,
    title: &'a str,
    description: &'a str,
    mirror: bool,
    private: bool,
    default: bool,
    order: Vec<Step>,
    hidden: bool,
    words: Vec<(&'static str, String)>,
    shelf: Shelf,
    guides: Vec<Guide>,
    may_configure: bool,
    may_delete: bool,
    created: Day,
}

/// One step of the resolution order.
struct Step {
    path: String,
    link: String,
    what: &'static str,
    here: bool,
}

/// A page of the list of projects.
struct Shelf {
    rows: Vec<Row>,
    /// Whether this is not the first page.
    later: bool,
    /// The address of the next one.
    next: Option<String>,
}

struct Row {
    name: String,
    link: String,
    version: Option<String>,
    summary: Option<String>,
    date: Option<Day>,
    failing: bool,
}

/// Answers `/{user}/{index}`.
pub async fn show(visit: &Visit<'_>, user: &str, index: &str) -> Result<Reply> {
    let (tree, caller) = (visit.core().tree.load(), visit.caller());
    let sight = access::sight(&tree, caller, user, index, caller.one_project())?;
    let index = &sight.place.index;
    let (path, link) = (index.path.to_string(), encode_index(&index.path));
    let text = |key: &str| index.settings.stored.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    let shelf = shelf(visit, index, &link).await?;
    visit.page(&IndexPage {
        shell: &visit.shell,
        path: &path,
        user: index.path.user.as_str(),
        name: index.path.index.as_str(),
        link: &link,
        title: text("title"),
        description: text("description"),
        mirror: index.kind == Kind::Mirror,
        private: !index.is_public(),
        default: tree.default.as_ref() == Some(&index.path),
        order: order(&sight),
        hidden: sight.visible.len() < sight.place.order.len(),
        words: in_words(index.kind, &index.settings, index.path.user.as_str()),
        shelf,
        guides: home::guides(visit, &sight.place),
        may_configure: may(caller, Action::Configure, index, None),
        may_delete: may(caller, Action::Delete, index, None) && index.settings.volatile,
        created: Day(index.created),
    })
}

fn order(sight: &Sight) -> Vec<Step> {
    let here = sight.place.index.id;
    let step = |index: &std::sync::Arc<Index>| Step {
        path: index.path.to_string(),
        link: encode_index(&index.path),
        what: match (index.id == here, index.kind) {
            (true, Kind::Stage) => "this index: what it has hides files of the same name below",
            (true, Kind::Mirror) => "this index, a mirror of another server",
            (false, Kind::Stage) => "a base",
            (false, Kind::Mirror) => "a mirror: asked only for projects that no index above has, unless they are whitelisted",
        },
        here: index.id == here,
    };
    sight.visible.iter().map(step).collect()
}

async fn shelf(visit: &Visit<'_>, index: &Index, link: &str) -> Result<Shelf> {
    let after = visit.query("after");
    let wanted = limits::WEB_PROJECTS_PER_PAGE;
    let mut c = visit.core().db.read().await?;
    let shown = |name: &ProjectName| visit.caller().token.is_none() || may(visit.caller(), Action::Read, index, Some(name));
    let row = |name: &ProjectName| format!("{link}/{}", encode_segment(name.as_str()));
    let mut rows: Vec<(ProjectName, Row)> = match index.kind {
        Kind::Stage => db::projects::shelf(&mut c, index.id, &after, wanted + 1)
            .await?
            .into_iter()
            .map(|project| {
                let link = row(&project.name);
                let date = project.released.map(Day);
                (
                    project.name,
                    Row {
                        name: project.display_name,
                        link,
                        version: project.version,
                        summary: project.summary,
                        date,
                        failing: false,
                    },
                )
            })
            .collect(),
        Kind::Mirror => db::mirrors::shelf(&mut c, index.id, &after, wanted + 1)
            .await?
            .into_iter()
            .map(|project| {
                let (name, link) = (project.name.to_string(), row(&project.name));
                (
                    project.name,
                    Row {
                        name,
                        link,
                        version: None,
                        summary: None,
                        date: Some(Day(project.checked)),
                        failing: project.failures > 0,
                    },
                )
            })
            .collect(),
    };
    let more = rows.len() as i64 > wanted;
    rows.truncate(wanted as usize);
    let next = rows.last().filter(|_| more).map(|(name, _)| format!("{link}?after={}", encode_query(name.as_str())));
    rows.retain(|(name, _)| shown(name));
    Ok(Shelf { rows: rows.into_iter().map(|(_, row)| row).collect(), later: !after.is_empty(), next })
}

/// The settings as sentences: what, and how it is.
pub fn in_words(kind: Kind, settings: &Settings, owner: &str) -> Vec<(&'static str, String)> {
    let mut words = vec![("Who may read", people(&settings.acl_read, Some(owner)))];
    match kind {
        Kind::Stage => {
            words.push(("Who may upload", people(&settings.acl_upload, None)));
            words.push(("Test results", people(&settings.acl_toxresult_upload, None)));
            let volatile = match settings.volatile {
                true => "volatile: files may be replaced and deleted",
                false => "not volatile: a file that was published stays as it is",
            };
            words.push(("Releases", volatile.into()));
            words.push((
                "Uploads",
                match settings.upload_checks {
                    UploadChecks::Strict => "must be sound wheels or source distributions".into(),
                    UploadChecks::Lenient => "any file with a distribution's name is taken".into(),
                },
            ));
            if !settings.mirror_whitelist.is_empty() {
                words.push((
                    "Mirrors may add to",
                    match settings.mirror_whitelist.iter().any(|name| name == "*") {
                        true => "every project, even those that an index here has".into(),
                        false => settings.mirror_whitelist.join(", "),
                    },
                ));
            }
            if let Some(kept) = development(settings) {
                words.push(("Development releases", kept));
            }
        }
        Kind::Mirror => {
            let address = settings.mirror_url.as_deref().map(without_credentials).filter(|text| !text.is_empty());
            words.push(("Mirrors", address.unwrap_or_else(|| "nothing yet: it has no address".into())));
            words.push(("Asks again", format!("after {} s", settings.mirror_cache_expiry.as_secs())));
            if settings.mirror_use_external_urls {
                words.push(("Files", "clients are sent to upstream for what is not kept here".into()));
            }
        }
    }
    if settings.page_max_age > 0 {
        words.push(("Pages", format!("may be kept by clients for {} s", settings.page_max_age)));
    }
    words
}

fn development(settings: &Settings) -> Option<String> {
    match (settings.keep_dev_releases, settings.keep_dev_days) {
        (None, None) => None,
        (Some(count), None) => Some(format!("the newest {count} of each project are kept")),
        (None, Some(days)) => Some(format!("are kept for {days} days")),
        (Some(count), Some(days)) => Some(format!("are kept for {days} days, and the newest {count} for longer")),
    }
}

/// Who is on a list of access, in words. `always`: who is allowed in any case.
fn people(list: &[Principal], always: Option<&str>) -> String {
    if list.contains(&Principal::Anonymous) {
        return "everybody".into();
    }
    if list.contains(&Principal::Authenticated) {
        return "everybody who has signed in".into();
    }
    let mut names: Vec<&str> = list
        .iter()
        .filter_map(|principal| match principal {
            Principal::User(name) => Some(name.as_str()),
            Principal::Anonymous | Principal::Authenticated => None,
        })
        .collect();
    names.extend(always.filter(|owner| !names.contains(owner)));
    match names.is_empty() {
        true => "nobody".into(),
        false => names.join(", "),
    }
}
