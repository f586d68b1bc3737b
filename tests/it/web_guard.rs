//! Every form of the web pages at once: none does anything for another site, and none for nobody.

use super::support::shop::scope;
use super::support::{Browser, Engine, Shop, both};
use cheeseshop::index::access::Grant;

/// What the harness goes on signing in with.
const PASSWORD: &str = "alice's password";

/// Each form as it would do something: the address and its fields.
const FORMS: &[(&str, &[(&str, &str)])] = &[
    ("/_/users", &[("name", "new")]),
    ("/_/users/alice", &[("act", "profile"), ("title", "x"), ("email", ""), ("description", "")]),
    ("/_/users/alice", &[("act", "password"), ("password", PASSWORD), ("again", PASSWORD)]),
    ("/_/users/alice", &[("act", "sessions")]),
    ("/_/users/carol/delete", &[("confirm", "carol")]),
    ("/_/users/alice/tokens", &[("name", "x"), ("allow", "read"), ("reach", "all"), ("expiry", "30")]),
    ("/_/users/alice/tokens/revoke", &[("kind", "own"), ("token", "ci")]),
    ("/_/indexes/new", &[("kind", "stage"), ("owner", "alice"), ("name", "new")]),
    ("/_/indexes/alice/dev/settings", &[("title", "x")]),
    ("/_/indexes/alice/dev/settings", &[("act", "refresh")]),
    ("/_/indexes/alice/dev/delete", &[("confirm", "alice/dev")]),
    ("/_/projects/alice/dev/app/yank", &[("version", "1.0"), ("act", "yank"), ("reason", "")]),
    ("/_/projects/alice/dev/app/remove", &[("confirm", "app")]),
    ("/_/projects/alice/dev/app/push", &[("version", "1.0"), ("target", "root/prod")]),
    ("/_/projects/alice/dev/app/refresh", &[]),
];

both! {
    async fn no_form_does_anything_for_another_site_or_for_nobody(engine: Engine) {
        let shop = Shop::start(engine).await;
        for user in ["root", "carol"] {
            shop.user(user).await;
        }
        shop.stage("root/prod", &[]).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.token("alice", "ci", scope(&[Grant::Read], &[], &[]), None).await;
        let (root, nobody, before) = (Browser::of(&shop, "root").await, Browser::nobody(&shop), shop.stored().await);
        for (path, fields) in FORMS {
            for site in ["cross-site", "same-site"] {
                let answer = root.post_from(site, path, fields).await;
                assert_eq!(answer.status, 403, "{path} from {site}: {}", answer.text());
                assert!(answer.text().contains("sent by a page of another site"), "{path}");
            }
            let answer = nobody.post(path, fields).await;
            let led = answer.status == 303 && answer.header("location").starts_with("/_/login");
            assert!(led, "{path}: {} {:?}", answer.status, answer.get("location"));
        }
        assert_eq!(shop.stored().await, before);
        root.page("/_/users/alice").await;
        // And each of them would have done something: so this looks at what it says.
        for (path, fields) in FORMS {
            let answer = root.post(path, fields).await;
            let done = matches!(answer.status, 200 | 303) || *fields == [("act", "refresh")];
            assert!(done, "{path} {fields:?}: {} {}", answer.status, answer.text());
            if *path == "/_/indexes/alice/dev/delete" {
                shop.stage("alice/dev", &["volatile=true", "bases="]).await;
                shop.publish("alice/dev", "app", "1.0").await;
            }
            if *path == "/_/projects/alice/dev/app/remove" {
                shop.publish("alice/dev", "app", "1.0").await;
            }
        }
    }

    async fn pages_that_only_browsers_use_are_kept_by_nobody(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let root = Browser::of(&shop, "root").await;
        for path in [
            "/_/users",
            "/_/users/alice",
            "/_/users/alice/delete",
            "/_/users/alice/tokens",
            "/_/indexes/new",
            "/_/indexes/new?kind=mirror",
            "/_/indexes/alice/dev/settings",
            "/_/indexes/alice/dev/delete",
            "/_/projects/alice/dev/app/yank",
            "/_/projects/alice/dev/app/yank?version=1.0",
            "/_/projects/alice/dev/app/remove",
            "/_/projects/alice/dev/app/push",
            "/_/projects/alice/dev/app/refresh",
            "/_/activity",
            "/_/status",
        ] {
            let page = root.page(path).await;
            assert_eq!(page.answer.header("cache-control"), "no-store", "{path}");
            assert!(page.answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
            assert!(!page.text().contains(" style=") && !page.text().contains("<style") && !page.text().contains("onclick"), "{path}");
        }
        root.get("/_/projects/alice/dev/app/nothing").await.is(404);
    }
}
