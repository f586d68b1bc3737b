//! Sends a large file to an object store in parts: memory is a few parts, whatever the file's size. The object appears when
//! the last request is answered; if anything fails before, or the caller stops waiting, the parts are thrown away.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, PutMultipartOptions, PutPayload};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::content::read_into;
use super::objects::{attributes, failure};
use crate::fault::{self, Step};
use crate::limits::{OBJECT_PART_BYTES, OBJECT_PARTS_AT_ONCE, OBJECT_PARTS_MAX};

/// Sends the `size` bytes of `file`.
pub(super) async fn send(store: &dyn ObjectStore, key: &Path, file: Arc<File>, size: u64) -> io::Result<()> {
    let options = PutMultipartOptions { attributes: attributes(), ..PutMultipartOptions::default() };
    let upload = store.put_multipart_opts(key, options).await.map_err(failure)?;
    let mut sending = Sending { upload: Some(upload), under_way: JoinSet::new(), spare: BytesMut::new() };
    match sending.parts(&file, size).await {
        Ok(()) => Ok(()),
        Err(error) => {
            sending.throw_away().await;
            Err(error)
        }
    }
}

/// An upload that is thrown away unless it was completed.
struct Sending {
    upload: Option<Box<dyn MultipartUpload>>,
    /// Each gives its part back, whose memory the next one takes: the allocator would keep that of every thread that has read one.
    under_way: JoinSet<object_store::Result<Bytes>>,
    spare: BytesMut,
}

impl Sending {
    async fn parts(&mut self, file: &Arc<File>, size: u64) -> io::Result<()> {
        let part_bytes = part_bytes(size);
        let mut at = 0;
        while at < size {
            let end = size.min(at + part_bytes);
            if self.under_way.len() == OBJECT_PARTS_AT_ONCE {
                self.one_done().await?;
            }
            let part = read_into(std::mem::take(&mut self.spare), file, at..end).await?;
            if let Some(upload) = &mut self.upload {
                let sent = upload.put_part(PutPayload::from(part.clone()));
                self.under_way.spawn(async move { sent.await.map(|()| part) });
            }
            at = end;
        }
        while !self.under_way.is_empty() {
            self.one_done().await?;
        }
        if let Some(upload) = &mut self.upload {
            upload.complete().await.map_err(failure)?;
        }
        self.upload = None;
        Ok(())
    }

    async fn one_done(&mut self) -> io::Result<()> {
        match self.under_way.join_next().await {
            Some(Ok(done)) => self.spare = done.map_err(failure)?.try_into_mut().unwrap_or_default(),
            Some(Err(failed)) => return Err(io::Error::other(failed)),
            None => {}
        }
        fault::at(Step::BlobPartSent);
        Ok(())
    }

    async fn throw_away(&mut self) {
        // A part that arrived after the end would be kept, and paid for.
        self.under_way.shutdown().await;
        if let Some(upload) = self.upload.take() {
            abort(upload).await;
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) = (self.upload.take(), Handle::try_current()) {
            self.under_way.abort_all();
            runtime.spawn(abort(upload));
        }
    }
}

/// What cannot be thrown away now is left to `gc`, or to a rule of the bucket.
async fn abort(mut upload: Box<dyn MultipartUpload>) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(%error, "parts of a file that was not stored could not be thrown away");
    }
}

/// Stores take so many parts and no more.
fn part_bytes(size: u64) -> u64 {
    OBJECT_PART_BYTES.max(size.div_ceil(OBJECT_PARTS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_into_the_parts_that_stores_take() {
        for size in
            [1, OBJECT_PART_BYTES, OBJECT_PART_BYTES * OBJECT_PARTS_MAX, OBJECT_PART_BYTES * OBJECT_PARTS_MAX + 1, 1 << 42]
        {
            let parts = size.div_ceil(part_bytes(size));
            assert!(parts <= OBJECT_PARTS_MAX, "{size}: {parts}");
        }
        assert_eq!(part_bytes(1 << 30), OBJECT_PART_BYTES);
    }
}
