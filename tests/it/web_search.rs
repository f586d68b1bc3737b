//! The search page: what it shows, what it says where there is nothing to show, and that what uploaders wrote is text.

use super::support::{Ask, Dist, Engine, FakeUpstream, Form, Shop, both};
use cheeseshop::limits;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn look(shop: &Shop, query: &str) -> Ask {
    shop.get(&format!("/_/search{query}")).accept(BROWSER)
}

async fn text(shop: &Shop, query: &str) -> String {
    look(shop, query).await.is(200).text()
}

both! {
    async fn what_is_found_is_linked_and_described(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        shop.upload("alice/dev", &Dist::described("My.Cheese", "1.0", "A <b>sharp</b> one", "ripe", "Kept cool")).await.is(200);
        shop.publish("alice/shut", "secret-cheese", "1.0").await;
        let page = text(&shop, "?q=cheese").await;
        assert!(page.contains(r#"<a href="/alice/dev/my-cheese"><bdi>My.Cheese</bdi></a> <bdi class="mono muted">1.0</bdi>"#), "{page}");
        assert!(page.contains("A &#60;b&#62;sharp&#60;/b&#62; one") && !page.contains("<b>"), "{page}");
        assert!(page.contains(r#"in <a href="/alice/dev">alice/dev</a>"#) && page.contains("1 found") && page.contains("2026-03-01"));
        assert!(!page.contains("secret") && !page.contains("alice/shut"), "{page}");
        for (words, by) in [("ripe", "found by its keywords"), ("cool", "found by its description"), ("my-chese", "a similar name")] {
            assert!(text(&shop, &format!("?q={words}")).await.contains(by), "{words}");
        }
        let field = r#"name="q" value="sharp""#;
        assert!(text(&shop, "?q=sharp&index=alice/dev").await.contains(field), "the field at the top keeps the words");
    }

    async fn where_nothing_is_found_it_says_what_to_do(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        shop.mirror("root/pypi", &upstream, &[]).await;
        shop.stage("alice/dev", &[]).await;
        assert!(text(&shop, "").await.contains("Type a name"));
        let page = text(&shop, "?q=unheard-of&index=alice/dev").await;
        for words in ["Nothing was found", "search all indexes</a>", "sign in</a>", r#"<a href="/root/pypi/unheard-of" rel="nofollow">ask root/pypi</a>"#] {
            assert!(page.contains(words), "{words} in {page}");
        }
        assert!(!text(&shop, "?q=un+heard").await.contains("ask root/pypi"), "that is no name");
        assert_eq!(upstream.all_seen().len(), 0, "a search tells nobody what is looked for");
        for (query, words) in [
            ("?q=x&index=alice/none".to_owned(), "that you may read"),
            ("?q=x&index=alice".to_owned(), "user/index"),
            (format!("?q={}", "x".repeat(limits::SEARCH_QUERY_CHARS_MAX + 1)), "leave some words out"),
        ] {
            let page = look(&shop, &query).await.is(400).text();
            assert!(page.contains("Nothing was looked for") && page.contains(words), "{query}: {page}");
        }
    }

    async fn pages_lead_to_one_another(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        for number in 0..=limits::SEARCH_HITS_PAGE {
            let form = Form::docs(&format!("app-{number:02}"), Some("1.0"), b"").without("content").with(":action", "submit");
            shop.send("/alice/dev/", &form).by("alice").await.is(200);
        }
        let first = text(&shop, "?q=app&index=alice/dev").await;
        assert!(first.contains("Found, 1 to 20") && first.contains(r#"href="/_/search?q=app&#38;index=alice%2Fdev&#38;page=2" rel="next""#), "{first}");
        let second = text(&shop, "?q=app&index=alice/dev&page=2").await;
        assert!(second.contains("Found, 21 to 21") && second.contains("app-20") && second.contains(r#"rel="prev""#) && !second.contains(r#"rel="next""#), "{second}");
        for beyond in ["?q=app&page=3", "?q=app&page=18446744073709551615"] {
            assert!(text(&shop, beyond).await.contains("There are no more"), "{beyond}");
        }
        assert!(text(&shop, "?q=app&page=no").await.contains("Found, 1 to 20"));
    }

    /// A browser goes on as whoever it is signed in as, and is led to the sign-in where that would show more.
    async fn a_filter_for_what_one_may_not_see_leads_to_the_sign_in(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/shut", &["acl_read=alice"]).await;
        let answer = look(&shop, "?q=x&index=alice/shut").await.is(303);
        assert!(answer.location().starts_with("/_/login?next="), "{}", answer.location());
    }
}
