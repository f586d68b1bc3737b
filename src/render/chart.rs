//! A chart of counts by day, as SVG to stand in a page: no script, no style of its own, in the colour of the text around it, and
//! with words for those who do not see it.

use super::words::{count, day};
use crate::pypi::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Days that a chart shows.
pub const DAYS: i64 = 90;

/// Sizes in the units of the drawing. The page scales it.
const WIDTH: i64 = 720;
const HEIGHT: i64 = 160;
/// Room for numbers at the left, dates below, half a number above.
const LEFT: i64 = 56;
const BELOW: i64 = 22;
const ABOVE: i64 = 10;
const FLOOR: i64 = HEIGHT - BELOW;

/// A chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// The counts of the days that are shown, together.
    pub total: u64,
    /// An `svg` element. `None` if there is nothing to draw.
    pub svg: Option<String>,
}

/// Draws downloads by day for the [`DAYS`] days up to `today`. Days are counted from 1970; each may come several times, in any order.
pub fn downloads(series: impl IntoIterator<Item = (i64, i64)>, today: i64) -> Chart {
    let first = today.saturating_sub(DAYS - 1);
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    for (day, number) in series {
        if (first..=today).contains(&day) {
            let sum = days.entry(day).or_default();
            *sum = sum.saturating_add(u64::try_from(number).unwrap_or(0));
        }
    }
    days.retain(|_, number| *number > 0);
    let total = days.values().fold(0, |sum: u64, number| sum.saturating_add(*number));
    Chart { total, svg: (!days.is_empty()).then(|| draw(&days, first, today, total)) }
}

fn draw(days: &BTreeMap<i64, u64>, first: i64, today: i64, total: u64) -> String {
    let (busiest, most) = days.iter().max_by_key(|(_, number)| **number).map_or((today, 1), |(day, number)| (*day, *number));
    let top = round_up(most);
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"downloads-title downloads-text\">\
         <title id=\"downloads-title\">Downloads by day</title>\
         <desc id=\"downloads-text\">{} downloads from {} to {}; most of them, {}, on {}.</desc>",
        count(total),
        date(first),
        date(today),
        count(most),
        date(busiest)
    );
    for (share, number) in [(0, 0), (1, top / 2), (2, top)] {
        let y = FLOOR - (FLOOR - ABOVE) * share / 2;
        // Half of an odd number is no number of downloads.
        if share == 1 && !top.is_multiple_of(2) {
            continue;
        }
        let _ = write!(
            svg,
            "<line class=\"chart-line\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\" stroke=\"currentColor\" stroke-opacity=\"0.2\"/>\
             <text class=\"chart-label\" x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"12\" fill=\"currentColor\">{}</text>",
            LEFT - 8,
            y + 4,
            short(number)
        );
    }
    for (day, number) in days {
        bar(&mut svg, *day - first, height(*number, top), &format!("{}: {}", date(*day), count(*number)));
    }
    for (x, anchor, day) in [(LEFT, "start", first), (WIDTH, "end", today)] {
        let _ = write!(
            svg,
            "<text class=\"chart-label\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\" font-size=\"12\" fill=\"currentColor\">{}</text>",
            HEIGHT - 5,
            date(day)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// One day's bar, with its words for whoever points at it.
fn bar(svg: &mut String, place: i64, height: i64, words: &str) {
    // In tenths, because bars are about seven units wide.
    let step = (WIDTH - LEFT) * 10 / DAYS;
    let x = LEFT * 10 + place * step;
    let _ = write!(
        svg,
        "<rect class=\"chart-bar\" x=\"{}.{}\" y=\"{}\" width=\"{}.{}\" height=\"{height}\" fill=\"currentColor\"><title>{words}</title></rect>",
        x / 10,
        x % 10,
        FLOOR - height,
        (step - 15) / 10,
        (step - 15) % 10
    );
}

/// What is there is seen, however little it is.
fn height(number: u64, top: u64) -> i64 {
    let full = u128::from(u64::try_from(FLOOR - ABOVE).unwrap_or(0));
    let height = u128::from(number) * full / u128::from(top.max(1));
    i64::try_from(height).unwrap_or(FLOOR - ABOVE).max(1)
}

/// The next 1, 2 or 5 with zeros behind it.
fn round_up(number: u64) -> u64 {
    let mut scale: u64 = 1;
    loop {
        for step in [1, 2, 5] {
            let Some(round) = scale.checked_mul(step) else { return number };
            if round >= number {
                return round;
            }
        }
        let Some(next) = scale.checked_mul(10) else { return number };
        scale = next;
    }
}

/// A number beside a line: `50`, `2k`, `5M`. Round numbers lose nothing by it.
fn short(number: u64) -> String {
    match number {
        n if n >= 1_000_000 && n.is_multiple_of(100_000) => tenths(n / 100_000, "M"),
        n if n >= 1000 && n.is_multiple_of(100) => tenths(n / 100, "k"),
        n => count(n),
    }
}

fn tenths(tenths: u64, unit: &str) -> String {
    match tenths % 10 {
        0 => format!("{}{unit}", count(tenths / 10)),
        rest => format!("{}.{rest}{unit}", count(tenths / 10)),
    }
}

fn date(days: i64) -> String {
    day(Timestamp::from_seconds(days.saturating_mul(86_400)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-01-31.
    const TODAY: i64 = 20_484;

    #[test]
    fn a_chart_is_drawn_and_told() {
        let chart =
            downloads([(TODAY, 12), (TODAY - 1, 3), (TODAY, 5), (TODAY - 89, 1), (TODAY - 90, 1000), (TODAY + 1, 1000)], TODAY);
        assert_eq!(chart.total, 21);
        insta::assert_snapshot!(chart.svg.unwrap().replace("><", ">\n<"));
    }

    #[test]
    fn nothing_is_no_chart() {
        for series in [vec![], vec![(TODAY, 0)], vec![(TODAY, -5)], vec![(0, 7)]] {
            assert_eq!(downloads(series, TODAY), Chart { total: 0, svg: None });
        }
    }

    #[test]
    fn lines_have_round_numbers() {
        assert_eq!([1, 2, 3, 17, 99, 100, 101].map(round_up), [1, 2, 5, 20, 100, 100, 200]);
        assert_eq!(
            [0, 25, 500, 1000, 2500, 25_000, 1_000_000, 2_500_000].map(short),
            ["0", "25", "500", "1k", "2.5k", "25k", "1M", "2.5M"]
        );
    }

    proptest! {
        #[test]
        fn any_series_fits_into_the_drawing(series in proptest::collection::vec((any::<i64>(), any::<i64>()), 0..100), today in any::<i64>()) {
            downloads(series.clone(), today);
            let near: Vec<(i64, i64)> = series.iter().map(|(day, number)| (TODAY - day.rem_euclid(100), *number)).collect();
            if let Some(svg) = downloads(near, TODAY).svg {
                prop_assert!(svg.len() < 30_000);
                prop_assert!(!svg.contains("style=") && !svg.contains("height=\"-") && !svg.contains("y=\"-"));
            }
        }
    }
}
