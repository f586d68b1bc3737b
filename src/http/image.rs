//! Pictures in descriptions, as this server fetches them for its readers (`--description-images proxy`).

use super::reply::{self, CachePolicy, Reply};
use super::{Call, Site};
use crate::error::{Error, Result};
use crate::limits::IMAGE_KEPT_FOR;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};

/// A picture that is opened by itself is a page like any other, and those with scripts in them (SVG) are a stranger's. Some need
/// the styles in them to look right.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Answers `/_/image/{signature}?url=…`. Everybody may ask who has the address: the picture is public, and the address comes from
/// a page that somebody could read.
pub async fn image(site: &Site, call: &Call<'_>, signature: &str) -> Result<Reply> {
    let images = site.images.as_ref().ok_or_else(|| Error::NotFound("this server does not fetch pictures".into()))?;
    let url = call.query_value("url").ok_or_else(|| Error::BadRequest("the address has no url".into()))?;
    let image = images.image(&site.core, &url, signature).await?;
    let cache = CachePolicy::Page { max_age: IMAGE_KEPT_FOR.as_secs(), public: true };
    let mut reply = reply::bytes(StatusCode::OK, image.content_type, cache, image.bytes);
    let headers = reply.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::super::devpi::testing::Server;
    use crate::both;
    use crate::index::images::Images;
    use crate::upstream::Reach;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";

    /// Another server with one picture, and how often it was asked.
    async fn elsewhere() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, asked) = (format!("http://{}/a.svg?b=1&c=2", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                let is_there = head[..read].starts_with(b"GET /a.svg?b=1&c=2 ");
                let status = if is_there { "200 OK" } else { "404 Not Found" };
                let head = format!(
                    "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: image/svg+xml\r\nContent-Length: {}\r\n\r\n",
                    SVG.len()
                );
                stream.write_all((head + SVG).as_bytes()).await.unwrap();
            }
        });
        (url, asked)
    }

    fn place(server: &Server, url: &str) -> String {
        format!("/{}", server.site.images.as_ref().unwrap().address(url))
    }

    both! {
        async fn a_picture_is_fetched_once_and_cannot_act(db: Db) {
            let (server, (url, asked)) = (Server::start(db).await, elsewhere().await);
            for _ in 0..3 {
                let answer = server.get(&place(&server, &url), "").await;
                assert_eq!((answer.status, answer.body.as_str()), (200, Some(SVG)));
                assert_eq!((answer.header("content-type"), answer.header("x-content-type-options")), ("image/svg+xml", "nosniff"));
                assert_eq!(answer.header("content-security-policy"), "default-src 'none'; style-src 'unsafe-inline'; sandbox");
                assert_eq!(answer.header("cache-control"), "max-age=3600, must-revalidate");
            }
            assert_eq!(asked.load(Ordering::SeqCst), 1);
        }

        async fn nothing_is_fetched_that_no_description_shows(db: Db) {
            let (server, (url, asked)) = (Server::start(db).await, elsewhere().await);
            let signed = place(&server, &url);
            let (path, query) = signed.split_once('?').unwrap();
            let other = format!("{path}?url=http%3A%2F%2F127.0.0.1%3A9%2F");
            let guessed = format!("/_/image/AAAAAAAAAAAAAAAAAAAAAA?{query}");
            let short = format!("{}?{query}", &path[..path.len() - 4]);
            for forged in [other, guessed, short, format!("/_/image/x?{query}")] {
                assert_eq!(server.get(&forged, "").await.status, 404, "{forged}");
            }
            assert_eq!(server.get(path, "").await.status, 400);
            assert_eq!(server.ask("POST", &signed, "", serde_json::Value::Null).await.status, 404);
            assert_eq!(asked.load(Ordering::SeqCst), 0);
        }

        async fn a_picture_that_is_not_there_is_not_asked_for_again_at_once(db: Db) {
            let (server, (url, asked)) = (Server::start(db).await, elsewhere().await);
            for _ in 0..3 {
                let answer = server.get(&place(&server, &url.replace("a.svg", "b.svg")), "").await;
                assert_eq!(answer.status, 502, "{}", answer.body);
            }
            assert_eq!(asked.load(Ordering::SeqCst), 1);
        }

        async fn private_addresses_are_not_asked_and_all_nodes_sign_alike(db: Db) {
            let (mut server, (url, asked)) = (Server::start(db).await, elsewhere().await);
            let (one, another) = tokio::join!(Images::open(&server.site.core), Images::open(&server.site.core));
            let one = one.unwrap();
            assert_eq!(one.address(&url), another.unwrap().address(&url));
            assert_ne!(one.address(&url), Images::new([7; 64], Reach::Public).address(&url));
            Arc::get_mut(&mut server.site).unwrap().images = Some(one);
            assert_eq!(server.get(&place(&server, &url), "").await.status, 502);
            assert_eq!(asked.load(Ordering::SeqCst), 0);
        }

        async fn a_server_that_asks_no_others_fetches_no_pictures(db: Db) {
            let (mut server, (url, asked)) = (Server::with(db, crate::index::Rules { offline: true, ..Default::default() }).await, elsewhere().await);
            assert_eq!(server.get(&place(&server, &url), "").await.status, 404);
            let address = place(&server, &url);
            Arc::get_mut(&mut server.site).unwrap().images = None;
            assert_eq!(server.get(&address, "").await.status, 404);
            assert_eq!(asked.load(Ordering::SeqCst), 0);
        }
    }
}
