//! An object store that fails when a test wants it to.
