//! A project's page: what it says, where its links lead, and how clients keep it.

use super::support::dist::sha256;
use super::support::{Answer, Dist, Engine, Form, HTML, JSON, Shop, both, page};
use cheeseshop::index::access::Caller;
use cheeseshop::index::release::{self, Target};
use cheeseshop::names::IndexPath;
use cheeseshop::pypi::ProjectName;
use serde_json::Value;
use std::io::Read;

const PIP: &str = "pip/26.3 {\"installer\":{\"name\":\"pip\"}}";

/// A stage with one wheel and one source distribution of one project, behind `/simple/` too.
async fn stocked(engine: Engine) -> (Shop, Dist, Dist) {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &[]).await;
    shop.default_index("alice/dev").await;
    let wheel = Dist::wheel_with("app", "1.0", "Requires-Python: >=3.8", b"");
    let sdist = Dist::sdist("app", "0.9");
    shop.upload("alice/dev", &wheel).await.is(200);
    shop.upload("alice/dev", &sdist).await.is(200);
    (shop, wheel, sdist)
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

/// The headers that tell a cache what it has.
fn validators(answer: &Answer) -> Vec<(&str, Option<&str>)> {
    ["etag", "cache-control", "vary", "x-pypi-last-serial", "content-encoding"].map(|name| (name, answer.get(name))).to_vec()
}

