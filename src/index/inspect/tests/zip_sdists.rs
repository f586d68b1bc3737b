//! Source distributions as zip archives.

use super::wheels::zip;
use super::*;

pub(super) fn sound() -> Vec<u8> {
    zip(&[("c-1/", b""), ("c-1/setup.py", b""), ("c-1/c.egg-info/PKG-INFO", b"x"), ("c-1/PKG-INFO", METADATA.as_bytes())])
}

#[test]
fn everything_must_be_in_one_folder() {
    let beside = zip(&[("c-1/PKG-INFO", METADATA.as_bytes()), ("d/x", b"")]);
    assert!(matches!(refused(ZIP_SDIST, &beside), Refused::TopLevel { .. }));
    let bare = zip(&[("PKG-INFO", METADATA.as_bytes())]);
    assert!(matches!(refused(ZIP_SDIST, &bare), Refused::TopLevel { .. }));
}

#[test]
fn pkg_info_must_be_there_once() {
    let none = refused(ZIP_SDIST, &zip(&[("c-1/setup.py", b"")]));
    assert!(matches!(&none, Refused::NoMetadata { path, .. } if path == "c-1/PKG-INFO"), "{none:?}");
    let twice = zip(&[("c-1/PKG-INFO", METADATA.as_bytes()), ("c-1//PKG-INFO", b"Name: other")]);
    assert!(matches!(refused(ZIP_SDIST, &twice), Refused::Twice { .. }));
}

#[test]
fn the_checks_of_zip_archives_hold_here_too() {
    let bytes = super::wheels::replaced(zip(&[("c-1/PKG-INFO", METADATA.as_bytes()), ("c-1/hhh", b"")]), b"c-1/hhh", b"c-1/../");
    assert!(matches!(refused(ZIP_SDIST, &bytes), Refused::Path { .. }));
}
