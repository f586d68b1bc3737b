//! What a client may be told. Everything else is [`Error::Internal`]: logged once where it is answered, and shown as a 500
//! that says nothing.

use std::time::Duration;
use tokio::task::JoinError;

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
    /// 507: no room for what was to be kept.
    #[error("the server has no room left: ask its administrator to make some, then try again")]
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

impl Error {
    /// The 503 for a process that gets no more memory or file handles at this moment.
    pub fn exhausted() -> Self {
        Self::Unavailable {
            message: "the server has too much to do at this moment; try again".into(),
            retry_after: Duration::from_secs(5),
        }
    }

    /// The 503 for a store of files that cannot be used at this moment.
    pub fn no_store() -> Self {
        Self::Unavailable { message: "the store of files cannot be used; try again".into(), retry_after: Duration::from_secs(2) }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match trouble_of_database(&error) {
            Some(Trouble::Passing) => {
                tracing::warn!(%error, "the database does not answer");
                Self::no_database()
            }
            Some(trouble) => trouble.told(&error, "the database"),
            None => Self::Internal(error.into()),
        }
    }
}

/// What is the matter with a database or a disk, if it is not the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It cannot be reached, stops, starts, or has handed its work to another one.
    Passing,
    /// There is no room.
    Full,
    /// It cannot be written, or not be used at all, until somebody does something about it.
    Unusable,
    /// There are no more file handles, or no more memory.
    Exhausted,
}

impl Trouble {
    /// What a client is told. The cause is for the log: it names paths.
    fn told(self, error: &dyn std::fmt::Display, what: &str) -> Error {
        tracing::error!(%error, trouble = ?self, "{what} cannot do what is wanted of it");
        match self {
            Self::Full => Error::NoRoom,
            Self::Passing => Error::no_store(),
            Self::Unusable => Error::Unavailable {
                message: format!("{what} cannot be used; its administrator finds the reason in the log"),
                retry_after: Duration::from_secs(10),
            },
            Self::Exhausted => Error::exhausted(),
        }
    }
}

fn trouble_of_database(error: &sqlx::Error) -> Option<Trouble> {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => Some(Trouble::Passing),
        sqlx::Error::Database(told) => trouble_of_code(&told.code()?),
        _ => None,
    }
}

/// PostgreSQL's codes have five characters. SQLite's are numbers, of which the last eight bits say what it is.
fn trouble_of_code(code: &str) -> Option<Trouble> {
    let sqlite = Some(code).filter(|code| code.len() < 5).and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    match (code, sqlite) {
        // SQLITE_BUSY; SQLITE_FULL; SQLITE_NOMEM; SQLITE_READONLY, SQLITE_IOERR and SQLITE_CANTOPEN, for want of handles too.
        (_, Some(5)) => Some(Trouble::Passing),
        (_, Some(13)) => Some(Trouble::Full),
        (_, Some(7)) => Some(Trouble::Exhausted),
        (_, Some(8 | 10 | 14)) => Some(Trouble::Unusable),
        // disk_full; out_of_memory
        ("53100", _) => Some(Trouble::Full),
        ("53200", _) => Some(Trouble::Exhausted),
        // Too many connections, and a server that has become a replica; two transactions that met: the next try goes through; a
        // lock that was not to be had, and a transaction that was ended because this process had stood still.
        ("53300" | "25006" | "40001" | "40P01" | "55P03" | "25P03", _) => Some(Trouble::Passing),
        // Its classes 08 (connection) and 57P (operator intervention).
        _ if code.starts_with("08") || code.starts_with("57P") => Some(Trouble::Passing),
        _ => None,
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match trouble_of_disk(&error) {
            Some(Trouble::Passing) => {
                tracing::warn!(%error, "the store of files does not answer");
                Self::Unavailable {
                    message: "the store of files does not answer; try again".into(),
                    retry_after: Duration::from_secs(2),
                }
            }
            Some(trouble) => trouble.told(&error, "the store of files"),
            None => Self::Internal(error.into()),
        }
    }
}

