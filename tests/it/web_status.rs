//! The status page, and how a mirror stands.

use super::support::shop::Options;
use super::support::{Browser, Dist, Engine, FakeUpstream, Item, Mode, Shop, both, eventually};
use cheeseshop::jobs::{self, Recurring};
use std::time::Duration;

const STATUS: &str = "/_/status";

both! {
    async fn an_administrator_sees_everything_at_a_glance(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.user("root").await;
        shop.user("bob").await;
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("lib", "1.0")));
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let link = shop.page("root/pypi", "lib").await.links().remove(0);
        shop.get(&link.path).await.is(200);
        shop.settled().await;
        let root = Browser::of(&shop, "root").await;
        // The first count may take longer than a page waits.
        eventually("it is counted", async || root.page(STATUS).await.says("1 file,")).await;
        let page = root.page(STATUS).await;
        for words in ["Different files", "Free where files come in", "root/pypi", &upstream.index_url(), "to its end"] {
            page.must_say(words);
        }
        page.must_say(if engine == Engine::Sqlite { "SQLite 3." } else { "PostgreSQL 1" });
        assert!(Browser::nobody(&shop).get(STATUS).await.is(303).header("location").starts_with("/_/login"));
        Browser::of(&shop, "bob").await.get(STATUS).await.is(403);
    }

    async fn what_needs_care_is_said(engine: Engine) {
        let (shop, upstream) = (Shop::with(engine, Options::impatient()).await, FakeUpstream::start().await);
        shop.user("root").await;
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("lib", "1.0")));
        shop.page("root/pypi", "lib").await;
        upstream.set_mode("/simple/lib/", Mode::Status(500));
        shop.clock.advance(Duration::from_secs(3600));
        shop.get("/root/pypi/+simple/lib/").await.is(200);
        jobs::schedule(shop.core(), Recurring::Gc, Duration::ZERO).await.unwrap();
        let failing = async || Err::<(), _>(cheeseshop::error::Error::Internal(anyhow::anyhow!("no <disk> today")));
        jobs::run_once(shop.core(), Recurring::Gc, Duration::from_secs(60), failing).await.unwrap_err();
        let root = Browser::of(&shop, "root").await;
        eventually("it is counted", async || root.page(STATUS).await.says("1 failed")).await;
        let page = root.page(STATUS).await;
        for words in ["This needs somebody's care", "no <disk> today", "did not answer for 1 page"] {
            page.must_say(words);
        }
        // The next run is well.
        shop.clock.advance(Duration::from_secs(3600));
        jobs::run_once(shop.core(), Recurring::Gc, Duration::from_secs(60), async || Ok(())).await.unwrap();
        let root = Browser::of(&shop, "root").await;
        let page = root.page(STATUS).await;
        assert!(!page.says("no <disk> today") && page.says("2026-03-01 14:00:00 UTC"), "when it ended");
    }

    async fn a_mirror_s_owner_sees_how_it_stands_and_has_it_asked(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.user("root").await;
        shop.user("bob").await;
        shop.mirror("alice/mirror", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("lib", "1.0")));
        upstream.add(Item::new(&Dist::wheel("other", "1.0")));
        let (alice, bob) = (Browser::of(&shop, "alice").await, Browser::of(&shop, "bob").await);
        let settings = "/_/indexes/alice/mirror/settings";
        let page = alice.page("/alice/mirror").await;
        page.must_say("not asked for yet");
        assert!(!bob.page("/alice/mirror").await.says("How the mirror stands"));
        let answer = page.form_with(settings, "act", "refresh").send(&alice).await;
        assert_eq!(answer.header("location"), "/alice/mirror");
        alice.follow(answer).await.must_say("alice/mirror has the list now: 2 projects.");
        assert_eq!(upstream.asked("/simple/"), 1);
        // Again at once, although it is fresh.
        let fields = [("act", "refresh"), ("back", "status")];
        let answer = alice.post(settings, &fields).await.is(303);
        assert_eq!((answer.header("location"), upstream.asked("/simple/")), ("/_/status", 2));
        bob.post(settings, &fields).await.is(403);
        assert_eq!(upstream.asked("/simple/"), 2);
        upstream.set_mode("/simple/", Mode::Status(500));
        let page = alice.follow(alice.post(settings, &[("act", "refresh")]).await).await;
        assert!(page.says("could not get the list") && page.says("it did not answer"));
        shop.stage("alice/dev", &[]).await;
        alice.post("/_/indexes/alice/dev/settings", &[("act", "refresh")]).await.is(400);
    }
}
