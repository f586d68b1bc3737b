//! Where people reach this server, for the absolute addresses that JSON answers contain.
//!
//! Simple pages never come here: their links are relative and hold behind any proxy.

use super::{Call, Site};
use crate::urls::decode_path;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use url::Url;

/// The address of the server's root as this caller reaches it, without a slash at its end.
pub fn base(site: &Site, call: &Call<'_>) -> String {
    base_of(site.outside_url.as_ref(), own_scheme(site), is_proxy(site, call.peer), call.headers)
}

/// Whether a proxy sends this whose forwarding headers are believed.
pub fn is_proxy(site: &Site, peer: SocketAddr) -> bool {
    is_trusted(&site.trusted_proxies, peer.ip())
}

/// Where a request comes from: the last address on its way that is none of our proxies'. What stands before that in
/// `X-Forwarded-For` anybody could have written.
pub fn client(site: &Site, headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
    if !is_proxy(site, peer) {
        return peer.ip().to_canonical();
    }
    let listed = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let way: Vec<&str> = listed.flat_map(|list| list.split(',')).map(str::trim).collect();
    let mut client = peer.ip().to_canonical();
    for hop in way.iter().rev() {
        match hop.parse::<IpAddr>() {
            Ok(before) if is_trusted(&site.trusted_proxies, client) => client = before.to_canonical(),
            _ => break,
        }
    }
    client
}

/// The path below the prefix under which people reach this server, for proxies that pass it on whole. Most cut it off; then
/// nothing is taken away.
pub fn below_prefix<'a, 'b>(site: &Site, headers: &HeaderMap, peer: SocketAddr, segments: &'a [&'b str]) -> &'a [&'b str] {
    let trusted = is_proxy(site, peer);
    if site.outside_url.is_none() && !trusted {
        return segments;
    }
    without_prefix(&base_of(site.outside_url.as_ref(), own_scheme(site), trusted, headers), segments)
}

/// The segments without those of the path of `base`, if they begin with them.
fn without_prefix<'a, 'b>(base: &str, segments: &'a [&'b str]) -> &'a [&'b str] {
    let Ok(url) = Url::parse(base) else { return segments };
    let Some(prefix) = decode_path(url.path()) else { return segments };
    let begins_so =
        segments.len() >= prefix.segments.len() && prefix.segments.iter().zip(segments).all(|(own, sent)| own == sent);
    if begins_so { &segments[prefix.segments.len()..] } else { segments }
}

fn is_trusted(proxies: &[IpNet], peer: IpAddr) -> bool {
    // A socket for both protocols shows IPv4 peers as ::ffff:a.b.c.d.
    let peer = peer.to_canonical();
    proxies.iter().any(|net| net.contains(&peer))
}

fn own_scheme(site: &Site) -> &'static str {
    if site.https { "https" } else { "http" }
}

/// `--outside-url`; else what a trusted proxy says; else the request's own `Host`, and what this server speaks itself.
fn base_of(configured: Option<&Url>, own_scheme: &str, trusted: bool, headers: &HeaderMap) -> String {
    if let Some(url) = configured {
        return without_slash(url);
    }
    let own_host = header(headers, HOST.as_str()).filter(|host| is_authority(host)).unwrap_or("localhost");
    match trusted {
        true => forwarded(headers, own_scheme, own_host),
        false => format!("{own_scheme}://{own_host}"),
    }
}

/// What a trusted proxy says: devpi's `X-Outside-Url`, or `X-Forwarded-Proto`, `-Host` and `-Prefix`, each of which may be absent.
fn forwarded(headers: &HeaderMap, own_scheme: &str, own_host: &str) -> String {
    let outside = header(headers, "x-outside-url").and_then(|text| Url::parse(text).ok());
    if let Some(url) = outside.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        return without_slash(&url);
    }
    let scheme = first(headers, "x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https")).unwrap_or(own_scheme);
    let host = first(headers, "x-forwarded-host").filter(|host| is_authority(host)).unwrap_or(own_host);
    let prefix = first(headers, "x-forwarded-prefix").filter(|prefix| is_path(prefix)).unwrap_or_default();
    format!("{scheme}://{host}{}", prefix.trim_end_matches('/'))
}

