//! A blob as something that blocking code can read and seek in, such as the readers of archives. Of an object a window is held in
//! memory; it grows while the reader goes forward, so that going through a large archive does not mean thousands of requests.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::content::{Content, Source};
use super::objects::Object;
use super::remote_read::object_bytes;
use crate::limits::{BLOB_READ_BYTES, OBJECT_WINDOW_BYTES_MAX};

/// Reads a part of a blob, which is all there is to it: its first byte is at 0. Every read blocks, and may ask the network: for
/// the blocking pool only.
#[derive(Debug)]
pub struct BlobReader {
    source: Source,
    range: Range<u64>,
    /// Where the next read begins, in the whole blob.
    at: u64,
    window: Window,
    runtime: Option<Handle>,
    failed: Option<(io::ErrorKind, String)>,
}

/// What is in memory of an object.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    ahead: u64,
}

impl BlobReader {
    pub(super) fn new(content: Content, range: Range<u64>) -> io::Result<Self> {
        let runtime = match &content.0 {
            Source::File(_) => None,
            Source::Object(_) => Some(Handle::try_current().map_err(io::Error::other)?),
        };
        let at = range.start;
        Ok(Self { source: content.0, range, at, window: Window::default(), runtime, failed: None })
    }

    /// The first read that failed, if one has.
    pub(super) fn failure(self) -> Option<io::Error> {
        self.failed.map(|(kind, text)| io::Error::new(kind, text))
    }

    fn read_here(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.source {
            Source::File(file) => file.read_at(buffer, self.at),
            Source::Object(object) => {
                if !self.window.holds(self.at) {
                    let wanted = self.window.next(self.at, self.range.end);
                    let bytes = fetch(self.runtime.as_ref(), object, wanted)?;
                    self.window.start = self.at;
                    self.window.bytes = bytes;
                }
                let from = usize::try_from(self.at - self.window.start).map_err(io::Error::other)?;
                let held = &self.window.bytes[from..];
                let count = held.len().min(buffer.len());
                buffer[..count].copy_from_slice(&held[..count]);
                Ok(count)
            }
        }
    }
}

fn fetch(runtime: Option<&Handle>, object: &Arc<Object>, range: Range<u64>) -> io::Result<Bytes> {
    let runtime = runtime.ok_or_else(|| io::Error::other("no runtime"))?;
    runtime.block_on(object_bytes(object.clone(), range))
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn holds(&self, at: u64) -> bool {
        (self.start..self.end()).contains(&at)
    }

    /// What to hold next, to read at `at`: more than last time if that goes on from there.
    fn next(&mut self, at: u64, end: u64) -> Range<u64> {
        let goes_on = !self.bytes.is_empty() && at >= self.end() && at - self.end() <= self.ahead;
        self.ahead = if goes_on { (self.ahead * 2).min(OBJECT_WINDOW_BYTES_MAX) } else { BLOB_READ_BYTES as u64 };
        at..end.min(at + self.ahead)
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        if most == 0 {
            return Ok(0);
        }
        match self.read_here(&mut buffer[..most]) {
            Ok(count) => {
                self.at += count as u64;
                Ok(count)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.failed.get_or_insert((error.kind(), error.to_string()));
                }
                Err(error)
            }
        }
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => self.range.start.checked_add(at),
            SeekFrom::End(by) => self.range.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        let at = at.filter(|at| *at >= self.range.start);
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is nothing before the first byte"))?;
        Ok(self.at - self.range.start)
    }
}
