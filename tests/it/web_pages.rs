//! Pages for people: what they show, to whom, and that what uploaders wrote is text.

use super::support::shop::password_of;
use super::support::{Answer, Ask, Dist, Engine, FakeUpstream, Item, Shop, both};
use cheeseshop::index::access::Caller;
use cheeseshop::index::release::{self, Target};
use cheeseshop::limits;
use cheeseshop::pypi::ProjectName;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// What an uploader may write into every field.
const SCRIPT: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>";

fn look(shop: &Shop, path: &str) -> Ask {
    shop.get(path).accept(BROWSER)
}

fn send(shop: &Shop, path: &str, form: &str) -> Ask {
    shop.post(path)
        .accept(BROWSER)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .body(form.to_owned())
}

/// Signs in; the cookie.
async fn sign_in(shop: &Shop, user: &str) -> String {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("user", user)
        .append_pair("password", &password_of(user))
        .finish();
    let answer = send(shop, "/_/login", &form).await.is(303);
    cookie_of(&answer)
}

fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn yank(shop: &Shop, index: &str, project: &str, version: &str, reason: &str) {
    let (user, name) = index.split_once('/').unwrap();
    let place = shop.core().tree.load().find(user, name).unwrap().index.clone();
    let project = ProjectName::parse(project).unwrap();
    release::yank(shop.core(), &Caller::system(), &place, &project, Target::Release(version.into()), Some(reason.into()))
        .await
        .unwrap();
}

