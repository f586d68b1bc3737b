//! A folder of distributions goes into a stage through the ordinary upload.

use super::support::{Dist, Engine, Shop, both};
use cheeseshop::moving::import_folder;
use cheeseshop::moving::progress::Progress;
use cheeseshop::moving::report::Reason;
use cheeseshop::names::IndexPath;

both! {
    async fn sound_files_come_and_others_are_named(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "there", "1.0").await;
        let taken = Dist::wheel("taken", "1.0");
        shop.upload("alice/dev", &taken).await.is(200);
        let folder = tempfile::tempdir().unwrap();
        let (app, lib) = (Dist::wheel("app", "1.0"), Dist::sdist("lib", "2.0"));
        let broken = Dist::wheel_without_metadata("broken", "1.0");
        for (place, dist) in [("", &app), ("deep/", &lib), ("", &Dist::wheel("there", "1.0")), ("", &taken.rebuilt()), ("", &broken)] {
            std::fs::create_dir_all(folder.path().join(place)).unwrap();
            std::fs::write(folder.path().join(place).join(&dist.filename), &dist.bytes).unwrap();
        }
        std::fs::write(folder.path().join("old-1.0-py2.7.egg"), b"egg").unwrap();
        let path = IndexPath::parse("alice/dev").unwrap();
        let report = import_folder::import(shop.core(), folder.path(), &path, Progress::silent()).await.unwrap();
        assert_eq!((report.came.files, report.there.files), (2, 1), "{report:?}");
        let skipped: Vec<_> = report.skipped.iter().map(|skipped| (skipped.reason, skipped.name.as_str())).collect();
        let expected = [
            (Reason::Refused, broken.filename.as_str()),
            (Reason::Refused, "old-1.0-py2.7.egg"),
            (Reason::Conflict, taken.filename.as_str()),
        ];
        assert_eq!(skipped, expected);
        assert_eq!(shop.filenames("alice/dev", "lib").await, [lib.filename]);
        shop.set("alice/dev", &["upload_checks=lenient"]).await;
        let again = import_folder::import(shop.core(), folder.path(), &path, Progress::silent()).await.unwrap();
        assert_eq!((again.came.files, again.there.files, again.skipped.len()), (2, 3, 1), "{again:?}");
        assert_eq!(shop.filenames("alice/dev", "old").await, ["old-1.0-py2.7.egg"]);
    }

    async fn a_place_that_takes_no_files_is_told(engine: Engine) {
        let shop = Shop::start(engine).await;
        let folder = tempfile::tempdir().unwrap();
        let path = IndexPath::parse("alice/dev").unwrap();
        let error = import_folder::import(shop.core(), folder.path(), &path, Progress::silent()).await.unwrap_err();
        assert!(error.to_string().contains("cheeseshop index add alice/dev"), "{error}");
    }
}
