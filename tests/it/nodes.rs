//! Several nodes on one database: what one changes, the others show, by the time the change is answered. PostgreSQL announces changes;
//! on SQLite a poll finds them, which the tests play.

use super::support::shop::scope;
use super::support::{Dist, Engine, FakeUpstream, Form, Item, JSON, LONG, Shop, both, eventually};
use axum::http::Method;
use cheeseshop::app::background::Background;
use cheeseshop::db::journal::{Action, Change};
use cheeseshop::db::{self, Serial};
use cheeseshop::index::access::{Caller, Grant};
use cheeseshop::index::release::{self, Target};
use cheeseshop::index::{account, admin, credentials, follow, nodes};
use cheeseshop::limits;
use cheeseshop::names::IndexPath;
use cheeseshop::pypi::ProjectName;
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, Row};
use std::time::Duration;

/// Two nodes of one database.
struct Pair {
    one: Shop,
    other: Shop,
    _running: Vec<Background>,
}

impl Pair {
    async fn start(engine: Engine) -> Self {
        let one = Shop::start(engine).await;
        let other = one.another().await;
        let mut running = Vec::new();
        if engine == Engine::Postgres {
            running.extend([one.serve().await, other.serve().await]);
            eventually("both listen", async || listeners(&one).await.len() == 2).await;
        }
        Self { one, other, _running: running }
    }

    /// What a poll does on SQLite. On PostgreSQL nothing is needed: a change was answered, so the other has seen it.
    async fn polled(&self) {
        if !self.one.core().db.announces() {
            follow::catch_up(self.one.core()).await.unwrap();
            follow::catch_up(self.other.core()).await.unwrap();
        }
    }

    /// Asks the other node for a page, by nobody.
    async fn page(&self, index: &str) -> u16 {
        self.polled().await;
        self.other.get(&format!("/{index}/+simple/app/")).await.status
    }

    async fn signed_in(&self, secret: &str) -> u16 {
        self.polled().await;
        self.other.get("/alice/shut/+simple/app/").auth("alice", secret).await.status
    }
}

/// The connections that listen to this database's journal.
async fn listeners(shop: &Shop) -> Vec<i32> {
    let mut raw = shop.database.raw().await;
    let listening = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' || md5(current_schema()) || '%'";
    raw.fetch_all(listening).await.unwrap().iter().map(|row| row.get(0)).collect()
}

fn at(path: &str) -> IndexPath {
    IndexPath::parse(path).unwrap()
}

fn change(detail: Value) -> Change<'static> {
    Change { actor: "system", index: None, project: None, action: Action::ServerSet, detail }
}

