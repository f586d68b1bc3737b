//! Upload forms to other servers: what twine would send, with the file in pieces, so that memory does not grow with it.
//!
//! Redirects are not followed: a file and a password belong to the address that was named and to no other.

use super::address::{Reach, Route};
use super::client::Upstream;
use super::error::{UpstreamError, of_transport};
use super::origin::Origin;
use crate::limits::UPSTREAM_REFUSAL_BYTES_MAX;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, once};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use std::fmt::Write as _;
use std::io;
use url::Url;

/// An upload form.
pub struct Form {
    /// Text fields, in the order in which they are sent.
    pub fields: Vec<(String, String)>,
    /// The file in the field `content`, which comes last.
    pub file: Option<FormFile>,
}

/// The file of a form.
pub struct FormFile {
    /// Its name.
    pub name: String,
    /// Bytes in all.
    pub size: u64,
    /// The bytes.
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
}

/// Who uploads.
pub struct Account<'a> {
    /// User name.
    pub user: &'a str,
    /// Password or token.
    pub password: &'a str,
}

/// What the other server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status code.
    pub status: u16,
    /// The beginning of its body as text.
    pub text: String,
}

impl Upstream {
    /// Posts a form to `url`, which must be one that `reach` allows.
    pub async fn post(&self, url: &Url, reach: Reach, account: &Account<'_>, form: Form) -> Result<Posted, UpstreamError> {
        let refused = || UpstreamError::Refused { host: super::error::host(url) };
        let own = Origin::parse(url.as_str()).map_err(|_| refused())?;
        let client = match reach.route(&own, url, self.proxies())? {
            Route::Open => self.posts().0,
            Route::Guarded => self.posts().1,
        };
        let boundary = boundary();
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let (length, body) = encode(form, &boundary);
        let request = client
            .post(url.clone())
            .basic_auth(account.user, Some(account.password))
            .header(CONTENT_TYPE, content_type)
            .header(CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(body));
        let mut answer = request.send().await.map_err(|error| of_transport(error, url))?;
        let status = answer.status().as_u16();
        let mut text = Vec::new();
        while let Ok(Some(piece)) = answer.chunk().await {
            text.extend_from_slice(&piece);
            if text.len() >= UPSTREAM_REFUSAL_BYTES_MAX {
                text.truncate(UPSTREAM_REFUSAL_BYTES_MAX);
                break;
            }
        }
        Ok(Posted { status, text: String::from_utf8_lossy(&text).into_owned() })
    }
}

/// The length of the encoded form, and the form.
fn encode(form: Form, boundary: &str) -> (u64, BoxStream<'static, io::Result<Bytes>>) {
    let mut head = String::new();
    for (name, value) in &form.fields {
        // Writing into a string does not fail.
        let _ = write!(head, "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{value}\r\n", quoted(name));
    }
    let end = format!("--{boundary}--\r\n");
    let Some(file) = form.file else {
        let whole = Bytes::from(head + &end);
        return (whole.len() as u64, once(async { Ok(whole) }).boxed());
    };
    let _ = write!(
        head,
        "--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"{}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n",
        quoted(&file.name)
    );
    let end = format!("\r\n{end}");
    let length = head.len() as u64 + file.size + end.len() as u64;
    let (head, end) = (once(async { Ok(Bytes::from(head)) }), once(async { Ok(Bytes::from(end)) }));
    (length, head.chain(file.bytes).chain(end).boxed())
}

/// As browsers quote names in forms (the WHATWG's multipart encoding).
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text that no honest field contains. Without randomness it is still one that no file begins a line with.
fn boundary() -> String {
    let mut random = [0; 16];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::warn!(%error, "no randomness for a form's boundary");
    }
    format!("cheeseshop-{}", hex::encode(random))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, Reply, Server};
    use super::*;

    fn form(pieces: &'static [&'static [u8]]) -> Form {
        let bytes = futures_util::stream::iter(pieces.iter().map(|piece| Ok(Bytes::from_static(piece)))).boxed();
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        Form {
            fields: vec![(":action".into(), "file_upload".into()), ("a\"b".into(), "1\r\n2".into())],
            file: Some(FormFile { name: "x-1.zip".into(), size, bytes }),
        }
    }

    #[tokio::test]
    async fn a_form_is_what_a_browser_would_send() {
        let (length, body) = encode(form(&[b"by", b"tes"]), "B");
        let pieces: Vec<Bytes> = body.map(|piece| piece.unwrap()).collect().await;
        let text = String::from_utf8(pieces.concat()).unwrap();
        assert_eq!(length, text.len() as u64);
        assert_eq!(
            text,
            "--B\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nfile_upload\r\n\
             --B\r\nContent-Disposition: form-data; name=\"a%22b\"\r\n\r\n1\r\n2\r\n\
             --B\r\nContent-Disposition: form-data; name=\"content\"; filename=\"x-1.zip\"\r\n\
             Content-Type: application/octet-stream\r\n\r\nbytes\r\n--B--\r\n"
        );
    }

    #[tokio::test]
    async fn a_redirect_is_told_and_not_followed() {
        let server = Server::start(|_| Reply::redirect(307, "/elsewhere")).await;
        let account = Account { user: "me", password: "secret" };
        let posted = testing::upstream().post(&server.url("/legacy/"), Reach::Anywhere, &account, form(&[])).await.unwrap();
        assert_eq!(posted.status, 307);
        assert_eq!(server.seen().len(), 1);
        assert_eq!(server.seen()[0].header("authorization").as_deref(), Some("Basic bWU6c2VjcmV0"));
    }

    #[tokio::test]
    async fn a_private_address_is_not_asked() {
        let server = Server::start(|_| Reply::ok("")).await;
        let account = Account { user: "me", password: "secret" };
        let refused = testing::upstream().post(&server.url("/"), Reach::Public, &account, form(&[])).await;
        assert_eq!(refused, Err(UpstreamError::Refused { host: "127.0.0.1".into() }));
        assert!(server.seen().is_empty());
    }
}
