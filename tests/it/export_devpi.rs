//! A server is written as a devpi export, and the export moves in again: nothing that devpi has a word for is lost.

use super::import_devpi::import;
use super::support::shop::Options as ShopOptions;
use super::support::{Dist, Engine, FakeUpstream, Item, Shop, both};
use cheeseshop::blobs::Adopt;
use cheeseshop::index::settings::UploadChecks;
use cheeseshop::moving::export_devpi::{self, Options};
use cheeseshop::moving::import_devpi;
use cheeseshop::moving::progress::Progress;
use cheeseshop::moving::report::Report;
use serde_json::Value;
use std::path::Path;

async fn export(shop: &Shop, folder: &Path, adopt: Adopt) -> Report {
    let options = Options { folder: folder.to_owned(), adopt, mirrored: true };
    export_devpi::export(shop.core(), &options, Progress::silent()).await.unwrap()
}

fn back(folder: &Path) -> import_devpi::Options {
    let folder = folder.to_owned();
    import_devpi::Options { folder, adopt: Adopt::Copy, checks: UploadChecks::Strict, secretfile: None }
}

/// What anybody may ask of a server, without the addresses and dates of its own.
async fn answers(shop: &Shop) -> Vec<Value> {
    let mut answers = Vec::new();
    for path in ["/alice", "/alice/dev", "/alice/dev/my-app", "/alice/dev/my-app/1.0", "/bob/prod?no_projects="] {
        answers.push(shop.get(path).accept("application/json").await.is(200).json());
    }
    let mut page = shop.page("alice/dev", "my-app").await.json();
    page["meta"] = Value::Null;
    answers.push(page);
    answers
}

both! {
    async fn what_goes_out_comes_in_again(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        shop.stage("bob/prod", &["volatile=false", "title=Prod", "custom_data=x"]).await;
        shop.stage("alice/dev", &["volatile=true", "bases=bob/prod", "acl_upload=alice,bob", "mirror_whitelist=*"]).await;
        let dist = shop.publish("alice/dev", "My.App", "1.0").await;
        shop.upload("alice/dev", &Dist::sdist("My.App", "1.0")).await.is(200);
        shop.post(&dist.path("alice/dev")).header("content-type", "application/json").body("{\"testenvs\": {}}").await.is(200);
        let folder = tempfile::tempdir().unwrap();
        let report = export(&shop, &folder.path().join("new"), Adopt::Copy).await;
        assert_eq!((report.came.users, report.came.indexes, report.came.files, report.came.results), (3, 2, 2, 1));
        let other = Shop::start(engine).await;
        let imported = import(&other, &back(&folder.path().join("new"))).await;
        assert!(imported.skipped.is_empty(), "{:?}", imported.skipped);
        assert_eq!((imported.came.bytes, imported.came.releases), (report.came.bytes, report.came.releases));
        assert_eq!(answers(&other).await, answers(&shop).await);
        // Passwords, too.
        other.publish("alice/dev", "new", "1.0").await;
    }

    async fn kept_files_of_mirrors_go_along(engine: Engine) {
        let upstream = FakeUpstream::start().await;
        let dist = Dist::wheel("six", "1.0");
        upstream.add(Item::new(&dist));
        let shop = Shop::start(engine).await;
        shop.mirror("root/pypi", &upstream, &[]).await;
        let link = shop.page("root/pypi", "six").await.link(&dist.filename);
        shop.get(&link.path).await.is(200);
        shop.settled().await;
        let folder = tempfile::tempdir().unwrap();
        let report = export(&shop, &folder.path().join("new"), Adopt::Link).await;
        assert_eq!(report.came.mirrored, 1);
        let other = Shop::with(engine, ShopOptions::offline()).await;
        assert_eq!(import(&other, &back(&folder.path().join("new"))).await.came.mirrored, 1);
        let link = other.page("root/pypi", "six").await.link(&dist.filename);
        assert_eq!(other.get(&link.path).await.is(200).body, dist.bytes);
    }

    async fn what_devpi_has_no_word_for_is_told(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        let folder = tempfile::tempdir().unwrap();
        let report = export(&shop, folder.path(), Adopt::Copy).await;
        assert!(report.warnings.iter().any(|text| text.contains("alice/shut") && text.contains("EVERYBODY")), "{:?}", report.warnings);
        let options = Options { folder: folder.path().to_owned(), adopt: Adopt::Copy, mirrored: false };
        let error = export_devpi::export(shop.core(), &options, Progress::silent()).await.unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
    }
}
