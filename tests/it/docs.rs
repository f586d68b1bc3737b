//! Documentation: uploaded as zip archives, read as web pages, listed, downloaded and removed.

use super::support::ask::Answer;
use super::support::dist::{noise, sha256, zip_of};
use super::support::shop::scope;
use super::support::{Dist, Engine, Form, Shop, both};
use cheeseshop::db;
use cheeseshop::index::access::Grant;
use cheeseshop::pypi::{ProjectName, Sha256};
use std::time::Duration;

/// A small site in the shape that Sphinx gives it; `word` tells it from others.
fn site(word: &str) -> Vec<u8> {
    let index = format!("<h1>{word}</h1>");
    zip_of(&[
        ("index.html", index.as_bytes()),
        ("api/index.html", b"<h1>API</h1>"),
        ("_static/doc.css", b"h1 { color: red }"),
        ("_static/font.woff2", b"font"),
        ("_static/search.js", b"Search"),
        ("_images/logo.svg", b"<svg/>"),
        ("guide/a b.html", b"spaces"),
        ("paper.pdf", b"%PDF"),
    ])
}

/// The owner's documentation of a release.
async fn attach(shop: &Shop, index: &str, name: &str, version: &str, zip: &[u8]) -> Answer {
    let owner = index.split('/').next().unwrap();
    shop.send(&format!("/{index}/"), &Form::docs(name, Some(version), zip)).by(owner).await
}

fn zip_path(index: &str, filename: &str, zip: &[u8]) -> String {
    let digest = sha256(zip);
    format!("/{index}/+f/{}/{}/{filename}", &digest[..3], &digest[3..16])
}

