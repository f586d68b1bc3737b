//! Bytes that can be read at any place, wherever they lie. Who reads them does not know whether that is a file or an object
//! store; here alone is the difference.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::future::Either;
use url::Url;

use super::objects::Object;
use super::reader::BlobReader;
use super::{blocking, read, remote_read};

/// A blob opened for reading. If it is deleted meanwhile, a file stays readable, and reading an object ends in an error.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Bytes.
    pub size: u64,
    /// The bytes themselves.
    pub content: Content,
}

/// Bytes to be read. Clones share them and read for themselves.
#[derive(Debug, Clone)]
pub struct Content(pub(super) Source);

#[derive(Debug, Clone)]
pub(super) enum Source {
    File(Arc<File>),
    Object(Arc<Object>),
}

impl From<File> for Content {
    fn from(file: File) -> Self {
        Self(Source::File(Arc::new(file)))
    }
}

impl Content {
    /// The bytes `range` in pieces, none of them empty. Ends after the first error. Bytes that are missing are an error, never a
    /// clean end: the client must not take half a file for a whole one. An empty or backward range has no pieces.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        match self.0 {
            Source::File(file) => Either::Left(read::file_stream(file, range)),
            Source::Object(object) => Either::Right(remote_read::object_stream(object, range)),
        }
    }
}

impl Blob {
    /// The bytes `range`, as [`Content::stream`] gives them.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        self.content.stream(range)
    }

    /// A reader of the bytes `range` and of nothing else, for the blocking pool. Must be made on an async thread.
    pub fn reader(self, range: Range<u64>) -> io::Result<BlobReader> {
        BlobReader::new(self.content, range)
    }

    /// Reads the blob with `work` on the blocking pool. Fails if a read has failed, whatever `work` made of that: an archive of
    /// which a part could not be fetched is not a broken archive.
    pub async fn read_with<T: Send + 'static>(self, work: impl FnOnce(&mut BlobReader) -> T + Send + 'static) -> io::Result<T> {
        let all = 0..self.size;
        let mut reader = self.reader(all)?;
        blocking(move || {
            let done = work(&mut reader);
            reader.failure().map_or(Ok(done), Err)
        })
        .await
    }

    /// A link under which the client can fetch the bytes itself for a while; `None` if there is no such thing.
    pub async fn link(&self) -> io::Result<Option<Url>> {
        match &self.content.0 {
            Source::File(_) => Ok(None),
            Source::Object(object) => object.link().await,
        }
    }
}

/// The bytes `range` of a file at once, on the blocking pool, in the memory of `piece`.
pub(super) async fn read_into(mut piece: BytesMut, file: &Arc<File>, range: Range<u64>) -> io::Result<Bytes> {
    let file = file.clone();
    blocking(move || {
        piece.resize(usize::try_from(range.end - range.start).map_err(io::Error::other)?, 0);
        file.read_exact_at(&mut piece, range.start)?;
        Ok(piece.freeze())
    })
    .await
}