both! {
    async fn files_that_come_change_and_go_do_so_on_all_nodes(engine: Engine) {
        let pair = Pair::start(engine).await;
        let (one, other) = (&pair.one, &pair.other);
        let upstream = FakeUpstream::start().await;
        one.mirror("root/pypi", &upstream, &[]).await;
        one.stage("alice/dev", &["volatile=true"]).await;
        one.stage("alice/above", &["bases=alice/dev,root/pypi"]).await;
        assert_eq!((pair.page("alice/above").await, pair.page("alice/dev").await), (404, 404));
        let dist = one.publish("alice/dev", "app", "1.0").await;
        assert_eq!((pair.page("alice/above").await, pair.page("alice/dev").await), (200, 200));
        assert_eq!(other.get(&dist.path("alice/dev")).await.is(200).body, dist.bytes);

        let project = ProjectName::parse("app").unwrap();
        let index = one.core().tree.load().at(&at("alice/dev")).unwrap().index.clone();
        let file = || Target::File(dist.filename.clone());
        for reason in [Some("broken"), None] {
            release::yank(one.core(), &Caller::system(), &index, &project, file(), reason.map(str::to_owned)).await.unwrap();
            pair.polled().await;
            assert_eq!(other.page("alice/above", "app").await.link(&dist.filename).yanked.as_deref(), reason);
        }
        one.upload("alice/dev", &dist.rebuilt()).await.is(200);
        pair.polled().await;
        let rebuilt = other.page("alice/above", "app").await.link(&dist.filename).clone();
        assert_eq!(other.get(&rebuilt.path).await.is(200).body, dist.rebuilt().bytes);
        one.stage("alice/prod", &[]).await;
        let push = json!({"name": "app", "version": "1.0", "targetindex": "alice/prod"}).to_string();
        one.ask(Method::from_bytes(b"PUSH").unwrap(), "/alice/dev").body(push).by("alice").await.is(200);
        assert_eq!(pair.page("alice/prod").await, 200);
        one.delete(&dist.rebuilt().path("alice/dev")).by("alice").await.is(200);
        upstream.add(Item::new(&Dist::wheel("app", "9.0")));
        assert_eq!(pair.page("alice/above").await, 404, "the name is kept from the mirror");
        other.get(&rebuilt.path).await.is(410);
        one.post("/root/pypi/+simple/app/refresh").await.is(302);
        release::release_name(one.core(), &Caller::system(), &index, &project).await.unwrap();
        assert_eq!(pair.page("alice/above").await, 200);
    }

    async fn options_of_indexes_change_on_all_nodes(engine: Engine) {
        let pair = Pair::start(engine).await;
        let (one, other) = (&pair.one, &pair.other);
        one.stage("alice/dev", &["volatile=true"]).await;
        one.stage("alice/above", &["volatile=true"]).await;
        one.publish("alice/dev", "app", "1.0").await;
        assert_eq!(pair.page("alice/above").await, 404);
        one.set("alice/above", &["bases=alice/dev"]).await;
        assert_eq!(pair.page("alice/above").await, 200);
        one.set("alice/dev", &["acl_read=alice"]).await;
        assert_eq!((pair.page("alice/dev").await, pair.page("alice/above").await), (401, 404));
        one.set("alice/dev", &["acl_read=:ANONYMOUS:"]).await;
        other.set("alice/dev", &["acl_upload=alice,bob"]).await;
        one.user("bob").await;
        pair.polled().await;
        one.send("/alice/dev/", &Form::of(&Dist::wheel("app", "2.0"))).by("bob").await.is(200);
        one.default_index("alice/above").await;
        pair.polled().await;
        assert_eq!(other.get("/simple/app/").accept(JSON).await.is(200).filenames().len(), 2);
        admin::delete(one.core(), &Caller::system(), &at("alice/dev")).await.unwrap();
        assert_eq!((pair.page("alice/dev").await, pair.page("alice/above").await), (404, 404));
    }

    async fn what_opens_an_account_opens_it_nowhere_once_it_is_revoked(engine: Engine) {
        let pair = Pair::start(engine).await;
        let one = &pair.one;
        one.user("root").await;
        one.stage("alice/shut", &["acl_read=alice", "volatile=true"]).await;
        one.publish("alice/shut", "app", "1.0").await;
        let token = one.token("alice", "ci", scope(&[Grant::Read], &[], &[]), None).await;
        let made = one.post("/alice/+token-create").accept("application/json").body("{}").by("alice").await.is(200).json();
        let macaroon = made["result"]["token"].as_str().unwrap().to_owned();
        let login = json!({"user": "alice", "password": "alice's password"}).to_string();
        let session = one.post("/+login").body(login).await.is(200).json()["result"]["password"].as_str().unwrap().to_owned();
        let password = "alice's password";
        for secret in [&token, &macaroon, &session, password] {
            assert_eq!(pair.signed_in(secret).await, 200, "{secret}");
        }
        account::remove_token(one.core(), &Caller::system(), "alice", "ci").await.unwrap();
        assert_eq!((pair.signed_in(&token).await, pair.signed_in(&macaroon).await), (401, 200));
        let listed = one.get("/alice/+tokens").by("alice").await.is(200).json();
        let id = listed["result"]["tokens"].as_object().unwrap().keys().next().unwrap().clone();
        one.delete(&format!("/alice/+tokens/{id}")).by("alice").await.is(200);
        assert_eq!(pair.signed_in(&macaroon).await, 401);
        one.ask(Method::PATCH, "/alice").by("alice").body(json!({"password": "other"}).to_string()).await.is(200);
        assert_eq!((pair.signed_in(password).await, pair.signed_in(&session).await, pair.signed_in("other").await), (401, 401, 200));
        account::delete_user(one.core(), &Caller::system(), "alice").await.unwrap();
        assert_eq!(pair.signed_in("other").await, 401);
    }

    /// What stands in the row when the session is written decides, not what was verified a moment before.
    async fn no_session_is_born_from_a_password_that_was_changed(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("alice").await;
        let before = account::find_user(shop.core(), "alice").await.unwrap();
        credentials::begin_session(shop.core(), &before, limits::SESSION_LENGTH).await.unwrap();
        shop.ask(Method::PATCH, "/alice").by("alice").body(json!({"password": "other"}).to_string()).await.is(200);
        credentials::begin_session(shop.core(), &before, limits::SESSION_LENGTH).await.unwrap_err();
        let login = |password: &str| shop.post("/+login").body(json!({"user": "alice", "password": password}).to_string());
        login("alice's password").await.is(401);
        login("other").await.is(200);
    }

    /// Bases and options are written as a whole. Of two edits at once both count, or one is told to look again.
    async fn edits_at_the_same_moment_lose_nothing(engine: Engine) {
        let one = Shop::start(engine).await;
        for name in ["a", "b", "dev"] {
            one.stage(&format!("alice/{name}"), &[]).await;
        }
        let other = one.another().await;
        for _ in 0..15 {
            one.set("alice/dev", &["title=x"]).await;
            one.set("alice/dev", &["bases=", "title="]).await;
            follow::catch_up(other.core()).await.unwrap();
            let edit = async |shop: &Shop, base: &str| {
                let edits = vec![cheeseshop::index::settings::Edit::parse(&format!("bases+=alice/{base}"))];
                admin::modify(shop.core(), &Caller::system(), &at("alice/dev"), edits, true).await.is_ok()
            };
            let done = tokio::join!(edit(&one, "a"), edit(&other, "b"));
            follow::catch_up(one.core()).await.unwrap();
            let bases = one.core().tree.load().at(&at("alice/dev")).unwrap().index.bases.clone();
            assert_eq!((done.0, done.1), (bases.contains(&at("alice/a")), bases.contains(&at("alice/b"))), "{bases:?}");
            assert!(done.0 || done.1);
        }
    }

    async fn profiles_changed_at_the_same_moment_keep_each_other_s_fields(engine: Engine) {
        let one = Shop::start(engine).await;
        one.user("alice").await;
        let other = one.another().await;
        for n in 0..10 {
            let patch = async |shop: &Shop, field: &str| {
                let body = json!({field: format!("{field} {n}")}).to_string();
                shop.ask(Method::PATCH, "/alice").by("alice").body(body).await.is(200);
            };
            tokio::join!(patch(&one, "email"), patch(&other, "title"));
            let user = account::find_user(one.core(), "alice").await.unwrap();
            assert_eq!((user.email, user.title), (Some(format!("email {n}")), Some(format!("title {n}"))));
        }
    }

    /// A node that was away for longer than the journal reaches back cannot know what changed, and takes nothing for current.
    async fn a_node_below_the_floor_starts_anew(engine: Engine) {
        let one = Shop::start(engine).await;
        one.stage("alice/dev", &[]).await;
        one.stage("alice/shut", &["acl_read=alice"]).await;
        one.publish("alice/dev", "app", "1.0").await;
        one.publish("alice/shut", "app", "1.0").await;
        let away = one.another().await;
        assert_eq!(away.filenames("alice/dev", "app").await.len(), 1);
        away.get("/alice/shut/+simple/app/").by("alice").await.is(200);

        one.publish("alice/dev", "app", "2.0").await;
        one.stage("alice/new", &["bases=alice/dev"]).await;
        one.ask(Method::PATCH, "/alice").by("alice").body(json!({"password": "other"}).to_string()).await.is(200);
        let mut c = one.core().db.begin().await.unwrap();
        let newest = db::journal::last(&mut c).await.unwrap();
        assert!(db::journal::prune(&mut c, Serial(i64::MAX)).await.unwrap() > 5);
        c.commit().await.unwrap();

        assert_eq!(follow::catch_up(away.core()).await.unwrap(), newest);
        assert_eq!(away.filenames("alice/dev", "app").await.len(), 2);
        assert_eq!(away.filenames("alice/new", "app").await.len(), 2);
        away.get("/alice/shut/+simple/app/").by("alice").await.is(401);
        away.get("/alice/shut/+simple/app/").auth("alice", "other").await.is(200);
        assert_eq!(follow::catch_up(one.core()).await.unwrap(), newest, "who has seen all of it misses nothing");
    }

    /// A newer version runs on the same database: its migrations are there, and its words in the journal.
    async fn an_older_version_goes_on_beside_a_newer_one(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.stage("alice/dev", &[]).await;
        shop.publish("alice/dev", "app", "1.0").await;
        let migration = "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
                         VALUES (999999, 'of a newer version', CURRENT_TIMESTAMP, TRUE, '', 0)";
        let word = "INSERT INTO journal (at, actor, index_id, project, action, detail)
                    VALUES (1, 'system', 1, 'app', 'project-praise', '{}')";
        let column = "ALTER TABLE projects ADD COLUMN praise TEXT";
        for text in [migration, word, column] {
            match &shop.core().db {
                db::Db::Sqlite { write, .. } => drop(write.execute(text).await.unwrap()),
                db::Db::Postgres(pool) => drop(pool.execute(text).await.unwrap()),
            }
        }
        follow::catch_up(shop.core()).await.unwrap();
        shop.publish("alice/dev", "app", "2.0").await;
        assert_eq!(shop.filenames("alice/dev", "app").await.len(), 2);
        let started = shop.another().await;
        started.publish("alice/dev", "app", "3.0").await;
        assert_eq!(started.filenames("alice/dev", "app").await.len(), 3);
    }
}

