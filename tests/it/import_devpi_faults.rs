//! Exports with something wrong in them, and imports that are cut off: the rest comes, what did not is named, and nothing
//! half-imported is seen.

use super::import_devpi::{dump_for, import};
use super::support::dist::sha256;
use super::support::{Dist, Dump, Engine, Shop, both};
use cheeseshop::blobs::Adopt;
use cheeseshop::clock::Clock;
use cheeseshop::moving::import_devpi;
use cheeseshop::moving::progress::{Progress, Told};
use cheeseshop::moving::report::{Reason, Report};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

async fn dump_with_stage(shop: &Shop) -> Dump {
    let mut dump = dump_for(shop, 2).await;
    dump.config("alice/dev", json!({"type": "stage", "volatile": true, "bases": []}));
    dump
}

fn skipped(report: &Report) -> Vec<(Reason, &str)> {
    report.skipped.iter().map(|skipped| (skipped.reason, skipped.name.as_str())).collect()
}

/// Imports, and is killed after `files` files.
async fn killed_after(shop: &Shop, options: &import_devpi::Options, files: usize) {
    let (reached, count) = (Arc::new(Notify::new()), std::sync::atomic::AtomicUsize::new(0));
    let tell = reached.clone();
    let show = Box::new(move |_: Told<'_>| {
        if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == files {
            tell.notify_one();
        }
    });
    let progress = Progress::new(Clock::System, Duration::ZERO, show);
    let export = import_devpi::read(options).await.unwrap();
    tokio::select! {
        biased;
        () = reached.notified() => {}
        _ = import_devpi::import(Some(shop.core()), options, export, progress) => panic!("it was to be killed"),
    }
}

