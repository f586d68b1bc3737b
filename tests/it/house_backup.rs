//! The backup of the embedded default: of one moment while others write, incremental, never half, and a data folder to start on.

use super::support::full::{self, Filled};
use super::support::{Dist, Engine, Shop};
use cheeseshop::index::access::Caller;
use cheeseshop::index::admin;
use cheeseshop::moving::house::backup::{self, Options};
use cheeseshop::moving::progress::Progress;
use cheeseshop::moving::report::Report;
use cheeseshop::names::IndexPath;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

async fn backup(shop: &Shop, folder: &Path) -> anyhow::Result<Report> {
    let options = Options { folder: folder.to_owned(), data_dir: shop.folder().to_owned() };
    backup::backup(shop.core(), &options, Progress::silent()).await
}

/// A server on a copy of the backup.
async fn restored(shop: &Shop, folder: &Path) -> Shop {
    let copy = tempfile::tempdir().unwrap();
    assert!(Command::new("cp").arg("-r").arg(folder.join(".")).arg(copy.path()).status().unwrap().success());
    shop.over(copy).await
}

/// The names of all blobs in a backup.
fn blobs(folder: &Path) -> Vec<String> {
    let below = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let outer = below(&folder.join("blobs")).filter(|path| path.file_name().unwrap().len() == 2);
    let inner = outer.flat_map(|path| below(&path)).flat_map(|path| below(&path));
    let mut names: Vec<String> = inner.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The program on the shop's data.
fn cheeseshop(shop: &Shop, args: &[&str], fault: &str) -> Output {
    let folder = shop.folder().display();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cheeseshop"));
    command.env_clear().env("CHEESESHOP_DATA_DIR", shop.folder()).env("CHEESESHOP_FAULT", fault);
    command.env("CHEESESHOP_DATABASE", format!("sqlite:{folder}/test.db")).args(args);
    command.stdin(Stdio::null()).output().unwrap()
}

async fn filled() -> (Filled, tempfile::TempDir) {
    (full::fill(Engine::Sqlite).await, tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_backup_is_the_server() {
    let (filled, folder) = filled().await;
    let target = folder.path().join("new/backup");
    backup(&filled.shop, &target).await.unwrap();
    let restored = restored(&filled.shop, &target).await;
    assert_eq!(full::rows(&restored).await, full::rows(&filled.shop).await);
    filled.is_all_in(&restored).await;
    restored.publish("alice/dev", "more", "1.0").await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&target).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "password hashes are in it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_backup_copies_what_is_new_and_drops_what_is_gone() {
    let (filled, folder) = filled().await;
    let shop = &filled.shop;
    let first = backup(shop, folder.path()).await.unwrap();
    assert_eq!((first.there.blobs, first.removed.blobs), (0, 0));
    assert_eq!(blobs(folder.path()).len() as u64, first.came.blobs);
    let dist = shop.publish("alice/dev", "more", "1.0").await;
    let second = backup(shop, folder.path()).await.unwrap();
    assert_eq!((second.came.blobs, second.there.blobs), (2, first.came.blobs), "a wheel and its metadata");
    admin::delete(shop.core(), &Caller::system(), &IndexPath::parse("alice/dev").unwrap()).await.unwrap();
    let third = backup(shop, folder.path()).await.unwrap();
    assert!(third.came.blobs == 0 && third.removed.blobs > 4, "{third:?}");
    assert!(!blobs(folder.path()).contains(&dist.sha256()));
    let restored = restored(shop, folder.path()).await;
    assert_eq!(restored.get(&filled.shut.path("alice/shut")).by("alice").await.is(200).body, filled.shut.bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_beside_a_writer_is_of_one_moment() {
    let (filled, folder) = filled().await;
    let done = AtomicBool::new(false);
    let publishing = async {
        let mut published = 0;
        while !done.load(Ordering::SeqCst) {
            let dist = Dist::large_wheel("busy", &format!("1.{published}"), 100_000);
            filled.shop.upload("alice/dev", &dist).await.is(200);
            published += 1;
        }
        published
    };
    let backing_up = async {
        let mut seen = 0;
        for _ in 0..5 {
            backup(&filled.shop, folder.path()).await.unwrap();
            let restored = restored(&filled.shop, folder.path()).await;
            filled.is_all_in(&restored).await;
            let page = restored.get("/alice/dev/+simple/busy/").accept(super::support::JSON).await;
            let links = if page.status == 200 { page.links() } else { Vec::new() };
            assert!(links.len() >= seen, "a later backup has less");
            seen = links.len();
            for link in links {
                assert_eq!(super::support::dist::sha256(&restored.get(&link.path).await.is(200).body), link.sha256.unwrap());
            }
        }
        done.store(true, Ordering::SeqCst);
        seen
    };
    let (published, seen) = tokio::join!(publishing, backing_up);
    assert!(published >= seen && seen > 0, "{published} published, {seen} in the last backup");
}

/// Killed at each of its steps, it leaves the backup before it or the one after it, never a mixture.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_backup_is_a_whole_one() {
    let (filled, folder) = filled().await;
    let shop = &filled.shop;
    let target = folder.path().to_str().unwrap();
    assert!(cheeseshop(shop, &["backup", target], "").status.success());
    let before = full::rows(shop).await;
    shop.publish("alice/dev", "more", "1.0").await;
    admin::delete(shop.core(), &Caller::system(), &IndexPath::parse("root/pypi").unwrap()).await.unwrap();
    let after = full::rows(shop).await;
    for (step, expected) in [("backup-copied", &before), ("backup-placed", &after)] {
        let killed = cheeseshop(shop, &["backup", target], &format!("{step}:kill"));
        assert!(!killed.status.success(), "{step} was passed");
        let restored = restored(shop, folder.path()).await;
        assert_eq!(&full::rows(&restored).await, expected, "{step}");
        assert_eq!(restored.get(&filled.wheel.path("alice/dev")).await.is(200).body, filled.wheel.bytes);
    }
    let last = cheeseshop(shop, &["backup", target], "");
    assert!(last.status.success(), "{last:?}");
    assert_eq!(full::rows(&restored(shop, folder.path()).await).await, after);
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names.collect::<std::collections::BTreeSet<_>>(),
        ["backup.json", "blobs", "cheeseshop.db"].map(String::from).into()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_no_backup_of_this_server_is_left_alone() {
    let (filled, folder) = filled().await;
    let shop = &filled.shop;
    let refused = async |shop: &Shop, path: &Path, reason: &str| {
        let error = backup(shop, path).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    for inside in [shop.folder().to_owned(), shop.folder().join("backup"), shop.folder().join("blobs")] {
        refused(shop, &inside, "in the data folder").await;
    }
    refused(shop, shop.folder().parent().unwrap(), "the data folder in it").await;
    let (full_one, ours) = (folder.path().join("full"), folder.path().join("ours"));
    fs::create_dir(&full_one).unwrap();
    fs::write(full_one.join("thesis.txt"), "years of work").unwrap();
    refused(shop, &full_one, "is not empty").await;
    assert_eq!(fs::read_dir(&full_one).unwrap().count(), 1);
    backup(shop, &ours).await.unwrap();
    let other = full::fill(Engine::Sqlite).await;
    refused(&other.shop, &ours, "another server").await;
    let lock = fs::File::open(ours.join("backup.json")).unwrap();
    lock.lock().unwrap();
    refused(shop, &ours, "another backup").await;
    drop(lock);
    backup(shop, &ours).await.unwrap();
    let url = format!("sqlite:{}", ours.join("cheeseshop.db").display());
    cheeseshop::db::Db::open(&url).await.unwrap().close().await;
    refused(shop, &ours, "a server has run on").await;
    let postgres = full::fill(Engine::Postgres).await;
    refused(&postgres.shop, &folder.path().join("pg"), "pg_dump").await;
    assert!(!folder.path().join("pg").exists());
}

/// A file that the server has lost is no reason to have no backup of the others; what an earlier backup has of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_blobs_are_named_and_the_rest_is_backed_up() {
    let (filled, folder) = filled().await;
    let target = folder.path().join("backup");
    fs::remove_file(filled.shop.blob_file(&filled.wheel.sha256())).unwrap();
    let report = backup(&filled.shop, &target).await.unwrap();
    let names: Vec<&str> = report.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
    assert_eq!(names, [filled.wheel.sha256()]);
    assert!(report.text("backed up").contains("it is not in the store") && !report.next.is_empty());
    assert_eq!(full::rows(&restored(&filled.shop, &target).await).await, full::rows(&filled.shop).await);
    // Found again, backed up, and then lost for good.
    fs::write(filled.shop.blob_file(&filled.wheel.sha256()), &filled.wheel.bytes).unwrap();
    assert_eq!(backup(&filled.shop, &target).await.unwrap().came.blobs, 1);
    fs::remove_file(filled.shop.blob_file(&filled.wheel.sha256())).unwrap();
    assert!(backup(&filled.shop, &target).await.unwrap().skipped.is_empty(), "the backup has it");
    filled.is_all_in(&restored(&filled.shop, &target).await).await;
    // The program says so with its status.
    fs::remove_file(filled.shop.blob_file(&filled.yanked.sha256())).unwrap();
    let other = folder.path().join("other");
    let output = cheeseshop(&filled.shop, &["backup", other.to_str().unwrap()], "");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.code() == Some(1) && said.contains(&filled.yanked.sha256()) && why.contains("(2)"), "{said}{why}");
    assert!(other.join("cheeseshop.db").exists());
}
