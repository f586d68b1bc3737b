//! What two servers in a row might read differently is refused, although the library would take it: so no request hides in another one
//! behind a proxy. What the library refuses itself (two lengths, folded lines, odd codings) is not looked at again.

use axum::http::header::{HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Version};

/// Why a request over HTTP/1 is refused (400), if it is.
pub fn refusal(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    if !host_is_sound(version, headers) {
        // RFC 9112, 3.2.
        return Some("a request has one Host header, which names a host");
    }
    match coding_is_sound(headers) {
        true => None,
        false => Some("the only Transfer-Encoding is chunked, once"),
    }
}

fn host_is_sound(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => host.as_bytes().iter().all(|byte| may_name_a_host(*byte)),
        (Some(_), Some(_)) => false,
    }
}

fn may_name_a_host(byte: u8) -> bool {
    let ends_it =
        matches!(byte, b'/' | b'\\' | b'@' | b'?' | b'#' | b'<' | b'>' | b'"' | b'{' | b'}' | b'|' | b'^' | b'`' | b',');
    byte.is_ascii_graphic() && !ends_it
}

fn coding_is_sound(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn is_refused(version: Version, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        refusal(version, &map).is_some()
    }

    #[test]
    fn one_host_and_one_coding() {
        for host in ["index.example", "index.example:8080", "[::1]:80", "127.0.0.1", ""] {
            assert!(!is_refused(Version::HTTP_11, &[("host", host)]), "{host}");
        }
        for host in ["a b", "a,b", "a/b", "user@a", "a\tb"] {
            assert!(is_refused(Version::HTTP_11, &[("host", host)]), "{host}");
        }
        assert!(is_refused(Version::HTTP_11, &[]) && !is_refused(Version::HTTP_10, &[]));
        assert!(is_refused(Version::HTTP_10, &[("host", "a"), ("host", "a")]));
        for (codings, refused) in [
            (&["chunked"][..], false),
            (&["Chunked"], false),
            (&["gzip, chunked"], true),
            (&["chunked, chunked"], true),
            (&["identity", "chunked"], true),
        ] {
            let headers: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).chain([("host", "a")]).collect();
            assert_eq!(is_refused(Version::HTTP_11, &headers), refused, "{codings:?}");
        }
    }
}
