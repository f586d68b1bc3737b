//! What is done with releases by forms: yanking, deleting, pushing, asking mirrors again.

use super::support::{Browser, Dist, Engine, FakeUpstream, Item, Page, Shop, both};

const HOSTILE: &str = "</p><script>alert(1)</script>\"'";

fn of(index: &str, project: &str, what: &str) -> String {
    format!("/_/projects/{index}/{project}/{what}")
}

async fn yanked(shop: &Shop, index: &str, project: &str) -> Vec<Option<String>> {
    shop.page(index, project).await.links().into_iter().map(|link| link.yanked).collect()
}

both! {
    async fn a_release_is_yanked_with_a_reason_and_taken_back(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.publish("alice/dev", "app", "2.0").await;
        let (alice, yank) = (Browser::of(&shop, "alice").await, of("alice/dev", "app", "yank"));
        let chosen = alice.page(&yank).await;
        assert!(chosen.says("Go on") && chosen.text().contains("<option>2.0</option>"));
        let form = alice.page(&format!("{yank}?version=1.0")).await.form(&yank).set("reason", HOSTILE).set("act", "yank");
        let answer = form.send(&alice).await.is(303);
        assert_eq!(answer.header("location"), "/alice/dev/app/1.0");
        let page = alice.follow(answer).await;
        assert!(page.says("app 1.0 is yanked.") && page.says(HOSTILE) && !page.text().contains("<script>alert"));
        assert_eq!(yanked(&shop, "alice/dev", "app").await, [Some(HOSTILE.to_owned()), None]);
        // The reason is put right.
        let form = alice.page(&format!("{yank}?version=1.0")).await.form(&yank);
        assert_eq!(form.value("reason"), HOSTILE);
        alice.follow(form.set("reason", " better ").set("act", "yank").send(&alice).await).await;
        assert_eq!(yanked(&shop, "alice/dev", "app").await[0].as_deref(), Some("better"));
        let form = alice.page(&format!("{yank}?version=1.0")).await.form(&yank);
        alice.follow(form.set("act", "unyank").send(&alice).await).await.must_say("app 1.0 is no longer yanked.");
        assert_eq!(yanked(&shop, "alice/dev", "app").await, [None, None]);
    }

    async fn one_file_is_yanked(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let sdist = Dist::sdist("app", "1.0");
        shop.upload("alice/dev", &sdist).await.is(200);
        let (alice, yank) = (Browser::of(&shop, "alice").await, of("alice/dev", "app", "yank"));
        let page = alice.page(&format!("{yank}?file={}", sdist.filename)).await;
        let answer = page.form(&yank).set("act", "yank").send(&alice).await;
        alice.follow(answer).await.must_say(&format!("{} is yanked.", sdist.filename));
        let link = shop.page("alice/dev", "app").await.link(&sdist.filename);
        assert_eq!((link.yanked, yanked(&shop, "alice/dev", "app").await.len()), (Some(String::new()), 2));
    }

    async fn what_cannot_be_yanked_is_said(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.stage("alice/dev", &[]).await;
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("lib", "1.0")));
        shop.publish("alice/dev", "app", "1.0").await;
        shop.user("bob").await;
        shop.user("root").await;
        let (alice, bob, root) = (Browser::of(&shop, "alice").await, Browser::of(&shop, "bob").await, Browser::of(&shop, "root").await);
        let (yank, before) = (of("alice/dev", "app", "yank"), shop.journal().await.len());
        let act = [("version", "1.0"), ("act", "yank"), ("reason", "x")];
        bob.get(&yank).await.is(403);
        bob.post(&yank, &act).await.is(403);
        Browser::nobody(&shop).get(&yank).await.is(303);
        for (path, status) in [("?version=9", 404), ("?file=none.whl", 404)] {
            alice.get(&format!("{yank}{path}")).await.is(status);
        }
        alice.get(&of("alice/dev", "none", "yank")).await.is(404);
        alice.post(&yank, &[("act", "yank")]).await.is(400);
        alice.post(&yank, &[("version", "1.0")]).await.is(400);
        let long = "x".repeat(1001);
        let page = Page::of(alice.post(&yank, &[("version", "1.0"), ("act", "yank"), ("reason", &long)]).await.is(400));
        page.must_say("The reason has at most 1000 bytes");
        assert_eq!(page.form(&yank).value("reason"), long);
        let answer = root.get(&of("root/pypi", "lib", "yank")).await.is(403);
        assert!(answer.text().contains("root/pypi is a mirror"));
        assert_eq!(shop.journal().await.len(), before);
    }

    async fn a_release_is_deleted_by_typing_its_version(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let second = shop.publish("alice/dev", "app", "2.0").await.filename;
        let (alice, remove) = (Browser::of(&shop, "alice").await, of("alice/dev", "app", "remove"));
        let page = alice.page(&format!("{remove}?version=1.0")).await;
        assert!(!page.says("stays reserved") && !page.form(&remove).has("force"));
        let page = Page::of(page.form(&remove).set("confirm", "app").send(&alice).await.is(400));
        page.must_say("Type 1.0 to confirm.");
        assert_eq!(page.form(&remove).value("version"), "1.0");
        let answer = page.form(&remove).set("confirm", "1.0").send(&alice).await;
        assert_eq!(answer.header("location"), "/alice/dev/app");
        alice.follow(answer).await.must_say("app 1.0 is deleted from alice/dev.");
        assert_eq!(shop.filenames("alice/dev", "app").await, [second]);
    }

    async fn on_a_kept_index_deleting_takes_one_more_tick(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/prod", &[]).await;
        let dist = shop.publish("alice/prod", "app", "1.0").await;
        let (alice, remove) = (Browser::of(&shop, "alice").await, of("alice/prod", "app", "remove"));
        let page = alice.page(&format!("{remove}?file={}", dist.filename)).await;
        for words in ["is not volatile", "stay burnt", "stays reserved"] {
            page.must_say(words);
        }
        let form = page.form(&remove).set("confirm", &dist.filename);
        let page = Page::of(form.clone().send(&alice).await.is(400));
        page.must_say("tick the box");
        assert_eq!(page.form(&remove).value("confirm"), dist.filename);
        shop.get(&dist.path("alice/prod")).await.is(200);
        alice.follow(form.set("force", "yes").send(&alice).await).await.must_say("The name app is reserved");
        shop.get(&dist.path("alice/prod")).await.is(410);
    }

    async fn a_project_goes_and_its_name_stays_until_it_is_released(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("app", "9.9")));
        shop.stage("alice/dev", &["volatile=true", "bases=root/pypi"]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.publish("alice/dev", "app", "2.0").await;
        let (alice, remove) = (Browser::of(&shop, "alice").await, of("alice/dev", "app", "remove"));
        let page = alice.page(&remove).await;
        for words in ["all 2 releases", "stays reserved"] {
            page.must_say(words);
        }
        let page = alice.follow(page.form(&remove).set("confirm", "app").send(&alice).await).await;
        assert!(page.says("app is deleted from alice/dev.") && page.says("The name app is reserved"));
        shop.get("/alice/dev/+simple/app/").await.is(404);
        shop.user("bob").await;
        Browser::of(&shop, "bob").await.post(&remove, &[("act", "release-name")]).await.is(403);
        let form = alice.page(&remove).await.form(&remove);
        alice.follow(form.send(&alice).await).await.must_say("The name app is free again on alice/dev.");
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 1, "the mirror answers for it");
        alice.post(&remove, &[("act", "release-name")]).await.is(404);
    }

    async fn deleting_is_for_those_who_may(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["volatile=true"]).await;
        shop.stage("alice/secret", &["volatile=true", "acl_read=alice"]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.publish("alice/secret", "app", "1.0").await;
        shop.user("bob").await;
        let (bob, before) = (Browser::of(&shop, "bob").await, shop.journal().await.len());
        let confirm = [("confirm", "app"), ("force", "yes")];
        for (index, status) in [("alice/dev", 403), ("alice/secret", 404)] {
            let remove = of(index, "app", "remove");
            bob.get(&remove).await.is(status);
            bob.post(&remove, &confirm).await.is(status);
            assert!(Browser::nobody(&shop).post(&remove, &confirm).await.is(303).header("location").starts_with("/_/login"));
        }
        assert_eq!(shop.journal().await.len(), before);
    }

    async fn a_release_is_pushed_to_an_index_of_choice(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/prod", &[]).await;
        shop.stage("bob/closed", &[]).await;
        shop.stage("bob/open", &["acl_upload=:AUTHENTICATED:"]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        shop.upload("alice/dev", &Dist::sdist("app", "1.0")).await.is(200);
        shop.publish("alice/dev", "app", "2.0").await;
        let (alice, push) = (Browser::of(&shop, "alice").await, of("alice/dev", "app", "push"));
        let page = alice.page(&format!("{push}?version=1.0")).await;
        assert!(page.says("alice/prod") && page.says("bob/open") && !page.says("bob/closed"));
        let form = page.form(&push);
        assert_eq!((form.value("version"), form.value("target"), form.value("docs")), ("1.0", "", "yes"));
        Page::of(form.clone().send(&alice).await.is(400)).must_say("Choose an index to which you may upload.");
        let answer = form.set("target", "alice/prod").send(&alice).await;
        assert_eq!(answer.header("location"), "/alice/prod/app/1.0");
        alice.follow(answer).await.must_say("app 1.0 is in alice/prod now, with 2 files.");
        assert_eq!(shop.filenames("alice/prod", "app").await.len(), 2);
        for target in ["bob/closed", "alice/dev", "nonsense", ""] {
            alice.post(&push, &[("version", "1.0"), ("target", target)]).await.is(400);
        }
        let page = Page::of(alice.post(&push, &[("version", "7.7"), ("target", "alice/prod")]).await.is(400));
        page.must_say("there are no files for app 7.7");
        assert!(Browser::nobody(&shop).get(&push).await.is(303).header("location").starts_with("/_/login"));
    }

    async fn a_push_that_does_not_fit_is_told_with_its_reason(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/prod", &[]).await;
        let dist = shop.publish("alice/dev", "app", "1.0").await;
        shop.upload("alice/prod", &dist.rebuilt()).await.is(200);
        let (alice, push) = (Browser::of(&shop, "alice").await, of("alice/dev", "app", "push"));
        let form = alice.page(&push).await.form(&push).set("target", "alice/prod");
        let page = Page::of(form.send(&alice).await.is(409));
        page.must_say("already exists in non-volatile index");
        assert_eq!(page.form(&push).value("target"), "alice/prod");
    }

    async fn a_mirrored_release_is_pushed_and_a_base_s_from_where_it_is(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        upstream.add(Item::new(&Dist::wheel("lib", "1.0")));
        shop.stage("alice/dev", &["bases=root/pypi"]).await;
        let alice = Browser::of(&shop, "alice").await;
        let page = alice.page(&of("alice/dev", "lib", "push?version=1.0")).await;
        page.must_say("Push it from where it is");
        assert!(page.text().contains("/_/projects/root/pypi/lib/push?version=1%2E0") || page.text().contains("/_/projects/root/pypi/lib/push?version=1.0"));
        let push = of("root/pypi", "lib", "push");
        let form = alice.page(&push).await.form(&push).set("target", "alice/dev");
        alice.follow(form.send(&alice).await).await.must_say("lib 1.0 is in alice/dev now, with 1 file.");
        // Now that it is alice's own, the mirror adds nothing.
        upstream.add(Item::new(&Dist::wheel("lib", "2.0")));
        assert_eq!(shop.filenames("alice/dev", "lib").await.len(), 1);
    }

    async fn mirrors_are_asked_again_by_a_button(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.stage("alice/dev", &["bases=root/pypi"]).await;
        upstream.add(Item::new(&Dist::wheel("lib", "1.0")));
        assert_eq!(shop.filenames("alice/dev", "lib").await.len(), 1);
        upstream.add(Item::new(&Dist::wheel("lib", "2.0")));
        assert_eq!(shop.filenames("alice/dev", "lib").await.len(), 1, "what is fresh is not asked for");
        let (alice, refresh) = (Browser::of(&shop, "alice").await, of("alice/dev", "lib", "refresh"));
        let page = alice.page(&refresh).await;
        page.must_say("root/pypi");
        let answer = page.form(&refresh).send(&alice).await;
        assert_eq!(answer.header("location"), "/alice/dev/lib");
        let page = alice.follow(answer).await;
        assert!(page.says("The mirrors were asked again.") && page.says("2.0"));
        Browser::nobody(&shop).post(&refresh, &[]).await.is(303);
        shop.stage("alice/alone", &[]).await;
        shop.publish("alice/alone", "app", "1.0").await;
        alice.page(&of("alice/alone", "app", "refresh")).await.must_say("inherits from no mirror");
    }
}
