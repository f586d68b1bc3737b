//! Garbage collection of blobs: what nothing needs goes, in two phases, and nothing else, whatever is uploaded meanwhile.

use super::support::{Dist, Engine, Form, Shop, both};
use cheeseshop::db;
use cheeseshop::doctor;
use cheeseshop::error::Error;
use cheeseshop::index::{fetch, keep};
use cheeseshop::jobs::gc::{self, Amount, Mode, Rules};
use cheeseshop::jobs::{self, Recurring};
use cheeseshop::limits::{GC_GRACE, JOB_LEASE};
use cheeseshop::pypi::ProjectName;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Removed files keep nothing.
fn at_once() -> Rules {
    Rules { removed: Some(Duration::ZERO), ..Rules::default() }
}

/// And no grace.
/// Uploads beside a gc that never rests.
const ROUNDS: u64 = 150;

fn ruthless() -> Rules {
    Rules { grace: Duration::ZERO, ..at_once() }
}

async fn blobs(shop: &Shop) -> u64 {
    shop.core().blobs.usage().await.unwrap().blobs
}

/// A volatile stage with a wheel that was published and deleted.
async fn with_removed(engine: Engine) -> (Shop, Dist) {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &["volatile=true"]).await;
    let dist = shop.publish("alice/dev", "app", "1.0").await;
    shop.delete(&dist.path("alice/dev")).by("alice").await.is(200);
    (shop, dist)
}

/// Bytes that no row knows, as a crash leaves them, so old that nobody can be about to name them.
fn leave(shop: &Shop, bytes: &[u8]) -> String {
    let sha256 = crate::support::dist::sha256(bytes);
    let path = shop.blob_file(&sha256);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    sha256
}

