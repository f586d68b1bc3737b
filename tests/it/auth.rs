//! Who is calling: passwords, tokens and sessions in every form that clients send.

use super::support::shop::{beginning, password_of, scope};
use super::support::{Ask, Dist, Engine, Form, Shop, both};
use cheeseshop::db;
use cheeseshop::db::users::Profile;
use cheeseshop::index::access::{Caller, Grant};
use cheeseshop::index::account::{self, UserPatch};
use cheeseshop::names::UserName;
use futures_util::future::join_all;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Made by devpi-server 6.20.3 of `alice pw`.
const HASHED_BY_DEVPI: &str = "$argon2id$v=19$m=65536,t=3,p=4$FIJwjrFWitG6d47xHqPU2g$zCuPTU//H32qMw7C1TrBUYggQvBvqQXtfioEzUzC7po";
/// A page that only alice may read.
const PRIVATE: &str = "/alice/dev/+simple/app/";
/// A page that everybody may read.
const PUBLIC: &str = "/alice/open/+simple/app/";

async fn shop_with_pages(engine: Engine) -> Shop {
    let shop = Shop::start(engine).await;
    shop.stage("alice/dev", &["acl_read=alice"]).await;
    shop.stage("alice/open", &[]).await;
    for index in ["alice/dev", "alice/open"] {
        shop.publish(index, "app", "1.0").await;
    }
    shop
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

both! {
    async fn a_password_opens_what_its_user_may_read(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        shop.get(PRIVATE).await.is(401);
        shop.get(PRIVATE).by("alice").await.is(200);
        shop.get(PUBLIC).by("alice").await.is(200);
        let lower = format!("basic {}", base64(&format!("alice:{}", password_of("alice"))));
        shop.get(PRIVATE).header("authorization", &lower).await.is(200);
        let devpi = base64(&format!("alice:{}", password_of("alice")));
        shop.get(PRIVATE).header("x-devpi-auth", &devpi).await.is(200);
    }

    /// A token that has expired must not look like a missing project.
    async fn wrong_credentials_are_refused_also_on_public_pages(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let unreadable = ["Basic", "Basic !!!", "Digest x", "Basic bm9jb2xvbg==", "Bearer"].map(str::to_owned);
        let wrong = ["alice:wrong", "alice:", "nobody:x", "__token__:cheeseshop_nonsense", ":", "cheeseshop_nonsense:"];
        let wrong = wrong.map(|text| format!("Basic {}", base64(text)));
        let long = format!("Basic {}", base64(&format!("alice:{}", "x".repeat(5000))));
        for value in unreadable.into_iter().chain(wrong).chain([long, "Bearer cheeseshop_nonsense".into()]) {
            for path in [PUBLIC, PRIVATE, "/alice/open/+simple/", "/simple/", "/alice/open/+simple/none/"] {
                let refused = shop.get(path).header("authorization", &value).await.is(401);
                assert_eq!(refused.header("www-authenticate"), "Basic realm=\"pypi\"");
                assert!(!refused.text().contains("nonsense"), "{}", refused.text());
            }
        }
        // Nothing was counted, nobody is locked out.
        shop.get(PRIVATE).by("alice").await.is(200);
        shop.get("/health").header("authorization", "Basic !!!").await.is(200);
    }

    async fn a_wrong_devpi_login_is_nobody(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        for value in [base64("alice:wrong"), base64("nobody:x"), "!!!".into(), base64("alice:cheeseshop-session_x")] {
            shop.get(PUBLIC).header("x-devpi-auth", &value).await.is(200);
            shop.get(PRIVATE).header("x-devpi-auth", &value).await.is(401);
        }
    }

    async fn a_token_works_in_every_place_of_a_request(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let token = shop.token("alice", "ci", scope(&[Grant::Read], &[], &[]), None).await;
        assert!(token.starts_with("cheeseshop_"));
        for user in ["__token__", "gitlab-ci-token", "alice", "bob", ""] {
            shop.get(PRIVATE).auth(user, &token).await.is(200);
        }
        shop.get(PRIVATE).auth(&token, "").await.is(200);
        for scheme in ["Bearer", "bearer", "token"] {
            shop.get(PRIVATE).header("authorization", &format!("{scheme} {token}")).await.is(200);
        }
        shop.get(PRIVATE).header("x-devpi-auth", &base64(&format!("alice:{token}"))).await.is(200);
        let file = shop.get(PRIVATE).auth("x", &token).await.links().remove(0).path;
        for path in [file.clone(), format!("{file}.metadata")] {
            shop.get(&path).auth("x", &token).await.is(200);
            shop.head(&path).auth("x", &token).await.is(200);
        }
        shop.get(PRIVATE).auth("x", &token[..token.len() - 1]).await.is(401);
    }

    async fn a_token_may_do_what_it_was_made_for(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        shop.stage("alice/other", &["acl_read=alice", "volatile=true"]).await;
        shop.set("alice/dev", &["volatile=true"]).await;
        let reader = shop.token("alice", "reader", scope(&[Grant::Read], &["alice/dev"], &[]), None).await;
        let uploader = shop.token("alice", "uploader", scope(&[Grant::Upload], &["alice/dev"], &["app"]), None).await;
        let manager = shop.token("alice", "manager", scope(&[Grant::Manage], &[], &[]), None).await;
        let upload = async |path: &str, name: &str, version: &str, token: &str| {
            shop.send(path, &Form::of(&Dist::wheel(name, version))).auth("__token__", token).await.status
        };
        shop.get(PRIVATE).auth("x", &reader).await.is(200);
        shop.get("/alice/other/+simple/").auth("x", &reader).await.is(404);
        assert_eq!(upload("/alice/dev/", "app", "2.0", &reader).await, 403);
        assert_eq!(upload("/alice/dev/", "app", "2.0", &uploader).await, 200);
        let before = shop.stored().await;
        assert_eq!(upload("/alice/dev/", "other", "2.0", &uploader).await, 403, "another project");
        assert_eq!(upload("/alice/other/", "app", "2.0", &uploader).await, 404, "another index, which it cannot even see");
        assert_eq!(upload("/alice/open/", "app", "2.0", &uploader).await, 403, "another index");
        assert_eq!(upload("/alice/dev/", "app", "3.0", &manager).await, 404, "to manage is not to upload, nor to read");
        assert_eq!(shop.stored().await, before);
        shop.get(PRIVATE).auth("x", &uploader).await.is(404);
        shop.get(PUBLIC).auth("x", &uploader).await.is(200);
        let file = shop.get(PRIVATE).by("alice").await.link("app-1.0-py3-none-any.whl").path;
        shop.delete(&file).auth("x", &uploader).await.is(404);
        shop.delete(&file).auth("x", &reader).await.is(403);
    }

    async fn the_journal_tells_token_and_owner(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let token = shop.token("alice", "ci", scope(&[Grant::Upload], &[], &[]), None).await;
        shop.send("/alice/dev/", &Form::of(&Dist::wheel("app", "2.0"))).auth("x", &token).await.is(200);
        let last = shop.journal().await.pop().unwrap();
        assert_eq!((last.action.as_str(), last.actor.as_str()), ("file-add", "token:alice/ci"));
        assert!(!format!("{:?}", shop.journal().await).contains(&token), "secrets are in no journal");
    }

    async fn a_token_ends_on_time(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let end = beginning().plus(Duration::from_secs(3600));
        let token = shop.token("alice", "ci", scope(&[Grant::Read], &[], &[]), Some(end)).await;
        shop.clock.advance(Duration::from_secs(3599));
        shop.get(PRIVATE).auth("x", &token).await.is(200);
        shop.clock.advance(Duration::from_secs(1));
        for path in [PRIVATE, PUBLIC] {
            shop.get(path).auth("x", &token).await.is(401);
        }
    }

    async fn a_revoked_token_is_refused_at_once(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let other = shop.another().await;
        let token = shop.token("alice", "ci", scope(&[Grant::Read], &[], &[]), None).await;
        for shop in [&shop, &other] {
            shop.get(PRIVATE).auth("x", &token).await.is(200);
        }
        account::remove_token(shop.core(), &Caller::system(), "alice", "ci").await.unwrap();
        shop.get(PRIVATE).auth("x", &token).await.is(401);
        // Another process learns it from the journal.
        cheeseshop::index::follow::catch_up(other.core()).await.unwrap();
        other.get(PRIVATE).auth("x", &token).await.is(401);
    }

    async fn a_changed_password_counts_at_once(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        shop.get(PRIVATE).by("alice").await.is(200);
        let (session, _) = account::login(shop.core(), "alice", &password_of("alice"), LOCAL).await.unwrap();
        shop.get(PRIVATE).auth("alice", &session).await.is(200);
        let patch = UserPatch { password: Some("new".into()), ..UserPatch::default() };
        account::modify_user(shop.core(), &Caller::system(), "alice", patch).await.unwrap();
        shop.get(PRIVATE).by("alice").await.is(401);
        shop.get(PRIVATE).auth("alice", &session).await.is(401);
        shop.get(PRIVATE).auth("alice", "new").await.is(200);
    }

    /// Dumps of devpi bring hashes that cost more than ours: the password opens the account, and from then on costs what others do.
    async fn a_password_hashed_by_devpi_is_hashed_anew(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let (session, _) = account::login(shop.core(), "alice", &password_of("alice"), LOCAL).await.unwrap();
        let (created, modified) = (beginning(), beginning().plus(Duration::from_secs(5)));
        let name = UserName::parse("alice").unwrap();
        let profile = Profile { title: Some("Alice".into()), ..Profile::default() };
        let mut c = shop.core().db.begin().await.unwrap();
        let times = (created, Some(modified));
        db::users::restore(&mut c, &name, &profile, Some(HASHED_BY_DEVPI), false, times).await.unwrap();
        c.commit().await.unwrap();
        let journal = shop.journal().await.len();
        let stored = async || account::find_user(shop.core(), "alice").await.unwrap();
        shop.get(PRIVATE).auth("alice", "wrong").await.is(401);
        assert_eq!(stored().await.password_hash.as_deref(), Some(HASHED_BY_DEVPI));
        for _ in 0..2 {
            shop.get(PRIVATE).auth("alice", "alice pw").await.is(200);
            shop.core().verified.forget_all();
        }
        let alice = stored().await;
        let hash = alice.password_hash.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!((alice.title.as_deref(), alice.created, alice.modified), (Some("Alice"), created, Some(modified)));
        shop.get(PRIVATE).auth("alice", &session).await.is(200);
        assert_eq!(shop.journal().await.len(), journal, "the password is the same: nothing has changed");
    }

    async fn a_session_ends_after_ten_hours(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        let (session, length) = account::login(shop.core(), "alice", &password_of("alice"), LOCAL).await.unwrap();
        let devpi = base64(&format!("alice:{session}"));
        shop.get(PRIVATE).header("x-devpi-auth", &devpi).await.is(200);
        shop.get(PRIVATE).header("x-devpi-auth", &base64(&format!("bob:{session}"))).await.is(401);
        shop.clock.advance(length);
        shop.get(PRIVATE).header("x-devpi-auth", &devpi).await.is(401);
    }

    async fn a_removed_user_is_nobody_and_a_namesake_inherits_nothing(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        shop.user("bob").await;
        shop.set("alice/dev", &["acl_read+=bob", "acl_upload+=bob"]).await;
        let token = shop.token("bob", "ci", scope(&[Grant::Read], &[], &[]), None).await;
        shop.get(PRIVATE).by("bob").await.is(200);
        account::delete_user(shop.core(), &Caller::system(), "bob").await.unwrap();
        shop.get(PUBLIC).by("bob").await.is(401);
        shop.get(PUBLIC).auth("x", &token).await.is(401);
        shop.user("bob").await;
        shop.get(PRIVATE).by("bob").await.is(404);
        shop.get(PUBLIC).auth("x", &token).await.is(401);
        let upload = shop.send("/alice/open/", &Form::of(&Dist::wheel("app", "2.0"))).by("bob").await;
        assert_eq!(upload.status, 403);
    }

    /// uv opens fifty connections at once; a password takes tens of milliseconds to check.
    async fn a_password_is_checked_once_for_many_requests(engine: Engine) {
        let shop = shop_with_pages(engine).await;
        shop.user("bob").await;
        shop.set("alice/dev", &["acl_read+=bob"]).await;
        let timed = async |asks: Vec<Ask>, wanted: u16| {
            let started = Instant::now();
            let answers = join_all(asks.into_iter().map(IntoFuture::into_future)).await;
            assert!(answers.iter().all(|answer| answer.status == wanted));
            started.elapsed()
        };
        let each = timed((0..19).map(|n| shop.get(PRIVATE).auth("bob", &n.to_string())).collect(), 401).await;
        let once = timed((0..19).map(|_| shop.get(PRIVATE).by("bob")).collect(), 200).await;
        assert!(once * 4 < each, "nineteen passwords take {each:?}, one password nineteen times {once:?}");
    }
}
