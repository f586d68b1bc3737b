//! Uploads in parts that never ended: S3 keeps their parts, shows them nowhere and asks money for them, until somebody throws
//! them away. Azure forgets them by itself; Google Cloud Storage wants a rule of the bucket for it.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::address::Address;
    use super::super::clouds::{self, Env};
    use super::super::*;

    /// A server that gives these answers, one a connection; tells what it was asked.
    async fn s3(answers: Vec<(&'static str, String)>) -> (Blobs, tempfile::TempDir, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let mut asked = Vec::new();
            for (status, body) in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 16 * 1024];
                let read = socket.read(&mut head).await.unwrap();
                asked.push(String::from_utf8_lossy(&head[..read]).lines().next().unwrap().to_owned());
                let length = body.len();
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        let Ok(Address::Bucket(bucket)) = Address::parse("s3://shop/pre fix") else { panic!() };
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "sesame"), ("HOME", "/no/such/home")];
        let env = Env::of(keys.into_iter().chain([("AWS_ENDPOINT_URL", endpoint.as_str())]));
        let connected = clouds::connect(&bucket, None, &env).unwrap();
        let tmp = tempfile::tempdir().unwrap();
        let objects = Objects { store: connected.store, signer: None, prefix: bucket.prefix.clone(), name: bucket.to_string() };
        let multiparts = Some(Arc::new(Multiparts::new(connected.s3.unwrap())));
        let blobs = Blobs::new(Store::Objects(Arc::new(objects), multiparts), tmp.path()).unwrap();
        (blobs, tmp, asked)
    }

    fn page(uploads: &[(&str, &str, &str)], next: Option<(&str, &str)>) -> String {
        let uploads = uploads.iter().map(|(key, id, begun)| {
            format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Owner><ID>x</ID></Owner><Initiated>{begun}</Initiated></Upload>")
        });
        let next = next.map_or("<IsTruncated>false</IsTruncated>".into(), |(key, id)| {
            format!(
                "<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker><IsTruncated>true</IsTruncated>"
            )
        });
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListMultipartUploadsResult xmlns=\"x\"><Bucket>shop</Bucket>{next}{}</ListMultipartUploadsResult>",
            uploads.collect::<String>()
        )
    }

    #[tokio::test]
    async fn uploads_of_ours_that_never_ended_are_found_page_by_page_and_thrown_away() {
        let sha256 = Sha256::of(b"abc");
        let hex = sha256.hex();
        let key = format!("pre fix/{}/{}/{hex}", &hex[..2], &hex[2..4]);
        let (old, young) = ("2026-01-01T00:00:00.000Z", "2026-01-03T00:00:00.000Z");
        let first = page(&[(&key, "one", old), ("pre fix/other", "two", old)], Some((&key, "a&amp;b")));
        let second = page(&[(&key, "three", young), (&key, "four", old)], None);
        let answers =
            vec![("200 OK", first), ("200 OK", second), ("204 No Content", String::new()), ("404 Not Found", String::new())];
        let (blobs, _tmp, asked) = s3(answers).await;
        let found = blobs.abandoned(Timestamp::parse("2026-01-02T00:00:00Z").unwrap()).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|abandoned| abandoned.id.as_str()).collect();
        assert_eq!((ids, found[0].sha256), (vec!["one", "four"], sha256), "neither a young one nor somebody else's");
        assert!(blobs.abort(&found[0]).await.unwrap());
        assert!(!blobs.abort(&found[1]).await.unwrap(), "gone already");
        let asked = asked.await.unwrap();
        assert!(asked[0].starts_with("GET /shop/?uploads=&prefix=pre%20fix%2F&"), "{asked:?}");
        assert!(asked[1].contains("upload-id-marker=a%26b") && asked[1].contains("key-marker=pre%20fix"), "{asked:?}");
        assert!(asked[2].starts_with("DELETE /shop/pre%20fix/") && asked[2].contains("uploadId=one"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_store_that_cannot_list_them_is_an_error_without_the_signed_address() {
        for (status, body) in [("403 Forbidden", ""), ("200 OK", "no XML"), ("200 OK", "<Error/")] {
            let (blobs, ..) = s3(vec![(status, body.into())]).await;
            let error = blobs.abandoned(Timestamp::EPOCH).await.unwrap_err().to_string();
            assert!(error.starts_with("s3://shop/pre fix: ") && !error.contains("X-Amz"), "{error}");
        }
    }
}
