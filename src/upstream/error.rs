//! What can go wrong with another server, in sentences that may be shown to any client: a host name and nothing else.

use super::address::NotPublic;
use std::error::Error;
use url::Url;

/// Another server did not give what was asked. The texts carry no credentials, no path and no inner error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection: unknown name, refused, or cut before anything came.
    #[error("{host} cannot be reached")]
    Unreachable {
        /// The host that was asked.
        host: String,
    },
    /// Its TLS certificate is not one that this machine trusts.
    #[error("the TLS certificate of {host} is not trusted here; add its authority to the system's certificate store")]
    Untrusted {
        /// The host that was asked.
        host: String,
    },
    /// Too slow: to connect, between two pieces, or as a whole.
    #[error("{host} did not answer in time")]
    TimedOut {
        /// The host that was asked.
        host: String,
    },
    /// 404 or 410 for a file. (For a page that is an answer, see [`super::PageAnswer::Missing`].)
    #[error("{host} does not have this file")]
    Missing {
        /// The host that was asked.
        host: String,
    },
    /// 401 or 403.
    #[error("{host} refuses access ({status}); check the credentials in the mirror's mirror_url")]
    Denied {
        /// The host that was asked.
        host: String,
        /// 401 or 403.
        status: u16,
    },
    /// Any other status that is not an answer.
    #[error("{host} answered with status {status}")]
    Status {
        /// The host that was asked.
        host: String,
        /// The HTTP status code.
        status: u16,
    },
    /// More bytes than are taken, counted after decompression.
    #[error("{host} sent more than the {limit} bytes that are accepted here")]
    TooLarge {
        /// The host that was asked.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The address is private, or not one of HTTP at all, and this mirror may not go there (see [`super::Reach`]).
    #[error("{host} was not asked: it is not a public HTTP address, and only root may have others asked")]
    Refused {
        /// The host that was to be asked.
        host: String,
    },
    /// Redirects that are not followed.
    #[error("{host} redirects {why}")]
    Redirects {
        /// The host that sent the last redirect.
        host: String,
        /// What is wrong with it, as the end of a sentence.
        why: &'static str,
    },
    /// Something that is no picture, or of a kind that is not shown, where one was asked for.
    #[error("what {host} sent is no picture of a kind that is shown here")]
    NoImage {
        /// The host that was asked.
        host: String,
    },
    /// Not proper HTTP, or an answer that contradicts itself, or a body that ends early.
    #[error("{host} sent a broken answer")]
    Broken {
        /// The host that was asked.
        host: String,
    },
    /// The wheel is no archive with exactly one readable `METADATA` of its own. Asking again will not help.
    #[error("the file is not a wheel with exactly one readable METADATA")]
    Unreadable,
}

/// The host of `url` for an error's text.
pub(super) fn host(url: &Url) -> String {
    url.host_str().unwrap_or("the server").to_owned()
}

/// The error for a status that is not an answer.
pub(super) fn of_status(status: reqwest::StatusCode, url: &Url) -> UpstreamError {
    let (host, status) = (host(url), status.as_u16());
    match status {
        401 | 403 => UpstreamError::Denied { host, status },
        404 | 410 => UpstreamError::Missing { host },
        _ => UpstreamError::Status { host, status },
    }
}

/// Sorts an error of the HTTP library. Its own text, which may name inner addresses, goes to the log and nowhere else.
pub(super) fn of_transport(error: reqwest::Error, url: &Url) -> UpstreamError {
    let host = host(url);
    let error = error.without_url();
    let causes: Vec<String> = chain(&error).map(ToString::to_string).collect();
    tracing::debug!(host, causes = causes.join(": "), "request to another server failed");

    if chain(&error).any(|cause| cause.is::<NotPublic>()) {
        UpstreamError::Refused { host }
    } else if error.is_timeout() {
        UpstreamError::TimedOut { host }
    } else if causes.iter().any(|text| text.contains(CERTIFICATE_TROUBLE)) {
        UpstreamError::Untrusted { host }
    } else if error.is_connect() || error.is_dns() {
        UpstreamError::Unreachable { host }
    } else {
        UpstreamError::Broken { host }
    }
}

/// How rustls begins each complaint about a server's certificate. Its error type is not ours to name without a direct
/// dependency on rustls; should the text change, the error degrades to `Unreachable`.
const CERTIFICATE_TROUBLE: &str = "invalid peer certificate";

fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |cause| (*cause).source())
}
