//! What `gc` keeps, and for how long: settings of the server and of `cheeseshop gc` alike.

use super::Size;
use super::units::Span;
use crate::jobs::gc::Rules;
use clap::Args;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The rules of housekeeping.
#[derive(Debug, Clone, Args)]
pub struct Housekeeping {
    /// How long a blob must be unused before it is marked, and marked before it is deleted: longer than any upload takes from its
    /// last byte to its answer.
    #[arg(long, env = "CHEESESHOP_GC_GRACE", value_name = "TIME", default_value = "24h", alias = "grace")]
    pub gc_grace: Grace,
    /// How long the journal remembers changes; `forever` is possible.
    #[arg(long, env = "CHEESESHOP_KEEP_JOURNAL", value_name = "TIME", default_value = "365d")]
    pub keep_journal: Span,
    /// How long it is remembered how often files were downloaded on each day; `forever` is possible.
    #[arg(long, env = "CHEESESHOP_KEEP_DOWNLOADS", value_name = "TIME", default_value = "365d")]
    pub keep_downloads: Span,
    /// How long the bytes of files are kept that were removed or replaced; `forever` is possible.
    #[arg(long, env = "CHEESESHOP_KEEP_REMOVED", value_name = "TIME", default_value = "30d")]
    pub keep_removed: Span,
    /// How long tokens stay in their owners' lists after they have expired; `forever` is possible.
    #[arg(long, env = "CHEESESHOP_KEEP_EXPIRED", value_name = "TIME", default_value = "30d")]
    pub keep_expired: Span,
    /// Mirrors forget files and pages that nobody used for so long; files are fetched again on demand [default: off].
    #[arg(long, env = "CHEESESHOP_MIRROR_UNUSED", value_name = "TIME")]
    pub mirror_unused: Option<Span>,
    /// Mirrors forget files until they have no more than this, the longest unused first [default: off].
    #[arg(long, env = "CHEESESHOP_MIRROR_CACHE", value_name = "SIZE")]
    pub mirror_cache: Option<Size>,
}

impl Housekeeping {
    /// The rules that the flags give.
    pub fn rules(&self) -> Rules {
        Rules {
            grace: self.gc_grace.0,
            journal: self.keep_journal.0,
            downloads: self.keep_downloads.0,
            removed: self.keep_removed.0,
            expired: self.keep_expired.0,
            mirror_unused: self.mirror_unused.and_then(|span| span.0),
            mirror_cache: self.mirror_cache.map(|size| size.0),
        }
    }
}

/// A time that has an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace(pub Duration);

impl FromStr for Grace {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<Span>()?.0.map(Self).ok_or_else(|| "it must have an end: write 24h, or off for --gc-every".into())
    }
}

/// How often `gc` runs by itself; `None`: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcEvery(pub Option<Duration>);

impl Default for GcEvery {
    fn default() -> Self {
        Self(Some(crate::limits::GC_EVERY))
    }
}

impl FromStr for GcEvery {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.parse::<Span>()?.0.filter(|every| !every.is_zero())))
    }
}

impl fmt::Display for GcEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Span(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Gc {
        #[command(flatten)]
        housekeeping: Housekeeping,
    }

    fn rules(args: &[&str]) -> Result<Rules, String> {
        let parsed = Gc::try_parse_from(["gc"].iter().chain(args)).map_err(|error| error.to_string())?;
        Ok(parsed.housekeeping.rules())
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn no_default_loses_a_published_file() {
        let rules = rules(&[]).unwrap();
        assert_eq!((rules.grace, rules.journal, rules.downloads), (crate::limits::GC_GRACE, Some(365 * DAY), Some(365 * DAY)));
        assert_eq!((rules.removed, rules.expired), (Some(30 * DAY), Some(30 * DAY)));
        assert_eq!((rules.mirror_unused, rules.mirror_cache), (None, None));
    }

    #[test]
    fn rules_are_read() {
        let args = [
            "--grace",
            "0",
            "--keep-journal",
            "forever",
            "--keep-removed",
            "0",
            "--mirror-unused",
            "90d",
            "--mirror-cache",
            "5GiB",
        ];
        let given = rules(&args).unwrap();
        assert_eq!((given.grace, given.journal, given.removed), (Duration::ZERO, None, Some(Duration::ZERO)));
        assert_eq!((given.mirror_unused, given.mirror_cache), (Some(90 * DAY), Some(5 << 30)));
        assert_eq!(rules(&["--mirror-unused", "off"]).unwrap().mirror_unused, None);
        for wrong in [["--grace", "forever"], ["--keep-journal", "1y"], ["--keep-removed", "-1d"], ["--mirror-cache", "many"]] {
            assert!(rules(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn never_is_said_in_two_ways() {
        for (text, every) in [("1d", Some(DAY)), ("0", None), ("off", None)] {
            assert_eq!(text.parse(), Ok(GcEvery(every)), "{text}");
        }
    }
}
