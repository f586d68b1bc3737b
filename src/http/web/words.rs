//! Values as pages write them: moments, sizes, counts.

use crate::clock::Timestamp;
use askama::filters::HtmlSafe;
use std::fmt;

/// A moment as a `<time>` element: the day, with the exact time on hover; the script turns both into the reader's zone.
#[derive(Debug, Clone, Copy)]
pub struct Day(pub Timestamp);

/// The same with its time of day.
#[derive(Debug, Clone, Copy)]
pub struct Moment(pub Timestamp);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = self.0.iso_seconds();
        let (day, time) = iso.split_once('T').unwrap_or((&iso, ""));
        write!(f, r#"<time datetime="{iso}" title="{day} {} UTC">{day}</time>"#, time.trim_end_matches('Z'))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = self.0.iso_seconds();
        let words = iso.replace('T', " ").replace('Z', " UTC");
        write!(f, r#"<time datetime="{iso}" title="{words}" data-exact>{words}</time>"#)
    }
}

/// For templates, which have moments by reference.
pub fn moment(at: &Timestamp) -> Moment {
    Moment(*at)
}

impl HtmlSafe for Day {}
impl HtmlSafe for Moment {}

/// A number of bytes: `1.2 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A count with its noun: `1 file`, `2 files`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts() {
        let sizes = [0, 1023, 1024, 1_048_524, 1_048_576, 5_000_000_000].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1023.9 KiB", "1.0 MiB", "4.7 GiB"]);
        assert_eq!((count(1, "file", "files"), count(0, "file", "files")), ("1 file".into(), "0 files".into()));
    }

    #[test]
    fn moments_are_elements() {
        let at = Timestamp::from_seconds(1_700_000_000);
        assert_eq!(
            Day(at).to_string(),
            r#"<time datetime="2023-11-14T22:13:20Z" title="2023-11-14 22:13:20 UTC">2023-11-14</time>"#
        );
        assert!(Moment(at).to_string().ends_with(">2023-11-14 22:13:20 UTC</time>"));
    }
}
