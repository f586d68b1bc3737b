//! Style sheet, script and pictures of the pages: compiled in, compressed once, named by their digest and so kept for ever.

use crate::http::accept::{self, Encoding};
use crate::http::reply::{self, CachePolicy, Reply};
use crate::pypi::Sha256;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::LazyLock;

/// Hex digits of the digest that stand in an address.
const DIGITS: usize = 16;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    gzip: Bytes,
    digest: Sha256,
}

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        // Writing to memory does not fail; if it did, the plain bytes would do.
        let gzip = gzip(bytes).unwrap_or_default();
        Self { name, content_type, bytes, gzip: gzip.into(), digest: Sha256::of(bytes) }
    }
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new("site.css", "text/css; charset=utf-8", include_bytes!("../../../static/site.css")),
        Asset::new("site.js", "text/javascript; charset=utf-8", include_bytes!("../../../static/site.js")),
        Asset::new("logo.svg", "image/svg+xml", include_bytes!("../../../static/logo.svg")),
    ]
});

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The path below the server's root, with the digest in it; empty for what does not exist.
pub fn path(name: &str) -> String {
    find(name).map(|asset| format!("/_/static/{}/{name}", &asset.digest.hex()[..DIGITS])).unwrap_or_default()
}

/// What `integrity` says of it, and what the pages' policy lets run: its digest and nothing else.
pub fn integrity(name: &str) -> String {
    find(name).map(|asset| format!("sha256-{}", STANDARD.encode(asset.digest.as_bytes()))).unwrap_or_default()
}

/// Answers `/_/static/{digest}/{name}`. The digest is for caches; a page from before an upgrade gets the present bytes.
pub fn serve(name: &str, headers: &HeaderMap) -> Reply {
    let Some(asset) = find(name) else { return reply::text(StatusCode::NOT_FOUND, "there is nothing at this address\n") };
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let packed = accept::encoding(accepted) != Encoding::Identity && accepts_gzip(accepted) && !asset.gzip.is_empty();
    let bytes = if packed { asset.gzip.clone() } else { Bytes::from_static(asset.bytes) };
    let mut reply = reply::bytes(StatusCode::OK, asset.content_type, CachePolicy::Immutable { public: true }, bytes);
    let head = reply.headers_mut();
    head.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    head.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if packed {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    reply
}

/// Whether gzip is among what a browser accepts, which zstd, chosen first, would hide.
pub fn accepts_gzip(header: Option<&str>) -> bool {
    let without_zstd = header.unwrap_or_default().replace("zstd", "unnamed");
    accept::encoding(Some(&without_zstd)) == Encoding::Gzip
}

/// Bytes as gzip.
pub fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_change_with_the_bytes() {
        let path = path("site.css");
        assert!(path.starts_with("/_/static/") && path.ends_with("/site.css") && path.len() > 30, "{path}");
        assert!(integrity("site.js").starts_with("sha256-"));
        assert_eq!((super::path("no.css"), integrity("no.js")), (String::new(), String::new()));
    }

    #[test]
    fn browsers_get_it_compressed_for_ever() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br, zstd"));
        let reply = serve("site.css", &headers);
        assert_eq!(reply.headers()[CONTENT_ENCODING], "gzip");
        assert!(reply.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        assert!(!serve("site.css", &HeaderMap::new()).headers().contains_key(CONTENT_ENCODING));
        assert_eq!(serve("../main.rs", &headers).status(), 404);
    }
}
