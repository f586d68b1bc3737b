//! HTTP/2 on one connection, under TLS only. What HTTP/1.1 bounds by the connection is bounded here by the request: many share one
//! connection, so one that stalls is ended alone, and all connections together answer no more requests at once than there may be
//! connections.
//!
//! The library bounds the size of headers and the requests that a connection may begin at once, and ends connections that flood it
//! with frames. It has no time-outs; those are here.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Door, request_body};
use crate::http::crowd::Place;
use crate::http::socket::Socket;
use crate::limits;

/// Speaks HTTP/2 on one connection until either side ends it.
pub(super) async fn converse<S, F, Fut>(stream: S, peer: SocketAddr, door: Door, place: Arc<Place>, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Body>, SocketAddr) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Body>> + Send + 'static,
{
    door.metrics.traffic.http2.inc();
    let socket = Socket::new(stream, Arc::new(AtomicBool::new(false)), door.limits.write_stall, door.metrics.clone());
    let requests = Arc::new(Requests::new(place.clone()));
    let spawner = Spawner { requests: requests.clone(), door: door.clone() };
    let serving = door.clone();
    let service = service_fn(move |request| {
        let (door, answer) = (serving.clone(), answer.clone());
        async move { Ok::<_, Infallible>(exchange(request, peer, &door, answer).await) }
    });
    let mut connection = pin!(
        http2::Builder::new(spawner)
            .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
            .initial_connection_window_size(limits::HTTP2_WINDOW_BYTES)
            .initial_stream_window_size(limits::HTTP2_WINDOW_BYTES)
            .max_send_buf_size(limits::BLOB_READ_BYTES)
            .max_header_list_size(u32::try_from(door.limits.head_bytes).unwrap_or(u32::MAX))
            .serve_connection(TokioIo::new(socket), service)
    );
    let ended = tokio::select! {
        // First, so that a request which has arrived before the signal is read and answered.
        biased;
        ended = connection.as_mut() => Some(ended),
        () = requests.abused.cancelled() => return tracing::debug!(%peer, "a client gave up most of its requests"),
        () = door.drain.cancelled() => None,
        () = requests.rest(door.limits.head, door.limits.idle) => None,
        () = place.sent_away() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = requests.abused.cancelled() => return,
                // It was told to go, has no request under way, and stays.
                () = requests.rest(limits::HTTP2_GOODBYE_MAX, limits::HTTP2_GOODBYE_MAX) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// The requests of one connection.
#[derive(Debug)]
struct Requests {
    place: Arc<Place>,
    /// How many are under way, their answers' bodies included.
    open: watch::Sender<usize>,
    begun: AtomicU64,
    /// Ended by the client before their answer began.
    given_up: AtomicU64,
    /// Cancelled when the client floods the server with requests that it gives up at once.
    abused: CancellationToken,
}

impl Requests {
    fn new(place: Arc<Place>) -> Self {
        let (open, abused) = (watch::Sender::default(), CancellationToken::new());
        Self { place, open, begun: AtomicU64::new(0), given_up: AtomicU64::new(0), abused }
    }

    /// One more is under way.
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.open.send_modify(|open| {
            *open += 1;
            self.place.works();
        });
    }

    /// One has ended.
    fn end(&self) {
        self.open.send_modify(|open| {
            *open -= 1;
            if *open == 0 {
                self.place.waits();
            }
        });
    }

    /// Waits until no request has been under way for a while: for `first` if there was none at all, else for `later`.
    async fn rest(&self, first: Duration, later: Duration) {
        let (mut open, mut patience) = (self.open.subscribe(), first);
        loop {
            // Both wait for changes of something that lives as long as `self`.
            let _ = open.wait_for(|count| *count == 0).await;
            if timeout(patience, open.changed()).await.is_err() {
                return;
            }
            patience = later;
        }
    }
}

/// Runs each request in a task of its own that ends when the connection is cut or its client takes nothing of the answer.
#[derive(Clone)]
struct Spawner {
    requests: Arc<Requests>,
    door: Door,
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        let under_way = Arc::new(UnderWay::begin(self.requests.clone()));
        let (cut, limit) = (self.door.cut.clone(), self.door.limits.write_stall);
        self.door.connections.spawn(UNDER_WAY.scope(under_way.clone(), async move {
            tokio::select! {
                biased;
                _ = work => {}
                () = cut.cancelled() => {}
                () = under_way.stalled(limit) => tracing::debug!("a client took nothing of an answer for too long"),
            }
        }));
    }
}

