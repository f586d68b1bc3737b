//! The server that is asked: alice's indexes, those who have rights at them, and every kind of credential, good and ended. What a
//! request has changed is mended before the next one.

use super::super::support::dist::zip_of;
use super::super::support::shop::{Options, scope};
use super::super::support::{Dist, Engine, FakeUpstream, Form, Item, JSON, Shop};
use super::rows::Mend;
use axum::http::Method;
use cheeseshop::http::metrics::Readers;
use cheeseshop::index::access::{Caller, Grant, Scope};
use cheeseshop::index::{account, credentials, devpi_tokens};
use cheeseshop::pypi::Sha256;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The index for everybody and the one for carol, erin and the owner; `NONE` is no index. Their names have the same length, so that
/// answers can be compared.
pub const OPEN: &str = "alice/open1";
pub const VAULT: &str = "alice/vault";
pub const NONE: &str = "alice/none1";
/// Mirrors, likewise.
pub const MIRRORS: [(&str, &str); 3] = [(OPEN, "alice/mopen"), (VAULT, "alice/mvalt"), (NONE, "alice/mnone")];
/// A project that only the vault has: no answer to somebody who may not read it says this word.
pub const SECRET_PROJECT: &str = "sesame";

const LISTS: &[&str] =
    &["volatile=true", "acl_upload=alice,dave,erin", "acl_toxresult_upload=alice,carol,erin", "title=as it was"];
const PRIVATE: &str = "acl_read=carol,erin";
const LONG_AGO: Duration = Duration::from_secs(10);

/// Credentials, by what they are.
#[derive(Default)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    #[track_caller]
    pub fn of(&self, what: &str) -> &str {
        self.0.get(what).unwrap_or_else(|| panic!("there is no {what}"))
    }
}

pub struct World {
    pub shop: Shop,
    pub secrets: Secrets,
    /// What stands for `{wheel}` and the like in rows.
    pub places: BTreeMap<&'static str, String>,
    /// What must not be and is.
    pub complaints: Vec<String>,
    wheel: Dist,
    upstream: FakeUpstream,
}

impl World {
    pub async fn new(engine: Engine) -> Self {
        let shop = Shop::with(engine, Options { metrics: Some(Readers::Admin), ..Options::default() }).await;
        let upstream = FakeUpstream::start().await;
        let mirrored = Dist::wheel("mapp", "1.0");
        upstream.add(Item::new(&mirrored));
        upstream.add(Item::bare(&Dist::sdist("mapp", "1.0")));
        let wheel = Dist::wheel("app", "1.0");
        let mut world =
            Self { shop, secrets: Secrets::default(), places: BTreeMap::new(), complaints: Vec::new(), wheel, upstream };
        world.furnish().await;
        world.note_places(&mirrored).await;
        world
    }

    /// Makes everything that is missing, and all credentials anew.
    async fn furnish(&mut self) {
        for user in ["root", "alice", "carol", "dave", "erin", "mallory"] {
            self.shop.user(user).await;
        }
        self.furnish_index(OPEN).await;
        self.furnish_index(VAULT).await;
        for (like, mirror) in MIRRORS.iter().filter(|(like, _)| *like != NONE) {
            if !self.has(mirror) {
                let options: &[&str] = if *like == VAULT { &[PRIVATE] } else { &[] };
                self.shop.mirror(mirror, &self.upstream, options).await;
            }
        }
        if !self.has("alice/other") {
            self.shop.stage("alice/other", &["volatile=true"]).await;
            self.shop.publish("alice/other", "thing", "1.0").await;
        }
        self.shop.default_index(OPEN).await;
        self.make_credentials().await;
    }

    fn has(&self, path: &str) -> bool {
        let (user, index) = path.split_once('/').unwrap();
        self.shop.core().tree.load().find(user, index).is_some()
    }

    async fn furnish_index(&mut self, path: &str) {
        let lists: Vec<&str> = LISTS.iter().copied().chain((path == VAULT).then_some(PRIVATE)).collect();
        if !self.has(path) {
            self.shop.stage(path, &lists).await;
            self.shop.publish(path, "other", "1.0").await;
            if path == VAULT {
                self.shop.publish(path, SECRET_PROJECT, "1.0").await;
            }
        }
        self.furnish_project(path).await;
    }

