//! Sizes, counts and days as people read them.

use crate::pypi::Timestamp;

/// Bytes: `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

/// A number with its thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `31 Jan 2026`
pub fn day(at: Timestamp) -> String {
    let iso = at.iso_seconds();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = iso.split('T').next().unwrap_or_default().split('-');
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else { return iso };
    let month = month.parse::<usize>().ok().and_then(|month| months.get(month.wrapping_sub(1))).copied().unwrap_or_default();
    format!("{} {month} {year}", day.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!([0, 1023, 1024, 1 << 30, 1_610_612_736].map(size), ["0 bytes", "1023 bytes", "1.0 KiB", "1.0 GiB", "1.5 GiB"]);
        assert_eq!(size(u64::MAX), "16777215.9 TiB");
    }

    #[test]
    fn thousands_are_apart() {
        let numbers = [0, 12, 123, 1234, 123_456, 1_234_567, u64::MAX];
        assert_eq!(numbers.map(count), ["0", "12", "123", "1,234", "123,456", "1,234,567", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn days_have_a_name_for_the_month() {
        assert_eq!(Timestamp::parse("2026-01-05T09:08:07.5Z").map(day).as_deref(), Some("5 Jan 2026"));
        assert_eq!(day(Timestamp::EPOCH), "1 Jan 1970");
    }
}
