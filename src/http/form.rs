//! Upload forms: multipart as every uploader of the last fifteen years sends it. The file goes to a spool, whatever its place
//! among the fields; nothing larger than a text field is ever held in memory.

use super::request_body::BodyError;
use crate::blobs::{Blobs, Digests, Spool, SpoolError, Spooled};
use crate::error::{Error, Result};
use crate::limits;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt};
use multer::{Constraints, Field, Multipart, SizeLimit};
use std::error::Error as _;

/// A form that was read to its end.
#[derive(Debug, Default)]
pub struct Form {
    /// Text fields in the order sent, bounded in number and size.
    pub fields: Vec<(String, String)>,
    /// The file part named `content`: its name as sent, and its bytes.
    pub content: Option<(String, Spooled)>,
}

impl Form {
    /// The first text field of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a form whose file may have up to `max_file_size` bytes.
pub async fn read(blobs: &Blobs, headers: &HeaderMap, body: Body, max_file_size: u64) -> Result<Form> {
    let mut stream = body.into_data_stream().boxed();
    if content_type(headers).starts_with("application/x-www-form-urlencoded") {
        return urlencoded_form(stream).await;
    }
    let boundary = boundary(headers)?;
    let first = first_bytes(&mut stream, boundary.len() + 4).await?;
    if has_bare_line_feeds(&first, &boundary) {
        return line_feed_form(first, stream, &boundary).await;
    }
    let whole = futures_util::stream::once(async { Ok(first) }).chain(stream);
    let limit = SizeLimit::new().whole_stream(max_file_size.saturating_add(limits::FORM_TEXT_BYTES_MAX));
    let mut parts = Multipart::with_constraints(whole, boundary, Constraints::new().size_limit(limit));
    let mut form = Form::default();
    let mut text_bytes = 0;
    while let Some(field) = parts.next_field().await.map_err(|e| unreadable(e, max_file_size))? {
        let name = field.name().unwrap_or_default().to_owned();
        match field.file_name().map(str::to_owned) {
            Some(filename) if name == "content" => {
                if form.content.is_some() {
                    return Err(Error::BadRequest("the form has more than one file in 'content'".into()));
                }
                form.content = Some((filename, spool(blobs, field, max_file_size).await?));
            }
            // Signatures and the like, sent as files: read and dropped, within the same bounds as text.
            Some(_) => drop(text(field, &mut text_bytes, max_file_size).await?),
            None => {
                let value = text(field, &mut text_bytes, max_file_size).await?;
                form.fields.push((name, value));
            }
        }
        if form.fields.len() > limits::FORM_FIELDS_MAX {
            return Err(Error::BadRequest(format!("the form has more than {} fields", limits::FORM_FIELDS_MAX)));
        }
    }
    Ok(form)
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn boundary(headers: &HeaderMap) -> Result<String> {
    let content_type = content_type(headers);
    // distutils adds a charset behind the boundary, which is not part of it; multer stops at the semicolon.
    multer::parse_boundary(content_type).map_err(|_| Error::BadRequest("an upload is a multipart/form-data form".into()))
}

type Data = futures_util::stream::BoxStream<'static, Result<Bytes, axum::Error>>;

/// At least `count` bytes from the beginning, unless there are fewer.
async fn first_bytes(stream: &mut Data, count: usize) -> Result<Bytes> {
    let mut first = BytesMut::new();
    while first.len() < count {
        let Some(chunk) = stream.next().await else { break };
        first.extend_from_slice(&chunk.map_err(|error| broken(&error))?);
    }
    Ok(first.freeze())
}

/// distutils ends the lines of a `register` form with bare line feeds, which no multipart library takes.
fn has_bare_line_feeds(first: &[u8], boundary: &str) -> bool {
    let start = first.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let after = first[start..].strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary.as_bytes()));
    after.is_some_and(|rest| rest.starts_with(b"\n"))
}

