//! Making, changing and deleting indexes by forms.

use super::support::shop::Options;
use super::support::{Browser, Engine, FakeUpstream, Page, Shop, both};
use cheeseshop::index::Rules;
use cheeseshop::names::UserName;
use serde_json::{Value, json};

const NEW: &str = "/_/indexes/new";
const SETTINGS: &str = "/_/indexes/alice/dev/settings";

/// The options of an index as they are stored.
fn options(shop: &Shop, user: &str, index: &str) -> Value {
    let tree = shop.core().tree.load();
    let place = tree.find(user, index).expect("the index");
    let mut options = Value::Object(place.index.settings.stored.clone());
    options["bases"] = json!(place.index.bases.iter().map(ToString::to_string).collect::<Vec<_>>());
    options
}

both! {
    async fn a_stage_is_made_by_a_form(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("root/base", &[]).await;
        shop.user("alice").await;
        shop.user("bob").await;
        let alice = Browser::of(&shop, "alice").await;
        let form = alice.page(NEW).await.form(NEW);
        assert!(!form.has("owner") && form.value("volatile") == "yes" && form.value("acl_upload_users") == "alice");
        let form = form.set("name", "dev").set("title", "Alice's things").set("bases", "root/base").set("volatile", "no");
        let form = form.set("acl_read", "users").set("acl_read_users", "bob").set("acl_upload_users", "alice, bob");
        let form = form.set("keep_dev_releases", "5").set("mirror_whitelist", "App_One").set("page_max_age", "60");
        let answer = form.send(&alice).await.is(303);
        assert_eq!(answer.header("location"), "/alice/dev");
        alice.follow(answer).await.must_say("The index alice/dev is made.");
        let made = options(&shop, "alice", "dev");
        let wanted = json!({
            "title": "Alice's things", "bases": ["root/base"], "volatile": false, "acl_read": ["bob"], "acl_upload": ["alice", "bob"],
            "acl_toxresult_upload": [":ANONYMOUS:"], "mirror_whitelist": ["app-one"], "mirror_whitelist_inheritance": "intersection",
            "keep_dev_releases": 5, "page_max_age": 60,
        });
        assert_eq!(made, wanted);
    }

    async fn a_new_index_has_its_owners_defaults_whoever_makes_it(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        shop.user("alice").await;
        let root = Browser::of(&shop, "root").await;
        let form = root.page(NEW).await.form(NEW);
        assert_eq!(form.value("owner"), "root");
        root.follow(form.set("owner", "alice").set("name", "dev").send(&root).await).await;
        assert_eq!(options(&shop, "alice", "dev")["acl_upload"], json!(["alice"]));
        assert_eq!(root.page("/_/indexes/new?user=alice").await.form(NEW).value("owner"), "alice");
        // Only administrators choose.
        let alice = Browser::of(&shop, "alice").await;
        let fields = [("kind", "stage"), ("owner", "root"), ("name", "sly"), ("volatile", "yes"), ("acl_read", "all")];
        Page::of(alice.post(NEW, &fields).await.is(403)).must_say("No permission to create index root/sly");
        assert!(shop.core().tree.load().find("root", "sly").is_none());
    }

    async fn a_mirror_is_made_by_a_form_and_its_credentials_are_shown_to_nobody(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.user("root").await;
        let root = Browser::of(&shop, "root").await;
        let form = root.page("/_/indexes/new?kind=mirror").await.form(NEW);
        assert!(!form.has("bases") && !form.has("acl_upload"));
        let form = form.set("name", "mirror").set("mirror_url", &upstream.index_url()).set("mirror_user", "me");
        let form = form.set("mirror_password", "s%cret").set("mirror_no_project_list", "yes").set("mirror_cache_expiry", "60");
        root.follow(form.send(&root).await).await;
        let stored = options(&shop, "root", "mirror");
        let with_credentials = upstream.index_url().replace("://", "://me:s%25cret@");
        assert_eq!((&stored["mirror_url"], &stored["mirror_no_project_list"]), (&json!(with_credentials), &json!(true)));
        let path = "/_/indexes/root/mirror/settings";
        let page = root.page(path).await;
        assert!(!page.text().contains("cret") && page.says("A user and a password are stored"));
        assert_eq!(page.form(path).value("mirror_url"), upstream.index_url());
        // What is not touched stays, and so do they.
        root.follow(page.form(path).set("title", "M").send(&root).await).await.must_say("The settings are saved.");
        assert_eq!(options(&shop, "root", "mirror")["mirror_url"], json!(with_credentials));
        let form = root.page(path).await.form(path).set("mirror_forget", "yes");
        root.follow(form.send(&root).await).await;
        assert_eq!(options(&shop, "root", "mirror")["mirror_url"], json!(upstream.index_url()));
    }

    async fn private_addresses_are_for_administrators(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.user("alice").await;
        let alice = Browser::of(&shop, "alice").await;
        let page = alice.page("/_/indexes/new?kind=mirror").await;
        page.must_say("Only administrators may mirror a server at a private address.");
        let form = page.form(NEW).set("name", "mirror").set("mirror_url", &upstream.index_url());
        let page = Page::of(form.send(&alice).await.is(403));
        page.must_say("Only root may point a mirror at a private address");
        assert_eq!(page.form(NEW).value("mirror_url"), upstream.index_url());
    }

    async fn a_refused_index_comes_again_as_typed(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("bob/secret", &["acl_read=bob"]).await;
        let (alice, before) = (Browser::of(&shop, "alice").await, shop.journal().await.len());
        let page = alice.page(NEW).await;
        assert!(!page.says("bob/secret"));
        let hostile = "</textarea><script>alert(1)</script>";
        let form = page.form(NEW).set("name", "a b").set("bases", "nonsense").set("keep_dev_days", "soon").set("description", hostile);
        let form = form.set("acl_read", "users").set("acl_read_users", "alice, nobody-here").set("mirror_whitelist", "a b");
        let page = Page::of(form.send(&alice).await.is(400));
        for words in [
            "indexname 'a b' contains characters",
            "“nonsense” is not of the form user/index.",
            "A whole number is needed here",
            "There is no user “nobody-here”.",
        ] {
            page.must_say(words);
        }
        assert!(!page.text().contains("<script>alert"));
        let again = page.form(NEW);
        for (name, value) in [
            ("name", "a b"),
            ("bases", "nonsense"),
            ("keep_dev_days", "soon"),
            ("description", hostile),
            ("acl_read", "users"),
            ("acl_read_users", "alice, nobody-here"),
        ] {
            assert_eq!(again.value(name), value);
        }
        for (base, words) in [("bob/secret", "There is no index bob/secret that you may read."), ("bob/none", "There is no index bob/none")] {
            let form = alice.page(NEW).await.form(NEW).set("name", "x").set("bases", base);
            Page::of(form.send(&alice).await.is(400)).must_say(words);
        }
        let taken = alice.page(NEW).await.form(NEW).set("name", "dev").send(&alice).await.is(409);
        Page::of(taken).must_say("Index 'alice/dev' exists");
        let root_only = alice.page(NEW).await.form(NEW).set("name", "json").send(&alice).await.is(400);
        Page::of(root_only).must_say("is reserved");
        assert_eq!(shop.journal().await.len(), before);
    }

    async fn settings_are_changed_and_the_rest_stays(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["custom_data=x", "acl_upload=alice,:group", "title=Old"]).await;
        shop.user("bob").await;
        let alice = Browser::of(&shop, "alice").await;
        let before = options(&shop, "alice", "dev");
        let unchanged = alice.page(SETTINGS).await.form(SETTINGS).send(&alice).await;
        alice.follow(unchanged).await.must_say("Nothing was changed.");
        assert_eq!(options(&shop, "alice", "dev"), before);
        let form = alice.page(SETTINGS).await.form(SETTINGS);
        let form = form.set("title", "").set("acl_read", "signed").set("acl_upload_users", "alice, :group, bob");
        alice.follow(form.send(&alice).await).await.must_say("The settings are saved.");
        let after = options(&shop, "alice", "dev");
        assert_eq!((&after["acl_read"], &after["acl_upload"]), (&json!([":AUTHENTICATED:"]), &json!(["alice", ":group", "bob"])));
        assert!(after.get("title").is_none() && after["custom_data"] == before["custom_data"]);
        shop.get("/alice/dev/+simple/").await.is(401);
    }

    async fn bases_that_somebody_may_not_see_stay_where_they_are(engine: Engine) {
        let shop = Shop::start(engine).await;
        for index in ["root/one", "root/two", "root/three"] {
            shop.stage(index, &[]).await;
        }
        shop.stage("bob/secret", &["acl_read=bob"]).await;
        shop.stage("alice/dev", &["bases=root/one,bob/secret,root/two"]).await;
        let alice = Browser::of(&shop, "alice").await;
        let page = alice.page(SETTINGS).await;
        assert!(!page.says("bob/secret") && page.says("inherits from an index that you may not read"));
        let form = page.form(SETTINGS);
        assert_eq!(form.value("bases"), "root/one\nroot/two");
        alice.follow(form.set("bases", "root/three\r\nroot/one").send(&alice).await).await;
        assert_eq!(options(&shop, "alice", "dev")["bases"], json!(["root/three", "root/one", "bob/secret"]));
    }

    async fn nobody_undoes_unseen_what_somebody_else_changed(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["title=Old", "page_max_age=1"]).await;
        let alice = Browser::of(&shop, "alice").await;
        let form = alice.page(SETTINGS).await.form(SETTINGS);
        shop.set("alice/dev", &["title=Theirs", "volatile=true"]).await;
        // Another field: theirs stays.
        alice.follow(form.clone().set("page_max_age", "2").send(&alice).await).await.must_say("The settings are saved.");
        let now = options(&shop, "alice", "dev");
        assert_eq!((&now["title"], &now["volatile"], &now["page_max_age"]), (&json!("Theirs"), &json!(true), &json!(2)));
        // The same field: it is told.
        let page = Page::of(form.set("title", "Mine").send(&alice).await.is(409));
        page.must_say("Somebody else has changed");
        page.must_say("and is now: Theirs");
        assert_eq!(options(&shop, "alice", "dev")["title"], json!("Theirs"));
        let form = page.form(SETTINGS);
        assert_eq!(form.value("title"), "Mine");
        alice.follow(form.send(&alice).await).await;
        let now = options(&shop, "alice", "dev");
        assert_eq!((&now["title"], &now["volatile"]), (&json!("Mine"), &json!(true)));
    }

    async fn an_index_is_deleted_by_typing_its_path(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.publish("alice/dev", "lib", "1.0").await;
        shop.stage("alice/heir", &["bases=alice/dev"]).await;
        shop.stage("bob/heir", &["bases=alice/dev", "acl_read=bob"]).await;
        shop.default_index("alice/dev").await;
        let (alice, path) = (Browser::of(&shop, "alice").await, "/_/indexes/alice/dev/delete");
        let page = alice.page(path).await;
        assert!(page.says("is not volatile") && !page.actions().contains(&path));
        Page::of(alice.post(path, &[("confirm", "alice/dev")]).await.is(403)).must_say("non-volatile");
        shop.set("alice/dev", &["volatile=true"]).await;
        let page = alice.page(path).await;
        for words in ["2 projects", "alice/heir", "1 index that you may not see", "It is the default index"] {
            page.must_say(words);
        }
        assert!(!page.says("bob/heir"));
        Page::of(page.form(path).set("confirm", "dev").send(&alice).await.is(400)).must_say("Type alice/dev to confirm.");
        alice.follow(page.form(path).set("confirm", "alice/dev").send(&alice).await).await.must_say("The index alice/dev is deleted.");
        alice.get("/alice/dev").await.is(404);
    }

    async fn indexes_are_their_owners_business(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        shop.user("bob").await;
        shop.user("root").await;
        let (nobody, bob, root) = (Browser::nobody(&shop), Browser::of(&shop, "bob").await, Browser::of(&shop, "root").await);
        for path in [NEW, SETTINGS, "/_/indexes/alice/dev/delete"] {
            assert!(nobody.get(path).await.is(303).header("location").starts_with("/_/login"), "{path}");
            root.page(path).await;
        }
        bob.get(SETTINGS).await.is(403);
        bob.get("/_/indexes/alice/dev/delete").await.is(403);
        bob.post(SETTINGS, &[("title", "x")]).await.is(403);
        bob.post("/_/indexes/alice/dev/delete", &[("confirm", "alice/dev")]).await.is(403);
        nobody.post(SETTINGS, &[("title", "x")]).await.is(303);
        // Whether it exists is not told to whoever may not change it.
        bob.get("/_/indexes/alice/none/settings").await.is(403);
        root.get("/_/indexes/alice/none/settings").await.is(404);
        root.get("/_/indexes/a%20b/none/settings").await.is(404);
        assert!(options(&shop, "alice", "dev").get("title").is_none());
    }

    async fn with_restricted_changes_only_those_named_make_indexes(engine: Engine) {
        let rules = Rules { restrict_modify: Some(vec![UserName::parse("boss").unwrap()]), ..Rules::default() };
        let shop = Shop::with(engine, Options { rules, ..Options::default() }).await;
        shop.user("alice").await;
        shop.user("boss").await;
        let (alice, boss) = (Browser::of(&shop, "alice").await, Browser::of(&shop, "boss").await);
        alice.get(NEW).await.is(403);
        alice.post(NEW, &[("kind", "stage"), ("name", "dev")]).await.is(403);
        let form = boss.page(NEW).await.form(NEW).set("owner", "alice").set("name", "dev");
        boss.follow(form.send(&boss).await).await.must_say("The index alice/dev is made.");
        assert_eq!(options(&shop, "alice", "dev")["acl_upload"], json!(["alice"]));
    }
}
