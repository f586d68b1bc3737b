//! Tokens in a browser: made with bounds, shown once, listed, revoked; devpi's beside our own.

use super::support::shop::scope;
use super::support::{Answer, Browser, Dist, Engine, Form, Page, Shop, both};
use cheeseshop::index::access::Grant;
use cheeseshop::limits;
use std::time::Duration;

const TOKENS: &str = "/_/users/alice/tokens";
const REVOKE: &str = "/_/users/alice/tokens/revoke";

/// The secret on the page that answers a form.
fn secret(answer: &Answer) -> String {
    let text = answer.text();
    let begin = text.find("cheeseshop_").expect("a secret");
    text[begin..].chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect()
}

both! {
    async fn a_token_is_made_shown_once_and_works(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["acl_read=alice"]).await;
        shop.stage("alice/other", &["acl_read=alice"]).await;
        let alice = Browser::of(&shop, "alice").await;
        let form = alice.page(TOKENS).await.form(TOKENS);
        assert_eq!((form.values("allow"), form.value("reach"), form.value("expiry")), (vec!["read", "upload"], "all", "90"));
        let form = form.set("name", "build server").set("reach", "some").set("index", "alice/dev").set("expiry", "30");
        let answer = form.send(&alice).await.is(200);
        assert_eq!(answer.header("cache-control"), "no-store");
        let (page, token) = (Page::of(answer.clone()), secret(&answer));
        page.must_say("shown this once");
        for text in [
            format!("://__token__:{token}@"),
            format!("password = {token}"),
            format!("uv publish --index cheeseshop --token {token}"),
        ] {
            page.must_say(&text);
        }
        assert!(page.text().contains("/alice/dev/+simple/"));
        let dist = Dist::wheel("app", "1.0");
        shop.send("/alice/dev/", &Form::of(&dist)).auth("__token__", &token).await.is(200);
        shop.get("/alice/dev/+simple/app/").auth("__token__", &token).await.is(200);
        shop.get("/alice/other/+simple/").auth("__token__", &token).await.is(404);
        let page = alice.page(TOKENS).await;
        for words in ["build server", "read, upload", "alice/dev"] {
            page.must_say(words);
        }
        assert!(!page.text().contains(&token));
        shop.clock.advance(Duration::from_secs(30 * 86_400));
        shop.get("/alice/dev/+simple/app/").auth("__token__", &token).await.is(401);
    }

    async fn a_token_is_revoked_by_a_button(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["acl_read=alice"]).await;
        shop.user("bob").await;
        let name = "<b>odd</b> & \"name\"";
        let token = shop.token("alice", name, scope(&[Grant::Read], &[], &[]), None).await;
        shop.get("/alice/dev/+simple/").auth("__token__", &token).await.is(200);
        let (alice, bob) = (Browser::of(&shop, "alice").await, Browser::of(&shop, "bob").await);
        bob.post(REVOKE, &[("kind", "own"), ("token", name)]).await.is(403);
        let page = alice.page(TOKENS).await;
        assert!(page.says(name) && !page.text().contains("<b>odd"));
        let page = alice.follow(page.form(REVOKE).set("token", name).send(&alice).await).await;
        assert!(page.says("is revoked") && page.says("None yet."));
        shop.get("/alice/dev/+simple/").auth("__token__", &token).await.is(401);
        alice.post(REVOKE, &[("kind", "own"), ("token", name)]).await.is(404);
        assert_eq!(alice.get(REVOKE).await.is(303).header("location"), TOKENS);
    }

    async fn a_refused_token_comes_again_as_typed(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("bob/secret", &["acl_read=bob"]).await;
        shop.token("alice", "ci", scope(&[Grant::Read], &[], &[]), None).await;
        let (alice, before) = (Browser::of(&shop, "alice").await, shop.journal().await.len());
        let form = alice.page(TOKENS).await.form(TOKENS);
        assert!(!alice.page(TOKENS).await.says("bob/secret"));
        let bad = form.clone().set("projects", "a b, fine").set("reach", "some").set("expiry", "date").set("until", "2020-01-01");
        let bad = bad.untick("allow", "read").untick("allow", "upload");
        let page = Page::of(bad.send(&alice).await.is(400));
        for words in ["Give the token a name", "Choose what the token may be used for", "Choose an index", "That day is over"] {
            page.must_say(words);
        }
        let again = page.form(TOKENS);
        assert_eq!((again.value("projects"), again.value("reach"), again.value("until")), ("a b, fine", "some", "2020-01-01"));
        assert!(again.values("allow").is_empty());
        Page::of(form.clone().set("name", "ci").send(&alice).await.is(409)).must_say("has a token named 'ci' already");
        let long = "x".repeat(limits::TOKEN_NAME_BYTES_MAX + 1);
        Page::of(form.set("name", &long).send(&alice).await.is(400)).must_say("1 to 100 bytes");
        for (index, allow) in [("bob/secret", "read"), ("alice/none", "read"), ("nonsense", "read"), ("alice/dev", "everything")] {
            let fields = [("name", "x"), ("allow", allow), ("reach", "some"), ("index", index), ("expiry", "30")];
            alice.post(TOKENS, &fields).await.is(400);
        }
        assert_eq!(shop.journal().await.len(), before);
    }

    async fn a_token_can_last_for_ever_or_till_a_day(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["acl_read=alice"]).await;
        let alice = Browser::of(&shop, "alice").await;
        let form = alice.page(TOKENS).await.form(TOKENS);
        let day = secret(&form.clone().set("name", "day").set("expiry", "date").set("until", "2026-03-02").send(&alice).await.is(200));
        let ever = secret(&form.set("name", "ever").set("expiry", "never").send(&alice).await.is(200));
        let works = async |token: &str| shop.get("/alice/dev/+simple/").auth("__token__", token).await.status == 200;
        // Tests begin on the first of March at noon.
        shop.clock.advance(Duration::from_secs(36 * 3600 - 1));
        assert!(works(&day).await && works(&ever).await);
        shop.clock.advance(Duration::from_secs(1));
        assert!(!works(&day).await && works(&ever).await);
        let alice = Browser::of(&shop, "alice").await;
        let page = alice.page(TOKENS).await;
        assert!(page.says("expired") && page.says("never"));
    }

    async fn devpi_tokens_are_listed_and_revoked_too(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["acl_read=alice"]).await;
        let made = shop.post("/alice/+token-create").by("alice").body(r#"{"allowed": ["pkg_read"], "projects": ["app"]}"#).await.is(200);
        let token = made.json()["result"]["token"].as_str().unwrap().to_owned();
        shop.publish("alice/dev", "app", "1.0").await;
        shop.get("/alice/dev/+simple/app/").auth("alice", &token).await.is(200);
        let alice = Browser::of(&shop, "alice").await;
        let page = alice.page(TOKENS).await;
        for words in ["devpi", "every index", "only app"] {
            page.must_say(words);
        }
        let form = page.form_with(REVOKE, "kind", "devpi");
        let id = shop.get("/alice/+tokens").by("alice").await.json()["result"]["tokens"].as_object().unwrap().keys().next().unwrap().clone();
        alice.follow(form.set("token", &id).send(&alice).await).await.must_say("is revoked");
        shop.get("/alice/dev/+simple/app/").auth("alice", &token).await.is(401);
    }

    async fn many_tokens_come_page_by_page(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        for number in 0..=limits::WEB_TOKENS_PER_PAGE {
            shop.token("alice", &format!("t{number:03}"), scope(&[Grant::Read], &[], &[]), None).await;
        }
        let alice = Browser::of(&shop, "alice").await;
        let first = alice.page(TOKENS).await;
        assert!(first.says("Revoke t099") && !first.says("Revoke t100") && first.text().contains("rel=\"next\""));
        let second = alice.page(&format!("{TOKENS}?after=0t099")).await;
        assert!(second.says("Revoke t100") && !second.says("Revoke t099"));
    }

    async fn a_link_can_fill_in_the_form(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let alice = Browser::of(&shop, "alice").await;
        let form = alice.page(&format!("{TOKENS}?index=alice/dev&allow=read")).await.form(TOKENS);
        assert_eq!((form.value("reach"), form.values("index"), form.values("allow")), ("some", vec!["alice/dev"], vec!["read"]));
    }
}
