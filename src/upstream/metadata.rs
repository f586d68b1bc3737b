//! `METADATA` of a wheel on another index: the index's own `<url>.metadata` (PEP 658), else the member read out of the archive
//! by range requests. Which of them to try, and what to do when neither works, is decided elsewhere; so is whether the bytes
//! make sense as metadata.

use super::address::Reach;
use super::client::{Ask, Body, Upstream, read_body, within};
use super::error::{UpstreamError, host, of_status};
use super::file::{Download, Part, Want};
use super::origin::Origin;
use super::sparse::Sparse;
use crate::limits::{
    UPSTREAM_METADATA_BYTES_MAX, UPSTREAM_RANGE_BYTES_MAX, UPSTREAM_RANGE_REQUESTS_MAX, UPSTREAM_WHEEL_TAIL_BYTES,
};
use crate::pypi::ProjectName;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use reqwest::Method;
use reqwest::header::HeaderMap;
use std::io::{Read, Seek};
use url::Url;
use zip::ZipArchive;

/// What the parts at hand yield.
enum Found {
    Metadata(Vec<u8>),
    /// More of the file is needed first, beginning at this offset.
    NotYet(u64),
    /// No further bytes can help.
    Nothing,
}

/// One part of a wheel.
struct Piece {
    part: Part,
    bytes: Bytes,
    /// Where it was found after redirects, so that the next question need not be redirected again.
    final_url: Url,
}

impl Upstream {
    /// The index's own `<file_url>.metadata`; `None` if it has none. The bytes are as sent: an index that answers everything
    /// with 200 and a page for people is found out by whoever parses them.
    ///
    /// # Errors
    /// See [`UpstreamError`]. A 403 is `None` too: buckets say that of what does not exist.
    pub async fn fetch_metadata(&self, origin: &Origin, reach: Reach, file_url: &Url) -> Result<Option<Bytes>, UpstreamError> {
        let mut url = file_url.clone();
        url.set_path(&format!("{}.metadata", file_url.path()));
        let work = async {
            let ask = Ask { origin, reach, body: Body::File, method: Method::GET, headers: HeaderMap::new() };
            let answer = self.send(&ask, &url).await?;
            match answer.status().as_u16() {
                200 => read_body(answer, UPSTREAM_METADATA_BYTES_MAX).await.map(Some),
                400 | 403 | 404 | 405 | 410 => Ok(None),
                _ => Err(of_status(answer.status(), answer.url())),
            }
        };
        within(self.patience().metadata, &url, work).await
    }

    /// Reads `<name>-<version>.dist-info/METADATA` out of the wheel `filename` at `url` without fetching the wheel: first its
    /// last bytes, then whatever the archive's directory points to. `size` is the wheel's length in bytes if the page gave it.
    ///
    /// `None`: not possible in this way (the server does not answer ranges, or too much would have to be read); the whole
    /// wheel may still do.
    ///
    /// # Errors
    /// `Unreadable` if the archive cannot be read or has no such member, or several: worth remembering. `Broken` if the
    /// server's parts contradict each other or `size`. Else see [`UpstreamError`].
    pub async fn wheel_metadata_by_ranges(
        &self,
        origin: &Origin,
        reach: Reach,
        url: &Url,
        filename: &str,
        size: Option<u64>,
    ) -> Result<Option<Vec<u8>>, UpstreamError> {
        let Some(wheel) = Wheel::parse(filename) else { return Err(UpstreamError::Unreadable) };
        within(self.patience().metadata, url, self.read_wheel(origin, reach, url, wheel, size)).await
    }

    async fn read_wheel(
        &self,
        origin: &Origin,
        reach: Reach,
        url: &Url,
        wheel: Wheel,
        mut size: Option<u64>,
    ) -> Result<Option<Vec<u8>>, UpstreamError> {
        let mut want = match size {
            Some(0) => return Err(UpstreamError::Unreadable),
            Some(size) => Want::Range(size.saturating_sub(UPSTREAM_WHEEL_TAIL_BYTES)..size),
            None => Want::Last(UPSTREAM_WHEEL_TAIL_BYTES),
        };
        let mut url = url.clone();
        let mut known = None;
        // Larger steps each time: a directory of a megabyte must not take a hundred requests.
        let steps = std::iter::successors(Some(UPSTREAM_WHEEL_TAIL_BYTES), |step| Some(step * 2));
        for step in steps.take(UPSTREAM_RANGE_REQUESTS_MAX) {
            let Some(piece) = self.read_part(origin, reach, &url, want).await? else { return Ok(None) };
            let Some(total) = size.or(piece.part.total) else { return Ok(None) };
            if piece.part.end > total || piece.part.total.is_some_and(|said| said != total) {
                return Err(UpstreamError::Broken { host: host(&url) });
            }
            (size, url) = (Some(total), piece.final_url);

            let mut file = known.take().unwrap_or_else(|| Sparse::new(total));
            file.add(piece.part.start, piece.bytes);
            let (found, file) = search(file, wheel.clone()).await?;
            let missing = match found {
                Found::Metadata(bytes) => return Ok(Some(bytes)),
                Found::Nothing => return Err(UpstreamError::Unreadable),
                Found::NotYet(at) => file.gap(at, step * 2),
            };
            if file.held() + (missing.end - missing.start) > UPSTREAM_RANGE_BYTES_MAX {
                return Ok(None);
            }
            (want, known) = (Want::Range(missing), Some(file));
        }
        Ok(None)
    }