fn without_slash(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The first of a list: each proxy on the way appends its own, so this is what the client's side saw.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    header(headers, name)?.split(',').next().map(str::trim)
}

/// `host` or `host:port`, and nothing that could carry a path, a user or a header along.
fn is_authority(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    !text.is_empty() && text.chars().all(allowed) && Url::parse(&format!("http://{text}/")).is_ok()
}

fn is_path(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/.-_~%+@".contains(c);
    text.starts_with('/') && !text.starts_with("//") && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    type Headers = [(&'static str, &'static str)];

    fn headers(list: &Headers) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_table() {
        let host = ("host", "own.example:3141");
        let cases: &[(&Headers, bool, &str)] = &[
            (&[host], false, "http://own.example:3141"),
            (&[], false, "http://localhost"),
            (&[("host", "[::1]:3141")], false, "http://[::1]:3141"),
            (&[("host", "evil/path")], false, "http://localhost"),
            (&[("host", "user@evil")], false, "http://localhost"),
            (&[("host", "a b")], false, "http://localhost"),
            (&[("host", "name:99999")], false, "http://localhost"),
            // From anybody: not believed.
            (&[host, ("x-outside-url", "https://evil.example")], false, "http://own.example:3141"),
            (&[host, ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil.example")], false, "http://own.example:3141"),
            // From a trusted proxy.
            (&[host, ("x-outside-url", "https://index.example/pkg/")], true, "https://index.example/pkg"),
            (&[host, ("x-outside-url", "javascript:alert(1)")], true, "http://own.example:3141"),
            (&[host, ("x-forwarded-proto", "https")], true, "https://own.example:3141"),
            (&[host, ("x-forwarded-proto", "gopher")], true, "http://own.example:3141"),
            (&[host, ("x-forwarded-host", "index.example, inner.example")], true, "http://index.example"),
            (&[host, ("x-forwarded-host", "evil/")], true, "http://own.example:3141"),
            (
                &[("x-forwarded-proto", "https"), ("x-forwarded-host", "index.example"), ("x-forwarded-prefix", "/pkg/")],
                true,
                "https://index.example/pkg",
            ),
            (&[host, ("x-forwarded-prefix", "//evil.example")], true, "http://own.example:3141"),
        ];
        for (given, trusted, expected) in cases {
            assert_eq!(base_of(None, "http", *trusted, &headers(given)), *expected, "{given:?}, trusted: {trusted}");
        }
    }

    #[test]
    fn a_server_that_speaks_tls_is_at_https_unless_a_proxy_says_otherwise() {
        let host = ("host", "own.example");
        assert_eq!(base_of(None, "https", false, &headers(&[host])), "https://own.example");
        assert_eq!(base_of(None, "https", true, &headers(&[host])), "https://own.example");
        assert_eq!(base_of(None, "https", true, &headers(&[host, ("x-forwarded-proto", "http")])), "http://own.example");
    }

    #[test]
    fn a_prefix_that_was_passed_on_is_taken_away() {
        let base = "https://index.example/pkg%20x/devpi";
        assert_eq!(without_prefix(base, &["pkg x", "devpi", "root", "main"]), ["root", "main"]);
        assert_eq!(without_prefix(base, &["root", "main"]), ["root", "main"], "most proxies cut it off themselves");
        assert_eq!(without_prefix(base, &["pkg x"]), ["pkg x"]);
        assert_eq!(without_prefix("https://index.example", &["root"]), ["root"]);
    }

    #[test]
    fn what_the_operator_says_wins() {
        let given = headers(&[("host", "own.example"), ("x-outside-url", "https://proxy.example")]);
        for (url, expected) in
            [("https://index.example/", "https://index.example"), ("https://i.example/a/?q#f", "https://i.example/a")]
        {
            assert_eq!(base_of(Some(&Url::parse(url).unwrap()), "https", true, &given), expected);
        }
    }

    #[test]
    fn proxies_are_known_by_their_network() {
        let nets: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        for (peer, expected) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("::1", true), ("11.0.0.1", false), ("::2", false)]
        {
            assert_eq!(is_trusted(&nets, peer.parse().unwrap()), expected, "{peer}");
        }
        assert!(!is_trusted(&[], "127.0.0.1".parse().unwrap()));
    }
}