both! {
    async fn the_same_address_is_a_page_to_browsers_and_json_to_tools(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &["title=Things in the making"]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        for path in ["/", "/alice", "/alice/dev", "/alice/dev/app", "/alice/dev/app/1.0"] {
            let page = look(&shop, path).await.is(200);
            assert!(page.header("content-type").starts_with("text/html"), "{path}");
            let policy = page.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains('*'), "{policy}");
            assert!(page.text().contains("</html>"), "{path}");
            assert_eq!(shop.get(path).accept("application/json").await.is(200).header("content-type"), "application/json", "{path}");
        }
        assert!(look(&shop, "/").await.text().contains("Things in the making"));
        let moved = look(&shop, "/alice/dev/App/1.0").await.is(303);
        assert_eq!(moved.header("location"), "/alice/dev/app/1.0");
        for path in ["/nobody", "/alice/none", "/alice/dev/none", "/alice/dev/app/2.0"] {
            let page = look(&shop, path).await.is(404);
            assert!(page.text().contains("There is nothing here"), "{path}");
        }
    }

    async fn what_is_private_is_shown_to_those_who_may_read_it(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/secret", &["acl_read=alice"]).await;
        shop.publish("alice/secret", "hush", "1.0").await;
        shop.user("bob").await;
        for path in ["/alice/secret", "/alice/secret/hush"] {
            let away = look(&shop, path).await.is(303);
            assert!(away.header("location").starts_with("/_/login?next=%2Falice%2Fsecret"), "{path}");
        }
        let (alice, bob) = (sign_in(&shop, "alice").await, sign_in(&shop, "bob").await);
        assert!(look(&shop, "/alice/secret/hush").header("cookie", &alice).await.is(200).text().contains("Files"));
        look(&shop, "/alice/secret/hush").header("cookie", &bob).await.is(404);
        for (cookie, seen) in [(&alice, true), (&bob, false)] {
            let home = look(&shop, "/").header("cookie", cookie).await.is(200).text();
            assert_eq!((home.contains("alice/secret"), home.contains("hush")), (seen, seen));
        }
        assert!(!look(&shop, "/").await.text().contains("secret"));
    }

    async fn a_session_lasts_twelve_hours_and_dies_with_the_password(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/secret", &["acl_read=alice"]).await;
        let first = sign_in(&shop, "alice").await;
        let see = async |cookie: &str| look(&shop, "/alice/secret").header("cookie", cookie).await.status;
        assert_eq!(see(&first).await, 200);
        shop.clock.advance(limits::WEB_SESSION_LENGTH);
        assert_eq!(see(&first).await, 303);
        let second = sign_in(&shop, "alice").await;
        let out = send(&shop, "/_/logout", "").header("cookie", &second).await.is(303);
        let cookies: Vec<_> = out.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(cookies.iter().any(|cookie| cookie.starts_with("cheeseshop_session=; Path=/; Max-Age=0")), "{cookies:?}");
        assert_eq!(see(&second).await, 303);
        let third = sign_in(&shop, "alice").await;
        shop.ask(axum::http::Method::PATCH, "/alice").by("alice").body(r#"{"password": "another one"}"#).await.is(200);
        assert_eq!(see(&third).await, 303);
        // No tool's address looks at a cookie.
        assert_eq!(shop.get("/alice/secret").accept("application/json").header("cookie", &third).await.status, 401);
    }

    async fn forms_of_other_sites_are_refused(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        let cookie = sign_in(&shop, "alice").await;
        let send = |headers: &[(&str, &str)]| {
            let ask = shop.post("/_/logout").header("cookie", &cookie);
            headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
        };
        send(&[("sec-fetch-site", "cross-site")]).await.is(403);
        send(&[("origin", "https://evil.example"), ("host", "index.example")]).await.is(403);
        send(&[]).await.is(403);
        send(&[("origin", "http://index.example"), ("host", "index.example")]).await.is(303);
    }

    async fn nobody_learns_who_exists_and_guessing_ends(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        let wrong = |user: &str| send(&shop, "/_/login", &format!("user={user}&password=wrong"));
        let (known, unknown) = (wrong("alice").await.is(200).text(), wrong("nobody").await.is(200).text());
        assert_eq!(known.replace("alice", "nobody"), unknown);
        assert!(known.contains("The name or the password is wrong."));
        // The same guess counts once.
        for n in 2..limits::SIGN_IN_FAILURES_PER_USER {
            for _ in 0..2 {
                send(&shop, "/_/login", &format!("user=alice&password=wrong{n}")).await.is(200);
            }
        }
        send(&shop, "/_/login", "user=alice&password=the+last").await.is(200);
        let refused = wrong("alice").await.is(429);
        assert_eq!(refused.header("retry-after"), limits::SIGN_IN_WINDOW.as_secs().to_string());
        // The right one is not looked at either, wherever it is sent to; tokens and other users go on.
        shop.get("/+api").auth("alice", &password_of("alice")).await.is(429);
        shop.post("/+login").body(format!(r#"{{"user": "alice", "password": "{}"}}"#, password_of("alice"))).await.is(429);
        shop.user("bob").await;
        sign_in(&shop, "bob").await;
        shop.clock.advance(limits::SIGN_IN_WINDOW);
        sign_in(&shop, "alice").await;
    }

    async fn what_uploaders_write_is_text(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        let field = SCRIPT.replace('\n', " ");
        let more = format!(
            "Summary: {field}\nAuthor: {field}\nAuthor-email: {field}\nKeywords: {field}\nLicense: {field}\nClassifier: {field} :: {field}\n\
             Home-page: javascript:alert(3)\nProject-URL: {field}, javascript:alert(4)\nProject-URL: data, data:text/html,{field}\n\
             Requires-Dist: {field}\nRequires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n# {field}\n\n[x](javascript:alert(5)) {field}\n"
        );
        shop.upload("alice/dev", &Dist::wheel_with("app", "1.0", &more, b"")).await.is(200);
        shop.upload("alice/dev", &Dist::wheel_with("app", "2.0", "", b"")).await.is(200);
        yank(&shop, "alice/dev", "app", "1.0", SCRIPT).await;
        for path in ["/", "/alice/dev", "/alice/dev/app", "/alice/dev/app/1.0", "/_/projects/alice/dev/app/compare?from=1.0&to=2.0"] {
            let text = look(&shop, path).await.is(200).text();
            assert!(!text.contains("<script>alert") && !text.contains("<img src=x"), "{path}: {text}");
            assert!(!text.contains("href=\"javascript:") && !text.contains("href=\"data:"), "{path}");
        }
        let page = look(&shop, "/alice/dev/app/1.0").await.text();
        assert!(page.contains("This release is yanked") && page.contains("javascript:alert(4)"), "shown as text");
    }

    async fn a_page_tells_why_the_mirror_is_silent(engine: Engine) {
        let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
        let theirs = Dist::wheel("app", "9.0");
        upstream.add(Item::new(&theirs));
        shop.mirror("root/mirror", &upstream, &[]).await;
        shop.stage("alice/dev", &["bases=root/mirror"]).await;
        let before = look(&shop, "/alice/dev/app").await.is(200).text();
        assert!(before.contains(&theirs.filename) && before.contains("mirrored from") && !before.contains("Kept from the mirror"));
        shop.publish("alice/dev", "app", "1.0").await;
        let after = look(&shop, "/alice/dev/app").await.is(200).text();
        assert!(after.contains("Kept from the mirror") && after.contains("alice/dev has this name"), "{after}");
        assert!(!after.contains(&theirs.filename));
    }

    async fn two_versions_are_compared(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.upload("alice/dev", &Dist::wheel_with("app", "1.0", "Author: Old\nRequires-Dist: milk\n", b"")).await.is(200);
        shop.upload("alice/dev", &Dist::wheel_with("app", "2.0", "Author: New\nRequires-Dist: cream\n", b"")).await.is(200);
        let page = look(&shop, "/_/projects/alice/dev/app/compare").await.is(200).text();
        for text in ["Old", "New", "<del class=\"removed\">milk</del>", "<ins class=\"added\">cream</ins>"] {
            assert!(page.contains(text), "{text}: {page}");
        }
    }
}
