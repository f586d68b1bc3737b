//! `/_/status`: storage, mirrors, nodes and jobs at a glance, for administrators.
//!
//! What takes longer than a page may is counted beside it (`index::figures`) and shown with its age.

use super::mirror_state::{self, MirrorState};
use super::rights;
use super::shell::Shell;
use super::visit::Visit;
use super::words::{self, Moment};
use crate::db;
use crate::error::Result;
use crate::http::reply::Reply;
use crate::index::figures::{self, Figures};
use crate::index::{cut_off, nodes};
use crate::limits;
use askama::Template;

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'a> {
    shell: &'a Shell,
    /// What needs somebody's care.
    worries: Vec<String>,
    storage: Vec<(&'static str, String)>,
    counted: Option<Moment>,
    server: Vec<(&'static str, String)>,
    started: Moment,
    journal: Option<Journal>,
    mirrors: Vec<MirrorState>,
    jobs: Vec<Job>,
    nodes: Vec<Node>,
}

struct Journal {
    serial: i64,
    /// At most so many changes: serials may be missing.
    length: i64,
    newest: Moment,
    oldest: Moment,
    floor: i64,
    seen: i64,
}

struct Job {
    what: String,
    ended: Option<Moment>,
    next: Moment,
    running: bool,
    error: Option<String>,
}

struct Node {
    name: String,
    version: String,
    started: Moment,
    heartbeat: Moment,
    seen: i64,
    here: bool,
    lives: bool,
}

/// The page.
pub async fn show(visit: &Visit<'_>) -> Result<Reply> {
    rights::admin(visit)?;
    let core = visit.core();
    let figures = figures::figures(core).await;
    let (mirrors, jobs) = (mirrors(visit, figures.as_deref()).await?, jobs(visit).await?);
    let page = Page {
        shell: &visit.shell,
        worries: worries(visit, figures.as_deref(), &mirrors, &jobs),
        storage: figures.as_deref().map(storage).unwrap_or_default(),
        counted: figures.as_deref().map(|figures| Moment(figures.at)),
        server: server(visit, figures.as_deref()).await?,
        started: Moment(core.started),
        journal: journal(visit).await?,
        mirrors,
        jobs,
        nodes: nodes(visit).await?,
    };
    visit.page(&page)
}

fn number(count: i64) -> usize {
    usize::try_from(count).unwrap_or_default()
}

fn bytes(count: i64) -> String {
    words::bytes(u64::try_from(count).unwrap_or_default())
}

fn storage(figures: &Figures) -> Vec<(&'static str, String)> {
    let blobs = figures.blobs;
    let mut rows = vec![
        ("Different files", words::count(number(blobs.count), "blob", "blobs")),
        ("Their bytes", bytes(blobs.bytes)),
        ("Database", words::bytes(figures.database_bytes)),
    ];
    if blobs.doomed > 0 {
        rows.push((
            "Marked for deletion",
            format!("{}, {}", words::count(number(blobs.doomed), "blob", "blobs"), bytes(blobs.doomed_bytes)),
        ));
    }
    if let Some((free, all)) = figures.room {
        rows.push(("Free where files come in", format!("{} of {}", words::bytes(free), words::bytes(all))));
    }
    rows
}

async fn server(visit: &Visit<'_>, figures: Option<&Figures>) -> Result<Vec<(&'static str, String)>> {
    let core = visit.core();
    let users = db::users::count(&mut core.db.read().await?).await?;
    let engine = if core.db.announces() { "PostgreSQL" } else { "SQLite" };
    let mut rows = vec![
        ("Cheeseshop", visit.shell.version.to_owned()),
        ("Database", figures.map_or_else(|| engine.to_owned(), |figures| format!("{engine} {}", figures.engine_version))),
        ("Files are in", if core.blobs.kind() == "folder" { "a folder" } else { "a bucket" }.to_owned()),
    ];
    rows.extend(figures.map(|figures| ("Shape of the database", figures.schema.to_string())));
    rows.push(("Users", users.to_string()));
    rows.push(("Indexes", core.tree.load().all().len().to_string()));
    let ((pages, page_bytes), (_, listing_bytes)) = (core.pages.usage(), core.listings.usage());
    let used = format!("{pages}, {} of {}", words::bytes(page_bytes + listing_bytes), words::bytes(core.rules.page_cache));
    rows.push(("Pages in memory", used));
    Ok(rows)
}

async fn journal(visit: &Visit<'_>) -> Result<Option<Journal>> {
    let mut c = visit.core().db.read().await?;
    let floor = db::journal::floor(&mut c).await?;
    let ends = db::journal::ends(&mut c).await?;
    Ok(ends.map(|((first, oldest), (serial, newest))| Journal {
        serial: serial.0,
        length: serial.0 - first.0 + 1,
        newest: Moment(newest),
        oldest: Moment(oldest),
        floor: floor.0,
        seen: visit.core().changes.seen().0,
    }))
}

async fn mirrors(visit: &Visit<'_>, figures: Option<&Figures>) -> Result<Vec<MirrorState>> {
    let tree = visit.core().tree.load_full();
    let mut mirrors = Vec::new();
    for place in tree.all() {
        mirrors.extend(mirror_state::of(visit, &place.index, figures).await?);
        if mirrors.len() >= limits::WEB_CHOICES_MAX {
            break;
        }
    }
    Ok(mirrors)
}

async fn jobs(visit: &Visit<'_>) -> Result<Vec<Job>> {
    let now = visit.core().clock.now();
    let jobs = db::jobs::all(&mut visit.core().db.read().await?).await?;
    let shown = |job: db::jobs::Job| Job {
        what: match (job.kind.as_str(), job.key.as_str()) {
            ("gc", "") => "gc: deletes what nothing needs any more".to_owned(),
            (kind, "") => kind.to_owned(),
            (kind, key) => format!("{kind} {key}"),
        },
        ended: job.ended.map(Moment),
        next: Moment(job.run),
        // Whoever begins it moves its time on by the lease, and counts.
        running: job.attempts > 0 && job.error.is_none() && job.run > now && job.run <= now.plus(limits::JOB_LEASE),
        error: job.error,
    };
    Ok(jobs.into_iter().map(shown).collect())
}

async fn nodes(visit: &Visit<'_>) -> Result<Vec<Node>> {
    let shown = |shown: nodes::Shown| Node {
        here: shown.here,
        lives: shown.lives,
        name: shown.node.name,
        version: shown.node.version,
        started: Moment(shown.node.started),
        heartbeat: Moment(shown.node.heartbeat),
        seen: shown.node.seen.0,
    };
    Ok(nodes::shown(visit.core()).await?.into_iter().map(shown).collect())
}

/// What an administrator should do something about.
fn worries(visit: &Visit<'_>, figures: Option<&Figures>, mirrors: &[MirrorState], jobs: &[Job]) -> Vec<String> {
    let mut worries = Vec::new();
    if let Some(age) = cut_off::age(visit.core()) {
        worries.push(format!("This server has not heard from its database for {} s.", age.as_secs()));
    }
    if let Some(why) = figures.and_then(|figures| figures.store_failure.as_deref()) {
        worries.push(format!("The store of files cannot be used: {why}."));
    }
    if let Some((free, all)) = figures.and_then(|figures| figures.room)
        && (free < all / 20 || free < limits::WEB_ROOM_BYTES_LOW)
    {
        worries.push(format!("There is little room where files come in: {} of {}.", words::bytes(free), words::bytes(all)));
    }
    worries.extend(jobs.iter().filter_map(|job| job.error.as_ref().map(|why| format!("{}: failed: {why}", job.what))));
    for mirror in mirrors {
        if mirror.address.is_empty() {
            worries.push(format!("The mirror {} has no address yet.", mirror.path));
        }
        if let Some(kept) = mirror.kept.as_ref().filter(|kept| kept.failing > 0) {
            let pages = words::count(kept.failing, "page", "pages");
            worries.push(format!("The server that {} mirrors did not answer for {pages}, when it was last asked.", mirror.path));
        }
    }
    worries
}
