//! Indexes that show the files of others: in which order, and what keeps strangers' packages out.

use super::support::{Dist, Engine, FakeUpstream, Item, JSON, Shop, both};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// `root/pypi` mirrors an upstream; `alice/dev` inherits from `alice/prod` and that from `root/pypi`.
async fn with_mirror(engine: Engine) -> (Shop, FakeUpstream) {
    let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
    shop.mirror("root/pypi", &upstream, &[]).await;
    shop.stage("alice/prod", &["bases=root/pypi"]).await;
    shop.stage("alice/dev", &["bases=alice/prod"]).await;
    (shop, upstream)
}

both! {
    async fn the_first_index_wins_a_file_name(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/last", &[]).await;
        shop.stage("alice/first", &[]).await;
        shop.stage("alice/dev", &["bases=alice/first,alice/last"]).await;
        let (shadowed, winner) = (Dist::wheel("app", "1.0"), Dist::wheel("app", "1.0").rebuilt());
        shop.upload("alice/last", &shadowed).await.is(200);
        assert_eq!(shop.page("alice/dev", "app").await.links()[0].sha256, Some(shadowed.sha256()));
        shop.upload("alice/first", &winner).await.is(200);
        let page = shop.page("alice/dev", "app").await;
        assert_eq!((page.links().len(), page.links()[0].sha256.clone()), (1, Some(winner.sha256())));
        assert_eq!(shop.get(&winner.path("alice/dev")).await.is(200).body, winner.bytes);
        let locked = shop.get(&shadowed.path("alice/dev")).await.is(200);
        assert_eq!(locked.body, shadowed.bytes, "a lock file from before still finds its file");
        shop.set("alice/dev", &["bases=alice/last,alice/first"]).await;
        assert_eq!(shop.page("alice/dev", "app").await.links()[0].sha256, Some(shadowed.sha256()));
    }

    async fn inheritance_goes_to_any_depth(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/s0", &[]).await;
        for depth in 1..12 {
            shop.stage(&format!("alice/s{depth}"), &[&format!("bases=alice/s{}", depth - 1)]).await;
        }
        let deep = shop.publish("alice/s0", "app", "1.0").await;
        assert_eq!(shop.filenames("alice/s11", "app").await, [deep.filename.as_str()]);
        assert_eq!(shop.get(&deep.path("alice/s11")).await.is(200).body, deep.bytes);
        shop.publish("alice/s5", "app", "1.1").await;
        assert_eq!(shop.filenames("alice/s11", "app").await.len(), 2);
        assert_eq!(shop.filenames("alice/s4", "app").await.len(), 1);
    }

    async fn circles_end(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/one", &[]).await;
        shop.stage("alice/two", &["bases=alice/one"]).await;
        shop.set("alice/one", &["bases=alice/two,alice/one"]).await;
        shop.publish("alice/one", "app", "1.0").await;
        shop.publish("alice/two", "app", "2.0").await;
        for index in ["alice/one", "alice/two"] {
            assert_eq!(shop.filenames(index, "app").await.len(), 2, "{index}");
        }
    }

    async fn a_base_that_is_gone_takes_its_files_along_and_nothing_else(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/base", &["volatile=true"]).await;
        shop.stage("alice/dev", &["bases=alice/base"]).await;
        shop.publish("alice/base", "app", "1.0").await;
        let own = shop.publish("alice/dev", "app", "2.0").await;
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 2);
        let path = cheeseshop::names::IndexPath::parse("alice/base").unwrap();
        cheeseshop::index::admin::delete(shop.core(), &cheeseshop::index::access::Caller::system(), &path).await.unwrap();
        assert_eq!(shop.filenames("alice/dev", "app").await, [own.filename.as_str()]);
        shop.stage("alice/base", &[]).await;
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 1, "a new index of the name is empty");
        shop.publish("alice/base", "app", "3.0").await;
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 2, "and inherited from");
    }

    /// Dependency confusion: a private name is never looked up outside, in whatever way it is asked for.
    async fn a_private_name_is_never_asked_for_outside(engine: Engine) {
        let (shop, upstream) = with_mirror(engine).await;
        let (own, stranger) = (shop.publish("alice/prod", "app", "1.0").await, Dist::wheel("app", "99"));
        upstream.add(Item::new(&stranger));
        for path in ["/alice/dev/+simple/app/", "/alice/prod/+simple/app/"] {
            for form in [JSON, "text/html"] {
                assert_eq!(shop.get(path).accept(form).await.filenames(), [own.filename.as_str()]);
            }
        }
        for index in ["alice/dev", "alice/prod"] {
            for suffix in ["", ".metadata"] {
                shop.get(&format!("{}{suffix}", stranger.path(index))).await.is(404);
                shop.head(&format!("{}{suffix}", stranger.path(index))).await.is(404);
            }
            for path in [format!("/{index}/pypi/app/json"), format!("/{index}/app/json"), format!("/{index}/app/99/json")] {
                let json = shop.get(&path).await;
                assert!(!json.text().contains(&stranger.filename), "{path}: {}", json.text());
            }
            let page = shop.get(&format!("/{index}/app")).accept("application/json").await;
            assert!(!page.text().contains("\"99\""), "{}", page.text());
        }
        assert_eq!(upstream.all_seen().iter().filter(|seen| seen.path.contains("app")).count(), 0, "{:?}", upstream.all_seen());
    }

    async fn a_name_that_becomes_private_leaves_the_mirror_at_once(engine: Engine) {
        let (shop, upstream) = with_mirror(engine).await;
        let public = Dist::wheel("app", "99");
        upstream.add(Item::new(&public));
        assert_eq!(shop.filenames("alice/dev", "app").await, [public.filename.as_str()]);
        let path = public.path("alice/dev");
        shop.get(&path).await.is(200);
        let own = shop.publish("alice/prod", "app", "1.0").await;
        assert_eq!(shop.filenames("alice/dev", "app").await, [own.filename.as_str()]);
        shop.get(&path).await.is(404);
        shop.get(&public.path("root/pypi")).await.is(200);
    }

    async fn the_whitelist_lets_a_mirror_in(engine: Engine) {
        let (shop, upstream) = with_mirror(engine).await;
        shop.publish("alice/prod", "app", "1.0").await;
        upstream.add(Item::new(&Dist::wheel("app", "99")));
        let count = async |index: &str| shop.filenames(index, "app").await.len();
        assert_eq!(count("alice/dev").await, 1);
        shop.set("alice/prod", &["mirror_whitelist=app"]).await;
        assert_eq!(count("alice/prod").await, 2);
        assert_eq!(count("alice/dev").await, 1, "lists are intersected: the base alone cannot open a name");
        shop.set("alice/dev", &["mirror_whitelist_inheritance=union"]).await;
        assert_eq!(count("alice/dev").await, 2);
        shop.set("alice/dev", &["mirror_whitelist_inheritance=intersection", "mirror_whitelist=App"]).await;
        assert_eq!(count("alice/dev").await, 2);
        shop.set("alice/dev", &["mirror_whitelist=*"]).await;
        assert_eq!(count("alice/dev").await, 2, "once open stays open");
        shop.set("alice/prod", &["mirror_whitelist="]).await;
        shop.set("alice/dev", &["mirror_whitelist=other"]).await;
        assert_eq!(count("alice/dev").await, 1);
    }

    async fn public_names_come_from_the_mirror(engine: Engine) {
        let (shop, upstream) = with_mirror(engine).await;
        let wheel = Dist::wheel("public", "1.0");
        upstream.add(Item::new(&wheel));
        shop.publish("alice/prod", "own", "1.0").await;
        let link = shop.page("alice/dev", "public").await.link(&wheel.filename);
        assert_eq!(link.path, wheel.path("alice/dev"));
        assert_eq!(shop.get(&link.path).await.is(200).body, wheel.bytes);
    }
}

