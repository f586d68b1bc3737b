//! Source distributions as tar archives in gzip.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

/// One member: kind, path, target of a link, content.
type Member<'a> = (EntryType, &'a str, &'a str, &'a [u8]);

const PKG_INFO: Member = (EntryType::Regular, "c-1/PKG-INFO", "", METADATA.as_bytes());

fn file<'a>(path: &'a str, bytes: &'a [u8]) -> Member<'a> {
    (EntryType::Regular, path, "", bytes)
}

/// A tar archive; paths are written as they are, however wrong.
fn tar(members: &[Member]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, path, target, bytes) in members {
        builder.append(&header(*kind, path, target, bytes.len()), *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn header(kind: EntryType, path: &str, target: &str, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o644);
    if let (EntryType::GNUSparse, Some(gnu)) = (kind, header.as_gnu_mut()) {
        gnu.set_real_size(size as u64);
    }
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    header
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar_gz(members: &[Member]) -> Vec<u8> {
    gzip(&tar(members))
}

pub(super) fn sound_tar() -> Vec<u8> {
    let noise = noise(10_000);
    let folder = (EntryType::Directory, "./c-1/", "", &b""[..]);
    let link = (EntryType::Symlink, "c-1/doc/readme", "../README", &b""[..]);
    let hard = (EntryType::Link, "c-1/LICENSE", "c-1/README", &b""[..]);
    let inner = file("c-1/c.egg-info/PKG-INFO", b"Name: not this one");
    tar(&[folder, file("c-1/data", &noise), inner, link, PKG_INFO, file("c-1/README", b"Read me"), hard])
}

pub(super) fn sound() -> Vec<u8> {
    gzip(&sound_tar())
}

/// The reason for which an archive with `member` before PKG-INFO is refused.
fn refused_with(member: Member) -> Refused {
    refused(SDIST, &tar_gz(&[file("c-1/setup.py", b""), member, PKG_INFO]))
}

#[test]
fn paths_that_lead_out_are_refused() {
    for path in ["/etc/passwd", "../x", "c-1/../../x", "c-1\\x", "C:/x"] {
        assert!(matches!(refused_with(file(path, b"")), Refused::Path { .. }), "{path}");
    }
}

#[test]
fn everything_must_be_in_one_folder() {
    for path in ["d/x", "x", "PKG-INFO"] {
        assert!(matches!(refused_with(file(path, b"")), Refused::TopLevel { .. }), "{path}");
    }
}

#[test]
fn links_that_lead_out_are_refused() {
    for (kind, target) in
        [(EntryType::Symlink, "../x"), (EntryType::Symlink, "/etc"), (EntryType::Link, "x"), (EntryType::Link, "../x")]
    {
        assert!(matches!(refused_with((kind, "c-1/link", target, b"")), Refused::Link { .. }), "{kind:?} {target}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let link = (EntryType::Symlink, "c-1/d/up", "..", &b""[..]);
    let behind = tar_gz(&[PKG_INFO, link, file("c-1/d/up/x", b"")]);
    assert!(matches!(refused(SDIST, &behind), Refused::ThroughLink { .. }));
    let link = (EntryType::Symlink, "c-1/PKG-INFO", "README", &b""[..]);
    assert!(matches!(refused(SDIST, &tar_gz(&[link])), Refused::Special { .. }), "PKG-INFO itself is no link");
}

#[test]
fn devices_pipes_and_sparse_files_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::GNUSparse, EntryType::new(b'M')] {
        assert!(matches!(refused_with((kind, "c-1/x", "", b"")), Refused::Special { .. }), "{kind:?}");
    }
}

#[test]
fn attributes_that_readers_heed_differently_are_refused() {
    let with_pax = |kind: EntryType, attribute: &str| {
        let pax = (kind, "c-1/pax", "", attribute.as_bytes());
        inspect_as(SDIST, &tar_gz(&[file("c-1/a", b""), pax, PKG_INFO]))
    };
    assert!(with_pax(EntryType::XGlobalHeader, "17 comment=abcde\n").is_ok(), "as git writes it");
    assert!(with_pax(EntryType::XHeader, "14 mtime=1.25\n").is_ok());
    for (kind, attribute) in [
        (EntryType::XGlobalHeader, "13 path=x/y/z\n"),
        (EntryType::XGlobalHeader, "10 size=9\n"),
        (EntryType::XHeader, "22 GNU.sparse.major=1\n"),
    ] {
        let attribute = format!("{} {}", attribute.len(), attribute.split_once(' ').unwrap().1);
        assert!(matches!(with_pax(kind, &attribute), Err(Refused::TarGz(_))), "{attribute}");
    }
}

#[test]
fn long_names_are_read_and_endless_ones_refused() {
    let long = format!("c-1/{}\0", "d/".repeat(150));
    let name = |bytes| (EntryType::GNULongName, "././@LongLink", "", bytes);
    inspect_as(SDIST, &tar_gz(&[name(long.as_bytes()), file("c-1/cut", b""), PKG_INFO])).unwrap();
    let endless = vec![b'a'; 2 << 20];
    let err = refused(SDIST, &tar_gz(&[name(&endless), file("c-1/cut", b""), PKG_INFO]));
    assert!(matches!(err, Refused::Header), "{err:?}");
}

#[test]
fn a_bomb_is_refused_while_it_unpacks() {
    let zeros = vec![0; crate::limits::ARCHIVE_UNPACKED_BYTES_FREE as usize];
    let inside = tar_gz(&[PKG_INFO, file("c-1/zeros", &zeros)]);
    assert!(matches!(refused(SDIST, &inside), Refused::Unpacked { .. }));
    let behind = gzip(&[tar(&[PKG_INFO]), zeros].concat());
    assert!(matches!(refused(SDIST, &behind), Refused::Unpacked { .. }), "behind the end of the archive");
}

#[test]
fn absurd_numbers_of_entries_are_refused() {
    let entry = header(EntryType::Regular, "c-1/x", "", 0).as_bytes().repeat(crate::limits::ARCHIVE_ENTRIES_MAX + 1);
    // Noise, so that the number is what refuses it, not the ratio.
    let archive = tar_gz(&[PKG_INFO, file("c-1/noise", &noise(4 << 20))]);
    let members = in_two_members(&archive, &entry);
    assert!(matches!(refused(SDIST, &members), Refused::Entries));
    let link = header(EntryType::Symlink, "c-1/x", "y", 0);
    let mut links = Vec::new();
    for n in 0..=crate::limits::TAR_LINKS_MAX {
        let mut link = link.clone();
        let path = format!("c-1/{n}");
        link.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        link.set_cksum();
        links.extend(link.as_bytes());
    }
    assert!(matches!(refused(SDIST, &gzip(&links)), Refused::Links));
}

/// The tar archive in `tar_gz` without its end, then `more`, in two gzip members.
fn in_two_members(tar_gz: &[u8], more: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(tar_gz).read_to_end(&mut tar).unwrap();
    [gzip(&tar[..tar.len() - 1024]), gzip(more)].concat()
}

#[test]
fn gzip_members_follow_one_another_and_zeros_may_follow_them() {
    let whole = tar(&[file("c-1/a", b""), PKG_INFO]);
    let (first, second) = whole.split_at(700);
    inspect_as(SDIST, &[gzip(first), gzip(second), vec![0; 100_000]].concat()).unwrap();
    assert!(matches!(refused(SDIST, &[gzip(&whole), b"rubbish".to_vec()].concat()), Refused::TarGz(_)));
}

#[test]
fn damage_that_only_the_checksum_shows_is_refused() {
    let mut bytes = sound();
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    assert!(matches!(refused(SDIST, &bytes), Refused::TarGz(_)));
}

#[test]
fn pkg_info_must_be_there_once_and_be_small() {
    let none = refused(SDIST, &tar_gz(&[file("c-1/setup.py", b""), file("c-1/c.egg-info/PKG-INFO", METADATA.as_bytes())]));
    assert!(matches!(&none, Refused::NoMetadata { path, .. } if path == "c-1/PKG-INFO"), "{none:?}");
    assert!(matches!(refused_with(PKG_INFO), Refused::Twice { .. }));
    let large = noise(crate::limits::METADATA_BYTES_MAX + 1);
    assert!(matches!(refused(SDIST, &tar_gz(&[file("c-1/PKG-INFO", &large)])), Refused::MemberTooLarge { .. }));
    assert!(matches!(refused(SDIST, &gzip(&[0; 1024])), Refused::TarGz(_)), "an empty archive");
}
