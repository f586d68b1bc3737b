//! Indexes that check leniently (`upload_checks=lenient`), and releases made known before their files (`:action=submit`).

use super::support::dist::sha256;
use super::support::form::Part;
use super::support::shop::{Options, scope};
use super::support::{Dist, Engine, Form, Shop, both};
use cheeseshop::index::Rules;
use cheeseshop::index::access::Grant;
use cheeseshop::index::settings::UploadChecks;
use serde_json::{Value, json};

async fn lenient(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &["upload_checks=lenient", "volatile=True"]).await;
    shop
}

/// A form around bytes that are no archive at all.
fn form(name: &str, version: &str, filename: &str, bytes: &[u8]) -> Form {
    let parts = vec![
        Part::text(":action", "file_upload"),
        Part::text("name", name),
        Part::text("version", version),
        Part::text("summary", "from the form"),
        Part::text("classifiers", "Topic :: Cheese"),
        Part::text("requires_python", ">=2.7"),
        Part::file(filename, bytes),
    ];
    Form { parts, boundary: "BOUNDARY".into() }
}

fn submit(name: &str, version: &str, more: &[(&str, &str)]) -> Form {
    let mut parts = vec![Part::text(":action", "submit"), Part::text("name", name), Part::text("version", version)];
    parts.extend(more.iter().map(|(name, value)| Part::text(name, value)));
    Form { parts, boundary: "BOUNDARY".into() }
}

async fn version(shop: &Shop, path: &str) -> Value {
    shop.get(path).accept("application/json").await.is(200).json()["result"].take()
}

