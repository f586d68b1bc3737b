//! Every number that bounds something, with its unit in its name or its comment. `docs/configuration.md` lists them all;
//! a test compares the two.

use std::time::Duration;

/// Bytes in a MiB.
const MIB: usize = 1024 * 1024;

// Archives
// Blobs and the spool
// Connections
// Pages and caches
// Sign-in and tokens
// Upstream

/// How long one run of `pip` may take while `--upstream auto` looks for an index. A cold interpreter on a slow disk needs seconds.
pub const UPSTREAM_DISCOVERY_PROGRAM_WAIT: Duration = Duration::from_secs(10);
/// How long a connection to another server may take to stand, its name look-up and TLS included.
pub const UPSTREAM_CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest silence of another server before its answer and between two pieces of it. Caching proxies are slow to begin.
pub const UPSTREAM_IDLE_WAIT: Duration = Duration::from_secs(20);
/// Bytes of a project list. The largest public one is some tens of MiB.
pub const UPSTREAM_LIST_BYTES_MAX: usize = 256 * MIB;
/// How long a project list may take from the question to its last byte.
pub const UPSTREAM_LIST_WAIT: Duration = Duration::from_secs(120);
/// Bytes of one `METADATA` taken from another server. Descriptions with whole change logs stay far below.
pub const UPSTREAM_METADATA_BYTES_MAX: usize = 4 * MIB;
/// How long it may take to get one `METADATA`, all range requests together.
pub const UPSTREAM_METADATA_WAIT: Duration = Duration::from_secs(30);
/// Bytes of one project page after decompression. A page of 20,000 files is 8 MiB; this bounds what a gzip bomb can cost.
pub const UPSTREAM_PAGE_BYTES_MAX: usize = 64 * MIB;
/// How long a project page may take from the question to its last byte.
pub const UPSTREAM_PAGE_WAIT: Duration = Duration::from_secs(30);
/// Bytes of a wheel read by range requests before giving up. The archive directory of a wheel with 10,000 members is about 1 MiB.
pub const UPSTREAM_RANGE_BYTES_MAX: u64 = 4 * MIB as u64;
/// Range requests for one wheel. A well-made wheel needs one, two or three.
pub const UPSTREAM_RANGE_REQUESTS_MAX: usize = 8;
/// Redirects followed for one request. Real indexes use one or two.
pub const UPSTREAM_REDIRECTS_MAX: usize = 8;
/// Bytes read from the end of a wheel first: the archive directory and, in most wheels, `METADATA` itself.
pub const UPSTREAM_WHEEL_TAIL_BYTES: u64 = 64 * 1024;

// Upload forms

/// Keeps the import above in use until the sections are filled.
pub const TICK: Duration = Duration::from_secs(1);
