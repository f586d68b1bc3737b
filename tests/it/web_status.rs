//! The status page, and how a mirror stands.

use super::support::{Browser, Dist, Engine, FakeUpstream, Item, Mode, Shop, both, eventually};

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
