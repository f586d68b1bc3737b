//! A mirror's pages: fresh, confirmed, stale, missing; in every form that upstreams come in.

use super::support::shop::Options;
use super::support::upstream::{Metadata, file_path, gate, open, page_path};
use super::support::{Answer, Dist, Engine, FakeUpstream, Item, JSON, Mode, Shop, both, eventually};
use cheeseshop::index::access::Caller;
use cheeseshop::index::admin;
use cheeseshop::index::settings::{Edit, Kind};
use cheeseshop::limits;
use cheeseshop::names::IndexPath;
use futures_util::future::join_all;
use std::time::Duration;

const EXPIRY: Duration = Duration::from_secs(1800);
const PAGE: &str = "/root/pypi/+simple/app/";

/// A mirror of an upstream that has one wheel and one source distribution of `app`.
async fn mirrored(engine: Engine) -> (Shop, FakeUpstream, Dist, Dist) {
    mirrored_with(engine, Options::default(), &[]).await
}

async fn mirrored_with(engine: Engine, options: Options, settings: &[&str]) -> (Shop, FakeUpstream, Dist, Dist) {
    let (shop, upstream) = (Shop::with(engine, options).await, FakeUpstream::start().await);
    shop.mirror("root/pypi", &upstream, settings).await;
    let (wheel, sdist) = (Dist::wheel("app", "1.0"), Dist::sdist("app", "1.0"));
    upstream.add(Item::new(&wheel));
    upstream.add(Item::new(&sdist));
    (shop, upstream, wheel, sdist)
}

fn is_stale(page: &Answer) -> bool {
    page.get("warning").is_some_and(|warning| warning.starts_with("110 "))
}