both! {
    async fn a_token_for_a_project_reads_files_whose_names_could_be_of_another(engine: Engine) {
        let shop = lenient(engine).await;
        shop.set("alice/dev", &["acl_read=alice"]).await;
        for (name, filename) in [("foo-bar", "foo-bar-x.zip"), ("foo", "foo-x.zip")] {
            shop.send("/alice/dev/", &form(name, "x", filename, filename.as_bytes())).by("alice").await.is(200);
        }
        let token = shop.token("alice", "ci", scope(&[Grant::Read], &[], &["foo-bar"]), None).await;
        let page = shop.get("/alice/dev/+simple/foo-bar/").auth("alice", &token).await.is(200);
        let path = page.link("foo-bar-x.zip").path;
        assert_eq!(shop.get(&path).auth("alice", &token).await.is(200).text(), "foo-bar-x.zip");
        let digest = sha256(b"foo-x.zip");
        let other = format!("/alice/dev/+f/{}/{}/foo-x.zip", &digest[..3], &digest[3..16]);
        shop.get(&other).auth("alice", &token).await.is(404);
        shop.get(&other).await.is(401);
        shop.get(&other).by("alice").await.is(200);
    }

    async fn a_nul_in_a_form_of_bare_line_feeds_is_replaced(engine: Engine) {
        let shop = lenient(engine).await;
        let fields = [(":action", "submit"), ("name", "app"), ("version", "1.0"), ("summary", "a\0b")];
        let body: String = fields
            .iter()
            .map(|(name, value)| format!("--B\nContent-Disposition: form-data; name=\"{name}\"\n\n{value}\n"))
            .chain(["--B--\n".into()])
            .collect();
        let post = shop.post("/alice/dev/").header("content-type", "multipart/form-data; boundary=B").body(body);
        post.by("alice").await.is(200);
        assert_eq!(version(&shop, "/alice/dev/app/1.0").await["summary"], "a\u{fffd}b");
    }

    async fn old_and_odd_archives_come_in(engine: Engine) {
        let shop = lenient(engine).await;
        for (filename, wanted) in [
            ("old-1.0-py2.7.egg", "1.0"),
            ("old-1.0.win32-py2.5.exe", "1.0"),
            ("old-1.0.tar.bz2", "1.0"),
            ("old-1.0.zip", "1.0"),
            ("old-2004a.tgz", "2004a"),
            ("old-1.0-py3-none-any.whl", "1.0"),
        ] {
            let bytes = filename.as_bytes();
            shop.send("/alice/dev/", &form("Old", wanted, filename, bytes)).by("alice").await.is(200);
            let link = shop.page("alice/dev", "old").await.link(filename);
            assert_eq!(link.requires_python.as_deref(), Some(">=2.7"), "{filename}");
            assert_eq!(shop.get(&link.path).await.is(200).body, bytes, "{filename}");
        }
        let data = version(&shop, "/alice/dev/old/2004a").await;
        assert_eq!((&data["name"], &data["version"], &data["summary"]), (&json!("Old"), &json!("2004a"), &json!("from the form")));
        assert_eq!(data["classifiers"], json!(["Topic :: Cheese"]));
        let versions = version(&shop, "/alice/dev/old").await;
        assert_eq!(versions.as_object().unwrap().keys().collect::<Vec<_>>(), ["1.0", "2004a"]);
    }

    async fn what_an_archive_says_wins_over_the_form(engine: Engine) {
        let shop = lenient(engine).await;
        let dist = Dist::wheel_with("app", "1.0", "Requires-Python: >=3.9", b"");
        shop.send("/alice/dev/", &Form::of(&dist).with("summary", "from the form")).by("alice").await.is(200);
        let data = version(&shop, "/alice/dev/app/1.0").await;
        assert_eq!((&data["summary"], &data["requires_python"]), (&json!("a test"), &json!(">=3.9")));
        let link = shop.page("alice/dev", "app").await.link(&dist.filename);
        assert_eq!(link.requires_python.as_deref(), Some(">=3.9"));
    }

    async fn what_does_not_fit_together_is_refused_in_devpis_words(engine: Engine) {
        let shop = lenient(engine).await;
        for (form, words) in [
            (form("old", "2.0", "old-1.0.zip", b"x"), "filename 'old-1.0.zip' does not contain version '2.0'"),
            (form("old", "1.0", "old-1.0.txt", b"x"), "'old-1.0.txt' is not a valid archive name"),
            (form("old", "1.0", "older-1.0.zip", b"x"), "filename 'older-1.0.zip' does not match project name 'old'"),
            (form("old", "1.0", "a/old-1.0.zip", b"x"), "'a/old-1.0.zip' is not a valid archive name"),
            (form("old", "1.0", "old-1.0.doc.zip", b"x"), "'old-1.0.doc.zip' is not a valid archive name"),
            (form("old", "1<0", "old-1<0.zip", b"x"), "invalid metadata: a version has"),
            (form("old", "1.0", "old-1.0.zip", b"x").with("sha256_digest", &"0".repeat(64)), "The digest supplied does not match"),
            (form("", "2004a", "old_2004a.egg", b"x"), "invalid metadata: Missing required field \"name\""),
            (form("old", "", "old_2004a.egg", b"x"), "invalid metadata: Missing required field \"version\""),
        ] {
            let refused = shop.send("/alice/dev/", &form).by("alice").await.is(400);
            assert!(refused.text().starts_with(words), "{}", refused.text());
        }
        shop.get("/alice/dev/+simple/old/").await.is(404);
    }

    async fn a_strict_index_beside_it_stays_strict(engine: Engine) {
        let shop = lenient(engine).await;
        shop.stage("alice/strict", &[]).await;
        shop.send("/alice/strict/", &form("old", "1.0", "old-1.0.zip", b"x")).by("alice").await.is(400);
        shop.set("alice/dev", &["upload_checks=strict"]).await;
        shop.send("/alice/dev/", &form("old", "1.0", "old-1.0.zip", b"x")).by("alice").await.is(400);
        let wrong = shop.ask(axum::http::Method::PATCH, "/alice/dev").body(r#"["upload_checks=loose"]"#).by("alice").await.is(400);
        assert_eq!(wrong.text(), "'loose' is not a way to check uploads: use strict or lenient\n");
    }

    async fn the_server_may_say_how_new_indexes_check(engine: Engine) {
        let rules = Rules { upload_checks: UploadChecks::Lenient, ..Rules::default() };
        let shop = Shop::with(engine, Options { rules, ..Options::default() }).await;
        shop.stage("alice/dev", &[]).await;
        assert_eq!(version(&shop, "/alice/dev?no_projects=").await["upload_checks"], "lenient");
        shop.send("/alice/dev/", &form("old", "1.0", "old-1.0.zip", b"x")).by("alice").await.is(200);
    }

    async fn a_file_whose_name_hides_its_project_can_be_had(engine: Engine) {
        let shop = lenient(engine).await;
        // Nobody guesses from `a-b-c-d-e-f_1.zip` that the project is a-b-c.
        shop.send("/alice/dev/", &form("a-b", "f_1", "a-b-c-d-e-f_1.zip", b"bytes")).by("alice").await.is(200);
        let link = shop.page("alice/dev", "a-b").await.link("a-b-c-d-e-f_1.zip");
        assert_eq!(shop.get(&link.path).await.is(200).body, "bytes");
    }

    async fn a_release_is_made_known_and_its_files_follow(engine: Engine) {
        let shop = lenient(engine).await;
        let register = submit("Old.Thing", "1.0", &[("summary", "known"), ("author", "somebody")]);
        shop.send("/alice/dev/", &register).by("alice").await.is(200);
        let data = version(&shop, "/alice/dev/old-thing/1.0").await;
        assert_eq!((&data["name"], &data["summary"], &data["author"]), (&json!("Old.Thing"), &json!("known"), &json!("somebody")));
        assert!(data.get("+links").is_none(), "{data}");
        assert_eq!(shop.page("alice/dev", "old-thing").await.is(200).links().len(), 0);
        // devpi-server sends it without parts, before it pushes the files.
        let sent = "%3Aaction=submit&name=Old.Thing&version=1.1&summary=sent+otherwise&classifiers=A&classifiers=B";
        let plain = shop.post("/alice/dev/").header("content-type", "application/x-www-form-urlencoded").body(sent);
        plain.by("alice").await.is(200);
        let data = version(&shop, "/alice/dev/old-thing/1.1").await;
        assert_eq!((&data["summary"], &data["classifiers"]), (&json!("sent otherwise"), &json!(["A", "B"])));
        // The file's form says less, and what it does not say is kept.
        shop.send("/alice/dev/", &form("Old.Thing", "1.0", "Old.Thing-1.0.zip", b"x")).by("alice").await.is(200);
        let data = version(&shop, "/alice/dev/old-thing/1.0").await;
        assert_eq!((&data["summary"], &data["author"]), (&json!("from the form"), &json!("somebody")));
        // devpi's submit replaces all.
        shop.send("/alice/dev/", &submit("Old.Thing", "1.0", &[("summary", "again")])).by("alice").await.is(200);
        let data = version(&shop, "/alice/dev/old-thing/1.0").await;
        assert_eq!((&data["summary"], &data["author"]), (&json!("again"), &json!("")));
    }

    async fn what_was_released_for_good_is_not_spoken_over(engine: Engine) {
        let shop = lenient(engine).await;
        shop.set("alice/dev", &["volatile=False"]).await;
        shop.send("/alice/dev/", &form("old", "1.0", "old-1.0.zip", b"x")).by("alice").await.is(200);
        shop.send("/alice/dev/", &submit("old", "1.0", &[("summary", "rewritten")])).by("alice").await.is(200);
        assert_eq!(version(&shop, "/alice/dev/old/1.0").await["summary"], "from the form");
        // Neither does a refused upload (devpi keeps its metadata).
        let other = form("old", "1.0", "old-1.0.zip", b"other").with("summary", "rewritten");
        shop.send("/alice/dev/", &other).by("alice").await.is(409);
        assert_eq!(version(&shop, "/alice/dev/old/1.0").await["summary"], "from the form");
        // On a strict index the archive speaks.
        shop.stage("alice/strict", &[]).await;
        shop.publish("alice/strict", "app", "1.0").await;
        shop.send("/alice/strict/", &submit("app", "1.0", &[("summary", "rewritten")])).by("alice").await.is(200);
        assert_eq!(version(&shop, "/alice/strict/app/1.0").await["summary"], "a test");
    }

    async fn a_registration_lacks_nothing_it_needs(engine: Engine) {
        let shop = lenient(engine).await;
        for (form, words) in [
            (submit("old", "", &[]), "invalid metadata: Missing required field \"version\""),
            (submit("", "1.0", &[]), "invalid metadata: Missing required field \"name\""),
            (submit("old", "1/0", &[]), "invalid metadata: a version has"),
        ] {
            let refused = shop.send("/alice/dev/", &form).by("alice").await.is(400);
            assert!(refused.text().starts_with(words), "{}", refused.text());
        }
        shop.user("bob").await;
        shop.send("/alice/dev/", &submit("old", "1.0", &[])).by("bob").await.is(403);
        shop.send("/alice/dev/", &submit("old", "1.0", &[])).await.is(401);
    }
}
