//! Real sockets, short limits.

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

#[tokio::test]
async fn above_the_connection_limit_clients_wait() {
    let (server, gate) = held(1).await;
    let mut first = server.connect().await;
    get(&mut first, "/first").await;
    gate.wait_for_one().await;
    let mut second = server.connect().await;
    get(&mut second, "/second").await;
    assert!(timeout(ms(300), second.read_u8()).await.is_err(), "the second connection was served above the limit");
    gate.0.add_permits(2);
    // The first one's answer comes whole, and then it has to go: it has nothing under way any more.
    assert!(read_all(&mut first).await.ends_with("/first"));
    read_until(&mut second, "/second").await;
}

/// Permits to answer, and how many requests have come.
struct Gate(Arc<Semaphore>, Arc<Semaphore>);

impl Gate {
    /// Waits until one more request has come.
    async fn wait_for_one(&self) {
        timeout(LONG, self.1.acquire()).await.unwrap().unwrap().forget();
    }
}

/// A server with so many places that answers when it is let.
async fn held(connections: usize) -> (Server, Gate) {
    let gate = Gate(Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (may, came) = (gate.0.clone(), gate.1.clone());
    let answer = move |request, peer| {
        let (may, came) = (may.clone(), came.clone());
        async move {
            came.add_permits(1);
            may.acquire().await.unwrap().forget();
            echo(request, peer).await
        }
    };
    (Server::start(Limits { connections, ..patient() }, answer).await, gate)
}

#[tokio::test]
async fn who_has_waited_longest_makes_room() {
    let server = Server::start(Limits { connections: 2, ..patient() }, echo).await;
    let mut served = server.connect().await;
    get(&mut served, "/served").await;
    read_until(&mut served, "/served").await;
    let mut silent = server.connect().await;
    send(&mut silent, "GET /half").await;
    let mut third = server.connect().await;
    get(&mut third, "/third").await;
    read_until(&mut third, "/third").await;
    assert_eq!(read_all(&mut served).await, "", "it waited before the silent one came");
    let mut fourth = server.connect().await;
    get(&mut fourth, "/fourth").await;
    read_until(&mut fourth, "/fourth").await;
    assert_eq!(read_all(&mut silent).await, "", "half a head is no request");
    get(&mut third, "/again").await;
    read_until(&mut third, "/again").await;
}

#[tokio::test]
async fn what_two_servers_could_read_differently_is_refused_and_ends_the_connection() {
    let server = Server::start(patient(), echo).await;
    for head in [
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut stream = server.connect().await;
        send(&mut stream, &format!("{head}GET /behind HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answers = read_all(&mut stream).await;
        assert!(answers.starts_with("HTTP/1.1 400 ") && !answers.contains("/behind"), "{head}: {answers}");
    }
}

#[tokio::test]
async fn many_connections_are_served_at_once() {
    let slow = |request, peer| async move {
        sleep(ms(300)).await;
        echo(request, peer).await
    };
    let server = Server::start(patient(), slow).await;
    let start = Instant::now();
    let mut clients = Vec::new();
    for n in 0..100 {
        let mut stream = server.connect().await;
        clients.push(tokio::spawn(async move {
            get(&mut stream, &format!("/{n}")).await;
            read_until(&mut stream, &format!("/{n}")).await;
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    assert!(start.elapsed() < ms(300 * 20), "{:?}", start.elapsed());
}

/// Sends all of a 20 MiB upload before it reads a byte, as Python's `http.client` does.
async fn upload(stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
    stream.write_all(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 20 * MIB).as_bytes()).await?;
    let piece = vec![b'x'; MIB];
    for _ in 0..20 {
        stream.write_all(&piece).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_upload_is_read_so_that_the_client_sees_why() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    upload(&mut stream, "/").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("who are you?"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn an_upload_refused_midway_is_read_to_its_end() {
    let too_large = |request: Request<Body>, _| async move {
        let mut body = request.into_body();
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
        }
        reply(StatusCode::PAYLOAD_TOO_LARGE, "too large")
    };
    let server = Server::start(patient(), too_large).await;
    let mut stream = server.connect().await;
    upload(&mut stream, "/").await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("too large"));
}

#[tokio::test]
async fn the_refusal_arrives_before_the_upload_has_ended() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst").await;
    read_until(&mut stream, "who are you?").await;
}

#[tokio::test]
async fn a_refused_upload_is_read_only_within_the_limits() {
    let discard = DiscardLimits { bytes: MIB as u64, ..patient().discard };
    let server = Server::start(Limits { discard, ..patient() }, refuse).await;
    assert!(upload(&mut server.connect().await, "/").await.is_err(), "20 MiB went through a limit of 1 MiB");

    let discard = DiscardLimits { silence: ms(300), ..patient().discard };
    let server = Server::start(Limits { discard, ..patient() }, refuse).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst").await;
    read_until(&mut stream, "who are you?").await;
    assert_about(time_to_close(&mut stream).await, ms(300));

    let discard = DiscardLimits { time: ms(400), ..patient().discard };
    let server = Server::start(Limits { discard, ..patient() }, refuse).await;
    let (mut reading, mut writing) = server.connect().await.into_split();
    writing.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
    let start = Instant::now();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            sleep(ms(50)).await;
        }
    });
    let _ = timeout(LONG, reading.read_to_end(&mut Vec::new())).await.unwrap();
    assert_about(start.elapsed(), ms(400));
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_small_unread_body_does_not_cost_the_connection() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        send(&mut stream, "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345").await;
        read_until(&mut stream, "who are you?").await;
        send(&mut stream, "67890").await;
    }
}

#[tokio::test]
async fn an_unread_body_without_a_length_is_announced_to_end_the_connection() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    assert!(read_until(&mut stream, "who are you?").await.contains("connection: close\r\n"));
    send(&mut stream, "0\r\n\r\n").await;
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn a_client_that_waits_for_permission_is_refused_without_it() {
    let server = Server::start(patient(), refuse).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    let answer = read_until(&mut stream, "who are you?").await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close\r\n"), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_for_permission_is_told_to_go_on() {
    let server = Server::start(patient(), count).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut stream, "12345").await;
    assert!(read_until(&mut stream, "\r\n\r\n5").await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn an_upload_that_stalls_is_told_so() {
    let server = Server::start(Limits { read_stall: ms(300), ..patient() }, count).await;
    let mut stream = server.connect().await;
    let start = Instant::now();
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n12345").await;
    let answer = read_until(&mut stream, "seconds").await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("stalled"), "{answer}");
    assert_about(start.elapsed(), ms(300));
}

#[tokio::test]
async fn a_slow_upload_that_does_not_stall_goes_through() {
    let server = Server::start(Limits { head: ms(200), idle: ms(200), read_stall: ms(400), ..patient() }, count).await;
    let mut stream = server.connect().await;
    send(&mut stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n").await;
    for _ in 0..10 {
        sleep(ms(100)).await;
        send(&mut stream, "x").await;
    }
    read_until(&mut stream, "\r\n\r\n10").await;
}

#[tokio::test]
async fn draining_finishes_running_answers_closes_idle_connections_and_takes_no_new_ones() {
    let slow = |request: Request<Body>, peer| async move {
        if request.uri().path() == "/slow" {
            sleep(ms(500)).await;
        }
        echo(request, peer).await
    };
    let server = Server::start(patient(), slow).await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    get(&mut idle, "/idle").await;
    read_until(&mut idle, "/idle").await;
    get(&mut busy, "/slow").await;
    sleep(ms(100)).await;

    server.shutdown.drain.cancel();
    assert!(time_to_close(&mut idle).await < ms(300), "an idle connection held up the shutdown");
    assert!(TcpStream::connect(server.address).await.is_err(), "a connection was accepted while draining");
    let answer = read_all(&mut busy).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("/slow"), "{answer}");
    server.has_stopped().await;
}

/// A server that never ends its answer, with one request under way.
async fn busy_for_ever(limits: Limits) -> (Server, TcpStream, mpsc::UnboundedReceiver<()>) {
    let (dropped, drops) = mpsc::unbounded_channel();
    let endless = move |_, _| {
        let guard = Guard(dropped.clone());
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Response::new(Body::empty())
        }
    };
    let server = Server::start(limits, endless).await;
    let mut stream = server.connect().await;
    get(&mut stream, "/").await;
    sleep(ms(100)).await;
    (server, stream, drops)
}

#[tokio::test]
async fn the_deadline_cuts_what_still_runs() {
    let (server, _stream, mut drops) = busy_for_ever(Limits { drain: ms(300), ..patient() }).await;
    let start = Instant::now();
    server.shutdown.drain.cancel();
    server.has_stopped().await;
    assert_about(start.elapsed(), ms(300));
    assert!(drops.try_recv().is_ok());
}

#[tokio::test]
async fn the_second_signal_cuts_at_once() {
    let (server, _stream, mut drops) = busy_for_ever(patient()).await;
    server.shutdown.drain.cancel();
    sleep(ms(100)).await;
    assert!(!server.task.is_finished() && drops.try_recv().is_err());
    server.shutdown.now.cancel();
    server.has_stopped().await;
    assert!(drops.try_recv().is_ok());
}

#[test]
fn only_errors_of_the_whole_system_slow_down_accepting() {
    assert!(concerns_one_connection(&io::ErrorKind::ConnectionAborted.into()));
    let too_many_open_files = io::Error::from_raw_os_error(24);
    assert!(!concerns_one_connection(&too_many_open_files));
}
