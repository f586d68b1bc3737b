//! The doctor: everything that was broken on purpose is named, what can be repaired is, and then all is well.

use super::support::{Dist, Engine, FakeUpstream, Form, Item, JSON, Shop, both};
use cheeseshop::doctor::Weight::{self, Note, Problem, Repaired};
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

/// What is wrong, or was.
async fn problems(shop: &Shop, deep: bool, repair: bool) -> Vec<(Weight, &'static str, String)> {
    let (found, summary) = shop.doctor(deep, repair).await;
    let counted = |weight| found.iter().filter(|(found, ..)| *found == weight).count() as u64;
    assert_eq!((summary.problems, summary.repaired, summary.notes), (counted(Problem), counted(Repaired), counted(Note)));
    let mut problems: Vec<_> = found.into_iter().filter(|(weight, ..)| *weight != Note).collect();
    problems.sort_by(|a, b| (a.1, &a.2).cmp(&(b.1, &b.2)));
    problems
}

/// A finding, as it is told.
fn of(weight: Weight, kind: &'static str, about: impl ToString) -> (Weight, &'static str, String) {
    (weight, kind, about.to_string())
}

/// A stage with a wheel, documentation and a base that does not exist, and a mirror that has kept another wheel.
async fn full(engine: Engine) -> (Shop, FakeUpstream, Dist, Dist) {
    let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
    shop.mirror("root/pypi", &upstream, &[]).await;
    shop.stage("alice/dev", &["bases=root/pypi"]).await;
    let (own, mirrored) = (shop.publish("alice/dev", "own", "1.0").await, Dist::wheel("app", "1.0"));
    let zip = crate::support::dist::zip_of(&[("index.html", b"docs")]);
    shop.send("/alice/dev/", &Form::docs("own", Some("1.0"), &zip)).by("alice").await.is(200);
    upstream.add(Item::new(&mirrored));
    shop.get(&mirrored.path("root/pypi")).await.is(200);
    shop.get(&format!("{}.metadata", mirrored.path("root/pypi"))).await.is(200);
    shop.settled().await;
    (shop, upstream, own, mirrored)
}

/// The blob of a file's metadata.
async fn metadata_of(shop: &Shop, dist: &Dist, index: &str) -> String {
    let answer = shop.get(&format!("{}.metadata", dist.path(index))).await.is(200);
    crate::support::dist::sha256(&answer.body)
}

