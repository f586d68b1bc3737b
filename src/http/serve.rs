//! The accept loop: takes connections, greets those that speak TLS, speaks HTTP/1.1 on each (or HTTP/2: `serve/http2.rs`), and
//! stops in an orderly way. Every wait for a client has a limit here. Knows nothing of routes; the one function that answers is
//! handed in.
//!
//! `axum::serve` is not used: it sets no time-outs, has no connection limit and drains for ever.

mod http2;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::crowd::{Crowd, Place};
use super::head_timer::HeadTimer;
use super::reply;
use super::request_body::{self, DiscardLimits};
use super::shutdown::Shutdown;
use super::socket::Socket;
use super::strict;
use super::tls::{self, Tls};
use crate::limits;
use crate::metrics::Metrics;

/// The limits of all connections; the default is what [`crate::limits`] says, tests take shorter ones.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at once.
    pub connections: usize,
    /// Bytes of a request's line and headers.
    pub head_bytes: usize,
    /// Time for a request's line and headers, and for the first sign of life of a new connection.
    pub head: Duration,
    /// Time between two requests.
    pub idle: Duration,
    /// Time without a byte of a request's body while it is wanted.
    pub read_stall: Duration,
    /// Time without the client taking a byte of the answer.
    pub write_stall: Duration,
    /// What is read of a request's body after the answer.
    pub discard: DiscardLimits,
    /// Time for running requests after the first signal to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS_MAX,
            head_bytes: limits::HEAD_BYTES_MAX,
            head: limits::HEAD_TIME_MAX,
            idle: limits::IDLE_TIME_MAX,
            read_stall: limits::READ_STALL_MAX,
            write_stall: limits::WRITE_STALL_MAX,
            discard: DiscardLimits {
                bytes: limits::DISCARD_BYTES_MAX,
                time: limits::DISCARD_TIME_MAX,
                silence: limits::DISCARD_SILENCE_MAX,
            },
            drain: limits::DRAIN_TIME_MAX,
        }
    }
}

/// How clients are met.
#[derive(Debug, Clone, Default)]
pub struct Front {
    /// How long they are waited for, and how many there may be.
    pub limits: Limits,
    /// What greets them, if this server speaks TLS.
    pub tls: Option<Tls>,
    /// Where connections are counted.
    pub metrics: Arc<Metrics>,
}

impl From<Limits> for Front {
    fn from(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// What every connection needs to know; cheap to clone.
#[derive(Clone)]
struct Door {
    crowd: Arc<Crowd>,
    limits: Arc<Limits>,
    tls: Option<Tls>,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
    cut: CancellationToken,
    /// Everything that the end waits for.
    connections: TaskTracker,
    /// One for each request that may be answered at once over HTTP/2: as many as there may be connections.
    turns: Arc<Semaphore>,
}

/// A connection that counts as open.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.traffic.accepted.inc();
        metrics.traffic.connections.add(1);
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.traffic.connections.add(-1);
    }
}

/// Accepts connections on `listener` and answers each request with `answer`, until `shutdown.drain` is cancelled. Then no
/// connection is accepted, idle ones are closed and running requests finish; what still runs after `limits.drain`, or when
/// `shutdown.now` is cancelled, is dropped. Returns when no connection is left.
///
/// Clients that close their sending half still get their answer, so an `answer` also runs on for a client that has gone away.
pub async fn serve<F, Fut>(listener: TcpListener, front: impl Into<Front>, shutdown: Shutdown, answer: F)
where
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let Front { limits, tls, metrics } = front.into();
    let slots = Arc::new(Semaphore::new(limits.connections));
    let door = Door {
        crowd: Arc::default(),
        turns: Arc::new(Semaphore::new(limits.connections)),
        limits: Arc::new(limits),
        tls,
        metrics,
        drain: shutdown.drain,
        cut: shutdown.now.child_token(),
        connections: TaskTracker::new(),
    };
    while let Some((slot, stream, peer)) = door.drain.run_until_cancelled(next_connection(&listener, &slots, &door.crowd)).await {
        let open = Open::new(&door.metrics);
        let (connection, cut) = (greet(stream, peer, door.clone(), answer.clone()), door.cut.clone());
        door.connections.spawn(async move {
            cut.run_until_cancelled(connection).await;
            drop((slot, open));
        });
    }
    drop(listener);
    door.connections.close();
    finish(&door).await;
}

/// Waits for the connections to end by themselves, and after the deadline ends them.
async fn finish(door: &Door) {
    let connections = &door.connections;
    tokio::select! {
        () = connections.wait() => {}
        () = door.cut.cancelled() => {}
        () = tokio::time::sleep(door.limits.drain) => {
            tracing::warn!(connections = connections.len(), "the time to finish is over: dropping the requests that still run");
            door.cut.cancel();
        }
    }
    connections.wait().await;
}

