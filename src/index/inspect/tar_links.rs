//! Links in source distributions: where they may lead.
//!
//! Links inside the top-level folder are tolerated, because source trees have them. By induction over the entries everything
//! stays inside: no entry lies behind a link, so the folder of a link is a real folder, and its target climbs only before
//! it descends, never above the top.

use std::collections::HashSet;

use super::archive_path::ArchivePath;
use super::refused::{Refused, shown};
use crate::limits::TAR_LINKS_MAX;

/// The symbolic links that have been seen.
#[derive(Debug, Default)]
pub(super) struct Links {
    paths: HashSet<Vec<u8>>,
}

impl Links {
    /// Refuses an entry at or behind a link: unpacking it would write where the link leads.
    pub(super) fn refuse_behind(&self, path: &ArchivePath<'_>) -> Result<(), Refused> {
        let lengths = 1..=path.parts.len();
        match !self.paths.is_empty() && lengths.into_iter().any(|n| self.paths.contains(&path.parts[..n].join(&b'/'))) {
            true => Err(Refused::ThroughLink { path: shown(path.parts.join(&b'/')) }),
            false => Ok(()),
        }
    }

    /// Takes a symbolic link; refuses one that leads out of the top-level folder.
    pub(super) fn take_symbolic(&mut self, path: &ArchivePath<'_>, target: &[u8]) -> Result<(), Refused> {
        let depth = path.parts.len().saturating_sub(1);
        if !stays_inside(depth, target) {
            return Err(Refused::Link { path: shown(path.parts.join(&b'/')), target: shown(target) });
        }
        if self.paths.len() == TAR_LINKS_MAX {
            return Err(Refused::Links);
        }
        self.paths.insert(path.parts.join(&b'/'));
        Ok(())
    }
}

/// Whether `target` stays in the top-level folder for a link whose folder lies `depth` folders deep, the top included.
fn stays_inside(depth: usize, target: &[u8]) -> bool {
    let climbs = |part: &&[u8]| *part == b"..";
    let mut parts = target.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").peekable();
    let mut climbed = 0;
    while parts.next_if(climbs).is_some() {
        climbed += 1;
    }
    let rest = parts.collect::<Vec<_>>().join(&b'/');
    let descends = target.first() != Some(&b'/') && (rest.is_empty() || ArchivePath::parse(&rest).is_ok());
    climbed < depth && !target.is_empty() && descends
}

/// Refuses a hard link to something outside the top-level folder `top`. Its target counts from the archive's root.
pub(super) fn check_hard(path: &ArchivePath<'_>, target: &[u8], top: Option<&[u8]>) -> Result<(), Refused> {
    match ArchivePath::parse(target) {
        Ok(inside) if inside.parts.len() > 1 && inside.top() == top => Ok(()),
        _ => Err(Refused::Link { path: shown(path.parts.join(&b'/')), target: shown(target) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ArchivePath<'_> {
        ArchivePath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn symbolic_links_climb_no_higher_than_the_top() {
        for (at, target, inside) in [
            ("p/a", "b", true),
            ("p/a", "./b/c", true),
            ("p/d/a", "../b", true),
            ("p/d/a", "..", true),
            ("p/a", "../p/b", false),
            ("p/d/a", "../../x", false),
            ("p/d/a", "b/../c", false),
            ("p/a", "/etc/passwd", false),
            ("p/a", "C:\\x", false),
            ("p/a", "", false),
            ("p", "q", false),
        ] {
            assert_eq!(Links::default().take_symbolic(&path(at), target.as_bytes()).is_ok(), inside, "{at} -> {target}");
        }
    }

    #[test]
    fn nothing_lies_at_or_behind_a_link() {
        let mut links = Links::default();
        links.take_symbolic(&path("p/d/a"), b"..").unwrap();
        for (at, behind) in [("p/d/a/x", true), ("./p/d//a", true), ("p/d/ab", false), ("p/d", false)] {
            assert_eq!(links.refuse_behind(&path(at)).is_err(), behind, "{at}");
        }
    }

    #[test]
    fn hard_links_lead_to_files_in_the_top_folder() {
        for (target, inside) in [("p/b", true), ("b", false), ("p", false), ("q/b", false), ("p/../b", false), ("/p/b", false)] {
            assert_eq!(check_hard(&path("p/a"), target.as_bytes(), Some(b"p")).is_ok(), inside, "{target}");
        }
    }
}
