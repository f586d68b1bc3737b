//! A project's page, in the habits of PyPI: how to install it, what its author says, its releases and files, what it needs, and where
//! each file comes from. Made from the listing that installers' pages are made from, so that what is kept from them is kept from here.

pub mod compare;
mod facts;
mod files;
mod history;

use super::home;
use super::setup;
use super::shell::Shell;
use super::visit::Visit;
use super::words::Day;
use crate::db;
use crate::error::{Error, Result};
use crate::http::reply::Reply;
use crate::index::access::{self, Action, Sight, may};
use crate::index::merge::Listing;
use crate::index::project_info::{self, Release};
use crate::index::settings::Kind;
use crate::index::{downloads, holdings, listing};
use crate::pypi::requirement::{Dependency, Wanted};
use crate::pypi::{ProjectName, Version};
use crate::render::chart::{self, Chart};
use crate::urls::{encode_index, encode_query, encode_segment};
use askama::Template;
use facts::Facts;
use files::FileRow;
use history::History;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "project.html")]
struct ProjectPage<'a> {
    shell: &'a Shell,
    index: &'a str,
    index_link: &'a str,
    /// The address of the project below the root.
    link: &'a str,
    name: &'a str,
    facts: Facts,
    release: Chosen,
    install: String,
    description: String,
    files: Vec<FileRow>,
    more_files: Option<String>,
    history: History,
    downloads: Chart,
    notices: Vec<Notice>,
    may_remove: bool,
    may_push: bool,
    may_refresh: bool,
}

/// The release that the page is about.
struct Chosen {
    version: String,
    /// The reason, if it is yanked.
    yanked: Option<String>,
    prerelease: bool,
    /// The latest version and its address, if this is another one.
    latest: Option<(String, String)>,
    date: Option<Day>,
    docs: Option<String>,
}

/// Something that explains what one sees.
struct Notice {
    class: &'static str,
    title: &'static str,
    text: String,
}

/// What of a project a page is about.
#[derive(Debug)]
pub struct Found {
    /// The index as the caller sees it.
    pub sight: Sight,
    /// The project.
    pub name: ProjectName,
    /// Its files there.
    pub listing: Arc<Listing>,
}

/// Finds a project for a page; the 404 if the index does not know it.
pub async fn find(visit: &Visit<'_>, user: &str, index: &str, text: &str) -> Result<Found> {
    let name = ProjectName::parse(text).map_err(|_| Error::no_project(text))?;
    let sight = access::sight(&visit.core().tree.load(), visit.caller(), user, index, Some(&name))?;
    let listing = listing::listing(visit.core(), &sight, &name).await?;
    match listing.known {
        true => Ok(Found { sight, name, listing }),
        false => Err(Error::NotFound(format!(
            "{user}/{index} has no project '{name}', and neither has any index that it inherits from."
        ))),
    }
}

/// Answers `/{user}/{index}/{project}`, with a version or without.
pub async fn show(visit: &Visit<'_>, user: &str, index: &str, text: &str, version: Option<&str>) -> Result<Reply> {
    let found = find(visit, user, index, text).await?;
    let (index_link, name) = (encode_index(&found.sight.place.index.path), found.name.as_str());
    let link = format!("{index_link}/{}", encode_segment(name));
    if text != name {
        let version = version.map(|version| format!("/{}", encode_segment(version))).unwrap_or_default();
        return Ok(visit.to(&format!("/{link}{version}"), None));
    }
    let releases = project_info::releases(&found.listing);
    let latest = project_info::latest(&releases);
    let chosen = match version {
        Some(version) => project_info::find(&releases, version)
            .ok_or_else(|| Error::NotFound(format!("The version {version} of project {name} does not exist.")))?,
        None => match latest {
            Some(release) => release,
            None => return nothing_released(visit, &found, &index_link),
        },
    };
    render(visit, &found, &releases, chosen, latest, (&index_link, &link)).await
}

