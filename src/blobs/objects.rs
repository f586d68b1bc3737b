//! Blobs in an object store: `<prefix>/ab/cd/<sha256 as hex>`.
//!
//! Keys are digests, so writing one twice is harmless and no conditional put is needed; and an object appears under its key as
//! a whole or not at all. Errors of the store become `io::Error`s of the kinds that a folder's have: `NotFound` for what is not
//! there, `NotConnected` for a store that does not answer as it should.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::signer::{Method, Signer, Url};
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions, PutPayload};

use super::content::{Content, Source, read_into};
use super::multipart;
use super::{Blob, Digests, Hashes, ListedBlob, Spooled, StoredBlob};
use crate::limits;
use crate::pypi::{Sha256, Timestamp};

/// A bucket that holds blobs below a prefix.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) signer: Option<Arc<dyn Signer>>,
    pub(super) prefix: Path,
    /// The bucket's address, for errors that the administrator reads.
    pub(super) name: String,
}

/// One object whose size is known.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) signer: Option<Arc<dyn Signer>>,
    pub(super) key: Path,
    pub(super) size: u64,
}

impl Objects {
    /// Whether the bucket exists and can be listed: the question for a start.
    pub(super) async fn check(&self) -> io::Result<()> {
        let first = self.store.list(Some(&self.prefix)).try_next().await;
        first.map(drop).map_err(|error| naming(&self.name, error))
    }

    /// Whether the bucket is there, as cheaply as can be: lists what lies below a key that nothing lies below. To be asked for one
    /// key would not do: a bucket that was deleted gives the same 404 as one that lacks the key.
    pub(super) async fn reach(&self) -> io::Result<()> {
        let nothing = self.prefix.clone().join("owner");
        self.store.list(Some(&nothing)).try_next().await.map(drop).map_err(|error| naming(&self.name, error))
    }

    /// Sends the spooled file, unless it is there already.
    pub(super) async fn commit(&self, spooled: Spooled) -> io::Result<StoredBlob> {
        let stored = spooled.as_stored();
        if self.size_of(&stored.sha256).await? == Some(stored.size) {
            return Ok(stored);
        }
        let (key, file) = (self.key_of(&stored.sha256), Arc::new(spooled.file()?));
        match stored.size > limits::OBJECT_PUT_BYTES_MAX {
            true => multipart::send(&*self.store, &key, file, stored.size).await?,
            false => self.put(&key, read_into(BytesMut::new(), &file, 0..stored.size).await?).await?,
        }
        Ok(stored)
    }

    /// Keeps something small that is in memory already.
    pub(super) async fn put_bytes(&self, bytes: Bytes) -> io::Result<StoredBlob> {
        let mut hashes = Hashes::new(Digests::Sha256);
        hashes.update(&bytes);
        let stored = hashes.finish();
        if self.size_of(&stored.sha256).await? != Some(stored.size) {
            self.put(&self.key_of(&stored.sha256), bytes).await?;
        }
        Ok(stored)
    }

    async fn put(&self, key: &Path, bytes: Bytes) -> io::Result<()> {
        let options = PutOptions { attributes: attributes(), ..PutOptions::default() };
        self.store.put_opts(key, PutPayload::from(bytes), options).await.map(drop).map_err(failure)
    }

    pub(super) async fn open_blob(&self, sha256: &Sha256) -> io::Result<Option<Blob>> {
        let Some(size) = self.size_of(sha256).await? else { return Ok(None) };
        let object = Object { store: self.store.clone(), signer: self.signer.clone(), key: self.key_of(sha256), size };
        Ok(Some(Blob { size, content: Content(Source::Object(Arc::new(object))) }))
    }

    pub(super) async fn size_of(&self, sha256: &Sha256) -> io::Result<Option<u64>> {
        match self.store.head(&self.key_of(sha256)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }

    /// Deletes a blob; `false` if there was none. Asks first: not every store says.
    pub(super) async fn delete(&self, sha256: &Sha256) -> io::Result<bool> {
        if self.size_of(sha256).await?.is_none() {
            return Ok(false);
        }
        match self.store.delete(&self.key_of(sha256)).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }

    /// The blobs whose digest begins with `first`.
    pub(super) async fn list(&self, first: u8) -> io::Result<Vec<ListedBlob>> {
        let folder = self.prefix.clone().join(hex::encode([first]));
        let listed = self.store.list(Some(&folder)).try_filter_map(async |meta| {
            Ok(self.blob_of(&meta.location).map(|sha256| {
                let committed = Timestamp(meta.last_modified.timestamp_micros());
                ListedBlob { sha256, size: meta.size, committed }
            }))
        });
        listed.try_collect().await.map_err(failure)
    }

    pub(super) fn key_of(&self, sha256: &Sha256) -> Path {
        let hex = sha256.hex();
        self.prefix.clone().join(&hex[0..2]).join(&hex[2..4]).join(hex.as_str())
    }

    /// The blob that lies under `key`; `None` if that is no key of ours.
    pub(super) fn blob_of(&self, key: &Path) -> Option<Sha256> {
        let sha256 = Sha256::parse(key.filename()?).ok()?;
        (self.key_of(&sha256) == *key).then_some(sha256)
    }
}

impl Object {
    /// A link under which anybody can get the object for a while; `None` if this store makes none.
    pub(super) async fn link(&self) -> io::Result<Option<Url>> {
        let Some(signer) = &self.signer else { return Ok(None) };
        signer.signed_url(Method::GET, &self.key, limits::OBJECT_LINK_LIFETIME).await.map(Some).map_err(failure)
    }
}

/// What objects carry, for clients that are sent to them: the bytes under a key never change, and only who was sent may keep
/// them.
pub(super) fn attributes() -> Attributes {
    [(Attribute::CacheControl, "private, max-age=31536000, immutable"), (Attribute::ContentType, "application/octet-stream")]
        .into_iter()
        .collect()
}

/// An error of the store as one of the system. Its text holds no secret: the library leaves credentials out.
pub(super) fn failure(error: object_store::Error) -> io::Error {
    let kind = match &error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => ErrorKind::PermissionDenied,
        // Everything that goes wrong on the way, and every answer of 5xx.
        object_store::Error::Generic { .. } => ErrorKind::NotConnected,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// The same for the administrator: the bucket, what is the matter, and every cause, which the library shows only in part.
fn naming(name: &str, error: object_store::Error) -> io::Error {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let matter = match () {
        () if text.contains("status code: 404") => "there is no such bucket",
        () if text.contains("status code: 403") || text.contains("status code: 401") => "the store refuses these credentials",
        () => "the store does not answer",
    };
    io::Error::new(failure(error).kind(), format!("{name}: {matter}: {text}"))
}
