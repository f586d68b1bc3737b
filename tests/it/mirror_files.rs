//! A mirror's files: fetched once, streamed while they come, and kept.

use super::support::shop::Options;
use super::support::upstream::{file_path, gate, open, page_path};
use super::support::{Dist, Engine, FakeUpstream, Item, LONG, Mode, Shop, both, eventually};
use cheeseshop::index::Rules;
use futures_util::future::join_all;
use http_body_util::BodyExt;

async fn mirrored(engine: Engine, settings: &[&str], items: &[Item]) -> (Shop, FakeUpstream) {
    let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
    shop.mirror("root/pypi", &upstream, settings).await;
    shop.stage("alice/dev", &["bases=root/pypi"]).await;
    for item in items {
        upstream.add(item.clone());
    }
    (shop, upstream)
}

both! {
    async fn a_file_is_fetched_once_and_kept(engine: Engine) {
        let wheel = Dist::large_wheel("app", "1.0", 600_000);
        let (shop, upstream) = mirrored(engine, &[], &[Item::new(&wheel)]).await;
        let path = shop.page("alice/dev", "app").await.link(&wheel.filename).path;
        let first = shop.get(&path).await.is(200);
        assert_eq!((first.body.as_ref(), first.header("content-length")), (wheel.bytes.as_slice(), wheel.bytes.len().to_string().as_str()));
        assert_eq!(first.header("etag"), format!("\"{}\"", wheel.sha256()));
        assert_eq!(first.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(first.header("last-modified"), "Tue, 05 May 2020 10:11:12 GMT");
        shop.settled().await;
        assert_eq!(shop.get(&path).await.is(200).body, wheel.bytes);
        assert_eq!(shop.get(&wheel.path("root/pypi")).header("range", "bytes=5-9").await.is(206).body, wheel.bytes[5..10]);
        let shop = shop.restarted(Options::offline()).await;
        assert_eq!(shop.get(&path).await.is(200).body, wheel.bytes);
        assert_eq!(upstream.asked(&file_path(&wheel)), 1);
    }

    /// Whether its page says how large it is, or upstream when it is asked, or nobody: then the body breaks off.
    async fn a_file_above_the_limit_is_not_mirrored(engine: Engine) {
        let (small, large) = (Dist::wheel("app", "1.0"), Dist::large_wheel("app", "2.0", 600_000));
        let (unsaid, unknown) = (Dist::large_wheel("app", "3.0", 600_000), Dist::large_wheel("app", "4.0", 600_000));
        let rules = Rules { max_file_size: 100_000, ..Rules::default() };
        let (shop, upstream) = (Shop::with(engine, Options { rules, ..Options::default() }).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&small));
        upstream.add(Item::new(&large));
        let path = large.path("root/pypi");
        for ask in [shop.get(&path), shop.head(&path)] {
            let refused = ask.await.is(403);
            let words = format!("the file has {} bytes, and this server mirrors none above 100000 (--max-file-size)", large.bytes.len());
            assert_eq!(refused.reason.as_deref(), Some(words.as_str()));
        }
        assert_eq!(upstream.asked(&file_path(&large)), 0, "its page says how large it is");
        shop.get(&small.path("root/pypi")).await.is(200);
        for dist in [&unsaid, &unknown] {
            upstream.add(Item { size: false, ..Item::new(dist) });
        }
        upstream.set_mode(&file_path(&unknown), Mode::NoLength);
        shop.post("/root/pypi/+simple/app/refresh").await.is(302);
        shop.get(&unsaid.path("root/pypi")).await.is(403);
        let answer = shop.get(&unknown.path("root/pypi")).await;
        assert!((answer.broken || answer.status == 502) && answer.body.len() <= 100_000, "{answer:?}");
        shop.settled().await;
        assert_eq!(shop.stored().await.2, Vec::<String>::new());
        shop.is_sound().await;
    }

    async fn many_clients_are_one_download(engine: Engine) {
        let wheel = Dist::large_wheel("app", "1.0", 600_000);
        let (shop, upstream) = mirrored(engine, &[], &[Item::new(&wheel)]).await;
        let gate = gate();
        upstream.set_mode(&file_path(&wheel), Mode::Hold(gate.clone()));
        let clients = join_all((0..60).map(|n| {
            let path = wheel.path(if n % 2 == 0 { "root/pypi" } else { "alice/dev" });
            // Some join while it comes, and some want only a part.
            match n % 5 {
                4 => shop.get(&path).header("range", "bytes=1000-1999").into_future(),
                _ => shop.get(&path).into_future(),
            }
        }));
        let release = async {
            eventually("upstream is asked", async || upstream.asked(&file_path(&wheel)) > 0).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            open(&gate);
        };
        let (answers, ()) = futures_util::future::join(clients, release).await;
        for (n, answer) in answers.into_iter().enumerate() {
            match n % 5 {
                4 => assert_eq!(answer.is(206).body, wheel.bytes[1000..2000]),
                _ => assert_eq!(answer.is(200).body, wheel.bytes),
            }
        }
        assert_eq!((upstream.asked(&file_path(&wheel)), upstream.asked(&page_path("app"))), (1, 1));
    }

    /// The first bytes reach the client while upstream still holds the last ones.
    async fn bytes_are_passed_on_as_they_come(engine: Engine) {
        let wheel = Dist::large_wheel("app", "1.0", 600_000);
        let (shop, upstream) = mirrored(engine, &[], &[Item::new(&wheel)]).await;
        let gate = gate();
        upstream.set_mode(&file_path(&wheel), Mode::Hold(gate.clone()));
        let answer = shop.get(&wheel.path("root/pypi")).begin().await;
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        let mut read = 0;
        while read < wheel.bytes.len() / 2 {
            let frame = tokio::time::timeout(LONG, body.frame()).await.expect("the first half comes").unwrap().unwrap();
            read += frame.data_ref().unwrap().len();
        }
        open(&gate);
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().data_ref().unwrap().len();
        }
        assert_eq!(read, wheel.bytes.len());
    }

    async fn a_link_from_a_lock_file_works_cold(engine: Engine) {
        let (wheel, sdist) = (Dist::wheel("my-app", "1.0+x.1"), Dist::sdist("my-app", "1.0"));
        let (shop, upstream) = mirrored(engine, &[], &[Item::new(&wheel), Item::new(&sdist)]).await;
        for dist in [&wheel, &sdist] {
            assert_eq!(shop.get(&dist.path("alice/dev")).await.is(200).body, dist.bytes);
        }
        let unknown = Dist::wheel("unknown", "1.0");
        shop.get(&unknown.path("alice/dev")).await.is(404);
        assert_eq!(upstream.asked("/simple/"), 0, "the list of all projects is never asked for");
    }

    async fn upstreams_without_hashes_have_links_too(engine: Engine) {
        let (plain, md5) = (Dist::wheel("app", "1.0"), Dist::wheel("app", "2.0"));
        let items = [Item::bare(&plain), Item { md5: true, ..Item::bare(&md5) }];
        let (shop, upstream) = mirrored(engine, &[], &items).await;
        let page = shop.page("alice/dev", "app").await;
        let links = [page.link(&plain.filename), page.link(&md5.filename)];
        let flattened = upstream.root().replace("://", "_").replace(':', "_");
        assert_eq!(links[0].path, format!("/alice/dev/+e/{flattened}_files/{}", plain.filename));
        assert!(links[1].hash.as_deref().is_some_and(|hash| hash.starts_with("md5=")), "{links:?}");
        for (link, dist) in links.iter().zip([&plain, &md5]) {
            for _ in 0..2 {
                assert_eq!(shop.get(&link.path).await.is(200).body, dist.bytes);
                shop.settled().await;
            }
            assert_eq!(shop.get(&format!("{}.metadata", link.path)).await.is(200).body, dist.metadata);
            assert_eq!(upstream.asked(&file_path(dist)), 1);
            assert_eq!(shop.head(&link.path).await.is(200).header("content-length"), dist.bytes.len().to_string());
        }
    }

    async fn head_does_not_fetch(engine: Engine) {
        let (told, untold) = (Dist::wheel("app", "1.0"), Dist::wheel("app", "2.0"));
        let (shop, upstream) = mirrored(engine, &[], &[Item::new(&told), Item { size: false, ..Item::new(&untold) }]).await;
        for dist in [&told, &untold] {
            let head = shop.head(&dist.path("root/pypi")).await.is(200);
            assert_eq!((head.header("content-length"), head.header("accept-ranges")), (dist.bytes.len().to_string().as_str(), "bytes"));
            assert!(upstream.seen(&file_path(dist)).iter().all(|seen| seen.method == "HEAD"));
        }
        assert_eq!(upstream.asked(&file_path(&told)), 0, "its page said how large it is");
        let known = format!("\"{}\"", told.sha256());
        shop.get(&told.path("root/pypi")).header("if-none-match", &known).await.is(304);
        assert_eq!(upstream.asked(&file_path(&told)), 0, "what a client has need not be fetched");
    }

    async fn a_file_of_unknown_length_is_whole(engine: Engine) {
        let wheel = Dist::large_wheel("app", "1.0", 400_000);
        let (shop, upstream) = mirrored(engine, &[], &[Item { size: false, ..Item::new(&wheel) }]).await;
        upstream.set_mode(&file_path(&wheel), Mode::NoLength);
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).body, wheel.bytes);
        shop.settled().await;
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).header("content-length"), wheel.bytes.len().to_string());
    }

    async fn a_mirror_may_send_clients_to_upstream(engine: Engine) {
        let wheel = Dist::wheel("app", "1.0");
        let (shop, upstream) = mirrored(engine, &["mirror_use_external_urls=true"], &[Item::new(&wheel)]).await;
        let sent = shop.get(&wheel.path("alice/dev")).await.is(302);
        assert_eq!(sent.location(), format!("{}{}", upstream.root(), file_path(&wheel)));
        assert_eq!(shop.head(&wheel.path("alice/dev")).await.is(200).get("location"), None, "HEAD never redirects");
        assert_eq!(upstream.asked(&file_path(&wheel)), 0);
        shop.set("root/pypi", &["mirror_use_external_urls=false"]).await;
        shop.get(&wheel.path("alice/dev")).await.is(200);
        shop.settled().await;
        shop.set("root/pypi", &["mirror_use_external_urls=true"]).await;
        assert_eq!(shop.get(&wheel.path("alice/dev")).await.is(200).body, wheel.bytes, "what is kept is served");
    }

    async fn files_are_followed_over_redirects(engine: Engine) {
        let (here, there) = (Dist::wheel("app", "1.0"), Dist::wheel("app", "2.0"));
        let (shop, upstream) = mirrored(engine, &[], &[Item::new(&here), Item::new(&there)]).await;
        let elsewhere = FakeUpstream::start().await;
        elsewhere.add(Item::new(&there));
        upstream.add(Item::new(&here.clone().named("real.whl")));
        upstream.set_mode(&file_path(&here), Mode::Redirect("/files/real.whl".into()));
        upstream.set_mode(&file_path(&there), Mode::Redirect(format!("{}{}", elsewhere.root(), file_path(&there))));
        for dist in [&here, &there] {
            let answer = shop.get(&dist.path("root/pypi")).await.is(200);
            assert_eq!((answer.body.as_ref(), answer.get("location")), (dist.bytes.as_slice(), None));
        }
    }

    async fn a_file_that_upstream_replaces_is_another_file(engine: Engine) {
        let (old, new) = (Dist::wheel("app", "1.0"), Dist::wheel("app", "1.0").rebuilt());
        let (shop, upstream) = mirrored(engine, &["mirror_cache_expiry=60"], &[Item::new(&old)]).await;
        assert_eq!(shop.get(&old.path("root/pypi")).await.is(200).body, old.bytes);
        shop.settled().await;
        upstream.change("app", &old.filename, |item| item.dist = new.clone());
        shop.clock.advance(std::time::Duration::from_secs(60));
        assert_eq!(shop.page("root/pypi", "app").await.link(&new.filename).path, new.path("root/pypi"));
        assert_eq!(shop.get(&new.path("root/pypi")).await.is(200).body, new.bytes);
    }
}
