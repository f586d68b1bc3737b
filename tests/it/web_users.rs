//! The pages of users: the list, making, changing and deleting them, passwords and sessions.

use super::support::shop::{Options, password_of};
use super::support::{Browser, Engine, Page, Shop, both};
use cheeseshop::clock::Timestamp;
use cheeseshop::db;
use cheeseshop::db::users::Profile;
use cheeseshop::index::{Rules, account};
use cheeseshop::limits;
use cheeseshop::names::UserName;

const HOSTILE: &str = "\"><script>alert(1)</script>";

async fn many_users(shop: &Shop, count: usize) {
    let mut c = shop.core().db.begin().await.unwrap();
    for number in 0..count {
        let name = UserName::parse(&format!("user{number:03}")).unwrap();
        db::users::add(&mut c, &name, &Profile::default(), None, false, Timestamp(1)).await.unwrap();
    }
    c.commit().await.unwrap();
}

both! {
    async fn administrators_see_all_users_page_by_page(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        shop.stage("alice/dev", &[]).await;
        many_users(&shop, 100).await;
        let root = Browser::of(&shop, "root").await;
        let first = root.page("/_/users").await;
        first.must_say("102 users in all");
        assert!(first.text().contains(">alice<") && first.says("user097") && !first.says("user098"));
        assert!(first.text().contains("href=\"/_/users?q=&#38;after=user097\" rel=\"next\""), "{}", first.text());
        let second = root.page("/_/users?q=&after=user097").await;
        assert!(second.says("user098") && second.says("user099") && second.says("From the beginning") && !second.says("user001"));
        let found = root.page("/_/users?q=R09").await;
        assert!(found.says("user090") && found.says("user099") && !found.says("user080") && !found.text().contains(">alice<"));
        root.page("/_/users?q=%25").await.must_say("No user has “%”");
    }

    async fn a_user_is_made_by_a_form(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        let root = Browser::of(&shop, "root").await;
        let form = root.page("/_/users").await.form("/_/users");
        let form = form.set("name", " bob ").set("password", " two words").set("again", " two words");
        let answer = form.set("email", "bob@shop.example").set("title", "Bob").send(&root).await.is(303);
        assert_eq!(answer.header("location"), "/_/users/bob");
        let page = root.follow(answer).await;
        page.must_say("The user bob is made.");
        let form = page.form_with("/_/users/bob", "act", "profile");
        assert_eq!((form.value("email"), form.value("title")), ("bob@shop.example", "Bob"));
        Browser::with_password(&shop, "bob", " two words").await.page("/_/users/bob").await;
        // An account that no password opens.
        let form = root.page("/_/users").await.form("/_/users").set("name", "robot");
        root.follow(form.send(&root).await).await.must_say("no password");
    }

    async fn a_refused_user_comes_again_as_typed(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        shop.user("bob").await;
        let (root, before) = (Browser::of(&shop, "root").await, shop.journal().await.len());
        let form = root.page("/_/users").await.form("/_/users");
        let form = form.set("name", "a/b").set("password", "one").set("again", "two").set("email", "nowhere").set("title", HOSTILE);
        let page = Page::of(form.send(&root).await.is(400));
        for words in ["username 'a/b' contains characters", "The two passwords are not the same.", "That is no address"] {
            page.must_say(words);
        }
        let again = page.form("/_/users");
        assert_eq!((again.value("name"), again.value("email"), again.value("title")), ("a/b", "nowhere", HOSTILE));
        assert_eq!((again.value("password"), again.value("again")), ("", ""));
        assert!(!page.text().contains("<script>alert"));
        let taken = again.set("name", "bob").set("email", "").send(&root).await.is(409);
        Page::of(taken).must_say("User already exists");
        let form = root.page("/_/users").await.form("/_/users").set("name", "carol");
        let long = "x".repeat(limits::PASSWORD_BYTES_MAX + 1);
        Page::of(form.set("password", &long).set("again", &long).send(&root).await.is(400)).must_say("A password has at most");
        assert_eq!(shop.journal().await.len(), before);
    }

    async fn users_are_administrators_business(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        shop.user("bob").await;
        let (nobody, bob) = (Browser::nobody(&shop), Browser::of(&shop, "bob").await);
        for path in ["/_/users", "/_/users/alice", "/_/users/alice/delete", "/_/users/alice/tokens"] {
            assert!(nobody.get(path).await.is(303).header("location").starts_with("/_/login?next="), "{path}");
            bob.get(path).await.is(403);
        }
        bob.post("/_/users", &[("name", "carol")]).await.is(403);
        bob.post("/_/users/alice", &[("act", "profile"), ("title", "x")]).await.is(403);
        bob.post("/_/users/alice", &[("act", "sessions")]).await.is(403);
        bob.post("/_/users/alice/delete", &[("confirm", "alice")]).await.is(403);
        bob.post("/_/users/alice/tokens", &[("name", "x"), ("allow", "read"), ("reach", "all"), ("expiry", "30")]).await.is(403);
        assert!(account::find_user(shop.core(), "carol").await.is_err());
        Browser::of(&shop, "alice").await.page("/_/users/alice").await;
    }

    async fn with_open_signup_anybody_makes_an_account(engine: Engine) {
        let rules = Rules { open_signup: true, ..Rules::default() };
        let shop = Shop::with(engine, Options { rules, ..Options::default() }).await;
        shop.user("alice").await;
        let nobody = Browser::nobody(&shop);
        nobody.page("/_/login").await.must_say("Make one");
        let page = nobody.page("/_/users").await;
        assert!(page.says("Make an account") && !page.says("alice"), "the list is not for everybody");
        let form = page.form("/_/users").set("name", "carol");
        Page::of(form.clone().send(&nobody).await.is(400)).must_say("A password is needed.");
        let form = form.set("password", "secret").set("again", "secret");
        nobody.follow(form.send(&nobody).await).await.must_say("Your account carol is made.");
        Browser::with_password(&shop, "carol", "secret").await.page("/_/users/carol").await;
    }

    async fn a_profile_is_changed(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        shop.user("root").await;
        let alice = Browser::of(&shop, "alice").await;
        let form = alice.page("/_/users/alice").await.form_with("/_/users/alice", "act", "profile");
        let form = form.set("title", HOSTILE).set("description", "one\r\n\r\n  two").set("email", "a@shop.example");
        let page = alice.follow(form.send(&alice).await).await;
        assert!(page.says("The profile is saved.") && page.says(HOSTILE) && !page.text().contains("<script>alert"));
        let form = page.form_with("/_/users/alice", "act", "profile");
        assert_eq!(form.value("description"), "one\n\n  two");
        let page = Page::of(form.clone().set("email", "a b@c").set("title", "kept").send(&alice).await.is(400));
        assert_eq!(page.form_with("/_/users/alice", "act", "profile").value("title"), "kept");
        let root = Browser::of(&shop, "root").await;
        root.follow(form.set("title", "").set("email", "").send(&root).await).await;
        let user = account::find_user(shop.core(), "alice").await.unwrap();
        assert_eq!((user.title, user.email, user.description.as_deref()), (None, None, Some("one\n\n  two")));
        alice.post("/_/users/alice", &[("act", "nonsense")]).await.is(400);
    }

    async fn a_new_password_ends_the_other_sessions(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        shop.user("root").await;
        let (here, there) = (Browser::of(&shop, "alice").await, Browser::of(&shop, "alice").await);
        let form = here.page("/_/users/alice").await.form_with("/_/users/alice", "act", "password");
        let wrong = form.clone().set("present", "wrong").set("password", "new").set("again", "new");
        let page = Page::of(wrong.send(&here).await.is(400));
        page.must_say("That is not your present password.");
        assert!(!page.text().contains("value=\"new\""));
        let present = password_of("alice");
        let unlike = form.clone().set("present", &present).set("password", "new").set("again", "other");
        Page::of(unlike.send(&here).await.is(400)).must_say("The two passwords are not the same.");
        let empty = form.clone().set("present", &present).send(&here).await.is(400);
        Page::of(empty).must_say("A password is needed.");
        there.page("/_/users/alice").await;
        let good = form.set("present", &present).set("password", "new").set("again", "new");
        here.follow(good.send(&here).await).await.must_say("You are signed in here only.");
        there.get("/_/users/alice").await.is(303);
        Browser::with_password(&shop, "alice", "new").await;
        // An administrator need not know the present one.
        let root = Browser::of(&shop, "root").await;
        let form = root.page("/_/users/alice").await.form_with("/_/users/alice", "act", "password");
        assert!(!form.has("present"));
        root.follow(form.set("password", "newer").set("again", "newer").send(&root).await).await.must_say("every session of alice has ended");
        here.get("/_/users/alice").await.is(303);
    }

    /// Whoever finds a browser open must not be able to guess the password there.
    async fn present_passwords_are_guessed_as_seldom_as_others(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        // Signed in elsewhere: who signed in from here has more tries here.
        let elsewhere = "192.0.2.9".parse().unwrap();
        let secret = account::sign_in(shop.core(), "alice", &password_of("alice"), elsewhere).await.unwrap();
        let alice = Browser::with_session(&shop, &secret);
        let mut last = 400;
        for number in 0..=limits::SIGN_IN_FAILURES_PER_USER {
            let wrong = format!("guess {number}");
            let fields = [("act", "password"), ("present", wrong.as_str()), ("password", "new"), ("again", "new")];
            last = alice.post("/_/users/alice", &fields).await.status;
        }
        assert_eq!(last, 429);
    }

    async fn sessions_are_ended_by_a_button(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        shop.user("root").await;
        let (here, there) = (Browser::of(&shop, "alice").await, Browser::of(&shop, "alice").await);
        let page = here.page("/_/users/alice").await;
        page.must_say("2 sessions");
        here.follow(page.form_with("/_/users/alice", "act", "sessions").send(&here).await).await.must_say("1 session,");
        there.get("/_/users/alice").await.is(303);
        let root = Browser::of(&shop, "root").await;
        let form = root.page("/_/users/alice").await.form_with("/_/users/alice", "act", "sessions");
        root.follow(form.send(&root).await).await.must_say("Nobody is signed in as alice.");
        here.get("/_/users/alice").await.is(303);
        assert!(shop.journal().await.iter().any(|entry| entry.action == "user-sign-out"));
    }

    async fn a_user_is_deleted_by_typing_the_name(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        shop.stage("alice/dev", &[]).await;
        shop.stage("alice/play", &["volatile=true"]).await;
        shop.publish("alice/play", "app", "1.0").await;
        let (root, alice) = (Browser::of(&shop, "root").await, Browser::of(&shop, "alice").await);
        let path = "/_/users/alice/delete";
        let page = root.page(path).await;
        page.must_say("must be made volatile first");
        assert!(page.says("alice/dev") && !page.actions().contains(&path));
        Page::of(root.post(path, &[("confirm", "alice")]).await.is(403)).must_say("has non-volatile index: dev");
        shop.set("alice/dev", &["volatile=true"]).await;
        let page = alice.page(path).await;
        assert!(page.says("alice/play"));
        let page = Page::of(page.form(path).set("confirm", "Alice").send(&alice).await.is(400));
        page.must_say("Type alice to confirm.");
        assert_eq!(page.form(path).value("confirm"), "Alice");
        let answer = page.form(path).set("confirm", "alice").send(&alice).await;
        assert_eq!(answer.header("location"), "/");
        alice.follow(answer).await.must_say("The user alice is deleted.");
        root.get("/_/users/alice").await.is(404);
        root.get("/_/users/root/delete").await.is(403);
    }

    async fn with_restricted_changes_people_keep_their_password(engine: Engine) {
        let names = vec![UserName::parse("boss").unwrap()];
        let rules = Rules { restrict_modify: Some(names), ..Rules::default() };
        let shop = Shop::with(engine, Options { rules, ..Options::default() }).await;
        shop.user("alice").await;
        shop.user("boss").await;
        let (alice, boss) = (Browser::of(&shop, "alice").await, Browser::of(&shop, "boss").await);
        let page = alice.page("/_/users/alice").await;
        assert!(!page.says("Save the profile") && page.says("Change the password"));
        alice.post("/_/users/alice", &[("act", "profile"), ("title", "x")]).await.is(403);
        alice.get("/_/users/alice/delete").await.is(403);
        alice.get("/_/users").await.is(403);
        let form = boss.page("/_/users/alice").await.form_with("/_/users/alice", "act", "profile");
        boss.follow(form.set("title", "Alice").send(&boss).await).await.must_say("The profile is saved.");
        assert!(boss.page("/_/users").await.says("New user"));
    }
}