/// Reads a form without a file as it is sent where no file is expected: devpi-server registers a release so before it pushes it.
async fn urlencoded_form(stream: Data) -> Result<Form> {
    let bytes = all_bytes(Bytes::new(), stream).await?;
    let fields = form_urlencoded::parse(&bytes).take(limits::FORM_FIELDS_MAX);
    let clean = |text: std::borrow::Cow<'_, str>| text.replace('\0', "\u{fffd}");
    Ok(Form { fields: fields.map(|(name, value)| (name.into_owned(), clean(value))).collect(), content: None })
}

/// The whole body of a form of text fields.
async fn all_bytes(first: Bytes, mut rest: Data) -> Result<BytesMut> {
    let mut bytes = BytesMut::from(first.as_ref());
    while let Some(chunk) = rest.try_next().await.map_err(|error| broken(&error))? {
        if (bytes.len() + chunk.len()) as u64 > limits::FORM_TEXT_BYTES_MAX {
            return Err(text_too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Reads a form of text fields with bare line feeds, in memory.
async fn line_feed_form(first: Bytes, rest: Data, boundary: &str) -> Result<Form> {
    let bytes = all_bytes(first, rest).await?;
    let whole = String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}");
    let delimiter = format!("--{boundary}");
    let mut form = Form::default();
    for part in whole.split(delimiter.as_str()).skip(1).take_while(|part| !part.starts_with("--")).take(limits::FORM_FIELDS_MAX) {
        let Some((head, value)) = part.split_once("\n\n") else { continue };
        if head.contains("filename=") {
            return Err(Error::BadRequest("a form with a file must end its lines with CR LF".into()));
        }
        let Some(name) = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()) else { continue };
        form.fields.push((name.to_owned(), value.strip_suffix('\n').unwrap_or(value).to_owned()));
    }
    Ok(form)
}

async fn spool(blobs: &Blobs, mut field: Field<'_>, max_file_size: u64) -> Result<Spooled> {
    let mut spool: Spool = blobs.spool(max_file_size, Digests::All).await?;
    while let Some(chunk) = field.chunk().await.map_err(|e| unreadable(e, max_file_size))? {
        spool.write(chunk).await.map_err(refused)?;
    }
    spool.finish().await.map_err(refused)
}

fn refused(error: SpoolError) -> Error {
    match error {
        SpoolError::TooLarge { limit } => too_large(limit),
        SpoolError::Full => Error::NoRoom,
        SpoolError::Io(error) => error.into(),
    }
}

/// The 413, which names the limit.
pub fn too_large(limit: u64) -> Error {
    Error::TooLarge(format!("the file is larger than the {limit} bytes that this server takes (--max-file-size)"))
}

fn text_too_large() -> Error {
    Error::TooLarge(format!("the form's text fields have more than {} bytes", limits::FORM_TEXT_BYTES_MAX))
}

/// A text field; what is not UTF-8 is replaced, and NUL, which no database takes.
async fn text(mut field: Field<'_>, so_far: &mut u64, max_file_size: u64) -> Result<String> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = field.chunk().await.map_err(|e| unreadable(e, max_file_size))? {
        *so_far += chunk.len() as u64;
        if *so_far > limits::FORM_TEXT_BYTES_MAX {
            return Err(text_too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}"))
}

fn unreadable(error: multer::Error, max_file_size: u64) -> Error {
    match error {
        multer::Error::StreamSizeExceeded { .. } => too_large(max_file_size),
        multer::Error::StreamReadFailed(source) => match source.downcast::<axum::Error>() {
            Ok(error) => broken(&error),
            Err(other) => Error::BadRequest(format!("the upload broke off: {other}")),
        },
        other => Error::BadRequest(format!("the upload form cannot be read: {other}")),
    }
}

/// The 400 for a body that ended before its end.
pub(super) fn broken(error: &axum::Error) -> Error {
    let stalled = error.source().and_then(|cause| cause.downcast_ref::<BodyError>());
    match stalled {
        Some(stalled @ BodyError::Stalled(_)) => Error::BadRequest(stalled.to_string()),
        _ => Error::BadRequest("the upload broke off before its end".into()),
    }
}
