//! Gathers what the indexes of an order have of a project, and keeps the result until it changes.

use super::access::Sight;
use super::contribution;
use super::core::Core;
use super::cut_off;
use super::merge::{self, Contribution, Listed, Listing};
use super::mirror::{self, Standing};
use super::settings::Kind;
use super::tree::Index;
use crate::clock::Timestamp;
use crate::db::{self, Conn, IndexId, Serial};
use crate::error::{Error, Result};
use crate::fault::{self, Step};
use crate::limits;
use crate::pypi::{PageFile, PageMetadata, ProjectName};
use futures_util::future::try_join_all;
use moka::future::Cache;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// An index, and the part of its order that the caller may read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    index: IndexId,
    /// `None`: everything, which is the common case and costs nothing to compare.
    visible: Option<Arc<[IndexId]>>,
}

impl From<&Sight> for Scope {
    fn from(sight: &Sight) -> Self {
        let all = sight.visible.len() == sight.place.order.len();
        let visible = (!all).then(|| sight.visible.iter().map(|index| index.id).collect());
        Self { index: sight.place.index.id, visible }
    }
}

/// What a listing was made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    scope: Scope,
    project: ProjectName,
}

impl Key {
    /// The key of what `sight` shows of `project`.
    pub fn new(sight: &Sight, project: &ProjectName) -> Self {
        Self { scope: sight.into(), project: project.clone() }
    }
}

/// Listings in memory, within a budget of bytes.
#[derive(Debug)]
pub struct Listings(Cache<Key, Arc<Listing>>);

impl Listings {
    /// An empty cache for about this many bytes.
    pub fn new(budget: u64) -> Self {
        let weigh = |_: &Key, listing: &Arc<Listing>| u32::try_from(weight(listing)).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(budget).weigher(weigh).build())
    }

    /// Drops them all.
    pub fn forget_all(&self) {
        self.0.invalidate_all();
    }

    /// How many there are, and the bytes that they are counted as; changes of the last moment may be missing.
    pub fn usage(&self) -> (u64, u64) {
        (self.0.entry_count(), self.0.weighted_size())
    }
}

/// About how many bytes a listing takes.
fn weight(listing: &Listing) -> usize {
    limits::LISTING_BYTES + (listing.files.len() + listing.shadowed.len()) * limits::LISTED_FILE_BYTES
}

/// Whether something made at `seen` and good until `valid_until` may still be used. A node that is cut off from its database cannot
/// make it anew, so there time does not count; what is known to have changed may not be used there either.
pub fn is_current(core: &Core, sight: &Sight, project: &ProjectName, seen: Serial, valid_until: Option<Timestamp>) -> bool {
    (valid_until.is_none_or(|until| core.clock.now() < until) || cut_off::age(core).is_some())
        && is_unchanged(core, sight, project, seen)
}

/// Whether nothing that was made at `seen` is known to have changed since.
pub fn is_unchanged(core: &Core, sight: &Sight, project: &ProjectName, seen: Serial) -> bool {
    core.changes.unchanged(sight.place.order.iter().map(|index| index.id), project, seen)
}

/// The project as `sight` shows it; an unknown project is a listing that says so.
///
/// However many ask at once, it is gathered once, unless something changes meanwhile.
pub async fn listing(core: &Arc<Core>, sight: &Sight, project: &ProjectName) -> Result<Arc<Listing>> {
    let key = Key::new(sight, project);
    let kept = core.listings.0.get(&key).await;
    if let Some(listing) = &kept {
        if is_current(core, sight, project, listing.seen, listing.valid_until) {
            return Ok(listing.clone());
        }
        core.listings.0.invalidate(&key).await;
    }
    let made = Box::pin(make(core, sight, project, key.clone())).await;
    if let (Err(Error::Unavailable { .. }), Some(kept)) = (&made, kept) {
        // The database may be gone: what has only expired will do once that is known.
        core.listings.0.insert(key, kept).await;
    }
    made
}

