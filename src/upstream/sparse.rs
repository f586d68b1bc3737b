//! A file of which only some parts are at hand, read as if it were whole. Reading where there is nothing fails and leaves a
//! note of what is missing, so that it can be fetched and the reading tried again. Does no I/O itself.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

/// The parts at hand, and where the reader stands.
#[derive(Debug)]
pub(super) struct Sparse {
    size: u64,
    /// By offset; they do not overlap.
    parts: BTreeMap<u64, Bytes>,
    position: u64,
    missing: Option<u64>,
}

impl Sparse {
    /// A file of `size` bytes, none of them at hand.
    pub(super) fn new(size: u64) -> Self {
        Self { size, parts: BTreeMap::new(), position: 0, missing: None }
    }

    /// Adds the bytes that begin at offset `start`, and forgets what was missing.
    pub(super) fn add(&mut self, start: u64, bytes: Bytes) {
        self.parts.insert(start, bytes);
        self.missing = None;
    }

    /// Where the last failed read found nothing.
    pub(super) fn missing(&self) -> Option<u64> {
        self.missing
    }

    /// From `start` at most `count` bytes, but not beyond the next part or the end.
    pub(super) fn gap(&self, start: u64, count: u64) -> Range<u64> {
        let next = self.parts.range(start..).next().map_or(self.size, |(at, _)| *at);
        start..next.min(start.saturating_add(count))
    }

    /// How many bytes are at hand.
    pub(super) fn held(&self) -> u64 {
        self.parts.values().map(|part| part.len() as u64).sum()
    }
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let before = self.parts.range(..=self.position).next_back();
        let rest = before.and_then(|(start, part)| part.get(usize::try_from(self.position - start).ok()?..));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            self.missing = Some(self.position);
            return Err(io::Error::new(ErrorKind::WouldBlock, "this part is not at hand"));
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "seek to before the start"))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_up_to_the_next_part() {
        let mut file = Sparse::new(10);
        file.add(6, Bytes::from_static(b"6789"));
        let mut buffer = [0; 8];
        assert_eq!(file.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(file.missing(), Some(0));
        assert_eq!((file.gap(0, 4), file.gap(0, 100)), (0..4, 0..6));
        file.add(0, Bytes::from_static(b"0123"));
        assert_eq!(file.missing(), None);
        assert_eq!(file.held(), 8);
        assert_eq!((file.read(&mut buffer).unwrap(), &buffer[..4]), (4, b"0123".as_slice()));
        assert!(file.read(&mut buffer).is_err());
        assert_eq!(file.missing(), Some(4));
        assert_eq!(file.gap(4, 100), 4..6);
    }

    #[test]
    fn with_every_part_it_reads_like_the_file() {
        let mut file = Sparse::new(10);
        file.add(5, Bytes::from_static(b"56789"));
        file.add(0, Bytes::from_static(b"01234"));
        let mut all = String::new();
        file.read_to_string(&mut all).unwrap();
        assert_eq!(all, "0123456789");
        assert_eq!(file.seek(SeekFrom::End(-2)).unwrap(), 8);
        assert_eq!(file.seek(SeekFrom::Current(-9)).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(file.seek(SeekFrom::Start(99)).unwrap(), 99);
        assert_eq!(file.read(&mut [0; 1]).unwrap(), 0);
    }
}
