//! A devpi export moves in: all three dump versions, and everything that is in one.

use super::support::dist::sha256;
use super::support::shop::{Options as ShopOptions, password_of};
use super::support::{Dist, Dump, Engine, Shop, both};
use axum::http::Method;
use cheeseshop::blobs::Adopt;
use cheeseshop::index::passwords;
use cheeseshop::index::settings::UploadChecks;
use cheeseshop::moving::import_devpi::{self, Options};
use cheeseshop::moving::progress::Progress;
use cheeseshop::moving::report::{Counts, Report};
use serde_json::{Value, json};

const EGG: &[u8] = b"an egg";
const DOCS: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const RESULT: &[u8] = b"{\"testenvs\": {}}";

pub async fn import(shop: &Shop, options: &Options) -> Report {
    let export = import_devpi::read(options).await.unwrap();
    import_devpi::import(Some(shop.core()), options, export, Progress::silent()).await.unwrap()
}

async fn dry_run(options: &Options) -> Report {
    import_devpi::import(None, options, import_devpi::read(options).await.unwrap(), Progress::silent()).await.unwrap()
}

pub async fn dump_for(shop: &Shop, version: u32) -> Dump {
    let hash = async |user: &str| passwords::hash(shop.core(), &password_of(user)).await.unwrap();
    Dump::new(version, &hash("root").await, &hash("alice").await)
}

/// Everything that an export of this version may hold.
async fn full(shop: &Shop, version: u32) -> (Dump, Dist) {
    let mut dump = dump_for(shop, version).await;
    let (stage, mirror) = if version == 3 { ("local", "remote") } else { ("stage", "mirror") };
    dump.config(
        "alice/dev",
        json!({"type": stage, "volatile": true, "bases": ["alice/prod"], "acl_upload": ["alice"], "title": "Dev"}),
    );
    dump.config("alice/prod", json!({"type": stage, "volatile": false, "bases": []}));
    dump.config("root/pypi", json!({"type": mirror, "volatile": false}));
    let dist = Dist::wheel("My.App", "1.0");
    dump.dist("alice/dev", &dist, "my-app");
    dump.release("alice/dev", "old", "dev-r12", json!({"summary": "odd", "classifiers": ["A"], "requires_python": ">=2.6"}));
    dump.file("alice/dev", "alice/dev/old/dev-r12/old-dev_r12-py2.6.egg", EGG, json!({"version": "dev-r12"}));
    dump.release("alice/dev", "planned", "2.0", json!({"summary": "no file yet"}));
    dump.file(
        "alice/dev",
        "alice/dev/my-app-1.0.doc.zip",
        DOCS,
        json!({"type": "doczip", "version": "1.0", "projectname": "my-app"}),
    );
    let tested = format!("alice/dev/my-app/sha256={}", dist.sha256());
    let result =
        json!({"type": "toxresult", "version": "1.0", "for_entrypath": format!("alice/dev/+f/aaa/bbb/{}", dist.filename)});
    dump.file("alice/dev", &format!("{tested}/{}.toxresult-20200401100000-0", dist.filename), RESULT, result);
    in_the_words_of(version, &mut dump);
    (dump, dist)
}

/// Entries in the form of their version: 1 has MD5 and no version, 3 has ISO times and sizes.
fn in_the_words_of(version: u32, dump: &mut Dump) {
    for entry in dump.index["indexes"]["alice/dev"]["files"].as_array_mut().unwrap() {
        let bytes = std::fs::read(dump.folder.path().join(entry["relpath"].as_str().unwrap())).unwrap();
        match version {
            // Its file name does not give the version of the egg away.
            1 if entry["projectname"] != "old" => {
                entry.as_object_mut().unwrap().remove("version");
                let md5 = hex::encode(<md5::Md5 as md5::Digest>::digest(&bytes));
                entry["entrymapping"] = json!({"md5": md5, "last_modified": "Wed, 01 Apr 2020 10:00:00 GMT"});
            }
            3 => {
                entry["entrymapping"] =
                    json!({"last_modified": "2020-04-01T10:00:00Z", "size": bytes.len(), "hashes": {"sha256": sha256(&bytes)}});
                entry["log"][0]["when"] = json!("2020-04-01T10:00:00Z");
            }
            _ => {}
        }
    }
}

