//! `/metrics`: what the server counts, in Prometheus's text format (version 0.0.4).
//!
//! `docs/operations.md` lists all of it; a test compares the two. Asks neither database nor store, so that it answers when they do not.

use super::reply::{self, CachePolicy, Reply};
use super::{Site, auth, outside};
use crate::error::{Error, Result};
use crate::index::Core;
use crate::metrics::{BUCKETS, By, Counter, Label, process};
use axum::http::{HeaderMap, Method, StatusCode};
use clap::ValueEnum;
use std::fmt::{Display, Write};
use std::net::SocketAddr;
use std::sync::Arc;

/// Who may read them (`--metrics`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Readers {
    /// Everybody: they tell how much is done, and nothing of what or by whom.
    Public,
    /// root.
    Admin,
    /// Nobody.
    Off,
}

/// Answers `/metrics`.
pub async fn metrics(site: &Arc<Site>, method: &Method, headers: &HeaderMap, peer: SocketAddr) -> Result<Reply> {
    match site.metrics {
        Readers::Public => {}
        Readers::Admin => only_admin(site, headers, peer).await?,
        Readers::Off => return Err(Error::NotFound("there is nothing at this address".into())),
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Error::MethodNotAllowed { allow: "GET, HEAD", message: "metrics can be read here".into() });
    }
    let core = site.core.clone();
    let text = tokio::task::spawn_blocking(move || render(&core)).await?;
    Ok(reply::bytes(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", CachePolicy::Never, text))
}

/// A token of root's will do, whatever it is for: it need not be one that may change anything.
async fn only_admin(site: &Site, headers: &HeaderMap, peer: SocketAddr) -> Result<()> {
    let caller = auth::caller(&site.core, headers, outside::client(site, headers, peer)).await?;
    match &caller.user {
        Some(user) if user.admin => Ok(()),
        Some(_) => Err(Error::Forbidden("only root may read the metrics of this server".into())),
        None => Err(Error::Unauthorized("Sign in as root to read the metrics of this server")),
    }
}

/// All of them. Blocks for some microseconds.
fn render(core: &Core) -> String {
    let mut text = Text { text: String::with_capacity(16 * 1024), family: "" };
    requests(&mut text, core);
    pages(&mut text, core);
    changes(&mut text, core);
    stores(&mut text, core);
    running(&mut text, core);
    text.text
}

fn requests(text: &mut Text, core: &Core) {
    let (requests, traffic) = (&core.metrics.requests, &core.metrics.traffic);
    text.family("cheeseshop_http_requests_total", COUNTER, "Requests that were answered.");
    for (route, counted) in requests.iter() {
        for (status, count) in counted.status.iter() {
            text.sample("", &[label(route), label(status)], count.get());
        }
    }
    let about = "Time from a request's head to its answer's head; the body of the answer comes after it.";
    text.family("cheeseshop_http_request_duration_seconds", "histogram", about);
    for (route, counted) in requests.iter() {
        let (upto, count, micros) = counted.time.read();
        for (bound, upto) in BUCKETS.iter().zip(upto) {
            text.sample("_bucket", &[label(route), ("le", &seconds(*bound).to_string())], upto);
        }
        text.sample("_bucket", &[label(route), ("le", "+Inf")], count);
        text.sample("_sum", &[label(route)], seconds(micros));
        text.sample("_count", &[label(route)], count);
    }
    text.counter("cheeseshop_http_sent_bytes_total", "Bytes that clients took, heads of answers included.", &traffic.sent_bytes);
    text.gauge("cheeseshop_http_connections", "Connections that are open.", traffic.connections.get());
    text.counter("cheeseshop_http_connections_total", "Connections that were accepted.", &traffic.accepted);
    text.counter("cheeseshop_http2_connections_total", "Connections that speak HTTP/2.", &traffic.http2);
    let about = "Connections whose TLS handshake failed or took too long.";
    text.counter("cheeseshop_tls_handshake_failures_total", about, &traffic.handshakes_failed);
    text.counter("cheeseshop_sign_ins_refused_total", "Credentials that were refused.", &core.metrics.sign_ins_refused);
}

fn pages(text: &mut Text, core: &Core) {
    let metrics = &core.metrics;
    text.counter("cheeseshop_page_cache_hits_total", "Project pages that were in memory, and current.", &metrics.page_hits);
    text.counter("cheeseshop_page_cache_misses_total", "Project pages that were not.", &metrics.page_misses);
    text.counter("cheeseshop_page_renders_total", "Project pages that were rendered.", &metrics.page_renders);
    let (pages, bytes) = core.pages.usage();
    let (listings, listing_bytes) = core.listings.usage();
    text.gauge("cheeseshop_page_cache_pages", "Pages in memory.", pages);
    text.gauge("cheeseshop_page_cache_bytes", "Bytes that pages in memory are counted as.", bytes);
    text.gauge("cheeseshop_listing_cache_listings", "Listings in memory, from which pages and links are made.", listings);
    text.gauge("cheeseshop_listing_cache_bytes", "Bytes that listings in memory are counted as.", listing_bytes);
    text.gauge("cheeseshop_page_budget_bytes", "Bytes for both together (--page-cache).", core.rules.page_cache);
    let (lists, list_bytes) = core.project_lists.usage();
    text.gauge("cheeseshop_project_list_cache_lists", "Lists of projects in memory.", lists);
    text.gauge("cheeseshop_project_list_cache_bytes", "Bytes that lists of projects in memory are counted as.", list_bytes);
    text.counter("cheeseshop_stale_answers_total", "Answers that were marked as possibly out of date.", &metrics.stale_answers);
}

fn changes(text: &mut Text, core: &Core) {
    let metrics = &core.metrics;
    text.counters("cheeseshop_uploads_total", "Files that were uploaded.", &metrics.uploads);
    text.counters("cheeseshop_mirror_refreshes_total", "Questions to upstreams for project pages.", &metrics.refreshes);
    text.counters("cheeseshop_mirror_fetches_total", "Files that were fetched from upstreams.", &metrics.fetches);
    text.counter("cheeseshop_mirror_fetched_bytes_total", "Bytes of files that came from upstreams.", &metrics.fetched_bytes);
    text.gauge("cheeseshop_mirror_fetches_running", "Files that are coming from upstreams.", core.fetches.running());
    text.gauge(
        "cheeseshop_journal_serial",
        "The newest serial of the journal that this node has followed.",
        core.changes.seen().0,
    );
    let age = core.clock.uptime().saturating_sub(core.changes.looked());
    let about = "Time since this node last knew all changes. Above five seconds it is cut off from the database.";
    text.gauge("cheeseshop_journal_lag_seconds", about, age.as_secs_f64());
    text.gauge(
        "cheeseshop_downloads_pending",
        "Files whose downloads are counted and not written yet.",
        core.downloads.pending(),
    );
}

fn stores(text: &mut Text, core: &Core) {
    text.family("cheeseshop_database_connections", GAUGE, "Connections to the database.");
    let pools = core.db.pools();
    for pool in &pools {
        text.sample("", &[("pool", pool.name), ("state", "used")], pool.open.saturating_sub(pool.idle));
        text.sample("", &[("pool", pool.name), ("state", "idle")], pool.idle);
    }
    text.family("cheeseshop_database_connections_max", GAUGE, "Connections to the database that there may be.");
    for pool in &pools {
        text.sample("", &[("pool", pool.name)], pool.max);
    }
    let store = core.blobs.counts();
    text.counters("cheeseshop_blob_operations_total", "What was asked of the store of files.", &store.calls);
    text.counters("cheeseshop_blob_failures_total", "What the store of files could not do.", &store.failures);
    text.gauge("cheeseshop_spool_bytes", "Bytes of files that are coming in.", store.spooled.get());
    text.counter("cheeseshop_spool_received_bytes_total", "Bytes of files that came in.", &store.received_bytes);
}

fn running(text: &mut Text, core: &Core) {
    text.gauge("cheeseshop_tasks_running", "Work that goes on when its client has left.", core.tasks.len());
    text.family("cheeseshop_build_info", GAUGE, "Always 1: the version of the program, and what it works with.");
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("database", core.db.engine()), ("blobs", core.blobs.kind())];
    text.sample("", &labels, 1);
    let started = core.started.0 as f64 / 1e6;
    text.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", started);
    let Some(process) = process::look() else { return };
    text.family("process_cpu_seconds_total", COUNTER, "Processor time.");
    text.sample("", &[], process.cpu_seconds);
    text.gauge("process_resident_memory_bytes", "Memory that lies in RAM.", process.resident_bytes);
    text.gauge("process_virtual_memory_bytes", "Address space.", process.virtual_bytes);
    text.gauge("process_open_fds", "Open file handles.", process.handles);
    text.gauge("process_max_fds", "Open file handles that there may be.", process.handles_max);
    text.gauge("process_threads", "Threads.", process.threads);
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn label<L: Label>(value: L) -> (&'static str, &'static str) {
    (L::NAME, value.text())
}

/// The text as it grows, and the family that is being written.
struct Text {
    text: String,
    family: &'static str,
}

impl Text {
    /// Begins a family. Its help is one line without backslashes.
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        // Writing to a string does not fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One sample of the family that was begun last. Values of labels need no escaping: all of them are our own.
    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.family);
    }

    fn counter(&mut self, name: &'static str, help: &str, counter: &Counter) {
        self.family(name, COUNTER, help);
        self.sample("", &[], counter.get());
    }

    fn counters<L: Label>(&mut self, name: &'static str, help: &str, counters: &By<L>) {
        self.family(name, COUNTER, help);
        for (value, counter) in counters.iter() {
            self.sample("", &[label(value)], counter.get());
        }
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, GAUGE, help);
        self.sample("", &[], value);
    }
}
