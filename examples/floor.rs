//! The floor for `benches/peers.py`: what hyper and tokio cost when there is nothing else, in one short loop without a router, a log or
//! a time-out. `cargo build --release --example floor`, then `floor ADDRESS:PORT FOLDER`.
//!
//! Serves the files of FOLDER: `/memory/NAME` from memory, `/reads/NAME` by reads of 256 KiB on the blocking pool, one after the other.
//! `NAME.gz` goes out with `Content-Encoding: gzip`, and any `If-None-Match` is answered 304. Never a server for anything else.

use anyhow::{Context, Result};
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Bytes of one read, the size that the server reads files by.
const PIECE: usize = 256 * 1024;
const TAG: HeaderValue = HeaderValue::from_static("\"floor\"");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// What the loop looks an address up in.
struct Shelf {
    memory: HashMap<String, Bytes>,
    reads: HashMap<String, PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().context("floor ADDRESS:PORT FOLDER")?.parse()?;
    let shelf = Arc::new(Shelf::of(Path::new(&arguments.next().context("floor ADDRESS:PORT FOLDER")?))?);
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let shelf = Arc::clone(&shelf);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let shelf = Arc::clone(&shelf);
                async move { Ok::<_, Infallible>(shelf.answer(&request)) }
            });
            // A connection that breaks is the load's own business.
            let _broken = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Shelf {
    /// All files of the folder; large ones are read from the disk only.
    fn of(folder: &Path) -> Result<Self> {
        let mut shelf = Self { memory: HashMap::new(), reads: HashMap::new() };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.metadata()?.len() <= 8 << 20 {
                shelf.memory.insert(format!("/memory/{name}"), fs::read(entry.path())?.into());
            }
            shelf.reads.insert(format!("/reads/{name}"), entry.path());
        }
        Ok(shelf)
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if request.headers().contains_key(IF_NONE_MATCH) {
            return response(StatusCode::NOT_MODIFIED, None, Body::empty());
        }
        let mut found = if let Some(bytes) = self.memory.get(path) {
            response(StatusCode::OK, Some(bytes.len() as u64), Body::from(bytes.clone()))
        } else if let Some((file, length)) = self.reads.get(path).and_then(|path| open(path).ok()) {
            response(StatusCode::OK, Some(length), by_reads(file))
        } else {
            response(StatusCode::NOT_FOUND, Some(0), Body::empty())
        };
        if path.ends_with(".gz") {
            found.headers_mut().insert(CONTENT_ENCODING, GZIP);
        }
        found
    }
}

fn open(path: &Path) -> Result<(File, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn response(status: StatusCode, length: Option<u64>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ETAG, TAG);
    headers.insert(CONTENT_TYPE, OCTETS);
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// Each piece is asked for when the one before it has gone.
fn by_reads(file: File) -> Body {
    Body::from_stream(futures_util::stream::try_unfold(file, |mut file| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::with_capacity(PIECE);
            Read::by_ref(&mut file).take(PIECE as u64).read_to_end(&mut piece)?;
            Ok::<_, std::io::Error>((file, piece))
        });
        let (file, piece) = read.await.map_err(std::io::Error::other)??;
        Ok::<_, std::io::Error>((!piece.is_empty()).then(|| (Bytes::from(piece), file)))
    }))
}
