//! How much an archive may unpack to.

use super::refused::Refused;
use crate::limits::{ARCHIVE_RATIO_MAX, ARCHIVE_UNPACKED_BYTES_FREE, ARCHIVE_UNPACKED_BYTES_MAX};

/// The bytes that an archive of `archive_bytes` may unpack to.
pub(super) fn unpacked_limit(archive_bytes: u64) -> u64 {
    archive_bytes.saturating_mul(ARCHIVE_RATIO_MAX).clamp(ARCHIVE_UNPACKED_BYTES_FREE, ARCHIVE_UNPACKED_BYTES_MAX)
}

/// Refuses an archive of `archive_bytes` that unpacks to `unpacked` bytes if that is too much.
pub(super) fn refuse_bomb(archive_bytes: u64, unpacked: u64) -> Result<(), Refused> {
    let limit = unpacked_limit(archive_bytes);
    match unpacked > limit {
        true => Err(Refused::Unpacked { limit }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_archives_are_free_and_large_ones_bounded_by_ratio_and_by_size() {
        assert_eq!(unpacked_limit(0), ARCHIVE_UNPACKED_BYTES_FREE);
        assert_eq!(unpacked_limit(10 << 20), 500 << 20);
        assert_eq!(unpacked_limit(1 << 40), ARCHIVE_UNPACKED_BYTES_MAX);
        assert!(refuse_bomb(10 << 20, 500 << 20).is_ok());
        assert!(matches!(refuse_bomb(10 << 20, (500 << 20) + 1), Err(Refused::Unpacked { limit: 524_288_000 })));
    }
}
