//! `/ready` notices when the store of files cannot be used, and costs it next to nothing however often it is asked.

use super::support::shop::{Options, Shop};
use super::support::{Dist, Engine, FlakyStore, Op, both};
use cheeseshop::limits::STORE_TRY_EVERY;
use std::fs;

both! {
    async fn a_folder_that_is_gone_is_noticed_and_nothing_is_taken_for_lost(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let wheel = shop.publish("alice/dev", "app", "1.0").await;
        shop.get("/ready").await.is(200);
        let (blobs, away) = (shop.folder().join("blobs"), shop.folder().join("away"));
        fs::rename(&blobs, &away).unwrap();
        // As a disk that is not mounted.
        fs::create_dir(&blobs).unwrap();
        shop.get("/ready").await.is(200);
        shop.clock.advance(STORE_TRY_EVERY);
        let told = shop.get("/ready").await.is(503);
        assert!(told.header("retry-after").parse::<u64>().unwrap() > 0);
        assert!(!told.text().contains(blobs.to_str().unwrap()), "{}", told.text());
        shop.page("alice/dev", "app").await;
        for ask in [shop.get(&wheel.path("alice/dev")), shop.upload("alice/dev", &Dist::wheel("app", "2.0"))] {
            ask.await.is(503).header("retry-after");
        }
        fs::remove_dir(&blobs).unwrap();
        fs::rename(&away, &blobs).unwrap();
        shop.get("/ready").await.is(503);
        shop.clock.advance(STORE_TRY_EVERY);
        shop.get("/ready").await.is(200);
        assert_eq!(shop.get(&wheel.path("alice/dev")).await.is(200).body, wheel.bytes);
        shop.publish("alice/dev", "app", "2.0").await;
        shop.is_sound().await;
    }
}

#[tokio::test]
async fn a_bucket_is_asked_once_for_all_who_ask() {
    let store = FlakyStore::default();
    let shop = Shop::with(Engine::Sqlite, Options::over(&store)).await;
    let before = store.asked(Op::List);
    let all = futures_util::future::join_all((0..50).map(|_| shop.get("/ready").into_future()));
    for answer in all.await {
        answer.is(200);
    }
    assert_eq!(store.asked(Op::List) - before, 1);
    shop.clock.advance(STORE_TRY_EVERY);
    store.down(true);
    for _ in 0..3 {
        shop.get("/ready").await.is(503);
    }
    assert_eq!(store.asked(Op::List) - before, 2);
}
