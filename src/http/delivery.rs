//! Who is sent to the object store for a file, and who gets it from us.
//!
//! A link to the store is good for one whole download. So nobody is sent there who asks for a part of a file (uv drops the range
//! on the way), or for its head alone (the link is signed for GET, and pip takes no redirect there).

use super::Call;
use crate::limits;
use axum::http::Method;
use axum::http::header::{RANGE, USER_AGENT};
use clap::ValueEnum;

/// How files that lie in an object store reach clients (`--blob-delivery`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Delivery {
    /// Through this server.
    Stream,
    /// From the object store, whole files for all clients.
    Redirect,
    /// From the object store, large whole files for clients that are known to do well with that.
    Auto,
}

/// How the `User-Agent` of clients begins that fetch a file from where they are sent, take no credentials along, and keep what
/// they got under the address that they asked for. pip, pipenv, poetry and pdm keep it under the link, which is another one
/// every time: their caches would only grow. Of other clients it is not known.
const CLIENTS: [&str; 1] = ["uv/"];

impl Delivery {
    /// Whether this request for a file of `size` bytes is answered with a link, if the store gives one.
    pub(super) fn redirects(self, call: &Call<'_>, size: u64) -> bool {
        let whole = *call.method == Method::GET && !call.head && !call.headers.contains_key(RANGE);
        match self {
            Self::Stream => false,
            Self::Redirect => whole,
            Self::Auto => whole && size >= limits::OBJECT_LINK_BYTES_MIN && does_well(call),
        }
    }
}

fn does_well(call: &Call<'_>) -> bool {
    let agent = call.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    CLIENTS.iter().any(|client| agent.starts_with(client))
}
