//! Real sockets, short limits.

mod bodies;
mod draining;
mod room;
mod secure;

use super::*;
use std::time::Instant;

use axum::body::Bytes;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const MIB: usize = 1024 * 1024;
/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(20);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Limits that never end a test's connection; each test shortens the one it is about.
fn patient() -> Limits {
    let discard = DiscardLimits { bytes: u64::MAX, time: LONG * 2, silence: LONG * 2 };
    Limits {
        head: LONG * 2,
        idle: LONG * 2,
        read_stall: LONG * 2,
        write_stall: LONG * 2,
        drain: LONG * 2,
        discard,
        ..Limits::default()
    }
}

struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Server {
    async fn start<F, Fut>(limits: Limits, answer: F) -> Self
    where
        F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::default());
        let task = tokio::spawn(serve(listener, limits, shutdown.clone(), answer));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn has_stopped(self) {
        timeout(LONG, self.task).await.unwrap().unwrap();
    }
}

/// Answers with the path.
async fn echo(request: Request<Body>, _: SocketAddr) -> Response<Body> {
    Response::new(Body::from(request.uri().path().to_owned()))
}

/// Answers without a look at the body.
async fn refuse(_: Request<Body>, _: SocketAddr) -> Response<Body> {
    reply(StatusCode::UNAUTHORIZED, "who are you?")
}

/// Reads the whole body and answers with its length, or why it could not be read.
async fn count(request: Request<Body>, _: SocketAddr) -> Response<Body> {
    match request.into_body().collect().await {
        Ok(body) => reply(StatusCode::OK, &body.to_bytes().len().to_string()),
        Err(error) => reply(StatusCode::REQUEST_TIMEOUT, &error.to_string()),
    }
}

fn reply(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

/// Notes when an answer is dropped.
struct Guard(mpsc::UnboundedSender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// An answer that never comes, and keeps `guard` while somebody waits for it.
async fn endless(guard: Guard) -> Response<Body> {
    std::future::pending::<()>().await;
    drop(guard);
    Response::new(Body::empty())
}

/// A body of `size` bytes in pieces of 64 KiB that keeps `guard` while it lives.
fn stream_of(size: usize, guard: Guard) -> Body {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = (0..size / piece.len()).map(move |_| {
        let _ = &guard;
        Ok::<_, Infallible>(piece.clone())
    });
    Body::from_stream(futures_util::stream::iter(pieces))
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn get(stream: &mut TcpStream, path: &str) {
    send(stream, &format!("GET {path} HTTP/1.1\r\nHost: index.example\r\n\r\n")).await;
}

/// Reads until `end` has arrived.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    timeout(LONG, async {
        while !String::from_utf8_lossy(&seen).ends_with(end) {
            let read = stream.read(&mut piece).await.unwrap();
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&piece[..read]);
        }
    })
    .await
    .unwrap();
    String::from_utf8(seen).unwrap()
}

/// Reads to the end of the connection.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    timeout(LONG, stream.read_to_end(&mut seen)).await.unwrap().unwrap();
    String::from_utf8(seen).unwrap()
}

/// How long it takes until the server closes the connection without another byte.
async fn time_to_close(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    assert_eq!(read_all(stream).await, "");
    start.elapsed()
}

fn assert_about(elapsed: Duration, wanted: Duration) {
    assert!(elapsed >= wanted - ms(20) && elapsed < wanted + ms(1000), "{elapsed:?} instead of {wanted:?}");
}

