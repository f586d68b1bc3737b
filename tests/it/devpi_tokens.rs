//! devpi tokens: what the plugin's client asks for, where a token is taken, what it opens, and that narrowing only narrows.

use super::support::ask::Answer;
use super::support::shop::{Options, beginning};
use super::support::{Ask, Dist, Engine, Form, JSON, Shop, both};
use axum::http::Method;
use cheeseshop::index::Rules;
use cheeseshop::index::access::Caller;
use cheeseshop::index::account;
use cheeseshop::index::macaroon::Macaroon;
use cheeseshop::names::UserName;
use serde_json::{Value, json};
use std::time::Duration;

/// A page that only alice may read.
const PRIVATE: &str = "/alice/dev/+simple/app/";
/// A page that everybody may read.
const PUBLIC: &str = "/alice/open/+simple/app/";

async fn shop_with_pages(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &["acl_read=alice", "volatile=true"]).await;
    shop.stage("alice/open", &["volatile=true"]).await;
    for index in ["alice/dev", "alice/open"] {
        shop.publish(index, "app", "1.0").await;
        shop.publish(index, "other", "1.0").await;
    }
    for user in ["bob", "root"] {
        shop.user(user).await;
    }
    shop
}

fn create(shop: &Shop, user: &str, body: &Value) -> Ask {
    shop.post(&format!("/{user}/+token-create")).accept("application/json").body(body.to_string())
}

/// A token that alice has made.
async fn token(shop: &Shop, restrictions: Value) -> String {
    let answer = create(shop, "alice", &restrictions).by("alice").await.is(200).json();
    assert_eq!(answer["type"], "token-info");
    answer["result"]["token"].as_str().unwrap().to_owned()
}

fn id(token: &str) -> String {
    let identifier = Macaroon::parse(token.strip_prefix("devpi-").unwrap()).unwrap().identifier;
    identifier.strip_prefix("alice-").unwrap().to_owned()
}

