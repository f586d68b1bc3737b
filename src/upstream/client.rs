//! One request to another server, with its redirects. Everything in this folder that asks anything asks through
//! `Upstream::send`.
//!
//! Redirects are followed here and not by the HTTP library, because each hop must be judged ([`Reach`]) and because
//! credentials belong to the mirror's own scheme, host and port and to nobody else. There are no cookies and no Referer.

use super::address::{PublicOnly, Reach, Route};
use super::error::{UpstreamError, host, of_transport};
use super::origin::{Origin, forget_credentials};
use crate::limits::{
    UPSTREAM_CONNECT_WAIT, UPSTREAM_IDLE_WAIT, UPSTREAM_LIST_WAIT, UPSTREAM_METADATA_WAIT, UPSTREAM_PAGE_WAIT,
    UPSTREAM_POST_WAIT, UPSTREAM_REDIRECTS_MAX,
};
use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, Response};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const USER_AGENT: &str = concat!("cheeseshop/", env!("CARGO_PKG_VERSION"));

/// Asks other package indexes. Built once; a clone shares the connections.
#[derive(Clone)]
pub struct Upstream(Arc<Clients>);

impl std::fmt::Debug for Upstream {
    /// The clients inside hold the proxies' credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upstream")
    }
}

/// The HTTP client could not be built: the system's certificate store is missing or unreadable.
#[derive(Debug, thiserror::Error)]
#[error("no TLS client could be built; is the system's certificate store (the package ca-certificates) installed?")]
pub struct NoClient(#[source] reqwest::Error);

/// How long to wait for other servers.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection to stand.
    pub connect: Duration,
    /// For the answer to begin, and between two pieces of it.
    pub idle: Duration,
    /// For a whole project page.
    pub page: Duration,
    /// For the whole project list.
    pub list: Duration,
    /// For one `METADATA`, all requests together.
    pub metadata: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: UPSTREAM_CONNECT_WAIT,
            idle: UPSTREAM_IDLE_WAIT,
            page: UPSTREAM_PAGE_WAIT,
            list: UPSTREAM_LIST_WAIT,
            metadata: UPSTREAM_METADATA_WAIT,
        }
    }
}

/// Resolver, decoding and patience belong to a client of the HTTP library, not to a request: hence six of them.
struct Clients {
    pages: Pair,
    files: Pair,
    posts: Pair,
    proxies: Arc<[String]>,
    patience: Patience,
}

struct Pair {
    open: reqwest::Client,
    guarded: reqwest::Client,
}

/// What is asked for decides how the body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// gzip and zstd are offered and decoded.
    Page,
    /// `Accept-Encoding: identity`, and the bytes are taken as they come even if the answer names an encoding. Servers that
    /// label `x.tar.gz` with `Content-Encoding: gzip` are common, and the bytes as sent are the file that has the digest.
    File,
    /// A form is sent, and the answer is a few words. It comes when the form has gone out whole, which may take long.
    Form,
}

/// One question.
pub(super) struct Ask<'a> {
    pub(super) origin: &'a Origin,
    pub(super) reach: Reach,
    pub(super) body: Body,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
}

impl Upstream {
    /// Builds the clients. Proxies are taken from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`),
    /// certificate authorities from the system's store (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).
    ///
    /// # Errors
    /// [`NoClient`] if there is no certificate store.
    pub fn new(patience: Patience) -> Result<Self, NoClient> {
        Self::build(patience, Some(proxy_names(|name| std::env::var(name).ok())))
    }

    /// As [`Upstream::new`], but asks other servers directly, whatever proxies the environment names: for tests, which talk to
    /// this machine only.
    ///
    /// # Errors
    /// [`NoClient`] if there is no certificate store.
    pub fn direct(patience: Patience) -> Result<Self, NoClient> {
        Self::build(patience, None)
    }

