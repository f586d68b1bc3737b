//! Archives built in memory: sound ones, and one for each reason to refuse.

mod docs;
mod tars;
mod wheels;
mod zip_sdists;

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const METADATA: &str = "Metadata-Version: 2.1\nName: Cheese.Cellar\nVersion: 1.0\n\nAged.\n";
const WHEEL: &str = "cheese_cellar-1.0-py3-none-any.whl";
const SDIST: &str = "cheese_cellar-1.0.tar.gz";
const ZIP_SDIST: &str = "cheese_cellar-1.0.zip";

fn inspect_as(filename: &str, bytes: &[u8]) -> Result<Inspected, Refused> {
    inspect(&mut Cursor::new(bytes), &DistFilename::parse(filename).unwrap())
}

/// The reason for which `bytes` are refused under the name `filename`.
fn refused(filename: &str, bytes: &[u8]) -> Refused {
    inspect_as(filename, bytes).expect_err("it is accepted")
}

/// Bytes that deflate cannot make smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn an_archive_cut_off_anywhere_is_refused() {
    for (filename, bytes) in [(WHEEL, wheels::sound()), (SDIST, tars::sound()), (ZIP_SDIST, zip_sdists::sound())] {
        assert!(inspect_as(filename, &bytes).is_ok(), "{filename}");
        for tenth in 0..10 {
            let cut = &bytes[..bytes.len() * tenth / 10];
            let err = refused(filename, cut);
            assert!(matches!(err, Refused::Zip(_) | Refused::TarGz(_)), "{filename} at {tenth}/10: {err:?}");
        }
        assert!(inspect_as(filename, &bytes[..bytes.len() - 1]).is_err(), "{filename} without its last byte");
    }
}

#[test]
fn the_form_must_be_what_the_name_says() {
    assert!(matches!(refused(WHEEL, &tars::sound()), Refused::Zip(_)));
    assert!(matches!(refused(SDIST, &zip_sdists::sound()), Refused::TarGz(_)));
    assert!(matches!(refused(ZIP_SDIST, b"<html>"), Refused::Zip(_)));
}

#[test]
fn name_and_version_must_be_those_of_the_file_name() {
    let named = |filename: &str| refused(filename, &tars::sound());
    assert!(matches!(named("other-1.0.tar.gz"), Refused::OtherName { .. }));
    assert!(matches!(named("cheese_cellar-1.1.tar.gz"), Refused::OtherVersion { .. }));
    assert!(inspect_as("Cheese-Cellar-1.0.0.tar.gz", &tars::sound()).is_ok(), "other spellings of the same release");
}

#[test]
fn the_metadata_is_given_out_byte_for_byte() {
    for (filename, bytes) in [(WHEEL, wheels::sound()), (SDIST, tars::sound()), (ZIP_SDIST, zip_sdists::sound())] {
        let inspected = inspect_as(filename, &bytes).unwrap();
        assert_eq!(inspected.metadata_bytes, METADATA.as_bytes(), "{filename}");
        assert_eq!(inspected.metadata.name(), "Cheese.Cellar");
    }
}

#[test]
fn a_failing_disk_is_not_the_uploaders_fault() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(5))
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(1000)
        }
    }
    for filename in [WHEEL, SDIST, ZIP_SDIST] {
        let err = inspect(&mut Broken, &DistFilename::parse(filename).unwrap()).unwrap_err();
        assert!(matches!(err, Refused::Unreadable(_)), "{filename}: {err:?}");
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for filename in [WHEEL, SDIST, ZIP_SDIST] {
            prop_assert!(inspect_as(filename, &bytes).is_err());
        }
        let gzip = tars::gzip(&bytes);
        prop_assert!(inspect_as(SDIST, &gzip).is_err());
    }

    #[test]
    fn damage_never_panics(at in 0.0..1.0, byte in any::<u8>(), length in 1_usize..5) {
        let damage = |bytes: Vec<u8>| {
            let at = (bytes.len() as f64 * at) as usize;
            bytes.iter().enumerate().map(|(n, old)| if (at..at + length).contains(&n) { byte } else { *old }).collect::<Vec<u8>>()
        };
        for (filename, bytes) in [(WHEEL, wheels::sound()), (ZIP_SDIST, zip_sdists::sound()), (SDIST, tars::gzip(&damage(tars::sound_tar())))] {
            let _ = inspect_as(filename, &damage(bytes));
        }
    }
}