async fn version_data(shop: &Shop, path: &str) -> Value {
    shop.get(path).accept("application/json").await.is(200).json()["result"].clone()
}

async fn came_whole(shop: &Shop, dist: &Dist) {
    let page = shop.page("alice/dev", "my-app").await;
    let link = page.link(&dist.filename);
    assert_eq!(shop.get(&link.path).await.is(200).body, dist.bytes);
    assert_eq!(page.json()["files"][0]["upload-time"], "2020-04-01T10:00:00.000000Z");
    let data = version_data(shop, "/alice/dev/my-app/1.0").await;
    assert_eq!(
        (&data["name"], &data["summary"]),
        (&json!("My.App"), &json!("a test")),
        "a sound archive knows better than the dump"
    );
    let rels: Vec<&str> = data["+links"].as_array().unwrap().iter().map(|link| link["rel"].as_str().unwrap()).collect();
    assert_eq!(rels.len(), 3, "{rels:?}");
    for link in data["+links"].as_array().unwrap() {
        let upload = json!([{"what": "upload", "who": "alice", "when": [2020, 4, 1, 10, 0, 0], "dst": "alice/dev"}]);
        assert_eq!(link["log"], upload, "{link}");
        let bytes = match link["rel"].as_str().unwrap() {
            "releasefile" => dist.bytes.as_slice(),
            "doczip" => DOCS,
            _ => RESULT,
        };
        let path = link["href"].as_str().unwrap().strip_prefix("http://localhost").unwrap();
        assert_eq!(shop.get(path).await.is(200).body, bytes, "{path}");
    }
    assert_eq!(shop.filenames("alice/dev", "old").await, ["old-dev_r12-py2.6.egg"]);
    let old = version_data(shop, "/alice/dev/old/dev-r12").await;
    assert_eq!(
        (&old["summary"], &old["classifiers"]),
        (&json!("odd"), &json!(["A"])),
        "the dump knows what the egg does not say"
    );
    let planned = version_data(shop, "/alice/dev/planned/2.0").await;
    assert_eq!(planned["summary"], "no file yet");
}

