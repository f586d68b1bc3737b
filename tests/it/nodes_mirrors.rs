//! Mirrors on several nodes: both may ask upstream at the same moment, and neither spoils what the other has stored.

use super::support::upstream::{file_path, gate, open, page_path};
use super::support::{Ask, Dist, Engine, FakeUpstream, Item, JSON, LONG, Mode, Shop, both, eventually};
use cheeseshop::index::follow;
use futures_util::future::join_all;
use std::time::Duration;

async fn two_nodes(engine: Engine, options: &[&str]) -> (Shop, Shop, FakeUpstream) {
    let (one, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
    one.mirror("root/pypi", &upstream, options).await;
    let other = one.another().await;
    (one, other, upstream)
}

both! {
    async fn two_nodes_are_asked_for_the_same_cold_page_and_file_at_once(engine: Engine) {
        let (one, other, upstream) = two_nodes(engine, &[]).await;
        let dists: Vec<_> = (0..12).map(|n| Dist::wheel(&format!("app{n}"), "1.0")).collect();
        for dist in &dists {
            upstream.add(Item::new(dist));
        }
        let asks = dists.iter().enumerate().flat_map(|(n, dist)| [&one, &other].map(|shop| async move {
            let link = shop.page("root/pypi", &format!("app{n}")).await.link(&dist.filename);
            assert_eq!(shop.get(&link.path).await.is(200).body, dist.bytes);
            shop.get(&format!("{}.metadata", link.path)).await.is(200);
        }));
        tokio::time::timeout(LONG, join_all(asks)).await.unwrap();
        tokio::join!(one.settled(), other.settled());
        for (n, dist) in dists.iter().enumerate() {
            assert!((1..=2).contains(&upstream.asked(&page_path(&format!("app{n}")))), "{n}");
            assert!((1..=2).contains(&upstream.asked(&file_path(dist))), "{n}");
        }
        assert_eq!(one.stored().await.1, 24, "a file and its metadata each, once");
    }

    /// Upstream has replaced a file under its name; both nodes notice at once, and one of the two answers is kept.
    async fn two_nodes_fetch_a_replaced_file_at_once(engine: Engine) {
        let (one, other, upstream) = two_nodes(engine, &["mirror_cache_expiry=1"]).await;
        let dist = Dist::wheel("app", "1.0");
        upstream.add(Item::new(&dist));
        let fetch = async |shop: &Shop, dist: &Dist| {
            let link = shop.page("root/pypi", "app").await.link(&dist.filename);
            assert_eq!(shop.get(&link.path).await.is(200).body, dist.bytes);
        };
        fetch(&one, &dist).await;
        let rebuilt = dist.rebuilt();
        upstream.change("app", &dist.filename, |item| item.dist = rebuilt.clone());
        one.clock.advance(Duration::from_secs(2));
        follow::catch_up(other.core()).await.unwrap();
        tokio::join!(fetch(&one, &rebuilt), fetch(&other, &rebuilt));
        follow::catch_up(one.core()).await.unwrap();
        fetch(&one, &rebuilt).await;
    }

    /// A slow answer of upstream's must not overwrite what another node has recorded meanwhile.
    async fn what_another_node_has_recorded_meanwhile_is_not_lost(engine: Engine) {
        let (one, other, upstream) = two_nodes(engine, &["mirror_cache_expiry=60"]).await;
        upstream.send_no_etags();
        upstream.add(Item::new(&Dist::wheel("app", "1.0")));
        one.page("root/pypi", "app").await;
        one.clock.advance(Duration::from_secs(61));
        follow::catch_up(other.core()).await.unwrap();
        let held = gate();
        upstream.set_mode(&page_path("app"), Mode::HoldAll(held.clone()));
        let slow = {
            let site = one.site.clone();
            tokio::spawn(Ask::new(site, axum::http::Method::GET, "/root/pypi/+simple/app/").accept(JSON).into_future())
        };
        eventually("the slow answer is under way", async || upstream.asked(&page_path("app")) == 2).await;
        upstream.heal(&page_path("app"));
        // Without a time of upstream's its page shows when it was first seen.
        upstream.add(Item::bare(&Dist::wheel("app", "2.0")));
        one.clock.advance(Duration::from_secs(1));
        assert_eq!(other.filenames("root/pypi", "app").await.len(), 2);
        let first_seen = other.page("root/pypi", "app").await.json()["files"].clone();
        one.clock.advance(Duration::from_secs(1));
        open(&held);
        assert_eq!(slow.await.unwrap().is(200).filenames().len(), 2, "the slow node shows what the other has recorded");
        follow::catch_up(other.core()).await.unwrap();
        assert_eq!(other.page("root/pypi", "app").await.json()["files"], first_seen);
    }

    /// What a node remembers of an upstream that had nothing ends when another node has found something, or was told to look again.
    async fn a_remembered_absence_ends_on_all_nodes(engine: Engine) {
        let (one, other, upstream) = two_nodes(engine, &["mirror_cache_expiry=3600"]).await;
        for shop in [&one, &other] {
            shop.get("/root/pypi/+simple/app/").await.is(404);
        }
        upstream.add(Item::new(&Dist::wheel("app", "1.0")));
        for shop in [&one, &other] {
            shop.get("/root/pypi/+simple/app/").await.is(404);
        }
        one.post("/root/pypi/+simple/app/refresh").await.is(302);
        follow::catch_up(other.core()).await.unwrap();
        assert_eq!(other.filenames("root/pypi", "app").await.len(), 1);
        follow::catch_up(one.core()).await.unwrap();
        assert_eq!(one.filenames("root/pypi", "app").await.len(), 1);

        let second = FakeUpstream::start().await;
        other.get("/root/pypi/+simple/only-there/").await.is(404);
        second.add(Item::new(&Dist::wheel("only-there", "1.0")));
        one.set("root/pypi", &[&format!("mirror_url={}", second.index_url())]).await;
        follow::catch_up(other.core()).await.unwrap();
        assert_eq!(other.filenames("root/pypi", "only-there").await.len(), 1);
    }
}
