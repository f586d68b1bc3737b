//! Why an archive is refused, in the words its author reads.

use std::io;

use zip::result::ZipError;

use crate::limits::{ARCHIVE_ENTRIES_MAX, ARCHIVE_PATH_BYTES_MAX, DOCS_ENTRIES_MAX, TAR_LINKS_MAX, ZIP_DIRECTORY_BYTES_MAX};
use crate::pypi::metadata::InvalidMetadata;

/// Why an archive is refused. All but [`Refused::Unreadable`] are the uploader's to mend.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The archive is no zip archive, is cut off, or can be read in two ways.
    #[error("the file is not a sound zip archive: {0}")]
    Zip(String),
    /// The archive is no tar archive in gzip, or is cut off.
    #[error("the file is not a sound tar archive compressed with gzip: {0}")]
    TarGz(String),
    /// Too many entries.
    #[error("the archive has more than the {ARCHIVE_ENTRIES_MAX} entries that are allowed")]
    Entries,
    /// Too many entries of a documentation archive.
    #[error("the documentation has more than the {DOCS_ENTRIES_MAX} files and folders that are allowed")]
    DocsEntries,
    /// A documentation archive without files.
    #[error("the documentation archive has no files in it")]
    NoDocs,
    /// The directory of a zip archive is too large.
    #[error("the archive's directory is larger than the {ZIP_DIRECTORY_BYTES_MAX} bytes that are allowed")]
    Directory,
    /// A bomb, or simply too much.
    #[error("the archive unpacks to more than {limit} bytes, the most that is allowed for an archive of its size")]
    Unpacked {
        /// Bytes.
        limit: u64,
    },
    /// A path that could lead out of the folder into which the archive is unpacked, or means different things elsewhere.
    #[error("the archive has an entry {path:?} whose path {why}")]
    Path {
        /// The path.
        path: String,
        /// Completes the sentence.
        why: &'static str,
    },
    /// A device, a pipe, a sparse file, in wheels also a link.
    #[error("the archive has an entry {path:?} that is {what}: only files and folders are accepted")]
    Special {
        /// The path.
        path: String,
        /// Completes the sentence.
        what: &'static str,
    },
    /// A link in a source distribution that leads out of it.
    #[error("the archive has a link {path:?} to {target:?}: links must lead to something in the same top-level folder")]
    Link {
        /// Where the link is.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// An entry that would be written through a link.
    #[error("the archive has an entry {path:?} behind a link of the same archive")]
    ThroughLink {
        /// The path.
        path: String,
    },
    /// Too many symbolic links.
    #[error("the archive has more than the {TAR_LINKS_MAX} symbolic links that are allowed")]
    Links,
    /// The headers before a member of a tar archive are too large.
    #[error(
        "the archive has an entry whose name and attributes are larger than is allowed; a path may have {ARCHIVE_PATH_BYTES_MAX} bytes"
    )]
    Header,
    /// An entry that needs a password.
    #[error("the archive has an encrypted entry {path:?}, which nobody could read")]
    Encrypted {
        /// The path.
        path: String,
    },
    /// An entry compressed by a method that installers and browsers do not know.
    #[error("the archive has an entry {path:?} that is neither stored nor deflated, which many programs cannot read")]
    Compression {
        /// The path.
        path: String,
    },
    /// The wheel's `.dist-info` folder is absent, or there are several.
    #[error("the wheel has {found} folders that end in .dist-info: it must have exactly one")]
    DistInfoCount {
        /// How many.
        found: usize,
    },
    /// The wheel's `.dist-info` folder is named after something else.
    #[error("the wheel's folder {folder:?} does not belong to its file name: {wanted:?} is expected")]
    DistInfoName {
        /// The folder.
        folder: String,
        /// How it should be called.
        wanted: String,
    },
    /// The source distribution has files beside its one top-level folder.
    #[error("the source distribution must have everything in one top-level folder, but has {first:?} and {second:?}")]
    TopLevel {
        /// The folder that came first.
        first: String,
        /// What is beside it.
        second: String,
    },
    /// A file that must be there is not.
    #[error("the archive has no {path}, which every {what} must have: build it with a current build tool")]
    NoMetadata {
        /// What is missing.
        path: String,
        /// `wheel` or `source distribution`.
        what: &'static str,
    },
    /// One of the files that are read is too large.
    #[error("{path:?} in the archive is larger than the {limit} bytes that are allowed")]
    MemberTooLarge {
        /// The path.
        path: String,
        /// Bytes.
        limit: usize,
    },
    /// There are two of a file that must be one.
    #[error("the archive has {path:?} more than once")]
    Twice {
        /// The path.
        path: String,
    },
    /// RECORD lists a file that the wheel does not have.
    #[error("the wheel's RECORD lists {path:?}, which is not in the wheel")]
    RecordAbsent {
        /// The path.
        path: String,
    },
    /// RECORD gives another size than the archive.
    #[error("the wheel's RECORD gives {path:?} the size {record:?}, but it has {size} bytes")]
    RecordSize {
        /// The path.
        path: String,
        /// What RECORD says.
        record: String,
        /// Bytes in the archive.
        size: u64,
    },
    /// METADATA or PKG-INFO cannot be read.
    #[error(transparent)]
    Metadata(#[from] InvalidMetadata),
    /// METADATA or PKG-INFO and the file name disagree on the project.
    #[error("the metadata in the archive has the name {metadata:?}, but the file name says {filename:?}")]
    OtherName {
        /// What the archive says.
        metadata: String,
        /// What the file name says.
        filename: String,
    },
    /// METADATA or PKG-INFO and the file name disagree on the version.
    #[error("the metadata in the archive has the version {metadata:?}, but the file name says {filename:?}")]
    OtherVersion {
        /// What the archive says.
        metadata: String,
        /// What the file name says.
        filename: String,
    },
    /// The server's own disk failed: not the uploader's fault.
    #[error("the server could not read the file: {0}")]
    Unreadable(io::Error),
}

/// Characters of a path or value that an error repeats.
const SHOWN_CHARS: usize = 200;

impl Refused {
    /// `err` came up while a zip archive was read.
    pub(super) fn zip(err: impl Into<ZipError>) -> Self {
        match err.into() {
            ZipError::Io(err) if err.raw_os_error().is_some() => Self::Unreadable(err),
            ZipError::Io(err) if err.kind() == io::ErrorKind::UnexpectedEof => Self::Zip("it is cut off".into()),
            err => Self::Zip(err.to_string()),
        }
    }

    /// `err` came up while a tar archive was read.
    pub(super) fn tar_gz(err: io::Error) -> Self {
        match err.kind() {
            _ if err.raw_os_error().is_some() => Self::Unreadable(err),
            io::ErrorKind::UnexpectedEof => Self::TarGz("it is cut off".into()),
            _ => Self::TarGz(err.to_string()),
        }
    }
}

/// `bytes` as text that fits into a sentence.
pub(super) fn shown(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).chars().take(SHOWN_CHARS).collect()
}
