//! The whole server without its sockets: requests go through `http::answer` over real rules, a real database and a real folder of
//! blobs, on SQLite and on PostgreSQL. Other indexes are played by a server of ours on 127.0.0.1.
//!
//! One file an aspect; `support/` is the harness. Nothing here looks into the server but through its public API.

// Tests may fail loudly; the lint settings know only functions marked as tests, and most of this is called by those.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::too_many_lines)]

mod support;

mod access;
mod access_matrix;
mod auth;
mod devpi7;
mod devpi_tokens;
mod docs;
mod doctor;
mod downloads;
mod export_devpi;
mod files;
mod gc;
mod hang_ups;
mod house;
mod house_backup;
mod house_broken;
mod import_devpi;
mod import_devpi_faults;
mod import_folder;
mod inheritance;
mod journal;
mod lenient;
mod lists;
mod metadata;
mod metrics;
mod mirror;
mod mirror_faults;
mod mirror_files;
mod negotiation;
mod nodes;
mod nodes_cut_off;
mod nodes_mirrors;
mod object_store;
mod pages;
mod publish;
mod push;
mod ready;
mod removal;
mod request_ids;
mod retention;
mod search;
mod search_rpc;
mod test_results;
mod upload_forms;
mod web_activity;
mod web_guard;
mod web_indexes;
mod web_pages;
mod web_releases;
mod web_search;
mod web_status;
mod web_tokens;
mod web_users;
mod yank;
