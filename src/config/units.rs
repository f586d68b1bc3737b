//! Sizes and lengths of time as people write them. Pure.

use crate::clock::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::str::FromStr;
use std::time::Duration;

/// Suffixes of sizes, in lower case, with their bytes. Only powers of 1024: with `MB` half of the people would mean the other.
const SIZES: &[(&str, u64)] = &[("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("b", 1), ("", 1)];

/// Reads `4GiB`, `64 MiB`, `512KiB`, `100B` or `100` as bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size: write a whole number of bytes, KiB, MiB or GiB, such as 64MiB");
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let (_, factor) = SIZES.iter().find(|(suffix, _)| *suffix == unit.trim()).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // SQL integers are signed.
    number
        .checked_mul(*factor)
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| format!("'{text}' is too large a size"))
}

/// The size in the largest unit that divides it, as [`parse_size`] reads it.
pub fn show_size(bytes: u64) -> String {
    let fits = |(suffix, factor): &&(&str, u64)| !suffix.is_empty() && bytes >= *factor && bytes.is_multiple_of(*factor);
    match SIZES.iter().filter(fits).max_by_key(|(_, factor)| *factor) {
        Some(("gib", factor)) => format!("{}GiB", bytes / factor),
        Some(("mib", factor)) => format!("{}MiB", bytes / factor),
        Some(("kib", factor)) => format!("{}KiB", bytes / factor),
        _ => bytes.to_string(),
    }
}

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It does not.
    Never,
    /// This long after it was made.
    After(Duration),
    /// From this moment on.
    At(Timestamp),
}

impl Expiry {
    /// The moment, for something that is made `now`.
    pub fn moment(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Expiry::Never => None,
            Expiry::After(wait) => Some(now.plus(wait)),
            Expiry::At(at) => Some(at),
        }
    }
}

impl FromStr for Expiry {
    type Err = String;

    /// Reads `never`, `90d`, `12h`, `2027-01-31` (from the beginning of that day on, UTC) or a full RFC 3339 moment.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not an end: write 90d, 12h, 30m, 45s, 2027-01-31 or never");
        if text == "never" {
            return Ok(Expiry::Never);
        }
        if let Some(at) = Timestamp::parse(text).or_else(|| beginning_of_day(text)) {
            return Ok(Expiry::At(at));
        }
        let count = |unit| text.strip_suffix(unit).and_then(|digits| digits.parse::<u32>().ok());
        let seconds = SPANS.into_iter().find_map(|(unit, seconds)| count(unit).map(|n| u64::from(n) * seconds));
        let seconds = seconds.filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
        Ok(Expiry::After(Duration::from_secs(seconds)))
    }
}

/// Units of lengths of time, with their seconds; the longest first.
const SPANS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// How long something is kept, or how often something is done; `None`: for ever, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Option<Duration>);

impl FromStr for Span {
    type Err = String;

    /// Reads `90d`, `12h`, `30m`, `45s`, `0`, and `forever` or `off`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "forever" | "off" => return Ok(Self(None)),
            "0" => return Ok(Self(Some(Duration::ZERO))),
            _ => {}
        }
        let count = |unit| text.strip_suffix(unit).and_then(|digits| digits.parse::<u32>().ok());
        let seconds = SPANS.into_iter().find_map(|(unit, seconds)| count(unit).map(|n| u64::from(n) * seconds));
        let seconds = seconds.filter(|_| text.starts_with(|c: char| c.is_ascii_digit()));
        let wrong = || format!("'{text}' is not a length of time: write 90d, 12h, 30m, 45s, 0, or off for no end");
        seconds.map(|seconds| Self(Some(Duration::from_secs(seconds)))).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Span {
    /// In the largest unit that divides it, as it is read.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(span) = self.0 else { return f.write_str("off") };
        let seconds = span.as_secs();
        match SPANS.into_iter().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(*unit)) {
            Some((unit, length)) => write!(f, "{}{unit}", seconds / length),
            None => f.write_str("0"),
        }
    }
}

fn beginning_of_day(text: &str) -> Option<Timestamp> {
    let date: Date = text.parse().ok().filter(|_| text.len() == "2027-01-31".len())?;
    Some(Timestamp(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("100", 100),
            ("100B", 100),
            ("3KiB", 3 << 10),
            ("64MiB", 64 << 20),
            ("64 mib", 64 << 20),
            (" 4GiB ", 4 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "B", "MiB", "-1", "+1", "1.5GiB", "64MB", "64M", "0x10", "9999999999GiB", "18446744073709551616", "4 Gi B"]
        {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ends_are_read() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        for (text, moment) in [
            ("never", None),
            ("90d", Some("2026-04-01T00:00:00Z")),
            ("12h", Some("2026-01-01T12:00:00Z")),
            ("2027-01-31", Some("2027-01-31T00:00:00Z")),
            ("2027-01-31T12:00:00+01:00", Some("2027-01-31T11:00:00Z")),
        ] {
            let expected = moment.map(|text| Timestamp::parse(text).unwrap());
            assert_eq!(text.parse::<Expiry>().unwrap().moment(now), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_end_is_refused() {
        for text in ["", "d", "0d", "-1d", "1.5d", "90", "90w", "2027-02-30", "20270131", "2027-01-31T12:00:00", "Never"] {
            assert!(text.parse::<Expiry>().is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_read() {
        for (text, seconds) in
            [("90d", Some(7_776_000)), ("12h", Some(43_200)), ("0", Some(0)), ("0s", Some(0)), ("off", None), ("forever", None)]
        {
            assert_eq!(text.parse::<Span>().unwrap().0, seconds.map(Duration::from_secs), "{text}");
        }
        for text in ["", "d", "-1d", "+1d", "1.5d", "90", "90w", "never", "99999999999d", " 1d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for shown in ["90d", "25h", "90m", "61s", "0", "off"] {
            assert_eq!(shown.parse::<Span>().unwrap().to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn a_shown_size_reads_the_same(bytes in 0..=i64::MAX as u64) {
            prop_assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_is_too_strange(text in ".*") {
            let _ = (parse_size(&text), text.parse::<Expiry>());
        }
    }
}