    /// One part. `None`: the server does not do ranges; then nothing of the body is read.
    async fn read_part(&self, origin: &Origin, reach: Reach, url: &Url, want: Want) -> Result<Option<Piece>, UpstreamError> {
        let download = match self.open(origin, reach, url, want).await {
            // What servers say that know no ranges, or none from the end.
            Err(UpstreamError::Status { status: 400 | 405 | 416 | 501, .. }) => return Ok(None),
            other => other?,
        };
        match download.part {
            Some(part) => read_all(download, part).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Reads all of `part`, which was asked for and so is bounded; exactly as many bytes as it says.
async fn read_all(mut download: Download, part: Part) -> Result<Piece, UpstreamError> {
    let length = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
    let broken = || UpstreamError::Broken { host: host(&download.final_url) };
    let mut all = BytesMut::new();
    while let Some(piece) = download.bytes.try_next().await? {
        if all.len() + piece.len() > length {
            return Err(broken());
        }
        all.extend_from_slice(&piece);
    }
    if all.len() < length {
        return Err(broken());
    }
    Ok(Piece { part, bytes: all.freeze(), final_url: download.final_url })
}

/// Looks for the member in the parts at hand, on the blocking pool: a directory may have thousands of entries.
async fn search(mut file: Sparse, wheel: Wheel) -> Result<(Found, Sparse), UpstreamError> {
    let work = move || {
        let found = match (read_member(&mut file, &wheel), file.missing()) {
            (Some(bytes), _) => Found::Metadata(bytes),
            (None, Some(at)) => Found::NotYet(at),
            (None, None) => Found::Nothing,
        };
        (found, file)
    };
    // It fails only if the archive reader panics, and then the archive is at fault.
    tokio::task::spawn_blocking(work).await.map_err(|_| UpstreamError::Unreadable)
}

/// The bytes of the wheel's own `METADATA`. `None` for every failure: whether it was for want of bytes, `file` knows.
fn read_member(file: impl Read + Seek, wheel: &Wheel) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(file).ok()?;
    let mut own = (0..archive.len())
        .filter(|index| archive.name_for_index(*index).and_then(Result::ok).is_some_and(|name| wheel.owns_metadata(&name)));
    let (index, None) = (own.next()?, own.next()) else { return None };
    let mut bytes = Vec::new();
    let member = archive.by_index(index).ok()?;
    member.take(UPSTREAM_METADATA_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= UPSTREAM_METADATA_BYTES_MAX).then_some(bytes)
}

/// The bytes of a whole wheel's own `METADATA`; `None` if it has none that can be read, or several. Blocks.
pub fn metadata_of_wheel(file: impl Read + Seek, filename: &str) -> Option<Vec<u8>> {
    read_member(file, &Wheel::parse(filename)?)
}

/// What a wheel's file name says it is.
#[derive(Debug, Clone)]
struct Wheel {
    project: ProjectName,
    version: String,
}

impl Wheel {
    /// `{name}-{version}(-{build})?-{python}-{abi}-{platform}.whl`.
    fn parse(filename: &str) -> Option<Self> {
        let fields: Vec<&str> = filename.strip_suffix(".whl")?.split('-').collect();
        let (5 | 6, [name, version, ..]) = (fields.len(), fields.as_slice()) else { return None };
        Some(Self { project: ProjectName::parse(name).ok()?, version: (*version).to_owned() })
    }

    /// Whether `member` is `{name}-{version}.dist-info/METADATA` at the top, of this project and version. Spellings differ
    /// between build tools, so both are compared by meaning.
    fn owns_metadata(&self, member: &str) -> bool {
        let folder = member.strip_suffix("/METADATA").and_then(|path| path.strip_suffix(".dist-info"));
        let Some((name, version)) = folder.and_then(|folder| folder.rsplit_once('-')) else { return false };
        ProjectName::parse(name).is_ok_and(|name| name == self.project) && is_same_version(version, &self.version)
    }
}

fn is_same_version(one: &str, other: &str) -> bool {
    // File names may carry `_` where the version has `-`.
    let parse = |text: &str| text.replace('_', "-").parse::<pep440_rs::Version>();
    match (parse(one), parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, Server, upstream};
    use super::*;
    use std::io::{Cursor, Write};
    use zip::CompressionMethod::{Deflated, Stored};
    use zip::write::{SimpleFileOptions, ZipWriter};

    const WHEEL: &str = "friendly_bard-1.0-py3-none-any.whl";
    const METADATA: &str = "friendly_bard-1.0.dist-info/METADATA";
    const TEXT: &[u8] = b"Metadata-Version: 2.1\nName: friendly-bard\nVersion: 1.0\n";

    fn wheel(method: zip::CompressionMethod, members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// Bytes that do not compress.
    fn noise(count: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..count).map(|_| next()).collect()
    }

    async fn serve(file: Vec<u8>) -> (Server, u64) {
        let size = file.len() as u64;
        (Server::start(move |seen| Reply::part(&file, seen.range(size).unwrap())).await, size)
    }

    async fn ask(server: &Server, size: Option<u64>) -> Result<Option<Vec<u8>>, UpstreamError> {
        let url = server.url(&format!("/f/{WHEEL}"));
        upstream().wheel_metadata_by_ranges(&server.origin(), Reach::OwnHostOrPublic, &url, WHEEL, size).await
    }

    #[tokio::test]
    async fn metadata_at_the_end_takes_one_request_whatever_the_wheel_weighs() {
        let big = noise(1_000_000);
        for method in [Stored, Deflated] {
            let (server, size) = serve(wheel(method, &[("bard/data.bin", &big), (METADATA, TEXT)])).await;
            for known in [Some(size), None] {
                assert_eq!(ask(&server, known).await, Ok(Some(TEXT.to_vec())), "{method:?} {known:?}");
            }
            let ranges: Vec<_> = server.seen().iter().map(|seen| seen.header("range").unwrap()).collect();
            assert_eq!(ranges, [format!("bytes={}-{}", size - UPSTREAM_WHEEL_TAIL_BYTES, size - 1), "bytes=-65536".into()]);
        }
    }

    #[tokio::test]
    async fn metadata_at_the_start_and_a_directory_beyond_the_tail_take_a_few_more() {
        let big = noise(1_000_000);
        let (server, size) = serve(wheel(Deflated, &[(METADATA, TEXT), ("bard/data.bin", &big)])).await;
        assert_eq!(ask(&server, Some(size)).await, Ok(Some(TEXT.to_vec())));
        assert_eq!(server.seen().len(), 2);

        let names: Vec<String> = (0..3000).map(|n| format!("bard/a/rather/long/path/to/a/module/number/{n}.py")).collect();
        let mut members: Vec<(&str, &[u8])> = vec![(METADATA, TEXT), ("bard/data.bin", &big)];
        members.extend(names.iter().map(|name| (name.as_str(), b"".as_slice())));
        let (server, _) = serve(wheel(Stored, &members)).await;
        assert_eq!(ask(&server, None).await, Ok(Some(TEXT.to_vec())));
        assert!(server.seen().len() <= 5, "{}", server.seen().len());
    }

    #[tokio::test]
    async fn a_small_wheel_comes_whole() {
        let (server, size) = serve(wheel(Deflated, &[(METADATA, TEXT)])).await;
        for known in [Some(size), None] {
            assert_eq!(ask(&server, known).await, Ok(Some(TEXT.to_vec())));
        }
    }

    #[tokio::test]
    async fn exactly_one_metadata_of_its_own_is_wanted() {
        for (members, wanted) in [
            (vec!["Friendly.Bard-1.0.0.dist-info/METADATA", "bard/_vendor/x-1.dist-info/METADATA"], true),
            (vec!["friendly_bard-1.0.dist-info/METADATA", "other-1.0.dist-info/METADATA"], true),
            (vec!["other-1.0.dist-info/METADATA"], false),
            (vec!["friendly_bard-2.0.dist-info/METADATA"], false),
            (vec!["bard/friendly_bard-1.0.dist-info/METADATA"], false),
            (vec!["friendly_bard-1.0.dist-info/WHEEL"], false),
            (vec!["friendly_bard-1.0.dist-info/METADATA", "friendly.bard-1.0.dist-info/METADATA"], false),
        ] {
            let files: Vec<_> = members.iter().map(|name| (*name, TEXT)).collect();
            let (server, _) = serve(wheel(Stored, &files)).await;
            let answer = ask(&server, None).await;
            let expected = if wanted { Ok(Some(TEXT.to_vec())) } else { Err(UpstreamError::Unreadable) };
            assert_eq!(answer, expected, "{members:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_archive_is_unreadable() {
        let mut flipped = wheel(Stored, &[(METADATA, TEXT)]);
        let at = flipped.windows(4).position(|w| w == b"bard").unwrap() + METADATA.len();
        flipped[at] ^= 1; // the member's checksum no longer fits
        for file in [noise(200_000), noise(10), flipped] {
            let (server, _) = serve(file).await;
            assert_eq!(ask(&server, None).await, Err(UpstreamError::Unreadable));
        }
        let (server, _) = serve(wheel(Stored, &[(METADATA, TEXT)])).await;
        let url = server.url("/f/a.zip");
        let answer =
            upstream().wheel_metadata_by_ranges(&server.origin(), Reach::OwnHostOrPublic, &url, "bard-1.0.zip", None).await;
        assert_eq!(answer, Err(UpstreamError::Unreadable));
    }

    #[tokio::test]
    async fn a_bomb_is_not_unpacked() {
        let bomb = vec![b'0'; UPSTREAM_METADATA_BYTES_MAX + 1];
        let (server, _) = serve(wheel(Deflated, &[(METADATA, &bomb)])).await;
        assert_eq!(ask(&server, None).await, Err(UpstreamError::Unreadable));
    }

    #[tokio::test]
    async fn servers_without_ranges_are_told_from_broken_ones() {
        let file = wheel(Stored, &[(METADATA, TEXT)]);
        let whole = Server::start(move |_| Reply::ok(file.clone())).await;
        assert_eq!(ask(&whole, None).await, Ok(None));
        for status in [400, 405, 416, 501] {
            let server = Server::start(move |_| Reply::new(status, &[], "")).await;
            assert_eq!(ask(&server, None).await, Ok(None), "{status}");
        }
        let down = Server::start(|_| Reply::new(503, &[], "")).await;
        assert!(matches!(ask(&down, None).await, Err(UpstreamError::Status { status: 503, .. })));
        let gone = Server::start(|_| Reply::new(404, &[], "")).await;
        assert!(matches!(ask(&gone, None).await, Err(UpstreamError::Missing { .. })));
        let (server, size) = serve(noise(200_000)).await;
        let broken = Err(UpstreamError::Broken { host: "127.0.0.1".into() });
        assert_eq!(ask(&server, Some(size - 1)).await, broken, "the page's size is not the server's");
    }

    #[tokio::test]
    async fn reading_stops_at_its_limits() {
        // Its directory alone is larger than what may be read.
        let names: Vec<String> = (0..60_000).map(|n| format!("bard/a/rather/long/path/to/a/module/number/{n}.py")).collect();
        let mut members: Vec<(&str, &[u8])> = vec![(METADATA, TEXT)];
        members.extend(names.iter().map(|name| (name.as_str(), b"".as_slice())));
        let (server, size) = serve(wheel(Stored, &members)).await;
        assert!(size > UPSTREAM_RANGE_BYTES_MAX);
        assert_eq!(ask(&server, None).await, Ok(None));
        assert!(server.seen().len() <= UPSTREAM_RANGE_REQUESTS_MAX);
        let lengths = server.seen().into_iter().filter_map(|seen| seen.range(size)).map(|(start, end)| end - start);
        assert!(lengths.sum::<u64>() <= UPSTREAM_RANGE_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_redirect_is_followed_once_for_all_parts() {
        let big = noise(300_000);
        let file = wheel(Stored, &[(METADATA, TEXT), ("bard/data.bin", &big)]);
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/cdn" => Reply::part(&file, seen.range(file.len() as u64).unwrap()),
            _ => Reply::redirect(302, "/cdn"),
        })
        .await;
        assert_eq!(ask(&server, None).await, Ok(Some(TEXT.to_vec())));
        let paths: Vec<_> = server.seen().into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, [format!("/f/{WHEEL}"), "/cdn".into(), "/cdn".into()]);
    }

    #[tokio::test]
    async fn an_indexs_own_metadata_is_taken_as_sent() {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/f/a.whl.metadata?sig=1" => Reply::ok(TEXT),
            "/f/large.whl.metadata" => Reply::ok(vec![b'x'; UPSTREAM_METADATA_BYTES_MAX + 1]),
            "/f/down.whl.metadata" => Reply::new(503, &[], ""),
            "/f/bucket.whl.metadata" => Reply::new(403, &[], ""),
            _ => Reply::new(404, &[], ""),
        })
        .await;
        let ask = async |path| upstream().fetch_metadata(&server.origin(), Reach::OwnHostOrPublic, &server.url(path)).await;
        assert_eq!(ask("/f/a.whl?sig=1").await, Ok(Some(Bytes::from_static(TEXT))));
        assert_eq!(ask("/f/none.whl").await, Ok(None));
        assert_eq!(ask("/f/bucket.whl").await, Ok(None));
        assert!(matches!(ask("/f/large.whl").await, Err(UpstreamError::TooLarge { .. })));
        assert!(matches!(ask("/f/down.whl").await, Err(UpstreamError::Status { status: 503, .. })));
    }
}
