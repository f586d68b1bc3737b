//! The end of a zip archive: where its directory is and how many entries it has (APPNOTE 4.3.14 to 4.3.16).
//!
//! Zip readers look for this record backwards, forgive much, and forgive different things. So that all of them see the same
//! directory, everything must be exactly where the record says: nothing before the archive, nothing behind it, no gap, no
//! entry more or less. PyPI refuses the same since installers were found to disagree.

use std::io::{Read, Seek, SeekFrom};

use super::refused::Refused;
use crate::limits::{ARCHIVE_ENTRIES_MAX, ZIP_DIRECTORY_BYTES_MAX};

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const COMMENT_BYTES_MAX: usize = u16::MAX as usize;
const END64: &[u8] = b"PK\x06\x06";
const END64_BYTES: usize = 56;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
const HEADER: &[u8] = b"PK\x01\x02";
const HEADER_BYTES: usize = 46;

/// Where the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) start: u64,
    bytes: u64,
    pub(super) entries: u64,
}

/// Finds the directory of the zip archive in `file` and makes sure that every reader finds the same. Also gives the size of
/// the file.
pub(super) fn find_directory(file: &mut (impl Read + Seek)) -> Result<(Directory, u64), Refused> {
    let file_bytes = file.seek(SeekFrom::End(0)).map_err(Refused::Unreadable)?;
    let (directory, directory_end) = read_end(file, file_bytes)?;
    if directory.entries > ARCHIVE_ENTRIES_MAX as u64 {
        return Err(Refused::Entries);
    }
    if directory.bytes > ZIP_DIRECTORY_BYTES_MAX {
        return Err(Refused::Directory);
    }
    if directory.start.checked_add(directory.bytes) != Some(directory_end) {
        return Err(ambiguous("its directory is not where its end says"));
    }
    let headers = read_at(file, directory.start, directory.bytes as usize)?;
    match count_entries(&headers) == Some(directory.entries) {
        true => Ok((directory, file_bytes)),
        false => Err(ambiguous("its directory has not as many entries as its end says")),
    }
}

/// Reads the end record. Also gives where it begins, which is where the directory must end.
fn read_end(file: &mut (impl Read + Seek), file_bytes: u64) -> Result<(Directory, u64), Refused> {
    let tail_bytes = file_bytes.min((END_BYTES + COMMENT_BYTES_MAX) as u64);
    let tail_start = file_bytes - tail_bytes;
    let tail = read_at(file, tail_start, tail_bytes as usize)?;
    let missing = || ambiguous("it has no end record, so it is something else or cut off");
    let at = tail.windows(END.len()).rposition(|four| four == END).ok_or_else(missing)?;
    let end = &tail[at..];
    if end.len() < END_BYTES || end.len() != END_BYTES + u16_at(end, 20) as usize {
        return Err(ambiguous("it does not end where its end record says"));
    }
    let end_start = tail_start + at as u64;
    let before = (END64_BYTES + LOCATOR_BYTES) as u64;
    if let Some(start64) = end_start.checked_sub(before) {
        let records = read_at(file, start64, before as usize)?;
        if records[END64_BYTES..].starts_with(LOCATOR) {
            return Ok((read_end64(&records, start64)?, start64));
        }
    }
    let directory = Directory { start: u32_at(end, 16).into(), bytes: u32_at(end, 12).into(), entries: u16_at(end, 10).into() };
    Ok((directory, end_start))
}

/// Reads the records that large archives have before the end record: `records` lies at `start` of the file.
fn read_end64(records: &[u8], start: u64) -> Result<Directory, Refused> {
    let (end64, locator) = records.split_at(END64_BYTES);
    let exact = end64.starts_with(END64) && u64_at(end64, 4) == END64_BYTES as u64 - 12 && u64_at(locator, 8) == start;
    match exact {
        true => Ok(Directory { start: u64_at(end64, 48), bytes: u64_at(end64, 40), entries: u64_at(end64, 32) }),
        false => Err(ambiguous("its ZIP64 end record is not where it must be")),
    }
}

