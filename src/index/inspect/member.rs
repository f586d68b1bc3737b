//! One member of a zip archive, unpacked in pieces: memory is one piece, whatever the member's size, and a member that is not
//! what the archive's directory says ends in an error, never cleanly.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::limits::BLOB_READ_BYTES;

/// Where a member lies in its archive, and what the directory says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where its packed bytes begin.
    pub(super) start: u64,
    /// Packed bytes.
    pub(super) packed: u64,
    /// Bytes, unpacked.
    pub size: u64,
    pub(super) crc32: u32,
    pub(super) deflated: bool,
}

/// A member that is being unpacked. Every call of [`Unpack::next_piece`] blocks; between them it may wait anywhere.
#[derive(Debug)]
pub struct Unpack {
    source: Source,
    left: u64,
    crc: Crc,
    wanted: u32,
}

#[derive(Debug)]
enum Source {
    Stored(Part),
    Deflated(Box<DeflateDecoder<Part>>),
}

/// A part of a file, read without moving the file's own position: many may read one file at once.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Unpack {
    /// Begins to unpack `member` of the archive in `file`. Reads nothing yet.
    pub fn new(file: Arc<File>, member: &Member) -> Self {
        let part = Part { file, at: member.start, left: member.packed };
        let source = match member.deflated {
            true => Source::Deflated(Box::new(DeflateDecoder::new(part))),
            false => Source::Stored(part),
        };
        Self { source, left: member.size, crc: Crc::new(), wanted: member.crc32 }
    }

    /// The next piece, not empty; `None` at the end. The last piece is given only if all of the member is right, so that
    /// whoever gets as many bytes as were announced has the right ones.
    pub fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; usize::try_from(self.left).unwrap_or(usize::MAX).min(BLOB_READ_BYTES)];
        match &mut self.source {
            Source::Stored(part) => part.read_exact(&mut piece),
            Source::Deflated(decoder) => decoder.read_exact(&mut piece),
        }?;
        self.left -= piece.len() as u64;
        self.crc.update(&piece);
        if self.left == 0 {
            self.check_end()?;
        }
        Ok(Some(piece.into()))
    }

    /// Nothing may follow, and the sum must be right.
    fn check_end(&mut self) -> io::Result<()> {
        let mut more = [0];
        let count = match &mut self.source {
            Source::Stored(part) => part.read(&mut more),
            Source::Deflated(decoder) => decoder.read(&mut more),
        }?;
        let wrong = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        match count {
            0 if self.crc.sum() == self.wanted => Ok(()),
            0 => wrong("its checksum is wrong"),
            _ => wrong("it is larger than the archive's directory says"),
        }
    }
}
