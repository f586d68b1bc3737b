//! `/metrics`: what is served is what `docs/operations.md` lists, it counts what happens, and only those read it who may.

use super::support::shop::{Options, Shop, scope};
use super::support::upstream::{file_path, page_path};
use super::support::{Dist, Engine, FakeUpstream, Form, Item, Mode, both};
use cheeseshop::http::metrics::Readers;
use cheeseshop::index::access::Grant;
use cheeseshop::limits;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The samples of a text of metrics, by name and labels as written.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    let read: Vec<_> = read.collect();
    let count = read.len();
    let read: BTreeMap<_, _> = read.into_iter().collect();
    assert_eq!(read.len(), count, "a sample stands twice");
    read
}

async fn counted(shop: &Shop) -> BTreeMap<String, f64> {
    samples(&shop.get("/metrics").await.is(200).text())
}

/// The table of what is served: name, type, labels and meaning.
fn table(text: &str) -> String {
    let mut table = "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n".to_owned();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
        let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
        let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            assert!(sample.starts_with(name), "{sample} below {name}");
            let set = sample.split_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap());
            for (label, value) in set.split(',').filter_map(|one| one.split_once('=')) {
                let values = labels.entry(label.to_owned()).or_default();
                let value = value.trim_matches('"').to_owned();
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        let open = ["version", "database", "blobs", "pool", "le"];
        let labels = labels.into_iter().map(|(label, values)| match open.contains(&label.as_str()) {
            true => format!("`{label}`"),
            false => format!("`{label}`: {}", values.join(", ")),
        });
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.collect::<Vec<_>>().join("; ")).unwrap();
    }
    table
}

/// `UPDATE_DOCS=1 cargo test --test it metrics` writes the table anew.
#[tokio::test]
async fn the_documentation_lists_what_is_served() {
    let shop = Shop::start(Engine::Sqlite).await;
    let served = table(&shop.get("/metrics").await.is(200).text());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- table: metrics -->\n", "<!-- end: metrics -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let wanted = format!("{before}{begin}\n{served}\n{end}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    } else {
        assert!(text == wanted, "docs/operations.md is not current; write it with: UPDATE_DOCS=1 cargo test --test it metrics");
    }
}

#[tokio::test]
async fn no_series_grows_with_the_data() {
    let shop = Shop::start(Engine::Sqlite).await;
    let before: Vec<String> = counted(&shop).await.into_keys().collect();
    shop.stage("alice/dev", &[]).await;
    for name in ["gouda", "brie"] {
        let dist = shop.publish("alice/dev", name, "1.0").await;
        shop.get(&dist.path("alice/dev")).await.is(200);
        shop.page("alice/dev", name).await;
    }
    assert_eq!(counted(&shop).await.into_keys().collect::<Vec<_>>(), before);
    let text = shop.get("/metrics").await.text();
    assert!(!text.contains("alice") && !text.contains("gouda"), "{text}");
}

both! {
    async fn what_happens_is_counted(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let before = counted(&shop).await;
        let dist = shop.publish("alice/dev", "gouda", "1.0").await;
        shop.upload("alice/dev", &dist).await.is(200);
        shop.send("/alice/dev/", &Form::of(&dist)).await.is(401);
        for _ in 0..3 {
            shop.page("alice/dev", "gouda").await;
        }
        shop.get("/alice/dev/+simple/nothing/").await.is(404);
        shop.get(&dist.path("alice/dev")).await.is(200);
        shop.head(&format!("{}.metadata", dist.path("alice/dev"))).await.is(200);
        shop.get("/+api").auth("alice", "wrong").await.is(401);
        let after = counted(&shop).await;
        let more = |name: &str| after[name] - before[name];
        let requests = |route: &str, status: &str| {
            more(&format!("cheeseshop_http_requests_total{{route=\"{route}\",status=\"{status}\"}}"))
        };
        assert_eq!((requests("upload", "2xx"), requests("upload", "4xx")), (2.0, 1.0));
        assert_eq!((requests("page", "2xx"), requests("page", "4xx")), (3.0, 1.0));
        assert_eq!((requests("file", "2xx"), requests("metadata", "2xx"), requests("api", "4xx")), (1.0, 1.0, 1.0));
        let uploads = |outcome: &str| more(&format!("cheeseshop_uploads_total{{outcome=\"{outcome}\"}}"));
        assert_eq!((uploads("new"), uploads("identical"), uploads("replaced"), uploads("refused")), (1.0, 1.0, 0.0, 1.0));
        assert_eq!(more("cheeseshop_page_cache_hits_total"), 2.0);
        assert_eq!(more("cheeseshop_page_renders_total"), 1.0);
        assert_eq!(more("cheeseshop_http_request_duration_seconds_count{route=\"page\"}"), 4.0);
        assert_eq!(more("cheeseshop_http_request_duration_seconds_bucket{route=\"page\",le=\"+Inf\"}"), 4.0);
        assert_eq!(more("cheeseshop_sign_ins_refused_total"), 1.0);
        assert_eq!(more("cheeseshop_spool_bytes"), 0.0, "nothing is coming in now");
        assert!(more("cheeseshop_spool_received_bytes_total") >= 2.0 * dist.bytes.len() as f64);
        assert!(more("cheeseshop_blob_operations_total{operation=\"commit\"}") >= 1.0);
        assert_eq!(after["cheeseshop_downloads_pending"], 1.0);
        let newest = shop.journal().await.last().unwrap().serial.0;
        assert_eq!(after["cheeseshop_journal_serial"], newest as f64);
    }
}

