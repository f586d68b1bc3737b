//! Every number that bounds something, with its unit in its name or its comment. `docs/configuration.md` lists them all;
//! a test compares the two.

use std::time::Duration;

// Archives
// Blobs and the spool
// Connections
// Pages and caches
// Sign-in and tokens
// Upstream
// Upload forms

/// Keeps the import above in use until the sections are filled.
pub const TICK: Duration = Duration::from_secs(1);
