//! Streaming a file: a piece that the page cache has is copied at once, in the task that sends it; from the first that it has not,
//! pieces are read on the blocking pool, the next one while the last one is on its way to the client. Memory is two pieces for
//! each stream, whatever the size of the blob.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::task::JoinHandle;

use super::piece::Piece;
use crate::limits::BLOB_READ_BYTES;

/// The bytes `range` of `file` in pieces of up to [`BLOB_READ_BYTES`], none of them empty.
///
/// Ends after the first error. A file that is shorter than `range` says is an error, never a clean end: the client must not
/// take half a file for a whole one. An empty or backward range has no pieces.
pub(super) fn file_stream(
    file: impl Into<Arc<File>>,
    range: Range<u64>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    Reading { file: file.into(), rest: range, cached: true, ahead: None }.stream()
}

struct Reading {
    file: Arc<File>,
    rest: Range<u64>,
    /// Whether the page cache has had all pieces so far.
    cached: bool,
    ahead: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Reading {
    fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        unfold(Some(self), |state| async {
            let mut state = state?;
            if let Some(piece) = state.at_hand() {
                return Some((Ok(piece), Some(state)));
            }
            let piece = match state.ahead.take().or_else(|| state.start_next())?.await {
                Ok(piece) => piece,
                Err(failed) => Err(io::Error::other(failed)),
            };
            state.ahead = state.start_next();
            let next = piece.is_ok().then_some(state);
            Some((piece, next))
        })
    }

    /// The next piece, if all of it can be had without waiting for a disk.
    fn at_hand(&mut self) -> Option<Bytes> {
        if !self.cached {
            return None;
        }
        let next = self.next()?;
        let mut piece = Piece::new((next.end - next.start) as usize);
        self.cached = read_cached(&self.file, &mut piece, next.start);
        self.cached.then(|| {
            self.rest.start = next.end;
            piece.into()
        })
    }

    /// Begins to read the next piece; `None` at the end of the range.
    fn start_next(&mut self) -> Option<JoinHandle<io::Result<Bytes>>> {
        let next = self.next()?;
        self.rest.start = next.end;
        let file = self.file.clone();
        Some(tokio::task::spawn_blocking(move || {
            let mut piece = Piece::new((next.end - next.start) as usize);
            file.read_exact_at(&mut piece, next.start)?;
            Ok(piece.into())
        }))
    }

    /// Where the next piece is; `None` at the end of the range.
    fn next(&self) -> Option<Range<u64>> {
        let at = self.rest.start;
        let end = self.rest.end.min(at.saturating_add(BLOB_READ_BYTES as u64));
        (at < end).then_some(at..end)
    }
}

/// Fills `piece` from the page cache; false if some of it is not there, or the file system cannot tell.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, piece: &mut [u8], at: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    let wanted = piece.len();
    preadv2(file, &mut [io::IoSliceMut::new(piece)], at, ReadWriteFlags::NOWAIT).is_ok_and(|read| read == wanted)
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use proptest::prelude::*;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn pieces(file: File, range: Range<u64>) -> Vec<io::Result<Bytes>> {
        pieces_of(file, range, true)
    }

    fn pieces_of(file: File, rest: Range<u64>, cached: bool) -> Vec<io::Result<Bytes>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Reading { file: file.into(), rest, cached, ahead: None }.stream().collect())
    }

    #[test]
    fn no_bytes_no_pieces() {
        for range in [0..0, 3..3, Range { start: 3, end: 1 }, 10..10] {
            assert!(pieces(file_of(b"abc"), range.clone()).is_empty(), "{range:?}");
        }
    }

    #[test]
    fn a_file_that_is_too_short_ends_in_one_error() {
        let bytes = vec![7; BLOB_READ_BYTES + 10];
        for cached in [true, false] {
            let got = pieces_of(file_of(&bytes), 0..bytes.len() as u64 + 1, cached);
            assert_eq!(got.len(), 2);
            assert_eq!(got[0].as_ref().unwrap().len(), BLOB_READ_BYTES);
            assert_eq!(got[1].as_ref().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_range_gives_the_bytes_of_the_slice(size in 0..3 * BLOB_READ_BYTES, a in 0.0..1.0, b in 0.0..1.0, cached: bool) {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 253) as u8).collect();
            let at = |share: f64| (size as f64 * share) as usize;
            let (start, end) = (at(f64::min(a, b)), at(f64::max(a, b)));
            let got = pieces_of(file_of(&bytes), start as u64..end as u64, cached);
            let lengths: Vec<usize> = got.iter().map(|piece| piece.as_ref().unwrap().len()).collect();
            prop_assert!(lengths.iter().all(|length| (1..=BLOB_READ_BYTES).contains(length)));
            prop_assert_eq!(lengths.len(), (end - start).div_ceil(BLOB_READ_BYTES));
            let joined: Vec<u8> = got.into_iter().flat_map(|piece| piece.unwrap()).collect();
            prop_assert!(joined == bytes[start..end], "{start}..{end} of {size}");
        }
    }
}
