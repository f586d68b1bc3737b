//! Every number that bounds something, with its unit in its name or its comment. `docs/configuration.md` lists them all;
//! a test compares the two.

use std::time::Duration;

// Archives

/// Entries of one wheel or source distribution. The largest honest ones have some tens of thousands.
pub const ARCHIVE_ENTRIES_MAX: usize = 200_000;
/// Bytes of one entry's path in an archive: what Linux takes.
pub const ARCHIVE_PATH_BYTES_MAX: usize = 4096;
/// How many times its own size an archive may unpack to. PyPI's rule; ordinary wheels reach ten.
pub const ARCHIVE_RATIO_MAX: u64 = 50;
/// Bytes that any archive may unpack to, whatever its ratio: small files of zeros are honest. PyPI's number.
pub const ARCHIVE_UNPACKED_BYTES_FREE: u64 = 64 << 20;
/// Bytes that no archive may unpack to: a source distribution is unpacked once to look at it, at about 1 GiB a second.
pub const ARCHIVE_UNPACKED_BYTES_MAX: u64 = 16 << 30;
/// Bytes of one METADATA or PKG-INFO file. It is held in memory while it is read; descriptions with embedded pictures reach
/// a few MiB, and nothing honest comes near this.
pub const METADATA_BYTES_MAX: usize = 16 << 20;
/// Bytes of a wheel's RECORD, held in memory while it is compared: room for the most entries with long paths.
pub const RECORD_BYTES_MAX: usize = 32 << 20;
/// Bytes of the headers before one member of a tar archive. They are held in memory, and compress to nothing.
pub const TAR_HEADER_BYTES_MAX: u64 = 1 << 20;
/// Symbolic links in a source distribution. Their paths are held in memory while it is inspected.
pub const TAR_LINKS_MAX: usize = 10_000;
/// Bytes of a zip archive's directory, held in memory while it is inspected: room for the most entries with long paths.
pub const ZIP_DIRECTORY_BYTES_MAX: u64 = 64 << 20;

// Blobs and the spool

/// Bytes read from a blob at once. Measured: 256 KiB costs a fifth of the processor time of 8 KiB, more gains nothing.
pub const BLOB_READ_BYTES: usize = 256 * 1024;
/// Bytes collected before they are hashed and written: one hop to the blocking pool for each, so not too few.
pub const SPOOL_BUFFER_BYTES: usize = 256 * 1024;

// Connections
// File names and versions

/// Bytes of a distribution's file name: what common file systems hold.
pub const FILENAME_BYTES_MAX: usize = 255;
/// Projects that a file name is taken for. Each guess may cost one question to an upstream, and anybody may ask for any name.
pub const FILENAME_GUESSES_MAX: usize = 4;
/// Bytes of a version. It must fit into a file name beside the project's name and the tags.
pub const VERSION_BYTES_MAX: usize = 200;

// Pages and caches

/// Files on one page of another index. The largest real projects have some ten thousand; a page above this is refused rather
/// than cut, because a cut page would look like deleted releases.
pub const PAGE_FILES_MAX: usize = 200_000;
// Sign-in and tokens
// Upstream
// Upload forms

/// Keeps the import above in use until the sections are filled.
pub const TICK: Duration = Duration::from_secs(1);