both! {
    async fn what_is_no_export_changes_nothing(engine: Engine) {
        let shop = Shop::start(engine).await;
        let dump = dump_with_stage(&shop).await;
        let (before, whole) = (shop.stored().await, dump.index.to_string());
        let future = whole.replace(r#""dumpversion":"2""#, r#""dumpversion":"4""#);
        let unnamed = whole.replace(r#""dumpversion":"2""#, r#""version":"2""#);
        for (text, told) in [
            (&whole[..whole.len() - 2], "broken"),
            (future.as_str(), "dump version 4; this program reads 1 to 3"),
            (unnamed.as_str(), "no dumpversion"),
            ("", "broken"),
        ] {
            let options = dump.write_text(text);
            let error = import_devpi::read(&options).await.unwrap_err();
            assert!(format!("{error:#}").contains(told), "{error:#}");
            assert_eq!(shop.stored().await, before, "{told}");
        }
        std::fs::remove_file(dump.path().join("dataindex.json")).unwrap();
        let options = import_devpi::Options { folder: dump.path().to_owned(), ..dump.write() };
        std::fs::remove_file(dump.path().join("dataindex.json")).unwrap();
        let error = import_devpi::read(&options).await.unwrap_err();
        assert!(error.to_string().contains("name the folder that devpi-export wrote"), "{error}");
    }

    async fn wrong_files_are_named_and_the_rest_comes(engine: Engine) {
        let shop = Shop::start(engine).await;
        let mut dump = dump_with_stage(&shop).await;
        let good = Dist::wheel("good", "1.0");
        dump.dist("alice/dev", &good, "good");
        let mapping = |hashes| json!({"entrymapping": {"hashes": hashes}, "version": "1.0"});
        let bytes = b"bytes";
        dump.file("alice/dev", "alice/dev/bad/1.0/sha-1.0.zip", bytes, mapping(json!({"sha256": sha256(b"others")})));
        let both = json!({"sha256": sha256(bytes), "md5": "00000000000000000000000000000000"});
        dump.file("alice/dev", "alice/dev/bad/1.0/md5-1.0.zip", bytes, mapping(both));
        dump.file("alice/dev", "alice/dev/bad/1.0/gone-1.0.zip", bytes, json!({"version": "1.0"}));
        std::fs::remove_file(dump.path().join("alice/dev/bad/1.0/gone-1.0.zip")).unwrap();
        dump.file("alice/dev", "alice/dev/bad/1.0/out-1.0.zip", bytes, json!({"relpath": "../../../etc/hostname", "version": "1.0"}));
        dump.file("alice/dev", "alice/dev/bad/1.0/odd.zip", bytes, json!({"type": "surprise"}));
        dump.file("alice/dev", "alice/dev/bad/x/r.toxresult-1-0", bytes, json!({"type": "toxresult", "version": "1.0",
            "for_entrypath": "alice/dev/+f/aaa/bbb/gone-1.0.zip"}));
        let report = import(&shop, &dump.write()).await;
        let expected = [
            (Reason::Unreadable, "alice/dev/bad/1.0/odd.zip"),
            (Reason::WrongBytes, "alice/dev/bad/1.0/sha-1.0.zip"),
            (Reason::WrongBytes, "alice/dev/bad/1.0/md5-1.0.zip"),
            (Reason::MissingFile, "alice/dev/bad/1.0/gone-1.0.zip"),
            (Reason::Unreadable, "../../../etc/hostname"),
            (Reason::NoPlace, "alice/dev/bad/x/r.toxresult-1-0"),
        ];
        assert_eq!(skipped(&report), expected);
        assert!(report.skipped[2].detail.contains("its md5 is"), "{:?}", report.skipped[2]);
        assert_eq!(shop.filenames("alice/dev", "good").await, [good.filename]);
        shop.get("/alice/dev/+simple/bad/").await.is(404);
    }

    async fn links_that_lead_out_of_the_export_are_not_followed(engine: Engine) {
        let shop = Shop::start(engine).await;
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), b"secret").unwrap();
        for adopt in [Adopt::Copy, Adopt::Link] {
            let mut dump = dump_with_stage(&shop).await;
            let unverified = json!({"version": "1.0", "entrymapping": {}});
            for name in ["out-1.0.zip", "in-1.0.zip", "folder-1.0.zip"] {
                dump.file("alice/dev", &format!("alice/dev/bad/1.0/{name}"), b"bytes", unverified.clone());
                std::fs::remove_file(dump.path().join("alice/dev/bad/1.0").join(name)).unwrap();
            }
            let at = |name: &str| dump.path().join("alice/dev/bad/1.0").join(name);
            std::os::unix::fs::symlink(outside.path().join("secret"), at("out-1.0.zip")).unwrap();
            std::fs::write(at("plain"), b"inside").unwrap();
            std::os::unix::fs::symlink("plain", at("in-1.0.zip")).unwrap();
            std::fs::create_dir(at("folder-1.0.zip")).unwrap();
            let report = import(&shop, &import_devpi::Options { adopt, ..dump.write() }).await;
            let expected = [
                (Reason::Unreadable, "alice/dev/bad/1.0/out-1.0.zip"),
                (Reason::MissingFile, "alice/dev/bad/1.0/folder-1.0.zip"),
            ];
            assert_eq!(skipped(&report), expected);
            assert_eq!(shop.filenames("alice/dev", "bad").await, ["in-1.0.zip"]);
        }
    }

    async fn versions_that_no_upload_may_have_are_left_out(engine: Engine) {
        let shop = Shop::start(engine).await;
        let mut dump = dump_with_stage(&shop).await;
        for version in ["../../../../out", "..", "1<b>", "1\u{0}2"] {
            dump.release("alice/dev", "app", version, json!({}));
            dump.file("alice/dev", "alice/dev/app/x/app-1.doc.zip", b"docs", json!({"type": "doczip", "version": version}));
            dump.file("alice/dev", "alice/dev/app/x/app-1.zip", b"bytes", json!({"version": version}));
        }
        dump.release("alice/dev", "app", "1.0", json!({"summary": "with\u{0}nul"}));
        dump.index["users"]["alice"]["title"] = json!("A\u{0}lice");
        let report = import(&shop, &dump.write()).await;
        let versions = shop.get("/alice/dev/app").accept("application/json").await.is(200).json();
        assert_eq!(versions["result"].as_object().unwrap().keys().collect::<Vec<_>>(), ["1.0", "1\u{fffd}2"]);
        assert_eq!(versions["result"]["1.0"]["summary"], "with\u{fffd}nul");
        let count = |reason| report.skipped.iter().filter(|skipped| skipped.reason == reason).count();
        assert_eq!((count(Reason::Name), count(Reason::NoPlace)), (3, 6), "{:?}", report.skipped);
    }

    async fn what_has_no_place_here_is_skipped_with_all_it_holds(engine: Engine) {
        let shop = Shop::start(engine).await;
        let mut dump = dump_with_stage(&shop).await;
        dump.index["users"]["simple"] = json!({"username": "simple"});
        dump.index["users"]["old"] = json!({"username": "old", "pwhash": "abc", "pwsalt": "def"});
        let dear = "$argon2id$v=19$m=4194304,t=2,p=1$bm9ib2R5J3Mgc2FsdA$6tkWbQXcVYcRvJF6m4lYkdo1iPvLvMxL7xuVkGdJdCI";
        dump.index["users"]["dear"] = json!({"username": "dear", "pwhash": dear});
        dump.config("simple/dev", json!({"type": "stage"}));
        dump.config("alice/odd", json!({"type": "constrained"}));
        dump.config("old/dev", json!({"type": "stage", "bases": ["alice/odd", "alice/dev"]}));
        let dist = Dist::wheel("app", "1.0");
        for index in ["simple/dev", "alice/odd", "old/dev"] {
            dump.dist(index, &dist, "app");
        }
        let report = import(&shop, &dump.write()).await;
        let names = |reason| skipped(&report).into_iter().filter(|(r, _)| *r == reason).map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names(Reason::Name), ["index simple/dev", "user simple"]);
        assert_eq!(names(Reason::IndexType), ["index alice/odd"]);
        assert_eq!(names(Reason::NoIndex).len(), 2);
        assert_eq!(shop.filenames("old/dev", "app").await, [dist.filename]);
        assert!(report.warnings.iter().any(|text| text.contains("base alice/odd is not in the export")), "{:?}", report.warnings);
        assert!(report.next.iter().any(|text| text.contains("cheeseshop user passwd old")), "{:?}", report.next);
        assert!(report.next.iter().any(|text| text.contains("cheeseshop user passwd dear")), "{:?}", report.next);
        let login = json!({"user": "old", "password": ""}).to_string();
        shop.post("/+login").body(login).await.is(401);
    }

    async fn tokens_that_end_are_named(engine: Engine) {
        let shop = Shop::start(engine).await;
        let mut dump = dump_with_stage(&shop).await;
        dump.index["users"]["alice"]["tokens"] = json!({"abcd": {"key": "c2FsdA", "restrictions": ["allowed=pkg_read"]}});
        let report = import(&shop, &dump.write()).await;
        assert!(report.next.iter().any(|text| text.contains("tokens of alice no longer work") && text.contains("abcd")), "{:?}", report.next);
    }

    async fn an_import_that_is_killed_shows_nothing_and_goes_on(engine: Engine) {
        let shop = Shop::start(engine).await;
        let mut dump = dump_with_stage(&shop).await;
        let dists: Vec<Dist> = ["one", "two", "three", "four"].iter().map(|name| Dist::wheel(name, "1.0")).collect();
        for dist in &dists {
            dump.dist("alice/dev", dist, &dist.name);
        }
        let options = dump.write();
        for files in [1, 3] {
            killed_after(&shop, &options, files).await;
            let other = shop.another().await;
            other.get("/alice/dev/+simple/").await.is(404);
            other.get("/alice/dev/+simple/one/").await.is(404);
            other.get(&dists[0].path("alice/dev")).await.is(404);
            assert!(other.get("/alice").accept("application/json").await.is(200).json()["result"]["indexes"].as_object().unwrap().is_empty());
        }
        let report = import(&shop, &options).await;
        assert!(report.there.files >= 1 && report.came.files + report.there.files == 4, "{report:?}");
        for dist in &dists {
            assert_eq!(shop.filenames("alice/dev", &dist.name).await, [dist.filename.as_str()]);
        }
        let made = shop.journal().await.into_iter().filter(|entry| entry.action == "index-add").count();
        assert_eq!(made, 1);
    }

    async fn versions_that_are_one_here_become_one(engine: Engine) {
        let shop = Shop::start(engine).await;
        let mut dump = dump_with_stage(&shop).await;
        dump.dist("alice/dev", &Dist::wheel("app", "1.0"), "app");
        dump.dist("alice/dev", &Dist::sdist("app", "1.0.0"), "app");
        let report = import(&shop, &dump.write()).await;
        assert_eq!(report.warnings, ["alice/dev app: the versions 1.0 and 1.0.0 are one release here"]);
        assert_eq!((report.came.releases, report.came.files), (1, 2));
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 2);
    }

    async fn other_orders_of_devpi_7_are_told(engine: Engine) {
        let shop = Shop::start(engine).await;
        let mut dump = dump_for(&shop, 3).await;
        for (name, bases) in [("top", json!(["alice/left", "alice/right"])), ("left", json!(["alice/deep"])), ("right", json!([])), ("deep", json!([]))] {
            dump.config(&format!("alice/{name}"), json!({"type": "local", "bases": bases}));
        }
        let report = import(&shop, &dump.write()).await;
        let told: Vec<&String> = report.warnings.iter().filter(|text| text.contains("breadth first")).collect();
        assert!(told.len() == 1 && told[0].starts_with("index alice/top:"), "{told:?}");
    }
}