async fn make(core: &Arc<Core>, sight: &Sight, project: &ProjectName, key: Key) -> Result<Arc<Listing>> {
    cut_off::refuse(core)?;
    let mut own = false;
    let gathering = async {
        own = true;
        gather(core, sight, project).await.map(Arc::new)
    };
    let outcome = core.listings.0.try_get_with(key.clone(), gathering).await;
    match outcome {
        Ok(listing) if own || is_unchanged(core, sight, project, listing.seen) => Ok(listing),
        Err(error) if own => Err(error.share()),
        // Somebody else failed, or began before a change. The caller may know of that change, and must not be shown what was
        // before it.
        _ => {
            let listing = Arc::new(gather(core, sight, project).await?);
            core.listings.0.insert(key, listing.clone()).await;
            Ok(listing)
        }
    }
}

async fn gather(core: &Arc<Core>, sight: &Sight, project: &ProjectName) -> Result<Listing> {
    // Mirrors first: what they learn is journalled, and must lie before the serial that this listing is made at.
    let before = holders(&mut core.db.read().await?, project).await?;
    let standings = match merge::mirrors_may_answer(&sight.place.order, project, |id| before.contains_key(&id)) {
        true => refresh_mirrors(core, sight, project).await?,
        false => HashMap::new(),
    };
    let seen = core.changes.seen();
    let mut c = core.db.read().await?;
    let holders = holders(&mut c, project).await?;
    // Again, because somebody may have published the name while upstream was asked.
    let open = merge::mirrors_may_answer(&sight.place.order, project, |id| holders.contains_key(&id));
    let mut contributions = Vec::new();
    for index in sight.visible.iter() {
        let contribution = match index.kind {
            Kind::Stage => match holders.get(&index.id) {
                Some(holder) if !holder.reserved => Some(own(&mut c, index, holder).await?),
                _ => None,
            },
            Kind::Mirror if open => contribution::of_mirror(&mut c, index, project, core.rules.offline).await?,
            Kind::Mirror => None,
        };
        contributions.extend(contribution);
    }
    drop(c);
    fault::at(Step::PageGathered);
    #[cfg(test)]
    tests::pause().await;
    let mut listing = merge::merge(project, contributions);
    listing.seen = if is_present(core, sight) { seen } else { Serial::NEVER };
    judge(&mut listing, if open { &standings } else { &NOTHING_ASKED }, core.clock.now())?;
    Ok(listing)
}

/// Whether the indexes that were looked at are still the ones of the order, with the options they had. Asked after the serial was
/// noted: the tree is replaced before the serial that replaces it can be seen.
pub(super) fn is_present(core: &Core, sight: &Sight) -> bool {
    let tree = core.tree.load();
    tree.at(&sight.place.index.path).is_some_and(|place| Arc::ptr_eq(&place.order, &sight.place.order))
}

static NOTHING_ASKED: std::sync::LazyLock<HashMap<IndexId, Standing>> = std::sync::LazyLock::new(HashMap::new);

/// Works out how long the listing is good for, and refuses to take an upstream that fails for one that has nothing.
fn judge(listing: &mut Listing, standings: &HashMap<IndexId, Standing>, now: Timestamp) -> Result<()> {
    for standing in standings.values() {
        let until = match standing {
            Standing::Fresh(until) => *until,
            Standing::Stale(since, until) => {
                listing.stale_since = Some(listing.stale_since.map_or(*since, |before| before.min(*since)));
                *until
            }
            Standing::Unknown(why) if !listing.known => return Err(Error::BadGateway(format!("no answer from upstream: {why}"))),
            Standing::Unknown(_) => {
                listing.stale_since = Some(listing.stale_since.unwrap_or(now));
                now.plus(limits::MIRROR_REST_AFTER_FAILURE)
            }
        };
        listing.valid_until = Some(listing.valid_until.map_or(until, |before| before.min(until)));
    }
    Ok(())
}

