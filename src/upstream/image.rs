//! Pictures from anywhere, for descriptions that show some. What comes must be a picture by its own bytes, whatever its server
//! says, and small enough to be held in memory.

use super::address::Reach;
use super::client::{Ask, Body, Upstream, read_body, within};
use super::error::{UpstreamError, host, of_status};
use super::origin::Origin;
use crate::limits::{IMAGE_BYTES_MAX, IMAGE_WAIT};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

const ACCEPT_IMAGES: HeaderValue =
    HeaderValue::from_static("image/avif,image/webp,image/png,image/jpeg,image/gif,image/svg+xml;q=0.9");

/// The type of a picture that is a document, with links and scripts in it: whoever shows it must keep those from acting.
pub const SVG: &str = "image/svg+xml";

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Upstream {
    /// Fetches the picture at `url`. No credentials are sent, also not those in the address.
    ///
    /// # Errors
    /// Anything but 200; more than [`IMAGE_BYTES_MAX`] bytes or longer than [`IMAGE_WAIT`]; [`UpstreamError::NoImage`]; see
    /// [`UpstreamError`].
    pub async fn fetch_image(&self, url: &Url, reach: Reach) -> Result<Image, UpstreamError> {
        within(IMAGE_WAIT, url, self.image(url, reach)).await
    }

    async fn image(&self, url: &Url, reach: Reach) -> Result<Image, UpstreamError> {
        // Nobody's mirror: an origin without credentials, which no other address can have in common with it.
        let origin = Origin::parse("http://nobody.example/").map_err(|_| UpstreamError::Refused { host: host(url) })?;
        let headers = HeaderMap::from_iter([(ACCEPT, ACCEPT_IMAGES)]);
        let ask = Ask { origin: &origin, reach, body: Body::Page, method: Method::GET, headers };
        let answer = self.send(&ask, url).await?;
        if answer.status() != 200 {
            return Err(of_status(answer.status(), answer.url()));
        }
        let named = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_svg = named.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SVG);
        let asked = host(answer.url());
        let bytes = read_body(answer, IMAGE_BYTES_MAX).await?;
        let svg = (is_svg && bytes.trim_ascii_start().starts_with(b"<")).then_some(SVG);
        match content_type(&bytes).or(svg) {
            Some(content_type) => Ok(Image { content_type, bytes }),
            None => Err(UpstreamError::NoImage { host: asked }),
        }
    }
}

/// The type of a picture, by how its bytes begin.
fn content_type(bytes: &[u8]) -> Option<&'static str> {
    let (begins, inner) = (|start: &[u8]| bytes.starts_with(start), bytes.get(8..12).unwrap_or_default());
    match () {
        () if begins(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
        () if begins(b"\xff\xd8\xff") => Some("image/jpeg"),
        () if begins(b"GIF87a") || begins(b"GIF89a") => Some("image/gif"),
        () if begins(b"RIFF") && inner == b"WEBP" => Some("image/webp"),
        () if bytes.get(4..8) == Some(b"ftyp") && (inner == b"avif" || inner == b"avis") => Some("image/avif"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Reply, Server, upstream};
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

    async fn fetched(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<Image, UpstreamError> {
        let server = Server::start(move |_| reply()).await;
        upstream().fetch_image(&server.url("/a.png?b"), Reach::Anywhere).await
    }

    #[test]
    fn types_are_told_by_the_bytes() {
        for (bytes, wanted) in [
            (PNG, Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a..", Some("image/gif")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"\0\0\0\x20ftypavif", Some("image/avif")),
            (b"\0\0\0\x20ftypmp42", None),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"<svg>", None),
            (b"<html>", None),
            (b"", None),
        ] {
            assert_eq!(content_type(bytes), wanted, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_picture_comes_whatever_its_server_calls_it() {
        let image = fetched(|| Reply::new(200, &[("Content-Type", "text/html")], PNG)).await.unwrap();
        assert_eq!((image.content_type, &image.bytes[..]), ("image/png", PNG));
        let svg = || Reply::new(200, &[("Content-Type", "image/svg+xml;charset=utf-8")], "\n<svg/>");
        assert_eq!(fetched(svg).await.unwrap().content_type, SVG);
    }

    #[tokio::test]
    async fn what_is_no_picture_is_not_taken() {
        let no_image = UpstreamError::NoImage { host: "127.0.0.1".into() };
        assert_eq!(fetched(|| Reply::new(200, &[("Content-Type", "image/png")], "<html>")).await, Err(no_image.clone()));
        assert_eq!(fetched(|| Reply::ok("<svg/>")).await, Err(no_image));
        assert!(matches!(fetched(|| Reply::new(404, &[], PNG)).await, Err(UpstreamError::Missing { .. })));
        let large = || Reply::new(200, &[], [PNG, &vec![0; IMAGE_BYTES_MAX]].concat());
        assert!(matches!(fetched(large).await, Err(UpstreamError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn private_addresses_are_not_asked_and_credentials_not_sent() {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/away" => Reply::redirect(302, "http://10.0.0.1/x.png"),
            _ => Reply::ok(PNG),
        })
        .await;
        let asked = upstream().fetch_image(&server.url("/a.png"), Reach::Public).await;
        assert!(matches!(asked, Err(UpstreamError::Refused { .. })), "{asked:?}");
        assert!(server.seen().is_empty());
        let url = Url::parse(&server.url("/a.png").as_str().replace("http://", "http://me:secret@")).unwrap();
        upstream().fetch_image(&url, Reach::Anywhere).await.unwrap();
        let seen = &server.seen()[0];
        assert_eq!((seen.header("authorization"), seen.header("cookie"), seen.header("referer")), (None, None, None));
        assert!(seen.header("accept").unwrap().starts_with("image/avif,"));
    }
}
