//! Links and hashes of other indexes' pages: made absolute, cleaned, checked.
//!
//! No other file decides which schemes are followed or which hashes count.

use percent_encoding::percent_decode_str;
use url::Url;

/// A link of a page that may be followed.
pub(super) struct Link {
    /// Absolute, `http` or `https`, without fragment and credentials.
    pub url: String,
    /// The last segment of the path, decoded; empty if the path ends in `/` or does not decode to UTF-8.
    pub last_segment: String,
    /// Hashes from the fragment, checked, the best first.
    pub hashes: Vec<(String, String)>,
}

/// Hash algorithms of links and pages with the number of their hex digits, the best first. `sha256` leads, because it is
/// the hash that files are stored and linked by; the others follow by strength.
const ALGORITHMS: &[(&str, usize)] = &[
    ("sha256", 64),
    ("sha512", 128),
    ("sha3_512", 128),
    ("blake2b", 128),
    ("sha384", 96),
    ("sha3_384", 96),
    ("sha3_256", 64),
    ("blake2b", 64),
    ("blake2b_256", 64),
    ("blake2s", 64),
    ("sha224", 56),
    ("sha3_224", 56),
    ("sha1", 40),
    ("md5", 32),
];

/// Makes `href` absolute. `None` for what is not fetched: other schemes than `http` and `https`, nonsense.
pub(super) fn resolve(base: &Url, href: &str) -> Option<Link> {
    let mut url = base.join(href.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    let hashes = fragment_hashes(url.fragment().unwrap_or_default());
    url.set_fragment(None);
    let segment = url.path_segments().and_then(Iterator::last).unwrap_or_default();
    let last_segment = percent_decode_str(segment).decode_utf8().map(String::from).unwrap_or_default();
    Some(Link { url: url.into(), last_segment, hashes })
}

/// Keeps the hashes that are well formed, in lower case, the best first; of each algorithm the first that is given.
pub(super) fn checked_hashes<'a>(hashes: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut found: Vec<(usize, String, String)> = Vec::new();
    for hash in hashes.filter_map(|(algorithm, hex)| checked(algorithm, hex)) {
        if !found.iter().any(|(_, algorithm, _)| *algorithm == hash.1) {
            found.push(hash);
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, algorithm, hex)| (algorithm, hex)).collect()
}

/// How good a file's best hash is; lower is better.
pub(super) fn rank(hashes: &[(String, String)]) -> usize {
    hashes.iter().filter_map(|(algorithm, hex)| position(algorithm, hex)).min().unwrap_or(usize::MAX)
}

/// The hashes of `sha256=…`, or of several such pairs joined with `&`; other pairs, such as `egg=…`, are passed over.
pub(super) fn fragment_hashes(fragment: &str) -> Vec<(String, String)> {
    checked_hashes(fragment.split('&').filter_map(|pair| pair.split_once('=')))
}

fn checked(algorithm: &str, hex: &str) -> Option<(usize, String, String)> {
    let (algorithm, hex) = (algorithm.trim().to_ascii_lowercase(), hex.trim().to_ascii_lowercase());
    let position = position(&algorithm, &hex)?;
    hex.bytes().all(|b| b.is_ascii_hexdigit()).then_some((position, algorithm, hex))
}

fn position(algorithm: &str, hex: &str) -> Option<usize> {
    ALGORITHMS.iter().position(|(name, digits)| *name == algorithm && *digits == hex.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(href: &str) -> Option<String> {
        resolve(&Url::parse("https://user:secret@index.example/simple/foo/").unwrap(), href).map(|link| link.url)
    }

    #[test]
    fn links_become_absolute_and_clean() {
        for (href, expected) in [
            ("../../f/foo-1.zip#sha256=00", "https://index.example/f/foo-1.zip"),
            ("//files.example/foo-1+x.zip", "https://files.example/foo-1+x.zip"),
            ("http://a:b@files.example/foo-1.zip?a=b&c#egg=foo", "http://files.example/foo-1.zip?a=b&c"),
            (" foo-1.zip\n", "https://index.example/simple/foo/foo-1.zip"),
        ] {
            assert_eq!(url(href).as_deref(), Some(expected), "{href}");
        }
    }

    #[test]
    fn only_http_is_followed() {
        for href in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://files.example/foo-1.zip",
            "http://",
            "https://[::1",
        ] {
            assert_eq!(url(href), None, "{href}");
        }
    }

    #[test]
    fn the_last_segment_is_decoded() {
        let base = Url::parse("https://index.example/").unwrap();
        for (href, expected) in [("a/foo%2D1%2B2.zip", "foo-1+2.zip"), ("a/b%2Fc", "b/c"), ("a/", ""), ("", ""), ("%ff", "")] {
            assert_eq!(resolve(&base, href).unwrap().last_segment, expected, "{href}");
        }
    }

    #[test]
    fn only_whole_hashes_of_known_algorithms_count() {
        let (sha, md5) = ("AB".repeat(32), "cd".repeat(16));
        let fragment = format!("egg=foo&md5={md5}&SHA256={sha}&sha256={md5}&sha1=zz&sha512={sha}&crc=00");
        assert_eq!(fragment_hashes(&fragment), [("sha256".to_owned(), sha.to_lowercase()), ("md5".to_owned(), md5.clone())]);
        assert_eq!(fragment_hashes(&format!("sha256={}", "g".repeat(64))), []);
        assert_eq!(fragment_hashes(&format!("md5={md5}&md5={}", "0".repeat(32))), [("md5".to_owned(), "cd".repeat(16))]);
        assert!(rank(&fragment_hashes(&fragment)) < rank(&[]));
    }
}
