//! `+yank`: yanking for scripts.

use super::support::Dist;
use super::support::shop::scope;
use super::support::{Engine, FakeUpstream, Item, Shop, both};
use axum::http::Method;
use cheeseshop::index::access::Grant;
use cheeseshop::limits;
use serde_json::json;

const YANK: &str = "/alice/dev/app/1.0/+yank";

async fn yanked(shop: &Shop) -> Vec<(String, Option<String>)> {
    shop.page("alice/dev", "app").await.links().into_iter().map(|link| (link.filename, link.yanked)).collect()
}

both! {
    async fn a_release_is_yanked_and_taken_back(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let wheel = shop.publish("alice/dev", "app", "1.0").await.filename;
        let other = shop.publish("alice/dev", "app", "2.0").await.filename;
        let answer = shop.post(YANK).by("alice").body(r#"{"reason": "broken on <Windows>"}"#).await.is(200);
        assert_eq!(answer.json()["message"], "app 1.0 is yanked on alice/dev");
        let reason = Some("broken on <Windows>".to_owned());
        assert_eq!(yanked(&shop).await, [(wheel.clone(), reason), (other.clone(), None)]);
        shop.ask(Method::DELETE, YANK).by("alice").await.is(200);
        assert_eq!(yanked(&shop).await, [(wheel.clone(), None), (other.clone(), None)]);
        // Without a reason, and by another spelling of the version.
        shop.post("/alice/dev/App/1.0.0/+yank").by("alice").await.is(200);
        assert_eq!(yanked(&shop).await, [(wheel, Some(String::new())), (other, None)]);
        let actions: Vec<_> = shop.journal().await.into_iter().map(|entry| entry.action).filter(|a| a.contains("yank")).collect();
        assert_eq!(actions, ["file-yank", "file-unyank", "file-yank"]);
    }

    async fn one_file_is_yanked_and_taken_back(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let wheel = shop.publish("alice/dev", "app", "1.0").await.filename;
        let sdist = Dist::sdist("app", "1.0");
        shop.upload("alice/dev", &sdist).await.is(200);
        shop.post(YANK).by("alice").body(json!({"filename": sdist.filename, "reason": "x"}).to_string()).await.is(200);
        let of = async |name: &str| yanked(&shop).await.into_iter().find(|(filename, _)| filename == name).unwrap().1;
        assert_eq!((of(&wheel).await, of(&sdist.filename).await), (None, Some("x".into())));
        shop.post("/alice/dev/app/2.0/+yank").by("alice").body(json!({"filename": sdist.filename}).to_string()).await.is(400);
        shop.ask(Method::DELETE, &format!("{YANK}?filename={}", sdist.filename)).by("alice").await.is(200);
        assert_eq!(of(&sdist.filename).await, None);
    }

    async fn what_is_wrong_is_said_and_changes_nothing(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.stage("alice/dev", &[]).await;
        shop.stage("bob/secret", &["acl_read=bob"]).await;
        shop.mirror("root/pypi", &upstream, &[]).await;
        let mirrored = Dist::wheel("lib", "1.0");
        upstream.add(Item::new(&mirrored));
        let link = shop.page("root/pypi", "lib").await.link(&mirrored.filename);
        shop.get(&link.path).await.is(200);
        shop.publish("alice/dev", "app", "1.0").await;
        shop.user("bob").await;
        shop.user("root").await;
        let before = shop.journal().await.len();
        let long = json!({"reason": "x".repeat(limits::YANK_REASON_BYTES_MAX + 1)}).to_string();
        for (path, who, body, status) in [
            (YANK, "bob", "{}", 403),
            (YANK, "alice", "[]", 400),
            (YANK, "alice", r#"{"reason": 5}"#, 400),
            (YANK, "alice", r#"{"why": "x"}"#, 400),
            (YANK, "alice", r#"{"reason": "two\nlines"}"#, 400),
            (YANK, "alice", r#"{"reason": "a\u0000b"}"#, 400),
            (YANK, "alice", &long, 400),
            ("/alice/dev/app/2.0/+yank", "alice", "{}", 404),
            ("/alice/dev/none/1.0/+yank", "alice", "{}", 404),
            ("/alice/none/app/1.0/+yank", "alice", "{}", 404),
            ("/bob/secret/app/1.0/+yank", "alice", "{}", 404),
            ("/root/pypi/lib/1.0/+yank", "root", "{}", 403),
        ] {
            let answer = shop.post(path).by(who).body(body.to_owned()).await;
            assert_eq!(answer.status, status, "{path} {who} {body}: {}", answer.text());
        }
        assert_eq!(shop.post(YANK).await.status, 403);
        assert_eq!(shop.get(YANK).by("alice").await.is(405).header("allow"), "POST, DELETE");
        assert_eq!(shop.journal().await.len(), before);
    }

    async fn a_token_needs_the_right_to_delete(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        for (grant, projects, status) in [(Grant::Upload, &[][..], 403), (Grant::Remove, &["lib"], 403), (Grant::Remove, &["app"], 200)] {
            let name = format!("{grant:?}{projects:?}");
            let token = shop.token("alice", &name, scope(&[Grant::Read, grant], &["alice/dev"], projects), None).await;
            assert_eq!(shop.post(YANK).auth("__token__", &token).await.status, status, "{name}");
        }
    }
}
