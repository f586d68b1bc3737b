//! Rendered lists of projects in memory. A list above a mirror has hundreds of thousands of names and some 50 MB of text, so it is never
//! in memory as text: it is packed while it is rendered, kept packed, and unpacked piece by piece for whoever takes it only so.

use super::access::Sight;
use super::core::Core;
use super::cut_off;
use super::flight::Flights;
use super::listing::{Scope, is_present};
use super::pages::{Form, is_worth_packing};
use super::projects::{self, Roll};
use crate::clock::Timestamp;
use crate::db::Serial;
use crate::error::{Error, Result};
use crate::limits;
use crate::pypi::{Sha256, page_html, page_json};
use bytes::{Buf, Bytes};
use futures_util::{Stream, stream};
use moka::future::Cache;
use sha2::Digest;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use tokio::sync::{OnceCell, Semaphore};

/// A list as it goes over the wire.
#[derive(Debug)]
pub struct ProjectList {
    /// Bytes of the text.
    pub length: u64,
    /// SHA-256 of the text: what the entity tags are made from.
    pub digest: Sha256,
    /// Up to where the journal was followed when it was made.
    pub serial: Serial,
    zstd: Bytes,
    gzip: OnceCell<Bytes>,
}

impl ProjectList {
    /// Whether it is sent packed to those who take it so.
    pub fn is_worth_packing(&self) -> bool {
        is_worth_packing(self.length)
    }

    /// The text as zstd.
    pub fn zstd(&self) -> Bytes {
        self.zstd.clone()
    }

    /// The text as gzip; packed when first asked for, once.
    pub async fn gzip(&self) -> Result<Bytes> {
        let text = self.zstd();
        let pack = || async { tokio::task::spawn_blocking(move || gzip(text)).await?.map_err(Error::from) };
        self.gzip.get_or_try_init(pack).await.cloned()
    }

    /// The text in pieces.
    pub fn identity(&self) -> io::Result<impl Stream<Item = io::Result<Bytes>> + use<>> {
        let next = async |mut text: Text| {
            let mut piece = vec![0; limits::PROJECT_LIST_PIECE_BYTES];
            let count = text.read(&mut piece)?;
            piece.truncate(count);
            Ok((count > 0).then(|| (Bytes::from(piece), text)))
        };
        Ok(stream::try_unfold(unpacked(self.zstd())?, next))
    }
}

type Text = zstd::Decoder<'static, BufReader<bytes::buf::Reader<Bytes>>>;

fn unpacked(zstd: Bytes) -> io::Result<Text> {
    zstd::Decoder::new(zstd.reader())
}

fn gzip(zstd: Bytes) -> io::Result<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(limits::PAGE_GZIP_LEVEL));
    io::copy(&mut unpacked(zstd)?, &mut encoder)?;
    Ok(encoder.finish()?.into())
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ListKey {
    of: Scope,
    form: Form,
    /// What stands before each name in links.
    below: &'static str,
}

#[derive(Debug, Clone)]
struct Kept {
    list: Arc<ProjectList>,
    seen: Serial,
    valid_until: Option<Timestamp>,
}

/// Lists in memory, within a budget of bytes.
#[derive(Debug)]
pub struct ProjectLists {
    kept: Cache<ListKey, Kept>,
    making: Flights<ListKey>,
    /// What it takes to render a long list is taken once at a time.
    rendering: Semaphore,
}

impl Default for ProjectLists {
    fn default() -> Self {
        // gzip comes later, is somewhat larger, and is counted beforehand.
        let weigh =
            |_: &ListKey, kept: &Kept| u32::try_from(kept.list.zstd.len() * 5 / 2 + limits::LISTING_BYTES).unwrap_or(u32::MAX);
        let kept = Cache::builder().max_capacity(limits::PROJECT_LISTS_BYTES).weigher(weigh);
        let kept = kept.time_to_idle(limits::PROJECT_LISTS_IDLE).build();
        Self { kept, making: Flights::default(), rendering: Semaphore::new(1) }
    }
}

impl ProjectLists {
    /// Drops them all.
    pub fn forget_all(&self) {
        self.kept.invalidate_all();
    }

    /// How many there are, and the bytes that they are counted as; changes of the last moment may be missing.
    pub fn usage(&self) -> (u64, u64) {
        (self.kept.entry_count(), self.kept.weighted_size())
    }
}

/// The list of all projects that `sight` shows; `below` stands before each name in links. However many ask at once, it is made once.
pub async fn list(core: &Core, sight: &Sight, form: Form, below: &'static str) -> Result<Arc<ProjectList>> {
    let key = ListKey { of: sight.into(), form, below };
    let lists = &core.project_lists;
    if let Some(kept) = current(core, sight, &key).await {
        return Ok(kept.list);
    }
    let _turn = lists.making.turn(key.clone()).await;
    if let Some(kept) = current(core, sight, &key).await {
        return Ok(kept.list);
    }
    cut_off::refuse(core)?;
    // First, because a list that is learnt is journalled, and must lie before the serial that ours is made at.
    let valid_until = projects::refresh(core, sight).await?;
    let unchanged = lists.kept.get(&key).await.filter(|kept| is_unchanged(core, sight, kept.seen));
    let kept = match unchanged {
        Some(kept) => Kept { valid_until, ..kept },
        None => Kept { valid_until, ..make(core, sight, form, below).await? },
    };
    lists.kept.insert(key, kept.clone()).await;
    Ok(kept.list)
}