both! {
    async fn everything_comes_from_every_version(engine: Engine) {
        for version in 1..=3 {
            let shop = Shop::start(engine).await;
            let (dump, dist) = full(&shop, version).await;
            let report = import(&shop, &dump.write()).await;
            assert!(report.skipped.is_empty(), "{version}: {:?}", report.skipped);
            let came = Counts { users: 2, indexes: 3, projects: 3, releases: 3, files: 2, docs: 1, results: 1, ..report.came };
            assert_eq!(report.came, came, "{version}");
            came_whole(&shop, &dist).await;
            let config = version_data(&shop, "/alice/dev?no_projects=").await;
            assert_eq!((&config["type"], &config["bases"], &config["title"]), (&json!("stage"), &json!(["alice/prod"]), &json!("Dev")));
            assert_eq!(config["upload_checks"], "lenient");
            let combined = if version == 3 { "intersection" } else { "union" };
            assert_eq!(config["mirror_whitelist_inheritance"], combined);
            let alice = version_data(&shop, "/alice").await;
            assert_eq!((&alice["created"], &alice["email"]), (&json!("2020-02-01T00:00:00Z"), &json!("alice@example.org")));
            // Old passwords open the accounts, and what teams upload still goes in.
            shop.publish("alice/dev", "new", "1.0").await;
        }
    }

    async fn a_second_run_changes_nothing(engine: Engine) {
        let shop = Shop::start(engine).await;
        let (dump, dist) = full(&shop, 1).await;
        let options = dump.write();
        let first = import(&shop, &options).await;
        let (before, counted) = (shop.stored().await, Counts { bytes: 0, ..first.came });
        let again = import(&shop, &options).await;
        assert_eq!((again.came, again.there), (Counts::default(), counted));
        assert_eq!(shop.stored().await, before);
        came_whole(&shop.another().await, &dist).await;
        // Whoever has chosen another password since is still the one who came.
        shop.ask(Method::PATCH, "/alice").body(r#"{"password": "chosen since"}"#).by("alice").await.is(200);
        let third = import(&shop, &options).await;
        assert!(!third.warnings.iter().any(|text| text.starts_with("user ")), "{:?}", third.warnings);
    }

    async fn a_dry_run_reads_everything_and_writes_nothing(engine: Engine) {
        let shop = Shop::start(engine).await;
        let (dump, dist) = full(&shop, 2).await;
        let options = dump.write();
        let report = dry_run(&options).await;
        let really = import(&shop, &options).await;
        assert!(report.dry_run && report.skipped.is_empty() && report.came == really.came, "{report:?}");
        std::fs::write(dump.path().join(format!("alice/dev/my-app/1.0/{}", dist.filename)), b"torn").unwrap();
        let report = dry_run(&options).await;
        assert_eq!((report.skipped.len(), report.came.files), (1, 1));
    }

    async fn hard_links_bring_the_very_files(engine: Engine) {
        let shop = Shop::start(engine).await;
        let (dump, dist) = full(&shop, 2).await;
        import(&shop, &Options { adopt: Adopt::Link, ..dump.write() }).await;
        came_whole(&shop, &dist).await;
        let source = dump.path().join(format!("alice/dev/my-app/1.0/{}", dist.filename));
        assert_eq!(std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(source).unwrap()), 2);
    }

    async fn what_is_here_stays_and_gets_what_it_lacks(engine: Engine) {
        let shop = Shop::start(engine).await;
        shop.user("root").await;
        shop.stage("alice/dev", &["volatile=true", "title=Ours"]).await;
        let ours = Dist::wheel("My.App", "1.0").rebuilt();
        shop.upload("alice/dev", &ours).await.is(200);
        let (mut dump, _) = full(&shop, 2).await;
        dump.index["users"]["alice"]["pwhash"] = json!("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA");
        shop.page("alice/dev", "my-app").await;
        let report = import(&shop, &Options { checks: UploadChecks::Strict, ..dump.write() }).await;
        assert_eq!(report.skipped.len(), 1, "{:?}", report.skipped);
        assert!(report.skipped[0].name.ends_with(&ours.filename));
        assert!(report.warnings.iter().any(|text| text.starts_with("user alice exists here already")), "{:?}", report.warnings);
        assert_eq!(shop.page("alice/dev", "my-app").await.link(&ours.filename).sha256, Some(ours.sha256()));
        assert_eq!(version_data(&shop, "/alice/dev?no_projects=").await["title"], "Ours");
        assert_eq!(shop.filenames("alice/dev", "old").await.len(), 1, "what was missing came");
        shop.publish("alice/dev", "new", "1.0").await;
    }

    async fn kept_files_of_a_mirror_are_served_without_upstream(engine: Engine) {
        let shop = Shop::with(engine, ShopOptions::offline()).await;
        let mut dump = dump_for(&shop, 2).await;
        dump.config("root/pypi", json!({"type": "mirror", "volatile": false, "mirror_url": "http://127.0.0.1:9/simple/"}));
        let dist = Dist::wheel("six", "1.0");
        dump.release("root/pypi", "six", "1.0", json!({"yanked": "too old"}));
        let mapping = json!({"last_modified": "Wed, 01 Apr 2020 10:00:00 GMT", "hashes": {"sha256": dist.sha256()},
            "url": format!("http://127.0.0.1:9/files/{}#sha256={}", dist.filename, dist.sha256())});
        let relpath = format!("root/pypi/six/1.0/{}", dist.filename);
        dump.file("root/pypi", &relpath, &dist.bytes, json!({"version": "1.0", "entrymapping": mapping}));
        let report = import(&shop, &dump.write()).await;
        assert_eq!((report.came.mirrored, report.skipped.len()), (1, 0), "{report:?}");
        let page = shop.page("root/pypi", "six").await;
        let file = &page.json()["files"][0];
        assert_eq!((&file["yanked"], &file["upload-time"]), (&json!("too old"), &json!("2020-04-01T10:00:00.000000Z")));
        let link = page.link(&dist.filename);
        assert_eq!(shop.get(&link.path).await.is(200).body, dist.bytes);
        assert_eq!(shop.get(&format!("{}.metadata", link.path)).await.is(200).body, dist.metadata);
        let before = shop.stored().await;
        assert_eq!(import(&shop, &dump.write()).await.there.mirrored, 1);
        assert_eq!(shop.stored().await, before);
    }
}