/// Devpi's order, written down a second time: breadth first over the bases, each index once.
fn order(start: usize, bases: &[Vec<usize>]) -> Vec<usize> {
    let (mut seen, mut queue, mut found) = (HashSet::from([start]), VecDeque::from([start]), Vec::new());
    while let Some(index) = queue.pop_front() {
        found.push(index);
        queue.extend(bases[index].iter().filter(|base| seen.insert(**base)));
    }
    found
}

const STAGES: usize = 5;

/// Whatever inherits from whatever, also in circles: of each file name the first index's bytes are shown.
#[test]
fn any_graph_of_bases_shows_the_first_file_of_each_name() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shop = runtime.block_on(Shop::start(Engine::Sqlite));
    let versions = ["1", "2", "3"];
    let holds = prop::collection::vec(prop::collection::vec(any::<bool>(), versions.len()), STAGES);
    let bases = prop::collection::vec(prop::collection::vec(0..STAGES, 0..STAGES), STAGES);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
    let round = std::cell::Cell::new(0);
    let check = runner.run(&(bases, holds), |(bases, holds)| {
        round.set(round.get() + 1);
        let name = |stage: usize| format!("alice/r{}s{stage}", round.get());
        // Each stage's wheel of a version has other bytes.
        let dist = |stage: usize, version: &str| Dist::wheel_with("app", version, &format!("Keywords: stage{stage}"), b"");
        runtime.block_on(async {
            for stage in 0..STAGES {
                shop.stage(&name(stage), &[]).await;
            }
            for stage in 0..STAGES {
                let list: Vec<String> = bases[stage].iter().map(|base| name(*base)).collect();
                if !list.is_empty() {
                    shop.set(&name(stage), &[&format!("bases={}", list.join(","))]).await;
                }
                for version in versions.iter().zip(&holds[stage]).filter_map(|(version, holds)| holds.then_some(version)) {
                    shop.upload(&name(stage), &dist(stage, version)).await.is(200);
                }
            }
            for stage in 0..STAGES {
                let mut wanted = BTreeMap::new();
                for origin in order(stage, &bases) {
                    for version in versions.iter().zip(&holds[origin]).filter_map(|(version, holds)| holds.then_some(version)) {
                        let file = dist(origin, version);
                        wanted.entry(file.filename.clone()).or_insert(file.sha256());
                    }
                }
                let page = shop.get(&format!("/{}/+simple/app/", name(stage))).accept(JSON).await;
                if wanted.is_empty() {
                    prop_assert_eq!(page.status, 404);
                    continue;
                }
                let shown = page.links().into_iter().map(|link| (link.filename, link.sha256.unwrap())).collect();
                prop_assert_eq!(wanted, shown);
            }
            Ok(())
        })
    });
    check.unwrap();
}
