//! Whether a form was sent by one of our own pages. Browsers say where a request comes from; nothing needs to be hidden in forms.
//!
//! Fetch metadata decides where a browser sends it (Fetch Metadata Request Headers, W3C), else `Origin`. What has neither is no
//! browser of these years; it is let through only if no cookie could make it act for somebody.

use super::visit::Visit;
use crate::error::{Error, Result};
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HOST, ORIGIN};
use url::Url;

/// Refuses what other sites make a browser send.
pub fn check(visit: &Visit<'_>) -> Result<()> {
    match is_ours(visit.call.headers, &visit.shell.base) {
        true => Ok(()),
        false => Err(Error::Forbidden("this form was sent by a page of another site, so nothing was done".into())),
    }
}

fn is_ours(headers: &HeaderMap, base: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_origin_of(origin, base) || is_host(origin, text(HOST.as_str())),
        (None, None) => !headers.contains_key(COOKIE),
    }
}

fn is_origin_of(origin: &str, base: &str) -> bool {
    Url::parse(base).is_ok_and(|url| url.origin().ascii_serialization() == origin)
}

/// A proxy that nobody told us to trust may speak TLS to the world: then the host alone has to do.
fn is_host(origin: &str, host: Option<&str>) -> bool {
    let named = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    named.is_some() && named == host
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn other_sites_are_refused() {
        for (headers, expected) in [
            (&[("sec-fetch-site", "same-origin"), ("cookie", "a=b")][..], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://index.example")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://index.example"), ("cookie", "a=b")], true),
            (&[("origin", "https://evil.example"), ("host", "index.example")], false),
            (&[("origin", "https://inner.example:8080"), ("host", "inner.example:8080")], true),
            (&[("origin", "null"), ("host", "null")], false),
            (&[("cookie", "a=b")], false),
            (&[], true),
        ] {
            let map: HeaderMap =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
            assert_eq!(is_ours(&map, "https://index.example/pypi"), expected, "{headers:?}");
        }
    }
}
