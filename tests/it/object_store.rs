//! Everything over an object store: what works on a folder works there, and when the store fails nobody is told lies.

use super::import_devpi::import;
use super::support::dist::{sha256, zip_of};
use super::support::shop::{Objects, Options};
use super::support::upstream::Metadata;
use super::support::{Dist, Engine, FakeUpstream, FlakyStore, Form, Item, Op, Shop, Trouble, both};
use axum::http::Method;
use cheeseshop::blobs::Adopt;
use cheeseshop::http::delivery::Delivery;
use cheeseshop::index::settings::UploadChecks;
use cheeseshop::limits::{OBJECT_LINK_BYTES_MIN, STORE_TRY_EVERY};
use cheeseshop::moving::progress::Progress;
use cheeseshop::moving::{export_devpi, import_devpi, import_folder};
use cheeseshop::names::IndexPath;
use serde_json::json;

async fn over(engine: Engine) -> (Shop, FlakyStore) {
    let store = FlakyStore::default();
    let shop = Shop::with(engine, Options::over(&store)).await;
    shop.stage("alice/dev", &["volatile=true"]).await;
    (shop, store)
}

both! {
    async fn an_upload_is_there_on_every_node(engine: Engine) {
        let (shop, store) = over(engine).await;
        let wheel = Dist::large_wheel("app", "1.0", 700_000);
        shop.upload("alice/dev", &wheel).await.is(200);
        for node in [&shop, &shop.another().await] {
            let path = node.page("alice/dev", "app").await.link(&wheel.filename).path;
            let file = node.get(&path).await.is(200);
            assert_eq!(file.body, wheel.bytes);
            assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(node.get(&path).header("if-none-match", file.header("etag")).await.is(304).body, "");
            assert_eq!(node.get(&path).header("range", "bytes=-10").await.is(206).body, wheel.bytes[wheel.bytes.len() - 10..]);
            assert_eq!(node.get(&path).header("range", "bytes=300000-300009").await.is(206).body, wheel.bytes[300_000..300_010]);
            assert_eq!(node.head(&path).await.is(200).header("content-length"), wheel.bytes.len().to_string());
            let metadata = node.get(&format!("{path}.metadata")).await.is(200);
            assert!(metadata.text().contains("Name: app"), "{}", metadata.text());
        }
        let digest = wheel.sha256();
        assert!(store.keys().await.contains(&format!("shop/{}/{}/{digest}", &digest[..2], &digest[2..4])));
        assert_eq!(shop.stored().await.2, Vec::<String>::new(), "no spool file is left");
    }

    async fn a_mirrored_file_is_kept_there_and_its_metadata_read_from_there(engine: Engine) {
        let (shop, store) = over(engine).await;
        let upstream = FakeUpstream::start().await;
        let wheel = Dist::large_wheel("six", "1.0", 600_000);
        upstream.add(Item { metadata: Metadata::None, ..Item::new(&wheel) });
        shop.mirror("root/pypi", &upstream, &[]).await;
        let path = shop.page("root/pypi", "six").await.link(&wheel.filename).path;
        assert_eq!(shop.get(&path).await.is(200).body, wheel.bytes);
        shop.settled().await;
        let offline = Options { rules: Options::offline().rules, ..Options::over(&store) };
        let shop = shop.restarted(offline).await;
        assert_eq!(shop.get(&path).await.is(200).body, wheel.bytes);
        assert!(shop.get(&format!("{path}.metadata")).await.is(200).text().contains("Name: six"));
    }

    async fn a_store_that_fails_is_not_taken_for_a_wheel_without_metadata(engine: Engine) {
        let (shop, store) = over(engine).await;
        let upstream = FakeUpstream::start().await;
        let wheel = Dist::wheel("six", "1.0");
        upstream.add(Item { metadata: Metadata::None, ..Item::new(&wheel) });
        shop.mirror("root/pypi", &upstream, &[]).await;
        let path = shop.page("root/pypi", "six").await.link(&wheel.filename).path;
        shop.get(&path).await.is(200);
        shop.settled().await;
        store.plan(Op::Get, 0, Trouble::Fails);
        shop.get(&format!("{path}.metadata")).await.is(503);
        assert!(shop.get(&format!("{path}.metadata")).await.is(200).text().contains("Name: six"));
    }

    async fn a_release_is_pushed_without_being_copied(engine: Engine) {
        let (shop, store) = over(engine).await;
        let upstream = FakeUpstream::start().await;
        upstream.add(Item::new(&Dist::wheel("six", "1.0")));
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.stage("alice/prod", &["bases=root/pypi"]).await;
        let wheel = shop.publish("alice/dev", "app", "1.0").await;
        let push = |from: &str, name: &str| {
            let body = json!({"name": name, "version": "1.0", "targetindex": "alice/prod"});
            shop.ask(Method::from_bytes(b"PUSH").unwrap(), &format!("/{from}")).body(body.to_string()).by("alice")
        };
        let before = store.asked(Op::Put);
        push("alice/dev", "app").await.is(200);
        assert_eq!(store.asked(Op::Put), before);
        assert_eq!(shop.get(&wheel.path("alice/prod")).await.is(200).body, wheel.bytes);
        push("root/pypi", "six").await.is(200);
        assert!(shop.get(&format!("{}.metadata", Dist::wheel("six", "1.0").path("alice/prod"))).await.is(200).text().contains("six"));
    }

    async fn documentation_is_read_out_of_the_archive_there(engine: Engine) {
        let (shop, store) = over(engine).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let big = "text ".repeat(200_000);
        let zip = zip_of(&[("index.html", b"<h1>first</h1>"), ("big.txt", big.as_bytes())]);
        shop.send("/alice/dev/", &Form::docs("app", Some("1.0"), &zip)).by("alice").await.is(200);
        assert_eq!(shop.get("/alice/dev/app/1.0/+doc/").await.is(200).text(), "<h1>first</h1>");
        assert_eq!(shop.get("/alice/dev/app/1.0/+doc/big.txt").await.is(200).text(), big);
        let digest = sha256(&zip);
        let archive = format!("/alice/dev/+f/{}/{}/app-1.0.doc.zip", &digest[..3], &digest[3..16]);
        assert_eq!(shop.get(&archive).await.is(200).body, zip);
        let shop = shop.another().await;
        store.down(true);
        shop.get("/alice/dev/app/1.0/+doc/").await.is(503);
        store.down(false);
        shop.get("/alice/dev/app/1.0/+doc/").await.is(200);
    }

    async fn what_is_moved_out_of_one_store_comes_into_another(engine: Engine) {
        let (shop, _) = over(engine).await;
        shop.user("root").await;
        let wheel = shop.publish("alice/dev", "app", "1.0").await;
        let folder = tempfile::tempdir().unwrap();
        let out = export_devpi::Options { folder: folder.path().join("out"), adopt: Adopt::Link, mirrored: true };
        export_devpi::export(shop.core(), &out, Progress::silent()).await.unwrap();
        let other = Shop::with(engine, Options::over(&FlakyStore::default())).await;
        let back = import_devpi::Options { folder: out.folder, adopt: Adopt::Link, checks: UploadChecks::Strict, secretfile: None };
        import(&other, &back).await;
        assert_eq!(other.get(&wheel.path("alice/dev")).await.is(200).body, wheel.bytes);
        let sdist = Dist::sdist("lib", "2.0");
        std::fs::write(folder.path().join(&sdist.filename), &sdist.bytes).unwrap();
        let path = IndexPath::parse("alice/dev").unwrap();
        import_folder::import(other.core(), folder.path(), &path, Progress::silent()).await.unwrap();
        assert_eq!(other.get(&sdist.path("alice/dev")).await.is(200).body, sdist.bytes);
    }

    async fn a_store_that_is_down_is_told_and_keeps_nothing(engine: Engine) {
        let (shop, store) = over(engine).await;
        let wheel = shop.publish("alice/dev", "app", "1.0").await;
        shop.get("/ready").await.is(200);
        let before = shop.stored().await;
        store.down(true);
        shop.clock.advance(STORE_TRY_EVERY);
        for path in [wheel.path("alice/dev"), format!("{}.metadata", wheel.path("alice/dev")), "/ready".into()] {
            let answer = shop.get(&path).await.is(503);
            assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
        }
        assert_eq!(shop.filenames("alice/dev", "app").await, std::slice::from_ref(&wheel.filename), "pages need no store");
        let next = Dist::wheel("app", "2.0");
        shop.upload("alice/dev", &next).await.is(503);
        store.down(false);
        assert_eq!(shop.stored().await, before);
        for op in [Op::Head, Op::Put] {
            store.plan(op, 0, Trouble::Fails);
            shop.upload("alice/dev", &next).await.is(503);
            assert_eq!(shop.filenames("alice/dev", "app").await, std::slice::from_ref(&wheel.filename), "{op:?}");
        }
        shop.upload("alice/dev", &next).await.is(200);
        assert_eq!(shop.get(&next.path("alice/dev")).await.is(200).body, next.bytes);
    }

    async fn a_download_that_breaks_is_resumed_or_breaks_off(engine: Engine) {
        let (shop, store) = over(engine).await;
        let wheel = Dist::large_wheel("app", "1.0", 100_000);
        shop.upload("alice/dev", &wheel).await.is(200);
        let path = wheel.path("alice/dev");
        store.plan(Op::Get, 0, Trouble::Breaks(5000));
        assert_eq!(shop.get(&path).await.is(200).body, wheel.bytes);
        for nth in 0..9 {
            store.plan(Op::Get, nth, Trouble::Ends(5000));
        }
        let answer = shop.get(&path).await;
        assert!(answer.status == 200 && answer.broken, "never a clean end: {answer:?}");
    }

    async fn an_object_that_is_gone_is_what_a_missing_file_is(engine: Engine) {
        let (shop, _) = over(engine).await;
        let wheel = shop.publish("alice/dev", "app", "1.0").await;
        let digest = cheeseshop::pypi::Sha256::parse(&wheel.sha256()).unwrap();
        assert!(shop.core().blobs.delete(&digest).await.unwrap());
        shop.get(&wheel.path("alice/dev")).await.is(500);
    }

    async fn only_whole_downloads_of_those_who_do_well_are_sent_to_the_store(engine: Engine) {
        let store = FlakyStore::default();
        let delivering = |delivery| Options { objects: Objects { store: Some(store.clone()), delivery }, ..Options::default() };
        let shop = Shop::with(engine, delivering(Delivery::Auto)).await;
        shop.stage("alice/dev", &["acl_read=alice"]).await;
        let small = shop.publish("alice/dev", "small", "1.0").await;
        let large = Dist::large_wheel("large", "1.0", usize::try_from(OBJECT_LINK_BYTES_MIN).unwrap());
        shop.upload("alice/dev", &large).await.is(200);
        let get = |shop: &Shop, dist: &Dist, agent: &str| shop.get(&dist.path("alice/dev")).by("alice").header("user-agent", agent);
        let sent = get(&shop, &large, "uv/0.13.8 {}").await.is(302);
        assert_eq!(sent.header("cache-control"), "no-store");
        let digest = large.sha256();
        let link = format!("https://bucket.example/shop/{}/{}/{digest}?method=GET&valid=300", &digest[..2], &digest[2..4]);
        assert_eq!(sent.header("location"), link);
        // Who may not read gets no link.
        shop.get(&large.path("alice/dev")).header("user-agent", "uv/0.13.8").await.is(401);
        get(&shop, &small, "uv/0.13.8").await.is(200);
        for agent in ["pip/26.3 {}", "poetry/2.5.1", "curl/8.0", "xuv/1", ""] {
            assert_eq!(get(&shop, &large, agent).await.is(200).body.len(), large.bytes.len(), "{agent}");
        }
        get(&shop, &large, "uv/0.13.8").header("range", "bytes=0-9").await.is(206);
        shop.head(&large.path("alice/dev")).by("alice").header("user-agent", "uv/0.13.8").await.is(200);
        let etag = format!("\"{digest}\"");
        get(&shop, &large, "uv/0.13.8").header("if-none-match", &etag).await.is(304);
        let shop = shop.restarted(delivering(Delivery::Redirect)).await;
        get(&shop, &small, "curl/8.0").await.is(302);
        get(&shop, &small, "curl/8.0").header("range", "bytes=0-9").await.is(206);
        shop.head(&small.path("alice/dev")).by("alice").await.is(200);
        shop.get(&format!("{}.metadata", small.path("alice/dev"))).by("alice").await.is(200);
    }

    async fn nobody_is_sent_away_from_a_folder(engine: Engine) {
        let objects = Objects { store: None, delivery: Delivery::Redirect };
        let shop = Shop::with(engine, Options { objects, ..Options::default() }).await;
        shop.stage("alice/dev", &[]).await;
        let wheel = shop.publish("alice/dev", "app", "1.0").await;
        assert_eq!(shop.get(&wheel.path("alice/dev")).await.is(200).body, wheel.bytes);
    }
}
