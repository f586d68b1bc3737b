//! Cheeseshop, a private Python package index.
//!
//! The map, from the outside in. Data flows one way: a request is parsed by [`http`], decided by [`index`], carried out by
//! [`db`], [`blobs`] and [`upstream`]; every change leaves a row in the journal, and the journal is what caches follow.
//!
//! | module | what it is |
//! |---|---|
//! | [`pypi`] | the Python packaging rules, pure |
//! | [`db`] | SQL, and nothing else |
//! | [`blobs`] | bytes at rest |
//! | [`upstream`] | other package indexes |
//! | [`index`] | the rules: who may do what, what a page shows, how a file is published |
//! | [`jobs`] | work that one node does from time to time: gc and retention |
//! | [`doctor`] | whether rows, bytes and journal agree |
//! | [`moving`] | in from devpi or a folder, and out again |
//! | [`render`] | what strangers wrote, as safe HTML; charts and words for pages; pure |
//! | [`http`] | requests and answers |
//! | [`cli`] | the commands |
//! | [`app`] | builds the parts and owns the background tasks |

// The statements that tests prepare on both engines are gathered through a link section, which the lint calls unsafe.
#![cfg_attr(test, allow(unsafe_code))]

pub mod app;
pub mod blobs;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod doctor;
pub mod error;
pub mod fault;
pub mod http;
pub mod index;
pub mod jobs;
pub mod limits;
pub mod moving;
pub mod names;
pub mod pypi;
pub mod render;
pub mod secret;
pub mod upstream;
pub mod urls;
