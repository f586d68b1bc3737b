//! Wheels.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

const INFO: &str = "cheese_cellar-1.0.dist-info";
const RECORD: &str = "cheese/__init__.py,sha256=x,5\ncheese_cellar-1.0.dist-info/METADATA,sha256=x,62\n\
    cheese_cellar-1.0.dist-info/WHEEL,,\ncheese_cellar-1.0.dist-info/RECORD,,\n";

/// A zip archive of stored entries.
pub(super) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(CompressionMethod::Stored, entries)
}

pub(super) fn zip_with(method: CompressionMethod, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (path, bytes) in entries {
        writer.start_file(*path, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A sound wheel whose `.dist-info` folder is `info`, with `more` entries before it; `without` some that end so.
fn wheel_of(info: &str, without: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let paths = ["METADATA", "WHEEL", "RECORD"].map(|file| format!("{info}/{file}"));
    let mut entries = more.to_vec();
    entries.push(("cheese/__init__.py", b"Brie\n"));
    let contents = [METADATA, "Wheel-Version: 1.0\n", RECORD];
    entries.extend(paths.iter().zip(contents).map(|(path, text)| (path.as_str(), text.as_bytes())));
    entries.retain(|(path, _)| without.is_empty() || !path.ends_with(without));
    zip_with(CompressionMethod::Deflated, &entries)
}

pub(super) fn sound() -> Vec<u8> {
    wheel_of(INFO, "", &[])
}

fn with(path: &str, bytes: &[u8]) -> Vec<u8> {
    wheel_of(INFO, "", &[(path, bytes)])
}

/// A wheel with the RECORD `record`.
fn recorded(record: &str) -> Refused {
    let info = |file: &str| format!("{INFO}/{file}");
    let files = [(info("METADATA"), METADATA), (info("WHEEL"), ""), (info("RECORD"), record), ("a.py".into(), "12345")];
    refused(WHEEL, &zip(&files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect::<Vec<_>>()))
}

/// Replaces every `from` by `to`, which must be as long and must occur.
pub(super) fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn the_dist_info_folder_may_be_spelt_in_any_way() {
    for info in ["Cheese.Cellar-1.0.dist-info", "cheese_cellar-1.0.0.dist-info", "cheese-cellar-v1.0.dist-info"] {
        let record = format!("{info}/RECORD,,\n");
        let entries =
            [("METADATA", METADATA), ("WHEEL", ""), ("RECORD", &record)].map(|(file, text)| (format!("{info}/{file}"), text));
        let entries = entries.each_ref().map(|(path, text)| (path.as_str(), text.as_bytes()));
        assert!(inspect_as(WHEEL, &zip(&entries)).is_ok(), "{info}");
    }
}

#[test]
fn there_must_be_one_dist_info_folder_and_it_must_be_this_wheels() {
    let other = wheel_of("other-1.0.dist-info", "", &[]);
    assert!(matches!(refused(WHEEL, &other), Refused::DistInfoName { .. }));
    let other = wheel_of("cheese_cellar-2.0.dist-info", "", &[]);
    assert!(matches!(refused(WHEEL, &other), Refused::DistInfoName { .. }));
    let none = zip(&[("a.py", b"")]);
    assert!(matches!(refused(WHEEL, &none), Refused::DistInfoCount { found: 0 }));
    let two = with("other-1.0.dist-info/METADATA", b"");
    assert!(matches!(refused(WHEEL, &two), Refused::DistInfoCount { found: 2 }));
}

#[test]
fn metadata_wheel_and_record_must_be_there() {
    for file in ["METADATA", "WHEEL", "RECORD"] {
        let err = refused(WHEEL, &wheel_of(INFO, file, &[]));
        assert!(matches!(&err, Refused::NoMetadata { path, .. } if path.ends_with(file)), "{err:?}");
        assert!(err.to_string().contains(&format!("{INFO}/{file}, which every wheel must have")), "{err}");
    }
}

#[test]
fn metadata_that_says_nothing_or_too_much_is_refused() {
    let info = |file: &str| format!("{INFO}/{file}");
    let build = |metadata: &[u8]| {
        let record = info("RECORD,,");
        let paths = [info("METADATA"), info("WHEEL"), info("RECORD")];
        zip_with(CompressionMethod::Deflated, &[(&paths[0], metadata), (&paths[1], b""), (&paths[2], record.as_bytes())])
    };
    assert!(matches!(refused(WHEEL, &build(b"Name: x\n")), Refused::Metadata(_)));
    let large = noise(crate::limits::METADATA_BYTES_MAX + 1);
    assert!(matches!(refused(WHEEL, &build(&large)), Refused::MemberTooLarge { .. }));
    assert!(matches!(refused(WHEEL, &build(&large[1..])), Refused::Metadata(_)), "the limit itself is read");
}

#[test]
fn record_must_not_lie() {
    assert!(matches!(recorded("a.py,sha256=x,4\n"), Refused::RecordSize { size: 5, .. }));
    assert!(matches!(recorded("a.py,sha256=x,five\n"), Refused::RecordSize { .. }));
    assert!(matches!(recorded("b.py,sha256=x,5\n"), Refused::RecordAbsent { path } if path == "b.py"));
}

#[test]
fn record_may_leave_out_files_and_name_signatures() {
    let record = format!("{INFO}/RECORD,,\n{INFO}/RECORD.jws,,\n{INFO}/RECORD.p7s,,\ncheese/,,\n\"a,b.py\",,0\n");
    let info = |file: &str| format!("{INFO}/{file}");
    let paths = [info("METADATA"), info("WHEEL"), info("RECORD")];
    let entries: [(&str, &[u8]); 5] = [
        (&paths[0], METADATA.as_bytes()),
        (&paths[1], b""),
        (&paths[2], record.as_bytes()),
        ("a,b.py", b""),
        ("not-listed.py", b"x"),
    ];
    inspect_as(WHEEL, &zip(&entries)).unwrap();
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in ["/etc/passwd", "../x", "a/../../x", "a\\b", "C:/x", "a\nb"] {
        // The writer tidies some names up: it is given harmless ones of the same length.
        let harmless = "h".repeat(path.len());
        let bytes = replaced(with(&harmless, b""), harmless.as_bytes(), path.as_bytes());
        assert!(matches!(refused(WHEEL, &bytes), Refused::Path { .. }), "{path:?}");
    }
}

#[test]
fn links_are_refused() {
    let mut writer = ZipWriter::new_append(Cursor::new(sound())).unwrap();
    writer.add_symlink("cheese/link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert!(matches!(refused(WHEEL, &bytes), Refused::Special { path, .. } if path == "cheese/link"));
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let bytes = replaced(wheel_of(INFO, "", &[("one.py", b""), ("two.py", b"")]), b"two.py", b"one.py");
    assert!(matches!(refused(WHEEL, &bytes), Refused::Zip(_)));
}

#[test]
fn encrypted_and_oddly_compressed_entries_are_refused() {
    // Fields of a header: version, flags, method. The directory's have one version more in front.
    let patched = |at: usize, value: u8| {
        let mut bytes = zip(&[("a.py", b"12345")]);
        let central = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        bytes[at + 4] = value;
        bytes[central + at + 6] = value;
        refused(WHEEL, &bytes)
    };
    assert!(matches!(patched(2, 1), Refused::Encrypted { .. }));
    assert!(matches!(patched(4, 12), Refused::Compression { .. }));
}

#[test]
fn headers_that_contradict_the_directory_are_refused() {
    let bytes = with("one.py", b"");
    let local = bytes.windows(6).position(|six| six == b"one.py").unwrap();
    let mut other_name = bytes.clone();
    other_name[local] = b'0';
    assert!(matches!(refused(WHEEL, &other_name), Refused::Zip(_)));
}

#[test]
fn a_bomb_is_refused_by_what_its_directory_says() {
    let zeros = vec![0; crate::limits::ARCHIVE_UNPACKED_BYTES_FREE as usize];
    let bomb = refused(WHEEL, &with("zeros", &zeros));
    assert!(matches!(bomb, Refused::Unpacked { .. }), "{bomb:?}");
    inspect_as(WHEEL, &with("zeros", &zeros[1000..])).unwrap();
}

#[test]
fn a_large_wheel_is_not_read_through() {
    struct Counted(Cursor<Vec<u8>>, usize);
    impl Read for Counted {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let bytes = self.0.read(buf)?;
            self.1 += bytes;
            Ok(bytes)
        }
    }
    impl Seek for Counted {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    let bytes = with("model.bin", &noise(20 << 20));
    let mut file = Counted(Cursor::new(bytes), 0);
    inspect(&mut file, &DistFilename::parse(WHEEL).unwrap()).unwrap();
    assert!(file.1 < 1 << 20, "{} bytes were read", file.1);
}
