//! Files of other indexes, whole or in part, as streams. Nothing here checks a digest: whoever keeps the bytes does.

use super::address::Reach;
use super::client::{Ask, Body, Upstream};
use super::error::{UpstreamError, host, of_status, of_transport};
use super::origin::Origin;
use crate::pypi::Timestamp;
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use reqwest::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, RANGE};
use reqwest::{Method, Response};
use std::ops::Range;
use std::time::UNIX_EPOCH;
use url::Url;

/// A file that is being sent.
pub struct Download {
    /// Which part of the file comes; `None` if it is the whole file, which is also the answer of servers that ignore ranges.
    pub part: Option<Part>,
    /// How many bytes will come, if the server says so. Then fewer are an error of the stream and more cannot come.
    pub length: Option<u64>,
    /// `Last-Modified`.
    pub last_modified: Option<Timestamp>,
    /// Where the bytes come from after redirects.
    pub final_url: Url,
    /// The bytes as sent, never decoded. A silence longer than [`crate::limits::UPSTREAM_IDLE_WAIT`] is an error. A server
    /// that gives no length may end early without notice.
    pub bytes: BoxStream<'static, Result<Bytes, UpstreamError>>,
}

/// A part of a file, from an exact `Content-Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte.
    pub end: u64,
    /// Bytes of the whole file, if the server says so.
    pub total: Option<u64>,
}

/// What a server says about a file without sending it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHead {
    /// Bytes of the whole file, if the server says so.
    pub length: Option<u64>,
    /// Whether it promises to answer ranges.
    pub accepts_ranges: bool,
}

/// What part is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    All,
    /// From the first offset to before the second; `u64::MAX` as the second means to the end.
    Range(Range<u64>),
    /// This many bytes at the end.
    Last(u64),
}

impl Upstream {
    /// Opens the file at `url`, whole or in part. `range` must not be empty; its end may be `u64::MAX` for the rest.
    ///
    /// # Errors
    /// `Missing` for 404 and 410; `Broken` if the part that is sent is not the part that was asked for; see
    /// [`UpstreamError`].
    pub async fn open_file(
        &self,
        origin: &Origin,
        reach: Reach,
        url: &Url,
        range: Option<Range<u64>>,
    ) -> Result<Download, UpstreamError> {
        self.open(origin, reach, url, range.map_or(Want::All, Want::Range)).await
    }

    pub(super) async fn open(&self, origin: &Origin, reach: Reach, url: &Url, want: Want) -> Result<Download, UpstreamError> {
        let headers = want.header().map(|value| (RANGE, value)).into_iter().collect();
        let ask = Ask { origin, reach, body: Body::File, method: Method::GET, headers };
        let answer = self.send(&ask, url).await?;
        let part = match answer.status().as_u16() {
            200 => None,
            206 => {
                let part = part_of(answer.headers()).filter(|part| want.is_met_by(part));
                Some(part.ok_or_else(|| UpstreamError::Broken { host: host(answer.url()) })?)
            }
            _ => return Err(of_status(answer.status(), answer.url())),
        };
        Ok(download(answer, part))
    }

    /// Asks about the file at `url` without fetching it. Many servers do not answer this; an error says nothing about
    /// whether the file can be fetched.
    ///
    /// # Errors
    /// Anything but 200, see [`UpstreamError`].
    pub async fn head_file(&self, origin: &Origin, reach: Reach, url: &Url) -> Result<FileHead, UpstreamError> {
        let ask = Ask { origin, reach, body: Body::File, method: Method::HEAD, headers: HeaderMap::new() };
        let answer = self.send(&ask, url).await?;
        if answer.status() != 200 {
            return Err(of_status(answer.status(), answer.url()));
        }
        let units = text(answer.headers(), ACCEPT_RANGES).unwrap_or_default();
        let accepts_ranges = units.split(',').any(|unit| unit.trim().eq_ignore_ascii_case("bytes"));
        Ok(FileHead { length: number(answer.headers(), CONTENT_LENGTH), accepts_ranges })
    }
}

