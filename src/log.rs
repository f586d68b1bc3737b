//! The log on standard error, and which request a line belongs to.
//!
//! A request's name is kept beside the task that answers it, not in a span: it costs nothing until a line is written. Whoever
//! begins another task for a request takes it along with [`carry`]. No secret may ever be handed to a line.

mod lines;

use std::fmt;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends the log to `writer`, which is standard error in one way or another; what happened before this call is not logged.
///
/// # Errors
/// If `filter` is no filter, or a log was begun before.
pub fn begin<W>(filter: &str, format: Format, writer: W) -> anyhow::Result<()>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).map_err(|error| anyhow::anyhow!("--log is not a filter: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let begun = match format {
        Format::Text => log.with_ansi(std::io::stderr().is_terminal()).fmt_fields(lines::Fields).try_init(),
        Format::Json => log.event_format(lines::Json).try_init(),
    };
    begun.map_err(|error| anyhow::anyhow!("the log cannot be written: {error}"))
}

/// What a request is called in the log and in its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A name that no other request of this process has, and hardly any of another: eight hexadecimal digits for the process and
    /// eight for the request.
    pub fn new() -> Self {
        static PROCESS: LazyLock<[u8; 4]> = LazyLock::new(|| getrandom::u32().unwrap_or_default().to_be_bytes());
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let mut name = [b'-'; 17];
        let (process, request) = name.split_at_mut(8);
        // Both have room for what is written into them.
        let _ = hex::encode_to_slice(*PROCESS, process);
        let _ = hex::encode_to_slice(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes(), &mut request[1..]);
        Self(std::str::from_utf8(&name).unwrap_or_default().into())
    }

    /// Takes the name that somebody else gave, if it can stand in a line as it is: up to
    /// [`REQUEST_ID_BYTES_MAX`](crate::limits::REQUEST_ID_BYTES_MAX) letters, digits and `-_.:/+=@`.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
        let sane = !text.is_empty() && text.len() <= crate::limits::REQUEST_ID_BYTES_MAX && text.bytes().all(allowed);
        sane.then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

tokio::task_local! {
    static REQUEST: Option<RequestId>;
}

/// Does one step of the work for the request `id`: its lines say so. Not a wrapper around a future: those of requests are large, and
/// each wrapper moves them once more.
pub fn within<T>(id: &RequestId, step: impl FnOnce() -> T) -> T {
    REQUEST.sync_scope(Some(id.clone()), step)
}

/// `work` for the request of the present task, to be done by another task.
pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
    REQUEST.scope(current(), work)
}

/// The request that the present task answers, if it answers one.
fn current() -> Option<RequestId> {
    REQUEST.try_with(Clone::clone).ok().flatten()
}