both! {
    async fn the_json_page_says_everything(engine: Engine) {
        let (shop, wheel, sdist) = stocked(engine).await;
        let page = shop.get("/alice/dev/+simple/app/").accept(JSON).await.is(200);
        assert_eq!(page.header("content-type"), JSON);
        let json = page.json();
        assert!(!has_null(&json), "clients refuse null: {json}");
        assert_eq!((json["meta"]["api-version"].as_str(), json["name"].as_str()), (Some("1.4"), Some("app")));
        assert_eq!(json["versions"], serde_json::json!(["0.9", "1.0"]));
        for file in json["files"].as_array().unwrap() {
            assert!(file.get("dist-info-metadata").is_none(), "old installers fail on it (PEP 714)");
            assert_eq!(file["yanked"], false);
        }
        let link = page.link(&wheel.filename);
        assert_eq!(link.sha256, Some(wheel.sha256()));
        assert_eq!(link.size, Some(wheel.bytes.len() as u64));
        assert_eq!(link.upload_time.as_deref(), Some("2026-03-01T12:00:00.000000Z"));
        assert_eq!(link.requires_python.as_deref(), Some(">=3.8"));
        assert_eq!(link.metadata, Some(format!("sha256={}", sha256(&wheel.metadata))));
        assert_eq!(page.link(&sdist.filename).sha256, Some(sdist.sha256()));
    }

    async fn the_html_page_says_the_same_where_html_can(engine: Engine) {
        let (shop, ..) = stocked(engine).await;
        let json = shop.get("/alice/dev/+simple/app/").accept(JSON).await.links();
        let page = shop.get("/alice/dev/+simple/app/").await.is(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let html = page.links();
        assert_eq!(json.len(), 2);
        for (mut said, html) in json.into_iter().zip(html) {
            assert!(html.href.contains("#sha256="), "{html:?}");
            (said.size, said.upload_time, said.href) = (None, None, html.href.clone());
            assert_eq!(said, html);
        }
        assert!(page.text().contains("data-requires-python=\"&gt;=3.8\""), "renovate wants it escaped: {}", page.text());
        assert!(page.text().contains("content=\"1.4\""));
    }

    async fn links_work_from_every_place_where_a_page_stands(engine: Engine) {
        let (shop, wheel, sdist) = stocked(engine).await;
        let places = [
            ("/alice/dev/+simple/app/", ""),
            ("/alice/dev/+simple/app", ""),
            ("/alice/dev/%2Bsimple/app/", ""),
            ("/alice/dev/%2bsimple/app", ""),
            ("/alice//dev/+simple//app/", ""),
            ("//simple//app//", ""),
            ("/simple/app/", ""),
            ("/simple/app", ""),
            ("/legacy/+simple/app/", ""),
            ("/legacy/%2Bsimple/app/", ""),
            ("/legacy/+simple/app", ""),
            ("/alice/dev/app", PIP),
            ("/alice/dev/app/", PIP),
        ];
        for (path, agent) in places {
            for form in [JSON, HTML] {
                let page = shop.get(path).header("user-agent", agent).accept(form).await.is(200);
                for dist in [&wheel, &sdist] {
                    let link = page.link(&dist.filename);
                    let file = shop.get(&link.path).await;
                    assert_eq!((file.status, file.body.as_ref()), (200, dist.bytes.as_slice()), "{form} {path} -> {}", link.path);
                    let metadata = shop.get(&format!("{}.metadata", link.path)).await.is(200);
                    assert_eq!(metadata.body, dist.metadata);
                }
            }
        }
        let links = shop.get("/simple/app/").accept(JSON).await.links();
        assert!(links.iter().all(|link| link.path.starts_with("/alice/dev/+f/")), "credentials go to one prefix: {links:?}");
    }

    async fn the_address_of_the_index_is_a_page_to_installers_only(engine: Engine) {
        let (shop, ..) = stocked(engine).await;
        for agent in [PIP, "uv/0.13.8", "setuptools/80 Python-urllib/3.12", "distribute/0.6", "pex/2"] {
            shop.get("/alice/dev/app/").header("user-agent", agent).await.is(200);
        }
        let page = shop.get("/alice/dev/app/").header("user-agent", PIP).await.is(200);
        assert_eq!(page.header("vary"), "Accept, Accept-Encoding, User-Agent", "a cache must not show it to others");
    }

    async fn every_encoding_has_its_own_tag_and_the_same_content(engine: Engine) {
        let (shop, ..) = stocked(engine).await;
        for form in [JSON, HTML] {
            let ask = || shop.get("/alice/dev/+simple/app/").accept(form);
            let (plain, gzip) = (ask().await.is(200), ask().header("accept-encoding", "gzip, deflate").await.is(200));
            let zstd = ask().header("accept-encoding", "zstd, gzip").await.is(200);
            let encodings = [&plain, &gzip, &zstd].map(|page| page.get("content-encoding"));
            assert_eq!(encodings, [None, Some("gzip"), Some("zstd")]);
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(gzip.body.as_ref()).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, plain.body);
            assert_eq!(zstd::decode_all(zstd.body.as_ref()).unwrap(), plain.body);
            let tags = [&plain, &gzip, &zstd].map(|page| page.header("etag").to_owned());
            assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
        }
    }

    async fn a_page_is_sent_once_and_confirmed_afterwards(engine: Engine) {
        let (shop, ..) = stocked(engine).await;
        for encoding in ["identity", "gzip", "zstd"] {
            let ask = || shop.get("/alice/dev/+simple/app/").accept(JSON).header("accept-encoding", encoding);
            let page = ask().await.is(200);
            let etag = page.header("etag");
            assert!(etag.starts_with('"'), "uv never asks again about a weak tag: {etag}");
            assert_eq!(page.header("cache-control"), "max-age=0, must-revalidate");
            assert_eq!(page.header("vary"), "Accept, Accept-Encoding");
            assert_eq!((page.get("last-modified"), page.get("set-cookie")), (None, None));
            let again = ask().header("if-none-match", etag).header("cache-control", "max-age=0").await.is(304);
            assert!(again.body.is_empty());
            let (mut before, mut after) = (validators(&page), validators(&again));
            for list in [&mut before, &mut after] {
                list.retain(|(name, _)| *name != "content-encoding");
            }
            assert_eq!(before, after, "a 304 repeats what the 200 said");
            for unknown in ["\"other\"", "W/\"other\"", ""] {
                ask().header("if-none-match", unknown).await.is(200);
            }
        }
    }

    async fn the_tag_changes_with_the_page_and_only_then(engine: Engine) {
        let (shop, ..) = stocked(engine).await;
        let tag = async || shop.page("alice/dev", "app").await.header("etag").to_owned();
        let first = tag().await;
        shop.publish("alice/dev", "other", "1.0").await;
        shop.set("alice/dev", &["title=another title"]).await;
        assert_eq!(tag().await, first, "nothing on this page has changed");
        shop.publish("alice/dev", "app", "1.1").await;
        assert_ne!(tag().await, first);
        let (here, there) = (tag().await, shop.another().await.page("alice/dev", "app").await.header("etag").to_owned());
        assert_eq!(here, there, "two processes make the same page");
    }

    async fn head_has_the_headers_of_get(engine: Engine) {
        let (shop, wheel, _) = stocked(engine).await;
        for path in [wheel.path("alice/dev"), "/alice/dev/+simple/app/".into(), "/alice/dev/+simple/".into(), "/simple/none/".into()] {
            let (mut get, mut head) = (shop.get(&path).await, shop.head(&path).await);
            assert!(head.body.is_empty());
            // Each answer has a name of its own.
            assert_ne!(get.headers.remove("x-request-id"), head.headers.remove("x-request-id"));
            assert_eq!((get.status, &get.headers), (head.status, &head.headers), "{path}");
            assert!(head.get("content-length").is_some_and(|length| length != "0"), "{path}: {head:?}");
        }
    }

    async fn an_index_may_let_clients_keep_pages(engine: Engine) {
        let (shop, ..) = stocked(engine).await;
        let header = async || shop.get("/alice/dev/+simple/app/").by("alice").await.header("cache-control").to_owned();
        assert_eq!(header().await, "max-age=0, must-revalidate");
        shop.set("alice/dev", &["page_max_age=600"]).await;
        assert_eq!(header().await, "max-age=600, must-revalidate");
        shop.set("alice/dev", &["acl_read=alice"]).await;
        assert_eq!(header().await, "private, max-age=600, must-revalidate", "no proxy may hand it to others");
    }

    async fn other_spellings_of_a_name_lead_to_the_page(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.default_index("alice/dev").await;
        shop.publish("alice/dev", "my-app", "1.0").await;
        let places = [
            ("/alice/dev/+simple/My.App/", "/alice/dev/+simple/my-app/"),
            ("/alice/dev/+simple/my__app", "/alice/dev/+simple/my-app/"),
            ("/simple/MY-APP/", "/simple/my-app/"),
            ("/simple/my_app", "/simple/my-app/"),
            ("/legacy/+simple/my_app/", "/legacy/+simple/my-app/"),
            ("/alice/dev/My_App/", "/alice/dev/my-app/"),
        ];
        for (path, target) in places {
            let query = "?format=application/vnd.pypi.simple.v1%2Bjson&x=1";
            let moved = shop.get(&format!("{path}{query}")).header("user-agent", PIP).await.is(302);
            assert_eq!(moved.location(), format!("{target}{query}"));
            assert_eq!(shop.get(&moved.location()).header("user-agent", PIP).await.is(200).header("content-type"), JSON);
            assert_eq!(shop.get(path).header("user-agent", PIP).await.is(302).location(), target);
        }
    }

    async fn what_nobody_has_is_404(engine: Engine) {
        let (shop, ..) = stocked(engine).await;
        for path in ["/alice/dev/+simple/none/", "/simple/none/", "/legacy/%2Bsimple/none/", "/alice/dev/+simple/%20/"] {
            for form in [JSON, HTML, "text/html", "*/*"] {
                let page = shop.get(path).accept(form).await.is(404);
                assert_eq!(page.header("content-type"), "text/plain; charset=utf-8");
            }
        }
        let page = shop.get("/alice/dev/+simple/none/").await.is(404);
        assert_eq!(page.text(), "The project none does not exist.\n");
        assert_eq!(page.reason.as_deref(), Some("The project none does not exist."));
        for path in ["/alice/none/+simple/app/", "/nobody/dev/+simple/app/", "/alice/dev/+none/app/", "/+none", "/metrics/x"] {
            shop.get(path).await.is(404);
        }
    }

    async fn nothing_can_be_posted_to_a_page(engine: Engine) {
        let (shop, wheel, _) = stocked(engine).await;
        let before = shop.stored().await;
        for path in ["/alice/dev/+simple/", "/alice/dev/+simple/app/", "/alice/dev/+simple", "/simple/", "/simple/app/"] {
            let form = Form::of(&wheel.rebuilt());
            let refused = shop.send(path, &form).by("alice").await.is(405);
            assert_eq!(refused.header("allow"), "GET, HEAD");
            assert!(refused.text().contains("/alice/dev/"), "it names the address for uploads: {}", refused.text());
            assert_eq!(refused.text().lines().next(), refused.reason.as_deref());
        }
        assert_eq!(shop.stored().await, before);
    }

    async fn yanking_shows_on_pages(engine: Engine) {
        let (shop, wheel, sdist) = stocked(engine).await;
        let index = shop.core().tree.load().at(&IndexPath::parse("alice/dev").unwrap()).unwrap().index.clone();
        let project = ProjectName::parse("app").unwrap();
        let yank = async |file: &Dist, reason: Option<&str>| {
            let target = Target::File(file.filename.clone());
            release::yank(shop.core(), &Caller::system(), &index, &project, target, reason.map(str::to_owned)).await.unwrap();
        };
        yank(&wheel, Some("it's \"broken\" & <old>")).await;
        yank(&sdist, Some("")).await;
        for form in [JSON, HTML] {
            let page = shop.get("/alice/dev/+simple/app/").accept(form).await.is(200);
            assert_eq!(page.link(&wheel.filename).yanked.as_deref(), Some("it's \"broken\" & <old>"));
            assert_eq!(page.link(&sdist.filename).yanked.as_deref(), Some(""));
        }
        let html = shop.get("/alice/dev/+simple/app/").await;
        assert!(html.text().contains("data-yanked=\"\""), "a bare attribute is no XML");
        let json = shop.page("alice/dev", "app").await.json();
        assert_eq!(json["files"][0]["yanked"], true, "never empty text: {json}");
        yank(&wheel, None).await;
        assert_eq!(shop.page("alice/dev", "app").await.link(&wheel.filename).yanked, None);
    }

    async fn pages_parse_as_xml(engine: Engine) {
        let (shop, ..) = stocked(engine).await;
        let html = shop.get("/alice/dev/+simple/app/").await.text();
        let list = shop.get("/alice/dev/+simple/").await.text();
        for text in [html, list] {
            let mut open = Vec::new();
            for tag in text.split('<').skip(1).map(|rest| rest.split_once('>').expect("a tag ends").0) {
                let name = tag.trim_matches('/').split(' ').next().unwrap();
                match tag {
                    _ if tag.starts_with('!') || tag.ends_with('/') => {}
                    _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
                    _ => open.push(name),
                }
                assert!(tag.matches('"').count() % 2 == 0 && !tag.contains('\''), "{tag}");
            }
            assert_eq!(open, [""; 0]);
            assert!(page::anchors(&text).iter().all(|a| !a[""].is_empty()));
        }
    }

    /// No request that reads is ever the server's fault.
    async fn odd_requests_get_ordinary_answers(engine: Engine) {
        let (shop, wheel, _) = stocked(engine).await;
        let file = wheel.path("alice/dev");
        let paths = [
            "/", "//", "/%", "/%2e%2e/", "/..", "/alice/../dev", "/%00", "/alice/dev/%ff", "/alice/dev/+f", "/alice/dev/+f/a/b/c",
            "/alice/dev/+f/abc/0123456789abc/.metadata", "/alice/dev/+e/x/y", "/alice/dev/+simple/app/refresh", "/alice/dev/-/",
            "/alice/dev/+simple/%F0%9F%A7%80/", "/alice/dev/+f/%E2%82%AC/0123456789abc/app-1.tar.gz", "/alice/dev/+f/a%2Fb/c/d",
        ];
        for path in paths.into_iter().chain([file.as_str()]) {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"] {
                let answer = shop.ask(method.parse().unwrap(), path).await;
                assert!(answer.status < 500, "{method} {path}: {answer:?}");
                assert!(answer.status >= 300 || matches!(method, "GET" | "HEAD"), "{method} {path}: {answer:?}");
            }
        }
        let values = ["", ",", ";;q=", "a/b;q=9", "*/*;q=0", "application/json", "\u{e9}", "text/html;q=0.00001", "q", "*", "bytes=1-1"];
        for name in ["accept", "accept-encoding", "if-none-match", "range", "if-range", "user-agent", "content-length"] {
            for value in values {
                for path in ["/alice/dev/+simple/app/", "/alice/dev/+simple/", file.as_str()] {
                    let answer = shop.get(path).header(name, value).await;
                    assert!(matches!(answer.status, 200 | 206 | 304 | 406), "{name}: {value} on {path}: {answer:?}");
                }
            }
        }
    }
}
