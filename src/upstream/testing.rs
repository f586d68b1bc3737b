//! A tiny HTTP server on 127.0.0.1 for the tests of this folder. It answers one request per connection, and it can lie, stall
//! and speak nonsense, which a proper server library would not let it.

use super::client::{Patience, Upstream};
use super::origin::Origin;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// Asks without proxies and with little patience.
pub(super) fn upstream() -> Upstream {
    let wait = Duration::from_millis(300);
    let patience = Patience { connect: wait, idle: wait, page: 3 * wait, list: 3 * wait, metadata: Duration::from_secs(10) };
    Upstream::direct(patience).unwrap()
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    headers: Vec<(String, String)>,
}

impl Seen {
    /// The header of this name (lower case).
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// The range of `Range: bytes=a-b` or `bytes=-n` in a file of `size` bytes, as start and end (exclusive).
    pub(super) fn range(&self, size: u64) -> Option<(u64, u64)> {
        let text = self.header("range")?;
        let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
        Some(match (start.parse::<u64>(), end.parse::<u64>()) {
            (Ok(start), Ok(end)) => (start, (end + 1).min(size)),
            (Ok(start), Err(_)) => (start, size),
            (Err(_), Ok(last)) => (size.saturating_sub(last), size),
            (Err(_), Err(_)) => return None,
        })
    }
}

/// What the server says.
pub(super) struct Reply {
    bytes: Vec<u8>,
    body: Vec<u8>,
    /// Pause between the pieces of the body: each is one byte.
    drip: Option<Duration>,
    /// Keep the connection open afterwards and say nothing more.
    stall: bool,
}

impl Reply {
    pub(super) fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut head = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if !headers.iter().any(|(name, _)| *name == "Content-Length") {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        head.push_str("\r\n");
        Self { bytes: head.into_bytes(), body, drip: None, stall: false }
    }

    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, &[], body)
    }

    pub(super) fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, &[("Location", location)], "elsewhere")
    }

    /// Part of `file`, properly.
    pub(super) fn part(file: &[u8], (start, end): (u64, u64)) -> Self {
        let place = format!("bytes {start}-{}/{}", end - 1, file.len());
        Self::new(206, &[("Content-Range", &place)], &file[start as usize..end as usize])
    }

    pub(super) fn silence() -> Self {
        Self { bytes: Vec::new(), body: Vec::new(), drip: None, stall: true }
    }

    pub(super) fn raw(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), body: Vec::new(), drip: None, stall: false }
    }

    /// Stops after the body without closing.
    pub(super) fn then_stall(mut self) -> Self {
        self.stall = true;
        self
    }

    /// One byte of the body at a time.
    pub(super) fn dripping(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }
}

/// The server; it ends when this is dropped.
pub(super) struct Server {
    base: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (seen.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, log.clone(), answer.clone()));
            }
        });
        Self { base, seen, task }
    }

    pub(super) fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    pub(super) fn origin(&self) -> Origin {
        Origin::parse(self.url("/simple/").as_str()).unwrap()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Seen>>>, answer: Arc<impl Fn(&Seen) -> Reply>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let seen = parse(&String::from_utf8(head).unwrap());
    let reply = answer(&seen);
    let is_head = seen.method == "HEAD";
    log.lock().unwrap().push(seen);
    // The client may hang up at any moment; that is part of some tests.
    let _ = say(&mut stream, reply, is_head).await;
}

async fn say(stream: &mut TcpStream, reply: Reply, is_head: bool) -> std::io::Result<()> {
    stream.write_all(&reply.bytes).await?;
    match reply.drip {
        _ if is_head => {}
        None => stream.write_all(&reply.body).await?,
        Some(pause) => {
            for byte in reply.body {
                stream.write_u8(byte).await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
    stream.flush().await?;
    if reply.stall {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await
}

fn parse(head: &str) -> Seen {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect();
    Seen { method: first.next().unwrap().to_owned(), path: first.next().unwrap().to_owned(), headers }
}