/// What is kept, if it may still be used. On a node that is cut off from its database time does not count, as for pages.
async fn current(core: &Core, sight: &Sight, key: &ListKey) -> Option<Kept> {
    let kept = core.project_lists.kept.get(key).await?;
    let in_time = kept.valid_until.is_none_or(|until| core.clock.now() < until) || cut_off::age(core).is_some();
    (in_time && is_unchanged(core, sight, kept.seen)).then_some(kept)
}

fn is_unchanged(core: &Core, sight: &Sight, seen: Serial) -> bool {
    core.changes.all_unchanged(sight.place.order.iter().map(|index| index.id), seen)
}

async fn make(core: &Core, sight: &Sight, form: Form, below: &'static str) -> Result<Kept> {
    let _one_at_a_time = core.project_lists.rendering.acquire().await;
    let serial = core.changes.seen();
    let roll = projects::roll(core, sight).await?;
    let seen = if is_present(core, sight) { serial } else { Serial::NEVER };
    let title = sight.place.index.path.to_string();
    let list = tokio::task::spawn_blocking(move || render(&roll, form, &title, below, serial)).await??;
    Ok(Kept { list: Arc::new(list), seen, valid_until: None })
}

fn render(roll: &Roll, form: Form, title: &str, below: &str, serial: Serial) -> io::Result<ProjectList> {
    let names = roll.sorted();
    let mut out = BufWriter::with_capacity(limits::PROJECT_LIST_PIECE_BYTES, Packer::new(names.len())?);
    match form {
        Form::Json => page_json::render_list(&mut out, names.iter().map(|(name, serial)| (*name, serial.0)), serial.0)?,
        Form::Html => page_html::render_list(&mut out, title, below, names.iter().map(|(name, _)| *name))?,
    }
    let packer = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(ProjectList {
        length: packer.length,
        digest: Sha256::from_bytes(packer.digest.finalize().into()),
        serial,
        zstd: packer.zstd.finish()?.into(),
        gzip: OnceCell::new(),
    })
}

/// Counts, hashes and packs what is written.
struct Packer {
    length: u64,
    digest: sha2::Sha256,
    zstd: zstd::Encoder<'static, Vec<u8>>,
}

impl Packer {
    /// For the text of so many names.
    fn new(names: usize) -> io::Result<Self> {
        let mut zstd = zstd::Encoder::new(Vec::new(), limits::PAGE_ZSTD_LEVEL)?;
        zstd.window_log(window_log(names))?;
        Ok(Self { length: 0, digest: sha2::Sha256::new(), zstd })
    }
}

/// How far zstd looks back, as a power of two: over the whole text, if that is short. By itself it would prepare for the longest, with
/// some MiB for each list, however short; and whoever unpacks it again, too.
fn window_log(names: usize) -> u32 {
    let text = names.saturating_mul(NAME_TEXT_BYTES).max(1).ilog2() + 1;
    text.clamp(WINDOW_LOG_MIN, limits::PROJECT_LIST_WINDOW_LOG_MAX)
}

/// What one name takes in the text, roughly.
const NAME_TEXT_BYTES: usize = 40;
/// zstd knows no shorter one.
const WINDOW_LOG_MIN: u32 = 10;

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        self.digest.update(bytes);
        self.zstd.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pypi::{NameList, ProjectName};
    use futures_util::TryStreamExt;

    fn roll(rows: &[(&str, i64)], listed: &str) -> Roll {
        let rows = rows.iter().map(|(name, serial)| (ProjectName::parse(name).unwrap(), Serial(*serial)));
        Roll { rows: rows.collect(), lists: vec![NameList::of_text(listed.into())] }
    }

    async fn text(list: &ProjectList) -> Vec<u8> {
        list.identity().unwrap().try_collect::<Vec<_>>().await.unwrap().concat()
    }

    #[tokio::test]
    async fn every_packing_has_the_same_text() {
        let many: String = (0..30_000).map(|n| format!("name-{n:05}\n")).collect();
        let list = render(&roll(&[("own", 7)], &many), Form::Json, "a/b", "", Serial(9)).unwrap();
        let plain = text(&list).await;
        assert_eq!((plain.len() as u64, Sha256::of(&plain)), (list.length, list.digest));
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&list.gzip().await.unwrap()[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain && zstd::decode_all(&list.zstd()[..]).unwrap() == plain);
        let read: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        let projects = read["projects"].as_array().unwrap();
        assert_eq!(
            (projects.len(), &projects[30_000]["name"], &projects[30_000]["_last-serial"]),
            (30_001, &"own".into(), &7.into())
        );
    }

    #[test]
    fn a_name_that_several_have_stands_once_with_its_newest_serial() {
        let roll = roll(&[("foo", 3), ("foo", 8), ("bar", 2), ("foo", 5)], "bar\nfoo\nzed\n");
        assert_eq!(roll.sorted(), [("bar", Serial(2)), ("foo", Serial(8)), ("zed", Serial::NONE)]);
    }

    #[tokio::test]
    async fn a_list_of_nothing_is_a_list() {
        let list = render(&Roll::default(), Form::Html, "a/b", "", Serial(1)).unwrap();
        assert!(String::from_utf8(text(&list).await).unwrap().ends_with("</html>\n"));
        assert!(!list.is_worth_packing());
    }
}
