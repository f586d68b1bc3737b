//! A shop with something of everything in it, and all its rows as text that can be compared between engines.

use super::dist::{sha256, zip_of};
use super::shop::scope;
use super::{Dist, Engine, FakeUpstream, Form, Item, Shop};
use cheeseshop::db::dump::{self, Value};
use cheeseshop::index::access::{Caller, Grant};
use cheeseshop::index::{admin, release, setup};
use cheeseshop::names::IndexPath;
use cheeseshop::pypi::ProjectName;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// What a test may ask the filled shop for.
pub struct Filled {
    pub shop: Shop,
    /// A token of alice, for reading `alice/shut` only.
    pub token: String,
    /// A devpi token of alice.
    pub devpi_token: String,
    /// A live file of `alice/dev`.
    pub wheel: Dist,
    /// A yanked one.
    pub yanked: Dist,
    /// A removed one.
    pub removed: Dist,
    /// A file that only alice may read, in `alice/shut`.
    pub shut: Dist,
    /// A mirrored file that is kept.
    pub mirrored: Dist,
    /// Documentation of the wheel's release.
    pub docs: Vec<u8>,
}

/// Fills a new shop.
pub async fn fill(engine: Engine) -> Filled {
    let (shop, upstream) = (Shop::start(engine).await, FakeUpstream::start().await);
    let mirrored = Dist::wheel("six", "1.0");
    let unkept = Dist::wheel("six", "2.0");
    upstream.add(Item::new(&mirrored));
    upstream.add(Item::new(&unkept));
    shop.user("root").await;
    shop.mirror("root/pypi", &upstream, &[]).await;
    shop.stage("alice/dev", &["volatile=true", "bases=root/pypi", "title=Dév \"1\"", "custom_data=x"]).await;
    shop.stage("alice/shut", &["acl_read=alice"]).await;
    shop.stage("bob/gone", &["volatile=true"]).await;
    shop.default_index("alice/dev").await;
    let link = shop.page("root/pypi", "six").await.link(&mirrored.filename);
    shop.get(&link.path).await.is(200);
    // Of the other one only the metadata is known.
    shop.get(&format!("{}.metadata", unkept.path("root/pypi"))).await.is(200);
    let (wheel, yanked) = (shop.publish("alice/dev", "My.App", "1.0").await, shop.publish("alice/dev", "My.App", "1.1").await);
    shop.upload("alice/dev", &Dist::sdist("My.App", "1.0")).await.is(200);
    let removed = shop.publish("alice/dev", "My.App", "0.9").await;
    shop.delete(&removed.path("alice/dev")).by("alice").await.is(200);
    yank(&shop, &yanked, "it's \"broken\"").await;
    let last = shop.publish("alice/dev", "reserved", "1.0").await;
    shop.delete(&last.path("alice/dev")).by("alice").await.is(200);
    let docs = zip_of(&[("index.html", b"<h1>docs</h1>")]);
    shop.send("/alice/dev/", &Form::docs("My.App", Some("1.0"), &docs)).by("alice").await.is(200);
    shop.post(&wheel.path("alice/dev")).header("content-type", "application/json").body("{\"testenvs\": {}}").await.is(200);
    let shut = shop.publish("alice/shut", "secret", "1.0").await;
    // Ids and serials that nothing has any more: the last index and the newest user are gone again.
    shop.publish("bob/gone", "app", "1.0").await;
    admin::delete(shop.core(), &Caller::system(), &IndexPath::parse("bob/gone").unwrap()).await.unwrap();
    let token = shop.token("alice", "ci", scope(&[Grant::Read], &["alice/shut"], &[]), None).await;
    let body = json!({"allowed": ["pkg_read", "upload"]}).to_string();
    let made = shop.post("/alice/+token-create").accept("application/json").body(body).by("alice").await.is(200).json();
    let devpi_token = made["result"]["token"].as_str().unwrap().to_owned();
    setup::server_uuid(shop.core()).await.unwrap();
    shop.settled().await;
    Filled { shop, token, devpi_token, wheel, yanked, removed, shut, mirrored, docs }
}

async fn yank(shop: &Shop, dist: &Dist, reason: &str) {
    let index = shop.core().tree.load().at(&IndexPath::parse("alice/dev").unwrap()).unwrap().index.clone();
    let project = ProjectName::parse(&dist.name).unwrap();
    let target = release::Target::File(dist.filename.clone());
    release::yank(shop.core(), &Caller::system(), &index, &project, target, Some(reason.into())).await.unwrap();
}

/// Every row of every table that travels. JSON is compared by its meaning: PostgreSQL writes it in its own way.
pub async fn rows(shop: &Shop) -> BTreeMap<String, Vec<String>> {
    let mut c = shop.core().db.snapshot().await.unwrap();
    let mut all = BTreeMap::new();
    for name in dump::TABLES {
        let table = dump::table(&mut c, name).await.unwrap();
        let mut rows = Vec::new();
        dump::for_each(&mut c, &table, |row| {
            let named = table.columns.iter().map(|column| column.name.clone()).zip(row.into_iter().map(shown));
            rows.push(Json::Object(named.collect()).to_string());
            Ok(())
        })
        .await
        .unwrap();
        rows.sort();
        let last = dump::last_id(&mut c, &table).await.unwrap();
        rows.push(format!("last id {last:?}"));
        all.insert((*name).to_owned(), rows);
    }
    all
}

fn shown(value: Value) -> Json {
    match value {
        Value::Integer(value) => json!(value),
        Value::Boolean(value) => json!(value),
        Value::Bytes(value) => json!(value.map(hex::encode)),
        Value::Text(None) => Json::Null,
        Value::Text(Some(text)) => match serde_json::from_str(&text) {
            Ok(json @ (Json::Object(_) | Json::Array(_))) => json,
            _ => json!(text),
        },
    }
}

impl Filled {
    /// Asks `shop`, which should be the same as the filled one, for all that anybody could notice.
    pub async fn is_all_in(&self, shop: &Shop) {
        for user in ["root", "alice", "bob"] {
            let body = json!({"user": user, "password": super::shop::password_of(user)}).to_string();
            shop.post("/+login").accept("application/json").body(body).await.is(200);
        }
        assert_eq!(shop.get(&self.wheel.path("alice/dev")).await.is(200).body, self.wheel.bytes);
        let metadata = shop.get(&format!("{}.metadata", self.wheel.path("alice/dev"))).await.is(200);
        assert_eq!(metadata.body, self.wheel.metadata);
        let page = shop.get("/simple/my-app/").accept(super::JSON).await.is(200);
        assert_eq!(page.link(&self.yanked.filename).yanked.as_deref(), Some("it's \"broken\""));
        shop.get(&self.removed.path("alice/dev")).await.is(410);
        assert_eq!(shop.get(&self.mirrored.path("root/pypi")).await.is(200).body, self.mirrored.bytes);
        let digest = sha256(&self.docs);
        let docs = shop.get(&format!("/alice/dev/+f/{}/{}/my-app-1.0.doc.zip", &digest[..3], &digest[3..16])).await;
        assert!(docs.status == 200 && docs.body == self.docs, "{docs:?}");
        let secret = self.shut.path("alice/shut");
        shop.get(&secret).await.is(401);
        for secret_word in [&self.token, &self.devpi_token] {
            assert_eq!(shop.get(&secret).auth("alice", secret_word).await.is(200).body, self.shut.bytes);
        }
        let results = shop.get("/alice/dev/my-app/1.0").accept("application/json").await.is(200).json();
        assert!(results.to_string().contains("toxresult"), "{results}");
    }
}