both! {
    async fn documentation_is_read_as_web_pages(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "App", "1.0").await;
        attach(&shop, "alice/dev", "App", "1.0", &site("first")).await.is(200);
        for (path, body, content_type) in [
            ("", "<h1>first</h1>", "text/html; charset=utf-8"),
            ("index.html", "<h1>first</h1>", "text/html; charset=utf-8"),
            ("api/", "<h1>API</h1>", "text/html; charset=utf-8"),
            ("api/index.html?highlight=x", "<h1>API</h1>", "text/html; charset=utf-8"),
            ("_static/doc.css", "h1 { color: red }", "text/css; charset=utf-8"),
            ("_images/logo.svg", "<svg/>", "image/svg+xml"),
            ("guide/a%20b.html", "spaces", "text/html; charset=utf-8"),
        ] {
            let page = shop.get(&format!("/alice/dev/app/1.0/+doc/{path}")).await.is(200);
            assert_eq!((page.text().as_str(), page.header("content-type")), (body, content_type), "{path}");
            assert_eq!(page.header("content-length"), body.len().to_string());
        }
        let head = shop.head("/alice/dev/app/1.0/+doc/api/").await.is(200);
        assert_eq!((head.header("content-length"), head.body.len()), ("12", 0));
    }

    async fn writers_wait_for_a_project_before_they_hold_a_blob(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/other", &[]).await;
        let (wheel, zip) = (Dist::wheel("app", "1.0"), site("first"));
        shop.upload("alice/other", &wheel).await.is(200);
        attach(&shop, "alice/other", "app", "1.0", &zip).await.is(200);
        let index = shop.core().tree.load().find("alice", "dev").unwrap().index.id;
        let (project, now) = (ProjectName::parse("app").unwrap(), shop.clock.now());
        for bytes in [&wheel.bytes, &zip] {
            // A push has locked the project, and comes to the blob in a moment.
            let mut c = shop.core().db.begin().await.unwrap();
            db::projects::put(&mut c, index, &project, "app", now).await.unwrap();
            let pushing = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                let blob = db::blobs::get(&mut c, &Sha256::parse(&sha256(bytes)).unwrap()).await.unwrap().unwrap();
                cheeseshop::index::keep::note(&mut c, &shop.core().blobs, &blob, now).await.unwrap();
                c.commit().await.unwrap();
            };
            let uploading = async {
                match *bytes == zip {
                    true => attach(&shop, "alice/dev", "app", "1.0", &zip).await,
                    false => shop.upload("alice/dev", &wheel).await,
                }
            };
            tokio::join!(pushing, uploading).1.is(200);
        }
    }

    async fn addresses_without_their_slash_lead_to_the_one_with_it(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        attach(&shop, "alice/dev", "app", "1.0", &site("x")).await.is(200);
        for (from, to) in [
            ("app/1.0/+doc", "app/1.0/+doc/"),
            ("app/1.0/+doc?q=1", "app/1.0/+doc/?q=1"),
            ("app/1.0/+doc/api", "app/1.0/+doc/api/"),
            ("App/1.0/+doc/guide/a%20b.html", "app/1.0/+doc/guide/a%20b.html"),
            ("app/1.0/+d", "app/1.0/+doc/"),
            ("app/1.0/+d/", "app/1.0/+doc/"),
            ("app/latest/+d/api/index.html?q=1", "app/latest/+doc/api/index.html?q=1"),
            ("app/1.0/%2Bd/api/", "app/1.0/+doc/api/"),
            // A slash too many, which routing passes over, counts for whoever resolves the address.
            ("app//1.0/+doc//api", "app/1.0/+doc/api/"),
            ("App/1.0//+doc/api//", "app/1.0/+doc/api/"),
            ("app/1.0/+d//", "app/1.0/+doc/"),
        ] {
            let answer = shop.get(&format!("/alice/dev/{from}")).await.is(302);
            assert_eq!(answer.location(), format!("/alice/dev/{to}"), "{from}");
        }
    }

    async fn what_is_not_there_is_said_plainly(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        attach(&shop, "alice/dev", "app", "1.0rc1", &zip_of(&[("readme.txt", b"x")])).await.is(200);
        for (path, words) in [
            ("app/1.0rc1/+doc/no.html", "File no.html not found in documentation."),
            ("app/1.0rc1/+doc/", "File index.html not found in documentation."),
            ("app/1.0rc1/+doc/readme.txt/", "File readme.txt not found in documentation."),
            ("app/2.0/+doc/", "No documentation available for app 2.0."),
            ("app/stable/+doc/", "No stable documentation available"),
            ("other/latest/+doc/", "No documentation available"),
        ] {
            let answer = shop.get(&format!("/alice/dev/{path}")).await.is(404);
            assert!(answer.text().starts_with(words), "{path}: {}", answer.text());
        }
        shop.get("/alice/dev/app/1.0rc1/+doc/..%2fx").await.is(400);
        shop.post("/alice/dev/app/1.0rc1/+doc/readme.txt").await.is(405);
        shop.get("/alice/none/app/1.0/+doc/").await.is(404);
    }

    async fn pages_are_kept_in_a_sandbox(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        for index in ["alice/dev", "alice/shut"] {
            attach(&shop, index, "app", "1.0", &site("x")).await.is(200);
        }
        for path in ["", "_images/logo.svg", "_static/search.js"] {
            let page = shop.get(&format!("/alice/dev/app/1.0/+doc/{path}")).await.is(200);
            let policy = page.header("content-security-policy");
            assert!(policy.starts_with("sandbox ") && !policy.contains("allow-same-origin"), "{policy}");
            assert_eq!((page.header("x-content-type-options"), page.header("referrer-policy")), ("nosniff", "no-referrer"));
            assert_eq!(page.get("set-cookie"), None);
        }
        let paper = shop.get("/alice/dev/app/1.0/+doc/paper.pdf").await.is(200);
        assert_eq!((paper.header("content-type"), paper.get("content-security-policy")), ("application/pdf", None), "browsers show none in a sandbox");
        let leave = async |path: &str| {
            let answer = shop.get(path).by("alice").await.is(200);
            answer.get("access-control-allow-origin").map(str::to_owned)
        };
        assert_eq!(leave("/alice/dev/app/1.0/+doc/_static/font.woff2").await.as_deref(), Some("*"));
        assert_eq!(leave("/alice/dev/app/1.0/+doc/_static/search.js").await.as_deref(), Some("*"));
        assert_eq!(leave("/alice/dev/app/1.0/+doc/").await, None, "strangers' pages read no texts");
        assert_eq!(leave("/alice/shut/app/1.0/+doc/_static/font.woff2").await, None, "nor anything that is not for everybody");
        shop.get("/alice/shut/app/1.0/+doc/").await.is(401);
        let private = shop.get("/alice/shut/app/1.0/+doc/").by("alice").await.is(200);
        assert_eq!(private.header("cache-control"), "private, max-age=60, must-revalidate");
    }

    async fn a_page_that_is_known_is_not_sent_again(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        attach(&shop, "alice/dev", "app", "1.0", &site("old")).await.is(200);
        let path = "/alice/dev/app/1.0/+doc/";
        let first = shop.get(path).await.is(200);
        let again = shop.get(path).header("if-none-match", first.header("etag")).await.is(304);
        assert_eq!((again.body.len(), again.header("etag")), (0, first.header("etag")));
        attach(&shop, "alice/dev", "app", "1.0", &site("new")).await.is(200);
        let changed = shop.get(path).header("if-none-match", first.header("etag")).await.is(200);
        assert_eq!(changed.text(), "<h1>new</h1>");
    }

    async fn latest_and_stable_are_the_newest_that_have_documentation(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/base", &[]).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        shop.stage("alice/dev", &["bases=alice/shut,alice/base"]).await;
        for (index, version) in [("alice/dev", "1.0"), ("alice/base", "1.10"), ("alice/base", "1.0"), ("alice/base", "2.0rc1")] {
            attach(&shop, index, "app", version, &site(&format!("{index} {version}"))).await.is(200);
        }
        attach(&shop, "alice/shut", "app", "3.0", &site("secret")).await.is(200);
        shop.publish("alice/dev", "app", "9.0").await;
        let title = async |version: &str| shop.get(&format!("/alice/dev/app/{version}/+doc/")).await.is(200).text();
        assert_eq!(title("latest").await, "<h1>alice/base 2.0rc1</h1>");
        assert_eq!(title("stable").await, "<h1>alice/base 1.10</h1>");
        assert_eq!(title("1.0").await, "<h1>alice/dev 1.0</h1>", "the first index gives it");
        assert_eq!(title("1.0.0").await, "<h1>alice/dev 1.0</h1>", "however its zeros are written");
        let own = shop.get("/alice/dev/app/latest/+doc/").by("alice").await.is(200);
        assert_eq!(own.text(), "<h1>secret</h1>", "who may read more sees more");
    }

    async fn uploading_follows_devpis_rules(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let send = async |version: Option<&str>, zip: &[u8]| {
            let answer = shop.send("/alice/dev/", &Form::docs("My_App", version, zip)).by("alice").await;
            (answer.status, answer.reason.unwrap_or_default())
        };
        let none = "doczip has no version and 'my-app' has no releases to derive one from";
        assert_eq!(send(None, &site("a")).await, (400, none.into()));
        let missing = "invalid metadata: Missing required field \"version\"";
        assert_eq!(send(Some(""), &site("a")).await, (400, missing.into()));
        assert_eq!(send(Some("1/../2"), &site("a")).await.0, 400);
        shop.publish("alice/dev", "My.App", "1.0").await;
        shop.publish("alice/dev", "My.App", "1.9").await;
        shop.publish("alice/dev", "My.App", "1.10").await;
        assert_eq!(send(None, &site("a")).await.0, 200);
        assert_eq!(shop.get("/alice/dev/my-app/1.10/+doc/").await.is(200).text(), "<h1>a</h1>");
        let before = shop.stored().await;
        assert_eq!(send(Some("1.10"), &site("a")).await, (200, "Upload of identical file to non volatile index.".into()));
        assert_eq!(send(None, &site("b")).await, (409, "My_App-docs.doc.zip already exists in non-volatile index".into()));
        assert_eq!(shop.stored().await.0, before.0);
        assert_eq!(send(Some("3.0"), &site("c")).await.0, 200, "a release of documentation alone");
        assert_eq!(shop.page("alice/dev", "my-app").await.json()["versions"], serde_json::json!(["1.0", "1.9", "1.10", "3.0"]));
        let journal = shop.journal().await;
        let last = journal.last().unwrap();
        assert_eq!((last.action.as_str(), &last.detail.0["filename"]), ("docs-add", &"my-app-3.0.doc.zip".into()));
    }

    async fn uploading_needs_the_right(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.user("bob").await;
        let form = Form::docs("app", Some("1.0"), &site("x"));
        shop.send("/alice/dev/", &form).await.is(401);
        shop.send("/alice/dev/", &form).by("bob").await.is(403);
        let token = shop.token("alice", "other", scope(&[Grant::Upload], &[], &["other"]), None).await;
        shop.send("/alice/dev/", &form).auth("__token__", &token).await.is(403);
        let token = shop.token("alice", "app", scope(&[Grant::Upload], &[], &["app"]), None).await;
        shop.send("/alice/dev/", &form.clone().without("content")).by("alice").await.is(400);
        shop.send("/alice/dev/", &form.clone().without("name")).by("alice").await.is(400);
        shop.send("/alice/dev/", &form).auth("__token__", &token).await.is(200);
    }

    async fn archives_that_could_harm_are_refused(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let before = shop.stored().await;
        let bomb = zip_of(&[("index.html", &vec![0; 65 << 20])]);
        for (what, zip, words) in [
            ("no zip", b"<html>".to_vec(), "not a sound zip archive"),
            ("nothing", zip_of(&[]), "no files in it"),
            ("a bomb", bomb, "unpacks to more than"),
            ("a way out", zip_of(&[("a/../../x.html", b"x")]), "'..'"),
            ("a tarball", Dist::sdist("app", "1.0").bytes, "not a sound zip archive"),
        ] {
            let answer = attach(&shop, "alice/dev", "app", "1.0", &zip).await.is(400);
            assert!(answer.text().starts_with("Invalid documentation archive. "), "{what}: {}", answer.text());
            assert!(answer.text().contains(words), "{what}: {}", answer.text());
        }
        assert_eq!(shop.stored().await, before);
    }

    async fn large_pages_and_large_archives_come_whole(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let (packed, noisy) = ("words ".repeat(300_000), noise(1 << 20));
        let names: Vec<String> = (0..10_000).map(|n| format!("pages/{n}.html")).collect();
        let mut members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
        members.extend([("index.html", packed.as_bytes()), ("data.bin", noisy.as_slice())]);
        attach(&shop, "alice/dev", "app", "1.0", &zip_of(&members)).await.is(200);
        assert_eq!(shop.get("/alice/dev/app/1.0/+doc/").await.is(200).body, packed);
        assert_eq!(shop.get("/alice/dev/app/1.0/+doc/data.bin").await.is(200).body, noisy);
        assert_eq!(shop.get("/alice/dev/app/1.0/+doc/pages/9999.html").await.is(200).text(), "pages/9999.html");
    }

    async fn version_data_list_documentation_with_its_log(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        shop.stage("bob/above", &["bases=alice/dev"]).await;
        let dist = shop.publish("alice/dev", "My.App", "1.0").await;
        attach(&shop, "alice/dev", "My.App", "1.0", &site("old")).await.is(200);
        attach(&shop, "alice/dev", "My.App", "1.0", &site("new")).await.is(200);
        attach(&shop, "alice/dev", "my-app", "2.0", &site("two")).await.is(200);
        let data = shop.get("/bob/above/my-app").accept("application/json").await.is(200).json()["result"].clone();
        let links = data["1.0"]["+links"].as_array().unwrap().clone();
        let zip = site("new");
        assert_eq!((links.len(), &links[0]["rel"], &links[1]["rel"]), (2, &"releasefile".into(), &"doczip".into()));
        assert_eq!(links[0]["href"], format!("http://localhost{}", dist.path("alice/dev")));
        assert_eq!(links[1]["href"], format!("http://localhost{}", zip_path("alice/dev", "my-app-1.0.doc.zip", &zip)));
        assert_eq!(links[1]["hash_spec"], format!("sha256={}", sha256(&zip)));
        assert_eq!(links[1]["hashes"], serde_json::json!({"sha256": sha256(&zip)}));
        let when = serde_json::json!([2026, 3, 1, 12, 0, 0]);
        let log = serde_json::json!([
            {"what": "overwrite", "who": null, "when": when, "count": 1},
            {"what": "upload", "who": "alice", "when": when, "dst": "alice/dev"},
        ]);
        assert_eq!((&links[1]["log"], links[1].get("for_href")), (&log, None));
        let two = &data["2.0"];
        assert_eq!((&two["name"], &two["summary"], &two["classifiers"]), (&"My.App".into(), &"".into(), &serde_json::json!([])));
        assert_eq!(two["+links"].as_array().unwrap().len(), 1, "a release of documentation alone has its metadata and links");
    }

    async fn the_archive_is_downloaded_as_it_came(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        shop.stage("bob/above", &["bases=alice/dev,alice/shut"]).await;
        let zip = site("x");
        for index in ["alice/dev", "alice/shut"] {
            attach(&shop, index, "my-app", "1.0", &zip).await.is(200);
        }
        for index in ["alice/dev", "bob/above"] {
            let answer = shop.get(&zip_path(index, "my-app-1.0.doc.zip", &zip)).await.is(200);
            assert_eq!((answer.header("content-type"), &answer.body[..]), ("application/zip", &zip[..]));
            assert_eq!(answer.header("etag"), format!("\"{}\"", sha256(&zip)));
        }
        let told = shop.get(&zip_path("alice/dev", "my-app-1.0.doc.zip", &zip)).accept("application/json").await.is(200).json();
        assert_eq!(told["type"], "releasefilemeta");
        assert_eq!((&told["result"]["project"], &told["result"]["version"]), (&"my-app".into(), &"1.0".into()));
        let part = shop.get(&zip_path("alice/dev", "my-app-1.0.doc.zip", &zip)).header("range", "bytes=0-3").await.is(206);
        assert_eq!(&part.body[..], b"PK\x03\x04");
        shop.get(&zip_path("alice/shut", "my-app-1.0.doc.zip", &zip)).await.is(401);
        shop.get(&zip_path("alice/dev", "my-app-2.0.doc.zip", &zip)).await.is(404);
        shop.get(&zip_path("alice/dev", "my-app-1.0.doc.zip", b"other")).await.is(404);
    }

    async fn deleting_documentation_follows_devpis_rules(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/above", &["bases=alice/dev", "volatile=true"]).await;
        let zip = site("x");
        shop.publish("alice/dev", "app", "1.0").await;
        attach(&shop, "alice/dev", "app", "1.0", &zip).await.is(200);
        let path = zip_path("alice/dev", "app-1.0.doc.zip", &zip);
        shop.delete(&path).await.is(403);
        let kept = shop.delete(&path).by("alice").await.is(403);
        assert_eq!(kept.reason.as_deref(), Some("cannot delete version on non-volatile index"));
        shop.delete(&zip_path("alice/above", "app-1.0.doc.zip", &zip)).by("alice").await.is(404);
        let gone = shop.delete(&format!("{path}?force=")).by("alice").await.is(200);
        assert_eq!(gone.json()["message"], format!("package '{}' deleted", &path[1..]));
        shop.get(&path).await.is(404);
        shop.get("/alice/dev/app/1.0/+doc/").await.is(404);
        assert_eq!(shop.journal().await.last().unwrap().action, "docs-remove");
        assert_eq!(shop.page("alice/dev", "app").await.json()["versions"], serde_json::json!(["1.0"]), "its file keeps the release");
    }

    /// Files and documentation each keep their release; with the last of both it goes, and the name stays reserved.
    async fn a_release_lives_as_long_as_it_has_something(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        let (dist, zip) = (shop.publish("alice/dev", "app", "1.0").await, site("x"));
        attach(&shop, "alice/dev", "app", "1.0", &zip).await.is(200);
        attach(&shop, "alice/dev", "app", "2.0", &zip).await.is(200);
        let versions = async || shop.page("alice/dev", "app").await.json()["versions"].clone();
        shop.delete(&dist.path("alice/dev")).by("alice").await.is(200);
        assert_eq!(versions().await, serde_json::json!(["1.0", "2.0"]), "documentation keeps it");
        shop.get("/alice/dev/app/1.0/+doc/").await.is(200);
        shop.delete(&zip_path("alice/dev", "app-1.0.doc.zip", &zip)).by("alice").await.is(200);
        assert_eq!(versions().await, serde_json::json!(["2.0"]));
        shop.delete("/alice/dev/app/2.0").by("alice").await.is(200);
        shop.get("/alice/dev/app/latest/+doc/").await.is(404);
        shop.get("/alice/dev/+simple/app/").await.is(404);
        shop.delete("/alice/dev/app").by("alice").await.is(404);
        attach(&shop, "alice/dev", "app", "3.0", &zip).await.is(200);
        assert_eq!(versions().await, serde_json::json!(["3.0"]), "the name is in use again");
        shop.delete("/alice/dev/app").by("alice").await.is(200);
        shop.get("/alice/dev/app/3.0/+doc/").await.is(404);
    }
}
