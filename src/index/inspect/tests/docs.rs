//! Documentation archives.

use std::fs::File;
use std::io::{Cursor, Write};
use std::ops::Range;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::wheels::{replaced, zip, zip_with};
use super::*;
use crate::limits::{ARCHIVE_UNPACKED_BYTES_FREE, BLOB_READ_BYTES, DOCS_ENTRIES_MAX};

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn check(bytes: &[u8]) -> Result<DocsZip, Refused> {
    DocsZip::check(file_of(bytes))
}

fn refused(bytes: &[u8]) -> Refused {
    check(bytes).expect_err("it is accepted")
}

/// A member of an archive that may claim to lie behind the archive's end.
fn packed<'a>(bytes: &'a [u8], member: &Member) -> Unpack<&'a [u8]> {
    let at = |place: u64| usize::try_from(place).unwrap().min(bytes.len());
    let Range { start, end } = member.packed();
    Unpack::new(&bytes[at(start)..at(end)], member)
}

/// All pieces of a file of an archive that may lie: it is opened, but not checked.
fn unpack(bytes: &[u8], path: &str) -> std::io::Result<Vec<u8>> {
    let mut file = file_of(bytes);
    let docs = DocsZip::open(&mut file).unwrap();
    let mut unpack = packed(bytes, docs.file(path).unwrap());
    let mut all = Vec::new();
    while let Some(piece) = unpack.next_piece()? {
        assert!(!piece.is_empty() && piece.len() <= BLOB_READ_BYTES);
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Where in `bytes` the directory's header of the only entry is.
fn directory_of(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap()
}

/// The archive `bytes` of one entry with another number in both its headers: `at` counts from the beginning of the local one.
fn patched(mut bytes: Vec<u8>, at: usize, number: u32) -> Vec<u8> {
    let directory = directory_of(&bytes);
    // The directory's header has one field of two bytes more in front.
    for place in [at, directory + at + 2] {
        bytes[place..place + 4].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

const CRC32_AT: usize = 14;
const SIZE_AT: usize = 22;

#[test]
fn files_are_found_by_their_paths_and_unpacked_whole() {
    let noise = noise(BLOB_READ_BYTES * 2 + 1);
    let text = vec![b'x'; BLOB_READ_BYTES * 3];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let entries: [(&str, &[u8]); 5] =
            [("api/", b""), ("./api//x.html", b"x"), ("noise", &noise), ("text", &text), ("empty", b"")];
        let bytes = zip_with(method, &entries);
        let docs = check(&bytes).unwrap();
        assert_eq!(docs.file("api/x.html").unwrap().size, 1);
        for absent in ["api", "api/", "", "/api/x.html", "./api//x.html", "x.html"] {
            assert!(docs.file(absent).is_none(), "{absent:?}");
        }
        assert!(unpack(&bytes, "noise").unwrap() == noise && unpack(&bytes, "text").unwrap() == text);
        assert_eq!(unpack(&bytes, "empty").unwrap(), b"");
    }
}

#[test]
fn archives_of_other_writers_are_read() {
    let mut zip64 = ZipWriter::new(Cursor::new(Vec::new()));
    zip64.start_file("a.html", SimpleFileOptions::default().large_file(true)).unwrap();
    zip64.write_all(b"large").unwrap();
    assert_eq!(unpack(&zip64.finish().unwrap().into_inner(), "a.html").unwrap(), b"large");
    let mut streamed = ZipWriter::new_stream(Vec::new());
    streamed.start_file("a.html", SimpleFileOptions::default()).unwrap();
    streamed.write_all(b"sizes behind the bytes").unwrap();
    let streamed = streamed.finish().unwrap().into_inner();
    assert!(check(&streamed).is_ok());
    assert_eq!(unpack(&streamed, "a.html").unwrap(), b"sizes behind the bytes");
    let umlaut = zip(&[("f\u{fc}r.html", b"x")]);
    assert!(check(&umlaut).unwrap().file("f\u{fc}r.html").is_some());
}

#[test]
fn many_files_are_accepted_and_too_many_are_not() {
    let of = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("{n}")).collect();
        zip(&names.iter().map(|name| (name.as_str(), &b""[..])).collect::<Vec<_>>())
    };
    let docs = check(&of(10_000)).unwrap();
    assert!(docs.file("9999").is_some() && docs.weight() < 2 << 20, "{}", docs.weight());
    assert!(matches!(refused(&of(DOCS_ENTRIES_MAX + 1)), Refused::DocsEntries));
}

#[test]
fn an_archive_without_files_is_no_documentation() {
    assert!(matches!(refused(&zip(&[])), Refused::NoDocs));
    assert!(matches!(refused(&zip(&[("folder/", b"")])), Refused::NoDocs));
    assert!(matches!(refused(b""), Refused::Zip(_)));
}

#[test]
fn paths_must_stay_inside_and_name_one_file_each() {
    for path in ["/etc/passwd", "../x", "a/../../x", "a\\b", "C:/x", "a\nb"] {
        // The writer tidies some names up: it is given harmless ones of the same length.
        let harmless = "h".repeat(path.len());
        let bytes = replaced(zip(&[(&harmless, b"x")]), harmless.as_bytes(), path.as_bytes());
        assert!(matches!(refused(&bytes), Refused::Path { .. }), "{path:?}");
    }
    assert!(matches!(refused(&zip(&[("a/b", b"1"), ("a//b", b"2")])), Refused::Twice { .. }));
    let same = replaced(zip(&[("one", b"1"), ("two", b"2")]), b"two", b"one");
    assert!(matches!(refused(&same), Refused::Zip(_)));
}

#[test]
fn links_and_encrypted_and_oddly_packed_files_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert!(matches!(refused(&writer.finish().unwrap().into_inner()), Refused::Special { .. }));
    let with = |at: usize, value: u8| {
        let mut bytes = zip(&[("a.html", b"12345")]);
        let directory = directory_of(&bytes);
        (bytes[at], bytes[directory + at + 2]) = (value, value);
        refused(&bytes)
    };
    assert!(matches!(with(6, 1), Refused::Encrypted { .. }));
    assert!(matches!(with(8, 12), Refused::Compression { .. }));
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; ARCHIVE_UNPACKED_BYTES_FREE as usize + 1];
    let plain = zip_with(CompressionMethod::Deflated, &[("zeros", &zeros)]);
    assert!(matches!(refused(&plain), Refused::Unpacked { .. }));
    let modest = patched(plain, SIZE_AT, 10);
    assert!(matches!(refused(&modest), Refused::Zip(_)), "one that makes itself small");
    assert!(unpack(&modest, "zeros").is_err(), "and it stops where it said");
}

