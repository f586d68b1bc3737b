//! What is old goes, as the operator and the indexes say, and nothing else.

use super::support::shop::scope;
use super::support::upstream::{file_path, gate, open, page_path};
use super::support::{Ask, Dist, Engine, FakeUpstream, Item, JSON, Mode, Shop, both, eventually};
use cheeseshop::db::{self, Serial};
use cheeseshop::index::access::Grant;
use cheeseshop::index::{downloads, follow};
use cheeseshop::jobs::gc::Rules;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// A mirror that keeps three wheels of 100, 200 and 300 thousand bytes, fetched on three days; the first was used again on the fourth.
async fn mirrored(engine: Engine) -> (Shop, FakeUpstream, Vec<Dist>) {
    let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
    shop.mirror("root/pypi", &upstream, &[]).await;
    let wheels: Vec<Dist> = (1..4).map(|n| Dist::large_wheel("app", &format!("{n}.0"), n * 100_000)).collect();
    wheels.iter().for_each(|wheel| upstream.add(Item::new(wheel)));
    for wheel in wheels.iter().chain(&wheels[..1]) {
        shop.get(&wheel.path("root/pypi")).await.is(200);
        shop.settled().await;
        downloads::flush(shop.core()).await.unwrap();
        shop.clock.advance(DAY);
    }
    (shop, upstream, wheels)
}

/// Which of them are asked of upstream again.
async fn fetched_again(shop: &Shop, upstream: &FakeUpstream, wheels: &[Dist]) -> Vec<bool> {
    let mut fetched = Vec::new();
    for wheel in wheels {
        let before = upstream.asked(&file_path(wheel));
        assert_eq!(shop.get(&wheel.path("root/pypi")).await.is(200).body, wheel.bytes);
        fetched.push(upstream.asked(&file_path(wheel)) > before);
    }
    fetched
}