    /// `proxies: None` ignores the environment.
    fn build(patience: Patience, proxies: Option<Vec<String>>) -> Result<Self, NoClient> {
        let use_proxies = proxies.is_some();
        let proxies: Arc<[String]> = proxies.unwrap_or_default().into();
        let client = |body, route| {
            let builder = reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(patience.connect)
                .read_timeout(if body == Body::Form { UPSTREAM_POST_WAIT } else { patience.idle })
                .redirect(reqwest::redirect::Policy::none())
                .gzip(body == Body::Page)
                .zstd(body == Body::Page);
            let builder = if use_proxies { builder } else { builder.no_proxy() };
            let builder = match route {
                Route::Open => builder,
                Route::Guarded => builder.dns_resolver(PublicOnly { proxies: proxies.clone() }),
            };
            builder.build().map_err(NoClient)
        };
        let pair = |body| Ok(Pair { open: client(body, Route::Open)?, guarded: client(body, Route::Guarded)? });
        let (pages, files, posts) = (pair(Body::Page)?, pair(Body::File)?, pair(Body::Form)?);
        Ok(Self(Arc::new(Clients { pages, files, posts, proxies: proxies.clone(), patience })))
    }

    /// The clients for forms: for any address, and for public ones.
    pub(super) fn posts(&self) -> (&reqwest::Client, &reqwest::Client) {
        (&self.0.posts.open, &self.0.posts.guarded)
    }

    /// The names of this process's own proxies.
    pub(super) fn proxies(&self) -> &[String] {
        &self.0.proxies
    }

    /// The time limits this was built with.
    pub(super) fn patience(&self) -> Patience {
        self.0.patience
    }

    /// Asks `url` and follows redirects. The answer has any status but a followed redirect; its body is not read yet, and
    /// its `url()` is that of the last hop, without credentials.
    pub(super) async fn send(&self, ask: &Ask<'_>, url: &Url) -> Result<Response, UpstreamError> {
        let mut url = url.clone();
        forget_credentials(&mut url);
        url.set_fragment(None);
        for _ in 0..=UPSTREAM_REDIRECTS_MAX {
            let answer = self.hop(ask, &url).await?;
            match next_hop(&url, &answer)? {
                None => return Ok(answer),
                Some(next) => url = next,
            }
        }
        Err(UpstreamError::Redirects { host: host(&url), why: "too many times" })
    }

    async fn hop(&self, ask: &Ask<'_>, url: &Url) -> Result<Response, UpstreamError> {
        let pair = match ask.body {
            Body::Page => &self.0.pages,
            Body::File => &self.0.files,
            Body::Form => &self.0.posts,
        };
        let client = match ask.reach.route(ask.origin, url, &self.0.proxies)? {
            Route::Open => &pair.open,
            Route::Guarded => &pair.guarded,
        };
        let mut request = client.request(ask.method.clone(), url.clone()).headers(ask.headers.clone());
        if ask.body == Body::File {
            request = request.header(reqwest::header::ACCEPT_ENCODING, "identity");
        }
        if let Some(known) = ask.origin.credentials_for(url) {
            request = request.basic_auth(&known.user, known.password.as_ref());
        }
        request.send().await.map_err(|error| of_transport(error, url))
    }
}

/// Where the answer of `current` redirects to; `None` if it is no redirect.
fn next_hop(current: &Url, answer: &Response) -> Result<Option<Url>, UpstreamError> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let wrong = |why| UpstreamError::Redirects { host: host(current), why };
    let location = answer.headers().get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let next = location.and_then(|text| current.join(text).ok()).filter(|url| matches!(url.scheme(), "http" | "https"));
    let mut next = next.ok_or_else(|| wrong("without naming an HTTP address"))?;
    if current.scheme() == "https" && next.scheme() == "http" {
        return Err(wrong("from https to http, which is not followed"));
    }
    forget_credentials(&mut next);
    next.set_fragment(None);
    Ok(Some(next))
}

