//! Every form of the web pages at once: none does anything for another site, and none for nobody.

use super::support::{Browser, Engine, Shop, both};

both! {
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
