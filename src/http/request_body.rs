//! A request's body on its way to a handler, and what becomes of the part that the handler leaves unread.
//!
//! hyper closes a connection whose body was not read to its end. A client that sends all before it reads (Python's
//! `http.client`, so pip, twine and devpi) would then see a broken connection in place of the 401 or 413. So the unread
//! rest comes back here when the handler drops it, and is read and thrown away, within limits, while the answer is sent.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::socket::Stall;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client sent nothing for too long: answer 408.
    #[error("the request stalled: nothing of its body arrived for {} seconds", .0.as_secs())]
    Stalled(Duration),
    /// The connection broke or the framing is wrong.
    #[error("the request's body could not be read: {0}")]
    Broken(#[from] hyper::Error),
}

/// Where a body's unread rest arrives once its handler has dropped it.
pub struct Unread(oneshot::Receiver<Incoming>);

/// How much of an unread body is read after the answer.
#[derive(Debug, Clone, Copy)]
pub struct DiscardLimits {
    /// In all.
    pub bytes: u64,
    /// In all.
    pub time: Duration,
    /// Without a byte.
    pub silence: Duration,
}

/// Makes the body that a handler is given. It fails with [`BodyError`] when nothing arrives for `stall` while it is polled.
/// The second part is `None` if there is no body.
pub fn watch(incoming: Incoming, stall: Duration) -> (Body, Option<Unread>) {
    if incoming.is_end_stream() {
        return (Body::empty(), None);
    }
    let (give_back, unread) = oneshot::channel();
    let watched = Watched { incoming: Some(incoming), give_back: Some(give_back), stall: Stall::new(stall), limit: stall };
    (Body::new(watched), Some(Unread(unread)))
}

impl Unread {
    /// The rest that the handler left; `None` if it read all or still reads.
    pub fn take(mut self) -> Option<Incoming> {
        self.0.try_recv().ok()
    }
}

/// Reads `body` and throws it away, to its end or to the first limit.
pub async fn discard<B: HttpBody<Data = Bytes> + Unpin>(mut body: B, limits: DiscardLimits) {
    let reading = async {
        let mut left = limits.bytes;
        while let Ok(Some(Ok(frame))) = timeout(limits.silence, body.frame()).await {
            let read = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(read) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    if timeout(limits.time, reading).await.is_err() {
        tracing::debug!("gave up on the unread body of a request that has been answered");
    }
}

struct Watched {
    /// `None` once it has ended or has been given back.
    incoming: Option<Incoming>,
    give_back: Option<oneshot::Sender<Incoming>>,
    stall: Stall,
    limit: Duration,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(incoming).poll_frame(cx);
        if self.stall.is_over(cx, polled.is_pending()) {
            return Poll::Ready(Some(Err(BodyError::Stalled(self.limit))));
        }
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.incoming = None;
        }
        polled.map_err(BodyError::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let unread = self.incoming.take().filter(|incoming| !incoming.is_end_stream());
        if let (Some(incoming), Some(give_back)) = (unread, self.give_back.take()) {
            // Refused if the answer has long been sent: then hyper ends the connection.
            let _ = give_back.send(incoming);
        }
    }
}
