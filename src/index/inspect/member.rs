//! One member of a zip archive, unpacked in pieces: memory is one piece, whatever the member's size, and a member that is not
//! what the archive's directory says ends in an error, never cleanly.

use std::io::{self, Read};
use std::ops::Range;

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
    pub(super) packed_bytes: u64,
    /// Bytes, unpacked.
    pub size: u64,
    pub(super) crc32: u32,
    pub(super) deflated: bool,
}

impl Member {
    /// Where its packed bytes lie in the archive.
    pub fn packed(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.packed_bytes)
    }
}

/// A member that is being unpacked. Every call of [`Unpack::next_piece`] blocks; between them it may wait anywhere.
#[derive(Debug)]
pub struct Unpack<R: Read> {
    source: Source<R>,
    left: u64,
    crc: Crc,
    wanted: u32,
}

#[derive(Debug)]
enum Source<R: Read> {
    Stored(R),
    Deflated(Box<DeflateDecoder<R>>),
}

impl<R: Read> Unpack<R> {
    /// Begins to unpack `member` from `packed`, which gives its packed bytes and ends. Reads nothing yet.
    pub fn new(packed: R, member: &Member) -> Self {
        let source = match member.deflated {
            true => Source::Deflated(Box::new(DeflateDecoder::new(packed))),
            false => Source::Stored(packed),
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
            Source::Stored(packed) => packed.read_exact(&mut piece),
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
            Source::Stored(packed) => packed.read(&mut more),
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
