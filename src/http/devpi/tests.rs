//! What devpi's client and scripts see, request by request.

use super::testing::{Answer, Server};
use crate::both;
use crate::index::Rules;
use crate::pypi::PageFile;
use serde_json::{Value, json};

const ROOT: &str = "root:root";
/// Made by devpi-server 6.20.3 of `alice pw`.
const HASHED_BY_DEVPI: &str = "$argon2id$v=19$m=65536,t=3,p=4$FIJwjrFWitG6d47xHqPU2g$zCuPTU//H32qMw7C1TrBUYggQvBvqQXtfioEzUzC7po";

both! {
    async fn a_user_comes_changes_and_goes(db: Db) {
        let server = Server::start(db).await;
        for (body, said) in [
            (json!({"email": "a@b.example"}), (400, "password needs to be set")),
            (json!({"pwhash": "$argon2id$x"}), (400, "password needs to be set")),
            (json!({"pwhash": HASHED_BY_DEVPI, "foo": 1}), (400, "password needs to be set")),
            (json!({"password": "x", "zip": 1, "foo": 2}), (400, "Unknown keys in user config: foo, zip")),
            (json!({"password": "x", "email": 5}), (400, "'email' must be text")),
            (json!({"password": "x", "title": "\0"}), (400, "Bad request: the JSON holds a NUL character, which no database keeps in text")),
            (json!(["password"]), (400, "Bad request: the JSON must be an object")),
            (Value::Null, (400, "Bad request: could not decode json")),
        ] {
            assert_eq!(server.ask("PUT", "/alice", ROOT, body.clone()).await.said(), said, "{body}");
        }
        let body = json!({"password": "first", "email": "a@b.example", "title": "", "username": "x", "custom_data": {"a": [1]}});
        for body in [body.clone(), Value::Null] {
            assert_eq!(server.ask("PUT", "/alice", "", body).await.said(), (403, "no permission to create user"));
        }
        let made = server.ask("PUT", "/alice", ROOT, body.clone()).await;
        assert_eq!((made.status, &made.body["type"]), (201, &json!("userconfig")));
        for body in [body, Value::Null] {
            assert_eq!(server.ask("PUT", "/alice", ROOT, body).await.said(), (409, "user already exists"));
        }
        assert_eq!(server.ask("PUT", "/a+b", ROOT, json!({"password": ""})).await.status, 400);
        let mut shown = server.get("/alice/", "").await.result().clone();
        assert!(shown["created"].as_str().unwrap().ends_with('Z'));
        shown["created"] = json!("");
        assert_eq!(shown, json!({"username": "alice", "created": "", "email": "a@b.example", "custom_data": {"a": [1]}, "indexes": {}}));

        // What devpi's client does to change a user: all that was shown comes back.
        shown.as_object_mut().unwrap().retain(|key, _| key != "indexes" && key != "username");
        for nothing in [shown.clone(), json!({}), json!({"description": null, "foo": "bar"})] {
            assert_eq!(server.ask("PATCH", "/alice", "alice:first", nothing).await.said(), (200, "user updated"));
        }
        assert_eq!(server.get("/alice", "").await.result().get("modified"), None, "nothing was modified");
        let changed = server.ask("PATCH", "/alice", "alice:first", json!({"email": "", "title": "T", "created": 5, "foo": 1})).await;
        assert_eq!(changed.said(), (200, "user updated"));
        let shown = server.get("/alice", "").await.result().clone();
        assert_eq!((shown.get("email"), &shown["title"], &shown["custom_data"]), (None, &json!("T"), &json!({"a": [1]})));
        assert!(shown["modified"].is_string());

        assert_eq!(server.ask("DELETE", "/alice", "", Value::Null).await.said(), (403, "no permission to delete user alice"));
        assert_eq!(server.ask("DELETE", "/alice", "alice:first", Value::Null).await.said(), (200, "user 'alice' deleted"));
        assert_eq!(server.get("/alice", "").await.said(), (404, "no user 'alice'"));
        assert_eq!(server.ask("PATCH", "/alice", ROOT, json!({"title": "x"})).await.said(), (404, "no user 'alice'"));
        assert_eq!(server.ask("DELETE", "/root", ROOT, Value::Null).await.status, 403);
    }

    async fn a_session_is_got_with_a_password_and_ends_with_it(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[]).await;
        let login = |user: &str, password: &str| server.ask("POST", "/+login", "", json!({"user": user, "password": password}));
        let proof = login("alice", "alice").await;
        assert_eq!((proof.said(), &proof.body["type"], &proof.result()["expiration"]), ((200, "login successful"), &json!("proxyauth"), &json!(36000)));
        let secret = proof.result()["password"].as_str().unwrap().to_owned();
        let session = format!("alice:{secret}");
        assert_eq!(server.get("/+api", &session).await.result()["authstatus"], json!(["ok", "alice", []]));
        for (user, password) in [("alice", "wrong"), ("nobody", "alice"), ("alice", &secret), ("alice", "cheeseshop_x")] {
            let refused = login(user, password).await;
            assert_eq!(refused.said(), (401, format!("user '{user}' could not be authenticated").as_str()));
            assert_eq!(refused.header("www-authenticate"), "", "a browser must not ask in a box of its own");
        }
        let incomplete = server.ask("POST", "/+login", "", json!({"user": "alice", "password": null})).await;
        assert_eq!(incomplete.said(), (400, "Bad request: no user/password specified"));

        assert_eq!(server.ask("PATCH", "/alice", "", json!({"password": "x"})).await.said(), (403, "no permission to change password for user alice"));
        let other = format!("alice:{}", login("alice", "alice").await.result()["password"].as_str().unwrap());
        let changed = server.ask("PATCH", "/alice", &session, json!({"password": "new"})).await;
        assert_eq!((changed.said(), &changed.body["type"]), ((200, "user updated, new proxy auth"), &json!("userpassword")));
        let next = format!("alice:{}", changed.result()["password"].as_str().unwrap());
        for (session, name, why) in [
            (&session, "alice", "devpi's client goes on with the session it changed the password with"),
            (&next, "alice", "the answer's session"),
            (&other, "", "all others have ended"),
        ] {
            assert_eq!(server.get("/+api", session).await.result()["authstatus"][1], name, "{why}");
        }
        assert_eq!((login("alice", "alice").await.status, login("alice", "new").await.status), (401, 200));
        assert_eq!(server.ask("PATCH", "/alice", ROOT, json!({"password": "by root"})).await.status, 200);
        assert_eq!(server.get("/+api", &session).await.result()["authstatus"][1], "", "a password set by somebody else ends them all");
    }

    async fn a_hash_is_taken_for_a_password(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[]).await;
        let status = |user: &str, password: &str| {
            let (user, password) = (user.to_owned(), password.to_owned());
            let server = &server;
            async move { server.ask("POST", "/+login", "", json!({"user": user, "password": password})).await.status }
        };
        let patch = |who: &'static str, body: Value| server.ask("PATCH", "/alice", who, body);
        let hashed = json!({"pwhash": HASHED_BY_DEVPI});
        assert_eq!(patch("", hashed.clone()).await.said(), (403, "no permission to change password for user alice"));
        let dear = HASHED_BY_DEVPI.replace("m=65536", "m=1000000");
        for (hash, said) in [
            (dear.as_str(), "'pwhash' is too dear to check here: at most m=131072,t=8,p=16"),
            ("sesame", "'pwhash' must be an Argon2 hash as a PHC string: $argon2id$v=19$m=...,t=...,p=...$salt$hash"),
        ] {
            assert_eq!(patch("alice:alice", json!({"pwhash": hash})).await.said(), (400, said));
        }
        let session = server.ask("POST", "/+login", "", json!({"user": "alice", "password": "alice"})).await;
        let session = format!("alice:{}", session.result()["password"].as_str().unwrap());
        assert_eq!(patch("alice:alice", json!({"pwhash": "", "title": "T"})).await.said(), (200, "user updated"));
        assert_eq!(status("alice", "alice").await, 200, "an empty one changes nothing");
        let changed = patch("alice:alice", hashed).await;
        assert_eq!((changed.said(), changed.body.get("result")), ((200, "user updated"), None));
        assert_eq!((status("alice", "alice").await, status("alice", "alice pw").await), (401, 200));
        assert_eq!(server.get("/+api", &session).await.result()["authstatus"][1], "", "sessions end with the old password");

        let body = json!({"password": "x", "pwhash": HASHED_BY_DEVPI});
        assert_eq!(server.ask("PUT", "/bob", ROOT, body).await.status, 201);
        assert_eq!((status("bob", "x").await, status("bob", "alice pw").await), (401, 200));
        assert_eq!(server.ask("PUT", "/carol", ROOT, json!({"password": null})).await.status, 201);
        assert_eq!((status("carol", "").await, status("carol", "null").await), (401, 401), "no password opens this account");
        assert!(!server.get("/", ROOT).await.body.to_string().contains("argon2"));
    }

    async fn restricted_modification_leaves_users_their_password(db: Db) {
        let names = vec![crate::names::UserName::parse("chief").unwrap()];
        let server = Server::with(db, Rules { restrict_modify: Some(names), ..Rules::default() }).await;
        for name in ["chief", "alice", "bob"] {
            server.user(name, &[]).await;
        }
        for (method, path, who, body, status) in [
            ("PUT", "/new", "alice:alice", json!({"password": ""}), 403),
            ("PUT", "/new", "chief:chief", json!({"password": ""}), 201),
            ("PATCH", "/alice", "alice:alice", json!({"title": "x"}), 403),
            ("PATCH", "/alice", "alice:alice", json!({"password": "x", "title": "x"}), 403),
            ("PATCH", "/alice", "bob:bob", json!({"password": "x"}), 403),
            ("PATCH", "/alice", "alice:alice", json!({"password": "alice"}), 200),
            ("PATCH", "/alice", "chief:chief", json!({"title": "x"}), 200),
            ("PUT", "/alice/dev", "alice:alice", json!({}), 403),
            ("PUT", "/alice/dev", "chief:chief", json!({}), 200),
            ("DELETE", "/alice", "alice:alice", Value::Null, 403),
            ("DELETE", "/chief", "chief:chief", Value::Null, 403),
            ("DELETE", "/root", "chief:chief", Value::Null, 403),
            ("DELETE", "/alice", "chief:chief", Value::Null, 200),
            ("DELETE", "/chief", ROOT, Value::Null, 200),
        ] {
            assert_eq!(server.ask(method, path, who, body.clone()).await.status, status, "{method} {path} {who} {body}");
        }
    }

    async fn the_api_names_every_address(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("dev", json!({})), ("pypi", json!({"type": "mirror"}))]).await;
        let api = server.get("/alice/dev/+api", "alice:alice").await;
        assert_eq!((api.header("content-type"), api.header("x-devpi-api-version")), ("application/json", "2"));
        assert_eq!(api.body, json!({"type": "apiconfig", "result": {
            "login": "http://index.example/+login",
            "authstatus": ["ok", "alice", []],
            "features": ["push-no-docs", "push-only-docs", "push-register-project", "server-keyvalue-parsing"],
            "index": "http://index.example/alice/dev",
            "simpleindex": "http://index.example/alice/dev/+simple/",
            "pypisubmit": "http://index.example/alice/dev/",
        }}));
        assert_eq!(server.get("/alice/pypi/+api", "").await.result().get("pypisubmit"), None);
        assert_eq!(server.get("/nobody/+api", "").await.result().get("index"), None);
        assert_eq!(server.get("/alice/no/+api", "").await.said(), (404, "The stage alice/no could not be found."));
        let browser = server.request("GET", "/+api", "").header("accept", "text/html");
        let browser = { let mut b = browser; b.headers_mut().unwrap().insert("accept", "text/html".parse().unwrap()); b };
        assert_eq!(server.send(browser, vec![]).await.status, 404);
    }

    async fn an_index_comes_changes_and_goes(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("base", json!({"volatile": "no"}))]).await;
        let put = |path: &'static str, who: &'static str, body: Value| server.ask("PUT", path, who, body);
        let made = put("/alice/dev", "alice:alice", json!({"bases": "alice/base,", "volatile": "True", "projects": []})).await;
        assert_eq!((made.status, &made.body["type"]), (200, &json!("indexconfig")));
        assert_eq!(*made.result(), json!({
            "type": "stage", "volatile": true, "bases": ["alice/base"], "acl_upload": ["alice"],
            "acl_toxresult_upload": [":ANONYMOUS:"], "mirror_whitelist": [], "mirror_whitelist_inheritance": "intersection",
        }));
        for (path, who, body, said) in [
            ("/alice/dev", "alice:alice", json!({}), (409, "index 'alice/dev' exists")),
            ("/alice/more", "", json!({}), (403, "no permission to create index alice/more")),
            ("/nobody/more", ROOT, json!({}), (404, "no user 'nobody'")),
            ("/alice/more", ROOT, json!({"type": "foo"}), (400, "unknown index type 'foo'")),
            ("/alice/more", ROOT, json!({"bases": "x/y"}), (400, "base index 'x/y' does not exist")),
            ("/alice/more", ROOT, json!({"zip": "zap", "foo": "bar"}), (400, "indexconfig got unexpected keyword arguments: foo=bar, zip=zap")),
        ] {
            assert_eq!(put(path, who, body.clone()).await.said(), said, "{path} {body}");
        }

        let patch = |path: &'static str, who: &'static str, body: Value| server.ask("PATCH", path, who, body);
        let changed = patch("/alice/dev", "alice:alice", json!(["acl_upload+=bob", "title=Mine", "bases-=alice/base"])).await;
        assert_eq!((&changed.result()["acl_upload"], &changed.result()["title"], &changed.result()["bases"]), (&json!(["alice", "bob"]), &json!("Mine"), &json!([])));
        let changed = patch("/alice/dev", "alice:alice", json!({"type": "indexconfig", "result": {"type": "stage", "volatile": "no", "projects": ["x"]}})).await;
        assert_eq!((changed.status, &changed.result()["volatile"], &changed.result()["title"]), (200, &json!(false), &json!("Mine")));
        for (path, who, body, said) in [
            ("/alice/dev", ROOT, json!(["volatile-="]), (400, "Default values can't be removed.")),
            ("/alice/dev", ROOT, json!(["acl_upload-=zoe"]), (400, "The 'acl_upload' setting doesn't have value 'zoe'")),
            ("/alice/dev", ROOT, json!({"type": "mirror"}), (400, "the 'type' of an index can't be changed")),
            ("/alice/dev", ROOT, json!("title=x"), (400, "Bad request: the JSON must be an object or a list")),
            ("/alice/dev", ROOT, json!([5]), (400, "'5' is not of the form key=value")),
            ("/alice/dev?error_on_noop", ROOT, json!(["title=Mine"]), (400, "The requested modifications resulted in no changes")),
            ("/alice/dev", "", json!(["title=x"]), (403, "no permission to modify index alice/dev")),
            ("/alice/none", "alice:alice", json!(["title=x"]), (403, "no permission to modify index alice/none")),
        ] {
            assert_eq!(patch(path, who, body.clone()).await.said(), said, "{path} {body}");
        }

        let delete = |path: &'static str, who: &'static str| server.ask("DELETE", path, who, Value::Null);
        assert_eq!(delete("/alice/dev", "alice:alice").await.said(), (403, "index alice/dev non-volatile, cannot delete"));
        assert_eq!(server.ask("DELETE", "/alice", ROOT, Value::Null).await.said(), (403, "user 'alice' has non-volatile index: base"));
        assert_eq!(patch("/alice/dev/", ROOT, json!(["volatile=yes"])).await.status, 200);
        assert_eq!(delete("/alice/dev", "").await.said(), (403, "no permission to delete index alice/dev"));
        assert_eq!(delete("/alice/dev", "alice:alice").await.said(), (201, "index alice/dev deleted"));
        assert_eq!(server.get("/alice/dev", "").await.said(), (404, "The stage alice/dev could not be found."));
    }

    async fn what_somebody_may_not_read_has_no_name_for_them(db: Db) {
        let server = Server::start(db).await;
        let shut = json!({"acl_read": "alice"});
        server.user("alice", &[("shut", shut), ("open", json!({"bases": "alice/shut"}))]).await;
        server.user("bob", &[]).await;
        let names = |answer: &Answer| -> Vec<String> { answer.result()["alice"]["indexes"].as_object().unwrap().keys().cloned().collect() };
        assert_eq!(names(&server.get("/", "").await), ["open"]);
        assert_eq!(names(&server.get("/", "bob:bob").await), ["open"]);
        assert_eq!(names(&server.get("/", "alice:alice").await), ["open", "shut"]);
        assert_eq!(server.get("/alice/open", "bob:bob").await.result()["bases"], json!([]));
        assert_eq!(server.get("/alice", "bob:bob").await.result()["indexes"]["open"]["bases"], json!([]));
        assert_eq!(server.get("/alice/open", "alice:alice").await.result()["bases"], json!(["alice/shut"]));
        assert_eq!(server.get("/alice/shut", "bob:bob").await.said(), (404, "The stage alice/shut could not be found."));
        for path in ["/alice/shut", "/alice/none", "/alice/shut/+api", "/alice/shut/pkg", "/alice/none/pkg/1"] {
            assert_eq!(server.get(path, "").await.status, 401, "{path}: whether it exists is not told to strangers");
        }
        let denied = server.ask("DELETE", "/alice/shut/pkg", "bob:bob", Value::Null).await;
        assert_eq!(denied.said(), (404, "The stage alice/shut could not be found."));
    }

    async fn sending_back_what_was_shown_changes_nothing(db: Db) {
        let server = Server::start(db).await;
        let upstream = "http://me:secret@index.example/simple/";
        server.user("alice", &[("shut", json!({"acl_read": "root"})), ("pypi", json!({"type": "mirror", "mirror_url": upstream}))]).await;
        assert_eq!(server.ask("PATCH", "/alice/shut", ROOT, json!(["title=x"])).await.status, 200);
        let shown = server.get("/alice/pypi", ROOT).await;
        assert_eq!(shown.result()["mirror_url"], "http://index.example/simple/");
        let sent = server.ask("PATCH", "/alice/pypi?error_on_noop", ROOT, shown.body.clone()).await;
        assert_eq!(sent.said(), (400, "The requested modifications resulted in no changes"));
        let kept = server.site.core.tree.load().find("alice", "pypi").unwrap().index.settings.mirror_url.clone();
        assert_eq!(kept.as_deref(), Some(upstream));
    }

    async fn versions_show_their_files_and_what_they_shadow(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("base", json!({})), ("dev", json!({"bases": "alice/base"}))]).await;
        server.upload("alice/base", "alice:alice", "1.0", "Summary: old\n").await;
        server.upload("alice/base", "alice:alice", "0.9", "").await;
        server.upload("alice/dev", "alice:alice", "1.0", "Summary: new\nClassifier: A\n").await;
        let project = server.get("/alice/dev/cheese-cellar/", "").await;
        assert_eq!(project.body["type"], "projectconfig");
        let versions: Vec<&String> = project.result().as_object().unwrap().keys().collect();
        assert_eq!(versions, ["0.9", "1.0"]);
        let own = server.get("/alice/dev/cheese-cellar?ignore_bases=", "").await;
        assert_eq!(own.result().as_object().unwrap().len(), 1);
        assert_eq!(own.result()["1.0"].get("+shadowing"), None);

        let version = server.get("/alice/dev/cheese-cellar/1.0", "").await;
        assert_eq!((&version.body["type"], version.result()), (&json!("versiondata"), &project.result()["1.0"]));
        let data = version.result();
        assert_eq!((&data["name"], &data["summary"], &data["classifiers"], &data["author"]), (&json!("Cheese.Cellar"), &json!("new"), &json!(["A"]), &json!("")));
        let link = &data["+links"][0];
        let href = link["href"].as_str().unwrap();
        assert!(href.starts_with("http://index.example/alice/dev/+f/") && href.ends_with("/cheese_cellar-1.0-py3-none-any.whl"), "{href}");
        assert_eq!(link["hash_spec"], format!("sha256={}", link["hashes"]["sha256"].as_str().unwrap()));
        let log = &link["log"][0];
        assert_eq!((&log["what"], &log["who"], &log["dst"]), (&json!("upload"), &json!("alice"), &json!("alice/dev")));
        assert_eq!(log["when"].as_array().unwrap().len(), 6);
        let shadow = &data["+shadowing"][0];
        assert_eq!(shadow["summary"], "old");
        assert!(shadow["+links"][0]["href"].as_str().unwrap().starts_with("http://index.example/alice/base/+f/"));
        let file = server.get(href.strip_prefix("http://index.example").unwrap(), "").await;
        assert_eq!(file.status, 200);

        assert_eq!(server.get("/alice/dev/cheese-cellar/1.0.0", "").await.result()["version"], "1.0", "another spelling");
        assert_eq!(server.get("/alice/dev/cheese-cellar/3", "").await.said(), (404, "The version 3 of project cheese-cellar does not exist."));
        assert_eq!(server.get("/alice/dev/nothing", "").await.said(), (404, "no project 'nothing'"));
        for (path, location) in [
            ("/alice/dev/Cheese.Cellar?ignore_bases=", "cheese-cellar?ignore_bases="),
            ("/alice/dev/Cheese.Cellar/", "../cheese-cellar/"),
            ("/alice/dev/Cheese.Cellar/1.0", "../cheese-cellar/1.0"),
        ] {
            let moved = server.get(path, "").await;
            assert_eq!((moved.status, moved.header("location")), (302, location), "{path}");
        }
    }

    async fn versions_and_projects_are_removed_from_their_own_index(db: Db) {
        let server = Server::start(db).await;
        server.user("alice", &[("base", json!({})), ("dev", json!({"bases": "alice/base", "volatile": false}))]).await;
        server.upload("alice/base", "alice:alice", "1.0", "").await;
        for version in ["1.0", "2.0"] {
            server.upload("alice/dev", "alice:alice", version, "").await;
        }
        let delete = |path: &'static str, who: &'static str| server.ask("DELETE", path, who, Value::Null);
        for (path, who, said) in [
            ("/alice/dev/cheese-cellar", "", (403, "no permission to change project 'cheese-cellar' on alice/dev")),
            ("/alice/dev/cheese-cellar", "alice:alice", (403, "project 'cheese-cellar' is on non-volatile index alice/dev")),
            ("/alice/dev/cheese-cellar/1.0", "alice:alice", (403, "cannot delete version on non-volatile index")),
            ("/alice/dev/cheese-cellar/7?force=", "alice:alice", (404, "version '7' of project 'cheese-cellar' not found on stage 'alice/dev'")),
            ("/alice/dev/Cheese_Cellar/1.0?force=", "alice:alice", (200, "project 'cheese-cellar' version '1.0' deleted")),
            ("/alice/dev/nothing?force", "alice:alice", (404, "project not found")),
            ("/alice/dev/cheese-cellar/2.0?force", "alice:alice", (200, "project 'cheese-cellar' version '2.0' deleted")),
            ("/alice/dev/cheese-cellar?force", "alice:alice", (404, "project not found")),
            ("/alice/base/cheese-cellar/", "alice:alice", (200, "project cheese-cellar deleted from stage alice/base")),
        ] {
            assert_eq!(delete(path, who).await.said(), said, "{path} {who}");
        }
        assert_eq!(server.get("/alice/dev/cheese-cellar", "").await.status, 404);
    }

    async fn a_mirror_forgets_a_project_and_asks_again(db: Db) {
        let server = Server::start(db).await;
        let options = json!({"type": "mirror", "mirror_url": "http://127.0.0.1:1/simple/"});
        server.user("alice", &[("pypi", options)]).await;
        server.mirrored("alice", "pypi", vec![PageFile::bare("cheese_cellar-1.zip", "http://127.0.0.1:1/cheese_cellar-1.zip")]).await;
        let page = || server.get("/alice/pypi/+simple/cheese-cellar/", "");
        assert_eq!((page().await.status, page().await.header("warning")), (200, ""));
        assert_eq!(server.ask("DELETE", "/alice/pypi/cheese-cellar", "", Value::Null).await.status, 403);
        let forgotten = server.ask("DELETE", "/alice/pypi/cheese-cellar", "alice:alice", Value::Null).await;
        assert_eq!(forgotten.said(), (200, "project cheese-cellar deleted from stage alice/pypi"));
        let stale = page().await;
        assert!(stale.status == 200 && stale.header("warning").starts_with("110 "), "upstream was asked, and does not answer");
    }

    async fn what_is_not_json_or_too_long_is_refused_before_it_is_kept(db: Db) {
        let server = Server::start(db).await;
        let long = vec![b' '; crate::limits::JSON_BODY_BYTES_MAX + 1];
        for (body, status) in [(b"{".to_vec(), 400), (vec![b'['; 10_000], 400), (long, 413)] {
            let request = server.request("PUT", "/alice", ROOT);
            assert_eq!(server.send(request, body).await.status, status);
        }
        for (method, path) in [("POST", "/"), ("POST", "/root"), ("PUT", "/root/main/pkg"), ("POST", "/root/main/pkg/1")] {
            assert_eq!(server.ask(method, path, ROOT, json!({})).await.status, 405, "{method} {path}");
        }
    }
}