    /// Uploads what is not as it was.
    async fn furnish_project(&mut self, path: &str) {
        let dists = [self.wheel.clone(), Dist::sdist("app", "1.0"), Dist::wheel("app", "0.9")];
        let page = self.shop.get(&format!("/{path}/+simple/app/")).accept(JSON).by("root").await;
        let mut there = if page.status == 200 { page.filenames() } else { Vec::new() };
        let mut wanted: Vec<String> = dists.iter().map(|dist| dist.filename.clone()).collect();
        there.sort();
        wanted.sort();
        let found = self.places.get("result").map(|result| format!("/{path}/{result}"));
        let has = async |path: &str| self.shop.get(path).by("root").await.status == 200;
        let whole = there == wanted
            && !page.text().contains("\"yanked\":true")
            && has(&format!("/{path}/app/1.0/+doc/")).await
            && matches!(found, Some(result) if has(&result).await);
        if whole {
            return;
        }
        self.shop.delete(&format!("/{path}/app?force")).by("root").await;
        for dist in &dists {
            self.shop.upload(path, dist).await.is(200);
        }
        self.shop.send(&format!("/{path}/"), &Form::docs("app", Some("1.0"), &docs())).by("alice").await.is(200);
        let result = self.shop.post(&self.wheel.path(path)).body("{}").by("alice").await.is(200).json();
        let result = result["result"].as_str().unwrap().split('#').next().unwrap().replace(&format!("{path}/"), "");
        self.places.insert("result", result);
    }

    async fn note_places(&mut self, mirrored: &Dist) {
        let below = |dist: &Dist| dist.path("").trim_start_matches('/').to_owned();
        let zip = Dist { bytes: docs(), filename: "app-1.0.doc.zip".into(), ..self.wheel.clone() };
        self.places.extend([("wheel", below(&self.wheel)), ("docs", below(&zip)), ("mirrored", below(mirrored))]);
        let links = self.shop.page(MIRRORS[0].1, "mapp").await.links();
        let plain = links.into_iter().find(|link| link.path.contains("/+e/")).expect("a link without a hash");
        self.places.insert("plain", plain.path.replace(&format!("/{}/", MIRRORS[0].1), ""));
    }

    async fn make_credentials(&mut self) {
        let every = [Grant::Read, Grant::Upload, Grant::Results, Grant::Manage];
        for (name, owner, scope) in [
            ("read", "alice", scope(&[Grant::Read], &[], &[])),
            ("upload", "alice", scope(&[Grant::Upload], &[], &[])),
            ("results", "alice", scope(&[Grant::Results], &[], &[])),
            ("all", "alice", scope(&every, &[], &[])),
            ("app", "alice", scope(&every, &[], &["app", "mapp"])),
            ("other-project", "alice", scope(&every, &[], &["other"])),
            ("other-index", "alice", scope(&every, &["alice/other"], &[])),
            ("mallory", "mallory", scope(&every, &[], &[])),
            ("erin", "erin", scope(&every, &[], &[])),
            ("root", "root", scope(&every, &[], &[])),
        ] {
            self.token(&format!("token {name}"), owner, scope).await;
        }
        self.devpi_token("devpi all", json!({})).await;
        self.devpi_token("devpi read", json!({"allowed": ["pkg_read"]})).await;
        self.make_ended().await;
        self.make_volatile_credentials().await;
    }

    /// What a form of the account may end, if it has: sessions, and the tokens that are there to be revoked.
    async fn make_volatile_credentials(&mut self) {
        for (what, user) in [("session alice", "alice"), ("cookie alice", "alice"), ("session root", "root")] {
            if !self.is_session(what).await {
                self.session(what, user).await;
            }
        }
        let core = self.shop.core().clone();
        let tokens = account::tokens(&core, &Caller::system(), "alice").await.unwrap();
        if !tokens.iter().any(|token| token.name == "token spare") {
            self.token("token spare", "alice", scope(&[Grant::Read], &[], &[])).await;
        }
        let ids = devpi_tokens::list(&core, &Caller::system(), "alice").await.unwrap();
        if !ids.iter().any(|token| Some(&token.id) == self.places.get("spare")) {
            let spare = self.devpi_token("devpi spare", json!({})).await;
            self.places.insert("spare", spare);
        }
    }

    async fn is_session(&self, what: &str) -> bool {
        let Some(secret) = self.secrets.0.get(what) else { return false };
        let mut c = self.shop.core().db.read().await.unwrap();
        cheeseshop::db::sessions::by_hash(&mut c, &Sha256::of(secret.as_bytes())).await.unwrap().is_some()
    }

