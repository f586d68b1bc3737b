//! The rules: what the server means. Handlers ask this layer; it asks the database, the blobs and other servers.
//!
//! Nothing here knows HTTP requests or writes SQL.

pub mod access;
pub mod account;
pub mod activity;
pub mod admin;
mod argon;
pub mod attachments;
pub mod bootstrap;
pub mod caveats;
pub mod contribution;
pub mod core;
pub mod credentials;
pub mod cut_off;
pub mod dev_releases;
pub mod devpi_secret;
pub mod devpi_tokens;
pub mod docs;
pub mod download;
pub mod downloads;
pub mod fetch;
pub mod figures;
pub mod file_log;
pub mod flight;
pub mod follow;
pub mod holdings;
pub mod images;
pub mod inspect;
pub mod keep;
pub mod links;
pub mod listing;
pub mod macaroon;
pub mod merge;
pub mod mirror;
pub mod mirror_metadata;
pub mod nodes;
pub mod owner;
pub mod pages;
pub mod passwords;
pub mod project_info;
pub mod project_lists;
pub mod projects;
pub mod publish;
pub mod push;
pub mod record;
pub mod release;
pub mod restrictions;
pub mod results;
pub mod search;
pub mod settings;
pub mod setup;
pub mod store;
pub mod store_try;
pub mod throttle;
pub mod tree;

pub use self::core::{Core, Rules};
