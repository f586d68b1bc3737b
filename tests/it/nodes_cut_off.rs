//! A node that is cut off from its database: what it says, what it still serves, and how it comes back.

use super::support::upstream::page_path;
use super::support::{Dist, Engine, FakeUpstream, Form, Item, JSON, LONG, Mode, Proxy, Shop, Way, both, eventually};
use cheeseshop::index::follow;
use cheeseshop::limits;
use std::time::Duration;

/// Longer than a node may go without a look at the journal.
const TOO_LONG: Duration = Duration::from_secs(7);

/// Indexes of every kind, and on `shop` a page of each in memory.
async fn stock(shop: &Shop) -> Dist {
    shop.stage("alice/open", &[]).await;
    shop.stage("alice/shut", &["acl_read=alice"]).await;
    shop.stage("alice/mixed", &["bases=alice/shut"]).await;
    let dist = shop.publish("alice/open", "app", "1.0").await;
    for index in ["alice/shut", "alice/mixed"] {
        shop.publish(index, "app", "1.0").await;
    }
    visit(shop).await;
    dist
}

async fn visit(shop: &Shop) {
    for index in ["alice/open", "alice/mixed"] {
        shop.page(index, "app").await;
    }
    for index in ["alice/open", "alice/shut", "alice/mixed"] {
        shop.get(&format!("/{index}/+simple/app/")).accept(JSON).by("alice").await.is(200);
    }
}

/// What a node that cannot reach its database answers.
async fn is_cut_off(shop: &Shop, dist: &Dist) {
    let ready = shop.get("/ready").await.is(503);
    assert!(ready.text().contains("cut off from its database for 7 s"), "{}", ready.text());
    shop.get("/health").await.is(200);

    let page = shop.page("alice/open", "app").await;
    assert!(page.header("warning").starts_with("110 cheeseshop \"cut off from the database; this is from "), "{page:?}");
    let etag = page.header("etag").to_owned();
    let unchanged = shop.get("/alice/open/+simple/app/").accept(JSON).header("if-none-match", &etag).await.is(304);
    assert!(unchanged.get("warning").is_some());
    // The public sees all of this index, so it does not matter whether credentials are good.
    assert_eq!(shop.get("/alice/open/+simple/app/").accept(JSON).by("alice").await.is(200).body, page.body);
    assert_eq!(shop.get("/alice/open/+simple/app/").accept(JSON).auth("alice", "wrong").await.is(200).body, page.body);
    let file = shop.get(&dist.path("alice/open")).await.is(200);
    assert!(file.body == dist.bytes && file.get("warning").is_some());
    shop.get(&dist.path("alice/open")).header("range", "bytes=0-9").await.is(206);
    // A page in another form is made from the listing that is in memory.
    shop.get("/alice/open/+simple/app/").await.is(200);
    // Nobody in particular sees what everybody sees; who may see more cannot be served less.
    shop.page("alice/mixed", "app").await;

    for path in ["/alice/shut/+simple/app/", "/alice/mixed/+simple/app/", "/alice/shut/+f/abc/0123456789abc/app-1.0.zip"] {
        refused(shop.get(path).by("alice").await.is(503));
    }
    for path in [
        "/alice/shut/+simple/app/",
        "/alice/new/+simple/app/",
        "/alice/open/+simple/other/",
        "/alice/open/+f/abc/0123456789abc/app-9.zip",
        "/alice/open/+simple/",
        "/alice/open",
        "/alice/open/app/1.0",
        "/+status",
        "/",
    ] {
        refused(shop.get(path).await.is(503));
    }
    refused(shop.send("/alice/open/", &Form::of(&Dist::wheel("app", "2.0"))).by("alice").await.is(503));
    refused(shop.delete(&dist.path("alice/open")).by("alice").await.is(503));
    shop.get("/alice/open/+simple/app/?format=nonsense").await.is(406);
}

fn refused(answer: super::support::Answer) {
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    assert!(answer.text().contains("cut off from its database"), "{}", answer.text());
}

