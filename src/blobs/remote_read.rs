//! Streaming an object. Connections to object stores break now and then, so a stream that broke goes on with a new request from
//! where it stopped; a stream that gave less than it should has broken too.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, unfold};
use futures_util::{Stream, TryStreamExt};
use object_store::{GetOptions, GetRange};

use super::objects::{Object, failure};
use crate::limits::{OBJECT_RESUMED_BYTES_MIN, OBJECT_RESUMES_MAX};

/// The bytes `range` of an object in pieces as they come; ends after the first error.
pub(super) fn object_stream(object: Arc<Object>, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let state = Reading { object, broke_at: range.start, rest: range, body: None, resumes: 0 };
    unfold(Some(state), |state| async {
        let mut state = state?;
        match state.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(state))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// The bytes `range` of an object at once.
pub(super) async fn object_bytes(object: Arc<Object>, range: Range<u64>) -> io::Result<Bytes> {
    let size = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let start = Vec::with_capacity(size);
    let bytes = object_stream(object, range).try_fold(start, async |mut bytes, piece| {
        bytes.extend_from_slice(&piece);
        Ok(bytes)
    });
    bytes.await.map(Bytes::from)
}

struct Reading {
    object: Arc<Object>,
    rest: Range<u64>,
    body: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// How often it was resumed since it last came well forward.
    resumes: usize,
    /// Where it broke for the first of those times.
    broke_at: u64,
}

impl Reading {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.rest.is_empty() {
            // A request that fails was repeated by the library already.
            let mut body = match self.body.take() {
                Some(body) => body,
                None => self.ask().await?,
            };
            let broken = match body.try_next().await {
                Ok(Some(piece)) if piece.is_empty() => {
                    self.body = Some(body);
                    continue;
                }
                Ok(Some(piece)) if piece.len() as u64 <= self.rest.end - self.rest.start => {
                    self.rest.start += piece.len() as u64;
                    self.body = Some(body);
                    return Ok(Some(piece));
                }
                Ok(Some(_)) => io::Error::new(ErrorKind::InvalidData, "the object store sent more than it was asked for"),
                Ok(None) => io::Error::new(ErrorKind::UnexpectedEof, "the object store sent less than it was asked for"),
                Err(error) => failure(error),
            };
            if self.rest.start - self.broke_at >= OBJECT_RESUMED_BYTES_MIN {
                (self.resumes, self.broke_at) = (0, self.rest.start);
            }
            if self.resumes == OBJECT_RESUMES_MAX {
                return Err(broken);
            }
            self.resumes += 1;
            tracing::debug!(key = %self.object.key, at = self.rest.start, error = %broken, "a read broke and is resumed");
        }
        Ok(None)
    }

    async fn ask(&mut self) -> io::Result<BoxStream<'static, object_store::Result<Bytes>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(self.rest.clone())), ..GetOptions::default() };
        let answer = self.object.store.get_opts(&self.object.key, options).await.map_err(failure)?;
        match answer.range == self.rest && answer.meta.size == self.object.size {
            true => Ok(answer.into_stream()),
            false => Err(io::Error::new(ErrorKind::InvalidData, "the object has another size than a moment ago")),
        }
    }
}