/// Which nodes there are, by whether each has seen everything.
async fn rows(shop: &Shop) -> Vec<bool> {
    let mut c = shop.core().db.read().await.unwrap();
    let last = db::journal::last(&mut c).await.unwrap();
    db::nodes::all(&mut c).await.unwrap().iter().map(|node| node.seen >= last).collect()
}

#[tokio::test]
async fn on_sqlite_nobody_waits_and_nothing_is_written() {
    let shop = Shop::start(Engine::Sqlite).await;
    shop.serve().await;
    assert!(rows(&shop).await.is_empty());
}

#[tokio::test]
async fn nodes_come_and_go_and_tell_what_they_have_seen() {
    let one = Shop::start(Engine::Postgres).await;
    let running = one.serve().await;
    let other = one.another().await;
    let other_running = other.serve().await;
    one.stage("alice/dev", &[]).await;
    eventually("both have seen it", async || rows(&one).await == [true, true]).await;
    other_running.stop().await;
    nodes::leave(other.core()).await.unwrap();
    assert_eq!(rows(&one).await.len(), 1);
    running.stop().await;
    nodes::leave(one.core()).await.unwrap();
    assert!(rows(&one).await.is_empty());
}

/// A change is not answered before the other node shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_answered_once_the_live_nodes_have_seen_it() {
    let one = Shop::start(Engine::Postgres).await;
    one.stage("alice/dev", &[]).await;
    let other = one.another().await;
    nodes::join(other.core(), "127.0.0.1:3142").await.unwrap();
    let dist = Dist::wheel("app", "1.0");
    let mut upload = Box::pin(one.upload("alice/dev", &dist).into_future());
    eventually("the upload is committed", async || {
        assert!((&mut upload).now_or_never().is_none(), "answered before the other node has seen it");
        one.journal().await.iter().any(|entry| entry.action == "file-add")
    })
    .await;
    follow::catch_up(other.core()).await.unwrap();
    nodes::beat(other.core()).await.unwrap();
    upload.await.is(200);
    assert_eq!(other.filenames("alice/dev", "app").await.len(), 1);
}