impl Want {
    fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::All => return None,
            Self::Range(range) if range.end == u64::MAX => format!("bytes={}-", range.start),
            Self::Range(range) => format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            Self::Last(count) => format!("bytes=-{count}"),
        };
        HeaderValue::from_str(&text).ok()
    }

    /// Whether `part` is what was asked for. It may be shorter only where the file ends.
    fn is_met_by(&self, part: &Part) -> bool {
        let at_end = part.total.is_none_or(|total| part.end == total);
        match self {
            Self::All => false,
            Self::Range(range) => part.start == range.start && (part.end == range.end || part.end < range.end && at_end),
            Self::Last(count) => part.total.is_some_and(|total| part.end == total && part.start == total.saturating_sub(*count)),
        }
    }
}

fn download(answer: Response, part: Option<Part>) -> Download {
    let final_url = answer.url().clone();
    let length = number(answer.headers(), CONTENT_LENGTH);
    let last_modified = text(answer.headers(), LAST_MODIFIED).and_then(http_date);
    let asked = final_url.clone();
    let bytes = Box::pin(answer.bytes_stream().map_err(move |error| of_transport(error, &asked)));
    Download { part, length, last_modified, final_url, bytes }
}

/// `Content-Range: bytes 0-99/200` (RFC 9110, 14.4). `None` if it is absent, not sound, or contradicts the length.
fn part_of(headers: &HeaderMap) -> Option<Part> {
    let (place, total) = text(headers, CONTENT_RANGE)?.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = place.split_once('-')?;
    let start: u64 = start.parse().ok()?;
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    let total = match total {
        "*" => None,
        digits => Some(digits.parse::<u64>().ok()?),
    };
    let sound = start < end
        && total.is_none_or(|total| end <= total)
        && number(headers, CONTENT_LENGTH).is_none_or(|length| length == end - start);
    sound.then_some(Part { start, end, total })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

fn http_date(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::EPOCH.plus(since))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, Server, upstream};
    use super::*;

    const REACH: Reach = Reach::OwnHostOrPublic;
    const FILE: &[u8] = b"0123456789";

    fn broken<T>() -> Result<T, UpstreamError> {
        Err(UpstreamError::Broken { host: "127.0.0.1".into() })
    }

    async fn open(server: &Server, range: Option<Range<u64>>) -> Result<Download, UpstreamError> {
        upstream().open_file(&server.origin(), REACH, &server.url("/f/a.tar.gz"), range).await
    }

    async fn bytes(download: Download) -> Result<Vec<u8>, UpstreamError> {
        download
            .bytes
            .try_fold(Vec::new(), async |mut all, piece| {
                all.extend_from_slice(&piece);
                Ok(all)
            })
            .await
    }

    #[tokio::test]
    async fn a_whole_file_comes_with_its_length_and_date() {
        let server = Server::start(|_| Reply::new(200, &[("Last-Modified", "Sat, 31 Jan 2026 12:00:00 GMT")], FILE)).await;
        let download = open(&server, None).await.unwrap();
        assert_eq!((download.part, download.length), (None, Some(10)));
        assert_eq!(download.last_modified, Timestamp::parse("2026-01-31T12:00:00Z"));
        assert_eq!(bytes(download).await.unwrap(), FILE);
        assert_eq!(server.seen()[0].header("accept-encoding").as_deref(), Some("identity"));
        assert_eq!(server.seen()[0].header("range"), None);
    }

    #[tokio::test]
    async fn a_file_is_never_decoded() {
        let mut gzipped = flate2::read::GzEncoder::new(FILE, flate2::Compression::default());
        let mut raw = Vec::new();
        std::io::Read::read_to_end(&mut gzipped, &mut raw).unwrap();
        let sent = raw.clone();
        let server = Server::start(move |_| Reply::new(200, &[("Content-Encoding", "gzip")], sent.clone())).await;
        assert_eq!(bytes(open(&server, None).await.unwrap()).await.unwrap(), raw);
    }

    #[tokio::test]
    async fn parts_are_asked_for_and_told_from_the_whole() {
        let ranges = Server::start(|seen| Reply::part(FILE, seen.range(10).unwrap())).await;
        for (range, start, end, header) in
            [(2..5, 2, 5, "bytes=2-4"), (7..u64::MAX, 7, 10, "bytes=7-"), (8..20, 8, 10, "bytes=8-19")]
        {
            let download = open(&ranges, Some(range)).await.unwrap();
            assert_eq!(download.part, Some(Part { start, end, total: Some(10) }));
            assert_eq!(bytes(download).await.unwrap(), &FILE[start as usize..end as usize]);
            assert_eq!(ranges.seen().last().unwrap().header("range").as_deref(), Some(header));
        }
        let deaf = Server::start(|_| Reply::ok(FILE)).await;
        assert_eq!(open(&deaf, Some(2..5)).await.unwrap().part, None);
    }

    #[tokio::test]
    async fn a_part_that_is_not_the_one_asked_for_is_broken() {
        for place in [
            "bytes 3-5/10",
            "bytes 0-4/10",
            "bytes 2-3/10",
            "bytes 2-5/10",
            "bytes 2-4/4",
            "bytes 4-2/10",
            "bytes 2-4/x",
            "2-4/10",
            "bytes */10",
            "lines 2-4/10",
            "bytes 2-18446744073709551615/*",
        ] {
            let server = Server::start(move |_| Reply::new(206, &[("Content-Range", place)], "234")).await;
            assert_eq!(open(&server, Some(2..5)).await.map(|_| ()), broken(), "{place}");
        }
        let other_length = Server::start(|_| Reply::new(206, &[("Content-Range", "bytes 2-4/10")], "2345")).await;
        assert_eq!(open(&other_length, Some(2..5)).await.map(|_| ()), broken());
        let earlier = Server::start(|_| Reply::new(206, &[("Content-Range", "bytes 1-4/10")], "1234")).await;
        assert_eq!(open(&earlier, Some(2..5)).await.map(|_| ()), broken());
        let no_range = Server::start(|_| Reply::new(206, &[], "234")).await;
        assert_eq!(open(&no_range, Some(2..5)).await.map(|_| ()), broken());
        let unasked = Server::start(|_| Reply::new(206, &[("Content-Range", "bytes 0-9/10")], FILE)).await;
        assert_eq!(open(&unasked, None).await.map(|_| ()), broken());
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_or_stalls_ends_in_an_error() {
        let cut = Server::start(|_| Reply::new(200, &[("Content-Length", "20")], FILE)).await;
        assert_eq!(bytes(open(&cut, None).await.unwrap()).await, broken());
        let stalled = Server::start(|_| Reply::new(200, &[("Content-Length", "20")], FILE).then_stall()).await;
        let answer = bytes(open(&stalled, None).await.unwrap()).await;
        assert_eq!(answer, Err(UpstreamError::TimedOut { host: "127.0.0.1".into() }));
    }

    #[tokio::test]
    async fn what_is_gone_is_missing_and_what_is_closed_is_denied() {
        let host = || "127.0.0.1".to_owned();
        for (status, wanted) in [
            (404, UpstreamError::Missing { host: host() }),
            (410, UpstreamError::Missing { host: host() }),
            (403, UpstreamError::Denied { host: host(), status: 403 }),
            (416, UpstreamError::Status { host: host(), status: 416 }),
            (503, UpstreamError::Status { host: host(), status: 503 }),
        ] {
            let server = Server::start(move |_| Reply::new(status, &[], "")).await;
            assert_eq!(open(&server, None).await.map(|_| ()), Err(wanted), "{status}");
        }
    }

    #[tokio::test]
    async fn a_head_tells_length_and_ranges() {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/moved" => Reply::redirect(302, "/ranges"),
            "/ranges" => Reply::new(200, &[("Accept-Ranges", "Bytes")], FILE),
            "/none" => Reply::new(200, &[("Accept-Ranges", "none")], FILE),
            _ => Reply::new(405, &[], ""),
        })
        .await;
        let head = async |path| upstream().head_file(&server.origin(), REACH, &server.url(path)).await;
        assert_eq!(head("/moved").await, Ok(FileHead { length: Some(10), accepts_ranges: true }));
        assert_eq!(head("/none").await, Ok(FileHead { length: Some(10), accepts_ranges: false }));
        assert!(matches!(head("/other").await, Err(UpstreamError::Status { status: 405, .. })));
        assert!(server.seen().iter().all(|seen| seen.method == "HEAD"));
    }
}