async fn refresh_mirrors(core: &Arc<Core>, sight: &Sight, project: &ProjectName) -> Result<HashMap<IndexId, Standing>> {
    // A mirror that was given no upstream says so when it is asked itself. To an index above it, it has nothing to give, and
    // that is known: an installer need not try again.
    let silent = |index: &Index| index.settings.mirror_url.is_none() && index.id != sight.place.index.id;
    let mirrors = sight.visible.iter().filter(|index| index.kind == Kind::Mirror && !silent(index));
    let refreshed = mirrors.map(|index| async { Ok::<_, Error>((index.id, mirror::refresh(core, index, project).await?)) });
    Ok(try_join_all(refreshed).await?.into_iter().collect())
}

/// The stages that keep the mirrors of an order from answering for a project; `None` if nothing keeps them, or there are none.
pub async fn keepers(core: &Core, sight: &Sight, project: &ProjectName) -> Result<Option<Vec<Arc<Index>>>> {
    let order = &sight.place.order;
    if !order.iter().any(|index| index.kind == Kind::Mirror) {
        return Ok(None);
    }
    let holders = holders(&mut core.db.read().await?, project).await?;
    let keepers = merge::keepers(order, project, |id| holders.contains_key(&id));
    Ok(Some(keepers.into_iter().cloned().collect()).filter(|keepers: &Vec<_>| !keepers.is_empty()))
}

/// The stages that have the project, wherever they are.
async fn holders(c: &mut Conn, project: &ProjectName) -> Result<HashMap<IndexId, db::projects::Project>> {
    Ok(db::projects::holders(c, project).await?.into_iter().map(|project| (project.index_id, project)).collect())
}

/// What a stage has of a project.
async fn own(c: &mut Conn, index: &Arc<Index>, holder: &db::projects::Project) -> Result<Contribution> {
    let releases = db::releases::versions(c, holder.id).await?;
    let files = db::files::live(c, holder.id).await?;
    let quarantined = holder.status.as_ref().is_some_and(|status| status.status == "quarantined");
    let versions: HashMap<_, _> = releases.iter().map(|(id, version)| (*id, version)).collect();
    let mut listed = Vec::with_capacity(files.len());
    // PEP 792: a quarantined project offers no files.
    for file in files.into_iter().filter(|_| !quarantined) {
        let version = file.release_id.and_then(|id| versions.get(&id)).map(|text| text.to_string());
        listed.push(own_file(index, file, version));
    }
    let unique: HashSet<String> = releases.into_iter().map(|(_, version)| version).collect();
    Ok(Contribution {
        files: listed,
        hidden: Vec::new(),
        versions: unique.into_iter().collect(),
        status: holder.status.as_ref().map(|json| json.0.clone()),
        serial: holder.serial,
    })
}

fn own_file(index: &Arc<Index>, file: db::files::File, version: Option<String>) -> Listed {
    let sha256 = |digest: crate::pypi::Sha256| vec![("sha256".to_owned(), digest.hex())];
    let metadata_blob = file.metadata_sha256();
    let shown = PageFile {
        hashes: sha256(file.sha256),
        size: u64::try_from(file.size).ok(),
        upload_time: Some(file.uploaded),
        requires_python: file.requires_python,
        metadata: metadata_blob.map_or(PageMetadata::Absent, |digest| PageMetadata::Hashed(sha256(digest))),
        yanked: file.yanked,
        ..PageFile::bare(file.filename, "")
    };
    Listed { origin: index.clone(), file: shown, version, blob: Some(file.sha256), metadata_blob }
}

#[cfg(test)]
mod tests {
    use super::super::access::{self, Caller};
    use super::super::pages::{Form, Mount, page};
    use super::super::store::{self, Incoming};
    use super::super::{Rules, follow};
    use super::*;
    use crate::blobs::Blobs;
    use crate::both;
    use crate::clock::Clock;
    use crate::db::Db;
    use crate::db::blobs::BlobRow;
    use crate::db::journal::{Action, Change};
    use crate::names::{IndexName, UserName};
    use crate::pypi::Sha256;
    use crate::upstream::{Patience, Upstream};
    use serde_json::{Map, json};
    use tokio::sync::Notify;

    /// Stops a builder between reading rows and keeping what it makes of them.
    #[derive(Default)]
    struct Pause {
        reached: Notify,
        go_on: Notify,
    }

    tokio::task_local! {
        static PAUSE: Arc<Pause>;
    }