/// Waits for a connection, then for a free slot, which another connection that only waits has to give up if there is none. The slot is
/// `None` only if the semaphore were closed, which nobody does.
async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    crowd: &Crowd,
) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr) {
    let (stream, peer) = accept(listener).await;
    if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
        return (Some(slot), stream, peer);
    }
    loop {
        crowd.make_room();
        // Whoever was chosen may have begun a request in the same moment, and work for long.
        if let Ok(slot) = tokio::time::timeout(limits::ROOM_RETRY, Arc::clone(slots).acquire_owned()).await {
            crowd.has_room();
            return (slot.ok(), stream, peer);
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if failing {
                    tracing::info!("connections can be accepted again");
                }
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "TCP_NODELAY was refused");
                }
                return (stream, peer);
            }
            Err(error) if concerns_one_connection(&error) => tracing::debug!(%error, "a connection broke before it was accepted"),
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "cannot accept connections; trying again and again");
                }
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether `accept` failed for a reason that will not meet the next connection too.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Finds out what to speak on a connection, and speaks it.
async fn greet<F, Fut>(stream: TcpStream, peer: SocketAddr, door: Door, answer: F)
where
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    let place = door.crowd.enter();
    let Some(tls) = &door.tls else { return converse(stream, peer, door, place, answer).await };
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(door.limits.head, tls.accept(stream)) => greeted,
        () = place.sent_away() => return tracing::debug!(%peer, "a TLS handshake had to make room"),
    };
    match greeted.unwrap_or_else(|late| Err(late.into())) {
        Ok(stream) if tls::is_http2(&stream) => http2::converse(stream, peer, door, place, answer).await,
        Ok(stream) => converse(stream, peer, door, place, answer).await,
        Err(error) => {
            door.metrics.traffic.handshakes_failed.inc();
            tracing::debug!(%peer, %error, "a TLS handshake failed");
        }
    }
}

/// Speaks HTTP/1.1 on one connection until either side ends it. `stream` is the plain or the decrypted one.
async fn converse<S, F, Fut>(stream: S, peer: SocketAddr, door: Door, place: Arc<Place>, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Body>, SocketAddr) -> Fut,
    Fut: Future<Output = Response<Body>>,
{
    let limits = &door.limits;
    let received = Arc::new(AtomicBool::new(false));
    let timer = HeadTimer::new(limits.head, Arc::clone(&received), place);
    let socket = Socket::new(stream, received, limits.write_stall, door.metrics.clone());
    let service = service_fn(|request| async { Ok::<_, Infallible>(exchange(request, peer, limits, &answer).await) });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(timer)
            .header_read_timeout(limits.idle)
            .max_header_size(limits.head_bytes)
            .half_close(true)
            .serve_connection(TokioIo::new(socket), service)
    );
    let ended = tokio::select! {
        // First, so that a request which has arrived before the signal is read and answered.
        biased;
        ended = connection.as_mut() => ended,
        () = door.drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Answers one request, and sees to the part of its body that the handler did not read.
async fn exchange<F, Fut>(request: Request<Incoming>, peer: SocketAddr, limits: &Limits, answer: &F) -> Response<Body>
where
    F: Fn(Request<Body>, SocketAddr) -> Fut,
    Fut: Future<Output = Response<Body>>,
{
    let expects_continue = request.headers().contains_key(header::EXPECT);
    let (head, incoming) = request.into_parts();
    if let Some(why) = strict::refusal(head.version, &head.headers) {
        tracing::debug!(%peer, why, "a request was refused");
        return refused(why);
    }
    let (body, unread) = request_body::watch(incoming, limits.read_stall);
    let mut response = answer(Request::from_parts(head, body), peer).await;
    if let Some(rest) = unread.and_then(request_body::Unread::take) {
        let is_small = rest.size_hint().upper().is_some_and(|bytes| bytes <= limits::UNREAD_BYTES_KEPT);
        // A client that waits for `100 Continue` may send its body or the next request now: nobody could tell which.
        if expects_continue || !is_small {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        // No await may follow: polled before the answer's head is written, the rest would provoke a `100 Continue`.
        tokio::spawn(request_body::discard(rest, limits.discard));
    }
    response
}

/// A 400 that ends the connection: nobody can tell what comes behind such a request.
fn refused(why: &'static str) -> Response<Body> {
    let mut response = reply::text(StatusCode::BAD_REQUEST, why);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests;