#[test]
fn what_is_not_what_the_directory_says_is_refused_and_never_given_out_whole() {
    let text = vec![b'x'; BLOB_READ_BYTES * 2];
    let size = text.len() as u32;
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let sound = zip_with(method, &[("a", &text)]);
        let mut lies = vec![("another sum", patched(sound.clone(), CRC32_AT, 1))];
        if method == CompressionMethod::Deflated {
            lies.push(("shorter", patched(sound.clone(), SIZE_AT, size - 1)));
            lies.push(("longer", patched(sound.clone(), SIZE_AT, size + 1)));
        }
        for (what, bytes) in lies {
            assert!(matches!(refused(&bytes), Refused::Zip(_)), "{method:?} {what}");
            assert!(unpack(&bytes, "a").is_err(), "{method:?} {what}");
        }
        assert!(check(&sound).is_ok());
    }
}

#[test]
fn an_archive_cut_off_anywhere_is_refused() {
    let sound = zip_with(CompressionMethod::Deflated, &[("index.html", b"<h1>Brie</h1>"), ("a/b", b"c")]);
    for end in 0..sound.len() {
        assert!(check(&sound[..end]).is_err(), "{end} of {} bytes", sound.len());
    }
}

proptest! {
    #[test]
    fn damage_never_panics_and_never_gives_out_other_bytes(at in 0.0..1.0, byte in any::<u8>()) {
        let mut bytes = zip_with(CompressionMethod::Deflated, &[("index.html", b"<h1>Brie</h1> and more of it and more of it")]);
        let place = (bytes.len() as f64 * at) as usize;
        bytes[place] = byte;
        let mut file = file_of(&bytes);
        if let Ok(docs) = DocsZip::open(&mut file) && let Some(member) = docs.file("index.html") {
            let mut unpack = packed(&bytes, member);
            if let Ok(Some(piece)) = unpack.next_piece() {
                prop_assert_eq!(&piece[..], b"<h1>Brie</h1> and more of it and more of it");
            }
        }
    }
}
