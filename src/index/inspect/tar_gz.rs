//! Source distributions as `.tar.gz`, read once from beginning to end. Nothing is unpacked to the disk, and only PKG-INFO is
//! kept in memory; the rest is counted.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::GzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::archive_path::ArchivePath;
use super::refused::{Refused, shown};
use super::sdist::TopFolder;
use super::tar_links::{Links, check_hard};
use super::unpacked::unpacked_limit;
use crate::limits::{ARCHIVE_ENTRIES_MAX, METADATA_BYTES_MAX, TAR_HEADER_BYTES_MAX};

/// Bytes read from the file at once.
const READ_BYTES: usize = 256 * 1024;

/// Checks the source distribution in `file`; gives the bytes of its PKG-INFO.
pub(super) fn metadata_of(file: &mut (impl Read + Seek)) -> Result<Vec<u8>, Refused> {
    let file_bytes = file.seek(SeekFrom::End(0)).map_err(Refused::Unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(Refused::Unreadable)?;
    let meter = Meter::new(unpacked_limit(file_bytes));
    let gzip = Gzip { member: Some(GzDecoder::new(BufReader::with_capacity(READ_BYTES, file))) };
    let mut archive = Archive::new(Metered { inner: gzip, meter: &meter });
    let mut scan = Scan::default();
    let mut members = archive.entries().map_err(|err| meter.explain(err))?;
    loop {
        meter.header_begins();
        let Some(member) = members.next() else { break };
        meter.content_begins();
        scan.take(member.map_err(|err| meter.explain(err))?).map_err(|err| meter.explain_refused(err))?;
    }
    meter.content_begins();
    // What follows the end of a tar archive is padding; the checksum of gzip comes after it.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|err| meter.explain(err))?;
    scan.finish()
}

/// What is known after the entries so far.
#[derive(Default)]
struct Scan {
    entries: usize,
    top: TopFolder,
    links: Links,
    metadata: Option<Vec<u8>>,
}

impl Scan {
    /// Checks one member and reads it to its end.
    fn take(&mut self, mut member: Entry<'_, impl Read>) -> Result<(), Refused> {
        self.entries += 1;
        if self.entries > ARCHIVE_ENTRIES_MAX {
            return Err(Refused::Entries);
        }
        let kind = member.header().entry_type();
        if kind.is_pax_global_extensions() {
            let global = read_up_to(&mut member, "a global header", TAR_HEADER_BYTES_MAX as usize)?;
            return refuse_pax(PaxExtensions::new(&global), &["path", "linkpath", "size", "GNU.sparse"]);
        }
        if let Some(local) = member.pax_extensions().map_err(Refused::tar_gz)? {
            refuse_pax(local, &["GNU.sparse"])?;
        }
        let raw = member.path_bytes().into_owned();
        let path = ArchivePath::parse(&raw)?;
        self.links.refuse_behind(&path)?;
        self.top.take(&path, kind.is_dir())?;
        self.check_kind(&member, &path)?;
        if !TopFolder::is_metadata(&path) {
            io::copy(&mut member, &mut io::sink()).map_err(Refused::tar_gz)?;
            return Ok(());
        }
        if !is_file(kind) {
            return Err(Refused::Special { path: shown(&raw), what: "a link or a folder" });
        }
        match self.metadata.replace(read_up_to(&mut member, &shown(&raw), METADATA_BYTES_MAX)?) {
            Some(_) => Err(Refused::Twice { path: shown(&raw) }),
            None => Ok(()),
        }
    }

    /// Files and folders are accepted, links that stay inside as well.
    fn check_kind(&mut self, member: &Entry<'_, impl Read>, path: &ArchivePath<'_>) -> Result<(), Refused> {
        let kind = member.header().entry_type();
        let target = member.link_name_bytes().unwrap_or_default();
        match kind {
            _ if is_file(kind) || kind.is_dir() => Ok(()),
            EntryType::Symlink => self.links.take_symbolic(path, &target),
            EntryType::Link => check_hard(path, &target, self.top.name()),
            _ => Err(Refused::Special { path: shown(path.parts.join(&b'/')), what: "a device, a pipe or a sparse file" }),
        }
    }

    fn finish(self) -> Result<Vec<u8>, Refused> {
        match self.metadata {
            Some(metadata) => Ok(metadata),
            None if self.entries == 0 => Err(Refused::TarGz("it is empty".into())),
            None => Err(self.top.no_metadata()),
        }
    }
}

fn is_file(kind: EntryType) -> bool {
    kind.is_file() || kind.is_contiguous()
}

/// Refuses attributes that begin with one of `keys`: sparse files, and global names and sizes, which readers heed or not.
fn refuse_pax(attributes: PaxExtensions<'_>, keys: &[&str]) -> Result<(), Refused> {
    for attribute in attributes {
        let key = attribute.map_err(Refused::tar_gz)?.key_bytes();
        if keys.iter().any(|refused| key.starts_with(refused.as_bytes())) {
            return Err(Refused::TarGz(format!("its attribute {:?} is not accepted", shown(key))));
        }
    }
    Ok(())
}

/// Reads a member of up to `limit` bytes.
fn read_up_to(member: &mut Entry<'_, impl Read>, path: &str, limit: usize) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    member.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(Refused::tar_gz)?;
    match bytes.len() > limit {
        true => Err(Refused::MemberTooLarge { path: path.to_owned(), limit }),
        false => Ok(bytes),
    }
}

/// Counts what comes out of gzip. Shared by the reader inside the tar archive and the loop outside.
struct Meter {
    limit: u64,
    left: Cell<u64>,
    /// Bytes left for the headers of the next member: the tar reader keeps long names and attributes in memory.
    header_left: Cell<u64>,
}

impl Meter {
    fn new(limit: u64) -> Self {
        // One more, because nothing left means that the limit is passed.
        Self { limit, left: Cell::new(limit.saturating_add(1)), header_left: Cell::new(TAR_HEADER_BYTES_MAX) }
    }

    fn header_begins(&self) {
        self.header_left.set(TAR_HEADER_BYTES_MAX);
    }

    fn content_begins(&self) {
        // A limit that was reached stays reached.
        if self.header_left.get() > 0 {
            self.header_left.set(u64::MAX);
        }
    }

    /// Counts `bytes`; fails when a limit is passed.
    fn count(&self, bytes: usize) -> io::Result<()> {
        for left in [&self.left, &self.header_left] {
            left.set(left.get().saturating_sub(bytes as u64));
            if left.get() == 0 {
                return Err(io::Error::other("a limit is passed"));
            }
        }
        Ok(())
    }

    /// What an error of the tar reader means: it may be our own, come back.
    fn explain(&self, err: io::Error) -> Refused {
        match (self.left.get(), self.header_left.get()) {
            (0, _) => Refused::Unpacked { limit: self.limit },
            (_, 0) => Refused::Header,
            _ => Refused::tar_gz(err),
        }
    }

    /// The same for an error that was taken for damage.
    fn explain_refused(&self, err: Refused) -> Refused {
        match err {
            Refused::TarGz(text) => self.explain(io::Error::other(text)),
            err => err,
        }
    }
}

struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buf)?;
        self.meter.count(bytes)?;
        Ok(bytes)
    }
}

/// Unpacks gzip as Python does: any number of members one after the other, then zeros, then nothing.
struct Gzip<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let bytes = member.read(buf)?;
            if bytes > 0 || buf.is_empty() {
                return Ok(bytes);
            }
            self.member = self.member.take().map(GzDecoder::into_inner).map(next_member).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// The member after the zeros that follow the last one; `None` at the end of the file.
fn next_member<R: BufRead>(mut rest: R) -> io::Result<Option<GzDecoder<R>>> {
    loop {
        let ahead = rest.fill_buf()?;
        let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
        match ahead.len() {
            0 => return Ok(None),
            all if zeros < all => {
                rest.consume(zeros);
                return Ok(Some(GzDecoder::new(rest)));
            }
            all => rest.consume(all),
        }
    }
}
