//! Uploads in parts that never ended: S3 keeps their parts, shows them nowhere and asks money for them, until somebody throws
//! them away. Other object stores forget them by themselves.
//!
//! The library has no question for them, so this signs one itself.

use std::io::{self, ErrorKind};

use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use serde::Deserialize;

use super::objects::{Objects, failure};
use crate::limits;
use crate::pypi::{Sha256, Timestamp};

/// An upload of ours that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// The blob that it would have become.
    pub sha256: Sha256,
    /// When it began, by the store's clock. A young one may be under way on some node.
    pub begun: Timestamp,
    /// The store's name for it.
    id: String,
}

/// S3's part of [`Objects`].
#[derive(Debug)]
pub(super) struct Multiparts {
    store: AmazonS3,
    client: HttpClient,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_upload_id_marker: Option<String>,
    #[serde(default, rename = "Upload")]
    uploads: Vec<Upload>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
    upload_id: String,
    initiated: String,
}

impl Multiparts {
    pub(super) fn new((store, client): (AmazonS3, HttpClient)) -> Self {
        Self { store, client }
    }

    /// All that began before `before`.
    pub(super) async fn list(&self, objects: &Objects, before: Timestamp) -> io::Result<Vec<Abandoned>> {
        let mut found = Vec::new();
        let mut markers = None;
        loop {
            let page = self.page(objects, markers.take()).await?;
            found.extend(page.uploads.iter().filter_map(|upload| {
                let sha256 = objects.blob_of(&Path::parse(&upload.key).ok()?)?;
                let begun = Timestamp::parse(&upload.initiated).filter(|begun| *begun < before)?;
                Some(Abandoned { sha256, begun, id: upload.upload_id.clone() })
            }));
            match (page.is_truncated, page.next_key_marker) {
                (true, Some(key)) if !key.is_empty() => markers = Some((key, page.next_upload_id_marker)),
                _ => return Ok(found),
            }
        }
    }

    async fn page(&self, objects: &Objects, markers: Option<(String, Option<String>)>) -> io::Result<Page> {
        let mut query = vec![("uploads".to_owned(), String::new())];
        if !objects.prefix.as_ref().is_empty() {
            query.push(("prefix".into(), format!("{}/", objects.prefix)));
        }
        if let Some((key, id)) = markers {
            query.push(("key-marker".into(), key));
            query.extend(id.map(|id| ("upload-id-marker".into(), id)));
        }
        let options = SignedUrlOptions::new().with_query(query);
        let root = Path::ROOT;
        let url =
            self.store.signed_url_opts(Method::GET, &root, limits::OBJECT_LINK_LIFETIME, &options).await.map_err(failure)?;
        // The address is as good as a password, so no error may hold it.
        let wrong = |what: &str| io::Error::new(ErrorKind::NotConnected, format!("{}: {what}", objects.name));
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().map_err(|_| wrong("its address cannot be asked"))?;
        let answer = self.client.execute(request).await.map_err(|_| wrong("the store does not answer"))?;
        let status = answer.status();
        let body = answer.into_body().bytes().await.map_err(|_| wrong("the store's answer broke off"))?;
        if !status.is_success() {
            return Err(wrong(&format!("uploads in parts cannot be listed: the store answers {status}")));
        }
        let page = quick_xml::de::from_reader(&body[..]);
        page.map_err(|error| wrong(&format!("the store's list of uploads in parts cannot be read: {error}")))
    }

    /// Throws the parts away; `false` if they are gone already.
    pub(super) async fn abort(&self, objects: &Objects, abandoned: &Abandoned) -> io::Result<bool> {
        match self.store.abort_multipart(&objects.key_of(&abandoned.sha256), &abandoned.id).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failure(error)),
        }
    }
}
