//! Paths in archives: which ones are refused, and their parts.

use super::refused::{Refused, shown};
use crate::limits::ARCHIVE_PATH_BYTES_MAX;

/// The path of an archive's entry, known to stay below the folder into which the archive is unpacked on any system.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ArchivePath<'a> {
    /// The components; `.` and empty ones are left out. Empty only for the path `.` and its like.
    pub(super) parts: Vec<&'a [u8]>,
}

impl<'a> ArchivePath<'a> {
    /// Checks `raw`, the bytes in the archive. Python and Windows are as much in mind as Linux.
    pub(super) fn parse(raw: &'a [u8]) -> Result<Self, Refused> {
        let parts: Vec<&[u8]> = raw.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
        let why = if raw.is_empty() {
            "is empty"
        } else if raw.len() > ARCHIVE_PATH_BYTES_MAX {
            "is too long"
        } else if raw.iter().any(u8::is_ascii_control) {
            "has a control character"
        } else if raw.contains(&b'\\') {
            "has a backslash"
        } else if raw[0] == b'/' {
            "is absolute"
        } else if raw.len() > 1 && raw[0].is_ascii_alphabetic() && raw[1] == b':' {
            "begins with a drive letter"
        } else if parts.contains(&&b".."[..]) {
            "has '..' in it"
        } else {
            return Ok(Self { parts });
        };
        Err(Refused::Path { path: shown(raw), why })
    }

    /// The first component, if there is any.
    pub(super) fn top(&self) -> Option<&'a [u8]> {
        self.parts.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_paths_have_parts() {
        for (raw, parts) in [("a/b.py", vec!["a", "b.py"]), ("./a//b/", vec!["a", "b"]), ("./", vec![]), ("...", vec!["..."])] {
            let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
            assert_eq!(ArchivePath::parse(raw.as_bytes()).unwrap().parts, parts, "{raw}");
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for raw in ["", "/etc/passwd", "a/../../b", "..", "a/..", "a\\b", "C:/x", "c:x", "a\0b", "a\nb", &"a/".repeat(3000)] {
            assert!(matches!(ArchivePath::parse(raw.as_bytes()), Err(Refused::Path { .. })), "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_stays_inside(raw in "[a./\\\\:C]{0,12}") {
            if ArchivePath::parse(raw.as_bytes()).is_ok() {
                let inside = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir);
                prop_assert!(std::path::Path::new(&raw).components().all(inside), "{raw:?}");
            }
        }
    }
}