    pub(super) async fn pause() {
        if let Ok(pause) = PAUSE.try_with(Arc::clone) {
            pause.reached.notify_one();
            pause.go_on.notified().await;
        }
    }

    /// A node over this database.
    async fn node(db: &Db, folder: &std::path::Path) -> Arc<Core> {
        let blobs = Blobs::open_folder(folder).unwrap();
        let core = Core::new(db.clone(), blobs, Upstream::direct(Patience::default()).unwrap(), Clock::System, Rules::default());
        follow::load(&core).await.unwrap();
        core
    }

    async fn make_index(db: &Db) {
        let mut c = db.begin().await.unwrap();
        let name = UserName::parse("alice").unwrap();
        let user = db::users::add(&mut c, &name, &Default::default(), None, false, Timestamp(1)).await.unwrap().unwrap();
        let (name, settings) = (IndexName::parse("dev").unwrap(), Map::new());
        let index =
            db::indexes::NewIndex { user, name: &name, kind: "stage", state: db::indexes::State::Ready, settings: &settings };
        db::indexes::add(&mut c, &index, Timestamp(1)).await.unwrap();
        c.commit().await.unwrap();
    }

    fn project() -> ProjectName {
        ProjectName::parse("app").unwrap()
    }

    fn sight(core: &Core) -> Sight {
        access::sight(&core.tree.load(), &Caller::ANONYMOUS, "alice", "dev", Some(&project())).unwrap()
    }

    async fn publish(core: &Core, version: &str) {
        let index = sight(core).place.index.clone();
        let (project, filename, metadata) = (project(), format!("app-{version}.tar.gz"), json!({}));
        core.blobs.put_bytes(version.to_owned().into()).await.unwrap();
        let file = Incoming {
            project: &project,
            display_name: "app",
            version,
            metadata: &metadata,
            filename: &filename,
            blob: BlobRow { sha256: Sha256::of(version.as_bytes()), size: 1, md5: None, blake2: None },
            metadata_blob: None,
            requires_python: None,
            uploaded: Timestamp(1),
            uploaded_by: None,
            log: None,
        };
        let mut c = core.db.begin().await.unwrap();
        let stored = store::put(&mut c, &core.blobs, &index, &file, Timestamp(1)).await.unwrap();
        let change = Change {
            actor: "system",
            index: Some(index.id),
            project: Some(&project),
            action: Action::FileAdd,
            detail: json!({}),
        };
        store::seal(&mut c, &[stored], &change, Timestamp(1)).await.unwrap();
        c.commit().await.unwrap();
        follow::catch_up(core).await.unwrap();
    }

    async fn shown(core: &Arc<Core>) -> usize {
        let page = page(core, &sight(core), &project(), Form::Html, Mount { climb: 2, index: None }).await.unwrap();
        String::from_utf8_lossy(&page.identity).matches(".tar.gz</a>").count()
    }

    // A builder has read the rows and not yet kept its page when another node publishes. Whether this node follows the journal
    // before the page is kept or after: the next page shows the file.
    both! {
        async fn a_page_built_while_another_node_publishes_is_not_taken_for_current(db: Db) {
            let folder = tempfile::tempdir().unwrap();
            make_index(&db).await;
            let (one, other) = (node(&db, folder.path()).await, node(&db, folder.path()).await);
            publish(&other, "0").await;
            follow::catch_up(&one).await.unwrap();
            for (files, followed_first) in (1..).zip([true, false, true, false]) {
                one.pages.forget_all();
                one.listings.forget_all();
                let (paused, building) = (Arc::new(Pause::default()), one.clone());
                let builder = tokio::spawn(PAUSE.scope(paused.clone(), async move { shown(&building).await }));
                paused.reached.notified().await;
                publish(&other, &files.to_string()).await;
                if followed_first {
                    follow::catch_up(&one).await.unwrap();
                }
                paused.go_on.notify_one();
                assert_eq!(builder.await.unwrap(), files, "what was there when it was read");
                follow::catch_up(&one).await.unwrap();
                assert_eq!(shown(&one).await, files + 1);
            }
        }
    }
}