both! {
    async fn a_removed_files_blobs_go_in_two_phases(engine: Engine) {
        let (shop, dist) = with_removed(engine).await;
        let kept = shop.publish("alice/dev", "app", "2.0").await;
        assert_eq!(blobs(&shop).await, 4, "two wheels, their metadata");
        // Used a moment ago: an upload may be about to name it.
        assert_eq!(shop.gc(&at_once()).await.marked, Amount::default());
        shop.clock.advance(GC_GRACE);
        let marking = shop.gc(&at_once()).await;
        assert_eq!((marking.marked.count, marking.deleted.count), (2, 0));
        assert!(marking.marked.bytes > dist.bytes.len() as u64);
        assert_eq!(shop.gc(&at_once()).await.marked.count, 0, "once");
        shop.clock.advance(GC_GRACE - Duration::from_secs(1));
        assert_eq!((shop.gc(&at_once()).await.deleted.count, blobs(&shop).await), (0, 4));
        shop.clock.advance(Duration::from_secs(1));
        assert_eq!(shop.gc(&at_once()).await.deleted, marking.marked);
        assert_eq!(blobs(&shop).await, 2);
        assert_eq!(shop.get(&kept.path("alice/dev")).await.is(200).body, kept.bytes);
        shop.get(&dist.path("alice/dev")).await.is(410);
        shop.is_sound().await;
    }

    async fn a_dry_run_tells_and_changes_nothing(engine: Engine) {
        let (shop, _) = with_removed(engine).await;
        leave(&shop, b"left by a crash");
        shop.clock.advance(2 * GC_GRACE);
        let before = shop.stored().await;
        let dry = || async { gc::run(shop.core(), &ruthless(), Mode::DryRun).await.unwrap() };
        let told = dry().await;
        assert_eq!((told.removed_files.count, told.strays.count, told.strays.bytes), (1, 1, 15));
        assert_eq!((dry().await, shop.stored().await), (told.clone(), before));
        let done = shop.gc(&ruthless()).await;
        assert_eq!((done.removed_files, done.strays), (told.removed_files, told.strays));
        assert_eq!((done.marked.count, done.deleted.count, blobs(&shop).await), (2, 3, 0));
    }

    async fn bytes_that_another_index_names_stay(engine: Engine) {
        let (shop, dist) = with_removed(engine).await;
        shop.stage("bob/dev", &[]).await;
        shop.upload("bob/dev", &dist).await.is(200);
        shop.clock.advance(2 * GC_GRACE);
        assert_eq!(shop.gc(&ruthless()).await.deleted.count, 0);
        assert_eq!(shop.get(&dist.path("bob/dev")).await.is(200).body, dist.bytes);
    }

    async fn a_mark_comes_off_when_the_bytes_come_again(engine: Engine) {
        let (shop, dist) = with_removed(engine).await;
        shop.clock.advance(GC_GRACE);
        assert_eq!(shop.gc(&at_once()).await.marked.count, 2);
        shop.upload("alice/dev", &dist).await.is(200);
        shop.clock.advance(2 * GC_GRACE);
        assert_eq!(shop.gc(&at_once()).await.deleted.count, 0);
        assert_eq!(shop.get(&dist.path("alice/dev")).await.is(200).body, dist.bytes);
    }

    async fn what_a_crash_left_is_found_and_young_bytes_are_left_alone(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let (old, young) = (leave(&shop, b"old"), leave(&shop, b"young"));
        let file = fs::File::options().write(true).open(shop.blob_file(&young)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_micros(shop.clock.now().0 as u64)).unwrap();
        let marking = shop.gc(&Rules::default()).await;
        assert_eq!((marking.strays, marking.deleted.count), (Amount { count: 1, bytes: 3 }, 0));
        shop.clock.advance(GC_GRACE - Duration::from_secs(1));
        assert_eq!(shop.gc(&Rules::default()).await.strays.count, 0);
        shop.clock.advance(Duration::from_secs(1));
        let second = shop.gc(&Rules::default()).await;
        assert_eq!((second.strays.count, second.deleted), (1, Amount { count: 1, bytes: 3 }));
        assert!(!shop.blob_file(&old).exists() && shop.blob_file(&young).exists());
    }

    /// An upload that finds its bytes in the store, left by a crash and marked, publishes them all the same.
    async fn a_stray_that_is_uploaded_again_is_no_stray(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = Dist::wheel("app", "1.0");
        leave(&shop, &dist.bytes);
        assert_eq!(shop.gc(&Rules::default()).await.strays.count, 1);
        shop.clock.advance(2 * GC_GRACE);
        shop.upload("alice/dev", &dist).await.is(200);
        assert_eq!(shop.gc(&Rules::default()).await.deleted.count, 0);
        shop.is_sound().await;
    }

    async fn documentation_that_was_replaced_goes(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        for text in [&b"old"[..], b"new"] {
            let zip = crate::support::dist::zip_of(&[("index.html", text)]);
            shop.send("/alice/dev/", &Form::docs("app", Some("1.0"), &zip)).by("alice").await.is(200);
        }
        assert_eq!(blobs(&shop).await, 4);
        shop.clock.advance(GC_GRACE);
        assert_eq!(shop.gc(&ruthless()).await.deleted.count, 1);
        shop.is_sound().await;
    }

    /// gc without any grace beside uploads and deletions of the same few files: an upload may be told to come again, but
    /// what was acknowledged is there.
    async fn nothing_that_was_acknowledged_is_lost(engine: Engine) {
        let shop = Shop::start(engine).await;
        for index in ["alice/dev", "alice/other"] {
            shop.stage(index, &["volatile=true"]).await;
        }
        let other = shop.another().await;
        let dists: Vec<Dist> = (0..3).map(|n| Dist::wheel("app", &format!("{n}.0"))).collect();
        let (done, deleted, passes) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let collect = async {
            while !done.load(Ordering::Relaxed) {
                shop.clock.advance(Duration::from_micros(1));
                deleted.fetch_add(other.gc(&ruthless()).await.deleted.count, Ordering::Relaxed);
                passes.fetch_add(1, Ordering::Relaxed);
            }
        };
        // One pass may be under way; the next marks what nothing names, and the one after that deletes it.
        let rest = async || {
            let now = passes.load(Ordering::Relaxed);
            while passes.load(Ordering::Relaxed) < now + 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let change = async {
            // A fixed seed: a generator of Lehmer's.
            let mut seed = 20_260_301_u64;
            let mut next = |below: u64| {
                seed = seed * 48_271 % 0x7fff_ffff;
                seed % below
            };
            let mut refused = 0;
            for _ in 0..ROUNDS {
                let (dist, index) = (&dists[next(3) as usize], ["alice/dev", "alice/other"][next(2) as usize]);
                let answer = shop.upload(index, dist).await;
                match answer.status {
                    200 => assert_eq!(shop.get(&dist.path(index)).await.is(200).body, dist.bytes),
                    503 => refused += 1,
                    status => panic!("{status} {}", answer.text()),
                }
                if next(2) == 0 {
                    let status = shop.delete(&dist.path(index)).by("alice").await.status;
                    assert!([200, 404, 410].contains(&status), "{status}");
                    if next(4) == 0 {
                        rest().await;
                    }
                }
            }
            done.store(true, Ordering::Relaxed);
            refused
        };
        let ((), refused) = futures_util::future::join(collect, change).await;
        assert!(deleted.into_inner() > 0, "gc never had anything to do");
        assert!(refused < ROUNDS / 2, "{refused} of {ROUNDS} uploads had to come again");
        shop.is_sound().await;
    }

    /// An empty folder where a mount is missing, and a bucket of somebody else, look like rubbish and like loss. They are left alone.
    async fn a_store_that_is_not_ours_is_left_alone(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        shop.delete(&dist.path("alice/dev")).by("alice").await.is(200);
        let owner = shop.folder().join("blobs/owner");
        for text in [None, Some("somebody else\n")] {
            match text {
                None => fs::remove_file(&owner).unwrap(),
                Some(text) => fs::write(&owner, text).unwrap(),
            }
            let refused = gc::run(shop.core(), &ruthless(), Mode::Do).await;
            assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
            let options = doctor::Options { deep: false, repair: true, grace: Duration::ZERO };
            let refused = doctor::examine(shop.core(), options, &mut |_| {}).await;
            assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
        }
        assert_eq!(blobs(&shop).await, 2);
    }

    /// A process that stood still between keeping the bytes and naming them finds out.
    async fn bytes_that_went_meanwhile_are_missed(engine: Engine) {
        let shop = Shop::start(engine).await;
        let core = shop.core();
        let stored = keep::put_bytes(core, "late".into()).await.unwrap();
        core.blobs.delete(&stored.sha256).await.unwrap();
        let mut c = core.db.begin().await.unwrap();
        let noted = keep::note(&mut c, &core.blobs, &fetch::blob_row(&stored), shop.clock.now()).await;
        assert!(matches!(noted, Err(Error::Unavailable { .. })), "{noted:?}");
        drop(c);
        assert!(db::blobs::get(&mut core.db.read().await.unwrap(), &stored.sha256).await.unwrap().is_none());
    }

    /// gc comes to a marked blob in the very moment in which somebody is about to name it.
    async fn gc_waits_for_whoever_holds_the_row(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let (core, now) = (shop.core(), shop.clock.now());
        let stored = core.blobs.put_bytes("wanted".into()).await.unwrap();
        let mut c = core.db.begin().await.unwrap();
        assert!(db::blobs::doom_stray(&mut c, &stored.sha256, 6, now).await.unwrap());
        c.commit().await.unwrap();
        shop.clock.advance(Duration::from_secs(1));
        let mut c = core.db.begin().await.unwrap();
        keep::note(&mut c, &core.blobs, &fetch::blob_row(&stored), now).await.unwrap();
        let index = core.tree.load().find("alice", "dev").unwrap().index.id;
        let naming = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let project = ProjectName::parse("app").unwrap();
            db::mirrors::learn(&mut c, index, &project, "app-1.0-py3-none-any.whl", Some(stored.sha256), now).await.unwrap();
            c.commit().await.unwrap();
        };
        let (report, ()) = futures_util::future::join(shop.gc(&ruthless()), naming).await;
        assert_eq!((report.deleted.count, blobs(&shop).await), (0, 1));
        shop.is_sound().await;
    }

    async fn one_node_does_a_job_and_a_dead_ones_is_taken_over(engine: Engine) {
        let (shop, every) = (Shop::start(engine).await, Duration::from_secs(3600));
        let other = shop.another().await;
        for node in [&shop, &other] {
            jobs::schedule(node.core(), Recurring::Gc, every).await.unwrap();
        }
        let run = async |node: &Shop| {
            jobs::run_once(node.core(), Recurring::Gc, every, async || Ok(())).await.unwrap().is_some()
        };
        assert!(!run(&shop).await, "not due yet");
        shop.clock.advance(every);
        let both = futures_util::future::join_all([&shop, &other, &shop, &other].map(&run)).await;
        assert_eq!(both.iter().filter(|did| **did).count(), 1, "{both:?}");
        shop.clock.advance(every);
        // A node that is killed in the middle never comes back to say so.
        let killed = jobs::run_once(shop.core(), Recurring::Gc, every, std::future::pending::<cheeseshop::error::Result<()>>);
        assert!(tokio::time::timeout(Duration::from_millis(300), killed).await.is_err());
        assert!(!run(&other).await, "it still belongs to the first");
        shop.clock.advance(JOB_LEASE);
        assert!(run(&other).await && !run(&other).await);
    }

    async fn a_job_that_failed_is_tried_again_soon(engine: Engine) {
        let (shop, every) = (Shop::start(engine).await, Duration::from_secs(86_400));
        jobs::schedule(shop.core(), Recurring::Gc, Duration::ZERO).await.unwrap();
        let fail = async || Err::<(), _>(Error::NoRoom);
        assert!(jobs::run_once(shop.core(), Recurring::Gc, every, fail).await.is_err());
        assert!(jobs::run_once(shop.core(), Recurring::Gc, every, async || Ok(())).await.unwrap().is_none());
        shop.clock.advance(cheeseshop::limits::JOB_RETRY);
        assert!(jobs::run_once(shop.core(), Recurring::Gc, every, async || Ok(())).await.unwrap().is_some());
    }
}
