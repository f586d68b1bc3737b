//! An object store in memory that fails when a test wants it to, and remembers what it was asked.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, once};
use futures_util::{FutureExt, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::signer::{Method, Signer, Url};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// What can be asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Head,
    Get,
    Put,
    Begin,
    Part,
    Complete,
    Abort,
    Delete,
    List,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The store answers with an error.
    Fails,
    /// The answer has so many bytes, then an error.
    Breaks(usize),
    /// The answer has so many bytes, then a clean end.
    Ends(usize),
    /// The answer never comes.
    Hangs,
    /// The answer comes when another part is under way.
    Waits,
}

/// The store. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct FlakyStore(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    inner: InMemory,
    down: AtomicBool,
    plans: Mutex<Vec<(Op, usize, Trouble)>>,
    asked: Mutex<Vec<(Op, u64)>>,
    parts_now: AtomicUsize,
    parts_most: AtomicUsize,
}

impl FlakyStore {
    /// From now on everything fails, or nothing more does.
    pub fn down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// The `nth` time from now, beginning with 0, that the store is asked for this, there is trouble.
    pub fn plan(&self, op: Op, nth: usize, trouble: Trouble) {
        self.0.plans.lock().unwrap().push((op, nth, trouble));
    }

    /// How often the store was asked for this.
    pub fn asked(&self, op: Op) -> usize {
        self.bytes_of(op).len()
    }

    /// The bytes of each request of this kind.
    pub fn bytes_of(&self, op: Op) -> Vec<u64> {
        self.0.asked.lock().unwrap().iter().filter(|(asked, _)| *asked == op).map(|(_, bytes)| *bytes).collect()
    }

    /// The largest number of parts that were under way at once.
    pub fn parts_most(&self) -> usize {
        self.0.parts_most.load(Ordering::SeqCst)
    }

    /// The keys that the store shows.
    pub async fn keys(&self) -> Vec<String> {
        self.0.inner.list(None).map(|meta| meta.unwrap().location.to_string()).collect().await
    }

    /// Notes the request, and what is planned for it.
    async fn ask(&self, op: Op, bytes: u64) -> Result<Option<Trouble>> {
        self.0.asked.lock().unwrap().push((op, bytes));
        let mut planned = None;
        for (_, nth, trouble) in self.0.plans.lock().unwrap().iter_mut().filter(|(planned, ..)| *planned == op) {
            if *nth == 0 {
                planned = Some(*trouble);
            }
            *nth = nth.wrapping_sub(1);
        }
        match planned {
            _ if self.0.down.load(Ordering::SeqCst) => Err(trouble()),
            Some(Trouble::Fails) => Err(trouble()),
            Some(Trouble::Hangs) => std::future::pending().await,
            other => Ok(other),
        }
    }
}

#[async_trait]
impl Signer for FlakyStore {
    async fn signed_url(&self, method: Method, key: &Path, valid: Duration) -> Result<Url> {
        let link = format!("https://bucket.example/{key}?method={method}&valid={}", valid.as_secs());
        Ok(Url::parse(&link).unwrap())
    }
}

fn trouble() -> Error {
    Error::Generic { store: "flaky", source: "as planned".into() }
}

impl fmt::Display for FlakyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

#[async_trait]
impl ObjectStore for FlakyStore {
    async fn put_opts(&self, key: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.ask(Op::Put, payload.content_length() as u64).await?;
        self.0.inner.put_opts(key, payload, options).await
    }

    async fn put_multipart_opts(&self, key: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.ask(Op::Begin, 0).await?;
        let inner = self.0.inner.put_multipart_opts(key, options).await?;
        Ok(Box::new(FlakyUpload { store: self.clone(), inner }))
    }

    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let answer = self.0.inner.get_opts(key, options).await;
        let bytes = answer.as_ref().map_or(0, |answer| answer.range.end - answer.range.start);
        let trouble = self.ask(if head { Op::Head } else { Op::Get }, bytes).await?;
        let answer = answer?;
        let (meta, range, attributes, extensions) =
            (answer.meta.clone(), answer.range.clone(), answer.attributes.clone(), answer.extensions.clone());
        let payload = match trouble {
            Some(Trouble::Breaks(at)) => {
                GetResultPayload::Stream(cut(answer.bytes().await?, 0..at).chain(once(broken())).boxed())
            }
            Some(Trouble::Ends(at)) => GetResultPayload::Stream(cut(answer.bytes().await?, 0..at)),
            _ => answer.payload,
        };
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(&self, keys: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let asked = keys.then(move |key| {
            let store = store.clone();
            async move { store.ask(Op::Delete, 0).await.and(key) }
        });
        self.0.inner.delete_stream(asked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, listed) = (self.clone(), self.0.inner.list(prefix));
        let asked = async move {
            match store.ask(Op::List, 0).await {
                Ok(_) => listed,
                Err(error) => once(async { Err(error) }).boxed(),
            }
        };
        asked.flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.inner.copy_opts(from, to, options).await
    }
}

fn cut(bytes: Bytes, range: Range<usize>) -> BoxStream<'static, Result<Bytes>> {
    let bytes = bytes.slice(range.start..range.end.min(bytes.len()));
    once(async { Ok(bytes) }).boxed()
}

async fn broken() -> Result<Bytes> {
    Err(trouble())
}

#[derive(Debug)]
struct FlakyUpload {
    store: FlakyStore,
    inner: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for FlakyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (store, bytes) = (self.store.clone(), data.content_length() as u64);
        let inner = self.inner.put_part(data);
        async move {
            let now = store.0.parts_now.fetch_add(1, Ordering::SeqCst) + 1;
            store.0.parts_most.fetch_max(now, Ordering::SeqCst);
            let done = match store.ask(Op::Part, bytes).await {
                Ok(trouble) => {
                    while trouble == Some(Trouble::Waits) && store.parts_most() < 2 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    inner.await
                }
                Err(error) => Err(error),
            };
            store.0.parts_now.fetch_sub(1, Ordering::SeqCst);
            done
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.store.ask(Op::Complete, 0).await?;
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.ask(Op::Abort, 0).await?;
        self.inner.abort().await
    }
}