fn trouble_of_disk(error: &std::io::Error) -> Option<Trouble> {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Some(Trouble::Full),
        // The object store, or a network drive, cannot be reached: passing trouble, worth a retry.
        ErrorKind::NotConnected | ErrorKind::TimedOut => Some(Trouble::Passing),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Some(Trouble::Unusable),
        // What need not be there is asked for in another way: a folder of ours is gone.
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::StaleNetworkFileHandle => Some(Trouble::Unusable),
        ErrorKind::OutOfMemory => Some(Trouble::Exhausted),
        _ => is_exhausted(error).then_some(Trouble::Exhausted),
    }
}

/// EMFILE and ENFILE, which have no kind of their own, and a task that got no memory, here or in the error's sources.
fn is_exhausted(error: &std::io::Error) -> bool {
    if let Some(number) = error.raw_os_error() {
        return matches!(number, 23 | 24);
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(error) = cause {
        let wanted_memory = error.downcast_ref().is_some_and(wanted_memory);
        if wanted_memory || error.downcast_ref().is_some_and(is_exhausted) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether a task ended because zlib-rs, which takes deflated bytes apart, got no memory: it panics then, and says so in words only.
fn wanted_memory(failed: &JoinError) -> bool {
    failed.is_panic() && failed.to_string().contains("MemError")
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        match wanted_memory(&error) {
            true => Trouble::Exhausted.told(&error, "a task"),
            false => Self::Internal(error.into()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn trouble_of_the_disk_is_told_from_mistakes() {
        for (number, status) in [
            (28, "no room"),            // ENOSPC
            (122, "no room"),           // EDQUOT
            (27, "no room"),            // EFBIG
            (30, "cannot be used"),     // EROFS
            (13, "cannot be used"),     // EACCES
            (2, "cannot be used"),      // ENOENT
            (24, "too much to do"),     // EMFILE
            (23, "too much to do"),     // ENFILE
            (12, "too much to do"),     // ENOMEM
            (110, "does not answer"),   // ETIMEDOUT
            (5, "could not carry out"), // EIO
        ] {
            let error = io::Error::from_raw_os_error(number);
            let told = Error::from(error).to_string();
            assert!(told.contains(status) && !told.contains("os error"), "{number}: {told}");
        }
    }

    #[test]
    fn an_error_that_names_its_path_is_known_too() {
        #[derive(Debug, thiserror::Error)]
        #[error("/srv/blobs: {0}")]
        struct Named(#[source] io::Error);
        let named = io::Error::other(Named(io::Error::from_raw_os_error(24)));
        let told = Error::from(named);
        assert!(matches!(told, Error::Unavailable { .. }) && !told.to_string().contains("/srv"), "{told}");
        assert!(matches!(Error::from(io::Error::other("something else")), Error::Internal(_)));
    }

    #[tokio::test]
    async fn a_task_that_got_no_memory_is_told_from_one_that_is_wrong() {
        #[derive(Debug, PartialEq)]
        enum Zlib {
            Ok,
            MemError,
            StreamError,
        }
        let failed = async |code| tokio::task::spawn_blocking(move || assert_eq!(code, Zlib::Ok)).await.unwrap_err();
        for error in [failed(Zlib::MemError).await.into(), io::Error::other(failed(Zlib::MemError).await).into()] {
            assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        }
        for error in [failed(Zlib::StreamError).await.into(), io::Error::other(failed(Zlib::StreamError).await).into()] {
            assert!(matches!(error, Error::Internal(_)), "{error:?}");
        }
    }

    #[test]
    fn codes_of_databases() {
        let kinds = [("13", Trouble::Full), ("53100", Trouble::Full), ("5", Trouble::Passing), ("517", Trouble::Passing)];
        let more = [("7", Trouble::Exhausted), ("8", Trouble::Unusable), ("778", Trouble::Unusable), ("57P01", Trouble::Passing)];
        for (code, trouble) in kinds.into_iter().chain(more) {
            assert_eq!(trouble_of_code(code), Some(trouble), "{code}");
        }
        for mistake in ["1", "19", "2067", "23505", "42601"] {
            assert_eq!(trouble_of_code(mistake), None, "{mistake}");
        }
    }
}
