//! Project pages and project lists of other indexes, as bytes. Reading them is the job of [`crate::pypi::page_parse`].

use super::address::Reach;
use super::client::{Ask, Body, Upstream, read_body, within};
use super::error::{UpstreamError, of_status};
use super::origin::Origin;
use crate::limits::{UPSTREAM_LIST_BYTES_MAX, UPSTREAM_PAGE_BYTES_MAX};
use crate::pypi::ProjectName;
use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, Response};
use url::Url;

/// JSON first (PEP 691), as it alone carries sizes and upload times; indexes that know only HTML answer that.
const ACCEPT_PAGES: HeaderValue =
    HeaderValue::from_static("application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01");

const LAST_SERIAL: HeaderName = HeaderName::from_static("x-pypi-last-serial");

/// What an index said to the question for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageAnswer {
    /// 304: the page is the one the given ETag stands for.
    NotModified,
    /// 404 or 410: the index does not have this project.
    Missing,
    /// The page.
    Page {
        /// `Content-Type` as sent; decides between JSON and HTML.
        content_type: Option<String>,
        /// The body, decompressed.
        body: Bytes,
        /// `ETag` as sent, to be given with the next question.
        etag: Option<String>,
        /// `X-PyPI-Last-Serial`: the index's own count of changes, if it tells.
        serial: Option<i64>,
        /// Where the page was found after redirects: what its relative links are relative to.
        final_url: Url,
    },
}

impl Upstream {
    /// Asks for the page of `project`, conditionally if an `etag` is known.
    ///
    /// # Errors
    /// Anything but 200, 304, 404 and 410; more than [`UPSTREAM_PAGE_BYTES_MAX`] bytes; see [`UpstreamError`].
    pub async fn fetch_page(
        &self,
        origin: &Origin,
        reach: Reach,
        project: &ProjectName,
        etag: Option<&str>,
    ) -> Result<PageAnswer, UpstreamError> {
        let url = origin.page_url(project);
        within(self.patience().page, &url, self.page(origin, reach, &url, etag, UPSTREAM_PAGE_BYTES_MAX)).await
    }

    /// Asks for the list of all projects. It is huge on a public index: only on explicit demand.
    ///
    /// # Errors
    /// As [`Upstream::fetch_page`], with [`UPSTREAM_LIST_BYTES_MAX`].
    pub async fn fetch_list(&self, origin: &Origin, reach: Reach, etag: Option<&str>) -> Result<PageAnswer, UpstreamError> {
        let url = origin.list_url();
        within(self.patience().list, url, self.page(origin, reach, url, etag, UPSTREAM_LIST_BYTES_MAX)).await
    }

    async fn page(
        &self,
        origin: &Origin,
        reach: Reach,
        url: &Url,
        etag: Option<&str>,
        limit: usize,
    ) -> Result<PageAnswer, UpstreamError> {
        let mut headers = HeaderMap::from_iter([(ACCEPT, ACCEPT_PAGES)]);
        // A remembered ETag that is no header value any more only costs the condition.
        let condition = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
        let conditional = condition.is_some();
        headers.extend(condition.map(|value| (IF_NONE_MATCH, value)));

        let ask = Ask { origin, reach, body: Body::Page, method: Method::GET, headers };
        let answer = self.send(&ask, url).await?;
        match answer.status().as_u16() {
            200 => read_page(answer, limit).await,
            304 if conditional => Ok(PageAnswer::NotModified),
            404 | 410 => Ok(PageAnswer::Missing),
            _ => Err(of_status(answer.status(), answer.url())),
        }
    }
}