/// The entries in `directory`, if it consists of nothing else.
fn count_entries(mut directory: &[u8]) -> Option<u64> {
    let mut entries = 0;
    while !directory.is_empty() {
        if directory.len() < HEADER_BYTES || !directory.starts_with(HEADER) {
            return None;
        }
        let variable: u32 = [28, 30, 32].map(|at| u32::from(u16_at(directory, at))).iter().sum();
        directory = directory.get(HEADER_BYTES + variable as usize..)?;
        entries += 1;
    }
    Some(entries)
}

fn ambiguous(why: &str) -> Refused {
    Refused::Zip(why.to_owned())
}

fn read_at(file: &mut (impl Read + Seek), start: u64, bytes: usize) -> Result<Vec<u8>, Refused> {
    let mut data = vec![0; bytes];
    file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut data)).map_err(Refused::zip)?;
    Ok(data)
}

/// Little-endian numbers; `bytes` must reach that far, which all callers have checked.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes[at..at + 2].iter().rev().fold(0, |number, byte| number << 8 | u16::from(*byte))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// An archive of a directory alone: `entries` headers without a name, counted by the end record as `counted`.
    fn archive(entries: u64, counted: u64) -> Vec<u8> {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(HEADER);
        let mut bytes = header.repeat(entries as usize);
        let size = bytes.len() as u64;
        if counted > 0xffff {
            bytes.extend([END64, &44_u64.to_le_bytes(), &[0; 12]].concat());
            bytes.extend([counted, counted, size, 0].iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend([LOCATOR, &[0; 4], &size.to_le_bytes(), &[1, 0, 0, 0]].concat());
        }
        let short = u16::try_from(counted).unwrap_or(u16::MAX).to_le_bytes();
        bytes.extend([END, &[0; 4], &short, &short, &(size as u32).to_le_bytes(), &[0; 6]].concat());
        bytes
    }

    fn find(bytes: &[u8]) -> Result<Directory, Refused> {
        find_directory(&mut Cursor::new(bytes)).map(|(directory, _)| directory)
    }

    #[test]
    fn the_directory_is_found_in_small_and_large_archives() {
        for entries in [0, 1, 3, 70_000] {
            let directory = find(&archive(entries, entries)).unwrap();
            assert_eq!(directory, Directory { start: 0, bytes: entries * 46, entries });
        }
    }

    #[test]
    fn a_comment_that_reaches_to_the_end_is_accepted() {
        let mut bytes = archive(1, 1);
        let comment_length = bytes.len() - 2;
        bytes[comment_length] = 5;
        bytes.extend(b"hello");
        assert_eq!(find(&bytes).unwrap().entries, 1);
    }

    #[test]
    fn more_entries_than_allowed_are_refused() {
        let limit = ARCHIVE_ENTRIES_MAX as u64;
        assert!(find(&archive(limit, limit)).is_ok());
        assert!(matches!(find(&archive(limit + 1, limit + 1)), Err(Refused::Entries)));
        assert!(matches!(find(&archive(1, u64::MAX)), Err(Refused::Entries)), "without believing the number");
    }

    #[test]
    fn what_readers_could_see_differently_is_refused() {
        let sound = archive(2, 2);
        let before = [b"x", &sound[..]].concat();
        let behind = [&sound[..], b"x"].concat();
        let two_ends = [&sound[..], &archive(1, 1)].concat();
        let no_headers = [&[0; 92], &sound[92..]].concat();
        for (what, bytes) in [
            ("something before", before),
            ("something behind", behind),
            ("two archives", two_ends),
            ("one entry more", archive(2, 1)),
            ("one entry less", archive(2, 3)),
            ("no headers", no_headers),
            ("cut off", sound[..sound.len() - 1].to_vec()),
            ("nothing", vec![]),
        ] {
            assert!(matches!(find(&bytes), Err(Refused::Zip(_))), "{what}");
        }
    }
}