/// A node that was killed is waited for once, and one that has been silent for long not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_keeps_nobody_waiting() {
    let shop = Shop::start(Engine::Postgres).await;
    shop.stage("alice/dev", &[]).await;
    nodes::join(shop.another().await.core(), "127.0.0.1:3142").await.unwrap();
    let uploads = 30;
    let all = async {
        for n in 0..uploads {
            shop.publish("alice/dev", "app", &n.to_string()).await;
        }
    };
    let each_waiting = limits::ACKNOWLEDGE_WAIT * uploads;
    tokio::time::timeout(each_waiting, all).await.expect("each upload has waited for a node that does not move");
    assert_eq!(rows(&shop).await, [false]);
    shop.clock.advance(limits::NODE_KEPT + Duration::from_secs(1));
    shop.publish("alice/dev", "app", "100").await;
    assert!(rows(&shop).await.is_empty(), "its row is gone");
}

/// A node whose row was pruned while it was away is waited for again once it is back.
#[tokio::test]
async fn a_node_that_was_taken_for_dead_comes_back() {
    let shop = Shop::start(Engine::Postgres).await;
    nodes::join(shop.core(), "127.0.0.1:3141").await.unwrap();
    db::nodes::prune(&mut shop.core().db.read().await.unwrap(), shop.clock.now().plus(Duration::from_secs(1))).await.unwrap();
    assert!(rows(&shop).await.is_empty());
    nodes::beat(shop.core()).await.unwrap();
    assert_eq!(rows(&shop).await.len(), 1);
}

