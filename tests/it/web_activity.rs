//! The journal as a log: who sees what of it, and the filters.

use super::support::{Browser, Dist, Engine, FakeUpstream, Item, Page, Shop, both};
use cheeseshop::db::journal::{Action, Change, append};
use cheeseshop::limits;
use cheeseshop::pypi::ProjectName;
use std::time::Duration;

const LOG: &str = "/_/activity";

both! {
    async fn everybody_reads_what_they_may_know_of(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/secret", &["acl_read=alice"]).await;
        shop.stage("alice/gone", &["volatile=true"]).await;
        shop.user("bob").await;
        shop.user("root").await;
        shop.publish("alice/dev", "seen", "1.0").await;
        shop.publish("alice/secret", "hush", "1.0").await;
        shop.publish("alice/gone", "lost", "1.0").await;
        shop.delete("/alice/gone").by("alice").await.is(201);
        let (nobody, alice, bob, root) =
            (Browser::nobody(&shop), Browser::of(&shop, "alice").await, Browser::of(&shop, "bob").await, Browser::of(&shop, "root").await);
        for (browser, hush, accounts) in [(nobody, false, false), (bob, false, false), (alice, true, false), (root, true, true)] {
            let page = browser.page(LOG).await;
            page.must_say("seen-1.0-py3-none-any.whl");
            assert_eq!(page.says("hush"), hush);
            assert_eq!(page.says("made the user"), accounts);
            let of_gone = (page.says("lost"), page.says("deleted the index"));
            assert_eq!(of_gone, (accounts, accounts), "of an index that is gone only administrators know");
        }
    }

    async fn the_log_is_filtered(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("mirrored", "1.0")));
        shop.stage("alice/dev", &[]).await;
        shop.stage("bob/dev", &[]).await;
        shop.user("root").await;
        shop.publish("alice/dev", "early", "1.0").await;
        shop.page("root/pypi", "mirrored").await;
        shop.clock.advance(Duration::from_secs(2 * 86_400));
        shop.publish("bob/dev", "late", "1.0").await;
        shop.post("/bob/dev/late/1.0/+yank").by("bob").body(r#"{"reason": "<b>why</b>"}"#).await.is(200);
        let root = Browser::of(&shop, "root").await;
        for (query, yes, no) in [
            ("", "yanked", "mirrored"),
            ("?kind=all", "mirrored", "zzz"),
            ("?kind=mirrors", "mirrored", "early"),
            ("?kind=yanks", "<b>why</b>", "early"),
            ("?kind=accounts", "made the user", "early"),
            ("?index=alice/dev", "early", "late"),
            ("?project=Late", "late", "early"),
            ("?user=bob", "late", "early"),
            ("?since=2026-03-02", "late", "early"),
            ("?until=2026-03-01", "early", "late"),
            ("?since=2026-03-03&until=2026-03-03&kind=uploads&user=bob", "late-1.0-py3-none-any.whl", "early"),
        ] {
            let page = root.page(&format!("{LOG}{query}")).await;
            page.must_say(yes);
            assert!(!page.says(no), "{query} shows {no}");
        }
        let nothing = root.page(&format!("{LOG}?user=carol")).await;
        nothing.must_say("Nothing that fits");
    }

    async fn filters_that_mean_nothing_are_told(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/secret", &["acl_read=alice"]).await;
        let nobody = Browser::nobody(&shop);
        for (query, words) in [
            ("since=yesterday", "is no date"),
            ("until=2026-02-30", "is no date"),
            ("index=alice/secret", "There is no index “alice/secret” that you may read."),
            ("index=%3Cscript%3E", "There is no index “<script>”"),
            ("project=a%20b", "can be no project's name"),
            ("kind=odd", "There is no kind “odd”."),
        ] {
            let page = Page::of(nobody.get(&format!("{LOG}?{query}")).await.is(400));
            page.must_say(words);
            assert!(!page.text().contains("<script>"), "{query}");
        }
        nobody.page(&format!("{LOG}?before=x&user=%00")).await;
        nobody.page(&format!("{LOG}?before=-5")).await;
        nobody.page(&format!("{LOG}?before=9223372036854775807")).await;
        nobody.page(&format!("{LOG}?until=9999-12-30&since=0001-01-01")).await;
    }

    async fn the_log_goes_back_page_by_page(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.user("root").await;
        let index = shop.core().tree.load().find("alice", "dev").unwrap().index.id;
        // More than is looked through at once, of which only a few fit.
        let mut c = shop.core().db.begin().await.unwrap();
        let app = ProjectName::parse("app").unwrap();
        for number in 0..limits::WEB_ACTIVITY_SERIALS + 500 {
            let action = if number == 10 { Action::FileYank } else { Action::FileAdd };
            let detail = serde_json::json!({"filename": format!("file-{number}")});
            let change = Change { actor: "user:alice", index: Some(index), project: Some(&app), action, detail };
            append(&mut c, &change, shop.clock.now()).await.unwrap();
        }
        c.commit().await.unwrap();
        let root = Browser::of(&shop, "root").await;
        let older = |text: &str| {
            let rest = &text[text.find("before=").expect("a next page")..];
            rest[..rest.find('"').unwrap()].to_owned()
        };
        let first = root.page(LOG).await;
        let newest = limits::WEB_ACTIVITY_SERIALS + 499;
        assert!(first.says(&format!("file-{newest}<")) || first.says(&format!("file-{newest}")));
        let second = root.page(&format!("{LOG}?{}", older(&first.text()))).await;
        let next = newest - limits::WEB_ACTIVITY_PER_PAGE as i64;
        assert!(second.says(&format!("file-{next}")) && !second.says(&format!("file-{newest}")) && second.says("Newest"));
        // What fits lies further back than one look reaches.
        let nothing = root.page(&format!("{LOG}?kind=yanks")).await;
        nothing.must_say("Nothing that fits back to");
        let found = root.page(&format!("{LOG}?kind=yanks&{}", older(&nothing.text()))).await;
        found.must_say("file-10");
    }
}