both! {
    async fn a_sound_server_is_found_sound(engine: Engine) {
        let (shop, ..) = full(engine).await;
        let (found, summary) = shop.doctor(true, true).await;
        assert_eq!((found, summary.blobs), (Vec::new(), 5), "two wheels, their metadata, documentation");
        assert!(summary.bytes > 0);
    }

    async fn a_published_file_whose_bytes_are_gone_is_named_and_never_dropped(engine: Engine) {
        let (shop, _, own, _) = full(engine).await;
        fs::remove_file(shop.blob_file(&own.sha256())).unwrap();
        let wanted = [of(Problem, "missing", format!("alice/dev {}", own.filename))];
        for repair in [false, true, true] {
            assert_eq!(problems(&shop, false, repair).await, wanted, "{repair}");
        }
        assert_eq!(shop.filenames("alice/dev", "own").await, [own.filename.as_str()]);
        shop.upload("alice/dev", &own).await.is(200);
        assert_eq!(problems(&shop, true, false).await, [], "who has the file publishes it again");
    }

    async fn a_cut_file_is_found_and_a_flipped_byte_only_by_reading(engine: Engine) {
        let (shop, _, own, _) = full(engine).await;
        let path = shop.blob_file(&own.sha256());
        let mut bytes = own.bytes.clone();
        bytes[10] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let wanted = [of(Problem, "damaged", format!("alice/dev {}", own.filename))];
        assert_eq!(problems(&shop, false, true).await, []);
        assert_eq!(problems(&shop, true, true).await, wanted);
        fs::write(&path, &own.bytes[..100]).unwrap();
        assert_eq!(problems(&shop, false, true).await, wanted, "bytes that a stage needs stay where they are");
        assert!(path.exists());
        fs::write(&path, &own.bytes).unwrap();
        assert_eq!(problems(&shop, true, false).await, []);
    }

    async fn a_mirrors_file_is_forgotten_and_fetched_again(engine: Engine) {
        let (shop, _upstream, _, mirrored) = full(engine).await;
        let path = shop.blob_file(&mirrored.sha256());
        let about = format!("root/pypi {}", mirrored.filename);
        let mut flipped = mirrored.bytes.clone();
        flipped[10] ^= 1;
        for (kind, broken) in [("missing", None), ("damaged", Some(&flipped[..])), ("damaged", Some(&flipped[..100]))] {
            match broken {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
            assert_eq!(problems(&shop, true, false).await, [of(Problem, kind, &about)]);
            assert_eq!(problems(&shop, true, true).await, [of(Repaired, kind, &about)]);
            assert_eq!(problems(&shop, true, false).await, []);
            assert_eq!(shop.get(&mirrored.path("root/pypi")).await.is(200).body, mirrored.bytes);
            shop.settled().await;
            assert_eq!(fs::read(&path).unwrap(), mirrored.bytes);
        }
    }

    async fn metadata_that_is_gone_is_no_longer_promised_or_learnt_again(engine: Engine) {
        let (shop, _upstream, own, mirrored) = full(engine).await;
        let (ours, theirs) = (metadata_of(&shop, &own, "alice/dev").await, metadata_of(&shop, &mirrored, "root/pypi").await);
        for sha256 in [&ours, &theirs] {
            fs::remove_file(shop.blob_file(sha256)).unwrap();
        }
        let wanted = |weight| [
            of(weight, "missing", format!("alice/dev {}", own.filename)),
            of(weight, "missing", format!("root/pypi {}", mirrored.filename)),
        ];
        assert_eq!(problems(&shop, false, false).await, wanted(Problem));
        assert_eq!(problems(&shop, false, true).await, wanted(Repaired));
        assert_eq!(shop.journal().await.last().unwrap().action, "repair");
        cheeseshop::index::follow::catch_up(shop.core()).await.unwrap();
        let page = shop.page("alice/dev", "own").await.json();
        assert_ne!(page["files"][0]["core-metadata"]["sha256"], serde_json::Value::from(ours));
        shop.get(&format!("{}.metadata", own.path("alice/dev"))).await.is(404);
        assert_eq!(metadata_of(&shop, &mirrored, "root/pypi").await, theirs);
        assert_eq!(problems(&shop, true, false).await, []);
    }

    async fn a_lost_row_of_a_blob_is_made_again(engine: Engine) {
        let (shop, _, own, _) = full(engine).await;
        shop.sabotage("DELETE FROM blobs").await;
        let found = problems(&shop, false, true).await;
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.iter().all(|(weight, kind, _)| (*weight, *kind) == (Repaired, "no-row")), "{found:?}");
        assert_eq!(problems(&shop, true, false).await, []);
        assert_eq!(shop.get(&own.path("alice/dev")).await.is(200).body, own.bytes);
    }

    async fn a_row_that_tells_a_wrong_size_is_corrected(engine: Engine) {
        let (shop, ..) = full(engine).await;
        shop.sabotage("UPDATE blobs SET size = size + 1 WHERE sha256 IN (SELECT sha256 FROM attachments)").await;
        let found = problems(&shop, false, true).await;
        assert_eq!(found.iter().map(|(weight, kind, _)| (*weight, *kind)).collect::<Vec<_>>(), [(Repaired, "blob-size")]);
        assert_eq!(problems(&shop, true, false).await, []);
    }

    async fn what_nothing_knows_is_told_and_marked(engine: Engine) {
        let (shop, ..) = full(engine).await;
        let sha256 = crate::support::dist::sha256(b"stray");
        let path = shop.blob_file(&sha256);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"stray").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_micros(shop.clock.now().0 as u64)).unwrap();
        let (found, summary) = shop.doctor(false, false).await;
        assert_eq!((found.len(), summary.problems, summary.unneeded, summary.unneeded_bytes), (1, 0, 1, 5), "young: {found:?}");
        shop.clock.advance(cheeseshop::limits::GC_GRACE);
        assert_eq!(problems(&shop, false, false).await, [of(Problem, "stray", &sha256)]);
        assert_eq!(problems(&shop, false, true).await, [of(Repaired, "stray", &sha256)]);
        assert_eq!(problems(&shop, false, false).await, []);
        shop.clock.advance(cheeseshop::limits::GC_GRACE);
        assert_eq!(shop.gc(&cheeseshop::jobs::gc::Rules::default()).await.deleted.count, 1);
        assert!(!path.exists());
    }

    async fn rows_that_contradict_one_another_are_named(engine: Engine) {
        let (shop, _, own, _) = full(engine).await;
        let file = format!("alice/dev {}", own.filename);
        for (broken, whole, kind, about) in [
            ("UPDATE projects SET serial = 9999 WHERE name = 'own'", "UPDATE projects SET serial = 1 WHERE name = 'own'", "project-serial", "alice/dev own"),
            ("UPDATE projects SET reserved = TRUE WHERE name = 'own'", "UPDATE projects SET reserved = FALSE", "reserved", "alice/dev own"),
            ("UPDATE files SET added_serial = 9999 WHERE added_serial > 0", "UPDATE files SET added_serial = 1 WHERE added_serial > 0", "file-serial", &file),
            ("UPDATE files SET added_serial = 0", "UPDATE files SET added_serial = 1", "file-serial", &file),
            ("UPDATE files SET size = size + 1 WHERE release_id IS NOT NULL", "UPDATE files SET size = size - 1 WHERE release_id IS NOT NULL", "file-size", &file),
            ("INSERT INTO settings (key, value) VALUES ('journal-floor', '1')", "DELETE FROM settings WHERE key = 'journal-floor'", "journal-floor", "1"),
        ] {
            shop.sabotage(broken).await;
            assert_eq!(problems(&shop, false, false).await, [of(Problem, kind, about)], "{broken}");
            let mut left = problems(&shop, false, true).await;
            // The search is brought up to the project's serial, whatever that says.
            left.retain(|finding| *finding != of(Repaired, "search", "1 projects"));
            assert_eq!(left, [of(Problem, kind, about)], "{broken}");
            shop.sabotage(whole).await;
            assert_eq!(problems(&shop, false, false).await, [], "{whole}");
        }
    }

    async fn a_base_that_does_not_exist_is_a_note(engine: Engine) {
        let (shop, ..) = full(engine).await;
        shop.sabotage("UPDATE index_bases SET base = 'bob/gone'").await;
        let (found, summary) = shop.doctor(false, false).await;
        assert_eq!((found, summary.problems), (vec![of(Note, "base", "alice/dev bob/gone")], 0));
    }

    async fn it_may_look_while_files_come_and_go(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let other = shop.another().await;
        let rules = cheeseshop::jobs::gc::Rules { removed: Some(Duration::ZERO), grace: Duration::ZERO, ..Default::default() };
        let change = async {
            for n in 0..40 {
                let dist = shop.publish("alice/dev", "app", &format!("{n}.0")).await;
                shop.clock.advance(Duration::from_micros(1));
                if n % 2 == 0 {
                    shop.delete(&dist.path("alice/dev")).by("alice").await.is(200);
                    shop.gc(&rules).await;
                }
            }
        };
        let looks = async {
            for _ in 0..6 {
                other.is_sound().await;
            }
        };
        futures_util::future::join(change, looks).await;
        assert_eq!(shop.get("/alice/dev/+simple/app/").accept(JSON).await.is(200).filenames().len(), 20);
    }
}
