//! TLS and HTTP/2 over real sockets, with short limits.

use super::*;
use crate::http::tls::Files;
use h2::client::SendRequest;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::future::poll_fn;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server that speaks TLS, and what trusts it.
struct Secure {
    server: Server,
    cert: String,
    /// The files of its certificate.
    folder: tempfile::TempDir,
    tls: Tls,
    metrics: Arc<Metrics>,
}

fn new_pair(folder: &std::path::Path) -> (Files, String) {
    let files = Files { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["index.example".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    std::fs::write(&files.cert, &cert).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    (files, cert)
}

impl Secure {
    async fn start<F, Fut>(limits: Limits, answer: F) -> Self
    where
        F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response<Body>> + Send + 'static,
    {
        let folder = tempfile::tempdir().unwrap();
        let (files, cert) = new_pair(folder.path());
        let (tls, metrics) = (Tls::load(files).unwrap(), Arc::<Metrics>::default());
        let front = Front { limits, tls: Some(tls.clone()), metrics: metrics.clone() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::default());
        let task = tokio::spawn(serve(listener, front, shutdown.clone(), answer));
        Self { server: Server { address, shutdown, task }, cert, folder, tls, metrics }
    }

    /// A connection that offers the protocols `alpn`, to a server with the certificate `cert`.
    async fn greet(&self, cert: &str, alpn: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("index.example").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.server.connect().await).await
    }

    async fn http1(&self) -> TlsStream<TcpStream> {
        self.greet(&self.cert, &["http/1.1"]).await.unwrap()
    }

    /// A client of HTTP/2, and the end of its connection. `window`: bytes that it takes of each answer without being asked again.
    async fn http2(&self, window: u32) -> (SendRequest<Bytes>, JoinHandle<()>) {
        let stream = self.greet(&self.cert, &["h2", "http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let shaken = h2::client::Builder::new()
            .initial_window_size(window)
            .initial_connection_window_size(1 << 20)
            .handshake(stream)
            .await;
        let (client, connection) = shaken.unwrap();
        let ended = tokio::spawn(async move { drop(connection.await) });
        (client, ended)
    }
}

const WINDOW: u32 = 64 * 1024;

fn ask(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("https://index.example{path}")).body(()).unwrap()
}

async fn read_whole(answer: Response<h2::RecvStream>) -> Result<(u16, Vec<u8>), h2::Error> {
    let (status, mut body, mut bytes) = (answer.status().as_u16(), answer.into_body(), Vec::new());
    while let Some(piece) = body.data().await {
        let piece = piece?;
        bytes.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len())?;
    }
    Ok((status, bytes))
}

/// Sends a request without a body and reads the answer.
async fn get2(client: &mut SendRequest<Bytes>, path: &str) -> Result<(u16, Vec<u8>), h2::Error> {
    poll_fn(|cx| client.poll_ready(cx)).await?;
    let (answer, _) = client.send_request(ask("GET", path), true)?;
    read_whole(timeout(LONG, answer).await.unwrap()?).await
}

/// Answers with the host that was asked.
async fn host(request: Request<Body>, _: SocketAddr) -> Response<Body> {
    let host = request.headers().get(header::HOST).map_or("", |host| host.to_str().unwrap());
    reply(StatusCode::OK, host)
}

#[tokio::test]
async fn clients_choose_between_http1_and_http2() {
    let secure = Secure::start(patient(), host).await;
    let mut old = secure.http1().await;
    old.write_all(b"GET / HTTP/1.1\r\nHost: index.example\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(LONG, old.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("index.example"), "{answer}");
    let (mut new, _ended) = secure.http2(WINDOW).await;
    for _ in 0..3 {
        assert_eq!(get2(&mut new, "/").await.unwrap(), (200, b"index.example".to_vec()));
    }
    let traffic = &secure.metrics.traffic;
    assert_eq!((traffic.accepted.get(), traffic.http2.get(), traffic.handshakes_failed.get()), (2, 1, 0));
    assert!(traffic.sent_bytes.get() > 4 * "index.example".len() as u64);
}

#[tokio::test]
async fn a_renewed_certificate_greets_new_connections_and_old_ones_go_on() {
    let secure = Secure::start(patient(), echo).await;
    let (mut standing, _ended) = secure.http2(WINDOW).await;
    get2(&mut standing, "/before").await.unwrap();
    let (_, renewed) = new_pair(secure.folder.path());
    assert!(secure.tls.renew().unwrap());
    assert!(secure.greet(&secure.cert, &["h2"]).await.is_err(), "the old certificate was shown");
    secure.greet(&renewed, &["h2"]).await.unwrap();
    assert_eq!(get2(&mut standing, "/after").await.unwrap().1, b"/after");
}

#[tokio::test]
async fn who_speaks_without_tls_is_told_so() {
    let secure = Secure::start(patient(), echo).await;
    let mut stream = secure.server.connect().await;
    get(&mut stream, "/").await;
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
    assert_eq!(secure.metrics.traffic.handshakes_failed.get(), 1);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_or_end_is_cut_at_the_head_limit() {
    let secure = Secure::start(Limits { head: ms(300), ..patient() }, echo).await;
    assert_about(time_to_close(&mut secure.server.connect().await).await, ms(300));
    let mut half = secure.server.connect().await;
    half.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    assert_about(time_to_close(&mut half).await, ms(300));
    assert_eq!(secure.metrics.traffic.connections.get(), 0);
}

#[tokio::test]
async fn an_http1_head_has_its_limit_under_tls_too() {
    let secure = Secure::start(Limits { head: ms(300), ..patient() }, echo).await;
    let mut stream = secure.http1().await;
    let start = Instant::now();
    stream.write_all(b"GET / HT").await.unwrap();
    let _ = timeout(LONG, stream.read_to_end(&mut Vec::new())).await.unwrap();
    assert_about(start.elapsed(), ms(300));
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_closed() {
    let secure = Secure::start(Limits { head: ms(300), idle: ms(800), ..patient() }, echo).await;
    let (start, (client, ended)) = (Instant::now(), secure.http2(WINDOW).await);
    timeout(LONG, ended).await.unwrap().unwrap();
    assert_about(start.elapsed(), ms(300));
    drop(client);
    let (mut client, ended) = secure.http2(WINDOW).await;
    get2(&mut client, "/").await.unwrap();
    sleep(ms(500)).await;
    get2(&mut client, "/").await.unwrap();
    let start = Instant::now();
    timeout(LONG, ended).await.unwrap().unwrap();
    assert_about(start.elapsed(), ms(800));
}

/// A client that never acknowledges that the connection ends, and has no request under way, does not keep it.
#[tokio::test]
async fn a_silent_http2_client_is_cut() {
    let secure = Secure::start(Limits { head: ms(200), ..patient() }, echo).await;
    let mut stream = secure.greet(&secure.cert, &["h2"]).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let start = Instant::now();
    let _ = timeout(LONG, stream.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(start.elapsed() >= limits::HTTP2_GOODBYE_MAX, "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_http2_request_with_too_big_a_head_is_answered_431() {
    let secure = Secure::start(Limits { head_bytes: 8192, ..patient() }, echo).await;
    let (mut client, _ended) = secure.http2(WINDOW).await;
    let mut request = ask("GET", "/");
    request.headers_mut().insert("cookie", HeaderValue::from_str(&"x".repeat(9000)).unwrap());
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 431);
    assert_eq!(get2(&mut client, "/").await.unwrap().0, 200, "the connection goes on");
}

#[tokio::test]
async fn one_answer_that_nobody_takes_is_ended_and_the_others_go_on() {
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let answer = move |request: Request<Body>, peer| {
        let guard = Guard(dropped.clone());
        async move {
            match request.uri().path() {
                "/large" => Response::new(stream_of(16 * MIB, guard)),
                _ => {
                    std::mem::forget(guard);
                    echo(request, peer).await
                }
            }
        }
    };
    let secure = Secure::start(Limits { write_stall: ms(400), ..patient() }, answer).await;
    let (mut client, _ended) = secure.http2(WINDOW).await;
    let (stuck, _) = client.send_request(ask("GET", "/large"), true).unwrap();
    let stuck = stuck.await.unwrap();
    let working = async {
        while drops.try_recv().is_err() {
            assert_eq!(get2(&mut client, "/small").await.unwrap().1, b"/small");
            sleep(ms(20)).await;
        }
    };
    timeout(LONG, working).await.unwrap();
    let error = read_whole(stuck).await.unwrap_err();
    assert!(error.is_reset() && error.is_remote(), "{error:?}");
    get2(&mut client, "/small").await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_comes_whole() {
    let (dropped, _drops) = mpsc::unbounded_channel();
    let answer = move |_, _| {
        let body = stream_of(MIB, Guard(dropped.clone()));
        async move { Response::new(body) }
    };
    let secure = Secure::start(Limits { write_stall: ms(1500), ..patient() }, answer).await;
    let (mut client, _ended) = secure.http2(WINDOW).await;
    let (answer, _) = client.send_request(ask("GET", "/"), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut taken = 0;
    while let Some(piece) = timeout(LONG, body.data()).await.unwrap() {
        taken += piece.as_ref().unwrap().len();
        body.flow_control().release_capacity(piece.unwrap().len()).unwrap();
        if taken < MIB / 4 {
            sleep(ms(200)).await;
        }
    }
    assert_eq!(taken, MIB);
}

#[tokio::test]
async fn a_flood_of_requests_that_are_given_up_ends_the_connection() {
    let never = |_, _| std::future::pending::<Response<Body>>();
    let secure = Secure::start(patient(), never).await;
    let (mut client, ended) = secure.http2(WINDOW).await;
    let flood = async {
        loop {
            if poll_fn(|cx| client.poll_ready(cx)).await.is_err() {
                return;
            }
            let Ok((answer, mut sending)) = client.send_request(ask("GET", "/"), true) else { return };
            // Long enough for the server to begin with it.
            sleep(ms(2)).await;
            sending.send_reset(h2::Reason::CANCEL);
            drop(answer);
        }
    };
    timeout(LONG, flood).await.unwrap();
    timeout(LONG, ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn all_http2_connections_together_answer_no_more_requests_than_there_may_be_connections() {
    let slow = |request, peer| async move {
        sleep(ms(200)).await;
        echo(request, peer).await
    };
    let secure = Secure::start(Limits { connections: 2, ..patient() }, slow).await;
    let ((one, _ended), (other, _also_ended)) = (secure.http2(WINDOW).await, secure.http2(WINDOW).await);
    let start = Instant::now();
    let asked: Vec<_> = [&one, &other, &one, &other, &one, &other]
        .into_iter()
        .map(|client| {
            let mut client = client.clone();
            tokio::spawn(async move { get2(&mut client, "/").await.unwrap() })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().0, 200);
    }
    assert!(start.elapsed() >= ms(600), "six of 200 ms, two at a time: {:?}", start.elapsed());
}

/// Sends `pieces` MiB and reads the answer.
async fn upload2(client: &mut SendRequest<Bytes>, pieces: usize) -> Result<(u16, Vec<u8>), h2::Error> {
    let (answer, mut sending) = client.send_request(ask("POST", "/"), false)?;
    for _ in 0..pieces {
        let mut piece = Bytes::from(vec![b'x'; MIB]);
        while !piece.is_empty() {
            sending.reserve_capacity(piece.len());
            let Some(room) = timeout(LONG, poll_fn(|cx| sending.poll_capacity(cx))).await.unwrap() else { break };
            sending.send_data(piece.split_to(room?.min(piece.len())), false)?;
        }
    }
    sending.send_data(Bytes::new(), true)?;
    read_whole(timeout(LONG, answer).await.unwrap()?).await
}

#[tokio::test]
async fn uploads_over_http2_are_read_and_refused_ones_thrown_away() {
    let secure = Secure::start(patient(), count).await;
    let (mut client, _ended) = secure.http2(WINDOW).await;
    let (status, length) = upload2(&mut client, 20).await.unwrap();
    assert_eq!((status, String::from_utf8(length).unwrap()), (200, (20 * MIB).to_string()));
    let secure = Secure::start(patient(), refuse).await;
    let (mut client, _ended) = secure.http2(WINDOW).await;
    assert_eq!(upload2(&mut client, 20).await.unwrap(), (401, b"who are you?".to_vec()));
    assert_eq!(upload2(&mut client, 1).await.unwrap().0, 401, "on the same connection");
}

#[tokio::test]
async fn an_upload_over_http2_that_stalls_is_told_so() {
    let secure = Secure::start(Limits { read_stall: ms(300), ..patient() }, count).await;
    let (mut client, _ended) = secure.http2(WINDOW).await;
    let (answer, mut sending) = client.send_request(ask("POST", "/"), false).unwrap();
    sending.send_data(Bytes::from_static(b"12345"), false).unwrap();
    let start = Instant::now();
    assert_eq!(timeout(LONG, answer).await.unwrap().unwrap().status(), 408);
    assert_about(start.elapsed(), ms(300));
}

#[tokio::test]
async fn draining_finishes_http2_requests_and_takes_no_new_ones() {
    let slow = |request: Request<Body>, peer| async move {
        sleep(ms(400)).await;
        echo(request, peer).await
    };
    let secure = Secure::start(patient(), slow).await;
    let (mut busy, _ended) = secure.http2(WINDOW).await;
    let (_idle, idle_ended) = secure.http2(WINDOW).await;
    poll_fn(|cx| busy.poll_ready(cx)).await.unwrap();
    let (answer, _) = busy.send_request(ask("GET", "/slow"), true).unwrap();
    sleep(ms(100)).await;
    secure.server.shutdown.drain.cancel();
    timeout(ms(300), idle_ended).await.expect("an idle connection held up the shutdown").unwrap();
    assert_eq!(read_whole(timeout(LONG, answer).await.unwrap().unwrap()).await.unwrap().1, b"/slow");
    secure.server.has_stopped().await;
}

#[tokio::test]
async fn the_deadline_cuts_http2_requests_that_still_run() {
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let secure = Secure::start(Limits { drain: ms(300), ..patient() }, move |_, _| endless(Guard(dropped.clone()))).await;
    let (mut client, _ended) = secure.http2(WINDOW).await;
    let (_answer, _) = client.send_request(ask("GET", "/"), true).unwrap();
    sleep(ms(100)).await;
    let start = Instant::now();
    secure.server.shutdown.drain.cancel();
    secure.server.has_stopped().await;
    assert_about(start.elapsed(), ms(300));
    assert!(drops.try_recv().is_ok());
}
