//! Everything moves, from each engine to each, and nothing can be told from what it was.

use super::support::full::{self, Filled};
use super::support::shop::Options as ShopOptions;
use super::support::{Dist, Engine, Shop};
use cheeseshop::blobs::Adopt;
use cheeseshop::db;
use cheeseshop::moving::house::{export, import};
use cheeseshop::moving::progress::Progress;
use cheeseshop::moving::report::Report;
use std::path::Path;

pub async fn export(shop: &Shop, folder: &Path, blobs: bool) -> anyhow::Result<Report> {
    let options = export::Options { folder: folder.to_owned(), adopt: Adopt::Copy, blobs };
    export::export(shop.core(), &options, Progress::silent()).await
}

pub async fn import(shop: &Shop, folder: &Path) -> anyhow::Result<Report> {
    let options = import::Options { folder: folder.to_owned(), adopt: Adopt::Copy };
    let export = import::read(&options)?;
    import::import(shop.core(), &options, &export, Progress::silent()).await
}

/// An empty server, without an upstream to ask.
pub async fn empty(engine: Engine) -> Shop {
    Shop::with(engine, ShopOptions { untouched: true, ..ShopOptions::offline() }).await
}

/// Moves a filled shop and looks at what came.
async fn moved(from: Engine, to: Engine) {
    let filled = full::fill(from).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("export");
    let out = export(&filled.shop, &folder, true).await.unwrap();
    let target = empty(to).await;
    let came = import(&target, &folder).await.unwrap();
    assert_eq!((came.came, came.there.blobs), (out.came, 0));
    assert_eq!((out.came.users, out.came.indexes, out.came.attachments), (3, 3, 2));
    let (before, after) = (full::rows(&filled.shop).await, full::rows(&target).await);
    for (table, rows) in &before {
        assert!(rows.len() > 1, "nothing is in {table}, so nothing was shown");
        assert_eq!(&after[table], rows, "{table}");
    }
    // As a server that starts on it.
    let target = target.another().await;
    filled.is_all_in(&target).await;
    goes_on(&filled, &target).await;
}

/// What is published next gets the numbers that it would have got.
async fn goes_on(filled: &Filled, target: &Shop) {
    let serial = |shop: &Shop| {
        let db = shop.core().db.clone();
        async move { db::journal::last(&mut db.read().await.unwrap()).await.unwrap() }
    };
    let (old, new) = (serial(&filled.shop).await, serial(target).await);
    assert_eq!(old, new);
    let dist = Dist::wheel("My.App", "2.0");
    for shop in [&filled.shop, target] {
        shop.upload("alice/dev", &dist).await.is(200);
        shop.user("carol").await;
        shop.stage("carol/dev", &[]).await;
        shop.publish("carol/dev", "app", "1.0").await;
    }
    assert!(serial(target).await > new);
    assert_eq!(serial(target).await, serial(&filled.shop).await);
    let ids = async |shop: &Shop| {
        let mut c = shop.core().db.read().await.unwrap();
        let mut ids = Vec::new();
        for name in db::dump::TABLES {
            let table = db::dump::table(&mut c, name).await.unwrap();
            ids.push((*name, db::dump::last_id(&mut c, &table).await.unwrap()));
        }
        ids
    };
    assert_eq!(ids(target).await, ids(&filled.shop).await);
    let page = target.page("alice/dev", "my-app").await;
    assert_eq!(target.get(&page.link(&dist.filename).path).await.is(200).body, dist.bytes);
}

macro_rules! moves {
    ($($name:ident: $from:ident $to:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            moved(Engine::$from, Engine::$to).await
        })+
    };
}

moves! {
    sqlite_to_sqlite: Sqlite Sqlite,
    sqlite_to_postgres: Sqlite Postgres,
    postgres_to_sqlite: Postgres Sqlite,
    postgres_to_postgres: Postgres Postgres
}

/// What was changed while the export ran is in it whole or not at all; here, not at all: the rows are of the first statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_of_one_moment() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let filled = full::fill(engine).await;
        let mut c = filled.shop.core().db.snapshot().await.unwrap();
        let before = db::journal::last(&mut c).await.unwrap();
        filled.shop.publish("alice/dev", "later", "1.0").await;
        assert_eq!(db::journal::last(&mut c).await.unwrap(), before, "{engine:?}");
        drop(c);
        assert!(db::journal::last(&mut filled.shop.core().db.read().await.unwrap()).await.unwrap() > before);
    }
}

/// Blobs that stay where they are: a second database over the same store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_move_alone_where_the_store_is_shared() {
    let filled = full::fill(Engine::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let out = export(&filled.shop, folder.path(), false).await.unwrap();
    assert_eq!(out.came.blobs, 0);
    assert!(!folder.path().join("blobs").exists());
    let other = empty(Engine::Sqlite).await;
    let error = import(&other, folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("neither in the export nor in this server's store"), "{error}");
    let copied = std::process::Command::new("cp").arg("-r").arg(filled.shop.folder().join("blobs")).arg(other.folder()).status();
    assert!(copied.unwrap().success());
    let came = import(&other, folder.path()).await.unwrap();
    assert!(came.came.blobs == 0 && came.there.blobs > 5, "{came:?}");
    filled.is_all_in(&other.another().await).await;
}
