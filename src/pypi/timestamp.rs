//! Moments as integers. Text times sort wrongly in SQLite and differ between engines; an integer does not.

use std::time::Duration;

/// Microseconds since 1970-01-01 UTC. The only form in which a time is stored or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The earliest moment this program writes: 1970-01-01.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// Parses RFC 3339 with an offset or `Z`, with or without a fraction (PEP 700 `upload-time`). `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_microsecond()))
    }

    /// `2026-01-31T12:00:00.000000Z`: what PEP 700 asks of `upload-time`.
    pub fn iso_micros(self) -> String {
        format!("{:.6}", self.jiff())
    }

    /// `2026-01-31T12:00:00Z`: the form of devpi's `created` and `modified`.
    pub fn iso_seconds(self) -> String {
        self.jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// `Sat, 31 Jan 2026 12:00:00 GMT`: the form of HTTP dates.
    pub fn http_date(self) -> String {
        let seconds = u64::try_from(self.0.div_euclid(1_000_000)).unwrap_or(0);
        httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// This moment plus `wait`, at most the end of time.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment less `span`, at least the beginning of time.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to here; zero if it is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// A moment given in whole seconds since 1970; the ends of time for what cannot be counted.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The same moment as a `jiff` value; out of range becomes 1970.
    fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_moment() {
        let t = Timestamp::parse("2026-01-31T12:00:00.25Z").unwrap();
        assert_eq!(t.iso_micros(), "2026-01-31T12:00:00.250000Z");
        assert_eq!(t.iso_seconds(), "2026-01-31T12:00:00Z");
        assert_eq!(t.http_date(), "Sat, 31 Jan 2026 12:00:00 GMT");
        assert_eq!(Timestamp::parse(&t.iso_micros()), Some(t));
        assert_eq!(Timestamp::parse("2026-01-31T13:00:00.25+01:00"), Some(t));
    }

    #[test]
    fn times_without_a_zone_are_not_guessed() {
        for text in ["2026-01-31T12:00:00", "2026-01-31", "yesterday", ""] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