/// Whatever happens to the connections that listen, no change is missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_listener_loses_nothing() {
    let pair = Pair::start(Engine::Postgres).await;
    pair.one.stage("alice/dev", &[]).await;
    let mut raw = pair.one.database.raw().await;
    for n in 0..4 {
        for pid in listeners(&pair.one).await {
            raw.execute(AssertSqlSafe(format!("SELECT pg_terminate_backend({pid})"))).await.unwrap();
        }
        pair.one.publish("alice/dev", "app", &n.to_string()).await;
        eventually("the other shows it", async || {
            pair.other.get("/alice/dev/+simple/app/").await.status == 200
                && pair.other.filenames("alice/dev", "app").await.len() == n + 1
        })
        .await;
        eventually("both listen again", async || listeners(&pair.one).await.len() == 2).await;
    }
}

/// Many changes at once, on three nodes, each shown everywhere when it is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publish_then_install_works_on_any_node() {
    let pair = Pair::start(Engine::Postgres).await;
    let third = pair.one.another().await;
    let _running = third.serve().await;
    eventually("all listen", async || listeners(&third).await.len() == 3).await;
    pair.one.stage("alice/dev", &[]).await;
    let shops = [&pair.one, &pair.other, &third];
    let uploads = (0..12).map(|n| async move {
        let name = format!("app{n}");
        shops[n % 3].publish("alice/dev", &name, "1.0").await;
        for shop in shops {
            assert_eq!(shop.filenames("alice/dev", &name).await.len(), 1, "{name}");
        }
    });
    tokio::time::timeout(LONG, join_all(uploads)).await.unwrap();
}

/// The rows of a transaction that is rolled back are never announced, and what is announced is there.
#[tokio::test]
async fn what_is_announced_is_there() {
    let pair = Pair::start(Engine::Postgres).await;
    let mut c = pair.one.core().db.begin().await.unwrap();
    db::journal::append(&mut c, &change(json!({"never": true})), pair.one.clock.now()).await.unwrap();
    drop(c);
    let mut c = pair.one.core().db.begin().await.unwrap();
    let serial = db::journal::append(&mut c, &change(Value::Null), pair.one.clock.now()).await.unwrap();
    c.commit().await.unwrap();
    eventually("both have seen it", async || [&pair.one, &pair.other].iter().all(|shop| shop.core().changes.seen() == serial))
        .await;
}