both! {
    async fn the_journal_is_cut_and_says_where(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        shop.clock.advance(100 * DAY);
        let rules = Rules { journal: Some(50 * DAY), ..Rules::default() };
        let before = shop.journal().await;
        let last = before.last().unwrap().serial;
        assert_eq!(shop.gc(&rules).await.journal.count, before.len() as u64 - 1);
        assert_eq!(shop.journal().await.iter().map(|entry| entry.serial).collect::<Vec<_>>(), [last], "the newest stays");
        let floor = db::journal::floor(&mut shop.core().db.read().await.unwrap()).await.unwrap();
        assert_eq!(floor, Serial(last.0 - 1));
        assert_eq!(shop.gc(&rules).await.journal.count, 0);
        shop.publish("alice/dev", "app", "2.0").await;
        assert_eq!(shop.journal().await.last().unwrap().serial, Serial(last.0 + 1), "serials go on");
        follow::catch_up(shop.core()).await.unwrap();
        shop.get(&dist.path("alice/dev")).await.is(200);
        shop.is_sound().await;
    }

    async fn nothing_is_forgotten_unless_a_rule_says_so(engine: Engine) {
        let (shop, _upstream, _) = mirrored(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0.dev1").await;
        shop.delete(&dist.path("alice/dev")).by("alice").await.is(200);
        shop.clock.advance(10_000 * DAY);
        let before = shop.stored().await;
        let report = shop.gc(&Rules::default()).await;
        let counts: Vec<u64> = report.lines().iter().map(|(_, amount)| amount.count).collect();
        // Sessions and what a crash left have no rule: nobody could use either.
        assert_eq!((counts.iter().sum::<u64>(), shop.stored().await), (0, before));
    }

    async fn expired_sessions_and_tokens_go(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        let login = serde_json::json!({"user": "alice", "password": crate::support::shop::password_of("alice")});
        shop.post("/+login").header("content-type", "application/json").body(login.to_string()).await.is(200);
        let end = shop.clock.now().plus(10 * DAY);
        shop.token("alice", "short", scope(&[Grant::Read], &[], &[]), Some(end)).await;
        shop.token("alice", "long", scope(&[Grant::Read], &[], &[]), None).await;
        let rules = Rules { expired: Some(30 * DAY), ..Rules::default() };
        shop.clock.advance(39 * DAY);
        let report = shop.gc(&rules).await;
        assert_eq!((report.sessions.count, report.tokens.count), (1, 0));
        shop.clock.advance(DAY);
        assert_eq!(shop.gc(&rules).await.tokens.count, 1);
        let mut c = shop.core().db.read().await.unwrap();
        let alice = db::users::by_name(&mut c, "alice").await.unwrap().unwrap();
        let left: Vec<String> = db::tokens::of_user(&mut c, alice.id).await.unwrap().into_iter().map(|token| token.name).collect();
        assert_eq!(left, ["long"]);
    }

    async fn a_removed_file_keeps_its_bytes_for_a_while_and_its_name_for_ever(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        shop.delete(&format!("{}?force", dist.path("alice/dev"))).by("alice").await.is(200);
        let rules = Rules { removed: Some(30 * DAY), grace: Duration::ZERO, ..Rules::default() };
        shop.clock.advance(30 * DAY - Duration::from_secs(1));
        assert_eq!(shop.gc(&rules).await.deleted.count, 0);
        shop.clock.advance(Duration::from_secs(1));
        let report = shop.gc(&rules).await;
        assert_eq!((report.removed_files.count, report.removed_files.bytes), (1, dist.bytes.len() as u64));
        assert_eq!((report.deleted.count, shop.core().blobs.usage().await.unwrap().blobs), (2, 0));
        shop.get(&dist.path("alice/dev")).await.is(410);
        shop.upload("alice/dev", &dist.rebuilt()).await.is(409);
        shop.upload("alice/dev", &dist).await.is(200);
        assert_eq!(shop.get(&dist.path("alice/dev")).await.is(200).body, dist.bytes);
        shop.is_sound().await;
    }

    async fn an_index_lets_its_old_development_releases_go(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=false", "keep_dev_releases=2"]).await;
        shop.stage("alice/all", &[]).await;
        for version in ["1.0.dev1", "1.0.dev2", "1.0rc1", "1.0.dev3", "1.0"] {
            shop.publish("alice/dev", "app", version).await;
            shop.publish("alice/all", "app", version).await;
        }
        let report = shop.gc(&Rules::default()).await;
        assert_eq!((report.dev_releases.count, report.dev_releases.bytes > 0), (1, true));
        let versions = async |index| shop.page(index, "app").await.json()["versions"].clone();
        assert_eq!(versions("alice/dev").await, serde_json::json!(["1.0.dev2", "1.0.dev3", "1.0rc1", "1.0"]));
        assert_eq!(versions("alice/all").await.as_array().unwrap().len(), 5);
        let journal = shop.journal().await;
        let last = journal.last().unwrap();
        assert_eq!((last.action.as_str(), last.actor.as_str()), ("release-remove", "system"));
        shop.set("alice/dev", &["keep_dev_releases-=", "keep_dev_days=30"]).await;
        assert_eq!(shop.gc(&Rules::default()).await.dev_releases.count, 0);
        shop.clock.advance(30 * DAY);
        assert_eq!(shop.gc(&Rules::default()).await.dev_releases.count, 2);
        assert_eq!(versions("alice/dev").await, serde_json::json!(["1.0rc1", "1.0"]));
        shop.is_sound().await;
    }

    /// Nobody's package of that name may slip in where a rule has taken the last release.
    async fn a_name_stays_private_after_a_rule_took_its_last_release(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.stage("alice/dev", &["bases=root/pypi", "keep_dev_releases=0"]).await;
        upstream.add(Item::new(&Dist::wheel("app", "99")));
        shop.publish("alice/dev", "app", "1.0.dev1").await;
        assert_eq!(shop.gc(&Rules::default()).await.dev_releases.count, 1);
        shop.get("/alice/dev/+simple/app/").accept(JSON).await.is(404);
        assert_eq!(upstream.all_seen().len(), 0);
    }

    async fn a_mirror_forgets_what_was_not_used_for_long(engine: Engine) {
        let (shop, upstream, wheels) = mirrored(engine).await;
        // Used on the days 0 and 3, 1, 2; this is day 4.
        let rules = Rules { mirror_unused: Some(2 * DAY), grace: Duration::ZERO, downloads: Some(DAY), ..Rules::default() };
        let report = shop.gc(&rules).await;
        assert_eq!((report.mirror_files.count, report.mirror_files.bytes), (1, wheels[1].bytes.len() as u64));
        assert_eq!(report.deleted.count, 1, "its bytes are free");
        assert_eq!(shop.filenames("root/pypi", "app").await.len(), 3, "the page goes on listing it");
        assert_eq!(fetched_again(&shop, &upstream, &wheels).await, [false, true, false]);
    }

    async fn a_mirror_keeps_no_more_than_it_may(engine: Engine) {
        let (shop, upstream, wheels) = mirrored(engine).await;
        let size = |n: usize| wheels[n].bytes.len() as u64;
        let fits = |bytes| Rules { mirror_cache: Some(bytes), grace: Duration::ZERO, ..Rules::default() };
        assert_eq!(shop.gc(&fits(size(0) + size(1) + size(2))).await.mirror_files.count, 0);
        assert_eq!(shop.gc(&fits(size(0) + size(2))).await.mirror_files.bytes, size(1), "the longest unused");
        assert_eq!(shop.gc(&fits(size(0))).await.mirror_files.bytes, size(2));
        assert_eq!(shop.core().blobs.usage().await.unwrap().bytes, size(0));
        assert_eq!(fetched_again(&shop, &upstream, &wheels).await, [false, true, true]);
    }

    async fn bytes_that_a_stage_names_stay_when_the_mirror_lets_go(engine: Engine) {
        let (shop, _upstream, wheels) = mirrored(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.upload("alice/dev", &wheels[1]).await.is(200);
        shop.clock.advance(100 * DAY);
        let rules = Rules { mirror_cache: Some(0), mirror_unused: Some(DAY), grace: Duration::ZERO, ..Rules::default() };
        assert_eq!(shop.gc(&rules).await.mirror_files.count, 3);
        assert_eq!(shop.get(&wheels[1].path("alice/dev")).await.is(200).body, wheels[1].bytes);
        shop.is_sound().await;
    }

    async fn a_mirror_forgets_pages_of_which_it_keeps_no_file(engine: Engine) {
        let (shop, upstream, _) = mirrored(engine).await;
        upstream.add(Item::new(&Dist::wheel("other", "1.0")));
        shop.page("root/pypi", "other").await;
        let rules = Rules { mirror_unused: Some(50 * DAY), ..Rules::default() };
        assert_eq!(shop.gc(&rules).await.mirror_pages.count, 0);
        shop.clock.advance(51 * DAY);
        // The files of the one go, and then its page, which nobody asked for either.
        let report = shop.gc(&rules).await;
        assert_eq!((report.mirror_files.count, report.mirror_pages.count), (3, 2));
        let asked = upstream.asked(&page_path("other"));
        assert_eq!(shop.filenames("root/pypi", "other").await.len(), 1);
        assert_eq!(upstream.asked(&page_path("other")), asked + 1);
    }

    /// Upstream says that nothing has changed since what gc has just forgotten: then it is asked for all of it.
    async fn a_page_that_goes_while_upstream_is_asked_is_fetched_again(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("app", "1.0")));
        shop.page("root/pypi", "app").await;
        shop.clock.advance(51 * DAY);
        let held = gate();
        upstream.set_mode(&page_path("app"), Mode::HoldAll(held.clone()));
        let asking = {
            let site = shop.site.clone();
            tokio::spawn(Ask::new(site, axum::http::Method::GET, "/root/pypi/+simple/app/").accept(JSON).into_future())
        };
        eventually("upstream is being asked", async || upstream.asked(&page_path("app")) == 2).await;
        let rules = Rules { mirror_unused: Some(50 * DAY), ..Rules::default() };
        assert_eq!(shop.gc(&rules).await.mirror_pages.count, 1);
        upstream.heal(&page_path("app"));
        open(&held);
        assert_eq!(asking.await.unwrap().is(200).filenames().len(), 1);
        assert_eq!(upstream.asked(&page_path("app")), 3);
    }

    async fn old_counts_of_downloads_go(engine: Engine) {
        let (shop, _upstream, _) = mirrored(engine).await;
        let count = async || db::downloads::count_before(&mut shop.core().db.read().await.unwrap(), i64::MAX).await.unwrap();
        assert_eq!(count().await, 4);
        assert_eq!(shop.gc(&Rules { downloads: Some(2 * DAY), ..Rules::default() }).await.downloads.count, 2);
        assert_eq!(count().await, 2);
    }
}

/// What is deleted frees the disk, not only the tables.
#[tokio::test]
async fn sqlites_file_becomes_smaller() {
    let shop = Shop::start(Engine::Sqlite).await;
    shop.stage("alice/dev", &[]).await;
    shop.sabotage(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO journal (at, actor, action, detail) SELECT 0, 'system', 'server-set', json_object('text', hex(zeroblob(200))) FROM n",
    )
    .await;
    shop.publish("alice/dev", "app", "1.0").await;
    let file = shop.database_file();
    shop.gc(&Rules::default()).await;
    let before = std::fs::metadata(&file).unwrap().len();
    shop.clock.advance(DAY);
    assert!(shop.gc(&Rules { journal: Some(Duration::ZERO), ..Rules::default() }).await.journal.count > 5000);
    let after = std::fs::metadata(&file).unwrap().len();
    assert!(after < before / 2, "{before} to {after}");
}