    async fn make_ended(&mut self) {
        let (core, system) = (self.shop.core().clone(), Caller::system());
        let reading = || scope(&[Grant::Read], &[], &[]);
        for (what, user) in [("token of a deleted user", "fired"), ("token of a disabled user", "locked")] {
            self.shop.user(user).await;
            self.token(what, user, reading()).await;
        }
        account::delete_user(&core, &system, "fired").await.unwrap();
        self.shop.sabotage("UPDATE users SET disabled = 1 WHERE name = 'locked'").await;
        self.token("revoked token", "alice", reading()).await;
        account::remove_token(&core, &system, "alice", "revoked token").await.unwrap();
        let id = self.devpi_token("revoked devpi token", json!({})).await;
        devpi_tokens::remove(&core, &system, "alice", &id).await.unwrap();
        self.session("ended session", "alice").await;
        account::sign_out(&core, &Sha256::of(self.secrets.of("ended session").as_bytes())).await.unwrap();

        let soon = core.clock.now().plus(Duration::from_secs(1));
        let _ = account::remove_token(&core, &system, "alice", "expired token").await;
        let expired = self.shop.token("alice", "expired token", reading(), Some(soon)).await;
        self.secrets.0.insert("expired token".into(), expired);
        self.devpi_token("expired devpi token", json!({"expires": soon.seconds()})).await;
        let alice = account::find_user(&core, "alice").await.unwrap();
        let (secret, _) = credentials::begin_session(&core, &alice, Duration::from_secs(1)).await.unwrap();
        self.secrets.0.insert("expired session".into(), secret);
        self.shop.clock.advance(LONG_AGO);
    }

    async fn token(&mut self, what: &str, owner: &str, scope: Scope) {
        let _ = account::remove_token(self.shop.core(), &Caller::system(), owner, what).await;
        let secret = self.shop.token(owner, what, scope, None).await;
        self.secrets.0.insert(what.into(), secret);
    }

    /// Returns the token's id.
    async fn devpi_token(&mut self, what: &str, restrictions: Value) -> String {
        let (core, system) = (self.shop.core().clone(), Caller::system());
        let ids = async || -> Vec<String> {
            devpi_tokens::list(&core, &system, "alice").await.unwrap().into_iter().map(|token| token.id).collect()
        };
        let (before, request) = (ids().await, restrictions.as_object().cloned().unwrap_or_else(Map::new));
        let secret = devpi_tokens::create(&core, &system, "alice", &request).await.unwrap();
        self.secrets.0.insert(what.into(), secret);
        ids().await.into_iter().find(|id| !before.contains(id)).unwrap()
    }

    async fn session(&mut self, what: &str, user: &str) {
        let core = self.shop.core();
        let user = account::find_user(core, user).await.unwrap();
        let (secret, _) = credentials::begin_session(core, &user, Duration::from_secs(36_000)).await.unwrap();
        self.secrets.0.insert(what.into(), secret);
    }

    /// Makes `/simple/` and its like stand for this index.
    pub async fn set_default(&self, path: &str) {
        self.shop.default_index(path).await;
    }

    /// Puts everything back as it was after a request that did something.
    pub async fn mend(&mut self, mend: Mend, index: &str) {
        match mend {
            Mend::Nothing => {}
            Mend::Index => self.mend_index(index).await,
            Mend::Account => {
                let _ = account::delete_user(self.shop.core(), &Caller::system(), "newbie").await;
                let _ = account::remove_token(self.shop.core(), &Caller::system(), "alice", "new").await;
                self.make_volatile_credentials().await;
            }
            Mend::Everything => self.furnish().await,
        }
    }

    async fn mend_index(&mut self, path: &str) {
        let root = |path: &str| self.shop.ask(Method::DELETE, path).by("root");
        root("/alice/fresh").await;
        root("/alice/other/app?force").await;
        let mirror = MIRRORS.iter().find(|(like, _)| *like == path).map_or("alice/mopen", |(_, mirror)| mirror);
        if !self.has(mirror) || !self.has(path) {
            return self.furnish().await;
        }
        let edits = ["mirror_whitelist="]
            .into_iter()
            .chain(LISTS.iter().copied())
            .map(cheeseshop::index::settings::Edit::parse)
            .collect();
        let at = cheeseshop::names::IndexPath::parse(path).unwrap();
        cheeseshop::index::admin::modify(self.shop.core(), &Caller::system(), &at, edits, false).await.unwrap();
        self.furnish_index(path).await;
    }
}

/// A small site.
pub fn docs() -> Vec<u8> {
    zip_of(&[("index.html", b"<h1>app</h1>")])
}
