//! `devpi push`: a release to another index, all of it or nothing, and to another server.

use super::support::shop::scope;
use super::support::{Answer, Ask, Dist, Engine, FakeUpstream, Form, Item, Shop, both};
use axum::http::Method;
use cheeseshop::index::access::{Caller, Grant};
use cheeseshop::index::release::{self, Target};
use cheeseshop::names::IndexPath;
use cheeseshop::pypi::ProjectName;
use serde_json::{Value, json};

trait Pushes {
    fn push(&self, from: &str, body: &Value) -> Ask;
}

impl Pushes for Shop {
    fn push(&self, from: &str, body: &Value) -> Ask {
        self.ask(Method::from_bytes(b"PUSH").unwrap(), &format!("/{from}")).body(body.to_string()).accept("application/json")
    }
}

fn to(target: &str) -> Value {
    json!({"name": "App", "version": "1.0", "targetindex": target})
}

async fn two_indexes(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &["volatile=True"]).await;
    shop.stage("alice/prod", &[]).await;
    shop
}

async fn log_of(shop: &Shop, path: &str) -> Value {
    shop.get(path).accept("application/json").await.is(200).json()["result"]["+links"][0]["log"].take()
}

both! {
    async fn a_release_goes_to_another_index(engine: Engine) {
        let shop = two_indexes(engine).await;
        let (wheel, sdist) = (Dist::wheel_with("app", "1.0", "Requires-Python: >=3.9", b""), Dist::sdist("app", "1.0"));
        for dist in [&wheel, &sdist] {
            shop.upload("alice/dev", dist).await.is(200);
        }
        shop.publish("alice/dev", "app", "2.0").await;
        let pushed = shop.push("alice/dev", &to("alice/prod")).by("alice").await.is(200).json();
        assert_eq!(pushed["type"], "actionlog");
        let path = |dist: &Dist| dist.path("alice/prod").trim_start_matches('/').to_owned();
        assert_eq!(pushed["result"], json!([
            [200, "register", "App", "1.0", "->", "alice/prod"],
            [200, "store_releasefile", path(&wheel)],
            [200, "store_releasefile", path(&sdist)],
        ]));
        let page = shop.page("alice/prod", "app").await;
        assert_eq!(page.filenames(), [wheel.filename.clone(), sdist.filename.clone()]);
        assert_eq!(page.link(&wheel.filename).requires_python.as_deref(), Some(">=3.9"));
        assert_eq!(shop.get(&wheel.path("alice/prod")).await.is(200).body, wheel.bytes);
        shop.get(&format!("{}.metadata", wheel.path("alice/prod"))).await.is(200);
        let log = log_of(&shop, "/alice/prod/app/1.0").await;
        assert_eq!((&log[0]["what"], &log[0]["dst"]), (&json!("upload"), &json!("alice/dev")));
        assert_eq!((&log[1]["what"], &log[1]["who"]), (&json!("push"), &json!("alice")));
        assert_eq!((&log[1]["src"], &log[1]["dst"]), (&json!("alice/dev"), &json!("alice/prod")));
        let actions: Vec<String> = shop.journal().await.into_iter().map(|entry| entry.action).collect();
        assert_eq!(actions.iter().filter(|action| *action == "release-push").count(), 1, "{actions:?}");
        // The same again is no conflict, and no change.
        let before = shop.stored().await;
        shop.push("alice/dev", &to("alice/prod")).by("alice").await.is(200);
        assert_eq!(shop.stored().await, before);
    }

    async fn a_yank_goes_along(engine: Engine) {
        let shop = two_indexes(engine).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        let index = shop.core().tree.load().at(&IndexPath::parse("alice/dev").unwrap()).unwrap().index.clone();
        let (project, target) = (ProjectName::parse("app").unwrap(), Target::File(dist.filename.clone()));
        release::yank(shop.core(), &Caller::system(), &index, &project, target, Some("broken".into())).await.unwrap();
        shop.push("alice/dev", &to("alice/prod")).by("alice").await.is(200);
        assert_eq!(shop.page("alice/prod", "app").await.link(&dist.filename).yanked.as_deref(), Some("broken"));
    }

    async fn a_conflict_changes_nothing(engine: Engine) {
        let shop = two_indexes(engine).await;
        let (wheel, sdist) = (Dist::wheel_with("app", "1.0", "Author: new", b""), Dist::sdist("app", "1.0"));
        shop.upload("alice/prod", &wheel.rebuilt()).await.is(200);
        for dist in [&sdist, &wheel] {
            shop.upload("alice/dev", dist).await.is(200);
        }
        let before = shop.stored().await;
        let refused = shop.push("alice/dev", &to("alice/prod")).by("alice").await.is(409);
        assert_eq!(refused.json()["message"], format!("{} already exists in non-volatile index", wheel.filename));
        assert_eq!(shop.filenames("alice/prod", "app").await, [wheel.filename.as_str()]);
        let data = shop.get("/alice/prod/app/1.0").accept("application/json").await.is(200).json();
        assert_eq!(data["result"]["author"], "");
        assert_eq!(shop.stored().await, before);
        // On a volatile index it takes the other's place.
        shop.set("alice/prod", &["volatile=True"]).await;
        shop.push("alice/dev", &to("alice/prod")).by("alice").await.is(200);
        assert_eq!(shop.page("alice/prod", "app").await.link(&wheel.filename).sha256, Some(wheel.sha256()));
        shop.get(&wheel.rebuilt().path("alice/prod")).await.is(410);
        assert_eq!(shop.get("/alice/prod/app/1.0").accept("application/json").await.json()["result"]["author"], "new");
    }

    async fn what_is_pushed_must_be_on_the_index_itself(engine: Engine) {
        let shop = two_indexes(engine).await;
        shop.stage("alice/above", &["bases=alice/dev"]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let words = |answer: Answer| answer.json()["message"].as_str().unwrap().to_owned();
        let refused = shop.push("alice/above", &to("alice/prod")).by("alice").await.is(400);
        assert_eq!(words(refused), "there are no files for App 1.0 on stage alice/above");
        for (body, status, message) in [
            (json!({"name": "app", "version": "9", "targetindex": "alice/prod"}), 400, "there are no files for app 9 on stage alice/dev"),
            (json!({"name": "app", "version": "1.0", "targetindex": "alice/prod", "only_docs": true}), 404, "no release/files found for app 1.0"),
            (json!({"name": "app", "version": "1.0", "no_docs": true, "only_docs": true}), 400, "can't use 'no_docs' and 'only_docs' together"),
            (json!({"name": "app", "version": "1.0", "targetindex": "alice/prod", "z": 1, "b": 2}), 400, "unknown additional options: b, z"),
            (json!({"name": "app", "version": "1.0", "targetindex": "prod"}), 400, "targetindex not in format user/index"),
            (json!({"name": "app", "version": "1.0", "targetindex": "alice/none"}), 404, "The stage alice/none could not be found."),
            (json!({"name": "app"}), 400, "a push names a release: 'name' and 'version' are needed"),
            (json!({"name": "app", "version": "1.0"}), 400, "a push to another server needs 'posturl'; to an index of this one, 'targetindex'"),
        ] {
            let refused = shop.push("alice/dev", &body).by("alice").await.is(status);
            assert_eq!(words(refused), message);
        }
    }

    async fn a_push_needs_to_read_here_and_upload_there(engine: Engine) {
        let shop = two_indexes(engine).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.user("bob").await;
        let refused = shop.push("alice/dev", &to("alice/prod")).by("bob").await.is(401);
        assert_eq!(refused.json()["message"], "user 'bob' cannot upload to 'alice/prod'");
        let refused = shop.push("alice/dev", &to("alice/prod")).await.is(401);
        assert_eq!(refused.json()["message"], "user None cannot upload to 'alice/prod'");
        shop.stage("bob/own", &[]).await;
        shop.push("alice/dev", &to("bob/own")).by("bob").await.is(200);
        shop.set("alice/dev", &["acl_read=alice"]).await;
        shop.push("alice/dev", &to("bob/own")).by("bob").await.is(404);
        // A token for another project does not push this one.
        let token = shop.token("alice", "ci", scope(&[Grant::Upload, Grant::Read], &[], &["other"]), None).await;
        shop.push("alice/dev", &to("alice/prod")).auth("alice", &token).await.is(404);
        shop.get("/alice/prod/+simple/app/").await.is(404);
    }

    async fn a_hidden_target_is_not_told_from_one_that_does_not_exist(engine: Engine) {
        let shop = two_indexes(engine).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.user("bob").await;
        shop.stage("alice/secret", &["acl_read=alice"]).await;
        for (target, who) in [("alice/secret", "bob"), ("alice/none", "bob")] {
            let refused = shop.push("alice/dev", &to(target)).by(who).await.is(404);
            assert_eq!(refused.json()["message"], format!("The stage {target} could not be found."));
        }
        let [there, missing] = [shop.push("alice/dev", &to("alice/secret")).await, shop.push("alice/dev", &to("alice/none")).await];
        assert_eq!((there.status, there.text()), (missing.status, missing.text()));
        shop.push("alice/dev", &to("alice/secret")).by("alice").await.is(200);
    }

    async fn a_quarantined_project_is_not_pushed(engine: Engine) {
        let shop = two_indexes(engine).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let mut c = shop.core().db.begin().await.unwrap();
        let status = r#"UPDATE projects SET status = '{"status": "quarantined"}'"#;
        cheeseshop::on!(&mut c, c => sqlx::query(status).execute(c).await.map(drop)).unwrap();
        c.commit().await.unwrap();
        let refused = shop.push("alice/dev", &to("alice/prod")).by("alice").await.is(400);
        assert_eq!(refused.json()["message"], "there are no files for App 1.0 on stage alice/dev");
        shop.get("/alice/prod/+simple/app/").await.is(404);
    }

    async fn a_mirrored_release_is_fetched_and_goes_along(engine: Engine) {
        let (shop, upstream) = (two_indexes(engine).await, FakeUpstream::start().await);
        let (wheel, sdist) = (Dist::wheel("app", "1.0"), Dist::sdist("app", "1.0"));
        upstream.add(Item::new(&wheel));
        upstream.add(Item::new(&sdist));
        upstream.add(Item::new(&Dist::wheel("app", "2.0")));
        shop.mirror("root/mirror", &upstream, &[]).await;
        shop.push("root/mirror", &to("alice/prod")).by("alice").await.is(200);
        assert_eq!(shop.filenames("alice/prod", "app").await, [wheel.filename.clone(), sdist.filename.clone()]);
        shop.get(&format!("{}.metadata", wheel.path("alice/prod"))).await.is(200);
        let data = shop.get("/alice/prod/app/1.0").accept("application/json").await.is(200).json();
        assert_eq!((&data["result"]["summary"], &data["result"]["+links"][0]["log"][0]["what"]), (&json!("a test"), &json!("push")));
    }

    async fn a_file_that_upstream_does_not_give_ends_the_push(engine: Engine) {
        let (shop, upstream) = (two_indexes(engine).await, FakeUpstream::start().await);
        let (wheel, sdist) = (Dist::wheel("app", "1.0"), Dist::sdist("app", "1.0"));
        upstream.add(Item::new(&wheel));
        upstream.add(Item::new(&sdist));
        shop.mirror("root/mirror", &upstream, &[]).await;
        shop.page("root/mirror", "app").await.is(200);
        upstream.drop_file("app", &sdist.filename);
        let refused = shop.push("root/mirror", &to("alice/prod")).by("alice").await;
        assert!(matches!(refused.status, 404 | 502), "{refused:?}");
        shop.get("/alice/prod/+simple/app/").await.is(404);
    }

    async fn only_who_signed_in_has_other_servers_asked_and_only_root_private_ones(engine: Engine) {
        let shop = two_indexes(engine).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let out = json!({"name": "app", "version": "1.0", "posturl": "http://127.0.0.1:9/", "username": "u", "password": "secret"});
        shop.push("alice/dev", &out).await.is(401);
        let refused = shop.push("alice/dev", &out).by("alice").await.is(502);
        let row = refused.json()["result"][0].clone();
        assert_eq!((&row[0], &row[1]), (&json!(-1), &json!("exception on release upload:")));
        assert!(row[2].as_str().unwrap().contains("only root"), "{row}");
        shop.user("root").await;
        let nobody = shop.push("alice/dev", &out).by("root").await.is(502);
        assert!(nobody.text().contains("127.0.0.1 cannot be reached") && !nobody.text().contains("secret"), "{}", nobody.text());
        let file = json!({"name": "app", "version": "1.0", "posturl": "file:///etc/passwd", "username": "u", "password": "p"});
        shop.push("alice/dev", &file).by("root").await.is(400);
    }

    async fn json_that_is_posted_is_a_push_too(engine: Engine) {
        let shop = two_indexes(engine).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let post = shop.post("/alice/dev/").header("content-type", "application/json").body(to("alice/prod").to_string());
        post.by("alice").await.is(200);
        assert_eq!(shop.filenames("alice/prod", "app").await.len(), 1);
        // A form is an upload.
        shop.send("/alice/dev/", &Form::of(&Dist::wheel("app", "3.0"))).by("alice").await.is(200);
    }
}
