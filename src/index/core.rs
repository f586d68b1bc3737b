//! The parts that the rules work with, put together once at start (`app`) and handed to every rule as one reference.

use super::credentials::Verified;
use super::docs::Directories;
use super::downloads::Counts;
use super::fetch::Fetches;
use super::figures::Counted;
use super::flight::Flights;
use super::follow::Changes;
use super::listing::Listings;
use super::mirror::{Forced, Outcomes};
use super::nodes::Nodes;
use super::pages::Pages;
use super::project_lists::ProjectLists;
use super::search::Searches;
use super::settings::UploadChecks;
use super::store_try::StoreTry;
use super::throttle::Throttle;
use super::tree::Tree;
use crate::blobs::Blobs;
use crate::clock::{Clock, Timestamp};
use crate::db::{Db, IndexId};
use crate::limits;
use crate::metrics::Metrics;
use crate::names::UserName;
use crate::pypi::ProjectName;
use crate::upstream::Upstream;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// Everything a rule may need.
#[derive(Debug)]
pub struct Core {
    /// Rows.
    pub db: Db,
    /// Bytes.
    pub blobs: Blobs,
    /// Other servers.
    pub upstream: Upstream,
    /// Time.
    pub clock: Clock,
    /// What the operator decided.
    pub rules: Rules,
    /// All indexes; replaced as a whole by `follow`.
    pub tree: ArcSwap<Tree>,
    /// What has changed since when.
    pub changes: Changes,
    /// The other servers on this database.
    pub nodes: Nodes,
    /// Merged projects.
    pub listings: Listings,
    /// Rendered pages.
    pub pages: Pages,
    /// Rendered lists of projects.
    pub project_lists: ProjectLists,
    /// Directories of documentation archives.
    pub directories: Directories,
    /// Downloads that are not written yet.
    pub downloads: Counts,
    /// Wrong passwords of a while.
    pub throttle: Throttle,
    /// Credentials found good a moment ago.
    pub verified: Verified,
    /// Files that are being fetched from upstream.
    pub fetches: Fetches,
    /// One refresh of a mirrored page at a time.
    pub refreshes: Flights<(IndexId, Option<ProjectName>)>,
    /// What upstream said a moment ago where there is nothing to keep.
    pub outcomes: Outcomes,
    /// When mirrors were last made to ask although it was not time.
    pub forced: Forced,
    /// One look for a wheel's metadata at a time.
    pub learning: Flights<(IndexId, String)>,
    /// Whether the store of files could be used when it was last tried.
    pub store_try: StoreTry,
    /// How much there is, as last counted.
    pub figures: Counted,
    /// What is counted for the operator.
    pub metrics: Arc<Metrics>,
    /// When these parts were put together.
    pub started: Timestamp,
    /// Names for searching, and turns.
    pub searches: Searches,
    /// Work that goes on when its client has left; shutdown waits for it.
    pub tasks: TaskTracker,
}

/// What the operator decided and the rules look at.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Ask no upstream; serve what is kept.
    pub offline: bool,
    /// Bytes a file may have.
    pub max_file_size: u64,
    /// Whether anybody may make a user.
    pub open_signup: bool,
    /// If set, only these users may make and change users and indexes (devpi's `--restrict-modify`).
    pub restrict_modify: Option<Vec<UserName>>,
    /// Whether anybody who may configure a mirror may point it at a private address; else only root may.
    pub private_mirrors: bool,
    /// How uploads to new indexes are checked; each index may say otherwise.
    pub upload_checks: UploadChecks,
    /// Bytes for pages in memory, listings included.
    pub page_cache: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            offline: false,
            max_file_size: limits::FILE_BYTES_MAX,
            open_signup: false,
            restrict_modify: None,
            private_mirrors: false,
            upload_checks: UploadChecks::default(),
            page_cache: limits::PAGE_CACHE_BYTES,
        }
    }
}

impl Core {
    /// Puts the parts together. The tree is empty until `follow::load` has read it.
    pub fn new(db: Db, blobs: Blobs, upstream: Upstream, clock: Clock, rules: Rules) -> Arc<Self> {
        // A listing costs about as much as its page in one form; pages come in two forms and three encodings.
        let started = clock.now();
        let listings = Listings::new(rules.page_cache / 4);
        let pages = Pages::new(rules.page_cache / 4 * 3);
        Arc::new(Self {
            db,
            blobs,
            upstream,
            clock,
            rules,
            tree: ArcSwap::default(),
            changes: Changes::default(),
            nodes: Nodes::default(),
            listings,
            pages,
            project_lists: ProjectLists::default(),
            directories: Directories::default(),
            downloads: Counts::default(),
            throttle: Throttle::default(),
            verified: Verified::default(),
            fetches: Fetches::default(),
            refreshes: Flights::default(),
            outcomes: Outcomes::default(),
            forced: Forced::default(),
            learning: Flights::default(),
            store_try: StoreTry::default(),
            figures: Counted::default(),
            metrics: Arc::default(),
            started,
            searches: Searches::default(),
            tasks: TaskTracker::new(),
        })
    }
}
