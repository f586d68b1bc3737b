//! The rules: what the server means. Handlers ask this layer; it asks the database, the blobs and other servers.
//!
//! Nothing here knows HTTP requests or writes SQL.

pub mod access;
pub mod settings;
pub mod tree;
