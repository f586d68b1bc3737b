//! The list of an index's projects.

use super::support::{Answer, Dist, Engine, FakeUpstream, Item, JSON, Mode, Shop, both, page};
use cheeseshop::index::access::{self, Caller};
use cheeseshop::index::pages::Form;
use cheeseshop::index::{follow, project_lists};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

fn names(list: &Answer) -> Vec<String> {
    match list.header("content-type") {
        JSON => list.json()["projects"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect(),
        _ => page::anchors(&list.text()).iter().map(|anchor| anchor[""].clone()).collect(),
    }
}

async fn list(shop: &Shop, index: &str) -> Vec<String> {
    names(&shop.get(&format!("/{index}/+simple/")).accept(JSON).await.is(200))
}

both! {
    async fn both_forms_list_every_project_once(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/base", &[]).await;
        shop.stage("alice/dev", &["bases=alice/base"]).await;
        shop.default_index("alice/dev").await;
        for (index, name) in [("alice/dev", "Zoo"), ("alice/base", "my.app"), ("alice/dev", "my-app"), ("alice/base", "base")] {
            shop.publish(index, name, "1.0").await;
        }
        for path in ["/alice/dev/+simple/", "/simple/", "/alice/dev/%2Bsimple/"] {
            let (html, json) = (shop.get(path).await.is(200), shop.get(path).accept(JSON).await.is(200));
            assert_eq!(names(&json), ["base", "my-app", "zoo"]);
            assert_eq!(names(&html), names(&json));
            for anchor in page::anchors(&html.text()) {
                assert_eq!(anchor["href"], format!("{}/", anchor[""]), "poetry's search wants it so");
                shop.get(&page::resolve(path, &anchor["href"])).await.is(200);
            }
            assert_eq!(json.json()["meta"]["api-version"], "1.4");
        }
    }

    async fn mirror_tools_find_serials_without_a_slash(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let json = shop.get("/alice/dev/+simple").accept(JSON).await.is(200);
        let last = json.json()["meta"]["_last-serial"].as_i64().unwrap();
        assert_eq!(json.json()["projects"][0]["_last-serial"].as_i64(), Some(last));
        assert_eq!(json.header("x-pypi-last-serial"), last.to_string());
        let html = shop.get("/alice/dev/+simple?x=1").await.is(302);
        assert_eq!(html.location(), "/alice/dev/+simple/?x=1", "the links of an HTML list need the slash");
    }

    async fn a_list_is_confirmed_until_it_changes(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let ask = || shop.get("/alice/dev/+simple/");
        let etag = ask().await.is(200).header("etag").to_owned();
        ask().header("if-none-match", &etag).await.is(304);
        shop.publish("alice/dev", "other", "1.0").await;
        let changed = ask().header("if-none-match", &etag).await.is(200);
        assert_eq!(names(&changed), ["app", "other"]);
    }

    async fn a_kept_list_follows_every_index_of_its_order(engine: Engine) {
        let shop = Shop::start(engine).await;
        for (index, options) in [("alice/far", &["volatile=True"][..]), ("alice/base", &["bases=alice/far"]), ("alice/other", &[])] {
            shop.stage(index, options).await;
        }
        shop.stage("alice/dev", &["bases=alice/base"]).await;
        assert!(list(&shop, "alice/dev").await.is_empty());
        shop.publish("alice/far", "far", "1.0").await;
        assert_eq!(list(&shop, "alice/dev").await, ["far"]);
        shop.publish("alice/other", "elsewhere", "1.0").await;
        shop.publish("alice/base", "near", "1.0").await;
        assert_eq!(list(&shop, "alice/dev").await, ["far", "near"]);
        shop.delete("/alice/far/far").by("alice").await.is(200);
        assert_eq!(list(&shop, "alice/dev").await, ["near"]);
        shop.set("alice/base", &["bases=alice/other"]).await;
        assert_eq!(list(&shop, "alice/dev").await, ["elsewhere", "near"]);
        shop.set("alice/dev", &["bases="]).await;
        assert!(list(&shop, "alice/dev").await.is_empty());
    }

    async fn a_kept_list_follows_what_another_node_publishes(engine: Engine) {
        let shop = Shop::start(engine).await;
        let other = shop.another().await;
        shop.stage("alice/dev", &[]).await;
        for name in ["one", "two"] {
            follow::catch_up(other.core()).await.unwrap();
            other.publish("alice/dev", name, "1.0").await;
            follow::catch_up(shop.core()).await.unwrap();
            assert_eq!(list(&shop, "alice/dev").await.last().unwrap(), name);
        }
    }

    async fn a_list_is_made_once_for_many_questions(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &["mirror_cache_expiry=60"]).await;
        shop.stage("alice/dev", &["bases=root/pypi"]).await;
        upstream.add(Item::new(&Dist::wheel("public", "1.0")));
        let sight = access::sight(&shop.core().tree.load(), &Caller::ANONYMOUS, "alice", "dev", None).unwrap();
        let ask = || async { project_lists::list(shop.core(), &sight, Form::Json, "").await.unwrap() };
        let (first, meanwhile) = tokio::join!(ask(), ask());
        let again = ask().await;
        shop.clock.advance(Duration::from_secs(61));
        follow::catch_up(shop.core()).await.unwrap();
        let confirmed = ask().await;
        assert_eq!(upstream.asked("/simple/"), 2);
        assert!([meanwhile, again, confirmed].iter().all(|list| Arc::ptr_eq(list, &first)));
        shop.publish("alice/dev", "own", "1.0").await;
        assert!(!Arc::ptr_eq(&ask().await, &first));
    }

    async fn a_long_list_comes_in_every_packing(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        for number in 0..3000 {
            upstream.add(Item::new(&Dist::wheel(&format!("name-{number:04}"), "1.0")));
        }
        for accept in ["text/html", JSON] {
            let ask = |encoding| shop.get("/root/pypi/+simple/").accept(accept).header("accept-encoding", encoding);
            let (plain, gzip, zstd) = (ask("identity").await.is(200), ask("gzip").await.is(200), ask("zstd").await.is(200));
            assert_eq!(names(&plain).len(), 3000);
            assert_eq!(plain.header("content-length"), plain.body.len().to_string());
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(gzip.body.as_ref()).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == plain.body && zstd::decode_all(zstd.body.as_ref()).unwrap() == plain.body);
            for (answer, encoding) in [(&plain, "identity"), (&gzip, "gzip"), (&zstd, "zstd")] {
                ask(encoding).header("if-none-match", answer.header("etag")).await.is(304);
            }
            let head = shop.head("/root/pypi/+simple/").accept(accept).await.is(200);
            assert_eq!((head.header("content-length"), head.body.len()), (plain.header("content-length"), 0));
        }
        assert_eq!(upstream.asked("/simple/"), 1);
    }

    async fn a_mirror_lists_what_upstream_lists(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &["mirror_cache_expiry=60"]).await;
        shop.stage("alice/dev", &["bases=root/pypi"]).await;
        shop.publish("alice/dev", "own", "1.0").await;
        upstream.add(Item::new(&Dist::wheel("public", "1.0")));
        assert_eq!(list(&shop, "alice/dev").await, ["own", "public"]);
        assert_eq!(list(&shop, "root/pypi").await, ["public"]);
        assert_eq!(upstream.asked("/simple/"), 1, "asked once while it is fresh");
        upstream.add(Item::new(&Dist::wheel("second", "1.0")));
        shop.clock.advance(Duration::from_secs(61));
        assert_eq!(list(&shop, "alice/dev").await, ["own", "public", "second"]);
        shop.clock.advance(Duration::from_secs(61));
        assert_eq!(list(&shop, "alice/dev").await, ["own", "public", "second"]);
        assert_eq!(upstream.seen("/simple/").last().unwrap().status, 304, "what has not changed is not sent again");
        upstream.set_mode("/simple/", Mode::Status(500));
        shop.clock.advance(Duration::from_secs(61));
        assert_eq!(list(&shop, "alice/dev").await, ["own", "public", "second"], "upstream's failure takes nothing away");
    }

    async fn an_html_list_is_read_too(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        upstream.speak_html();
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("public", "1.0")));
        assert_eq!(list(&shop, "root/pypi").await, ["public"]);
    }

    async fn a_mirror_may_be_told_never_to_ask_for_the_list(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &["mirror_no_project_list=true"]).await;
        for name in ["visited", "never-visited"] {
            upstream.add(Item::new(&Dist::wheel(name, "1.0")));
        }
        shop.page("root/pypi", "visited").await;
        assert_eq!(list(&shop, "root/pypi").await, ["visited"]);
        assert_eq!(upstream.asked("/simple/"), 0);
    }
}