both! {
    async fn what_everybody_may_read_is_served_as_it_was_and_nothing_else(engine: Engine) {
        let shop = Shop::start(engine).await;
        let dist = stock(&shop).await;
        shop.core().db.close().await;
        assert!(shop.page("alice/open", "app").await.get("warning").is_none(), "nobody can tell yet");
        shop.get("/ready").await.is(503);
        shop.clock.advance(TOO_LONG);
        tokio::time::timeout(LONG, is_cut_off(&shop, &dist)).await.expect("answers while cut off are quick");
    }

    /// Time goes on for the pages of mirrors. What has only expired is still served, also if it was asked for before it was known that
    /// the database is gone.
    async fn a_mirrors_page_that_expires_meanwhile_is_served_as_it_was(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &["mirror_cache_expiry=3"]).await;
        upstream.add(Item::new(&Dist::wheel("app", "1.0")));
        let page = shop.page("root/pypi", "app").await;
        shop.core().db.close().await;
        shop.clock.advance(Duration::from_secs(4));
        shop.get("/root/pypi/+simple/app/").accept(JSON).await.is(503);
        shop.clock.advance(Duration::from_secs(3));
        let then = shop.page("root/pypi", "app").await;
        assert_eq!((then.body.clone(), upstream.asked(&page_path("app"))), (page.body.clone(), 1));
        assert!(then.header("warning").contains("cut off from the database"));
        // Only the database could tell whether the mirror has the file.
        shop.get(&page.links()[0].path).await.is(503);
    }

    /// A process that was stopped, or that nobody polled for: it looks before it answers.
    async fn a_node_that_has_not_looked_for_long_looks_before_it_answers(engine: Engine) {
        let one = Shop::start(engine).await;
        stock(&one).await;
        let asleep = one.another().await;
        visit(&asleep).await;
        one.publish("alice/open", "app", "2.0").await;
        one.set("alice/mixed", &["acl_read=alice"]).await;
        assert_eq!(asleep.filenames("alice/open", "app").await.len(), 1, "it has not looked");
        one.clock.advance(TOO_LONG);
        let page = asleep.page("alice/open", "app").await;
        assert!(page.filenames().len() == 2 && page.get("warning").is_none());
        asleep.get("/alice/mixed/+simple/app/").await.is(401);
        asleep.get("/ready").await.is(200);
    }

    async fn what_is_known_to_have_changed_is_not_served_as_it_was(engine: Engine) {
        let shop = Shop::start(engine).await;
        stock(&shop).await;
        let other = shop.another().await;
        other.publish("alice/open", "app", "2.0").await;
        follow::catch_up(shop.core()).await.unwrap();
        shop.core().db.close().await;
        shop.clock.advance(TOO_LONG);
        shop.get("/alice/open/+simple/app/").accept(JSON).await.is(503);
        shop.page("alice/mixed", "app").await;
    }
}

/// The way to the database is cut, then stalls; each time the node serves what it can and comes back by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_comes_back_when_its_way_to_the_database_does() {
    let one = Shop::start(Engine::Postgres).await;
    let dist = stock(&one).await;
    let proxy = Proxy::to(one.database.address()).await;
    let far = one.another_behind(&proxy).await;
    let _running = far.serve().await;
    for (round, way) in (2..).zip([Way::Cut, Way::Stalled, Way::Cut]) {
        visit(&far).await;
        proxy.set(way);
        // Changes go on elsewhere, and wait for this node once.
        one.publish("alice/open", "app", &format!("{round}.0")).await;
        one.clock.advance(TOO_LONG);
        eventually("it says so", async || {
            let ready = far.get("/ready").await;
            ready.status == 503 && ready.text().contains("cut off from its database")
        })
        .await;
        let page = far.page("alice/open", "app").await;
        assert!(page.header("warning").contains("cut off") && page.filenames().len() < round, "{way:?}");
        assert_eq!(far.get(&dist.path("alice/open")).await.is(200).body, dist.bytes);
        refused(far.get("/alice/shut/+simple/app/").by("alice").await.is(503));
        proxy.set(Way::Open);
        eventually("it is back", async || {
            one.clock.advance(limits::CUT_OFF_PAUSE);
            far.get("/ready").await.status == 200
        })
        .await;
        let page = far.page("alice/open", "app").await;
        assert!(page.filenames().len() == round && page.get("warning").is_none(), "{way:?}");
        far.get("/alice/shut/+simple/app/").by("alice").await.is(200);
    }
}

/// While a request tries, the others wait for its outcome; after it has failed nobody tries for a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_database_is_tried_by_one_request_at_a_time() {
    let one = Shop::start(Engine::Postgres).await;
    stock(&one).await;
    let proxy = Proxy::to(one.database.address()).await;
    let far = one.another_behind(&proxy).await;
    visit(&far).await;
    proxy.set(Way::Stalled);
    one.clock.advance(TOO_LONG);
    let asks = (0..40).map(|_| async { far.page("alice/open", "app").await });
    // Forty tries one after another would take forty seconds.
    tokio::time::timeout(LONG, futures_util::future::join_all(asks)).await.expect("one try for all");
}

/// Upstream's trouble and the database's are told apart.
#[tokio::test]
async fn a_page_may_be_stale_for_two_reasons() {
    let (shop, upstream) = (Shop::start(Engine::Sqlite).await, FakeUpstream::start().await);
    shop.mirror("root/pypi", &upstream, &["mirror_cache_expiry=1"]).await;
    upstream.add(Item::new(&Dist::wheel("app", "1.0")));
    shop.page("root/pypi", "app").await;
    upstream.set_mode(&page_path("app"), Mode::Status(500));
    shop.clock.advance(Duration::from_secs(2));
    shop.page("root/pypi", "app").await;
    shop.core().db.close().await;
    shop.clock.advance(TOO_LONG);
    let page = shop.page("root/pypi", "app").await;
    let warnings: Vec<_> = page.headers.get_all("warning").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(
        warnings.len() == 2 && warnings[0].contains("upstream does not answer") && warnings[1].contains("cut off"),
        "{warnings:?}"
    );
}