/// The token with further caveats, as its holder adds them: each is hashed under the signature so far, which ends the bytes.
fn narrowed(token: &str, caveats: &[&str]) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit, Mac};
    let mut bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("devpi-").unwrap_or(token)).unwrap();
    for caveat in caveats {
        let signature = bytes.split_off(bytes.len() - 32);
        let mac = Hmac::<sha2::Sha256>::new_from_slice(&signature).unwrap().chain_update(caveat);
        // The end of all caveats and the signature's head go behind the new one.
        let tail = bytes.split_off(bytes.len() - 3);
        assert_eq!(tail, [0, 6, 32]);
        bytes.extend([2, u8::try_from(caveat.len()).unwrap()]);
        bytes.extend(caveat.as_bytes());
        bytes.push(0);
        bytes.extend(tail);
        bytes.extend(mac.finalize().into_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

async fn upload(shop: &Shop, index: &str, name: &str, token: &str) -> u16 {
    shop.send(&format!("/{index}/"), &Form::of(&Dist::wheel(name, "2.0"))).auth("alice", token).await.status
}

both! {
    async fn a_made_up_token_with_a_nul_is_refused_like_any_other(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        for identifier in ["ali\0ce-AbCd2345", "alice-AbCd\0efg"] {
            let token = Macaroon::new(b"key", identifier.into(), Vec::new()).serialize();
            shop.get(PUBLIC).auth("", &token).await.is(401);
            shop.get(PUBLIC).auth("alice", &format!("devpi-{token}")).await.is(401);
        }
    }

    async fn tokens_are_made_listed_and_revoked(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let first = token(&shop, json!({"allowed": ["upload", "pkg_read"], "indexes": ["alice/dev"]})).await;
        assert!(first.starts_with("devpi-AgEA"), "{first}");
        let empty = shop.post("/alice/+token-create").by("alice").await.is(200).json();
        let second = empty["result"]["token"].as_str().unwrap().to_owned();
        let year = beginning().seconds() + 366 * 86400 + 10;
        let list = shop.get("/alice/+tokens").by("alice").await.is(200).json();
        assert_eq!(list["type"], "tokens-info");
        assert_eq!(list["result"]["tokens"], json!({
            (id(&first)): {"restrictions": ["allowed=pkg_read,upload", format!("expires={year}"), "indexes=alice/dev"]},
            (id(&second)): {"restrictions": [format!("expires={year}")]},
        }));
        let path = format!("/alice/+tokens/{}", id(&first));
        let delete = |path: &str| shop.delete(path).accept("application/json");
        assert_eq!(message(&delete("/alice/+tokens/none").by("alice").await.is(404)), "No token with id none");
        shop.get(PRIVATE).auth("alice", &first).await.is(200);
        assert_eq!(message(&delete(&path).by("alice").await.is(200)), format!("token {} deleted", id(&first)));
        for revoked in [first.clone(), narrowed(&first, &["projects=app"])] {
            shop.get(PRIVATE).auth("alice", &revoked).await.is(401);
        }
        shop.get(PRIVATE).auth("alice", &second).await.is(200);
        let journal = shop.journal().await;
        assert!(!format!("{journal:?}").contains(&second), "secrets are in no journal");
        assert_eq!(journal.last().unwrap().action, "token-remove");
        for (method, path) in [(Method::GET, "/alice/+token-create"), (Method::POST, "/alice/+tokens"), (Method::GET, "/alice/+tokens/x")] {
            shop.ask(method, path).by("alice").await.is(405);
        }
    }

    async fn only_who_may_change_the_user_and_never_a_token(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let token = token(&shop, json!({})).await;
        let path = format!("/alice/+tokens/{}", id(&token));
        for (user, secret) in [("bob", "bob's password"), ("alice", token.as_str()), ("", "")] {
            let asks = [create(&shop, "alice", &json!({})), shop.get("/alice/+tokens"), shop.delete(&path)];
            for ask in asks {
                let ask = if user.is_empty() { ask } else { ask.auth(user, secret) };
                ask.await.is(403);
            }
        }
        create(&shop, "alice", &json!({})).by("root").await.is(200);
        assert_eq!(message(&create(&shop, "nobody", &json!({})).by("root").await.is(404)), "no user 'nobody'");
        shop.ask(Method::PATCH, "/alice").auth("alice", &token).body(json!({"title": "x"}).to_string()).await.is(403);
        shop.ask(Method::PATCH, "/alice").auth("alice", &token).body(json!({"password": "x"}).to_string()).await.is(403);
        let login = json!({"user": "alice", "password": token}).to_string();
        shop.post("/+login").body(login).await.is(401);
    }

    async fn restrictions_are_judged_in_the_plugins_words(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let year = beginning().seconds() + 366 * 86400 + 11;
        for (body, status, said) in [
            (json!({"x": 1}), 400, "Unknown restriction 'x'."),
            (json!({"expires": 1}), 400, "Can't set expiration before current time"),
            (json!({"expires": year}), 403, "Not allowed to set expiration to more than one year"),
            (json!({"expires": "never"}), 403, "Not allowed to create token with no expiration"),
            (json!(["upload"]), 400, "Bad request: the JSON must be an object"),
        ] {
            assert_eq!(message(&create(&shop, "alice", &body).by("alice").await.is(status)), said);
        }
        create(&shop, "alice", &json!({"expires": "never"})).by("root").await.is(200);
        let many: Vec<String> = (0..800).map(|n| format!("project-{n}")).collect();
        create(&shop, "alice", &json!({"projects": many})).by("alice").await.is(400);
        create(&shop, "alice", &json!({"projects": many[..300]})).by("alice").await.is(200);
        let rules = Rules { restrict_modify: Some(vec![UserName::parse("bob").unwrap()]), ..Rules::default() };
        let shop = shop.restarted(Options { rules, ..Options::default() }).await;
        create(&shop, "alice", &json!({"expires": "never"})).by("bob").await.is(200);
        create(&shop, "alice", &json!({})).by("alice").await.is(403);
    }

    async fn a_token_works_in_every_place_of_a_request(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let token = token(&shop, json!({})).await;
        // The plugin's client writes derived tokens without the prefix.
        for token in [token.clone(), narrowed(&token, &["expires=never"])] {
            for user in ["alice", "", "__token__"] {
                shop.get(PRIVATE).auth(user, &token).await.is(200);
            }
            shop.get(PRIVATE).auth(&token, "").await.is(200);
            shop.get(PRIVATE).header("authorization", &format!("Bearer {token}")).await.is(200);
            for user in ["alice", ""] {
                shop.get(PRIVATE).header("x-devpi-auth", &base64(&format!("{user}:{token}"))).await.is(200);
            }
            let api = shop.get("/+api").header("x-devpi-auth", &base64(&format!("alice:{token}"))).await.json();
            assert_eq!(api["result"]["authstatus"], json!(["ok", "alice", []]));
            for path in [PRIVATE, PUBLIC] {
                shop.get(path).auth("bob", &token).await.is(401);
            }
            shop.get(PUBLIC).header("x-devpi-auth", &base64(&format!("bob:{token}"))).await.is(200);
            shop.get(PRIVATE).header("x-devpi-auth", &base64(&format!("bob:{token}"))).await.is(401);
        }
        let forged = Macaroon::new(b"a key of somebody's own", format!("alice-{}", id(&token)), vec![]).serialize();
        let missing = Macaroon::new(b"", "alice-AbCd2345".into(), vec![]).serialize();
        for wrong in [forged, missing, token[..token.len() - 2].to_owned()] {
            shop.get(PUBLIC).auth("alice", &wrong).await.is(401);
        }
    }

    async fn a_token_opens_what_its_restrictions_leave(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let everything = token(&shop, json!({})).await;
        let uploader = token(&shop, json!({"allowed": ["upload"], "projects": ["App"]})).await;
        let reader = token(&shop, json!({"allowed": ["pkg_read"], "indexes": ["alice/open"]})).await;
        assert_eq!(upload(&shop, "alice/open", "app", &uploader).await, 200);
        assert_eq!(upload(&shop, "alice/open", "other", &uploader).await, 403, "another project");
        assert_eq!(upload(&shop, "alice/open", "other", &everything).await, 200);
        assert_eq!(upload(&shop, "alice/open", "other", &reader).await, 403, "another permission");
        shop.get(PRIVATE).auth("alice", &uploader).await.is(404);
        shop.get(PRIVATE).auth("alice", &reader).await.is(404);
        shop.get(PRIVATE).auth("alice", &everything).await.is(200);
        let by_token = format!("token:alice/devpi-{}", id(&everything));
        assert!(shop.journal().await.iter().any(|entry| entry.action == "file-add" && entry.actor == by_token));
        // What devpi's client asks first: a token for some projects learns where to upload them, and no more.
        let for_app = token(&shop, json!({"projects": ["app"]})).await;
        let api = shop.get("/alice/dev/+api").auth("alice", &for_app).await.is(200).json();
        assert!(api["result"]["pypisubmit"].is_string());
        shop.get("/alice/dev").accept("application/json").auth("alice", &for_app).await.is(404);
        shop.get("/alice/dev/+api").auth("alice", &reader).await.is(404);
    }

    /// devpi has a permission each for files, versions and projects; who may remove one may not remove the others.
    async fn what_may_be_removed_is_said_for_each_kind(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        for version in ["2.0", "3.0"] {
            shop.publish("alice/open", "app", version).await;
        }
        let file = shop.get(PUBLIC).await.link("app-1.0-py3-none-any.whl").path;
        let paths = [("del_entry", file.as_str()), ("del_verdata", "/alice/open/app/2.0"), ("del_project", "/alice/open/app")];
        for allowed in ["upload", "del_entry", "del_verdata", "del_project"] {
            let token = token(&shop, json!({"allowed": [allowed], "projects": ["app"]})).await;
            for (permission, path) in paths {
                if permission != allowed {
                    shop.delete(path).auth("alice", &token).await.is(403);
                }
            }
        }
        for (permission, path) in paths {
            let token = token(&shop, json!({"allowed": [permission]})).await;
            shop.delete(path).auth("alice", &token).await.is(200);
        }
        shop.get(PUBLIC).await.is(404);
    }

    async fn indexes_are_made_changed_and_deleted_within_the_restrictions(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let put = |path: &str| shop.ask(Method::PUT, path).body("{}");
        let patch = |path: &str| shop.ask(Method::PATCH, path).body(r#"["title=x"]"#);
        let delete = |path: &str| shop.delete(path);
        let maker = token(&shop, json!({"allowed": ["index_create"], "indexes": ["alice/new"]})).await;
        put("/alice/more").auth("alice", &maker).await.is(403);
        put("/bob/new").auth("alice", &maker).await.is(403);
        put("/alice/new").auth("alice", &maker).await.is(200);
        patch("/alice/new").auth("alice", &maker).await.is(403);
        delete("/alice/new").auth("alice", &maker).await.is(403);
        let changer = token(&shop, json!({"allowed": ["index_modify"]})).await;
        patch("/alice/new").auth("alice", &changer).await.is(200);
        put("/alice/more").auth("alice", &changer).await.is(403);
        delete("/alice/new").auth("alice", &changer).await.is(403);
        let for_a_project = token(&shop, json!({"projects": ["app"]})).await;
        delete("/alice/new").auth("alice", &for_a_project).await.is(403);
        let deleter = token(&shop, json!({"allowed": ["index_delete"]})).await;
        patch("/alice/new").auth("alice", &deleter).await.is(403);
        delete("/alice/new").auth("alice", &deleter).await.is(201);
    }

    async fn narrowing_only_narrows(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let parent = token(&shop, json!({"projects": ["app"], "allowed": ["upload", "pkg_read"]})).await;
        let allowed = async |caveats: &[&str]| {
            let token = narrowed(&parent, caveats);
            let read = shop.get(PRIVATE).auth("alice", &token).await.status;
            let app = upload(&shop, "alice/open", "app", &token).await;
            (read, app, upload(&shop, "alice/open", "other", &token).await)
        };
        assert_eq!(allowed(&[]).await, (200, 200, 403));
        assert_eq!(allowed(&["projects=app,other"]).await, (200, 200, 403), "more projects");
        assert_eq!(allowed(&["projects=other"]).await, (404, 403, 403), "nothing in common is nothing");
        assert_eq!(allowed(&[r#"[1, ["other"]]"#]).await, (404, 403, 403));
        assert_eq!(allowed(&["allowed=upload,del_project"]).await, (404, 200, 403));
        assert_eq!(allowed(&["allowed="]).await, (404, 403, 403));
        assert_eq!(allowed(&["indexes=alice/dev"]).await, (200, 403, 403));
        assert_eq!(allowed(&["colour=blue"]).await, (401, 401, 401), "what is not understood refuses all");
        // What devpi's client adds with pypitoken before an upload.
        let now = beginning().seconds();
        let span = format!("[0, {}, {}]", now + 60, now - 1);
        assert_eq!(allowed(&[&span, r#"[1, ["app"]]"#]).await, (200, 200, 403));
    }

    /// Also for one that is remembered as good.
    async fn a_token_is_good_in_its_time(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let now = beginning().seconds();
        let parent = token(&shop, json!({"not_before": now + 5, "expires": now + 3600})).await;
        let child = narrowed(&parent, &[&format!("[0, {}, 0]", now + 20)]);
        let legacy = narrowed(&parent, &[&format!(r#"{{"nbf": {}, "exp": {}}}"#, now + 10, now + 15)]);
        let good = async || {
            let mut statuses = Vec::new();
            for token in [&parent, &child, &legacy] {
                statuses.push(shop.get(PRIVATE).auth("alice", token).await.status == 200);
            }
            statuses
        };
        for (advance, wanted) in [
            (4, [false, false, false]),
            (1, [true, true, false]),
            (5, [true, true, true]),
            (5, [true, true, false]),
            (4, [true, true, false]),
            (1, [true, false, false]),
            (3579, [true, false, false]),
            (1, [false, false, false]),
        ] {
            shop.clock.advance(Duration::from_secs(advance));
            assert_eq!(good().await, wanted, "at {}", shop.clock.now().seconds() - now);
        }
    }

    async fn they_go_with_their_user(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        shop.stage("bob/dev", &["acl_read=bob", "volatile=true"]).await;
        let made = create(&shop, "bob", &json!({})).by("bob").await.is(200).json();
        let token = made["result"]["token"].as_str().unwrap();
        shop.get("/bob/dev/+simple/").accept(JSON).auth("bob", token).await.is(200);
        account::delete_user(shop.core(), &Caller::system(), "bob").await.unwrap();
        shop.get(PUBLIC).auth("bob", token).await.is(401);
        shop.user("bob").await;
        shop.get(PUBLIC).auth("bob", token).await.is(401);
    }
}
