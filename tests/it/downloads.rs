//! What counts as a download, and that it is counted.

use super::support::{Dist, Engine, FakeUpstream, Item, Shop, both};
use cheeseshop::db;
use cheeseshop::index::downloads;
use cheeseshop::names::IndexPath;
use cheeseshop::pypi::ProjectName;
use std::time::Duration;

/// The counts of a file by day, the newest first.
async fn counts(shop: &Shop, index: &str, dist: &Dist) -> Vec<i64> {
    shop.settled().await;
    downloads::flush(shop.core()).await.unwrap();
    let id = shop.core().tree.load().at(&IndexPath::parse(index).unwrap()).unwrap().index.id;
    let mut c = shop.core().db.read().await.unwrap();
    let project = db::projects::by_name(&mut c, id, &ProjectName::parse("app").unwrap()).await.unwrap().unwrap();
    let file = db::files::by_name(&mut c, project.id, &dist.filename).await.unwrap().unwrap();
    let rows = db::downloads::of_file(&mut c, file.id).await.unwrap();
    rows.into_iter().map(|(_, count)| count).collect()
}

both! {
    async fn an_answer_with_a_files_beginning_counts(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("bob/above", &["bases=alice/dev"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let path = dist.path("alice/dev");
        assert!(counts(&shop, "alice/dev", &dist).await.is_empty());
        shop.get(&path).await.is(200);
        shop.get(&path).header("range", "bytes=0-99").await.is(206);
        shop.get(&dist.path("bob/above")).await.is(200);
        assert_eq!(counts(&shop, "alice/dev", &dist).await, [3], "wherever it was asked for, it is this file");
        shop.clock.advance(Duration::from_secs(86_400));
        shop.get(&path).await.is(200);
        assert_eq!(counts(&shop, "alice/dev", &dist).await, [1, 3]);
    }

    async fn nothing_else_does(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let path = dist.path("alice/dev");
        shop.head(&path).await.is(200);
        shop.get(&path).header("if-none-match", &format!("\"{}\"", dist.sha256())).await.is(304);
        shop.get(&path).header("range", "bytes=100-199").await.is(206);
        shop.get(&path).header("range", "bytes=99999999-").await.is(416);
        shop.get(&format!("{path}.metadata")).await.is(200);
        shop.get(&dist.path("alice/other")).await.is(404);
        assert!(counts(&shop, "alice/dev", &dist).await.is_empty());
    }

    async fn a_mirrors_files_count_from_the_first_on(engine: Engine) {
        let (shop, upstream, dist) = (Shop::start(engine).await, FakeUpstream::start().await, Dist::wheel("app", "1.0"));
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&dist));
        for _ in 0..3 {
            shop.get(&dist.path("root/pypi")).await.is(200);
        }
        assert_eq!(counts(&shop, "root/pypi", &dist).await, [3]);
    }

    async fn what_could_not_be_written_is_counted_later(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        shop.get(&dist.path("alice/dev")).await.is(200);
        shop.sabotage("ALTER TABLE downloads RENAME TO elsewhere").await;
        assert!(downloads::flush(shop.core()).await.is_err());
        shop.sabotage("ALTER TABLE elsewhere RENAME TO downloads").await;
        shop.get(&dist.path("alice/dev")).await.is(200);
        assert_eq!(counts(&shop, "alice/dev", &dist).await, [2]);
    }
}
