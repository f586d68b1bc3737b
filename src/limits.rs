//! Every number that bounds something, with its unit in its name or its comment. `docs/configuration.md` lists them all;
//! a test compares the two.

use std::time::Duration;

// Archives
// Blobs and the spool

/// Bytes read from a blob at once. Measured: 256 KiB costs a fifth of the processor time of 8 KiB, more gains nothing.
pub const BLOB_READ_BYTES: usize = 256 * 1024;
/// Bytes collected before they are hashed and written: one hop to the blocking pool for each, so not too few.
pub const SPOOL_BUFFER_BYTES: usize = 256 * 1024;

// Connections
// Pages and caches
// Sign-in and tokens
// Upstream
// Upload forms

/// Keeps the import above in use until the sections are filled.
pub const TICK: Duration = Duration::from_secs(1);
