//! Every number that bounds something, with its unit in its name or its comment. `docs/configuration.md` lists them all;
//! a test compares the two.

use std::time::Duration;

// Archives

/// Bytes of one METADATA or PKG-INFO file. It is held in memory while it is read; descriptions with embedded pictures reach
/// a few MiB, and nothing honest comes near this.
pub const METADATA_BYTES_MAX: usize = 16 << 20;

// Blobs and the spool
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
/// Bytes of one tag or comment of another index's HTML page, twice this at the worst. The HTML tokenizer compares each attribute
/// with all before it, so one tag of a few MB would keep a thread busy for minutes. Yank reasons fit many times over.
pub const PAGE_TAG_BYTES_MAX: usize = 32 << 10;
// Sign-in and tokens
// Upstream
// Upload forms

/// Keeps the import above in use until the sections are filled.
pub const TICK: Duration = Duration::from_secs(1);
