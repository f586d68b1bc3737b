//! Paths of URLs: the one place that percent-encodes and percent-decodes them. Pure.
//!
//! A path is split before it is decoded and decoded once, so that `%2F` never becomes a separator and `%252F` never a slash.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::limits::PATH_BYTES_MAX;
use crate::names::IndexPath;

/// What [`encode_segment`] escapes: all but the unreserved characters of RFC 3986 and `+`, which devpi writes as it is
/// (`+simple`, `+f`) and which local versions contain.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');

/// A decoded path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedPath<'a> {
    /// The segments, none of them empty: `/a//b/` has `a` and `b`, because clients join addresses carelessly.
    pub segments: Vec<Cow<'a, str>>,
    /// Whether the path ends with a slash; true for `/`.
    pub trailing_slash: bool,
}

/// Percent-encodes one segment of a path. The result is safe in a URL and between the quotes of an HTML attribute.
pub fn encode_segment(segment: &str) -> Cow<'_, str> {
    utf8_percent_encode(segment, ESCAPED).into()
}

/// `user/index` as a part of an absolute URL. Names hold nothing that must be escaped but letters beyond ASCII, so that the
/// result is what installers make of a relative link to the same place.
pub fn encode_index(path: &IndexPath) -> String {
    utf8_percent_encode(&path.to_string(), CONTROLS).to_string()
}

/// Percent-encodes a value of a query.
pub fn encode_query(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, NON_ALPHANUMERIC).into()
}

/// The path of an absolute address: what follows its host, without a slash at its end.
pub fn path_of(address: &str) -> &str {
    let below = address.split_once("://").map_or(address, |(_, rest)| rest);
    below.find('/').map_or("", |slash| below[slash..].trim_end_matches('/'))
}

/// Decodes the path of a request: what precedes `?`. `+` stays `+`; a `%` that escapes nothing stays too.
///
/// `None` if the path is too long or a segment can be no name: it is not UTF-8, holds a control character, a slash or a
/// backslash, or is `.` or `..`. Answer 400.
pub fn decode_path(path: &str) -> Option<DecodedPath<'_>> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let mut segments = Vec::with_capacity(SEGMENTS);
    for segment in split(path).filter(|segment| !segment.is_empty()) {
        segments.push(decode_segment(segment)?);
    }
    Some(DecodedPath { segments, trailing_slash: path.ends_with('/') })
}

/// Segments that most paths have at most.
const SEGMENTS: usize = 8;

/// What stands between slashes; on short texts several times as fast as `str::split`.
fn split(path: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    memchr::memchr_iter(b'/', path.as_bytes()).chain([path.len()]).map(move |end| {
        let segment = &path[start..end];
        start = end + 1;
        segment
    })
}

fn decode_segment(segment: &str) -> Option<Cow<'_, str>> {
    let ordinary = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+');
    if segment.bytes().all(ordinary) {
        // Nearly all are so. It stands for itself.
        return (!is_relative(segment)).then_some(segment.into());
    }
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    is_plain(&decoded).then_some(decoded)
}

fn is_relative(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

fn is_plain(segment: &str) -> bool {
    !is_relative(segment) && !segment.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segments(path: &str) -> Vec<String> {
        decode_path(path).unwrap().segments.into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn both_spellings_of_plus_find_the_file() {
        for path in ["/root/dev/+f/a-1.0+cpu-py3-none-any.whl", "/root/dev/%2Bf/a-1.0%2bcpu-py3-none-any.whl"] {
            assert_eq!(segments(path), ["root", "dev", "+f", "a-1.0+cpu-py3-none-any.whl"], "{path}");
        }
    }

    #[test]
    fn a_trailing_slash_is_told_and_doubled_ones_are_forgiven() {
        for (path, wanted, slash) in [
            ("/", vec![], true),
            ("", vec![], false),
            ("//", vec![], true),
            ("/a", vec!["a"], false),
            ("/a/", vec!["a"], true),
            ("//a///b//", vec!["a", "b"], true),
        ] {
            assert_eq!(segments(path), wanted, "{path}");
            assert_eq!(decode_path(path).unwrap().trailing_slash, slash, "{path}");
        }
    }

    #[test]
    fn a_segment_is_decoded_once() {
        assert_eq!(segments("/a%252Fb"), ["a%2Fb"]);
        assert_eq!(segments("/%E2%82%AC%20b"), ["€ b"]);
        assert_eq!(segments("/100%/%zz/%2"), ["100%", "%zz", "%2"]);
        assert_eq!(segments("/.../..a/a.."), ["...", "..a", "a.."]);
    }

    #[test]
    fn what_can_be_no_name_is_refused() {
        for path in [
            "/a%2Fb",
            "/a%5Cb",
            "/a\\b",
            "/..",
            "/a/../b",
            "/.",
            "/%2e%2E/b",
            "/.%2e",
            "/a%00",
            "/%0a",
            "/a%7F",
            "/%C2%85",
            "/%ff",
            "/%c3",
            "/%c0%af",
        ] {
            assert_eq!(decode_path(path), None, "{path}");
        }
    }

    #[test]
    fn the_longest_path_is_accepted_and_no_longer_one() {
        let longest = format!("/{}", "a".repeat(PATH_BYTES_MAX - 1));
        assert_eq!(segments(&longest)[0].len(), PATH_BYTES_MAX - 1);
        assert_eq!(decode_path(&format!("{longest}a")), None);
    }

    #[test]
    fn ordinary_names_need_no_escape() {
        assert!(matches!(encode_segment("a_b-1.0+cpu~x.whl"), Cow::Borrowed("a_b-1.0+cpu~x.whl")));
        assert_eq!(encode_segment("1!2 \"<é>'&@%/"), "1%212%20%22%3C%C3%A9%3E%27%26%40%25%2F");
    }

    #[test]
    fn names_of_indexes_are_escaped_beyond_ascii_only() {
        for (path, expected) in [("a.b@c/x_y-z", "a.b@c/x_y-z"), ("josé/dev", "jos%C3%A9/dev")] {
            assert_eq!(encode_index(&IndexPath::parse(path).unwrap()), expected);
        }
    }

    proptest! {
        #[test]
        fn encoding_and_decoding_give_back_every_allowed_name(names in prop::collection::vec("[^/\\\\\\pC]{1,20}", 1..5)) {
            prop_assume!(names.iter().all(|name| is_plain(name)));
            let path: String = names.iter().map(|name| format!("/{}", encode_segment(name))).collect();
            prop_assert!(path.is_ascii());
            prop_assert_eq!(segments(&path), names);
        }

        #[test]
        fn any_path_is_judged_without_panic_and_only_plain_segments_come_out(path in "(/|%2[ef]|%5c|[.%a-f0-9]|.){0,30}") {
            if let Some(decoded) = decode_path(&path) {
                prop_assert!(decoded.segments.iter().all(|s| is_plain(s) && !s.is_empty()), "{:?}", decoded);
            }
        }
    }
}