async fn render(
    visit: &Visit<'_>,
    found: &Found,
    releases: &[Release<'_>],
    chosen: &Release<'_>,
    latest: Option<&Release<'_>>,
    (index_link, link): (&str, &str),
) -> Result<Reply> {
    let (core, sight, name) = (visit.core(), &found.sight, &found.name);
    let metadata = project_info::core_metadata(core, sight, name, chosen).await?;
    let rows = holdings::rows(core, sight, &found.listing).await?;
    let held = holdings::versions(&sight.visible, &found.listing, &rows, Some(chosen.version));
    let facts = Facts::of(&metadata, name.as_str(), chosen);
    let index = sight.place.index.path.to_string();
    let (files, more_files) = files::rows(visit, sight, chosen, held.first(), link);
    let downloads = downloads_of(visit, sight, name).await?;
    let place = &sight.place;
    let allowed = |action| may(visit.caller(), action, &place.index, Some(name));
    let holds = place.index.kind == Kind::Stage && chosen.files.iter().any(|listed| listed.origin.id == place.index.id);
    let description = visit.site.descriptions.html(visit, &metadata).await?;
    visit.page(&ProjectPage {
        shell: &visit.shell,
        index: &index,
        index_link,
        link,
        name: facts.name.clone().as_str(),
        install: install(visit, place, name, chosen, latest),
        release: Chosen {
            version: chosen.version.to_owned(),
            yanked: chosen.yanked().map(str::to_owned),
            prerelease: Version::parse(chosen.version).is_ok_and(|version| version.is_prerelease()),
            latest: latest
                .filter(|latest| latest.version != chosen.version)
                .map(|latest| (latest.version.to_owned(), format!("{link}/{}", encode_segment(latest.version)))),
            date: chosen.files.iter().filter_map(|listed| listed.file.upload_time).min().map(Day),
            docs: files::docs(held.first()).then(|| format!("{link}/{}/+d/index.html", encode_segment(chosen.version))),
        },
        facts,
        description,
        files,
        more_files,
        history: History::of(visit, releases, chosen, link),
        downloads,
        notices: notices(visit, found).await?,
        may_remove: holds && allowed(Action::RemoveRelease),
        may_push: visit.caller().user.is_some(),
        may_refresh: sight.visible.iter().any(|index| index.kind == Kind::Mirror) && visit.caller().user.is_some(),
    })
}

/// The line to install with: the version is named only if it is not what one gets anyway.
fn install(
    visit: &Visit<'_>,
    place: &crate::index::tree::Place,
    name: &ProjectName,
    chosen: &Release<'_>,
    latest: Option<&Release<'_>>,
) -> String {
    let path = place.index.path.to_string();
    let address = format!("{}/{}", visit.shell.base, encode_index(&place.index.path));
    let requirement = match latest.is_some_and(|latest| latest.version == chosen.version) {
        true => name.to_string(),
        false => format!("{name}=={}", chosen.version),
    };
    setup::install_command(home::facts(place, &address, &path, ""), &requirement)
}

/// The chart of downloads through all indexes that are seen here.
async fn downloads_of(visit: &Visit<'_>, sight: &Sight, name: &ProjectName) -> Result<Chart> {
    let today = downloads::day(visit.core().clock.now());
    let mut series = Vec::new();
    let mut c = visit.core().db.read().await?;
    for index in sight.visible.iter() {
        series.extend(db::downloads::of_project(&mut c, index.id, name, today - chart::DAYS + 1).await?);
    }
    Ok(chart::downloads(series, today))
}

/// What a reader may wonder about: why mirrors are silent, that upstream did not answer, that the project is retired.
async fn notices(visit: &Visit<'_>, found: &Found) -> Result<Vec<Notice>> {
    let mut notices = Vec::new();
    if let Some(status) = found.listing.status.as_ref().filter(|status| status.status != "active") {
        let text = status.reason.clone().unwrap_or_else(|| "No reason is given.".into());
        let title = match status.status.as_str() {
            "archived" => "This project is archived: expect no new releases",
            "deprecated" => "This project is deprecated: use something else",
            "quarantined" => "This project is quarantined: none of its files are offered",
            _ => "This project has a status",
        };
        notices.push(Notice { class: "warn", title, text });
    }
    if let Some(since) = found.listing.stale_since {
        let text = format!("What is shown is from {}.", since.http_date());
        notices.push(Notice { class: "warn", title: "The mirrored index does not answer", text });
    }
    if let Some(keepers) = listing::keepers(visit.core(), &found.sight, &found.name).await? {
        let seen = |index: &Arc<crate::index::tree::Index>| found.sight.visible.iter().any(|visible| visible.id == index.id);
        let names: Vec<String> = keepers.iter().filter(|index| seen(index)).map(|index| index.path.to_string()).collect();
        let who = if names.is_empty() { "An index that you may not read".to_owned() } else { names.join(" and ") };
        let text = format!(
            "{who} has this name, so no mirror is asked for it: nobody outside can slip in a package of the same name. \
             To let mirrors add files, put the project on the index's mirror_whitelist."
        );
        notices.push(Notice { class: "quiet", title: "Kept from the mirror", text });
    }
    Ok(notices)
}

#[derive(Template)]
#[template(path = "project_empty.html")]
struct EmptyPage<'a> {
    shell: &'a Shell,
    index: &'a str,
    index_link: &'a str,
    name: &'a str,
    notices: Vec<Notice>,
}

/// A project without a release: only its name is there.
fn nothing_released(visit: &Visit<'_>, found: &Found, index_link: &str) -> Result<Reply> {
    visit.page(&EmptyPage {
        shell: &visit.shell,
        index: &found.sight.place.index.path.to_string(),
        index_link,
        name: found.name.as_str(),
        notices: Vec::new(),
    })
}

/// The address of the page that compares two versions.
fn compare_link(link: &str, from: &str, to: &str) -> String {
    format!("_/projects/{link}/compare?from={}&to={}", encode_query(from), encode_query(to))
}
