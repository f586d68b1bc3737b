//! Who sees what: pages, lists, files and metadata, through inheritance, and what those who may not see are told.

use super::support::{Dist, Engine, FakeUpstream, Item, JSON, Shop, both};

/// `bob/team` (public) inherits from `alice/secret` (alice and carol) and `alice/open` (everybody).
async fn nested(engine: Engine) -> (Shop, Dist, Dist) {
    let shop = Shop::start(engine).await;
    for user in ["bob", "carol", "dave", "root"] {
        shop.user(user).await;
    }
    shop.stage("alice/secret", &["acl_read=carol"]).await;
    shop.stage("alice/open", &[]).await;
    shop.stage("bob/team", &["bases=alice/secret,alice/open"]).await;
    let secret = shop.publish("alice/secret", "app", "2.0").await;
    let open = shop.publish("alice/open", "app", "1.0").await;
    shop.publish("alice/secret", "hidden", "1.0").await;
    (shop, secret, open)
}

async fn names(shop: &Shop, path: &str, user: &str) -> Vec<String> {
    let list = shop.get(path).accept(JSON).by(user).await.is(200).json();
    list["projects"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect()
}

both! {
    async fn a_proxy_may_ask_for_somebody(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["acl_read=alice"]).await;
        shop.stage("alice/open", &[]).await;
        shop.user("bob").await;
        let check = |path: &str| shop.get("/+authcheck").header("x-original-uri", path);
        for path in ["/alice/dev/+f/abc/0123456789abc/app-1.0.zip?x=1", "/alice/dev/%2Bsimple/app/", "/alice/dev/app/1.0/+doc/a"] {
            check(path).by("alice").await.is(200);
            check(path).by("bob").await.is(403);
            check(path).await.is(401);
        }
        for path in ["/alice/open/+f/abc/0123456789abc/app-1.0.zip", "/", "/+login", "/health", "/alice"] {
            check(path).await.is(200);
        }
        check("/alice/open/+nothing/x").await.is(403);
        check("/alice/none/+simple/").by("bob").await.is(403);
        shop.get("/+authcheck").await.is(400);
    }

    async fn each_caller_sees_what_they_may_read(engine: Engine) {
        let (shop, secret, open) = nested(engine).await;
        let path = "/bob/team/+simple/app/";
        let both = [open.filename.as_str(), secret.filename.as_str()];
        // In this order and again: nobody is served a page that was made for somebody else.
        for _ in 0..2 {
            for user in ["carol", "alice", "root"] {
                assert_eq!(shop.get(path).accept(JSON).by(user).await.filenames(), both, "{user}");
            }
            for user in ["bob", "dave"] {
                assert_eq!(shop.get(path).accept(JSON).by(user).await.filenames(), both[..1], "{user}");
            }
            assert_eq!(shop.get(path).accept(JSON).await.filenames(), both[..1]);
        }
    }

    async fn files_and_metadata_follow_the_page(engine: Engine) {
        let (shop, secret, open) = nested(engine).await;
        for index in ["bob/team", "alice/secret"] {
            for suffix in ["", ".metadata"] {
                let path = format!("{}{suffix}", secret.path(index));
                for user in ["carol", "alice", "root"] {
                    shop.get(&path).by(user).await.is(200);
                }
                for user in ["bob", "dave"] {
                    shop.get(&path).by(user).await.is(404);
                    shop.head(&path).by(user).await.is(404);
                }
                let anonymous = shop.get(&path).await;
                assert_eq!(anonymous.status, if index == "bob/team" { 404 } else { 401 }, "{path}");
            }
        }
        for suffix in ["", ".metadata"] {
            shop.get(&format!("{}{suffix}", open.path("bob/team"))).await.is(200);
        }
    }

    async fn names_of_hidden_bases_are_not_shown(engine: Engine) {
        let (shop, ..) = nested(engine).await;
        assert_eq!(names(&shop, "/bob/team/+simple/", "carol").await, ["app", "hidden"]);
        assert_eq!(names(&shop, "/bob/team/+simple/", "dave").await, ["app"]);
        shop.get("/bob/team/+simple/hidden/").by("carol").await.is(200);
        let hidden = shop.get("/bob/team/+simple/hidden/").by("dave").await.is(404);
        assert_eq!(hidden.body, shop.get("/bob/team/+simple/hidden/").by("bob").await.is(404).body);
    }

    async fn an_index_that_may_not_be_read_looks_like_none(engine: Engine) {
        let (shop, secret, _) = nested(engine).await;
        let below = ["/+simple/", "/+simple/app/", "/+simple/none/", "/+f/abc/0123456789abc/app-1.0.tar.gz", "/app/"];
        for below in below {
            let (there, none) = (format!("/alice/secret{below}"), format!("/alice/no-such{below}"));
            for pip in ["", "pip/26.3"] {
                let ask = |path: &str| shop.get(path).header("user-agent", pip);
                let (hidden, missing) = (ask(&there).by("dave").await, ask(&none).by("dave").await);
                assert_eq!((hidden.status, missing.status), (404, 404), "{below}");
                assert_eq!(hidden.text().replace("secret", "no-such"), missing.text());
                let (hidden, missing) = (ask(&there).await, ask(&none).await);
                assert_eq!((hidden.status, missing.status), (401, 401), "{below}: who signs in may see more");
                assert_eq!(hidden.body, missing.body);
                assert_eq!(hidden.header("www-authenticate"), "Basic realm=\"pypi\"");
                assert_eq!(hidden.header("cache-control"), "no-store");
            }
        }
        shop.delete(&secret.path("alice/secret")).by("dave").await.is(404);
    }

    async fn without_any_hidden_index_nobody_is_asked_to_sign_in(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/open", &[]).await;
        shop.get("/alice/none/+simple/").await.is(404);
        shop.get("/alice/none/+f/abc/0123456789abc/app-1.0.tar.gz").await.is(404);
        shop.stage("alice/secret", &["acl_read=alice"]).await;
        shop.get("/alice/none/+simple/").await.is(401);
        shop.get("/alice/open/+simple/none/").await.is(404);
    }

    async fn signed_in_users_may_be_meant_as_a_whole(engine: Engine) {
        let (shop, ..) = nested(engine).await;
        shop.set("alice/secret", &["acl_read=:AUTHENTICATED:"]).await;
        for user in ["bob", "dave", "carol"] {
            shop.get("/alice/secret/+simple/app/").by(user).await.is(200);
        }
        shop.get("/alice/secret/+simple/app/").await.is(401);
    }

    async fn a_change_of_the_list_counts_at_once(engine: Engine) {
        let (shop, secret, _) = nested(engine).await;
        let files = async |user: &str| shop.get("/bob/team/+simple/app/").accept(JSON).by(user).await.filenames().len();
        assert_eq!((files("carol").await, files("dave").await), (2, 1));
        shop.set("alice/secret", &["acl_read-=carol", "acl_read+=dave"]).await;
        assert_eq!((files("carol").await, files("dave").await), (1, 2));
        shop.get(&secret.path("bob/team")).by("carol").await.is(404);
        shop.get(&secret.path("bob/team")).by("dave").await.is(200);
        shop.set("alice/secret", &["acl_read=:ANONYMOUS:"]).await;
        shop.get(&secret.path("bob/team")).await.is(200);
    }

    async fn what_not_everybody_may_read_is_kept_by_no_proxy(engine: Engine) {
        let (shop, secret, open) = nested(engine).await;
        for path in [secret.path("alice/secret"), format!("{}.metadata", secret.path("bob/team")), open.path("bob/team")] {
            let file = shop.get(&path).by("carol").await.is(200);
            assert_eq!(file.header("cache-control"), "private, max-age=31536000, immutable", "{path}");
        }
        let public = shop.get(&open.path("alice/open")).by("carol").await.is(200);
        assert_eq!(public.header("cache-control"), "public, max-age=31536000, immutable");
        let page = shop.get("/bob/team/+simple/app/").by("carol").await.is(200);
        assert_eq!(page.header("cache-control"), "max-age=0, must-revalidate");
        assert_eq!(page.header("vary"), "Accept, Accept-Encoding", "pip cannot store a page that varies by credentials");
    }

    /// Whoever forgot to sign in must not be given a stranger's package of the same name.
    async fn a_hidden_name_keeps_the_mirror_away_from_everybody(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.stage("alice/secret", &["acl_read=alice"]).await;
        shop.stage("bob/team", &["bases=alice/secret,root/pypi"]).await;
        let (own, stranger) = (shop.publish("alice/secret", "app", "1.0").await, Dist::wheel("app", "99"));
        upstream.add(Item::new(&stranger));
        shop.get("/bob/team/+simple/app/").await.is(404);
        shop.get("/bob/team/+simple/app/").by("bob").await.is(404);
        for suffix in ["", ".metadata"] {
            shop.get(&format!("{}{suffix}", stranger.path("bob/team"))).await.is(404);
        }
        let page = shop.get("/bob/team/+simple/app/").accept(JSON).by("alice").await;
        assert_eq!(page.filenames(), [own.filename]);
        assert!(upstream.all_seen().is_empty(), "{:?}", upstream.all_seen());
    }
}
