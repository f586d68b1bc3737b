//! Taking back what was published.

use super::support::{Dist, Engine, FakeUpstream, Form, Item, JSON, Shop, both};
use cheeseshop::index::access::Caller;
use cheeseshop::index::release;
use cheeseshop::names::IndexPath;
use cheeseshop::pypi::ProjectName;

both! {
    async fn a_deleted_file_is_gone_and_says_so(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        shop.stage("bob/above", &["bases=alice/dev"]).await;
        let (first, second) = (shop.publish("alice/dev", "app", "1.0").await, shop.publish("alice/dev", "app", "2.0").await);
        assert_eq!(shop.filenames("bob/above", "app").await.len(), 2);
        shop.delete(&first.path("alice/dev")).by("alice").await.is(200);
        for index in ["alice/dev", "bob/above"] {
            assert_eq!(shop.filenames(index, "app").await, [second.filename.as_str()]);
            shop.get(&first.path(index)).await.is(410);
            shop.get(&second.path(index)).await.is(200);
        }
        assert_eq!(shop.page("alice/dev", "app").await.json()["versions"], serde_json::json!(["2.0"]));
    }

    async fn deleting_needs_the_right_and_on_kept_indexes_force(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("bob/above", &["bases=alice/dev"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let (before, path) = (shop.stored().await, dist.path("alice/dev"));
        shop.delete(&path).await.is(403);
        shop.delete(&path).by("bob").await.is(403);
        shop.delete(&path).by("alice").await.is(403);
        shop.delete(&dist.path("bob/above")).by("bob").await.is(404);
        assert_eq!(shop.stored().await, before);
        shop.get(&path).await.is(200);
        shop.delete(&format!("{path}?force=")).by("alice").await.is(200);
        shop.get(&path).await.is(410);
    }

    async fn a_name_on_a_kept_index_means_the_same_bytes_for_ever(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        shop.publish("alice/dev", "app", "2.0").await;
        shop.delete(&format!("{}?force", dist.path("alice/dev"))).by("alice").await.is(200);
        let burnt = shop.upload("alice/dev", &dist.rebuilt()).await.is(409);
        assert!(burnt.text().contains("use another version"), "{}", burnt.text());
        shop.upload("alice/dev", &dist).await.is(200);
        assert_eq!(shop.get(&dist.path("alice/dev")).await.is(200).body, dist.bytes);
    }

    /// Nobody's package of the same name may slip in where a private one was taken back.
    async fn a_name_stays_private_after_its_last_file_is_gone(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.stage("alice/dev", &["bases=root/pypi", "volatile=true"]).await;
        let stranger = Dist::wheel("app", "99");
        upstream.add(Item::new(&stranger));
        let own = shop.publish("alice/dev", "app", "1.0").await;
        assert_eq!(shop.filenames("alice/dev", "app").await, [own.filename.as_str()]);
        shop.delete(&own.path("alice/dev")).by("alice").await.is(200);
        shop.get("/alice/dev/+simple/app/").accept(JSON).await.is(404);
        shop.get(&stranger.path("alice/dev")).await.is(404);
        assert_eq!(upstream.all_seen().len(), 0, "nobody outside is told the name");
        let index = shop.core().tree.load().at(&IndexPath::parse("alice/dev").unwrap()).unwrap().index.clone();
        let name = ProjectName::parse("app").unwrap();
        release::release_name(shop.core(), &Caller::system(), &index, &name).await.unwrap();
        assert_eq!(shop.filenames("alice/dev", "app").await, [stranger.filename.as_str()], "until its owner lets go of it");
    }

    async fn a_name_can_be_used_again_by_its_owner(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        shop.delete(&dist.path("alice/dev")).by("alice").await.is(200);
        shop.get("/alice/dev/+simple/app/").await.is(404);
        shop.send("/alice/dev/", &Form::of(&Dist::wheel("app", "2.0"))).by("alice").await.is(200);
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 1);
    }

    /// A release that was only registered has nothing that could be taken from it.
    async fn a_registered_release_stays_when_another_loses_its_files(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let form = Form::docs("app", Some("2.0"), b"").without("content").with(":action", "submit").with("summary", "soon");
        shop.send("/alice/dev/", &form).by("alice").await.is(200);
        shop.delete(&dist.path("alice/dev")).by("alice").await.is(200);
        assert_eq!(shop.page("alice/dev", "app").await.json()["versions"], serde_json::json!(["2.0"]));
        let data = shop.get("/alice/dev/app/2.0").accept("application/json").await.is(200).json()["result"].clone();
        assert_eq!((&data["summary"], data.get("+links")), (&"soon".into(), None));
        shop.delete("/alice/dev/app/2.0").by("alice").await.is(200);
        shop.get("/alice/dev/+simple/app/").await.is(404);
    }
}