/// Reads a body of at most `limit` bytes. They are counted as they come out of the decoder, so that a small answer cannot
/// unfold into a large one.
pub(super) async fn read_body(mut answer: Response, limit: usize) -> Result<Bytes, UpstreamError> {
    let url = answer.url().clone();
    let too_large = || UpstreamError::TooLarge { host: host(&url), limit };
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| of_transport(error, &url))? {
        if body.len() + piece.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// Runs `work` for at most `wait`.
pub(super) async fn within<T>(
    wait: Duration,
    url: &Url,
    work: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    tokio::time::timeout(wait, work).await.unwrap_or_else(|_| Err(UpstreamError::TimedOut { host: host(url) }))
}

/// The host names of the proxies that `env` names, in lower case. Only names matter: a literal needs no resolver.
fn proxy_names(env: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let variables = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
    let named = variables.iter().filter_map(|name| env(name)).filter_map(|text| {
        let text = if text.contains("://") { text } else { format!("http://{text}") };
        Url::parse(&text).ok()?.host_str().map(str::to_ascii_lowercase)
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, Reply, Server};
    use super::*;

    fn get(origin: &Origin, reach: Reach) -> Ask<'_> {
        Ask { origin, reach, body: Body::File, method: Method::GET, headers: HeaderMap::new() }
    }

    #[test]
    fn proxies_are_found_however_they_are_written() {
        let env = |name: &str| match name {
            "https_proxy" => Some("http://user:pw@Proxy.example:3128/".to_owned()),
            "ALL_PROXY" => Some("gate.example:8080".to_owned()),
            "HTTP_PROXY" => Some(String::new()),
            _ => None,
        };
        assert_eq!(proxy_names(env), ["gate.example", "proxy.example"]);
    }

    #[tokio::test]
    async fn credentials_go_to_the_mirrors_own_server_and_nowhere_else() {
        let other = Server::start(|_| Reply::ok("other")).await;
        let target = other.url("/x?token=1");
        let own = Server::start(move |seen| match seen.path.as_str() {
            "/away" => Reply::redirect(302, target.as_str()),
            "/here" => Reply::redirect(307, "/there"),
            _ => Reply::ok("own"),
        })
        .await;
        let origin = Origin::parse(own.url("/simple/").as_str().replace("http://", "http://me:secret@").as_str()).unwrap();
        let upstream = testing::upstream();
        for path in ["/here", "/away"] {
            let answer = upstream.send(&get(&origin, Reach::Anywhere), &own.url(path)).await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        let sent = |server: &Server| -> Vec<(String, Option<String>)> {
            server.seen().iter().map(|seen| (seen.path.clone(), seen.header("authorization"))).collect()
        };
        let basic = Some("Basic bWU6c2VjcmV0".to_owned());
        assert_eq!(sent(&own), [("/here".into(), basic.clone()), ("/there".into(), basic.clone()), ("/away".into(), basic)]);
        assert_eq!(sent(&other), [("/x?token=1".into(), None)]);
        assert_eq!(other.seen()[0].header("referer"), None);
    }

    #[tokio::test]
    async fn credentials_that_a_server_hands_out_are_not_used() {
        let server = Server::start(|_| Reply::ok("")).await;
        let link = Url::parse(&server.url("/f").as_str().replace("http://", "http://planted:pw@")).unwrap();
        let origin = Origin::parse("http://index.example/").unwrap();
        let answer = testing::upstream().send(&get(&origin, Reach::Anywhere), &link).await.unwrap();
        assert_eq!(answer.url(), &server.url("/f"));
        assert_eq!(server.seen()[0].header("authorization"), None);
    }

    #[tokio::test]
    async fn a_redirect_loop_ends() {
        let server = Server::start(|_| Reply::redirect(301, "/again")).await;
        let origin = server.origin();
        let error = testing::upstream().send(&get(&origin, Reach::Anywhere), &server.url("/")).await.unwrap_err();
        assert_eq!(error, UpstreamError::Redirects { host: "127.0.0.1".into(), why: "too many times" });
        assert_eq!(server.seen().len(), UPSTREAM_REDIRECTS_MAX + 1);
    }

    #[test]
    fn redirects_are_judged_before_they_are_followed() {
        let judge = |current: &str, location: Option<&str>| {
            let mut answer = http_answer(302);
            if let Some(location) = location {
                answer.headers_mut().insert(LOCATION, location.parse().unwrap());
            }
            next_hop(&Url::parse(current).unwrap(), &answer)
        };
        let page = "https://index.example/simple/a/";
        assert!(matches!(judge(page, Some("http://index.example/simple/a/")), Err(UpstreamError::Redirects { .. })));
        assert!(matches!(judge(page, Some("ftp://index.example/")), Err(UpstreamError::Redirects { .. })));
        assert!(matches!(judge(page, Some("http://[")), Err(UpstreamError::Redirects { .. })));
        assert!(matches!(judge(page, None), Err(UpstreamError::Redirects { .. })));
        for (current, location, next) in [
            (page, "../b/#c", "https://index.example/simple/b/"),
            (page, "//cdn.example/a", "https://cdn.example/a"),
            (page, "https://u:p@cdn.example/a", "https://cdn.example/a"),
            ("http://index.example/", "https://index.example/", "https://index.example/"),
        ] {
            assert_eq!(judge(current, Some(location)).unwrap().unwrap().as_str(), next);
        }
        assert_eq!(next_hop(&Url::parse(page).unwrap(), &http_answer(304)), Ok(None));
    }

    fn http_answer(status: u16) -> Response {
        let mut answer = axum::http::Response::new("");
        *answer.status_mut() = axum::http::StatusCode::from_u16(status).unwrap();
        answer.into()
    }

    #[tokio::test]
    async fn private_addresses_are_refused_at_the_first_and_at_later_hops() {
        let inner = Server::start(|_| Reply::ok("secret")).await;
        let public = Origin::parse("http://index.example/simple/").unwrap();
        let upstream = testing::upstream();
        let refused = Err(UpstreamError::Refused { host: "127.0.0.1".into() });
        for reach in [Reach::OwnHostOrPublic, Reach::Public] {
            let answer = upstream.send(&get(&public, reach), &inner.url("/")).await;
            assert_eq!(answer.map(|a| a.status()), refused, "{reach:?}");
        }
        // `localhost` is another host than 127.0.0.1, although it is the same machine.
        let target = inner.url("/").as_str().replace("127.0.0.1", "localhost");
        let own = Server::start(move |_| Reply::redirect(302, &target)).await;
        let answer = upstream.send(&get(&own.origin(), Reach::OwnHostOrPublic), &own.url("/")).await;
        assert_eq!(answer.map(|a| a.status()), Err(UpstreamError::Refused { host: "localhost".into() }));
        assert!(inner.seen().is_empty());
        assert_eq!(own.seen().len(), 1, "the mirror's own host is asked whatever its address");
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_refused_while_connecting() {
        let server = Server::start(|_| Reply::ok("secret")).await;
        // Straight to the guarded client: to `send`, the name `localhost` alone would be enough.
        let url = Url::parse(&server.url("/").as_str().replace("127.0.0.1", "localhost")).unwrap();
        let error = testing::upstream().0.files.guarded.get(url.clone()).send().await.unwrap_err();
        assert_eq!(of_transport(error, &url), UpstreamError::Refused { host: "localhost".into() });
        assert!(server.seen().is_empty());
    }

    #[tokio::test]
    async fn who_does_not_listen_is_unreachable() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        let origin = Origin::parse(url.as_str()).unwrap();
        let error = testing::upstream().send(&get(&origin, Reach::Anywhere), &url).await.unwrap_err();
        assert_eq!(error, UpstreamError::Unreachable { host: "127.0.0.1".into() });
    }

    #[tokio::test]
    async fn who_stays_silent_times_out() {
        let server = Server::start(|_| Reply::silence()).await;
        let error = testing::upstream().send(&get(&server.origin(), Reach::Anywhere), &server.url("/")).await.unwrap_err();
        assert_eq!(error, UpstreamError::TimedOut { host: "127.0.0.1".into() });
    }

    #[tokio::test]
    async fn who_speaks_something_else_is_broken_or_unreachable_but_no_panic() {
        let server = Server::start(|_| Reply::raw(b"SSH-2.0-x\r\n")).await;
        let error = testing::upstream().send(&get(&server.origin(), Reach::Anywhere), &server.url("/")).await.unwrap_err();
        assert_eq!(error, UpstreamError::Broken { host: "127.0.0.1".into() });
    }
}