async fn read_page(answer: Response, limit: usize) -> Result<PageAnswer, UpstreamError> {
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let content_type = text(CONTENT_TYPE);
    let etag = text(ETAG);
    let serial = text(LAST_SERIAL).and_then(|digits| digits.trim().parse().ok());
    let final_url = answer.url().clone();
    let body = read_body(answer, limit).await?;
    Ok(PageAnswer::Page { content_type, body, etag, serial, final_url })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, Server, upstream};
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn bard() -> ProjectName {
        ProjectName::parse("friendly-bard").unwrap()
    }

    async fn ask(server: &Server, etag: Option<&str>) -> Result<PageAnswer, UpstreamError> {
        upstream().fetch_page(&server.origin(), Reach::OwnHostOrPublic, &bard(), etag).await
    }

    #[tokio::test]
    async fn a_page_comes_with_what_its_headers_say() {
        let server = Server::start(|_| {
            let headers = [("Content-Type", "text/html"), ("ETag", "W/\"1\""), ("X-PyPI-Last-Serial", "77")];
            Reply::new(200, &headers, "<a>")
        })
        .await;
        let wanted = PageAnswer::Page {
            content_type: Some("text/html".into()),
            body: "<a>".into(),
            etag: Some("W/\"1\"".into()),
            serial: Some(77),
            final_url: server.url("/simple/friendly-bard/"),
        };
        assert_eq!(ask(&server, None).await, Ok(wanted));
        let seen = &server.seen()[0];
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/simple/friendly-bard/"));
        assert!(seen.header("accept").unwrap().starts_with("application/vnd.pypi.simple.v1+json,"));
        assert!(seen.header("user-agent").unwrap().starts_with("cheeseshop/"));
        assert_eq!(seen.header("if-none-match"), None);
        let codings = seen.header("accept-encoding").unwrap();
        assert!(codings.contains("gzip") && codings.contains("zstd"), "{codings}");
    }

    #[tokio::test]
    async fn an_etag_makes_the_question_conditional() {
        let server = Server::start(|seen| match seen.header("if-none-match").as_deref() {
            Some("\"same\"") => Reply::new(304, &[], ""),
            _ => Reply::new(200, &[("ETag", "\"same\"")], "new"),
        })
        .await;
        assert_eq!(ask(&server, Some("\"same\"")).await, Ok(PageAnswer::NotModified));
        assert!(matches!(ask(&server, Some("\"old\"")).await, Ok(PageAnswer::Page { .. })));
        assert!(matches!(ask(&server, Some("no\nheader")).await, Ok(PageAnswer::Page { .. })));
    }

    #[tokio::test]
    async fn statuses_are_sorted() {
        let host = || "127.0.0.1".to_owned();
        for (status, wanted) in [
            (404, Ok(PageAnswer::Missing)),
            (410, Ok(PageAnswer::Missing)),
            (401, Err(UpstreamError::Denied { host: host(), status: 401 })),
            (403, Err(UpstreamError::Denied { host: host(), status: 403 })),
            (500, Err(UpstreamError::Status { host: host(), status: 500 })),
            (204, Err(UpstreamError::Status { host: host(), status: 204 })),
            (304, Err(UpstreamError::Status { host: host(), status: 304 })), // nobody asked conditionally
        ] {
            let server = Server::start(move |_| Reply::new(status, &[], "")).await;
            assert_eq!(ask(&server, None).await, wanted, "{status}");
        }
    }

    #[tokio::test]
    async fn relative_links_belong_to_where_a_redirect_led() {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/simple/friendly-bard/" => Reply::redirect(301, "/moved/friendly-bard/"),
            _ => Reply::ok("page"),
        })
        .await;
        let Ok(PageAnswer::Page { final_url, .. }) = ask(&server, None).await else { panic!("no page") };
        assert_eq!(final_url, server.url("/moved/friendly-bard/"));
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn both_compressions_are_undone() {
        let text = "cheese ".repeat(1000);
        for (coding, bytes) in [("gzip", gzip(text.as_bytes())), ("zstd", zstd::encode_all(text.as_bytes(), 3).unwrap())] {
            let server = Server::start(move |_| Reply::new(200, &[("Content-Encoding", coding)], bytes.clone())).await;
            let Ok(PageAnswer::Page { body, .. }) = ask(&server, None).await else { panic!("no page for {coding}") };
            assert_eq!(body, text, "{coding}");
        }
        let server = Server::start(|_| Reply::new(200, &[("Content-Encoding", "gzip")], "not gzip at all")).await;
        assert_eq!(ask(&server, None).await, Err(UpstreamError::Broken { host: "127.0.0.1".into() }));
    }

    #[tokio::test]
    async fn a_body_is_measured_after_decompression() {
        let limit = 10_000;
        let too_large = Err(UpstreamError::TooLarge { host: "127.0.0.1".into(), limit });
        let small_bomb = gzip(&vec![b'0'; limit + 1]);
        assert!(small_bomb.len() < 100);
        let bomb = Server::start(move |_| Reply::new(200, &[("Content-Encoding", "gzip")], small_bomb.clone())).await;
        let fits = Server::start(move |_| Reply::ok(vec![b'0'; limit])).await;
        let plain = Server::start(move |_| Reply::ok(vec![b'0'; limit + 1])).await;
        let ask = async |server: &Server| {
            let (origin, url) = (server.origin(), server.url("/"));
            upstream().page(&origin, Reach::Anywhere, &url, None, limit).await.map(|_| ())
        };
        assert_eq!(ask(&bomb).await, too_large);
        assert_eq!(ask(&plain).await, too_large);
        assert_eq!(ask(&fits).await, Ok(()));
    }

    #[tokio::test]
    async fn a_page_that_stalls_or_drips_times_out_and_one_that_breaks_off_is_broken() {
        let timed_out = Err(UpstreamError::TimedOut { host: "127.0.0.1".into() });
        let stalled = Server::start(|_| Reply::new(200, &[("Content-Length", "100")], "begin").then_stall()).await;
        assert_eq!(ask(&stalled, None).await, timed_out);
        // Never idle for long, yet never done: only the limit on the whole page ends it.
        let dripping = Server::start(|_| Reply::ok(vec![b'x'; 1000]).dripping(Duration::from_millis(50))).await;
        assert_eq!(ask(&dripping, None).await, timed_out);
        let cut = Server::start(|_| Reply::new(200, &[("Content-Length", "100")], "begin")).await;
        assert_eq!(ask(&cut, None).await, Err(UpstreamError::Broken { host: "127.0.0.1".into() }));
    }

    #[tokio::test]
    async fn the_list_is_the_address_itself() {
        let server = Server::start(|_| Reply::ok("list")).await;
        let answer = upstream().fetch_list(&server.origin(), Reach::OwnHostOrPublic, Some("\"e\"")).await;
        assert!(matches!(answer, Ok(PageAnswer::Page { .. })));
        assert_eq!(server.seen()[0].path, "/simple/");
        assert_eq!(server.seen()[0].header("if-none-match").as_deref(), Some("\"e\""));
    }
}
