//! Rendered project pages in memory: made once a change, then served as bytes without a look at database or disk.

use super::access::Sight;
use super::core::Core;
use super::links;
use super::listing::{self, Key, is_current};
use super::merge::Listing;
use crate::clock::Timestamp;
use crate::db::Serial;
use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::{LinkedFile, LinkedPage, ProjectName, Sha256, page_html, page_json};
use bytes::Bytes;
use foldhash::quality::RandomState;
use moka::future::Cache;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The two forms of a page (PEP 503, PEP 691).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// HTML.
    Html,
    /// JSON.
    Json,
}

/// How a page's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Not at all.
    Identity,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// Where the page stands, seen from its files: links are relative, so that they hold behind any proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mount {
    /// How often `../` leads from the page's address to the root that its links start from.
    pub climb: usize,
    /// `user/index` where that root is the server's; `None` where it is the index's own.
    pub index: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PageKey {
    of: Key,
    form: Form,
    mount: Mount,
}

/// A page as it goes over the wire.
#[derive(Debug)]
pub struct Page {
    /// The bytes, not packed.
    pub identity: Bytes,
    /// SHA-256 of the bytes: what the entity tags are made from.
    pub digest: Sha256,
    /// Our serial of its last change.
    pub serial: Serial,
    /// Since when upstream has not answered, if some of the page is stale.
    pub stale_since: Option<Timestamp>,
    gzip: OnceCell<Bytes>,
    zstd: OnceCell<Bytes>,
    seen: Serial,
    valid_until: Option<Timestamp>,
}

impl Page {
    /// A page that is made for one answer and not kept.
    pub fn once(identity: Bytes, serial: Serial) -> Self {
        Self {
            digest: Sha256::of(&identity),
            identity,
            serial,
            stale_since: None,
            gzip: OnceCell::new(),
            zstd: OnceCell::new(),
            seen: serial,
            valid_until: None,
        }
    }

    /// Whether it gains anything by being packed. If not, it is sent as it is.
    pub fn is_worth_packing(&self) -> bool {
        is_worth_packing(self.identity.len() as u64)
    }

    /// The bytes in this packing; packed when first asked for, once.
    pub async fn bytes(self: &Arc<Self>, packing: Packing) -> Result<Bytes> {
        match packing {
            Packing::Identity => Ok(self.identity.clone()),
            Packing::Gzip => self.gzip.get_or_try_init(|| pack(self.identity.clone(), gzip)).await.cloned(),
            Packing::Zstd => self.zstd.get_or_try_init(|| pack(self.identity.clone(), zstd)).await.cloned(),
        }
    }
}

/// Whether a text of so many bytes is packed for those who take it so.
pub(super) fn is_worth_packing(bytes: u64) -> bool {
    bytes >= limits::PACK_BYTES_MIN
}

async fn pack(bytes: Bytes, with: fn(&[u8]) -> std::io::Result<Vec<u8>>) -> Result<Bytes> {
    Ok(tokio::task::spawn_blocking(move || with(&bytes)).await??.into())
}

pub(super) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(limits::PAGE_GZIP_LEVEL));
    encoder.write_all(bytes)?;
    encoder.finish()
}

pub(super) fn zstd(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, limits::PAGE_ZSTD_LEVEL)
}

/// Pages in memory, within a budget of bytes.
#[derive(Debug)]
pub struct Pages(Cache<PageKey, Arc<Page>, RandomState>);

impl Pages {
    /// An empty cache for about this many bytes.
    pub fn new(budget: u64) -> Self {
        // Packed bytes come later and are counted beforehand: gzip and zstd together are about half the page.
        let weigh = |_: &PageKey, page: &Arc<Page>| {
            u32::try_from(page.identity.len() + page.identity.len() / 2 + limits::LISTING_BYTES).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(budget).weigher(weigh).build_with_hasher(RandomState::default()))
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

/// The page of a project; [`Error::NotFound`] if no index that the caller may read knows it.
pub async fn page(core: &Arc<Core>, sight: &Sight, project: &ProjectName, form: Form, mount: Mount) -> Result<Arc<Page>> {
    let key = PageKey { of: Key::new(sight, project), form, mount };
    let kept = core.pages.0.get(&key).await;
    if let Some(page) = &kept {
        if is_current(core, sight, project, page.seen, page.valid_until) {
            core.metrics.page_hits.inc();
            return Ok(page.clone());
        }
        core.pages.0.invalidate(&key).await;
    }
    core.metrics.page_misses.inc();
    let made = Box::pin(make(core, sight, project, key.clone())).await;
    if let (Err(Error::Unavailable { .. }), Some(kept)) = (&made, kept) {
        // As for listings: what has only expired will do once it is known that the database is gone.
        core.pages.0.insert(key, kept).await;
    }
    made
}

async fn make(core: &Arc<Core>, sight: &Sight, project: &ProjectName, key: PageKey) -> Result<Arc<Page>> {
    let listing = listing::listing(core, sight, project).await?;
    if !listing.known {
        return Err(Error::no_project(project));
    }
    let made = core.pages.0.try_get_with(key.clone(), render(core, listing.clone(), key.form, key.mount.clone()));
    let page = made.await.map_err(|error: Arc<Error>| error.share())?;
    match page.seen >= listing.seen {
        true => Ok(page),
        // Somebody else was rendering what was there before.
        false => {
            let page = render(core, listing, key.form, key.mount.clone()).await?;
            core.pages.0.insert(key, page.clone()).await;
            Ok(page)
        }
    }
}

async fn render(core: &Core, listing: Arc<Listing>, form: Form, mount: Mount) -> Result<Arc<Page>> {
    core.metrics.page_renders.inc();
    let work = tokio::task::spawn_blocking(move || {
        let page = linked(&listing, &mount);
        let identity: Bytes = match form {
            Form::Html => page_html::render(&page).into(),
            Form::Json => page_json::render(&page).into(),
        };
        Page {
            stale_since: listing.stale_since,
            seen: listing.seen,
            valid_until: listing.valid_until,
            ..Page::once(identity, listing.serial)
        }
    });
    Ok(Arc::new(work.await?))
}

/// The listing as a page whose links are relative to `mount`.
fn linked<'a>(listing: &'a Listing, mount: &Mount) -> LinkedPage<'a> {
    let below = mount.index.as_ref().map(|path| format!("{path}/")).unwrap_or_default();
    let prefix = format!("{}{below}", "../".repeat(mount.climb));
    let files = listing
        .files
        .iter()
        .map(|listed| LinkedFile { url: format!("{prefix}{}", links::path(listed)).into(), file: &listed.file });
    LinkedPage {
        name: &listing.name,
        files: files.collect(),
        versions: &listing.versions,
        status: listing.status.as_ref(),
        serial: Some(listing.serial.0),
    }
}
