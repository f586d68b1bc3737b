//! Other package indexes over HTTP: their project pages, their files, and the metadata inside their wheels.
//!
//! This layer knows HTTP and who may be asked; it knows nothing of our database or our rules, keeps no cache and decides
//! nothing about staleness. It never parses a page (that is [`crate::pypi::page_parse`]) and never shows credentials: an
//! [`Origin`] keeps those of a `mirror_url` to itself, and an [`UpstreamError`] names a host and nothing more.
//!
//! | module | what it is |
//! |---|---|
//! | [`origin`] | a `mirror_url`, its credentials split off |
//! | [`address`] | which addresses may be asked (the guard against server-side request forgery) |
//! | [`client`] | one request with its redirects |
//! | [`page`] | project pages and the project list |
//! | [`file`](mod@file) | files, whole or in part |
//! | [`image`] | pictures for descriptions |
//! | [`metadata`] | `METADATA` of a wheel without fetching the wheel (PEP 658) |
//! | [`post`] | upload forms, for a push to another server |
//! | [`discover`] | `--upstream auto` |

pub mod address;
pub mod client;
pub mod discover;
pub mod error;
pub mod file;
pub mod image;
pub mod metadata;
pub mod origin;
pub mod page;
pub mod post;
mod sparse;
#[cfg(test)]
mod testing;

pub use address::Reach;
pub use client::{Patience, Upstream};
pub use error::UpstreamError;
pub use file::{Download, FileHead};
pub use origin::{InvalidOrigin, Origin};
pub use page::PageAnswer;
