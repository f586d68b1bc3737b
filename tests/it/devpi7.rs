//! devpi 7's words for indexes, options and projects are understood; answers are in devpi 6's words.

use super::support::{Engine, Shop, both};
use axum::http::Method;
use serde_json::{Value, json};

async fn ask(shop: &Shop, method: Method, path: &str, body: Value) -> Value {
    let answer = shop.ask(method, path).body(body.to_string()).accept("application/json").by("alice").await.is(200);
    answer.json()["result"].take()
}

both! {
    async fn a_local_index_over_a_remote_one(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        let remote = ask(&shop, Method::PUT, "/alice/up", json!({
            "type": "remote", "remote_url": "https://index.example/simple/", "remote_refresh_delay": "60",
            "remote_no_project_list": true,
        })).await;
        assert_eq!(remote, json!({
            "type": "mirror", "volatile": true, "mirror_url": "https://index.example/simple/", "mirror_cache_expiry": 60,
            "mirror_no_project_list": true,
        }));
        let local = json!({"type": "local", "bases": "alice/up", "project_inheritance_rules": "allow all",
            "trust_inheritance_rules_from": "type:not remote"});
        let local = ask(&shop, Method::PUT, "/alice/dev", local).await;
        assert_eq!((&local["type"], &local["mirror_whitelist"]), (&json!("stage"), &json!(["*"])));
        assert_eq!(local["mirror_whitelist_inheritance"], "union");
        // Both words name the type that it has; another one does not fit.
        for (word, status) in [("local", 200), ("stage", 200), ("remote", 400)] {
            shop.ask(Method::PATCH, "/alice/dev").body(json!({"type": word}).to_string()).by("alice").await.is(status);
        }
        let patch = json!(["project_inheritance_rules=block type:remote if local_exists", "trust_inheritance_rules_from-="]);
        let changed = ask(&shop, Method::PATCH, "/alice/dev", patch).await;
        assert_eq!((&changed["mirror_whitelist"], &changed["mirror_whitelist_inheritance"]), (&json!([]), &json!("intersection")));
    }

    async fn a_project_has_a_rule_of_its_own(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["mirror_whitelist=other"]).await;
        let whitelist = async || ask(&shop, Method::GET, "/alice/dev?no_projects=", Value::Null).await["mirror_whitelist"].take();
        let open = ask(&shop, Method::PATCH, "/alice/dev/My.App", json!({"inheritance_rules": ["allow all"]})).await;
        assert_eq!(open, json!({"name": "my-app", "inheritance_rules": ["allow all"]}));
        assert_eq!(whitelist().await, json!(["other", "my-app"]));
        let shut = ask(&shop, Method::PATCH, "/alice/dev/my-app", json!(["inheritance_rules-="])).await;
        assert_eq!(shut, json!({"name": "my-app", "inheritance_rules": []}));
        assert_eq!(whitelist().await, json!(["other"]));
        for body in [json!({"inheritance_rules": "allow some"}), json!({"colour": "red"}), json!(7)] {
            shop.ask(Method::PATCH, "/alice/dev/my-app").body(body.to_string()).by("alice").await.is(400);
        }
        shop.user("bob").await;
        shop.ask(Method::PATCH, "/alice/dev/my-app").body(r#"{"inheritance_rules": "allow all"}"#).by("bob").await.is(403);
    }
}
