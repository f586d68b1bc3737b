//! What a client may be told. Everything else is [`Error::Internal`]: logged once where it is answered, and shown as a 500
//! that says nothing.

use std::time::Duration;

/// Short for results that end in an answer to a client.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not carried out. The text of each is one sentence a client may read; it becomes the body and, over
/// HTTP/1.1, the reason phrase.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 400: the request itself is wrong.
    #[error("{0}")]
    BadRequest(String),
    /// 401: nobody, or somebody whose password, token or session is not accepted.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: somebody, but without the right.
    #[error("{0}")]
    Forbidden(String),
    /// 404: not here, or not for this caller to know.
    #[error("{0}")]
    NotFound(String),
    /// 405: not with this method; the methods that would do.
    #[error("{message}")]
    MethodNotAllowed {
        /// The `Allow` header.
        allow: &'static str,
        /// What to do instead.
        message: String,
    },
    /// 406: no such form.
    #[error("{0}")]
    NotAcceptable(String),
    /// 409: something of this name is there already.
    #[error("{0}")]
    Conflict(String),
    /// 410: it was here and was removed.
    #[error("{0}")]
    Gone(String),
    /// 413: more bytes than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// 429: too many wrong passwords.
    #[error("{message}")]
    TooManyRequests {
        /// What was too much.
        message: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// 502: the upstream index did not give a usable answer.
    #[error("{0}")]
    BadGateway(String),
    /// 503: come back later.
    #[error("{message}")]
    Unavailable {
        /// What is the matter.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// 507: no room for the file.
    #[error("the server has no room left for this file")]
    NoRoom,
    /// 500: nobody's business but the operator's.
    #[error("the server could not carry out this request; its log says why")]
    Internal(#[source] anyhow::Error),
}

impl Error {
    /// A 404 for an index, in devpi's words.
    pub fn no_index(path: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("The stage {path} could not be found."))
    }

    /// A 404 for a project, in devpi's words.
    pub fn no_project(name: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("The project {name} does not exist."))
    }

    /// The 503 for a database that cannot be reached at this moment.
    pub fn no_database() -> Self {
        Self::Unavailable { message: "the database does not answer; try again".into(), retry_after: Duration::from_secs(2) }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match is_passing(&error) {
            true => {
                tracing::warn!(%error, "the database does not answer");
                Self::no_database()
            }
            false => Self::Internal(error.into()),
        }
    }
}

/// Whether trouble with the database passes by itself: it cannot be reached, stops, starts, or has handed its work to another one.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
        // PostgreSQL's classes 08 (connection) and 57P (operator intervention), too many connections, and a server that has
        // become a replica; two transactions that met: the next try goes through; a lock that was not to be had, and a transaction
        // that was ended because this process had stood still. SQLite's `database is locked`.
        sqlx::Error::Database(told) => told.code().is_some_and(|code| {
            code.starts_with("08")
                || code.starts_with("57P")
                || ["53300", "25006", "40001", "40P01", "55P03", "25P03", "5"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::NoRoom,
            // The object store, or a network drive, cannot be reached: passing trouble, worth a retry.
            std::io::ErrorKind::NotConnected | std::io::ErrorKind::TimedOut => {
                tracing::warn!(%error, "the store of files does not answer");
                Self::Unavailable {
                    message: "the store of files does not answer; try again".into(),
                    retry_after: Duration::from_secs(2),
                }
            }
            _ => Self::Internal(error.into()),
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(error.into())
    }
}

impl Error {
    /// A copy for somebody else who waited for the same work. The cause of an internal error was logged for the first one.
    #[must_use]
    pub fn share(&self) -> Self {
        let text = self.to_string();
        match self {
            Self::BadRequest(_) => Self::BadRequest(text),
            Self::Unauthorized(text) => Self::Unauthorized(text),
            Self::Forbidden(_) => Self::Forbidden(text),
            Self::NotFound(_) => Self::NotFound(text),
            Self::MethodNotAllowed { allow, .. } => Self::MethodNotAllowed { allow, message: text },
            Self::NotAcceptable(_) => Self::NotAcceptable(text),
            Self::Conflict(_) => Self::Conflict(text),
            Self::Gone(_) => Self::Gone(text),
            Self::TooLarge(_) => Self::TooLarge(text),
            Self::TooManyRequests { message, retry_after } => Self::TooManyRequests { message, retry_after: *retry_after },
            Self::BadGateway(_) => Self::BadGateway(text),
            Self::Unavailable { retry_after, .. } => Self::Unavailable { message: text, retry_after: *retry_after },
            Self::NoRoom => Self::NoRoom,
            Self::Internal(cause) => Self::Internal(anyhow::anyhow!("{cause:#}")),
        }
    }
}