tokio::task_local! {
    /// The request whose task this is: so the answer's body finds what watches it.
    static UNDER_WAY: Arc<UnderWay>;
}

/// One request, from its head to the end of its answer.
#[derive(Debug)]
struct UnderWay {
    requests: Arc<Requests>,
    answered: AtomicBool,
    /// Since when a piece of the answer waits for the client; `None` while we make the next one.
    waiting: Mutex<Option<Instant>>,
}

impl UnderWay {
    fn begin(requests: Arc<Requests>) -> Self {
        requests.begin();
        Self { requests, answered: AtomicBool::new(false), waiting: Mutex::new(None) }
    }

    fn set_waiting(&self, since: Option<Instant>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Waits until the client has taken nothing of the answer for `limit`; at most twice as long.
    async fn stalled(&self, limit: Duration) {
        let mut look = Instant::now() + limit;
        loop {
            sleep_until(look).await;
            let since = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            match since {
                Some(since) if now >= since + limit => return,
                Some(since) => look = since + limit,
                None => look = now + limit,
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let requests = &self.requests;
        if !*self.answered.get_mut() {
            let given_up = requests.given_up.fetch_add(1, Ordering::Relaxed) + 1;
            if given_up > limits::HTTP2_GIVEN_UP_MAX && given_up * 2 > requests.begun.load(Ordering::Relaxed) {
                requests.abused.cancel();
            }
        }
        requests.end();
    }
}

/// Answers one request, and sees to the part of its body that the handler did not read.
async fn exchange<F, Fut>(request: Request<Incoming>, peer: SocketAddr, door: &Door, answer: F) -> Response<Answering>
where
    F: Fn(Request<Body>, SocketAddr) -> Fut,
    Fut: Future<Output = Response<Body>>,
{
    // The semaphore is never closed.
    let turn = door.turns.clone().acquire_owned().await.ok();
    let (mut head, incoming) = request.into_parts();
    if let Some(host) = head.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        head.headers.entry(header::HOST).or_insert(host);
    }
    let (body, unread) = request_body::watch(incoming, door.limits.read_stall);
    let response = answer(Request::from_parts(head, body), peer).await;
    if let Some(rest) = unread.and_then(request_body::Unread::take) {
        tokio::spawn(request_body::discard(rest, door.limits.discard));
    }
    let under_way = UNDER_WAY.try_with(Clone::clone).ok();
    if let Some(under_way) = &under_way {
        under_way.answered.store(true, Ordering::Relaxed);
    }
    response.map(|body| Answering { body, piece: Bytes::new(), under_way, _turn: turn })
}

/// An answer's body on its way. In small pieces, each of which is asked for when the client has room for it: that it is asked for
/// shows that the client takes something.
struct Answering {
    body: Body,
    /// What is left of the piece that the body gave.
    piece: Bytes,
    under_way: Option<Arc<UnderWay>>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let me = &mut *self;
        if me.piece.is_empty() {
            if let Some(under_way) = &me.under_way {
                under_way.set_waiting(None);
            }
            match std::task::ready!(Pin::new(&mut me.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => me.piece = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        if let Some(under_way) = &me.under_way {
            under_way.set_waiting(Some(Instant::now()));
        }
        let now = me.piece.split_to(me.piece.len().min(limits::HTTP2_PIECE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(now))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, here) = (self.body.size_hint(), self.piece.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + here);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + here);
        }
        hint
    }
}
