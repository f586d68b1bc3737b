//! Which development releases of a project go by themselves: the index's options `keep_dev_releases` and `keep_dev_days`. Pure.
//!
//! A development release is a version with a `.devN` segment (PEP 440), such as nightly builds have; alphas, betas and release
//! candidates were published on purpose and stay. Where both options are set a release goes only if both say so.

use super::settings::Settings;
use crate::clock::Timestamp;
use crate::db::releases::Aged;
use crate::pypi::Version;
use std::time::Duration;

/// Whether the index lets any go.
pub fn is_set(settings: &Settings) -> bool {
    settings.keep_dev_releases.is_some() || settings.keep_dev_days.is_some()
}

/// The releases that go, of all `releases` of a project, the newest version first.
pub fn going<'a>(settings: &Settings, releases: &'a [Aged], now: Timestamp) -> Vec<&'a Aged> {
    let is_dev = |release: &&Aged| Version::parse(&release.version).is_ok_and(|version| version.is_development());
    let is_beyond = |place: usize| settings.keep_dev_releases.is_none_or(|keep| place as u64 >= keep);
    let is_old = |release: &Aged| {
        settings.keep_dev_days.is_none_or(|days| now.since(release.created) >= Duration::from_secs(days.saturating_mul(86_400)))
    };
    let in_order = releases.iter().filter(is_dev).enumerate();
    let going = in_order.filter(|(place, release)| is_set(settings) && is_beyond(*place) && is_old(release));
    going.map(|(_, release)| release).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DAY: i64 = 86_400_000_000;

    /// Versions, the newest first, each with its age in days.
    fn gone(options: serde_json::Value, releases: &[(&str, i64)]) -> Vec<String> {
        let serde_json::Value::Object(options) = options else { unreachable!() };
        let now = Timestamp(1000 * DAY);
        let row = |(version, days): &(&str, i64)| Aged {
            version: (*version).to_owned(),
            created: Timestamp(now.0 - days * DAY),
            size: 1,
        };
        let rows: Vec<Aged> = releases.iter().map(row).collect();
        going(&Settings::read(options), &rows, now).into_iter().map(|release| release.version.clone()).collect()
    }

    const NIGHTLY: &[(&str, i64)] = &[
        ("2.0.dev4", 1),
        ("2.0.dev3+gabc", 2),
        ("1.9", 50),
        ("1.9rc1", 60),
        ("1.9a1.dev2", 70),
        ("1.9.DEV1", 80),
        ("what", 900),
    ];

    #[test]
    fn nothing_goes_unless_an_option_says_so() {
        assert!(gone(json!({}), NIGHTLY).is_empty());
        assert!(gone(json!({"volatile": true}), NIGHTLY).is_empty());
    }

    #[test]
    fn the_newest_stay_and_what_is_no_development_release_does_not_count() {
        assert_eq!(gone(json!({"keep_dev_releases": 3}), NIGHTLY), ["1.9.DEV1"]);
        assert_eq!(gone(json!({"keep_dev_releases": 1}), NIGHTLY), ["2.0.dev3+gabc", "1.9a1.dev2", "1.9.DEV1"]);
        assert_eq!(gone(json!({"keep_dev_releases": 0}), NIGHTLY).len(), 4);
        assert!(gone(json!({"keep_dev_releases": 4}), NIGHTLY).is_empty());
    }

    #[test]
    fn the_young_stay() {
        assert_eq!(gone(json!({"keep_dev_days": 70}), NIGHTLY), ["1.9a1.dev2", "1.9.DEV1"]);
        assert!(gone(json!({"keep_dev_days": 81}), NIGHTLY).is_empty());
        assert_eq!(gone(json!({"keep_dev_days": 0}), NIGHTLY).len(), 4);
        assert!(gone(json!({"keep_dev_days": u64::MAX}), NIGHTLY).is_empty());
    }

    #[test]
    fn with_both_options_a_release_goes_only_if_both_say_so() {
        assert_eq!(gone(json!({"keep_dev_releases": 1, "keep_dev_days": 75}), NIGHTLY), ["1.9.DEV1"]);
        assert!(gone(json!({"keep_dev_releases": 4, "keep_dev_days": 0}), NIGHTLY).is_empty());
    }
}