both! {
    async fn a_mirrored_page_says_what_upstream_says(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        let (wheel, sdist) = (Dist::wheel("app", "1.0"), Dist::sdist("app", "0.9"));
        upstream.add(Item {
            requires_python: Some(">=3.8".into()),
            provenance: Some("https://example.org/provenance".into()),
            ..Item::new(&wheel)
        });
        upstream.add(Item { yanked: Some("broken".into()), ..Item::new(&sdist) });
        upstream.set_status("app", serde_json::json!({"status": "archived", "reason": "no time"}));
        let page = shop.page("root/pypi", "app").await;
        let link = page.link(&wheel.filename);
        assert_eq!(link.path, wheel.path("root/pypi"), "links lead here");
        assert_eq!((link.sha256, link.size), (Some(wheel.sha256()), Some(wheel.bytes.len() as u64)));
        assert_eq!(link.upload_time.as_deref(), Some("2020-05-05T10:11:12.345678Z"));
        assert_eq!(link.requires_python.as_deref(), Some(">=3.8"));
        assert_eq!(link.provenance.as_deref(), Some("https://example.org/provenance"));
        assert_eq!(page.link(&sdist.filename).yanked.as_deref(), Some("broken"));
        let json = page.json();
        assert_eq!(json["versions"], serde_json::json!(["0.9", "1.0"]));
        assert_eq!(json["project-status"], serde_json::json!({"status": "archived", "reason": "no time"}));
        assert!(!page.text().contains(&upstream.root()), "nothing leads past us: {}", page.text());
    }

    async fn upstreams_that_speak_html_are_mirrored(engine: Engine) {
        let (shop, upstream, wheel, sdist) = mirrored(engine).await;
        upstream.speak_html();
        let page = shop.page("root/pypi", "app").await;
        for dist in [&wheel, &sdist] {
            let link = page.link(&dist.filename);
            assert_eq!(link.sha256, Some(dist.sha256()));
            assert_eq!(link.upload_time.as_deref(), Some("2026-03-01T12:00:00.000000Z"), "when it was first seen");
            assert_eq!(shop.get(&link.path).await.is(200).body, dist.bytes);
        }
        assert_eq!(page.json()["meta"]["api-version"], "1.0", "sizes are unknown, which 1.1 forbids");
        shop.clock.advance(EXPIRY);
        let link = shop.page("root/pypi", "app").await.link(&wheel.filename);
        assert_eq!(link.upload_time.as_deref(), Some("2026-03-01T12:00:00.000000Z"), "and that does not change");
    }

    async fn upstream_is_asked_again_after_the_expiry_and_not_before(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        let page = shop.page("root/pypi", "app").await;
        for _ in 0..3 {
            shop.page("root/pypi", "app").await;
        }
        shop.clock.advance(EXPIRY - Duration::from_secs(1));
        shop.page("root/pypi", "app").await;
        assert_eq!(upstream.asked(&page_path("app")), 1);
        shop.clock.advance(Duration::from_secs(1));
        assert_eq!(shop.page("root/pypi", "app").await.body, page.body);
        let seen = upstream.seen(&page_path("app"));
        assert_eq!((seen.len(), seen[1].status), (2, 304), "what has not changed is not sent again");
        shop.page("root/pypi", "app").await;
        assert_eq!(upstream.asked(&page_path("app")), 2, "a 304 is good for as long as a page");
        upstream.add(Item::new(&Dist::wheel("app", "1.1")));
        shop.clock.advance(EXPIRY);
        assert_eq!(shop.filenames("root/pypi", "app").await.len(), 3);
    }

    async fn what_was_learnt_survives_a_restart(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        let page = shop.page("root/pypi", "app").await;
        let shop = shop.restarted(Options::default()).await;
        assert_eq!(shop.page("root/pypi", "app").await.body, page.body);
        assert_eq!(upstream.asked(&page_path("app")), 1);
        shop.clock.advance(EXPIRY);
        shop.page("root/pypi", "app").await;
        assert_eq!(upstream.seen(&page_path("app"))[1].status, 304);
    }

    async fn an_expiry_of_zero_asks_every_time(engine: Engine) {
        let (shop, upstream, ..) = mirrored_with(engine, Options::default(), &["mirror_cache_expiry=0"]).await;
        for asked in 1..4 {
            shop.page("root/pypi", "app").await;
            assert_eq!(upstream.asked(&page_path("app")), asked);
        }
        assert_eq!(upstream.seen(&page_path("app"))[2].status, 304);
        upstream.add(Item::new(&Dist::wheel("app", "2.0")));
        assert_eq!(shop.filenames("root/pypi", "app").await.len(), 3);
    }

    async fn many_clients_are_one_question(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        shop.stage("alice/dev", &["bases=root/pypi"]).await;
        let gate = gate();
        upstream.set_mode(&page_path("app"), Mode::HoldAll(gate.clone()));
        let ask = |n: u32| {
            let path = if n.is_multiple_of(2) { PAGE } else { "/alice/dev/+simple/app/" };
            shop.get(path).accept(if n.is_multiple_of(3) { JSON } else { "text/html" }).into_future()
        };
        let clients = join_all((0..60).map(ask));
        let release = async {
            eventually("upstream is asked", async || upstream.asked(&page_path("app")) > 0).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            open(&gate);
        };
        let (answers, ()) = futures_util::future::join(clients, release).await;
        for answer in answers {
            assert_eq!(answer.is(200).links().len(), 2);
        }
        assert_eq!(upstream.asked(&page_path("app")), 1);
    }

    async fn many_clients_are_one_question_about_what_is_missing(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        let answers = join_all((0..60).map(|_| shop.get("/root/pypi/+simple/none/").into_future())).await;
        assert!(answers.iter().all(|answer| answer.status == 404));
        assert_eq!(upstream.asked(&page_path("none")), 1);
    }

    async fn what_upstream_does_not_have_is_remembered_for_a_while(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        for _ in 0..3 {
            shop.get("/root/pypi/+simple/new/").await.is(404);
        }
        assert_eq!(upstream.asked(&page_path("new")), 1);
        upstream.add(Item::new(&Dist::wheel("new", "1.0")));
        shop.get("/root/pypi/+simple/new/").await.is(404);
        shop.clock.advance(EXPIRY);
        assert_eq!(shop.filenames("root/pypi", "new").await.len(), 1);
        assert_eq!(upstream.asked(&page_path("new")), 2);
    }

    async fn a_failing_upstream_takes_nothing_away(engine: Engine) {
        let (shop, upstream, wheel, _) = mirrored_with(engine, Options::impatient(), &[]).await;
        let fresh = shop.page("root/pypi", "app").await;
        assert!(!is_stale(&fresh));
        let failures = [
            Mode::Status(500), Mode::Status(503), Mode::Status(403), Mode::Status(429), Mode::Stall, Mode::Cut(10), Mode::EndEarly(10),
            Mode::Lie(b"<html><body>Welcome to the wireless network of the hotel</body></html>".to_vec()), Mode::Lie(Vec::new()),
            Mode::Lie(br#"{"meta":{"api-version":"2.0"},"name":"app","files":[]}"#.to_vec()), Mode::Status(304),
            Mode::Redirect(page_path("app")),
        ];
        for mode in failures {
            upstream.set_mode(&page_path("app"), mode.clone());
            shop.clock.advance(EXPIRY);
            let page = shop.page("root/pypi", "app").await;
            assert_eq!(page.body, fresh.body, "{mode:?}");
            if !matches!(mode, Mode::Status(304)) {
                assert!(is_stale(&page), "{mode:?}");
            }
            shop.get(&wheel.path("root/pypi")).header("range", "bytes=0-1").await.is(206);
        }
        upstream.heal(&page_path("app"));
        shop.clock.advance(EXPIRY);
        assert!(!is_stale(&shop.page("root/pypi", "app").await));
    }

    async fn an_upstream_that_failed_gets_a_rest(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        shop.page("root/pypi", "app").await;
        upstream.set_mode(&page_path("app"), Mode::Status(500));
        shop.clock.advance(EXPIRY);
        for _ in 0..5 {
            assert!(is_stale(&shop.page("root/pypi", "app").await));
        }
        assert_eq!(upstream.asked(&page_path("app")), 2);
        upstream.heal(&page_path("app"));
        shop.clock.advance(Duration::from_secs(11));
        let page = shop.page("root/pypi", "app").await;
        assert!(!is_stale(&page), "{page:?}");
        assert_eq!(upstream.asked(&page_path("app")), 3);
    }

    /// Missing and unknown are not the same: installers go on to another index after a 404, and try again after a 502.
    async fn what_cannot_be_known_is_502(engine: Engine) {
        let (shop, upstream, wheel, _) = mirrored_with(engine, Options::impatient(), &[]).await;
        shop.stage("alice/dev", &["bases=root/pypi"]).await;
        for (at, mode) in [Mode::Status(500), Mode::Stall, Mode::Cut(10), Mode::Lie(b"{".to_vec())].into_iter().enumerate() {
            upstream.set_mode(&page_path("app"), mode.clone());
            for path in [PAGE, "/alice/dev/+simple/app/", &wheel.path("root/pypi"), &format!("{}.metadata", wheel.path("alice/dev"))] {
                let answer = shop.get(path).await.is(502);
                assert_eq!(answer.header("cache-control"), "no-store");
                assert_eq!(answer.text().lines().next(), answer.reason.as_deref());
            }
            assert_eq!(upstream.asked(&page_path("app")), at + 1, "{mode:?}: asked once in a while");
            shop.clock.advance(Duration::from_secs(11));
        }
        upstream.heal(&page_path("app"));
        shop.get(PAGE).await.is(200);
    }

    async fn own_files_are_there_without_an_upstream(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        shop.stage("alice/dev", &["bases=root/pypi", "mirror_whitelist=app"]).await;
        let own = shop.publish("alice/dev", "app", "3.0").await;
        upstream.set_mode(&page_path("app"), Mode::Status(500));
        let page = shop.page("alice/dev", "app").await;
        assert_eq!(page.filenames(), [own.filename.as_str()]);
        assert!(is_stale(&page), "more may be missing");
        upstream.heal(&page_path("app"));
        shop.clock.advance(Duration::from_secs(11));
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 3);
    }

    async fn a_mirror_without_an_upstream_says_what_to_do(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        let path = IndexPath::parse("root/pypi").unwrap();
        admin::create(shop.core(), &Caller::system(), &path, Kind::Mirror, Vec::new()).await.unwrap();
        let answer = shop.get(PAGE).await.is(502);
        assert!(answer.text().contains("--upstream"), "{}", answer.text());
        let above = IndexPath::parse("root/main").unwrap();
        admin::create(shop.core(), &Caller::system(), &above, Kind::Stage, vec![Edit::parse("bases=root/pypi")]).await.unwrap();
        shop.get("/root/main/+simple/app/").await.is(404);
    }

    async fn a_project_that_upstream_removes_is_gone_but_kept_files_stay(engine: Engine) {
        let (shop, upstream, wheel, sdist) = mirrored(engine).await;
        let page = shop.page("root/pypi", "app").await;
        shop.get(&wheel.path("root/pypi")).await.is(200);
        shop.settled().await;
        upstream.drop_file("app", &wheel.filename);
        shop.clock.advance(EXPIRY);
        assert_eq!(shop.filenames("root/pypi", "app").await, [sdist.filename.as_str()]);
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).body, wheel.bytes, "for lock files");
        upstream.drop_project("app");
        shop.clock.advance(EXPIRY);
        shop.get(PAGE).await.is(404);
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).body, wheel.bytes);
        shop.get(&sdist.path("root/pypi")).await.is(404);
        upstream.add(Item::new(&wheel));
        upstream.add(Item::new(&sdist));
        shop.clock.advance(EXPIRY);
        assert_eq!(shop.page("root/pypi", "app").await.links(), page.links(), "what comes back is as old as it was");
    }

    async fn refresh_asks_at_once(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        shop.stage("alice/dev", &["bases=root/pypi"]).await;
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 2);
        upstream.add(Item::new(&Dist::wheel("app", "2.0")));
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 2);
        let back = shop.post("/alice/dev/+simple/app/refresh").await.is(302);
        assert_eq!(back.location(), "/alice/dev/+simple/app/");
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 3);
        upstream.set_mode(&page_path("app"), Mode::Status(500));
        shop.clock.advance(limits::MIRROR_REFRESH_PAUSE);
        shop.post("/alice/dev/+simple/app/refresh").await.is(302);
        let page = shop.page("alice/dev", "app").await;
        assert!(is_stale(&page) && page.links().len() == 3, "nothing is lost by asking");
    }

    /// Anybody may ask for it, and each time costs a row of the journal: once a second is enough for a page.
    async fn refresh_is_done_once_a_second(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        upstream.add(Item::new(&Dist::wheel("app", "1.0")));
        upstream.add(Item::new(&Dist::wheel("lib", "1.0")));
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.page("root/pypi", "app").await;
        let before = shop.journal().await.len();
        for _ in 0..20 {
            shop.post("/root/pypi/+simple/app/refresh").await.is(302);
            shop.page("root/pypi", "app").await;
        }
        shop.post("/root/pypi/+simple/lib/refresh").await.is(302);
        assert_eq!((upstream.asked(&page_path("app")), shop.journal().await.len() - before), (2, 2));
        shop.clock.advance(limits::MIRROR_REFRESH_PAUSE);
        shop.post("/root/pypi/+simple/app/refresh").await.is(302);
        shop.page("root/pypi", "app").await;
        assert_eq!(upstream.asked(&page_path("app")), 3);
    }

    async fn refresh_forgets_that_something_was_missing(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        shop.get("/root/pypi/+simple/new/").await.is(404);
        upstream.add(Item::new(&Dist::wheel("new", "1.0")));
        shop.post("/root/pypi/+simple/new/refresh").await.is(302);
        assert_eq!(shop.filenames("root/pypi", "new").await.len(), 1);
    }

    async fn offline_nobody_is_asked_and_only_what_can_be_served_is_shown(engine: Engine) {
        let (shop, upstream, wheel, sdist) = mirrored(engine).await;
        shop.get(&shop.page("root/pypi", "app").await.link(&wheel.filename).path).await.is(200);
        shop.get(&format!("{}.metadata", wheel.path("root/pypi"))).await.is(200);
        upstream.forget_seen();
        let shop = shop.restarted(Options::offline()).await;
        shop.clock.advance(EXPIRY * 100);
        assert_eq!(shop.filenames("root/pypi", "app").await, [wheel.filename.as_str()]);
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).body, wheel.bytes);
        assert_eq!(shop.get(&format!("{}.metadata", wheel.path("root/pypi"))).await.is(200).body, wheel.metadata);
        shop.get(&sdist.path("root/pypi")).await.is(404);
        shop.get("/root/pypi/+simple/none/").await.is(502);
        shop.get("/root/pypi/+simple/").await.is(200);
        assert_eq!(upstream.all_seen().len(), 0);
    }

    async fn redirects_are_followed_and_links_hold_from_there(engine: Engine) {
        let (shop, upstream, ..) = mirrored(engine).await;
        upstream.speak_html();
        let wheel = Dist::wheel("moved", "1.0");
        upstream.add(Item { url: Some(format!("../../..{}", file_path(&wheel))), ..Item::new(&wheel) });
        upstream.set_mode(&page_path("old"), Mode::Redirect(page_path("moved")));
        shop.get("/root/pypi/+simple/old/").await;
        let page = shop.page("root/pypi", "moved").await;
        assert_eq!(shop.get(&page.link(&wheel.filename).path).await.is(200).body, wheel.bytes);
    }

    /// A mirror's credentials go to its own host, scheme and port, and to nobody's eyes.
    async fn credentials_stay_with_their_host(engine: Engine) {
        let (shop, upstream, elsewhere) = (Shop::start(engine).await, FakeUpstream::start().await, FakeUpstream::start().await);
        let url = upstream.index_url_with_credentials("mirror", "s3cret");
        shop.user("root").await;
        let path = IndexPath::parse("root/pypi").unwrap();
        let edits = vec![Edit::Set("mirror_url".into(), url.into())];
        admin::create(shop.core(), &Caller::system(), &path, Kind::Mirror, edits).await.unwrap();
        let (near, far) = (Dist::wheel("app", "1.0"), Dist::wheel("app", "2.0"));
        upstream.add(Item::new(&near));
        upstream.add(Item { url: Some(format!("{}{}", elsewhere.root(), file_path(&far))), metadata: Metadata::None, ..Item::new(&far) });
        elsewhere.add(Item { metadata: Metadata::None, ..Item::new(&far) });
        let page = shop.page("root/pypi", "app").await;
        for dist in [&near, &far] {
            assert_eq!(shop.get(&page.link(&dist.filename).path).await.is(200).body, dist.bytes);
        }
        assert!(upstream.all_seen().iter().all(|seen| seen.headers.contains_key("authorization")));
        let stranger = elsewhere.all_seen();
        assert!(!stranger.is_empty() && stranger.iter().all(|seen| !seen.headers.contains_key("authorization")));
        upstream.set_mode(&file_path(&near), Mode::Status(500));
        let told = [
            page.text(),
            shop.get("/root/pypi").accept("application/json").by("root").await.text(),
            shop.get("/root").accept("application/json").by("root").await.text(),
            format!("{:?}", shop.journal().await),
            format!("{:?}", shop.core().upstream),
        ];
        assert!(told.iter().all(|text| !text.contains("s3cret")), "{told:?}");
    }

    /// Only root may name a private address: else whoever may make an index could look around in the company's network.
    async fn private_addresses_are_for_root(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.user("alice").await;
        upstream.add(Item::new(&Dist::wheel("app", "1.0")));
        let alice = Caller {
            user: Some(cheeseshop::index::access::User { name: cheeseshop::names::UserName::parse("alice").unwrap(), admin: false }),
            token: None,
        };
        let path = IndexPath::parse("alice/mirror").unwrap();
        for host in ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "2130706433"] {
            let edits = vec![Edit::Set("mirror_url".into(), format!("http://{host}/simple/").into())];
            let refused = admin::create(shop.core(), &alice, &path, Kind::Mirror, edits).await.unwrap_err();
            assert!(refused.to_string().contains("only root"), "{host}: {refused}");
        }
        // A page that leads from an allowed place to a private one is not followed there either.
        shop.mirror("root/pypi", &upstream, &[]).await;
        let port = upstream.root().rsplit_once(':').unwrap().1.to_owned();
        let hidden = Dist::wheel("app", "9.0");
        upstream.add(Item { url: Some(format!("http://localhost:{port}{}", file_path(&hidden))), ..Item::new(&hidden) });
        let link = shop.page("root/pypi", "app").await.link(&hidden.filename);
        shop.get(&link.path).await.is(502);
        assert_eq!(upstream.asked(&file_path(&hidden)), 0);
        upstream.set_mode(&page_path("lured"), Mode::Redirect(format!("http://localhost:{port}{}", page_path("app"))));
        shop.get("/root/pypi/+simple/lured/").await.is(502);
    }
}