#[tokio::test]
async fn mirrors_are_counted() {
    let (shop, upstream) = (Shop::start(Engine::Sqlite).await, FakeUpstream::start().await);
    let (six, seven) = (Dist::wheel("six", "1.0"), Dist::wheel("seven", "1.0"));
    upstream.add(Item::new(&six));
    upstream.add(Item::new(&seven));
    upstream.set_mode(&file_path(&seven), Mode::Lie(vec![b'x'; seven.bytes.len()]));
    shop.mirror("root/pypi", &upstream, &[]).await;
    let link = shop.page("root/pypi", "six").await.link(&six.filename);
    shop.clock.advance(limits::MIRROR_CACHE_EXPIRY);
    shop.page("root/pypi", "six").await;
    shop.get(&link.path).await.is(200);
    shop.get("/root/pypi/+simple/nothing/").await.is(404);
    let link = shop.page("root/pypi", "seven").await.link(&seven.filename);
    let wrong = shop.get(&link.path).await;
    assert!(wrong.broken || wrong.status == 502, "{wrong:?}");
    upstream.set_mode(&page_path("six"), Mode::Status(500));
    shop.clock.advance(limits::MIRROR_CACHE_EXPIRY);
    shop.page("root/pypi", "six").await.header("warning");
    shop.settled().await;
    let now = counted(&shop).await;
    let refreshes = |outcome: &str| now[&format!("cheeseshop_mirror_refreshes_total{{outcome=\"{outcome}\"}}")];
    assert_eq!((refreshes("changed"), refreshes("unchanged"), refreshes("missing"), refreshes("failed")), (2.0, 1.0, 1.0, 1.0));
    let fetches = |outcome: &str| now[&format!("cheeseshop_mirror_fetches_total{{outcome=\"{outcome}\"}}")];
    assert_eq!((fetches("kept"), fetches("failed"), now["cheeseshop_mirror_fetches_running"]), (1.0, 1.0, 0.0));
    assert_eq!(now["cheeseshop_stale_answers_total"], 1.0);
    assert!(now["cheeseshop_mirror_fetched_bytes_total"] >= (six.bytes.len() + seven.bytes.len()) as f64);
}

#[tokio::test]
async fn only_those_read_them_who_may() {
    let shop = Shop::start(Engine::Sqlite).await;
    shop.user("root").await;
    shop.user("alice").await;
    let token = shop.token("root", "scrape", scope(&[Grant::Read], &["root/nowhere"], &[]), None).await;
    let shop = shop.restarted(Options { metrics: Some(Readers::Admin), ..Options::default() }).await;
    shop.get("/metrics").await.is(401);
    shop.get("/metrics").auth("root", "wrong").await.is(401);
    shop.get("/metrics").by("alice").await.is(403);
    shop.get("/metrics").by("root").await.is(200);
    shop.get("/metrics").header("authorization", &format!("Bearer {token}")).await.is(200);
    shop.post("/metrics").by("root").await.is(405);
    let shop = shop.restarted(Options { metrics: Some(Readers::Off), ..Options::default() }).await;
    shop.get("/metrics").by("root").await.is(404);
}

/// A database that is gone is no reason to know nothing of the server.
#[tokio::test]
async fn they_are_there_when_the_database_is_not() {
    let shop = Shop::start(Engine::Sqlite).await;
    shop.core().db.close().await;
    shop.clock.advance(limits::CUT_OFF_AFTER + limits::CUT_OFF_AFTER);
    let now = counted(&shop).await;
    assert_eq!(now["cheeseshop_database_connections{pool=\"write\",state=\"used\"}"], 0.0);
    assert_eq!(now["cheeseshop_journal_lag_seconds"], 10.0);
}