#[tokio::test]
async fn two_requests_use_one_connection() {
    let server = Server::start(patient(), echo).await;
    let mut stream = server.connect().await;
    for path in ["/one", "/two"] {
        get(&mut stream, path).await;
        let answer = read_until(&mut stream, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\ndate: "), "{answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(patient(), echo).await;
    let mut stream = server.connect().await;
    send(&mut stream, "GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answers = read_until(&mut stream, "/two").await;
    assert!(answers.find("/one") < answers.find("/two"));
}

#[tokio::test]
async fn a_client_that_closes_its_half_gets_its_answer() {
    let slow = |request, peer| async move {
        sleep(ms(200)).await;
        echo(request, peer).await
    };
    let server = Server::start(patient(), slow).await;
    let mut stream = server.connect().await;
    get(&mut stream, "/half").await;
    stream.shutdown().await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("/half"));
}

#[tokio::test]
async fn a_silent_connection_is_closed_at_the_head_limit() {
    let server = Server::start(Limits { head: ms(300), ..patient() }, echo).await;
    assert_about(time_to_close(&mut server.connect().await).await, ms(300));
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_at_the_head_limit() {
    let server = Server::start(Limits { head: ms(400), ..patient() }, echo).await;
    let (mut reading, mut writing) = server.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"G").await.is_ok() {
            sleep(ms(50)).await;
        }
    });
    let start = Instant::now();
    let _ = timeout(LONG, reading.read_to_end(&mut Vec::new())).await.unwrap();
    assert_about(start.elapsed(), ms(400));
    trickle.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_at_the_idle_limit() {
    let server = Server::start(Limits { head: ms(100), idle: ms(700), ..patient() }, echo).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        get(&mut stream, "/").await;
        read_until(&mut stream, "\r\n\r\n/").await;
        sleep(ms(300)).await;
    }
    get(&mut stream, "/").await;
    read_until(&mut stream, "\r\n\r\n/").await;
    assert_about(time_to_close(&mut stream).await, ms(700));
}

#[tokio::test]
async fn a_later_head_has_the_head_limit_from_its_first_byte() {
    let server = Server::start(Limits { head: ms(300), ..patient() }, echo).await;
    let mut stream = server.connect().await;
    get(&mut stream, "/").await;
    read_until(&mut stream, "\r\n\r\n/").await;
    sleep(ms(500)).await;
    send(&mut stream, "GET /x HTT").await;
    assert_about(time_to_close(&mut stream).await, ms(300));
}

#[tokio::test]
async fn a_slow_answer_is_not_an_idle_connection() {
    let slow = |request, peer| async move {
        sleep(ms(500)).await;
        echo(request, peer).await
    };
    let limits = Limits { head: ms(100), idle: ms(100), read_stall: ms(100), write_stall: ms(100), ..patient() };
    let server = Server::start(limits, slow).await;
    let mut stream = server.connect().await;
    get(&mut stream, "/slow").await;
    read_until(&mut stream, "/slow").await;
}

#[tokio::test]
async fn too_big_a_head_is_answered_431() {
    let server = Server::start(Limits { head_bytes: 8192, ..patient() }, echo).await;
    let mut stream = server.connect().await;
    send(&mut stream, &format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(8192))).await;
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let answer = move |_, _| {
        let body = stream_of(256 * MIB, Guard(dropped.clone()));
        async move { Response::new(body) }
    };
    let server = Server::start(Limits { write_stall: ms(400), ..patient() }, answer).await;
    let mut stream = server.connect().await;
    let start = Instant::now();
    get(&mut stream, "/").await;
    timeout(LONG, drops.recv()).await.unwrap().unwrap();
    assert!(start.elapsed() >= ms(400));
}

#[tokio::test]
async fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    let (dropped, _drops) = mpsc::unbounded_channel();
    let answer = move |_, _| {
        let body = stream_of(32 * MIB, Guard(dropped.clone()));
        async move { Response::new(body) }
    };
    let server = Server::start(Limits { write_stall: ms(600), ..patient() }, answer).await;
    let mut stream = server.connect().await;
    send(&mut stream, "GET / HTTP/1.0\r\n\r\n").await;
    let (mut taken, mut piece) = (0, vec![0; MIB]);
    for _ in 0..10 {
        stream.read_exact(&mut piece).await.unwrap();
        taken += piece.len();
        sleep(ms(150)).await;
    }
    let mut rest = Vec::new();
    timeout(LONG, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    let head = 200;
    assert!((32 * MIB..32 * MIB + head).contains(&(taken + rest.len())), "{}", taken + rest.len());
}

#[test]
fn only_errors_of_the_whole_system_slow_down_accepting() {
    assert!(concerns_one_connection(&io::ErrorKind::ConnectionAborted.into()));
    let too_many_open_files = io::Error::from_raw_os_error(24);
    assert!(!concerns_one_connection(&too_many_open_files));
}
