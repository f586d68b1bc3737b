//! The journal: one row a change, in the order in which changes became visible, and what clients see of it.

use super::support::{Answer, Dist, Engine, FakeUpstream, Item, LONG, Shop, both};
use cheeseshop::db;
use cheeseshop::index::follow;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn serial_of(answer: &Answer) -> i64 {
    answer.header("x-pypi-last-serial").parse().unwrap()
}

both! {
    async fn serials_grow_in_the_order_of_commits(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dists: Vec<_> = (0..30).map(|n| Dist::wheel(&format!("app{}", n % 3), &format!("1.{n}"))).collect();
        // A reader that follows while uploads go on must never see a serial below one that it has seen already.
        let follower = async {
            let mut seen = Vec::new();
            while seen.len() < dists.len() {
                let all: Vec<i64> = shop.journal().await.iter().filter(|e| e.action == "file-add").map(|e| e.serial.0).collect();
                assert!(all.starts_with(&seen), "{all:?} after {seen:?}");
                seen = all;
                tokio::task::yield_now().await;
            }
            seen
        };
        let uploads = join_all(dists.iter().map(|dist| shop.upload("alice/dev", dist).into_future()));
        let (serials, answers) = tokio::time::timeout(LONG, futures_util::future::join(follower, uploads)).await.unwrap();
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert!(serials.is_sorted());
    }

    /// A serial that is given out but not yet committed must keep back those after it: who follows the journal has passed it by
    /// when it appears.
    async fn a_later_serial_is_never_visible_before_an_earlier_one(engine: Engine) {
        let shop = Shop::start(engine).await;
        let change = || db::journal::Change {
            actor: "system",
            index: None,
            project: None,
            action: db::journal::Action::ServerSet,
            detail: serde_json::Value::Null,
        };
        let now = shop.clock.now();
        let mut slow = shop.core().db.begin().await.unwrap();
        let first = db::journal::append(&mut slow, &change(), now).await.unwrap();
        let fast = async {
            let mut c = shop.core().db.begin().await.unwrap();
            let second = db::journal::append(&mut c, &change(), now).await.unwrap();
            c.commit().await.unwrap();
            second
        };
        let mut fast = Box::pin(fast);
        tokio::time::timeout(Duration::from_millis(200), &mut fast).await.expect_err("the second waits for the first");
        assert_eq!(shop.journal().await.len(), 0);
        slow.commit().await.unwrap();
        let second = fast.await;
        assert!(first < second);
        assert_eq!(shop.journal().await.len(), 2);
    }

    async fn each_change_is_one_row(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        shop.upload("alice/dev", &dist).await.is(200);
        shop.upload("alice/dev", &dist.rebuilt()).await.is(200);
        shop.delete(&dist.rebuilt().path("alice/dev")).by("alice").await.is(200);
        shop.set("alice/dev", &["title=x"]).await;
        let actions: Vec<_> = shop.journal().await.into_iter().map(|entry| entry.action).collect();
        assert_eq!(actions, ["user-add", "index-add", "file-add", "file-replace", "file-remove", "index-set"]);
    }

    async fn pages_carry_the_serial_of_their_last_change(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/base", &[]).await;
        shop.stage("alice/dev", &["bases=alice/base"]).await;
        let last = async || shop.journal().await.last().unwrap().serial.0;
        shop.publish("alice/dev", "app", "1.0").await;
        let first = last().await;
        let page = shop.page("alice/dev", "app").await;
        assert_eq!((serial_of(&page), page.json()["meta"]["_last-serial"].as_i64()), (first, Some(first)));
        shop.publish("alice/dev", "other", "1.0").await;
        assert_eq!(serial_of(&shop.page("alice/dev", "app").await), first, "another project's change is none of this one");
        shop.publish("alice/base", "app", "0.9").await;
        assert_eq!(serial_of(&shop.page("alice/dev", "app").await), last().await, "a base's change is");
        let list = shop.get("/alice/dev/+simple/").await.is(200);
        assert_eq!((serial_of(&list), list.header("x-devpi-serial").parse()), (last().await, Ok(last().await)));
    }

    async fn an_upstream_page_that_says_nothing_new_is_no_change(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &["mirror_cache_expiry=60"]).await;
        upstream.add(Item::new(&Dist::wheel("app", "1.0")));
        upstream.send_no_etags();
        let page = shop.page("root/pypi", "app").await;
        let before = shop.journal().await.len();
        for _ in 0..3 {
            shop.clock.advance(Duration::from_secs(61));
            assert_eq!(shop.page("root/pypi", "app").await.header("etag"), page.header("etag"));
        }
        assert_eq!(upstream.asked("/simple/app/"), 4);
        assert_eq!(shop.journal().await.len(), before);
        upstream.add(Item::new(&Dist::wheel("app", "1.1")));
        shop.clock.advance(Duration::from_secs(61));
        assert_ne!(shop.page("root/pypi", "app").await.header("etag"), page.header("etag"));
        assert_eq!(shop.journal().await.len(), before + 1);
    }

    async fn another_process_s_change_is_followed(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let other = shop.another().await;
        shop.publish("alice/dev", "app", "1.0").await;
        follow::catch_up(other.core()).await.unwrap();
        assert_eq!(other.filenames("alice/dev", "app").await.len(), 1);
        shop.publish("alice/dev", "app", "1.1").await;
        assert_eq!(other.filenames("alice/dev", "app").await.len(), 1, "not before it looks");
        follow::catch_up(other.core()).await.unwrap();
        assert_eq!(other.filenames("alice/dev", "app").await.len(), 2);
        other.stage("alice/new", &["bases=alice/dev"]).await;
        follow::catch_up(shop.core()).await.unwrap();
        assert_eq!(shop.filenames("alice/new", "app").await.len(), 2);
    }

    /// Pages are made from rows while rows change. Whatever comes first: what an upload's answer promised is on the next page.
    async fn a_page_in_the_making_is_never_taken_for_current(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/above", &["bases=alice/dev"]).await;
        shop.publish("alice/dev", "app", "0").await;
        let done = AtomicBool::new(false);
        let readers = join_all((0..4).map(|_| async {
            while !done.load(Ordering::SeqCst) {
                shop.page("alice/above", "app").await;
                tokio::task::yield_now().await;
            }
        }));
        let writer = async {
            for n in 1..=15 {
                let dist = shop.publish("alice/dev", "app", &n.to_string()).await;
                let page = shop.page("alice/above", "app").await;
                assert_eq!(page.filenames().len(), n + 1);
                page.link(&dist.filename);
            }
            done.store(true, Ordering::SeqCst);
        };
        futures_util::future::join(readers, writer).await;
    }

    /// The same for changes of who inherits from whom.
    async fn a_page_made_while_bases_change_is_never_taken_for_current(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/base", &[]).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.publish("alice/base", "app", "2.0").await;
        let done = AtomicBool::new(false);
        let readers = join_all((0..6).map(|_| async {
            while !done.load(Ordering::SeqCst) {
                shop.page("alice/dev", "app").await;
                tokio::task::yield_now().await;
            }
        }));
        let writer = async {
            for _ in 0..20 {
                for (bases, files) in [("bases=alice/base", 2), ("bases=", 1)] {
                    shop.set("alice/dev", &[bases]).await;
                    for _ in 0..10 {
                        assert_eq!(shop.filenames("alice/dev", "app").await.len(), files);
                        tokio::task::yield_now().await;
                    }
                }
            }
            done.store(true, Ordering::SeqCst);
        };
        futures_util::future::join(readers, writer).await;
    }
}
