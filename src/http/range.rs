//! Parts of files: the `Range`, `If-Range` and `Content-Range` headers (RFC 9110 section 14). Pure.
//!
//! One range is served; a request for several is answered with the whole file, as the RFC allows. No client of a package index
//! asks for several.

use std::ops::Range;
use std::time::UNIX_EPOCH;

use super::etag::Etag;
use crate::pypi::Timestamp;

/// What a `Range` header asks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeResult {
    /// The header is to be ignored: answer 200 with the whole file.
    Whole,
    /// Answer 206 with these bytes; never empty, never beyond the file.
    Part(Range<u64>),
    /// Nothing of the file lies in the range: answer 416 with [`unsatisfied`] as `Content-Range`.
    Unsatisfiable,
}

/// Judges a `Range` header for a file of `size` bytes.
///
/// Other units, several ranges and malformed headers are ignored, and so is any range of an empty file: some clients ask
/// for `bytes=0-` always, and 416 would fail them.
pub fn parse(header: &str, size: u64) -> RangeResult {
    let Some((first, last)) = single_range(header) else { return RangeResult::Whole };
    match (number(first), number(last)) {
        _ if size == 0 => RangeResult::Whole,
        (Some(first), Some(last)) if first > last => RangeResult::Whole,
        (Some(first), _) if first >= size => RangeResult::Unsatisfiable,
        (Some(first), Some(last)) => RangeResult::Part(first..last.saturating_add(1).min(size)),
        (Some(first), None) => RangeResult::Part(first..size),
        (None, Some(0)) => RangeResult::Unsatisfiable,
        (None, Some(count)) => RangeResult::Part(size.saturating_sub(count)..size),
        (None, None) => RangeResult::Whole,
    }
}

/// Whether a `Range` may be honoured in view of the request's `If-Range`: the client's part is of the very file we have.
///
/// Compares strongly, as RFC 9110 section 13.1.5 asks: a weak tag never matches, a date only if it is exactly ours.
pub fn if_range_matches(if_range: &str, etag: &Etag, last_modified: Option<Timestamp>) -> bool {
    let if_range = if_range.trim();
    if if_range.starts_with('"') || if_range.starts_with("W/") {
        return if_range == etag.as_str();
    }
    let Ok(date) = httpdate::parse_http_date(if_range) else { return false };
    let seconds = date.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds.is_some() && seconds == last_modified.map(Timestamp::seconds)
}

/// `Content-Range` of a 206. `part` is not empty, as [`parse`] guarantees.
pub fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

/// `Content-Range` of a 416.
pub fn unsatisfied(size: u64) -> String {
    format!("bytes */{size}")
}

/// The two ends of a single byte range as they are written; each is digits or nothing. `None` if the header is anything else.
fn single_range(header: &str) -> Option<(&str, &str)> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (digits(first) && digits(last)).then_some((first, last))
}

/// The number that `digits` write; one too big for any file is as good as the biggest. `None` for no digits.
fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pypi::Sha256;
    use RangeResult::{Part, Unsatisfiable, Whole};
    use proptest::prelude::*;

    #[test]
    fn ranges_of_a_thousand_bytes() {
        for (header, wanted) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-499", Part(0..500)),
            ("bytes=500-", Part(500..1000)),
            ("bytes=999-", Part(999..1000)),
            ("bytes=990-2000", Part(990..1000)),
            ("bytes=-1", Part(999..1000)),
            ("bytes=-1000", Part(0..1000)),
            ("bytes=-10000", Part(0..1000)),
            ("bytes=0-99999999999999999999999999", Part(0..1000)),
            ("bytes=0-18446744073709551615", Part(0..1000)),
            ("bytes=-99999999999999999999999999", Part(0..1000)),
            ("Bytes= 1-2 ", Part(1..3)),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=1000-2000", Unsatisfiable),
            ("bytes=99999999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=5-4", Whole),
            ("bytes=2000-1000", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=--5", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=0-1,", Whole),
            ("lines=0-1", Whole),
        ] {
            assert_eq!(parse(header, 1000), wanted, "{header}");
        }
    }

    #[test]
    fn an_empty_file_is_always_whole() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-"] {
            assert_eq!(parse(header, 0), Whole, "{header}");
        }
    }

    #[test]
    fn a_range_holds_only_for_the_same_file() {
        let etag = Etag::of_digest(&Sha256::of(b"cheese"));
        let modified = Timestamp::parse("2026-01-31T12:00:00.25Z");
        let date = "Sat, 31 Jan 2026 12:00:00 GMT";
        assert!(if_range_matches(etag.as_str(), &etag, None));
        assert!(if_range_matches(date, &etag, modified));
        for if_range in [&format!("W/{}", etag.as_str()), "\"other\"", "*", "", "Sat, 31 Jan 2026 12:00:01 GMT", "yesterday"] {
            assert!(!if_range_matches(if_range, &etag, modified), "{if_range}");
        }
        assert!(!if_range_matches(date, &etag, None));
        assert!(!if_range_matches("", &etag, None), "no date is not the same as an unknown date");
    }

    #[test]
    fn content_ranges_as_clients_read_them() {
        assert_eq!(content_range(&(0..500), 1000), "bytes 0-499/1000");
        assert_eq!(content_range(&(999..1000), 1000), "bytes 999-999/1000");
        assert_eq!(unsatisfied(1000), "bytes */1000");
    }

    /// The bytes that `parse` selects, found one by one.
    fn model(wanted: impl Fn(u64) -> bool, size: u64) -> Vec<u64> {
        (0..size).filter(|&at| wanted(at)).collect()
    }

    fn selected(header: &str, size: u64) -> Vec<u64> {
        match parse(header, size) {
            Part(range) => {
                assert!(!range.is_empty() && range.end <= size, "{header} of {size}: {range:?}");
                range.collect()
            }
            Unsatisfiable => Vec::new(),
            Whole => panic!("{header} of {size} was ignored"),
        }
    }

    proptest! {
        #[test]
        fn every_kind_of_range_selects_what_the_model_does(size in 1u64..40, a in 0u64..50, more in 0u64..50) {
            let b = a + more;
            prop_assert_eq!(selected(&format!("bytes={a}-{b}"), size), model(|at| at >= a && at <= b, size));
            prop_assert_eq!(selected(&format!("bytes={a}-"), size), model(|at| at >= a, size));
            prop_assert_eq!(selected(&format!("bytes=-{a}"), size), model(|at| at + a >= size, size));
        }

        #[test]
        fn any_header_is_judged_without_panic(header in "(bytes=)?[0-9]{0,30}-?[0-9]{0,30}.{0,4}", size in any::<u64>()) {
            if let Part(range) = parse(&header, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
